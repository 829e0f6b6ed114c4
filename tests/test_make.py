"""Does make build .venv just when it must, and say in one line what a machine lacks?

The interpreters here are stand-ins on a PATH of our own: they note how they were called, and install nothing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

WELL = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip "*) exit "${PIP_ENDS:-0}" ;;
esac
"""
BREAKS_HALFWAY = """#!/bin/sh
case "$*" in "-m venv .venv") mkdir -p .venv/bin; exit 1 ;; esac
"""
CHANGED = """#!/bin/sh
exec '{python}' -c 'import sys
{change}
exec(sys.argv[2])' "$@"
"""
"""The interpreter of this test with a change to what it is, given the one program that make hands it with -c."""


class Machine:
    """A directory with our Makefile, on a machine whose `python3` is the given script."""

    def __init__(self, directory: Path, python: str | None) -> None:
        self.tree = directory / "tree"
        self.calls_file = directory / "calls"
        self.path = directory / "bin"
        self.path.mkdir()
        self.tree.mkdir()
        shutil.copy(ROOT / "Makefile", self.tree)
        (self.tree / "pyproject.toml").touch()
        for tool in ["sh", "make", "cat", "cp", "rm", "mkdir", "head", "touch", "test", "awk", "find"]:
            (self.path / tool).symlink_to(str(shutil.which(tool)))
        if python is not None:
            (self.path / "python3").write_text(python)
            (self.path / "python3").chmod(0o755)

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        self.calls_file.write_text("")
        environment = {"PATH": str(self.path), "CALLS": str(self.calls_file), "LC_ALL": "C", **variables}
        return subprocess.run(
            [self.path / "make", *arguments],
            cwd=self.tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        """How python was called to make environments and to install, in the last run of make."""
        return [line for line in self.calls_file.read_text().splitlines() if line.startswith(("-m venv", "-m pip"))]

    def age(self, *names: str) -> None:
        """Make these files old, each a second older than the next."""
        for second, name in enumerate(names):
            os.utime(self.tree / name, (1_000_000_000 + second,) * 2)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path, WELL)


def installing(extras: str) -> str:
    return f"-m pip install -qq --no-input --disable-pip-version-check --editable .{extras}"


def test_the_first_run_builds_and_the_second_calls_no_pip(machine):
    assert machine.make("test").returncode == 0
    assert machine.calls == ["-m venv .venv", installing("[test]")]
    assert machine.make("test").returncode == 0
    assert machine.calls == []


@pytest.mark.parametrize(
    ("target", "extras"),
    [
        ("demo", ""),
        ("test", "[test]"),
        ("lint", "[lint,test]"),
        ("plugins", "[build]"),
        ("notebooks", "[notebooks,test]"),
        ("benchmarks", "[benchmarks]"),
    ],
)
def test_a_target_installs_the_extras_it_needs(machine, target, extras):
    assert machine.make(f".venv/for-{target}").returncode == 0
    assert machine.calls == ["-m venv .venv", installing(extras)]


def test_the_benchmarks_are_told_what_make_was_told(machine):
    assert machine.make("benchmarks", "ARGS=quic --json").returncode == 0
    assert machine.calls_file.read_text().splitlines()[-1] == "-m benchmarks quic --json"


def test_another_target_adds_to_the_same_environment(machine):
    machine.make("test")
    machine.make("plugins")
    assert machine.calls == [installing("[build]")]


def test_a_newer_pyproject_installs_again(machine):
    machine.make("test")
    machine.age(".venv/made-for", ".venv/for-test", "pyproject.toml")
    machine.make("test")
    assert machine.calls == [installing("[test]")]


def test_an_environment_whose_interpreter_is_gone_is_made_anew(machine):
    machine.make("test")
    (machine.tree / ".venv/bin/python").unlink()
    machine.make("test")
    assert machine.calls == ["-m venv .venv", installing("[test]")]


def test_an_environment_moved_from_elsewhere_is_made_anew(machine, tmp_path):
    machine.make("test")
    machine.tree = machine.tree.rename(tmp_path / "elsewhere")
    machine.make("test")
    assert machine.calls == ["-m venv .venv", installing("[test]")]


def test_a_failed_installation_fails_and_is_tried_again(machine):
    assert machine.make("test", PIP_ENDS="1").returncode != 0
    assert not (machine.tree / ".venv/for-test").exists()
    assert machine.make("test").returncode == 0
    assert machine.calls == [installing("[test]")]


def changed(change: str) -> str:
    return CHANGED.format(python=sys.executable, change=change)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (None, "quicsim needs Python 3.11 or newer, and there is no 'python3' here (on Debian or Ubuntu: apt install "),
        (
            changed('sys.version_info, sys.version = (3, 9, 2), "3.9.2 (default)"'),
            "quicsim needs Python 3.11 or newer, and 'python3' is 3.9.2: install a newer one and name it: make PYTHON=",
        ),
        (
            changed('sys.modules["ensurepip"] = None'),
            "'python3' cannot make virtual environments, its venv module is missing or incomplete "
            "(on Debian or Ubuntu: apt install python3-venv), then run make again",
        ),
        (
            BREAKS_HALFWAY,
            "'python3' could not make .venv, for the reason above (on Debian or Ubuntu: apt install python3-venv)",
        ),
    ],
    ids=["none", "old", "no-venv", "breaks-halfway"],
)
def test_what_the_machine_lacks_is_said_in_one_line_and_nothing_stays(tmp_path, python, message):
    machine = Machine(tmp_path, python)
    done = machine.make("demo")
    assert done.returncode == 2
    assert done.stdout == ""
    said, by_make = done.stderr.splitlines()
    assert said.startswith(message)
    assert by_make.startswith("make: ***")
    assert sorted(path.name for path in machine.tree.iterdir()) == ["Makefile", "pyproject.toml"]


def test_make_alone_lists_every_target(machine):
    listed = {line.split()[1] for line in machine.make().stdout.splitlines()}
    (phony,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert listed == set(phony.split()[1:]) - {"stale"}
    assert machine.calls == []
