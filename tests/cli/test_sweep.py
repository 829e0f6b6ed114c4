"""quicsim sweep as its users meet it: what is printed, what is written, how it exits."""

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from quicsim.cli import app
from tests.sweep.conftest import SWEEP


@pytest.fixture
def quicsim(monkeypatch, tmp_path):
    """Call the command line in a directory that has one sweep, sizes.toml."""
    (tmp_path / "sizes.toml").write_text(SWEEP.replace("replications = 3", "replications = 1"))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["sweep", *arguments])


def test_from_plan_to_table(quicsim, tmp_path):
    planned = quicsim("plan", "sizes.toml", "--pilots", "0")
    assert planned.exit_code == 0
    assert "8 settings, 8 configurations, 1 replications: 8 points" in planned.stdout
    assert "size_bytes" in planned.stdout
    done = quicsim("run", "./sizes.toml", "--jobs", "1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["8 of 8 points done, 0 failed, 0 left", "results/sweeps/sizes/table.parquet"]
    table = pq.read_table(tmp_path / "results/sweeps/sizes/table.parquet")
    assert len(table) == 8
    for place in ("sizes.toml", "results/sweeps/sizes"):
        state = json.loads(quicsim("status", place, "--json").stdout)
        assert (state["points"], state["done"], state["left"], state["corrupt"]) == (8, 8, 0, [])
    told = quicsim("report", "results/sweeps/sizes")
    assert told.stdout.splitlines()[-1] == "results/sweeps/sizes/report.html"
    assert "completion (ms)" in told.stdout
    assert "</html>" in (tmp_path / "results/sweeps/sizes/report.html").read_text()
    said = json.loads(quicsim("report", "sizes.toml", "--json").stdout)
    assert [row["metric"] for row in said["summary"]] == ["completion_s", "goodput_bps"]
    compacted = quicsim("compact", "results/sweeps/sizes")
    assert "0 points taken in, 1 parts" in compacted.stdout
    assert pq.read_table(tmp_path / "results/sweeps/sizes/table.parquet").equals(table)


def test_results_of_another_plan_are_not_shown_as_those_of_a_changed_file(quicsim, tmp_path):
    quicsim("run", "sizes.toml", "--jobs", "1")
    sweep = tmp_path / "sizes.toml"
    before = sweep.read_text()
    sweep.write_text(before.replace("of several sizes", "of sizes"))
    assert quicsim("status", "sizes.toml").exit_code == 0, "a title changes no plan"
    sweep.write_text(before.replace('"80kB"', '"90kB"'))
    for command in ("run", "retry", "status", "report", "compact"):
        done = quicsim(command, "sizes.toml")
        assert (done.exit_code, done.stdout) == (2, ""), command
        assert "results/sweeps/sizes holds the results of another plan (Transfers of several sizes" in done.stderr
    assert not (tmp_path / "results/sweeps/sizes/report.html").exists()
    assert quicsim("report", "results/sweeps/sizes").exit_code == 0, "asked for by its directory"


def test_a_report_of_axes_only_has_a_line_for_each_level(quicsim):
    quicsim("run", "sizes.toml", "--jobs", "1")
    lines = [line.split() for line in quicsim("report", "sizes.toml").stdout.splitlines()]
    completion = [line[2:] for line in lines if line[:2] == ["completion", "(ms)"] and "default" not in line]
    assert [line[:3] for line in completion] == [
        ["size", "(kB)", "20"], ["size", "(kB)", "40"], ["size", "(kB)", "60"], ["size", "(kB)", "80"],
        ["delay", "(ms)", "5"], ["delay", "(ms)", "20"],
    ]  # fmt: skip
    levels = json.loads(quicsim("report", "sizes.toml", "--json").stdout)["levels"]
    delays = [row for row in levels if row["axis"] == "delay_s" and row["metric"] == "completion_s"]
    assert [row["n"] for row in delays] == [4, 4]
    assert delays[0]["against_the_first_level"] is None
    change = delays[1]["against_the_first_level"]
    assert change["n"] == 4
    assert change["mean"] == pytest.approx(delays[1]["mean"] - delays[0]["mean"])


def test_the_page_speaks_of_differences_between_arms_only_where_there_are_arms(quicsim, tmp_path):
    quicsim("run", "sizes.toml", "--jobs", "1")
    quicsim("report", "sizes.toml")
    text = (tmp_path / "results/sweeps/sizes/report.html").read_text()
    assert "p values" not in text
    assert "Differences are to <em>" not in text
    assert "Of fewer than five there is no interval" in text
    assert "No intervals: 2 settings or runs are too few" in text


def test_a_long_plan_is_cut_where_it_says_so(quicsim, tmp_path):
    short = quicsim("plan", "sizes.toml", "--pilots", "0").stdout.splitlines()
    assert "..." not in short
    text = (tmp_path / "sizes.toml").read_text()
    (tmp_path / "longer.toml").write_text(
        text + '\n[axes.seen]\nkey = "transfer.request_size"\nvalues = ["100B", "200B"]\n'
    )
    long = quicsim("plan", "longer.toml", "--pilots", "0").stdout.splitlines()
    assert len(long) == len(short) + 1
    assert long[-3] == "..."


def test_the_plan_as_json_with_pilots(quicsim, tmp_path):
    said = json.loads(quicsim("plan", "sizes.toml", "--json", "--pilots", "2").stdout)
    assert (said["points"], said["settings"], len(said["preview"])) == (8, 8, 8)
    estimate = said["estimate"]
    assert (estimate["pilots"], estimate["failed"]) == (2, [])
    assert estimate["seconds"] == pytest.approx(estimate["point_s"] * 8 / 2)
    assert estimate["bytes"] == pytest.approx(estimate["point_bytes"] * 8)
    assert not (tmp_path / "results").exists()


def test_shards_apart_and_merged(quicsim, tmp_path):
    for number in (1, 2):
        arguments = ("--shard", f"{number}/2", "--output", f"part{number}", "--no-cache", "--jobs", "1")
        said = json.loads(quicsim("run", "sizes.toml", *arguments, "--json").stdout)
        assert (said["points"], said["done"]) == (4, 4)
    merged = json.loads(quicsim("compact", "part1", "--from", "part2", "--json").stdout)
    assert (merged["taken"], merged["done"], merged["left"]) == (4, 8, 0)
    assert len(pq.read_table(tmp_path / "part1" / "table.parquet")) == 8


def test_failed_points_are_counted_and_tried_again(quicsim, tmp_path):
    sweep = tmp_path / "sizes.toml"
    sweep.write_text(sweep.read_text().replace("[axes.size]", '[set]\ntime_limit = "100ms"\n[axes.size]'))
    failed = quicsim("run", "sizes.toml", "--jobs", "1")
    assert failed.exit_code == 1
    assert "bulk_download: variant default, replication 0, seed 1: Unfinished" in failed.stdout
    again = json.loads(quicsim("retry", "sizes.toml", "--jobs", "1", "--json").stdout)
    assert again["failed"] > 0
    assert sum(again["reasons"].values()) == again["failed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "no.toml"), "there is no sweep file no.toml"),
        (("run", "sizes.toml", "--jobs", "0"), "jobs is 0; give 1 or more"),
        (("run", "sizes.toml", "--shard", "3/2"), "write K/N with K from 1 to N"),
        (("run", "sizes.toml", "--timeout", "0"), "give a timeout above 0"),
        (("run", "sizes.toml", "--memory", "lots"), "--memory: size 'lots' is no number with a unit"),
        (("run", "sizes.toml", "--output", "sizes.toml"), "sizes.toml is no directory; give another --output"),
        (("status", "sizes.toml"), "results/sweeps/sizes holds no sweep yet; `quicsim sweep run` makes one"),
        (("retry", "sizes.toml"), "holds no sweep yet"),
        (("compact", "nowhere"), 'there is no sweep "nowhere"'),
    ],
)
def test_wrong_input_is_told_in_one_line_and_writes_nothing(quicsim, tmp_path, arguments, message):
    done = quicsim(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("quicsim: ")
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["sizes.toml"]
