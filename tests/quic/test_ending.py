"""How a connection ends: by a close, by the peer's, by silence. RFC 9000 section 10."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.events import PacketSent
from quicsim.quic.frames import ConnectionCloseFrame, StreamFrame
from quicsim.quic.loss import probe_timeout_ns
from quicsim.quic.packet import APPLICATION, HANDSHAKE, INITIAL
from quicsim.quic.parameters import advertised
from quicsim.quic.profiles import profile_named
from quicsim.quic.settings import Settings, ZeroRtt
from quicsim.quic.states import ConnectionState
from quicsim.scenario.build import Unfinished, simulate
from quicsim.scenario.load import load
from tests.quic.network import Network
from tests.quic.pipe import MILLISECOND_NS, OTHER, SECOND_NS, Pipe, both_confirmed, request_answers, settled
from tests.quic.test_any_network import WEATHER
from tests.quic.test_connection import arriving

ENDED = (ConnectionState.CLOSING, ConnectionState.DRAINING, ConnectionState.CLOSED)


def a_pipe(**how):
    pipe = Pipe(**how)
    pipe.trace.subscribers.append((events := []).append)
    pipe.connect()
    return pipe, events


def close(pipe, name, **how):
    pipe.sides[name].connection.close(pipe.now_ns, **how)
    pipe.flush(name)


def closes_sent(events, name):
    return [
        (event.space, frame)
        for event in events
        if isinstance(event, PacketSent) and event.component == name
        for frame in event.frames
        if isinstance(frame, ConnectionCloseFrame)
    ]


def both_closed(pipe):
    return all(side.connection.state is ConnectionState.CLOSED for side in pipe.sides.values())


def period_ns(connection):
    return 3 * probe_timeout_ns(connection, connection.path, APPLICATION)


@pytest.mark.parametrize("name", ["client", "server"])
def test_one_close_ends_it_for_both(name):
    pipe, events = a_pipe()
    pipe.run(both_confirmed)
    pipe.run(lambda p: not p.heap)
    sent_ns = pipe.now_ns
    close(pipe, name, error_code=7, reason=b"done")
    own, other = (pipe.sides[one].connection for one in (name, OTHER[name]))
    assert own.state is ConnectionState.CLOSING
    assert own.deadline_ns == sent_ns + period_ns(own)
    pipe.run(lambda p: other.state is ConnectionState.DRAINING)
    assert pipe.now_ns == sent_ns + pipe.delay_ns
    assert other.deadline_ns == pipe.now_ns + period_ns(other)
    assert own.end.frame == other.end.frame == ConnectionCloseFrame(7, None, b"done")
    pipe.run(both_closed)
    assert own.deadline_ns == other.deadline_ns == 0
    assert not pipe.step(), "nothing happens any more"
    assert closes_sent(events, name) == [("application", ConnectionCloseFrame(7, None, b"done"))]
    assert closes_sent(events, OTHER[name]) == [], "who drains is silent"


def test_closing_again_or_before_anything_was_sent_does_nothing():
    pipe = Pipe()
    close(pipe, "client")
    assert pipe.client.state is ConnectionState.IDLE
    pipe.connect()
    close(pipe, "client", error_code=1)
    close(pipe, "client", error_code=2)
    assert pipe.client.end.frame.error_code == 1


def test_in_the_handshake_each_space_with_keys_carries_it_and_the_reason_stays_protected():
    """Section 10.2.3: Initial and Handshake packets say APPLICATION_ERROR and no more."""
    pipe, events = a_pipe(certificate_chain_bytes=500)
    pipe.step()
    assert [space.kind for space in pipe.server.path.open_spaces] == [INITIAL, HANDSHAKE, APPLICATION]
    sizes = len(pipe.sides["server"].sizes)
    close(pipe, "server", error_code=9, reason=b"secret")
    assert len(pipe.sides["server"].sizes) == sizes + 1, "coalesced"
    assert closes_sent(events, "server") == [
        ("initial", ConnectionCloseFrame(0x0C, 0)),
        ("handshake", ConnectionCloseFrame(0x0C, 0)),
        ("application", ConnectionCloseFrame(9, None, b"secret")),
    ]
    pipe.run(both_closed)
    assert both_closed(pipe)


def test_a_client_that_closes_at_once_pads_its_initial():
    pipe, events = a_pipe()
    close(pipe, "client")
    assert pipe.sides["client"].sizes == [1_200, 1_200]
    assert closes_sent(events, "client") == [("initial", ConnectionCloseFrame(0x0C, 0))]
    pipe.run(lambda p: p.client.state is ConnectionState.CLOSED)


def test_a_server_at_its_amplification_limit_closes_within_it():
    """The pipe checks three times what was received after every call."""
    pipe, events = a_pipe(certificate_chain_bytes=9_000)
    pipe.step()
    assert pipe.server.path.is_amplification_limited
    close(pipe, "server")
    assert closes_sent(events, "server") == []
    pipe.run(lambda p: p.server.state is ConnectionState.CLOSED)


def test_whoever_goes_on_sending_is_told_again_and_ever_more_seldom():
    """Section 10.2.1. The first close is lost, and the peer has much to send."""
    pipe, events = a_pipe()
    pipe.run(both_confirmed)
    pipe.drops = lambda sent: sent[0] == "client"
    close(pipe, "client")
    stream = pipe.server.open_stream()
    for _ in range(40):
        pipe.server.send(stream, 500)
        for datagram in pipe.server.datagrams_to_send(pipe.now_ns):
            pipe.client.receive(datagram, pipe.now_ns)
            pipe.flush("client")
    told = len(closes_sent(events, "client"))
    assert 3 <= told <= 6, f"{told} times"
    pipe.drops = lambda sent: False
    pipe.client.end._is_owed = True
    pipe.flush("client")
    pipe.run(both_closed)


def test_both_may_close_at_once():
    pipe, events = a_pipe()
    pipe.run(both_confirmed)
    for name in ("client", "server"):
        close(pipe, name)
    states = {name: pipe.sides[name].connection for name in ("client", "server")}
    pipe.run(lambda p: not p.heap)
    assert {connection.state for connection in states.values()} == {ConnectionState.DRAINING}
    pipe.run(both_closed)
    assert len(closes_sent(events, "client")) == len(closes_sent(events, "server")) == 1


def test_a_closed_connection_forgets_what_was_under_way():
    pipe = request_answers(Pipe(), response_bytes=500_000)
    pipe.connect()
    pipe.run(lambda p: p.server.path.bytes_in_flight > 10_000)
    close(pipe, "server")
    assert pipe.server.path.bytes_in_flight == 0
    pipe.run(both_closed)
    assert not pipe.sides["client"].finished


# Silence


@pytest.mark.parametrize(
    ("client_ms", "server_ms", "expected_ms"), [(500, 0, 500), (0, 700, 700), (900, 600, 600), (400, 800, 400)]
)
def test_the_smaller_of_both_timeouts_counts(client_ms, server_ms, expected_ms):
    pipe = request_answers(
        Pipe(client={"idle_timeout_ns": client_ms * MILLISECOND_NS}, server={"idle_timeout_ns": server_ms * 1_000_000})
    )
    pipe.connect()
    pipe.run(settled(1))
    pipe.run(lambda p: not p.heap)
    pipe.run(both_closed)
    assert both_closed(pipe)
    last = max(side.connection.path.last_received_ns for side in pipe.sides.values())
    assert last < pipe.now_ns <= last + expected_ms * MILLISECOND_NS
    assert pipe.now_ns >= last + expected_ms * MILLISECOND_NS - 2 * pipe.delay_ns
    assert sum(len(side.sizes) for side in pipe.sides.values()) == pipe.sent, "in silence"


def test_without_a_timeout_a_connection_waits_for_ever():
    pipe = request_answers(Pipe())
    pipe.connect()
    pipe.run(settled(1))
    pipe.run()
    assert both_confirmed(pipe)


def test_a_timeout_is_never_shorter_than_three_probe_timeouts():
    """Section 10.1."""
    pipe = Pipe(delay_ns=200 * MILLISECOND_NS, idle_timeout_ns=1_000_000)
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.run(lambda p: not p.heap)
    idle_since_ns = pipe.client.path.last_received_ns
    pipe.run(lambda p: p.client.state is ConnectionState.CLOSED)
    assert pipe.now_ns - idle_since_ns == period_ns(pipe.client) > 1_000 * MILLISECOND_NS


def test_what_is_sent_restarts_it_once_until_something_arrives():
    """Section 10.1: else a sender whom nobody answers would never time out."""
    pipe = Pipe(idle_timeout_ns=2 * SECOND_NS)
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.run(lambda p: not p.heap)
    pipe.drops = lambda sent: True
    pipe.now_ns += SECOND_NS
    begun_ns = pipe.now_ns
    stream = pipe.client.open_stream()
    pipe.client.send(stream, 100)
    pipe.flush("client")
    pipe.run(lambda p: p.client.state is ConnectionState.CLOSED)
    assert len(pipe.sides["client"].sizes) > 6, "it has probed"
    assert pipe.now_ns >= begun_ns + 2 * SECOND_NS
    assert pipe.now_ns <= begun_ns + 20 * SECOND_NS


def test_a_server_is_not_idle_before_there_is_a_connection():
    """0-RTT without the Initial packet before it, which was lost, is nothing that a server can read."""
    how = {"idle_timeout_ns": SECOND_NS}
    remembered = advertised(profile_named("rfc9002"), Settings(**how))
    pipe = Pipe(
        client={"remembered": remembered}, server={"zero_rtt": ZeroRtt.ACCEPTED}, drops=lambda sent: True, **how
    )
    pipe.connect()
    early = arriving(StreamFrame(0, 0, 1, True), number=0)
    early.packets[0].is_early = True
    pipe.server.receive(early, pipe.now_ns)
    pipe.flush("server")
    assert not pipe.server.deadline_ns
    pipe.run()
    assert pipe.client.state is ConnectionState.CLOSED
    assert pipe.server.state is ConnectionState.IDLE


def test_a_client_whom_nobody_answers_gives_up():
    pipe = Pipe(drops=lambda sent: True, idle_timeout_ns=30 * SECOND_NS)
    pipe.connect()
    pipe.run(lambda p: p.client.state is ConnectionState.CLOSED)
    assert pipe.client.state is ConnectionState.CLOSED
    assert pipe.now_ns >= 30 * SECOND_NS
    assert not pipe.step()


@settings(max_examples=60, deadline=None)
@given(
    there=WEATHER,
    back=WEATHER,
    closer=st.sampled_from(("client", "server")),
    steps=st.integers(0, 120),
    idle_s=st.sampled_from((1, 30)),
)
def test_whenever_it_is_closed_and_whatever_is_lost_both_ends_come_to_rest(there, back, closer, steps, idle_s):
    network = request_answers(
        Network(weather={"client": there, "server": back}, idle_timeout_ns=idle_s * SECOND_NS),
        response_bytes=60_000,
        streams=2,
    )
    network.connect()
    for _ in range(steps):
        network.step()
    if network.sides[closer].connection.state is not ConnectionState.IDLE:
        close(network, closer, error_code=3)
    network.run(limit_ns=4_000 * SECOND_NS)
    for side in network.sides.values():
        assert side.connection.state in (ConnectionState.CLOSED, ConnectionState.IDLE)
        assert side.connection.deadline_ns == 0
        assert side.connection.path.bytes_in_flight == 0


# In a scenario


def test_a_scenario_has_idle_timeouts():
    """Nothing that the client sends arrives: it closes, and whoever asks why the run did not finish is told."""
    overrides = ["hosts.client.idle_timeout=3s", "links.bottleneck.drop_every.client=1", "time_limit=60s"]
    with pytest.raises(Unfinished, match=r"The client is closed, was last active at [34]\.\d* s"):
        simulate(load("bulk_download", overrides=overrides).setups["default"], "default", 0)
