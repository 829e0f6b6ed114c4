"""Does a sender whom flow control stops say so, once a limit? RFC 9000 sections 4.1 and 13.3."""

import pytest

from quicsim.events import PacketSent
from quicsim.quic.frames import DataBlockedFrame, MaxDataFrame, MaxStreamDataFrame, StreamDataBlockedFrame
from quicsim.quic.needed import is_needed
from quicsim.quic.states import ConnectionState
from tests.quic.pipe import Pipe, both_confirmed, request_answers, settled
from tests.quic.test_connection import arriving

BLOCKED = (DataBlockedFrame, StreamDataBlockedFrame)


def exchange(profile="rfc9002", *, drops=(), streams=1, response_bytes=40_000, **windows):
    pipe = request_answers(Pipe(profile, drops=drops, **windows), response_bytes=response_bytes, streams=streams)
    pipe.trace.subscribers.append((events := []).append)
    pipe.connect()
    pipe.run(settled(streams))
    assert settled(streams)(pipe)
    return pipe, [
        frame
        for event in events
        if isinstance(event, PacketSent) and event.component == "server"
        for frame in event.frames
        if isinstance(frame, BLOCKED)
    ]


def test_a_stream_that_meets_its_limit_says_so_once_each_time():
    pipe, said = exchange(max_stream_data_bytes=10_000)
    limits = [frame.limit for frame in said]
    assert said[0] == StreamDataBlockedFrame(0, 10_000)
    assert limits == sorted(set(limits)), "each limit once, as it rises"
    assert all(frame.limit < 40_000 for frame in said)
    assert pipe.client.receiving_streams[0].delivered == 40_000


def test_the_connections_limit_is_said_once_for_all_streams():
    _, said = exchange(streams=4, max_data_bytes=20_000, max_stream_data_bytes=1 << 20)
    assert said[0] == DataBlockedFrame(20_000)
    assert len(said) == len(set(said))
    assert {type(frame) for frame in said} == {DataBlockedFrame}


def test_nothing_is_said_where_nothing_stops():
    _, said = exchange()
    assert said == []


@pytest.mark.parametrize("profile", ["picoquic", "mp-quic"])
def test_the_stacks_of_before_say_nothing(profile):
    _, said = exchange(profile, max_data_bytes=5_000, max_stream_data_bytes=5_000)
    assert said == []


def test_what_is_written_while_the_limit_is_met_is_said_too():
    pipe = Pipe(max_data_bytes=5_000, max_stream_data_bytes=1 << 20)
    pipe.connect()
    pipe.run(both_confirmed)
    client = pipe.client
    client.flow.sent = client.flow.peer_limit
    client.send(client.open_stream(), 100)
    client.send(client.open_stream(), 100)
    packets = [packet for datagram in client.datagrams_to_send(pipe.now_ns) for packet in datagram.packets]
    said = [frame for packet in packets for frame in packet.frames if isinstance(frame, BLOCKED)]
    assert said == [DataBlockedFrame(5_000)]


@pytest.mark.parametrize("frame", [DataBlockedFrame(5_000), StreamDataBlockedFrame(0, 5_000)])
def test_a_lost_one_is_repeated_as_long_as_it_is_true(frame):
    """Section 13.3: not once the limit has been raised."""
    pipe = Pipe(max_data_bytes=5_000, max_stream_data_bytes=5_000)
    pipe.connect()
    pipe.run(both_confirmed)
    client = pipe.client
    client.open_stream()
    space = client.path.application
    assert is_needed(client, space, frame)
    client.receive(arriving(MaxDataFrame(6_000), MaxStreamDataFrame(0, 6_000), number=500), pipe.now_ns)
    assert not is_needed(client, space, frame)


def test_every_one_of_them_may_be_lost():
    pipe = Pipe(max_data_bytes=10_000, max_stream_data_bytes=8_000)
    send = pipe._send

    def lose_first(name, datagram):
        frames = {frame for packet in datagram.packets for frame in packet.frames if isinstance(frame, BLOCKED)}
        pipe.drops = lambda _: bool(frames - seen)
        send(name, datagram)
        pipe.drops = lambda _: False
        seen.update(frames)

    seen = set()
    pipe._send = lose_first
    request_answers(pipe, response_bytes=60_000, streams=2)
    pipe.connect()
    pipe.run(settled(2))
    assert pipe.sides["client"].delivered == {0: 60_000, 4: 60_000}
    assert len(seen) > 4


def test_a_stream_that_only_this_end_may_open_is_not_the_peers_to_speak_of():
    pipe = Pipe()
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.client.receive(arriving(StreamDataBlockedFrame(40, 1), number=500), pipe.now_ns)
    assert pipe.client.state is ConnectionState.CLOSING
    assert pipe.client.complaint == "data on stream 40, which only this endpoint may open"
