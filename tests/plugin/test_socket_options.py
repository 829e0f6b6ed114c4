"""Does a plugin set and see ECN, lower the window, draw chance of its own; and what of it does a fault take back?"""

import pytest

from quicsim.events import PluginFaulted, PluginLogged
from quicsim.plugin.host import ConnectionPlugins
from quicsim.quic.congestion.base import LOST
from quicsim.randomness import Streams
from quicsim.scenario.build import simulate
from quicsim.scenario.load import load
from tests.plugin.pipe import OBJECTS, Pipe, plugin, set_word
from tests.plugin.test_framing import DRAW, DRAW_THEN_LOOP, SET, SET_THEN_DEFAULT_THEN_LOOP, SET_THEN_LOOP


@pytest.fixture
def pipe():
    pipe = Pipe()
    pipe.connect()
    return pipe


# -------------------------------------------------------------------------------------------------------------- ECN


def test_a_socket_option_is_set_and_goes_with_the_plugin(pipe):
    path = pipe.client.connection.path
    attachment = pipe.client.attach(plugin("marking"))
    assert path.ecn_codepoint == 2  # set when the plugin was initialised
    pipe.send(100)
    assert [datagram.ecn for *_, datagram in pipe._wire] == [2]
    pipe.client.plugins.detach(attachment, "enough")
    assert path.ecn_codepoint == 0
    again = pipe.client.attach(plugin("marking"))
    path.ecn_codepoint = 1  # somebody else's
    pipe.client.plugins.detach(again, "enough")
    assert path.ecn_codepoint == 1


@pytest.mark.parametrize(("mode", "after"), [(SET, 1), (SET_THEN_LOOP, 2), (SET_THEN_DEFAULT_THEN_LOOP, 1)])
def test_a_fault_takes_the_codepoint_back_to_the_commit_point(mode, after, pipe):
    connection = pipe.client.connection
    attachment = pipe.client.attach(plugin("marking"), word0=mode, word1=1)
    connection.operations.set_timer(connection, connection.path)
    assert pipe.client.logged == [1, 1]
    assert connection.path.ecn_codepoint == after
    assert attachment.faults == (mode != SET)
    pipe.client.plugins.detach(attachment, "enough")
    assert connection.path.ecn_codepoint == 0


@pytest.mark.parametrize("codepoint", [3, 4, 2**32 - 1])
def test_a_sender_does_not_claim_congestion(codepoint, pipe):
    connection = pipe.client.connection
    pipe.client.attach(plugin("marking"), word0=SET, word1=codepoint)
    connection.operations.set_timer(connection, connection.path)
    assert "set_ecn: a sender's codepoint is 0" in pipe.client.of(PluginFaulted)[0].reason
    assert connection.path.ecn_codepoint == 2


def test_each_packet_shows_the_codepoint_that_it_arrived_with(pipe):
    seen = []
    read = pipe.server.connection.operations.read_packet
    pipe.server.connection.operations.read_packet = lambda c, p, packet: seen.append(packet.ecn) or read(c, p, packet)
    for codepoint in (3, 0, 1):
        pipe.send(100)
        [(*_, datagram)] = pipe._wire
        datagram.ecn = codepoint
        pipe.settle()
    assert seen == [3, 0, 1]


def test_a_window_lowered_after_parse_frames_is_the_controller_s(pipe):
    """NewReno goes on from there: it has left slow start, and the next loss halves this window."""
    connection = pipe.client.connection
    attachment = pipe.client.attach(plugin("marking"), word2=9_000)
    path = connection.path
    pipe.send(60_000)
    while path.ssthresh_bytes > 9_000:
        assert pipe.step()
    assert path.ssthresh_bytes == 9_000
    assert path.cwnd_bytes == 9_000
    set_word(attachment, 2, 0)
    pipe.step()
    assert 9_000 <= path.cwnd_bytes <= 9_000 + path.datagram_bytes
    window = path.cwnd_bytes
    connection.operations.congestion_control(connection, path, LOST, 1_200, pipe.now_ns)
    assert path.cwnd_bytes == window // 2
    set_word(attachment, 2, 100)  # below the minimum: the rules hold here as well
    pipe.settle()
    assert any("cwnd_bytes >= minimum_window_bytes" in fault.reason for fault in pipe.client.of(PluginFaulted))
    assert path.cwnd_bytes >= path.minimum_window_bytes
    assert pipe.server.delivered == {0: 60_000}


# ----------------------------------------------------------------------------------------------------------- chance


def drawn(side, times, mode=DRAW):
    attachment = side.attach(plugin("marking"), word0=mode)
    connection = side.connection
    side.events.clear()
    for _ in range(times):
        connection.operations.set_timer(connection, connection.path)
    if attachment.enabled:
        side.plugins.detach(attachment, "enough")
    return side.logged


def test_a_plugin_s_chance_is_its_own():
    pipe, other = Pipe(), Pipe()
    five = drawn(pipe.client, 5)
    assert len(set(five)) == 5
    assert max(five) > 2**32
    assert set(drawn(pipe.server, 5)).isdisjoint(five)
    drawn(other.server, 2)
    # Neither the other end's draws, nor a fault, nor being attached anew moves the next one.
    assert drawn(other.client, 2) + drawn(other.client, 1, DRAW_THEN_LOOP) + drawn(other.client, 2) == five


def test_chance_is_the_replication_s():
    pipe = Pipe()
    drawn_by = []
    for seed, replication in ((0, 0), (0, 1), (1, 0)):
        pipe.client.plugins = ConnectionPlugins(pipe.client.connection, Streams(seed, replication), verify=False)
        drawn_by.append(drawn(pipe.client, 3))
    assert drawn_by[0] == drawn(Pipe().client, 3)
    assert len({number for numbers in drawn_by for number in numbers}) == 9


def test_a_scenario_s_replications_have_chance_of_their_own():
    def logged(replication, seed):
        use = f'plugins=[{{name="{OBJECTS / "chance.o"}", from="client"}}]'
        scenario = load("bulk_download", [use, "transfer.size=20kB", f"seed={seed}"])
        events = []
        simulate(scenario.variant("default"), "default", replication, [events.append])
        return [event.value for event in events if isinstance(event, PluginLogged)]

    first = logged(0, 1)
    assert len(first) == 2
    assert first == logged(0, 1)
    assert len({*first, *logged(1, 1), *logged(0, 2)}) == 6
