"""Does a peer open as many streams as it may, and do those beyond wait and go on? RFC 9000 section 4.6."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.events import PacketReceived, PacketSent
from quicsim.quic.errors import ConnectionFailed, StreamLimitError
from quicsim.quic.frames import (
    MAXIMUM_STREAMS,
    DataBlockedFrame,
    MaxDataFrame,
    MaxStreamsFrame,
    ResetStreamFrame,
    StreamDataBlockedFrame,
    StreamFrame,
    StreamsBlockedFrame,
)
from quicsim.quic.interface import HandshakeEvent, StreamReceived
from quicsim.quic.needed import is_needed
from quicsim.quic.parameters import TransportParameters
from quicsim.quic.states import ConnectionState
from tests.quic.network import Network
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, Pipe, both_confirmed, request_answers, settled
from tests.quic.test_any_network import WEATHER
from tests.quic.test_connection import arriving


def sent_by(events, name, kind):
    return [
        frame
        for event in events
        if isinstance(event, PacketSent) and event.component == name
        for frame in event.frames
        if isinstance(frame, kind)
    ]


def exchange(pipe, streams):
    """All streams are opened at once; what each end sent, and how many the server had open at most."""
    pipe.trace.subscribers.append((events := []).append)
    request_answers(pipe, response_bytes=3_000, streams=streams)
    most_open = 0
    step = pipe.step

    def counting():
        nonlocal most_open
        on = pipe.server.receiving_streams
        most_open = max(most_open, sum(not (on[i].is_over and pipe.server.sending_streams[i].is_over) for i in on))
        return step()

    pipe.step = counting
    pipe.connect()
    pipe.run(settled(streams))
    assert settled(streams)(pipe)
    assert pipe.sides["client"].delivered == {4 * number: 3_000 for number in range(streams)}
    return events, most_open


@pytest.mark.parametrize("profile", ["rfc9002", "picoquic", "mp-quic", "multipath"])
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_streams_beyond_the_limit_wait_for_others_to_end(profile, limit):
    pipe = Pipe(profile, server={"max_streams": limit})
    events, most_open = exchange(pipe, streams=10)
    assert most_open == limit
    raised = sent_by(events, "server", MaxStreamsFrame)
    assert [frame.maximum for frame in raised] == sorted(frame.maximum for frame in raised)
    assert {frame.unidirectional for frame in raised} == {False}
    pipe.run()
    limits = pipe.server.stream_limits[0]
    assert (limits.ended, limits.limit, limits.acknowledged_limit) == (10, limit + 10, limit + 10)
    said = sent_by(events, "client", StreamsBlockedFrame)
    if profile in ("picoquic", "mp-quic"):
        assert not said, "the stacks of before say nothing"
    else:
        assert said[0] == StreamsBlockedFrame(False, limit)
        assert len(said) == len(set(said)), "once a limit"


def test_without_a_limit_nothing_is_said_of_streams():
    pipe = Pipe()
    events, _ = exchange(pipe, streams=40)
    assert not sent_by(events, "server", MaxStreamsFrame)
    assert not sent_by(events, "client", StreamsBlockedFrame)
    assert pipe.client.stream_limits[0].peer_limit == MAXIMUM_STREAMS


def test_a_server_is_limited_as_a_client_is():
    pipe = Pipe(client={"max_streams": 2})
    pipe.connect()
    pipe.run(both_confirmed)
    streams = [pipe.server.open_stream() for _ in range(3)]
    assert streams == [1, 5, 9]
    for stream_id in streams:
        pipe.server.send(stream_id, 100, fin=True)
    pipe.flush("server")
    pipe.run()
    assert sorted(pipe.client.receiving_streams) == [1, 5], "the client's own side of them has not ended"
    for stream_id in (1, 5):
        pipe.client.send(stream_id, 0, fin=True)
    pipe.flush("client")
    pipe.run()
    assert pipe.sides["client"].delivered == {1: 100, 5: 100, 9: 100}


@pytest.mark.parametrize(
    ("name", "frame", "message"),
    [
        ("server", StreamFrame(8, 0, 1, True), "stream 8 is number 3 of the bidirectional, allowed 2"),
        ("server", ResetStreamFrame(8, 0, 0), "stream 8 is number 3 of the bidirectional, allowed 2"),
        ("server", StreamDataBlockedFrame(12, 0), "stream 12 is number 4 of the bidirectional, allowed 2"),
        ("client", StreamFrame(9, 0, 1, True), "stream 9 is number 3 of the bidirectional, allowed 2"),
        ("client", StreamFrame(7, 0, 1, True), "stream 7 is number 2 of the unidirectional, allowed 1"),
    ],
)
def test_a_peer_that_opens_more_is_told_so(name, frame, message):
    pipe = Pipe(max_streams=2)
    pipe.connect()
    pipe.run(both_confirmed)
    connection = pipe.sides[name].connection
    connection.receive(arriving(frame, number=500), pipe.now_ns)
    assert connection.complaint == message
    assert connection.end.frame.error_code == StreamLimitError.code == 0x04


def test_a_smaller_limit_comes_late_and_says_nothing():
    pipe = Pipe(max_streams=5)
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.client.receive(arriving(MaxStreamsFrame(False, 3), number=500), pipe.now_ns)
    assert pipe.client.stream_limits[0].peer_limit == 5


def test_every_frame_about_limits_may_be_lost():
    pipe = Pipe(server={"max_streams": 2})
    send, seen = pipe._send, set()

    def lose_first(name, datagram):
        frames = {f for p in datagram.packets for f in p.frames if isinstance(f, MaxStreamsFrame | StreamsBlockedFrame)}
        pipe.drops = lambda _: bool(frames - seen)
        send(name, datagram)
        pipe.drops = lambda _: False
        seen.update(frames)

    pipe._send = lose_first
    exchange(pipe, streams=8)
    assert len(seen) > 4


def test_what_is_repeated_of_limits_is_true_still():
    pipe = Pipe(max_streams=1)
    pipe.connect()
    pipe.run(both_confirmed)
    for _ in range(2):
        pipe.client.send(pipe.client.open_stream(), 10)
    space = pipe.client.path.application
    assert is_needed(pipe.client, space, StreamsBlockedFrame(False, 1))
    pipe.client.receive(arriving(MaxStreamsFrame(False, 2), number=500), pipe.now_ns)
    assert not is_needed(pipe.client, space, StreamsBlockedFrame(False, 1))
    assert not is_needed(pipe.client, space, StreamsBlockedFrame(False, 2))
    limits = pipe.server.stream_limits[0]
    limits.limit = 7
    assert is_needed(pipe.server, pipe.server.path.application, MaxStreamsFrame(False, 7))
    assert not is_needed(pipe.server, pipe.server.path.application, MaxStreamsFrame(False, 6))
    limits.acknowledged_limit = 7
    assert not is_needed(pipe.server, pipe.server.path.application, MaxStreamsFrame(False, 7))


@pytest.mark.parametrize("written", [0, 500], ids=["empty", "with data"])
def test_a_stream_that_waits_may_be_reset(written):
    """Nothing of it may go out before the peer allows it: the reset waits as well."""
    pipe = Pipe(server={"max_streams": 1})
    pipe.connect()
    pipe.run(both_confirmed)
    first, second = pipe.client.open_stream(), pipe.client.open_stream()
    pipe.client.send(second, written, fin=True)
    pipe.client.reset_stream(second, 7)
    pipe.flush("client")
    pipe.run()
    assert second not in pipe.server.receiving_streams
    pipe.client.send(first, 10, fin=True)
    pipe.flush("client")
    pipe.run(lambda pipe: first in pipe.sides["server"].finished)
    pipe.server.send(first, 10, fin=True)
    pipe.flush("server")
    pipe.run()
    assert pipe.server.receiving_streams[second].final_size == 0
    assert pipe.client.sending_streams[second].is_over


def test_a_stream_that_waits_is_not_the_peers_to_send_on():
    pipe = Pipe(max_streams=1)
    pipe.connect()
    pipe.run(both_confirmed)
    for _ in range(2):
        pipe.client.open_stream()
    pipe.client.receive(arriving(StreamFrame(4, 0, 1, False), number=500), pipe.now_ns)
    assert pipe.client.complaint == "data on stream 4, which only this endpoint may open"


@pytest.mark.parametrize("and_reset", [False, True])
def test_what_is_asked_of_a_stream_that_waits_waits_too(and_reset):
    pipe = Pipe(server={"max_streams": 1})
    pipe.connect()
    pipe.run(both_confirmed)
    first, second = pipe.client.open_stream(), pipe.client.open_stream()
    pipe.client.send(second, 500, fin=True)
    pipe.client.stop_sending(second, 7)
    if and_reset:
        pipe.client.reset_stream(second, 7)
    pipe.client.send(first, 10, fin=True)
    pipe.flush("client")
    pipe.run(lambda pipe: first in pipe.sides["server"].finished)
    assert second not in pipe.server.receiving_streams
    pipe.server.send(first, 10, fin=True)
    pipe.flush("server")
    pipe.run()
    assert pipe.server.sending_streams[second].is_reset
    assert pipe.client.receiving_streams[second].is_over
    assert pipe.server.receiving_streams[second].delivered == (0 if and_reset else 500)


@pytest.mark.parametrize(("streams", "unidirectional"), [(0, 0), (1, 1), (MAXIMUM_STREAMS, 100)])
def test_the_parameters_come_back(streams, unidirectional):
    parameters = TransportParameters(1, 2, None, False, max_streams=streams, max_unidirectional_streams=unidirectional)
    assert TransportParameters.decode(parameters.encode()) == parameters


# A sender that is blocked for long


def blocked(kind):
    """A client that one of the server's limits stops, and that is told nothing for a while."""
    limits = {
        DataBlockedFrame: {"max_data_bytes": 5_000, "max_stream_data_bytes": 1 << 20},
        StreamDataBlockedFrame: {"max_data_bytes": 1 << 20, "max_stream_data_bytes": 5_000},
        StreamsBlockedFrame: {"max_streams": 1},
    }[kind]
    pipe = Pipe(server=limits, idle_timeout_ns=10 * SECOND_NS)
    pipe.trace.subscribers.append((events := []).append)
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.server.announce = lambda frame: None  # an application that reads nothing: no limit is raised
    for _ in range(2):
        pipe.client.send(pipe.client.open_stream(), 5_100, fin=True)
    pipe.flush("client")
    return pipe, events


@pytest.mark.parametrize("kind", [DataBlockedFrame, StreamDataBlockedFrame, StreamsBlockedFrame])
def test_a_blocked_sender_keeps_the_connection_alive(kind):
    """Section 4.1: it says so again, when nothing is in flight, before the idle timeout is over."""
    pipe, events = blocked(kind)
    pipe.run(lambda pipe: pipe.now_ns > 60 * SECOND_NS)
    assert pipe.client.state is pipe.server.state is ConnectionState.CONFIRMED
    said = [event for event in events if isinstance(event, PacketReceived) and event.component == "server"
            and any(isinstance(frame, kind) for frame in event.frames)]  # fmt: skip
    assert 10 <= len(said) <= 14, "twice an idle timeout of 10 s"


def test_one_that_is_not_blocked_does_not():
    pipe, events = blocked(DataBlockedFrame)
    pipe.run(lambda pipe: pipe.now_ns > 20 * SECOND_NS)
    del pipe.server.announce
    pipe.server.flow.limit = 1 << 20
    pipe.server.announce(MaxDataFrame(1 << 20))
    pipe.flush("server")
    pipe.run(lambda pipe: pipe.sides["server"].finished.keys() >= {0, 4})
    before = len(sent_by(events, "client", DataBlockedFrame))
    pipe.run()
    assert len(sent_by(events, "client", DataBlockedFrame)) == before
    assert pipe.client.state is pipe.server.state is ConnectionState.CLOSED
    assert pipe.now_ns < 35 * SECOND_NS


# Any network


@settings(max_examples=30, deadline=None)
@given(
    profile=st.sampled_from(("rfc9002", "rfc9002", "picoquic", "mp-quic")),
    there=WEATHER,
    back=WEATHER,
    limit=st.integers(1, 4),
    streams=st.integers(1, 9),
    window=st.sampled_from((None, 2_000)),
)
def test_all_streams_arrive_whatever_the_network_does(profile, there, back, limit, streams, window):
    network = Network(
        profile,
        weather={"client": there, "server": back},
        delay_ns=20 * MILLISECOND_NS,
        max_streams=limit,
        max_data_bytes=window,
        max_stream_data_bytes=window,
    )

    def on_client_event(event):
        if isinstance(event, HandshakeEvent) and event.state is ConnectionState.COMPLETE:
            for _ in range(streams):
                network.client.send(network.client.open_stream(), 300, fin=True)

    def on_server_event(event):
        if isinstance(event, StreamReceived):
            network.server.send(event.stream_id, 4_000, fin=True)

    network.sides["client"].on_event = on_client_event
    network.sides["server"].on_event = on_server_event
    network.connect()
    try:
        network.run(limit_ns=3_600 * SECOND_NS)
    except ConnectionFailed:
        assert profile == "picoquic", "only that stack gives up, at its sixth timeout in a row"
        return
    assert network.sides["client"].delivered == {4 * number: 4_000 for number in range(streams)}
    assert network.server.stream_limits[0].ended == streams
