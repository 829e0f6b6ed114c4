"""How were the objects beside this file built? One row an object; `python tests/vm/objects/build.py` builds them anew.

It builds those whose compilers are here: ziglang comes from PyPI, the others are Debian 12's packages of that name
(`apt install clang-13 ... gcc-bpf`), but for gcc-14, which is the gcc-bpf of Debian 13. `--check` writes nothing.

gcc is asked for -mcpu=v3 only. Below it, gcc 12 and 14 write a 32-bit mask as an immediate of `and`, which is
sign-extended, and turn `n < 2` into `1 > n`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
LINES = ("-g", "-fdebug-compilation-dir=.")
ZIGLANG = (sys.executable, "-m", "ziglang", "cc", "-target", "bpfel-freestanding", "-fno-sanitize=all")

COMPILERS = {
    **{name: (name, "-target", "bpfel") for name in ("clang-13", "clang-14", "clang-15", "clang-16", "clang-19")},
    **dict.fromkeys(("gcc-12", "gcc-14"), ("bpf-gcc",)),
    "ziglang": ZIGLANG,
}

OBJECTS = {
    "programs": ("programs.c", "ziglang", ("-O2", "-mcpu=v3")),
    "linking": ("linking.c", "ziglang", ("-O2", "-mcpu=v3")),
    "linking_debug": ("linking.c", "ziglang", ("-O2", "-mcpu=v3", *LINES)),
    "average": ("average.c", "ziglang", ("-O2", "-mcpu=v3", *LINES)),
    "compilers.clang-13": ("compilers.c", "clang-13", ("-O1", "-mcpu=v1")),
    "compilers.clang-14": ("compilers.c", "clang-14", ("-O0", "-mcpu=v3")),
    "compilers.clang-16": ("compilers.c", "clang-16", ("-O2", "-mcpu=v3")),
    "compilers.clang-19": ("compilers.c", "clang-19", ("-O2", "-mcpu=v4")),
    "compilers.gcc-12": ("compilers.c", "gcc-12", ("-O2", "-mcpu=v3")),
    "compilers.gcc-12.O0": ("compilers.c", "gcc-12", ("-O0", "-mcpu=v3")),
    "compilers.gcc-14": ("compilers.c", "gcc-14", ("-O2", "-mcpu=v3")),
    "compilers.ziglang": ("compilers.c", "ziglang", ("-O2", "-mcpu=v4")),
    "pointers.clang-14": ("pointers.c", "clang-14", ("-O0", "-mcpu=v3")),
    "pointers.clang-19": ("pointers.c", "clang-19", ("-O2", "-mcpu=v3")),
    "lines.clang-13": ("lines.c", "clang-13", ("-O2", "-mcpu=v3", *LINES)),
    "lines.clang-19": ("lines.c", "clang-19", ("-O0", "-mcpu=v3", *LINES)),
    "lines.ziglang": ("lines.c", "ziglang", ("-O2", "-mcpu=v3", *LINES)),
}


def compiled(source: str, compiler: str, flags: tuple[str, ...]) -> bytes:
    """The object of a source beside this file. Raises subprocess.CalledProcessError, with what the compiler said."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "object.o"
        command = [*COMPILERS[compiler], *flags, "-c", source, "-o", str(target)]
        subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True)
        return target.read_bytes()


def is_here(compiler: str) -> bool:
    """Whether this machine has the compiler, in its version."""
    program = COMPILERS[compiler][0]
    if compiler == "ziglang":
        return find_spec("ziglang") is not None
    if shutil.which(program) is None:
        return False
    if program != "bpf-gcc":
        return True
    version = subprocess.run([program, "-dumpversion"], check=True, capture_output=True, text=True).stdout
    return version.split(".")[0].strip() == compiler.removeprefix("gcc-")


def main(arguments: list[str] | None = None) -> int:
    """Run as a command; the exit code: 1 where an object is not what its source gives."""
    parser = argparse.ArgumentParser(description="Build the objects of the virtual machine's tests.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(OBJECTS)}; default: all")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where an object would change")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.names) - set(OBJECTS)):
        parser.error(f"no object {unknown[0]!r}")
    stale = 0
    for name in chosen.names or OBJECTS:
        source, compiler, flags = OBJECTS[name]
        if not is_here(compiler):
            print(f"{name}: left as it is, {compiler} is not here")
            continue
        data = compiled(source, compiler, flags)
        path = HERE / f"{name}.o"
        is_fresh = path.is_file() and path.read_bytes() == data
        if not is_fresh and not chosen.check:
            path.write_bytes(data)
        stale += not is_fresh
        print(f"{name}: {len(data)} bytes, {'as it was' if is_fresh else 'new'}")
    return int(chosen.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
