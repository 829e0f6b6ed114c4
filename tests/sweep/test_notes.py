"""Is what went otherwise in a run told wherever its numbers are?"""

import json

import pytest
from typer.testing import CliRunner

from quicsim.cli import app
from quicsim.sweep.notes import Noted, lines
from quicsim.sweep.report import page
from quicsim.sweep.result import SweepResult
from quicsim.sweep.run import state_of, stored
from tests.sweep import deadly

REFUSED, OTHER = "client: plugin p refused: it is unsafe; truly", "server: a\nsecond"


@pytest.fixture
def home(runner, tmp_path):
    runner(tmp_path / "out", deadly.noted)
    return tmp_path / "out"


def told(*arguments):
    done = CliRunner().invoke(app, ["sweep", *map(str, arguments)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_notes_are_counted_by_arm_and_stand_beside_its_mean(home):
    store, plan, manifest = stored(home)
    result = SweepResult(store, plan, state_of(store, plan, manifest), mixed=False)
    assert result.notes == [Noted("default", 24, 12, {REFUSED: 8, OTHER: 6})]
    assert [row.noted for row in result.summary().rows] == [12]
    text = page(result)
    assert f"<td>default</td><td class=number>8 of 24</td><td>{REFUSED}</td>" in text
    assert text.index(REFUSED) < text.index('<section id="completion_s"')


@pytest.mark.parametrize("command", ["status", "report"])
def test_the_command_line_tells_them(home, command):
    assert [line for line in told(command, home).splitlines() if "noted in" in line or ": " in line[:6]] == [
        "noted in 12 of 24 points of default:", f"  8: {REFUSED}", "  6: server: a second",
    ]  # fmt: skip
    assert json.loads(told(command, home, "--json"))["notes"] == [
        {"arm": "default", "done": 24, "points": 12, "notes": {REFUSED: 8, OTHER: 6}}
    ]


def test_a_sweep_without_notes_says_nothing_of_them(runner, tmp_path):
    runner(tmp_path / "out")
    assert "noted" not in told("report", tmp_path / "out")
    assert "Noted" not in (tmp_path / "out" / "report.html").read_text()


def test_of_many_notes_the_first_few_are_listed():
    found = Noted("arm", 40, 36, {f"note {number}": 9 - number for number in range(8)})
    assert lines([found])[-2:] == ["  5: note 4", "  9: 3 other notes; see the column notes of the table"]
    assert len(lines([found])) == 1 + 5 + 1
