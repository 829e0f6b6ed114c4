"""Does what `quicsim ci init` writes pass as written, and does it leave everything alone that is there?"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from quicsim import locate
from quicsim.cli import app
from tests.regression.refused import REFUSED, put_tlp

WRITTEN = {
    ".github/workflows/quicsim.yml",
    "pytest.ini",
    "tests/baselines/test_quicsim/test_the_plugin_is_as_good_as_it_was.json",
    "tests/test_quicsim.py",
}


def init(*arguments):
    return CliRunner().invoke(app, ["ci", "init", *arguments])


def files(root):
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run_workflow(root):
    """Run what the workflow runs, beside its installation: what this environment has already."""
    lines = re.findall(r"^ +run: (.+)$", (root / ".github/workflows/quicsim.yml").read_text(), re.MULTILINE)
    installs, *tests = lines
    assert installs == 'python -m pip install "quicsim[build]" pytest'
    assert len(tests) == 1
    program, *arguments = shlex.split(tests[0])
    assert program == "python"
    environment = {**os.environ, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(root / "summary.md")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def test_what_is_written_passes_and_fails_once_the_plugin_is_another(tmp_path):
    (tmp_path / "plugins").mkdir()
    guarded = tmp_path / "plugins/mine.o"
    guarded.write_bytes((locate.plugin("tlp") / "tlp.o").read_bytes())
    (tmp_path / "plugins/mine.c").write_text((locate.plugin("no_op") / "no_op.c").read_text())
    done = init("--plugin", "plugins/mine.o", "--directory", str(tmp_path))
    assert (done.exit_code, done.stderr) == (0, "")
    assert files(tmp_path) == WRITTEN | {"plugins/mine.o", "plugins/mine.c"}
    assert {Path(line).relative_to(tmp_path).as_posix() for line in done.stdout.splitlines()[:4]} == WRITTEN

    ran = run_workflow(tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout
    assert "1 checks, 0 failed" in (tmp_path / "summary.md").read_text()

    guarded.write_bytes((locate.plugin("no_op") / "no_op.o").read_bytes())
    ran = run_workflow(tmp_path)
    assert ran.returncode == 1
    assert "the plugins of variant 'with-tlp' were ['tlp'] and are ['no_op']" in ran.stdout


@pytest.mark.parametrize("there", [".github/workflows/quicsim.yml", "tests/test_quicsim.py"])
def test_nothing_that_is_there_is_overwritten(tmp_path, there):
    path = tmp_path / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    done = init("--directory", str(tmp_path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{path} is there already" in done.stderr
    assert files(tmp_path) == {there}
    assert path.read_text() == "mine"


WRONG = [  # options, what the one line says
    (("--plugin", "nope"), "no plugin 'nope'"),
    (("--plugin", "plugins/nope.c"), "no such file"),
    (("--plugin", "plugins/nope.o"), "no plugin object"),
    (("--scenario", "fig33"), "no scenario 'fig33'"),
    (("--scenario", "bulk_download"), "no variant of bulk_download uses a plugin"),
]


@pytest.mark.parametrize(("options", "said"), WRONG, ids=[said for _, said in WRONG])
def test_wrong_input_writes_nothing(tmp_path, options, said):
    done = init(*options, "--directory", str(tmp_path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert files(tmp_path) == set()


def test_a_plugin_that_is_refused_is_not_guarded(tmp_path):
    put_tlp(tmp_path / "plugins", is_refused=True)
    there = files(tmp_path)
    done = init("--plugin", "plugins/tlp.o", "--directory", str(tmp_path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"quicsim: {REFUSED}" in done.stderr
    assert files(tmp_path) == there


def test_where_the_first_test_does_not_pass_all_is_taken_back(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/conftest.py").write_text("raise RuntimeError('of the repository')")
    done = init("--directory", str(tmp_path))
    assert done.exit_code == 2
    assert "the first test does not pass" in done.stderr
    assert "of the repository" in done.stderr
    assert files(tmp_path) == {"tests/conftest.py"}


@pytest.mark.long
def test_a_repository_s_own_configuration_of_pytest_is_left_alone(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '1'\n")
    assert init("--directory", str(tmp_path)).exit_code == 0
    assert files(tmp_path) == WRITTEN - {"pytest.ini"} | {"pyproject.toml"}
