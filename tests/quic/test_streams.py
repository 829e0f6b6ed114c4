"""Does every byte of a stream arrive once and in order, whatever the network does with its frames?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.quic.errors import FinalSizeError, FlowControlError, StreamStateError
from quicsim.quic.frames import CryptoFrame, StreamFrame, frame_size
from quicsim.quic.states import ReceivingStreamState, SendingStreamState
from quicsim.quic.streams import CryptoStream, ReceivingStream, SendingStream

PLENTY = 1 << 40
FATES = st.lists(st.sampled_from(["arrive", "lose", "arrive twice", "arrive, ack lost"]), max_size=60)


def content_of(length):
    return bytes(index % 251 for index in range(length))


@given(
    writes=st.lists(st.integers(0, 400), min_size=1, max_size=6),
    rooms=st.lists(st.integers(2, 300), min_size=1, max_size=20),
    fates=FATES,
    window=st.integers(1, 300),
    counted=st.booleans(),
    randomness=st.randoms(use_true_random=False),
)
def test_every_byte_arrives_once_and_in_order(writes, rooms, fates, window, counted, randomness):
    sender, receiver = SendingStream(4, window), ReceivingStream(4, window)
    content = content_of(sum(writes))
    position = 0
    for index, length in enumerate(writes):
        data = length if counted else content[position : position + length]
        sender.write(data, fin=index == len(writes) - 1)
        position += length
    delivered, received_bytes, step, in_flight, credit = bytearray(), 0, 0, [], window
    while sender.state is not SendingStreamState.DATA_RECEIVED or not receiver.is_finished:
        room = max(rooms[step % len(rooms)], 12)
        taken = sender.take(room, credit) if sender.has_new() else None
        if taken is not None:
            frame, size_bytes = taken
            assert size_bytes == frame_size(frame) <= room
            credit -= frame.length
            assert credit >= 0
            in_flight.append(frame)
        assert sender.sent <= sender.limit
        assert in_flight, "with nothing in flight there is something to send"
        randomness.shuffle(in_flight)
        frame = in_flight.pop()
        fate = fates[step] if step < len(fates) else "arrive"
        step += 1
        if fate == "lose":
            in_flight.append(frame)
            continue
        for _ in range(2 if fate == "arrive twice" else 1):
            _, count, part = receiver.receive(frame)
            delivered += part
            received_bytes += count
            credit += count
        receiver.limit = receiver.delivered + window
        sender.limit = receiver.limit
        if fate == "arrive, ack lost":
            in_flight.append(frame)
        else:
            sender.acknowledge(frame)
            assert not sender.still_needs(frame)
        for other in in_flight:
            lacking = sender.acknowledged.missing(other.offset, other.offset + other.length)
            assert sender.still_needs(other) == bool(lacking or (other.fin and not sender.fin_acknowledged))
    assert received_bytes == len(content) == receiver.final_size
    assert counted or bytes(delivered) == content
    assert receiver.state is ReceivingStreamState.DATA_READ


@given(data=st.binary(max_size=600), rooms=st.lists(st.integers(1, 90), min_size=1), randomness=st.randoms())
def test_handshake_bytes_arrive_in_order(data, rooms, randomness):
    sender, receiver = CryptoStream(), CryptoStream()
    sender.sending.write(data, fin=False)
    frames, step = [], 0
    while sender.sending.sent < len(data):
        room = rooms[step % len(rooms)] + step // len(rooms)
        step += 1
        frame = sender.take(room)
        if frame is not None:
            assert 0 < frame_size(frame) <= room
            frames.append(frame)
    assert sender.take(1_000) is None
    randomness.shuffle(frames)
    arrived = b"".join(receiver.receive(frame) for frame in frames + frames)
    assert arrived == data
    assert all(sender.still_needs(frame) for frame in frames)
    for frame in frames:
        sender.acknowledge(frame)
    assert not any(sender.still_needs(frame) for frame in frames)


def test_overlapping_pieces_of_content_are_joined():
    receiver = ReceivingStream(0, PLENTY)
    content = content_of(30)
    parts = [(10, 20), (5, 12), (18, 30), (0, 3), (2, 6)]
    read = [receiver.receive(StreamFrame(0, a, b - a, False, content[a:b]))[2] for a, b in parts]
    assert read == [b"", b"", b"", content[:3], content[3:]]


def test_an_end_without_data_is_one_empty_frame():
    sender = SendingStream(0, 0)
    sender.write(0, fin=True)
    assert sender.has_new()
    frame, _ = sender.take(100, 0)
    assert frame == StreamFrame(0, 0, 0, True, None)
    assert not sender.has_new()
    receiver = ReceivingStream(0, 0)
    assert receiver.receive(frame) == (0, 0, b"")
    assert receiver.is_finished
    sender.acknowledge(frame)
    assert sender.state is SendingStreamState.DATA_RECEIVED


def test_an_end_that_comes_after_all_data_was_sent():
    sender = SendingStream(0, 10)
    sender.write(10, fin=False)
    first, _ = sender.take(100, 100)
    assert not first.fin
    assert not sender.has_new()
    sender.write(0, fin=True)
    last, _ = sender.take(100, 0)
    assert (last.offset, last.length, last.fin) == (10, 0, True)
    sender.acknowledge(last)
    assert sender.state is SendingStreamState.DATA_SENT
    sender.acknowledge(first)
    assert sender.state is SendingStreamState.DATA_RECEIVED


@pytest.mark.parametrize(
    ("limit", "credit", "room", "length"),
    [(PLENTY, PLENTY, 103, 100), (7, PLENTY, 103, 7), (PLENTY, 9, 103, 9), (PLENTY, PLENTY, 13, 11)],
    ids=["all of it", "the stream's limit", "the connection's limit", "the room"],
)
def test_what_bounds_a_frame(limit, credit, room, length):
    sender = SendingStream(0, limit)
    sender.write(100, fin=False)
    frame, size_bytes = sender.take(room + 1, credit)
    assert abs(frame.length - length) <= 1
    assert size_bytes <= room + 1
    assert sender.sent == frame.length


@pytest.mark.parametrize(
    ("limit", "credit", "room"),
    [(0, PLENTY, 100), (PLENTY, 0, 100), (PLENTY, PLENTY, 3)],
    ids=["stream", "conn", "room"],
)
def test_nothing_is_taken_where_not_a_byte_fits(limit, credit, room):
    sender = SendingStream(0, limit)
    sender.write(100, fin=True)
    assert sender.take(room, credit) is None
    assert sender.sent == 0


FRAMES = {"end at 10": (0, 10, True), "5 at 0": (0, 5, False), "5 at 8": (8, 5, False), "end at 4": (0, 4, True),
          "end at 12": (0, 12, True), "empty end at 10": (10, 0, True), "1 at 100": (100, 1, False)}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "frame", "error", "message"),
    [
        ("5 at 0", "1 at 100", FlowControlError, "stream 3: data up to 101, allowed up to 100"),
        ("end at 10", "5 at 8", FinalSizeError, "data up to 13, but its final size is 10"),
        ("end at 10", "end at 12", FinalSizeError, "final size is 10"),
        ("end at 10", "end at 4", FinalSizeError, "final size is 10"),
        ("5 at 8", "end at 10", FinalSizeError, "final size 10 below received 13"),
        ("end at 10", "empty end at 10", None, ""),
        ("end at 10", "5 at 0", None, ""),
    ],
)
def test_what_a_peer_may_not_send(before, frame, error, message):
    receiver = ReceivingStream(3, 100)
    receiver.receive(StreamFrame(3, *FRAMES[before]))
    if error is None:
        receiver.receive(StreamFrame(3, *FRAMES[frame]))
        assert receiver.is_finished
    else:
        with pytest.raises(error, match=message):
            receiver.receive(StreamFrame(3, *FRAMES[frame]))


@pytest.mark.parametrize(
    ("writes", "message"),
    [
        ([(5, True), (1, False)], "stream 4 is finished"),
        ([(5, False), (b"x", False)], "carries counted bytes"),
        ([(b"x", False), (5, False)], "carries content"),
    ],
)
def test_what_an_application_may_not_write(writes, message):
    sender = SendingStream(4, PLENTY)
    *first, (data, fin) = writes
    for before, end in first:
        sender.write(before, fin=end)
    with pytest.raises(StreamStateError, match=message):
        sender.write(data, fin=fin)


def test_crypto_frames_carry_their_bytes():
    stream = CryptoStream()
    stream.sending.write(b"hello", fin=False)
    assert stream.take(100) == CryptoFrame(0, b"hello")
