"""What becomes of a packet that SendPacket holds back? Its content waits in one piece, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.operations import operation_named
from quicsim.operations.generate_frames import split
from quicsim.quic.frames import AckFrame, CryptoFrame, MaxDataFrame, PathAckFrame, PingFrame, StreamFrame
from quicsim.quic.packet import Packet, Space
from quicsim.quic.profiles import PROFILES
from quicsim.quic.sending import follows, joined
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, Pipe, both_confirmed

by_profile = pytest.mark.parametrize("profile", PROFILES)


def confirmed(profile="rfc9002", **more):
    pipe = Pipe(profile, **more)
    pipe.connect()
    return pipe.run(both_confirmed).run(lambda pipe: not pipe.heap)


def hold(connection, is_held):
    """Let SendPacket keep every packet that `is_held` says; returns those that it was asked about."""
    send_packet, asked = connection.operations.send_packet, []

    def holding(connection, path, packet):
        asked.append(packet)
        return 0 if is_held(packet) else send_packet(connection, path, packet)

    connection.operations.install(operation_named("SendPacket"), holding)
    return asked


def write(pipe, size, name="client", stream_id=None, fin=True):
    connection = pipe.sides[name].connection
    connection.now_ns = pipe.now_ns
    stream_id = connection.open_stream() if stream_id is None else stream_id
    connection.send(stream_id, size, fin=fin)
    pipe.flush(name)
    return stream_id


@by_profile
@pytest.mark.parametrize("addresses", [1, 2])
@pytest.mark.parametrize("size", [300, 3_000])
def test_an_ack_that_is_due_goes_out_alone(profile, addresses, size):
    """The server holds all its data back; the client's is acknowledged nevertheless, in packets with ACKs only."""
    pipe = confirmed(profile, client={"address_count": addresses}, delay_ns=20 * MILLISECOND_NS)
    open_ = []
    asked = hold(pipe.server, lambda packet: packet.data_only and not open_)
    pipe.run(lambda pipe: not pipe.heap)
    write(pipe, size, "server")
    for _ in range(8):
        stream_id = write(pipe, 2_000)
        pipe.run(lambda pipe: not any(path.bytes_in_flight for path in pipe.client.paths))
        assert pipe.sides["server"].delivered[stream_id] == 2_000
    assert (pipe.client.counts.timeouts, pipe.client.counts.packets_lost) == (0, 0)
    assert any(packet.data_only for packet in asked)
    assert not pipe.sides["client"].delivered
    open_.append(True)
    pipe.flush("server")
    pipe.run(lambda pipe: not pipe.heap)
    assert sum(pipe.sides["client"].delivered.values()) == size


@by_profile
def test_what_is_held_back_is_not_paced(profile):
    pipe = confirmed(profile)
    before = pipe.client.path.pacing_schedule_ns, pipe.client.path.paced_until_ns
    asked = hold(pipe.client, lambda packet: True)
    stream_id = write(pipe, 100, fin=False)
    for _ in range(50):
        write(pipe, 100, stream_id=stream_id, fin=False)
    assert len(asked) == 51
    assert (pipe.client.path.pacing_schedule_ns, pipe.client.path.paced_until_ns) == before


@by_profile
def test_small_pieces_become_a_large_one(profile):
    pipe = confirmed(profile)
    open_ = []
    asked = hold(pipe.client, lambda packet: not open_)
    stream_id = write(pipe, 30, fin=False)
    for _ in range(99):
        write(pipe, 30, stream_id=stream_id, fin=False)
    number = asked[-1].number
    assert {packet.number for packet in asked} == {number}, "a number that was not used is free"
    open_.append(True)
    sent = len(asked)
    write(pipe, 30, stream_id=stream_id)
    pipe.run(lambda pipe: stream_id in pipe.sides["server"].finished)
    released = [packet for packet in asked[sent:] if packet.ack_eliciting]
    assert [packet.number for packet in released] == list(range(number, number + 3))
    assert all(len(packet.frames) <= 2 for packet in released)
    full_bytes = pipe.client.path.datagram_bytes
    assert [full_bytes - packet.size_bytes < 64 for packet in released] == [True, True, False]
    assert pipe.sides["server"].delivered[stream_id] == 3_030


STREAM_FRAMES = st.builds(
    lambda offset, length, fin, filled: StreamFrame(4, offset, length, fin, bytes(length) if filled else None),
    st.integers(0, 1 << 40), st.integers(64, 3_000), st.booleans(), st.booleans(),
)  # fmt: skip


@given(STREAM_FRAMES, st.integers(60, 3_000))
def test_what_was_split_joins_again(frame, room_bytes):
    piece, rest = split(frame, room_bytes)
    if piece is not None:
        assert follows(piece, rest)
        assert not follows(rest, piece)
        assert joined(piece, rest) == frame


@pytest.mark.parametrize(
    "second",
    [StreamFrame(8, 10, 5, False), StreamFrame(4, 11, 5, False), StreamFrame(4, 9, 5, False)],
    ids=["another stream", "a gap", "an overlap"],
)
def test_what_does_not_follow_stays_apart(second):
    assert not follows(StreamFrame(4, 0, 10, False), second)
    assert not follows(StreamFrame(4, 0, 10, True), StreamFrame(4, 10, 0, True))


@given(
    profile=st.sampled_from(list(PROFILES)),
    addresses=st.integers(1, 3),
    held=st.lists(st.booleans(), min_size=1, max_size=12).filter(lambda pattern: not all(pattern)),
    lost=st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(4, 40)), max_size=6),
    sizes=st.lists(st.integers(1, 9_000), min_size=1, max_size=6),
)
def test_whatever_is_held_and_lost_every_byte_arrives(profile, addresses, held, lost, sizes):
    pipe = Pipe(profile, drops=lost, client={"address_count": addresses})
    pipe.connect()
    pipe.run(both_confirmed)
    asked = 0

    def is_held(packet):
        nonlocal asked
        asked += 1
        return held[asked % len(held)]

    for name in pipe.sides:
        hold(pipe.sides[name].connection, is_held)
    streams = []
    for size in sizes:
        for name, other in (("client", "server"), ("server", "client")):
            streams.append((other, write(pipe, size, name), size))
    deadline_ns = pipe.now_ns + 900 * SECOND_NS
    while any(pipe.sides[name].delivered.get(stream_id) != size for name, stream_id, size in streams):
        wakes = [*(entry[0] for entry in pipe.heap), *(s.connection.deadline_ns for s in pipe.sides.values())]
        if not (coming := [instant for instant in wakes if instant]) or min(coming) > pipe.now_ns + SECOND_NS:
            pipe.now_ns += 100 * MILLISECOND_NS  # what wakes a plugin is its own timer
        else:
            pipe.step()
        for name in pipe.sides:
            pipe.flush(name)
        assert pipe.now_ns < deadline_ns


def with_frames(*frames):
    packet = Packet(Space.APPLICATION, 0, 1_200, True)
    packet.frames.extend(frames)
    return packet


def test_a_packet_knows_whether_it_is_data_only():
    def data_only(*frames):
        return with_frames(*frames).data_only

    stream = StreamFrame(0, 0, 10, False)
    acks = [AckFrame(((0, 3),), 0), PathAckFrame(1, ((0, 3),), 0)]
    assert data_only(stream)
    assert data_only(stream, stream)
    assert all(data_only(ack, stream) and not data_only(ack) for ack in acks)
    assert not any(data_only(stream, frame) for frame in (PingFrame(), MaxDataFrame(9), CryptoFrame(0, b"x")))
    assert not data_only()


def test_a_packet_knows_whether_it_ends_a_stream():
    goes_on, ends = StreamFrame(0, 0, 10, False), StreamFrame(4, 0, 10, True)
    assert not with_frames().ends_stream
    assert not with_frames(goes_on, PingFrame()).ends_stream
    assert with_frames(goes_on, ends, PingFrame()).ends_stream
