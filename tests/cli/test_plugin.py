"""quicsim plugin verify and inspect."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from quicsim.cli import app

OBJECTS = Path(__file__).parents[1] / "plugin" / "objects"


def quicsim(*arguments):
    return CliRunner().invoke(app, ["plugin", *map(str, arguments)])


@pytest.mark.parametrize("name", ["tlp", "plugins/tlp", "plugins/tlp/tlp.o"])
def test_a_plugin_of_the_house_is_accepted(name):
    done = quicsim("verify", name)
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    assert first.startswith("accepted replace/SetTimer: at most 43 instructions, 32 bytes of stack")
    assert second.startswith("accepted replace/SelectRetransmission: ")


def test_a_refusal_says_where_and_why_and_what_would_help():
    done = quicsim("verify", OBJECTS / "wild.o")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].endswith("replace/SelectRetransmission: out of bounds: read of 8 bytes of state, which has 16")
    assert any(line.startswith("  at  ") and "instruction 5 of 'reader'" in line for line in lines)
    assert lines[-1] == "  help     stay within the 16 bytes"


def test_the_verdict_as_json():
    verdict = json.loads(quicsim("verify", OBJECTS / "wild.o", "--json").stdout)
    [program] = verdict["programs"]
    assert verdict["accepted"] is program["accepted"] is False
    assert (program["category"], program["region"], program["place"]["pc"]) == ("out of bounds", "state", 5)
    assert json.loads(quicsim("verify", "ecn", "--json").stdout)["accepted"]


def test_effects_and_sizes():
    lines = quicsim("inspect", "ecn").stdout.splitlines()
    assert lines[0].startswith("ecn 1.0: ")
    assert "(the paper's: 5.6 kB)" in lines[0]
    assert any("quic_connection.paths[].cwnd_bytes" in line for line in lines if line.strip().startswith("writes"))
    shown = json.loads(quicsim("inspect", "ack_path", "--json").stdout)
    assert shown["paper_bytes"] == 1000
    assert shown["programs"][0]["writes"] == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["verify", "tpl"], "did you mean 'tlp'"),
        (["verify", "nowhere.o"], "nowhere.o: No such file or directory; give a plugin's name"),
        (["inspect", OBJECTS / "endless.o"], "plugin endless: replace/SetTimer: endless loop"),
    ],
)
def test_what_is_no_plugin_or_not_accepted_is_one_line(arguments, text):
    done = quicsim(*arguments)
    assert done.exit_code == 2
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
