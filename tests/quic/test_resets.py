"""What holds of a stream that ends early: its size, its credit, its repeats? RFC 9000 sections 3 and 4.5."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.events import StreamAborted
from quicsim.quic.errors import (
    ConnectionFailed,
    FinalSizeError,
    FlowControlError,
    StreamStateError,
    StreamStateViolation,
)
from quicsim.quic.frames import MaxStreamDataFrame, ResetStreamFrame, StopSendingFrame, StreamFrame
from quicsim.quic.interface import HandshakeEvent, StreamReceived, StreamReset, StreamStopped
from quicsim.quic.needed import is_needed
from quicsim.quic.states import ConnectionState, ReceivingStreamState, SendingStreamState
from quicsim.quic.streams import ReceivingStream, SendingStream
from tests.quic.network import Network
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, Pipe, both_confirmed, request_answers
from tests.quic.test_any_network import WEATHER, content, what_is_read
from tests.quic.test_connection import arriving

CODE = 0x010C


# One stream


@pytest.mark.parametrize(
    ("before", "reset_at", "error", "message"),
    [
        ([], 0, None, ""),
        ([], 100, None, ""),
        ([(0, 5, False)], 5, None, ""),
        ([(0, 5, False)], 60, None, ""),
        ([(0, 5, False), (0, 5, True)], 5, None, ""),
        ([], 101, FlowControlError, "stream 3: reset at 101, allowed up to 100"),
        ([(8, 5, False)], 12, FinalSizeError, "stream 3: reset at 12, against received 13"),
        ([(8, 5, True)], 14, FinalSizeError, "stream 3: reset at 14, against its final size 13"),
        ([(8, 5, True)], 12, FinalSizeError, "stream 3: reset at 12, against its final size 13"),
    ],
)
def test_the_final_size_of_a_reset(before, reset_at, error, message):
    stream = ReceivingStream(3, 100)
    for offset, length, fin in before:
        stream.receive(StreamFrame(3, offset, length, fin))
    frame = ResetStreamFrame(3, CODE, reset_at)
    if error is not None:
        with pytest.raises(error, match=message):
            stream.receive_reset(frame)
        return
    highest = stream.highest
    assert stream.receive_reset(frame) == reset_at - highest
    assert stream.highest == stream.final_size == reset_at
    assert stream.receive_reset(frame) == 0, "the same again adds nothing"
    with pytest.raises(FinalSizeError):
        stream.receive_reset(ResetStreamFrame(3, CODE, reset_at + 1 if reset_at < 100 else 99))


def test_after_a_reset_nothing_is_read_and_the_size_still_counts():
    stream = ReceivingStream(0, 100)
    stream.receive(StreamFrame(0, 10, 10, False, content(0, 10)))
    stream.receive_reset(ResetStreamFrame(0, CODE, 40))
    stream.read_reset()
    assert stream.receive(StreamFrame(0, 0, 10, False, content(0, 10))) == (0, 0, b"")
    assert stream.receive(StreamFrame(0, 30, 10, True, content(0, 10))) == (0, 0, b"")
    assert stream.delivered == 0
    with pytest.raises(FinalSizeError, match="final size is 40"):
        stream.receive(StreamFrame(0, 40, 1, False))
    assert stream.state is ReceivingStreamState.RESET_READ


@pytest.mark.parametrize("sent", ["nothing", "some", "all"])
def test_a_reset_ends_a_stream_at_what_was_sent(sent):
    stream = SendingStream(4, 1 << 20)
    stream.write(1_000, fin=True)
    if sent == "some":
        stream.take(300, 1 << 20)
    elif sent == "all":
        stream.take(2_000, 1 << 20)
    final_size = stream.sent
    assert stream.reset(CODE) == ResetStreamFrame(4, CODE, final_size)
    assert not stream.has_new()
    assert not stream.still_needs(StreamFrame(4, 0, 10, False))
    assert stream.reset(CODE + 1) is None, "its content must not change"
    with pytest.raises(StreamStateError, match="stream 4 was reset"):
        stream.write(1, fin=False)
    stream.acknowledge_reset()
    stream.acknowledge_reset()
    assert stream.state is SendingStreamState.RESET_RECEIVED


def test_what_has_arrived_is_not_reset():
    stream = SendingStream(4, 100)
    stream.write(10, fin=True)
    frame, _ = stream.take(100, 100)
    stream.acknowledge(frame)
    assert stream.reset(CODE) is None
    assert stream.state is SendingStreamState.DATA_RECEIVED


# Connections


def asked(*, drops=(), response_bytes=400_000, streams=1, **both):
    """Both ends are confirmed and answers are on their way; each end's events are noted."""
    pipe = request_answers(Pipe(drops=drops, **both), response_bytes=response_bytes, streams=streams)
    noted = {"client": [], "server": []}
    for name, side in pipe.sides.items():
        before = side.on_event

        def note(event, name=name, before=before):
            noted[name].append(event)
            before(event)

        side.on_event = note
    pipe.connect()
    pipe.run(lambda pipe: pipe.client.receiving_streams and pipe.client.receiving_streams[0].delivered > 10_000)
    return pipe, noted


def call(pipe, name, method, *arguments):
    getattr(pipe.sides[name].connection, method)(*arguments)
    pipe.flush(name)


def test_stop_sending_is_answered_by_a_reset_and_both_ends_forget_the_stream():
    pipe, noted = asked()
    pipe.trace.subscribers.append((events := []).append)
    call(pipe, "client", "stop_sending", 0, CODE)
    delivered_then = pipe.client.receiving_streams[0].delivered
    pipe.run()
    server, client = pipe.server.sending_streams[0], pipe.client.receiving_streams[0]
    assert server.state is SendingStreamState.RESET_RECEIVED
    assert client.state is ReceivingStreamState.RESET_READ
    assert client.final_size == server.sent < 400_000
    assert pipe.client.flow.received == pipe.client.flow.consumed == pipe.server.flow.sent == server.sent
    assert StreamStopped(0, CODE) in noted["server"]
    assert not [e for e in noted["client"] if isinstance(e, StreamReset | StreamReceived)], "it asked for it"
    assert client.delivered >= delivered_then
    [aborted] = [event for event in events if isinstance(event, StreamAborted)]
    assert (aborted.component, aborted.sent_bytes, aborted.is_asked_for) == ("server", server.sent, True)
    assert not pipe.client.has_open_stream
    assert not pipe.server.has_open_stream


def test_a_reset_tells_the_peers_application():
    pipe, noted = asked()
    call(pipe, "server", "reset_stream", 0, CODE)
    pipe.run()
    assert [e for e in noted["client"] if isinstance(e, StreamReset)] == [StreamReset(0, CODE)]
    assert pipe.server.sending_streams[0].state is SendingStreamState.RESET_RECEIVED
    assert pipe.client.flow.consumed == pipe.client.receiving_streams[0].final_size
    call(pipe, "server", "reset_stream", 0, CODE)
    call(pipe, "client", "stop_sending", 0, CODE)
    sent = pipe.sent
    pipe.run()
    assert pipe.sent == sent, "all is over: nothing more is said"


@pytest.mark.parametrize("kind", [ResetStreamFrame, StopSendingFrame])
def test_a_lost_one_is_repeated_until_it_has_arrived(kind):
    pipe, _ = asked(response_bytes=2_000_000)
    send, lost = pipe._send, []

    def lose_two(name, datagram):
        with_it = any(isinstance(frame, kind) for packet in datagram.packets for frame in packet.frames)
        pipe.drops = lambda _: with_it and len(lost) < 2
        if with_it and len(lost) < 2:
            lost.append([f for p in datagram.packets for f in p.frames if isinstance(f, kind)])
        send(name, datagram)
        pipe.drops = lambda _: False

    pipe._send = lose_two
    call(pipe, "client", "stop_sending", 0, CODE)
    pipe.run()
    assert len(lost) == 2
    assert len({frame for frames in lost for frame in frames}) == 1, "its content never changes"
    assert pipe.server.sending_streams[0].state is SendingStreamState.RESET_RECEIVED


def test_what_was_reset_is_not_repeated():
    """Its data was lost; only the RESET_STREAM goes out again (RFC 9000 section 13.3)."""
    pipe, _ = asked()
    space = pipe.server.path.application
    frames = [f for p in space.outstanding.values() for f in p.frames if isinstance(f, StreamFrame)]
    assert frames
    space.pending.extend(frames)
    pipe.server.reset_stream(0, CODE)
    assert not [frame for frame in space.pending if isinstance(frame, StreamFrame)]
    assert not any(is_needed(pipe.server, space, frame) for frame in frames)
    [reset] = [frame for frame in space.pending if isinstance(frame, ResetStreamFrame)]
    assert is_needed(pipe.server, space, reset)
    pipe.flush("server")
    pipe.run()
    assert not is_needed(pipe.server, space, reset)


def test_credit_comes_back_from_a_stream_that_was_reset():
    """The window is far smaller than what the reset streams announced: the last stream needs all of it back."""
    pipe, _ = asked(response_bytes=60_000, streams=4, max_data_bytes=30_000, max_stream_data_bytes=25_000)
    for stream_id in (0, 4, 8):
        call(pipe, "client", "stop_sending", stream_id, CODE)
    pipe.run(lambda pipe: 12 in pipe.sides["client"].finished)
    pipe.run()
    assert pipe.client.receiving_streams[12].delivered == 60_000
    assert pipe.client.flow.received == pipe.client.flow.consumed == pipe.server.flow.sent


@pytest.mark.parametrize(
    ("name", "frame", "message"),
    [
        ("client", ResetStreamFrame(40, CODE, 0), "stream 40, which only this endpoint may open"),
        ("client", ResetStreamFrame(2, CODE, 0), "stream 2, which only this endpoint may open"),
        ("client", StopSendingFrame(40, CODE), "STOP_SENDING for stream 40"),
        ("client", StopSendingFrame(3, CODE), "STOP_SENDING for stream 3"),
        ("server", StopSendingFrame(2, CODE), "STOP_SENDING for stream 2"),
        ("server", MaxStreamDataFrame(2, 1), "MAX_STREAM_DATA for stream 2, on which this endpoint does not send"),
    ],
)
def test_streams_of_which_a_peer_may_not_speak(name, frame, message):
    pipe = Pipe()
    pipe.connect()
    pipe.run(both_confirmed)
    connection = pipe.sides[name].connection
    connection.receive(arriving(frame, number=500), pipe.now_ns)
    assert message in connection.complaint
    assert connection.end.frame.error_code == StreamStateViolation.code


def test_a_stream_may_be_stopped_before_anything_of_it_came():
    pipe = Pipe()
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.server.receive(arriving(StopSendingFrame(4, CODE), number=500), pipe.now_ns)
    assert pipe.server.sending_streams[4].state is SendingStreamState.RESET_SENT
    assert pipe.server.events.pop() == StreamStopped(4, CODE)


def test_a_limit_may_come_before_its_stream():
    """RFC 9000 section 3.1: a peer's MAX_STREAM_DATA opens a stream of the peer's, as STOP_SENDING does."""
    pipe = Pipe(max_stream_data_bytes=1_000)
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.server.receive(arriving(MaxStreamDataFrame(4, 5_000), number=500), pipe.now_ns)
    assert pipe.server.sending_streams[4].limit == 5_000
    assert pipe.server.receiving_streams[4].highest == 0


@pytest.mark.parametrize(("method", "stream_id"), [("reset_stream", 8), ("stop_sending", 8), ("stop_sending", 2)])
def test_an_application_ends_only_streams_that_there_are(method, stream_id):
    pipe = Pipe()
    pipe.connect()
    pipe.run(both_confirmed)
    with pytest.raises(StreamStateError, match=f"stream {stream_id} is not open"):
        getattr(pipe.client, method)(stream_id, CODE)


# Any network

ENDINGS = st.lists(
    st.tuples(
        st.sampled_from(("client", "server")),
        st.sampled_from(("reset_stream", "stop_sending")),
        st.integers(0, 3),
        st.integers(1, 400),
    ),
    max_size=5,
)
"""(who, what, which stream, at which step)"""


def end_some(network, endings, touched):
    """Go on for a while, and end streams on the way; those that there were are noted in `touched`."""
    for step in range(1, 401):
        if not network.step():
            return
        for name, method, number, at in endings:
            connection, stream_id = network.sides[name].connection, 4 * number
            if at == step and stream_id in connection.sending_streams:
                touched.add(stream_id)
                getattr(connection, method)(stream_id, CODE)
                network.flush(name)


@settings(max_examples=40, deadline=None)
@given(
    profile=st.sampled_from(("rfc9002", "rfc9002", "picoquic", "mp-quic")),
    there=WEATHER,
    back=WEATHER,
    endings=ENDINGS,
    window=st.sampled_from((None, 5_000)),
)
def test_the_other_streams_arrive_whole_and_both_ends_agree(profile, there, back, endings, window):
    """Whoever ends whichever stream, whenever: every other byte once and in order, all credit back, and an end."""
    network = Network(
        profile,
        weather={"client": there, "server": back},
        delay_ns=20 * MILLISECOND_NS,
        max_data_bytes=window and 2 * window,
        max_stream_data_bytes=window,
    )
    lengths = (200, 20_000)

    def on_client_event(event):
        if isinstance(event, HandshakeEvent) and event.state is ConnectionState.COMPLETE:
            for number in range(4):
                stream_id = network.client.open_stream()
                network.client.send(stream_id, content(4 * number, lengths[0]), fin=True)

    def on_server_event(event):
        if isinstance(event, StreamReceived) and not network.server.sending_streams[event.stream_id].is_reset:
            network.server.send(event.stream_id, content(event.stream_id + 1, lengths[1]), fin=True)

    network.sides["client"].on_event = on_client_event
    network.sides["server"].on_event = on_server_event
    touched = set()
    with what_is_read() as read:
        network.connect()
        try:
            end_some(network, endings, touched)
            network.run(limit_ns=3_600 * SECOND_NS)
        except ConnectionFailed:
            assert profile == "picoquic", "only that stack gives up, at its sixth timeout in a row"
            return
    for end, other, more, length in (
        (network.client, network.server, 1, lengths[1]),
        (network.server, network.client, 0, lengths[0]),
    ):
        for stream_id, stream in end.receiving_streams.items():
            there_bytes = bytes(read.get(id(stream), b""))
            assert there_bytes == content(stream_id + more, length)[: len(there_bytes)]
            if stream_id not in touched:
                assert len(there_bytes) == length
                assert stream.state is ReceivingStreamState.DATA_READ
            sender = other.sending_streams[stream_id]
            if sender.is_over or stream.is_over:
                assert stream.final_size == sender.sent == stream.highest
        assert end.flow.received == other.flow.sent
        if all(stream.is_over for stream in end.receiving_streams.values()):
            assert end.flow.consumed == end.flow.received
