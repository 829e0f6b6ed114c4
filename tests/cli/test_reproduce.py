"""quicsim reproduce as its users meet it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from quicsim.cli import app
from quicsim.reproduce import catalogue
from tests.reproduce.test_report import reproduction_of
from tests.scenario import fake


@pytest.fixture
def quicsim(monkeypatch, tmp_path):
    """Call the command line in an empty directory, with the stand-in simulation and one reproduction of it."""
    path = fake.install(monkeypatch, tmp_path)
    monkeypatch.setattr(catalogue, "REPRODUCTIONS", {"two": lambda: reproduction_of(path)})
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["reproduce", "--jobs", "1", *arguments])


def written(directory):
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.html"))


def test_a_table_and_a_report(quicsim, tmp_path):
    done = quicsim()
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "what",
        "paper",
        "ours",
        "ours",
        "/",
        "paper",
        "tolerance",
        "verdict",
        "under",
        "host",
        "jitter",
    ]
    assert lines[1].startswith("two  reaction, plugged")
    assert "within" in lines[1]
    assert "two: DOES NOT HOLD: One is <less>." in lines
    assert lines[-1] == "results/reproduce/report.html"
    assert written(tmp_path) == ["results/reproduce/report.html"]
    assert "quick" not in done.stdout


@pytest.mark.parametrize(("output", "file"), [("here", "here/report.html"), ("a/b.html", "a/b.html")])
def test_the_report_goes_where_it_is_sent(quicsim, tmp_path, output, file):
    assert quicsim("--output", output).exit_code == 0
    assert written(tmp_path) == [file]
    before = (tmp_path / file).read_bytes()
    assert quicsim("--output", output).exit_code == 0
    assert (tmp_path / file).read_bytes() == before


def test_json_is_one_document_and_no_file(quicsim, tmp_path):
    done = quicsim("--json", "--only", "two", "--quick")
    data = json.loads(done.stdout)
    assert (list(data["reproductions"]), data["quick"]) == (["two"], True)
    assert written(tmp_path) == []
    assert json.loads(quicsim("--json", "--quick", "--output", "here").stdout) == data
    assert written(tmp_path) == ["here/report.html"]


def test_the_quick_form_says_so(quicsim):
    assert quicsim("--quick").stdout.startswith("quick form: fewer replications than the paper's")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "fig9"], 'quicsim: there is no figure or table "fig9"; known: two\n'),
        (["--jobs", "0"], "quicsim: jobs is 0; give 1 or more\n"),
        (["--output", "two.toml"], "quicsim: two.toml/report.html: Not a directory; give --output a directory"),
        (["--output", "two.toml/x.html"], "quicsim: two.toml/x.html: Not a directory"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(quicsim, tmp_path, arguments, message):
    done = quicsim(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
    assert written(tmp_path) == []


def test_a_failed_run_leaves_no_report(quicsim, tmp_path):
    text = (tmp_path / "two.toml").read_text()
    (tmp_path / "two.toml").write_text('time_limit = "1ns"\n' + text)
    done = quicsim()
    assert done.exit_code == 1
    assert "replication 0, seed 1: MisbehaviourError" in done.stderr
    assert written(tmp_path) == []
