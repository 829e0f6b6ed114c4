"""From the command line to real bytecode and back: the simulation itself, not its stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def quicsim(*arguments, hash_seed="0", cwd=None):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-m", "quicsim", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        check=False,
    )


def test_figure_3_comes_out_the_same_under_any_hash_seed_and_any_number_of_jobs():
    first = quicsim("run", "fig3_tlp", "--json", "--replications", "3")
    second = quicsim("run", "fig3_tlp", "--json", "--replications", "3", "--jobs", "2", hash_seed="12345")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == second.stdout
    results = json.loads(first.stdout)
    assert {"scenario", "seed", "digest", "runs"} <= set(results)
    assert len(results["runs"]) == 9
    for run in results["runs"]:
        assert {"variant", "replication", "metrics", "counts", "digest"} <= set(run)
        assert {"completion_s", "reaction_s"} <= set(run["metrics"])
        assert {"packets_sent", "packets_lost", "packets_retransmitted", "plugin_calls", "plugin_instructions"} <= set(
            run["counts"]
        )
    reaction = {run["variant"]: run["metrics"]["reaction_s"] for run in results["runs"]}
    assert reaction["without"] == pytest.approx(0.050, rel=0.10)
    assert reaction["with-tlp"] == pytest.approx(0.030, rel=0.10)
    assert reaction["rfc9002"] < reaction["with-tlp"]
    calls = {run["variant"]: run["counts"]["plugin_calls"] for run in results["runs"]}
    assert calls["without"] == calls["rfc9002"] == 0 < calls["with-tlp"]


def test_another_seed_gives_another_digest():
    digests = {
        json.loads(quicsim("run", "fig3_tlp", "--json", "--replications", "1", "--seed", seed).stdout)["digest"]
        for seed in ("1", "2")
    }
    assert len(digests) == 2


def test_a_bulk_download_takes_as_long_as_a_real_stack():
    done = quicsim(
        "run", "bulk_download", "--json",
        "--set", "links.bottleneck.rate=10Mbps",
        "--set", "links.bottleneck.delay=20ms",
        "--set", "links.bottleneck.queue.limit=100000B",
        "--set", "transfer.size=5MB",
    )  # fmt: skip
    assert json.loads(done.stdout)["runs"][0]["metrics"]["completion_s"] == pytest.approx(4.35715, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "fig3_tpl"], "fig3_tlp"),
        (["run", "fig3_tlp", "--set", "links.access.rat=1Mbps"], "links.access.rat"),
        (["run", "fig3_tlp", "--set", "links.access.rate=10ms"], "links.access.rate"),
        (["run", "fig3_tlp", "--set", "links.access.rate=-1Mbps"], "links.access.rate"),
        (["run", "fig3_tlp", "--plugin", "missing"], "missing"),
        (["run", "fig3_tlp", "--plugin", "noise.o", "--replications", "1"], "noise.o"),
        (["run", "fig3_tlp", "--plugin", "half.o", "--replications", "1"], "half.o"),
        (["run", "fig3_tlp", "--plugin", "machine.o", "--replications", "1"], "machine.o"),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing_behind(tmp_path, arguments, complaint):
    elf = (Path(__file__).parents[2] / "plugins" / "tlp" / "tlp.o").read_bytes()
    (tmp_path / "noise.o").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "half.o").write_bytes(elf[: len(elf) // 2])
    (tmp_path / "machine.o").write_bytes(elf[:18] + b"\x3e\x00" + elf[20:])
    before = sorted(tmp_path.iterdir())
    done = quicsim(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before


def test_trace_shows_packets_losses_timers_and_plugin_calls():
    done = quicsim("trace", "fig3_tlp", "--variant", "with-tlp")
    assert done.returncode == 0
    for name in (
        "packet_sent", "packet_received", "datagram_dropped", "packet_lost", "timer_updated", "plugin_offered",
        "plugin_attached", "plugin_called",
    ):  # fmt: skip
        assert name in done.stdout, name
