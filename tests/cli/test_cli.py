"""The command line as its users meet it: what is printed where, what is written, how it exits."""

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from quicsim.cli import app
from quicsim.event_text import line
from quicsim.events import Event, LossTimerUpdated
from tests.scenario import fake


@pytest.fixture
def quicsim(monkeypatch, tmp_path):
    """Call the command line in an empty directory, with the stand-in simulation and its scenario two.toml."""
    fake.install(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def files(directory):
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_run_shows_the_table_and_names_the_files(quicsim, tmp_path):
    done = quicsim("run", "./two.toml")
    assert done.exit_code == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "Two variants"
    assert any(text.startswith("plugged  reaction") and "30 ms" in text and "within 10%" in text for text in lines)
    assert "note, in 8 of 24 runs: the plugin was detached" in lines
    written = [text for text in lines if text.startswith("results/two/")]
    assert sorted(written) == [name for name in files(tmp_path) if name.startswith("results/")]
    assert {Path(name).suffix for name in written} == {".json", ".csv", ".png", ".svg"}


def test_json_is_one_object_and_no_file(quicsim, tmp_path):
    before = files(tmp_path)
    done = quicsim("run", "./two.toml", "--json", "--seed", "5", "--replications", "2", "--variant", "slow")
    data = json.loads(done.stdout)
    assert (data["seed"], [run["variant"] for run in data["runs"]]) == (5, ["slow", "slow"])
    assert files(tmp_path) == before
    assert done.stderr == ""


def test_json_writes_files_where_it_is_told_to(quicsim, tmp_path):
    done = quicsim("run", "./two.toml", "--json", "--output", "here")
    assert json.loads((tmp_path / "here/result.json").read_text()) == json.loads(done.stdout)
    assert not (tmp_path / "results").exists()


def test_an_output_that_is_no_directory_is_said_to_be_none(quicsim, tmp_path):
    (tmp_path / "taken").write_text("mine")
    done = quicsim("run", "./two.toml", "--output", "taken", "--replications", "1")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "taken: File exists; give --output a directory that can be written" in done.stderr
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("output", "message"), [("taken", "taken: File exists"), ("taken/in/it", "taken/in/it: Not a directory")]
)
def test_an_output_that_cannot_be_is_said_before_anything_runs(quicsim, tmp_path, output, message):
    (tmp_path / "taken").write_text("mine")
    before = files(tmp_path)
    done = quicsim("run", "./two.toml", "--output", output, "--set", "time_limit=1ns")
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert files(tmp_path) == before


def test_an_output_without_permission_is_said_before_anything_runs(quicsim, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    done = quicsim("run", "./two.toml", "--output", "new/one", "--set", "time_limit=1ns")
    assert done.exit_code == 2
    assert "new/one: Permission denied; give --output" in done.stderr


def test_the_version_is_the_package_s(quicsim):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    done = quicsim("--version")
    assert (done.exit_code, done.stdout) == (0, f"quicsim {project['version']}\n")


def test_overrides_and_plugin_reach_the_run(quicsim, tmp_path):
    (tmp_path / "other.o").write_bytes(b"")
    done = quicsim("run", "./two.toml", "--json", "--set", "requests.count=5", "--plugin", "./other.o", "--jobs", "1")
    data = json.loads(done.stdout)
    assert (data["overrides"], data["plugin"]) == (["requests.count=5"], "./other.o")
    assert len(data["runs"][0]["samples"]["reaction_s"]) == 5
    shown = quicsim("run", "./two.toml", "--set", "requests.count=5", "--plugin", "./other.o").stdout
    assert shown.splitlines()[2] == "changed: requests.count=5; plugin ./other.o in place of the variants' own"
    assert "30 ms" not in shown


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "fig3_tpl"], 2, "did you mean 'fig3_tlp'"),
        (["run", "./none.toml"], 2, "there is no scenario file none.toml"),
        (["run", "./two.toml", "--set", "links.access.rat=1Mbps"], 2, 'did you mean "rate"?'),
        (["run", "./two.toml", "--variant", "plian"], 2, 'did you mean "plain"?'),
        (["run", "./two.toml", "--plugin", "./none.o"], 2, "there is no plugin object none.o"),
        (["run", "./two.toml", "--replications", "0"], 2, "replications is 0; give 1 or more"),
        (
            ["run", "./two.toml", "--set", "time_limit=1ns"],
            1,
            "plain, replication 0, seed 1: MisbehaviourError",
        ),
        (["run", "./two.toml", "--set", "time_limit=3ns"], 130, "interrupted"),
        (["trace", "./two.toml", "--set", "time_limit=1ns"], 1, "MisbehaviourError: as asked"),
        (["trace", "./two.toml", "--variant", "plian"], 2, 'did you mean "plain"?'),
    ],
)
def test_what_goes_wrong_is_one_message_and_nothing_written(quicsim, tmp_path, arguments, code, message):
    before = files(tmp_path)
    done = quicsim(*arguments)
    assert done.exit_code == code
    assert done.stderr.startswith("quicsim: ")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert done.stdout == ""
    assert files(tmp_path) == before


@pytest.mark.parametrize("arguments", [["run"], ["run", "./two.toml", "--sed", "4"], ["simulate"]])
def test_wrong_usage_is_exit_2(quicsim, arguments):
    assert quicsim(*arguments).exit_code == 2


def test_trace_prints_a_run_event_by_event(quicsim):
    done = quicsim("trace", "./two.toml", "--variant", "plugged", "--replication", "2")
    assert done.stdout.splitlines() == [
        "      1.234567 ms  client   quic:packet_sent  "
        "space=initial number=0 size_bytes=1200 frames=[<5 bytes>] is_probe=False path_id=0",
        "      2.000000 ms  server   quicsim:plugin_called  "
        "plugin=tlp anchor=replace/SetTimer result=7 instructions=91",
        "note: the plugin was detached",
        f"digest {1:016x}{2:016x}",
    ]


def test_trace_stops_printing_at_its_limit(quicsim):
    lines = quicsim("trace", "./two.toml", "--limit", "1").stdout.splitlines()
    assert len(lines) == 3
    assert lines[1] == "... 1 more events"


def test_a_trace_whose_reader_has_gone_ends_without_a_word():
    program = f"{sys.executable} -m quicsim trace bulk_download | head -n 1"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_an_event_s_times_are_exact():
    event = LossTimerUpdated(10**12 + 1, "server", "set", 1_050_000_001, 0)
    assert (
        line(event) == "1000000.000001 ms  server   quic:timer_updated  event_type=set deadline=1050.000001ms path_id=0"
    )


@dataclass(frozen=True, slots=True)
class Frame:
    data: bytes
    ranges: tuple["Range", ...]


class Range(NamedTuple):
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Odd(Event):
    frames: tuple[object, ...]
    reason: str


def test_fields_of_any_kind_have_a_text():
    event = Odd(0, "client", (Frame(b"12", (Range(0, 2),)),), "two words")
    assert line(event).endswith("frames=[Frame(data=<2 bytes>, ranges=[Range(first=0, last=2)])] reason='two words'")


def test_scenarios_lists_what_comes_along(quicsim):
    done = quicsim("scenarios")
    assert done.exit_code == 0
    assert "fig3_tlp\n    Figure 3: a tail loss probe" in done.stdout
    assert "variants: without, with-tlp, rfc9002; replications: 100" in done.stdout


def test_python_m_quicsim_helps_without_importing_what_is_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "quicsim", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(command in done.stdout for command in ("run", "scenarios", "trace"))
    imported = {text.rpartition("|")[2].strip().partition(".")[0] for text in done.stderr.splitlines()}
    assert {"quicsim", "typer"} <= imported
    assert not imported & {"numpy", "scipy", "matplotlib", "pydantic", "simpy", "elftools"}
