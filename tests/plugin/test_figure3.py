"""The whole line: figure 3's numbers with tlp and without, and with programs in its place that misbehave."""

import pytest

from quicsim.events import PacketDropped, PluginAttached, PluginDetached, PluginFaulted
from quicsim.scenario.build import simulate
from quicsim.scenario.load import load
from tests.plugin.pipe import OBJECTS


@pytest.fixture(scope="module")
def figure3():
    return load("fig3_tlp")


@pytest.fixture(scope="module")
def unverified():
    """What nobody proved safe may run here: the checks at run time contain it."""
    return load("fig3_tlp", overrides=["hosts.client.verify=false"])


def one(scenario, variant, replication=0):
    events = []
    record = simulate(scenario.variant(variant), variant, replication, [events.append])
    return record, events


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("replication", [0, 1, 57])
def test_reactions_are_the_paper_s(replication, figure3):
    without, _ = one(figure3, "without", replication)
    plugged, _ = one(figure3, "with-tlp", replication)
    control, _ = one(figure3, "rfc9002", replication)
    assert without.metrics["reaction_s"] == pytest.approx(0.050, rel=1e-6)
    assert plugged.metrics["reaction_s"] == pytest.approx(0.030, rel=0.1)
    assert all(sample == pytest.approx(0.030, rel=0.1) for sample in plugged.samples["reaction_s"])
    assert control.metrics["reaction_s"] < 0.030
    for record in (without, plugged, control):
        assert record.notes == ()
        assert len(record.samples["completion_s"]) == 20
        assert record.counts["plugin_faults"] == 0 if "plugin_faults" in record.counts else True


def test_the_plugin_crosses_the_link_before_the_first_request(figure3):
    record, events = one(figure3, "with-tlp")
    [attached] = of(events, PluginAttached)
    assert (attached.component, attached.plugin) == ("client", "tlp")
    assert attached.time_ns < of(events, PacketDropped)[0].time_ns
    assert record.counts["plugin_calls"] > 40
    assert record.counts["plugin_instructions"] > record.counts["plugin_calls"]


@pytest.mark.parametrize(
    ("name", "faults", "reason"),
    [
        ("endless", 3, "the budget of 100000 instructions is exhausted"),
        ("wild", 1, "region 66 (state), which has 16 bytes; wild.c:17:16: sum += ((volatile uint64_t *)my->words)[i];"),
    ],
)
def test_a_plugin_that_misbehaves_ends_alone(name, faults, reason, unverified):
    record, events = one(unverified.with_plugin(str(OBJECTS / f"{name}.o")), "with-tlp")
    assert len(record.samples["completion_s"]) == 20
    assert record.metrics["reaction_s"] == pytest.approx(0.050, rel=0.01)  # as without
    assert len(of(events, PluginFaulted)) == faults
    assert [event.plugin for event in of(events, PluginDetached)] == [name]
    assert len(record.notes) == faults + 1
    assert all(reason in note and f"client: plugin {name} faulted" in note for note in record.notes[:-1])
    assert f"client: plugin {name} was detached: after {faults} fault" in record.notes[-1]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("endless", "replace/SetTimer: endless loop: the loop comes back with nothing known to have changed"),
        ("wild", "replace/SelectRetransmission: out of bounds: read of 8 bytes of state, which has 16"),
    ],
)
def test_a_plugin_that_is_not_proved_safe_never_attaches(name, reason, figure3):
    record, events = one(figure3.with_plugin(str(OBJECTS / f"{name}.o")), "with-tlp")
    assert not of(events, PluginAttached)
    assert record.counts["plugin_calls"] == 0
    assert record.metrics["reaction_s"] == pytest.approx(0.050, rel=0.01)  # as without
    assert record.notes == tuple(
        f"{told}: plugin {name}: {reason}"
        for told in (f"client: plugin {name} was refused", f"server: plugin {name} was refused: by the peer")
    )


def test_a_client_without_plugins_is_told_of_and_the_requests_complete():
    scenario = load("fig3_tlp", overrides=["hosts.client.plugins=false"])
    record, _ = one(scenario, "with-tlp")
    assert len(record.samples["completion_s"]) == 20
    [note] = record.notes
    assert note.endswith("server: plugin tlp was refused: the peer does not take part in the exchange of plugins")


def test_the_same_digest_twice_and_another_for_another_plugin(figure3, unverified):
    first, again = one(figure3, "with-tlp")[0], one(figure3, "with-tlp")[0]
    assert first == again
    unwatched = simulate(figure3.variant("with-tlp"), "with-tlp", 0)
    assert unwatched == first
    others = [one(unverified.with_plugin(str(OBJECTS / f"{name}.o")), "with-tlp")[0] for name in ("endless", "wild")]
    assert len({each.digest for each in (first, *others)}) == 3
