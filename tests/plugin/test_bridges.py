"""Does a plugin do the same whichever bridge it is reached by: shared memory, or a structure copied in and out?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.events import PluginCalled
from quicsim.plugin.catalogue import catalogue
from quicsim.plugin.layout import CONNECTION_SIZE
from quicsim.quic.profiles import PROFILES, Bridge
from quicsim.quic.settings import Settings
from tests.plugin.pipe import OBJECTS, Pipe, plugin, state_of
from tests.plugin.test_attachment import WINDOW_HALVES, WINDOW_THEN_DEFAULT_THEN_WILD_READ, WINDOW_THEN_LOOP
from tests.plugin.test_framing import (
    DEFAULT_THEN_FRAME_THEN_LOOP,
    ROOM_IS_FRESH,
    SET_THEN_LOOP,
    WINDOW_THEN_FRAME_THEN_LOOP,
    WITH_EACH_ACK,
)

CARRIED = {entry.plugin.name: entry.plugin for entry in catalogue()}
OURS = {path.stem: plugin(path.stem) for path in sorted(OBJECTS.glob("*.o"))}
MODES = {
    "hostile": [WINDOW_THEN_LOOP, WINDOW_HALVES, WINDOW_THEN_DEFAULT_THEN_WILD_READ],
    "framing": [WITH_EACH_ACK, DEFAULT_THEN_FRAME_THEN_LOOP, ROOM_IS_FRESH, WINDOW_THEN_FRAME_THEN_LOOP],
    "marking": [SET_THEN_LOOP],
    "landing": [40_000],
}
CASES = [(name, mode) for name in {**CARRIED, **OURS} for mode in [0, *MODES.get(name, [])]]


def run(name, mode, bridge, *, profile="picoquic", dropped=frozenset(), watched=False):
    """A plugin at both ends of a connection that carries something each way; what is left of it."""
    pipe = Pipe(
        profile,
        client=Settings(address_count=2 if PROFILES[profile].is_multipath else 1),
        bridge=bridge,
        watched=watched,
        drops=lambda sender, index, _: (sender, index) in dropped,
    )
    pipe.connect()
    attachments = []
    for side in (pipe.client, pipe.server):
        what = OURS.get(name) or CARRIED[name]
        attachments.append(side.attach(what, **({"word0": mode} if mode else {})))
    pipe.send(20_000)
    pipe.send(9_000, "server")
    pipe.run_for(400_000_000)
    calls = [side.connection.counts.plugin_calls for side in (pipe.client, pipe.server)]
    marshalled = sum(side.connection.counts.plugin_bytes_marshalled for side in (pipe.client, pipe.server))
    return (pipe.trace.digest(), calls, [state_of(each) for each in attachments]), marshalled, pipe


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_the_same_trace_and_another_count(name, mode):
    shared, few, _ = run(name, mode, Bridge.SHARED)
    copied, many, _ = run(name, mode, Bridge.COPIED)
    assert shared == copied
    assert few <= many
    several_paths = {"ack_path"}  # SelectACKPath is asked for no others
    assert (sum(shared[1]) > 0) == (name not in several_paths)
    assert many >= CONNECTION_SIZE * sum(shared[1])


losses = st.frozensets(st.tuples(st.sampled_from(["client", "server"]), st.integers(3, 40)), max_size=8)


@settings(max_examples=10, deadline=None)
@given(case=st.sampled_from(CASES), dropped=losses, profile=st.sampled_from(sorted(PROFILES)))
def test_the_same_trace_under_losses_and_any_profile(case, dropped, profile):
    shared, *_ = run(*case, Bridge.SHARED, profile=profile, dropped=dropped)
    copied, *_ = run(*case, Bridge.COPIED, profile=profile, dropped=dropped)
    assert shared == copied


@pytest.mark.parametrize(("profile", "bridge"), [("rfc9002", "shared"), ("picoquic", "shared"), ("mp-quic", "copied")])
def test_the_bridge_is_the_profile_s(profile, bridge):
    _, chosen, _ = run("tlp", 0, None, profile=profile)
    assert [chosen == run("tlp", 0, each, profile=profile)[1] for each in Bridge] == [each == bridge for each in Bridge]


def test_a_call_is_the_same_whatever_was_copied_for_it():
    _, few, shared = run("landing", 40_000, Bridge.SHARED, watched=True)
    _, many, copied = run("landing", 40_000, Bridge.COPIED, watched=True)
    assert shared.client.of(PluginCalled) == copied.client.of(PluginCalled)
    assert 0 < few < many / 4
