"""Are the committed plugins what their sources say? Builds them, and the header, with a pinned compiler.

`python -m quicsim.plugin.build` writes plugins/include/quicsim.h and every plugin's objects: `x.o`, which travels, and
`x.debug.o`, the same code with its source lines. `--check` writes nothing and fails where one of them is stale.
`--clang` builds with a compiler of your choice, into `--output` and never over a committed object.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from quicsim import locate
from quicsim.plugin.description import read_description
from quicsim.plugin.header import c_header, parameters_header
from quicsim.plugin.package import DEBUG_SUFFIX, PluginError, load_plugin

__all__ = ["BuildError", "compile_debug", "compile_plugin", "main", "source_of"]

FLAGS = (
    "-O2",
    "-mcpu=v3",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-Werror",
    "-ffreestanding",
    "-fno-unwind-tables",
    "-c",
)


class BuildError(RuntimeError):
    """A plugin could not be built; the text is the compiler's, or says what is missing."""


def compiler(clang: str | None) -> list[str]:
    """The command that compiles C to eBPF: the pinned one, or the user's clang."""
    if clang is not None:
        return [clang, "-target", "bpfel"]
    pinned = find_spec("ziglang")
    if pinned is None or pinned.origin is None:
        raise BuildError("the compiler is missing; install it with: pip install 'quicsim[build]'")
    own_headers = f"-fdebug-prefix-map={Path(pinned.origin).parent}=ziglang"
    return [sys.executable, "-m", "ziglang", "cc", "-target", "bpfel-freestanding", own_headers]


def source_of(directory: Path) -> Path:
    """A plugin's one C file, named as its directory. Raises BuildError."""
    source = directory / f"{directory.name}.c"
    if not source.is_file():
        raise BuildError(f"{directory}: there is no {source.name}")
    return source


def compile_plugin(source: Path, include: Path, *, clang: str | None = None) -> bytes:
    """The object of a C file. Raises BuildError with the compiler's words, PluginError if it is no plugin.

    The source may include "parameters.h" where the plugin.toml beside it declares parameters.
    """
    data = compiled(source, include, clang)
    load_plugin(data, source=str(source))
    return data


def compile_debug(source: Path, include: Path, plain: bytes, *, clang: str | None = None) -> bytes:
    """The object of a C file with its source lines, which are the lines of `plain`, what `compile_plugin` gave.

    Raises BuildError with the compiler's words, PluginError if it is other code.
    """
    data = compiled(source, include, clang, "-g", "-fdebug-compilation-dir=.")
    load_plugin(plain, source=f"{source.with_suffix('')}.o", debug=data)
    return data


def compiled(source: Path, include: Path, clang: str | None, *more: str) -> bytes:
    """What the compiler makes of a C file.

    It runs in the source's directory on a relative name, so that no path of this machine enters the object.
    """
    if not source.is_file():
        raise BuildError(f"{source}: there is no such file; give the path of a plugin's C source")
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / f"{source.stem}.o"
        header = Path(scratch) / "parameters.h"
        about = source.with_name("plugin.toml")
        if about.is_file() and (parameters := read_description(about).parameters):
            header.write_text(parameters_header(parameters), encoding="ascii")
        places = ["-I", str(include), "-I", scratch]
        renamed = [f"-fdebug-prefix-map={include}=include", f"-fdebug-prefix-map={scratch}=."]
        command = [*compiler(clang), *FLAGS, *more, *places, *renamed, source.name, "-o", str(target)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "0"}
        done = subprocess.run(command, cwd=source.parent, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            missing = header.name in done.stderr and not header.exists()
            hint = f"\nparameters.h is made of the tables [parameters.NAME] of {about}" if missing else ""
            raise BuildError(f"{source}: the compiler failed\n{done.stderr.strip()}{hint}")
        return target.read_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Run as a command; the exit code: 1 where something is stale, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m quicsim.plugin.build", description="Build plugins from C: an eBPF object beside each source."
    )
    parser.add_argument("sources", nargs="*", type=Path, help="C files; default: every plugin that quicsim carries")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is stale")
    parser.add_argument("--clang", help="build with this clang instead of the pinned compiler; needs --output")
    parser.add_argument("--output", type=Path, help="directory for the objects; default: beside each source")
    chosen = parser.parse_args(arguments)
    try:
        return run(chosen.sources, check=chosen.check, clang=chosen.clang, output=chosen.output)
    except (BuildError, PluginError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(sources: list[Path], *, check: bool, clang: str | None, output: Path | None) -> int:
    """Build what is asked for; returns the exit code."""
    if clang is not None and output is None:
        raise BuildError("--clang needs --output: the committed objects come from the pinned compiler only")
    directories = locate.plugins()
    include = locate.plugin_include()
    made: dict[Path, bytes] = {}
    if not sources:
        sources = [source_of(directory) for directory in directories.values()]
        if output is None:
            made[include / "quicsim.h"] = c_header().encode()
            if not check:
                write_all(made)
    targets = {source: (output or source.parent) / f"{source.stem}.o" for source in sources}
    for source, target in targets.items():
        if clang is not None and target.parent.resolve() == source.parent.resolve():
            raise BuildError(
                f"--clang would overwrite {target}, which comes from the pinned compiler; choose another --output"
            )
    for source, target in targets.items():
        plain = compile_plugin(source.resolve(), include, clang=clang)
        made[target] = plain
        made[target.with_name(target.stem + DEBUG_SUFFIX)] = compile_debug(
            source.resolve(), include, plain, clang=clang
        )
    if check:
        stale = [path for path, data in made.items() if not path.is_file() or path.read_bytes() != data]
        for path in stale:
            print(f"stale: {path}; run `make plugins` and commit the result", file=sys.stderr)
        print(f"{len(made) - len(stale)} of {len(made)} generated files are fresh")
        return 1 if stale else 0
    write_all(made)
    for path, data in made.items():
        print(f"{path} ({len(data)} bytes)")
    return 0


def write_all(made: dict[Path, bytes]) -> None:
    """Write each file whole or not at all."""
    for path, data in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(data)
        os.replace(partial, path)


if __name__ == "__main__":
    raise SystemExit(main())
