"""The whole line: figure 4's numbers with ecn and without, why they differ, and a plugin that breaks on the way."""

import os
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from quicsim.events import MetricsUpdated, PacketLost, PluginAttached, PluginDetached, PluginFaulted
from quicsim.scenario.load import load
from quicsim.scenario.run import trace
from tests.plugin.pipe import OBJECTS
from tests.plugin.twins import at, in_scenario, native, same_packets, same_run, twin_of

BREAKING = str(OBJECTS / "breaking_ecn" / "breaking_ecn.o")


@pytest.fixture(scope="module")
def figure4():
    return load("fig4_ecn")


@pytest.fixture(scope="module")
def medians(figure4):
    results = figure4.run(replications=2)
    assert all(run.counts["plugin_faults"] == 0 and run.notes == () for run in results.runs)
    return {
        variant: median(run.metrics["completion_s"] for run in results.runs if run.variant == variant)
        for variant in results.variants
    }


def one(scenario, variant):
    events = []
    record = trace(scenario, variant, 0, events.append)
    return record, events


@cache
def own(variant):
    """The first replication of a variant as the file has it."""
    return one(load("fig4_ecn"), variant)


def of(events, kind, component=None):
    return [event for event in events if isinstance(event, kind) and component in (None, event.component)]


def test_medians_are_the_paper_s(medians):
    assert medians["without"] == pytest.approx(11.5, rel=0.05)
    assert medians["with-ecn"] == pytest.approx(10.5, rel=0.05)
    assert medians["without"] - medians["with-ecn"] == pytest.approx(1.0, abs=0.25)


def test_the_page_says_what_comes_out(medians):
    page = (Path(__file__).parents[2] / "docs/plugins/ecn.md").read_text()
    for variant, value in medians.items():
        [told] = re.findall(rf"^\| `{variant}`[^|]*\| ([\d.]+) s \|", page, re.MULTILINE)
        assert float(told) == pytest.approx(value, abs=0.02)


def test_the_negotiation_costs_no_time_where_the_queue_fills_after_it(medians):
    assert medians["with-ecn-negotiated"] == pytest.approx(medians["with-ecn"], abs=0.05)


def test_the_queue_alone_gains_less_than_half(medians):
    assert 0 < medians["without"] - medians["red-alone"] < (medians["without"] - medians["with-ecn"]) / 2


def test_the_gain_is_of_shorter_queues_and_fewer_losses():
    without, events_without = own("without")
    with_ecn, events_with = own("with-ecn")
    assert without.counts["packets_lost"] > 10 * with_ecn.counts["packets_lost"]
    assert without.counts["packets_retransmitted"] > 10 * with_ecn.counts["packets_retransmitted"]
    assert without.counts["datagrams_marked"] == 0 < with_ecn.counts["datagrams_marked"]
    assert largest_wait_ms(events_without) > 380  # 5 BDP are 400 ms, less what the data itself takes
    windows = [window_cuts(events) for events in (events_without, events_with)]
    assert windows[0][:5] == pytest.approx([0.5] * 5, abs=0.01)  # a cut a minimum round trip, while losses are reported
    assert len([cut for cut in windows[1] if cut < 0.6]) <= 4


def largest_wait_ms(events):
    """The longest round trip that the server saw, less the path's 80 ms."""
    return max(event.latest_rtt_ns for event in of(events, MetricsUpdated, "server")) / 1e6 - 80


def window_cuts(events):
    """What each cut left of the server's window, from one acknowledgement to the next."""
    windows = [event.congestion_window for event in of(events, MetricsUpdated, "server")]
    return [new / old for old, new in pairwise(windows) if new < 0.95 * old]


def test_what_is_lost_is_lost_to_the_overshoot_of_slow_start():
    """What comes after it is a window that grows by a packet a round trip."""
    _, events = own("without")
    lost = [event.time_ns / 1e9 for event in of(events, PacketLost, "server")]
    assert len(lost) > 100
    assert max(lost) < 2


@pytest.mark.parametrize(("delay", "gain_s"), [("8ms", (-0.2, 0.2)), ("18ms", (0.1, 0.6)), ("48ms", (1.0, 1.7))])
def test_the_gain_grows_with_the_round_trip(delay, gain_s):
    scenario = load("fig4_ecn", [f"links.bottleneck.delay={delay}"])
    without, with_ecn = (one(scenario, name)[0].metrics["completion_s"] for name in ("without", "with-ecn"))
    assert gain_s[0] < without - with_ecn < gain_s[1]


def test_a_receive_window_that_does_not_grow_leaves_nothing_to_gain():
    """rfc9002 renews its 65,535 B: no buffer of 5 BDP ever fills, and nothing is lost."""
    fixed = [f"hosts.{host}.profile=rfc9002" for host in ("client", "server")]
    scenario = load("fig4_ecn", [*fixed, "hosts.client.max_stream_data=65535B"])
    record, _ = one(scenario, "without")
    assert record.counts["datagrams_dropped_queue"] == 0


def test_the_plugin_crosses_the_bottleneck_before_the_first_mark():
    record, events = own("with-ecn")
    attached = of(events, PluginAttached)
    assert [event.component for event in attached] == ["client", "server"]
    assert attached[1].time_ns < 4 * 80_000_000
    assert record.counts["plugin_calls"] > 10_000


# ------------------------------------------------------------------------------------------------------------ twins


@pytest.mark.parametrize("variant", ["with-ecn", "with-ecn-negotiated"])
@pytest.mark.parametrize("overrides", [(), ("links.bottleneck.loss=0.001", "transfer.size=2MB")])
def test_the_native_twin_sends_the_same_packets(variant, overrides):
    seen = same_run(lambda: in_scenario("fig4_ecn", overrides, variant), "ecn")
    assert seen.of.counts["datagrams_marked"] > 0


def test_the_twins_differ_where_the_window_is_cut_otherwise():
    class Stubborn(twin_of("ecn")):
        @at("after/ParseFrames")
        def frames_parsed(self, result, connection, path, space, packet):
            return 0

    bytecode = in_scenario("fig4_ecn", ["transfer.size=1MB"], "with-ecn")
    with native(ecn=Stubborn):
        other = in_scenario("fig4_ecn", ["transfer.size=1MB"], "with-ecn")
    with pytest.raises(AssertionError, match="event"):
        same_packets(bytecode, other)


# ------------------------------------------------------------------------------------------- a plugin that breaks


def test_a_plugin_that_breaks_in_the_middle_costs_no_byte():
    unverified = ["hosts.client.verify=false", "hosts.server.verify=false"]
    scenario = load("fig4_ecn", overrides=unverified).with_plugin(BREAKING)
    record, events = one(scenario, "with-ecn")
    [fault] = of(events, PluginFaulted)
    assert fault.component == "client"
    assert 1e9 < fault.time_ns < 9e9
    detached = of(events, PluginDetached)
    assert [event.component for event in detached] == ["client", "server"]
    assert "the peer's was detached: after 1 fault" in detached[1].reason
    assert detached[1].time_ns - fault.time_ns < 500_000_000
    assert record.metrics["goodput_bps"] == pytest.approx(40e6 / record.metrics["completion_s"])  # all 5 MB
    assert record.metrics["completion_s"] < 13
    assert len(record.notes) == 2


# ---------------------------------------------------------------------------------------------------------- digests

SCRIPT = """
import quicsim
scenario = quicsim.scenario("fig4_ecn", ["transfer.size=300kB", "links.bottleneck.delay=8ms"])
print(scenario.run(replications=2).digest)
"""


def test_the_digest_is_the_same_in_another_process_and_with_another_hash_seed():
    found = set()
    for seed in ("0", "4711"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        found.add(done.stdout.decode().strip())
    scenario = load("fig4_ecn", ["transfer.size=300kB", "links.bottleneck.delay=8ms"])
    found.add(scenario.run(replications=2, jobs=2).digest)
    assert len(found) == 1
