"""Do the command and the documentation draw the machines that the code runs by?"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from quicsim.cli import app
from quicsim.quic.states import MACHINES

HOUSE = Path(__file__).parents[2]
PAGE = "docs/state_machines.md"


def run(*arguments):
    return CliRunner().invoke(app, ["fsm", *arguments])


def words_in(svg):
    """Every text of a drawing, its lines joined."""
    root = ElementTree.fromstring(svg)
    texts = [" ".join(element.itertext()).split() for element in root.iter("{http://www.w3.org/2000/svg}text")]
    return " ".join(word for text in texts for word in text)


def test_without_a_name_all_are_listed():
    done = run()
    assert done.exit_code == 0
    for name, machine in MACHINES.items():
        assert f"{name}\n    {machine.title}\n    {machine.source}\n" in done.stdout


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_told_step_by_step(name):
    lines = run(name).stdout.splitlines()
    machine = MACHINES[name]
    assert lines[0] == f"{machine.title}. {machine.source}"
    told = []
    state = ""
    for line in lines[1:]:
        if line.startswith(" "):
            given, _, following = line.partition("->")
            told.append((state, given.strip(), following.strip()))
        else:
            state = line.removesuffix(": an end")
    assert sorted(told) == sorted(machine.steps)


@pytest.mark.parametrize("name", MACHINES)
def test_a_drawing_shows_every_state_and_every_step(name, tmp_path):
    machine = MACHINES[name]
    drawn = run(name, "--svg").stdout
    words = words_in(drawn)
    inputs = re.findall("[A-Z][A-Z_]+", words.replace(f"{machine.title} ({machine.source})", ""))
    assert sorted(set(inputs)) == sorted({given for _, given, _ in machine.steps})
    assert len(inputs) == len(machine.steps), "each step has its label"
    for state in machine.state_names:
        assert state in words
    assert run(name, "--svg", "--output", str(tmp_path / "it.svg")).exit_code == 0
    assert (tmp_path / "it.svg").read_text() == drawn, "the same bytes again"


@pytest.mark.parametrize("name", MACHINES)
def test_the_page_and_its_picture_are_those_of_the_table(name):
    page = (HOUSE / PAGE).read_text()
    assert f"```text\n{run(name).stdout}```" in page, f"`quicsim fsm {name}` says otherwise"
    assert f"](images/fsm_{name}.svg)" in page
    committed = words_in((HOUSE / f"docs/images/fsm_{name}.svg").read_text())
    assert committed == words_in(run(name, "--svg").stdout), f"quicsim fsm {name} --svg -o docs/images/fsm_{name}.svg"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["connections"], "there is no state machine 'connections'; there are connection, early-data, path, "),
        (["--svg"], "name the state machine to draw: connection, "),
        (["path", "-o", "/dev/null/x.svg"], "/dev/null/x.svg cannot be written: "),
    ],
)
def test_what_cannot_be_done_is_said(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_telling_a_machine_needs_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from quicsim.cli import app\n"
        "assert CliRunner().invoke(app, ['fsm', 'connection']).exit_code == 0\n"
        "print([name for name in ('matplotlib', 'networkx', 'numpy', 'simpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert done.stdout.strip() == "[]"
