"""Do the wheel, the source distribution, an editable install and a checkout all carry and find the same things?

What belongs in them is read from git, so these tests grow with the tree. Everything is built in a copy of the files
that git does not ignore, without a network, and looked up from another directory by an interpreter that knows only that
installation.
"""

import json
import os
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

LOOK_UP = """
import json, quicsim, vm
from quicsim import locate
found = {"plugins": locate.plugins(), "scenarios": locate.scenarios()}
files = {kind: {name: str(path) for name, path in paths.items()} for kind, paths in found.items()}
print(json.dumps({"quicsim": quicsim.__file__, "vm": vm.__file__, **files}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """What the command prints; if it fails, the test fails with what it said."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP", "VIRTUAL"))
    }
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


if not (ROOT / ".git").exists() or shutil.which("git") is None:
    pytest.skip("what belongs in a distribution is read from git", allow_module_level=True)

OURS = [
    name
    for name in run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    if name and (ROOT / name).is_file()
]
"""The files that git tracks, or would: those of a clone, and those not yet added."""


def under(*directories: str) -> list[str]:
    return [name for name in OURS if name.partition("/")[0] in directories]


PLUGINS = sorted(Path(name).parent.name for name in OURS if Path(name).match("plugins/*/plugin.toml"))
SCENARIOS = sorted(Path(name).stem for name in OURS if Path(name).match("scenarios/*.toml"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of our files, as they are now."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in OURS:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    return copy


def build(source: Path, target: str, out: Path) -> Path:
    """The distribution that hatchling builds from this tree."""
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", out, cwd=source)
    (built,) = out.glob({"wheel": "*.whl", "sdist": "*.tar.gz"}[target])
    return built


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    return build(checkout, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    """The source distribution, unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build(checkout, "sdist", out)) as archive:
        archive.extractall(out, filter="data")
    (unpacked,) = (path for path in out.iterdir() if path.is_dir())
    return unpacked


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def environment(where: Path) -> Path:
    """The interpreter of a new environment that has our dependencies and no quicsim."""
    run(sys.executable, "-m", "venv", "--without-pip", where, cwd=where.parent)
    (packages,) = where.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return where / "bin/python"


def install(python: Path, distribution: Path) -> None:
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *offline, distribution, cwd=python.parent)


def look_up(python: Path, cwd: Path, before: str = "") -> dict[str, Any]:
    return json.loads(run(python, "-c", before + LOOK_UP, cwd=cwd))


def assert_all_found(found: dict[str, Any], house: Path) -> None:
    """Every plugin and scenario of ours is found, and lies in this house."""
    assert list(found["plugins"]) == PLUGINS
    assert list(found["scenarios"]) == SCENARIOS
    for path in [*found["plugins"].values(), *found["scenarios"].values()]:
        assert Path(path).is_relative_to(house)
        assert Path(path).exists()


# ---------------------------------------------------------------------------------------------- what is carried


def test_git_ignores_nothing_that_belongs_in_a_plugin():
    names = ["plugins/tlp/tlp.o", "plugins/tlp/tlp.c", "plugins/tlp/plugin.toml", "plugins/include/quicsim.h"]
    command = ["git", "check-ignore", "--no-index", "--verbose", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_wheel_carries_the_packages_their_types_and_their_data(checkout, wheel):
    carried = contents(wheel)
    modules = under("quicsim", "vm")
    assert {"quicsim/py.typed", "vm/py.typed"} <= set(modules)
    data = {f"quicsim/_data/{name}": (checkout / name).read_bytes() for name in under("plugins", "scenarios")}
    code = {name: (checkout / name).read_bytes() for name in modules}
    assert {name: carried[name] for name in carried if ".dist-info/" not in name} == {**code, **data}


def test_objects_are_carried_even_where_a_gitignore_names_them(checkout, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(checkout, tree)
    (tree / ".gitignore").write_text("*.o\n")
    made = tree / "plugins/made_here/made_here.o"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"\x7fELF")
    assert contents(build(tree, "wheel", tmp_path))["quicsim/_data/plugins/made_here/made_here.o"] == b"\x7fELF"
    with tarfile.open(build(tree, "sdist", tmp_path)) as archive:
        assert any(name.endswith("/plugins/made_here/made_here.o") for name in archive.getnames())


def test_the_source_distribution_carries_what_builds_tests_and_explains(checkout, sdist):
    wanted = under("quicsim", "vm", "plugins", "scenarios", "tests", "benchmarks", "notebooks", "docs")
    wanted += ["pyproject.toml", "Makefile", "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
    assert [name for name in wanted if not (sdist / name).is_file()] == []
    assert [name for name in wanted if (sdist / name).read_bytes() != (checkout / name).read_bytes()] == []


def test_a_wheel_from_the_source_distribution_is_the_wheel_from_the_tree(sdist, wheel, tmp_path):
    assert contents(build(sdist, "wheel", tmp_path)) == contents(wheel)


# ----------------------------------------------------------------------------------------------- what is found


def test_all_is_found_from_a_wheel(wheel, tmp_path):
    python = environment(tmp_path / "venv")
    install(python, wheel)
    found = look_up(python, cwd=tmp_path)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    assert found["quicsim"] == str(packages / "quicsim/__init__.py")
    assert found["vm"] == str(packages / "vm/__init__.py")
    assert_all_found(found, packages / "quicsim/_data")
    assert (tmp_path / "venv/bin/quicsim").is_file()


def test_all_is_found_from_an_editable_install_which_copies_nothing(checkout, tmp_path):
    python = environment(tmp_path / "venv")
    run(sys.executable, "-c", f"import hatchling.build as b; b.build_editable({str(tmp_path)!r})", cwd=checkout)
    (editable,) = tmp_path.glob("*.whl")
    install(python, editable)
    found = look_up(python, cwd=tmp_path)
    assert found["quicsim"] == str(checkout / "quicsim/__init__.py")
    assert found["vm"] == str(checkout / "vm/__init__.py")
    assert_all_found(found, checkout)
    assert [path.name for path in (tmp_path / "venv").rglob("*.toml")] == []


def test_all_is_found_from_a_checkout(checkout, tmp_path):
    python = environment(tmp_path / "venv")
    found = look_up(python, cwd=tmp_path, before=f"import sys; sys.path.insert(0, {str(checkout)!r})")
    assert found["quicsim"] == str(checkout / "quicsim/__init__.py")
    assert_all_found(found, checkout)
