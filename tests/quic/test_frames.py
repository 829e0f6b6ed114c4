"""Do frames, integers and headers take the bytes that RFC 9000 says?

test_read_by_aioquic.py has a stranger to our code read them.
"""

import aioquic.quic.packet as theirs
import pytest
from aioquic.buffer import Buffer
from aioquic.quic.packet_builder import QuicPacketBuilder
from hypothesis import given
from hypothesis import strategies as st

from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.frames import (
    FRAMES,
    PLUGIN_FRAME_TYPES,
    AckFrame,
    AckFrequencyFrame,
    ConnectionCloseFrame,
    CryptoFrame,
    DataBlockedFrame,
    DatagramFrame,
    EcnCounts,
    HandshakeDoneFrame,
    ImmediateAckFrame,
    MaxDataFrame,
    MaxPathIdFrame,
    MaxStreamDataFrame,
    MaxStreamsFrame,
    NewConnectionIdFrame,
    NewTokenFrame,
    PaddingFrame,
    PathAbandonFrame,
    PathAckFrame,
    PathAvailableFrame,
    PathBackupFrame,
    PathChallengeFrame,
    PathCidsBlockedFrame,
    PathNewConnectionIdFrame,
    PathResponseFrame,
    PathRetireConnectionIdFrame,
    PathsBlockedFrame,
    PathsFrame,
    PingFrame,
    PluginFrame,
    ResetStreamFrame,
    RetireConnectionIdFrame,
    StopSendingFrame,
    StreamDataBlockedFrame,
    StreamFrame,
    StreamsBlockedFrame,
    decode_frames,
    encode_frame,
    frame_size,
    stream_frame_overhead,
)
from quicsim.quic.packet import AEAD_TAG_BYTES, APPLICATION, CONNECTION_ID_BYTES, HANDSHAKE, INITIAL, header_size
from quicsim.quic.varint import MAXIMUM, decode_varint, encode_varint, varint_size

EDGES = (0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, MAXIMUM)
NUMBERS = st.one_of(st.sampled_from(EDGES), st.integers(0, MAXIMUM))
OFFSETS = NUMBERS.filter(lambda offset: offset <= MAXIMUM - 300)
COUNTS = NUMBERS.map(lambda number: min(number, 1 << 60))
EIGHT_BYTES = st.binary(min_size=8, max_size=8)


@st.composite
def ack_frames(draw):
    """Descending ranges with at least one packet between two of them."""
    last = draw(st.integers(0, MAXIMUM))
    ranges = []
    while last >= 0 and len(ranges) < 40:
        first = max(0, last - draw(st.integers(0, 300)))
        ranges.append((first, last))
        last = first - 2 - draw(st.integers(0, 300))
        if draw(st.integers(0, 4)) == 0:
            break
    return AckFrame(tuple(ranges), draw(NUMBERS))


def ack_frames_with_counts():
    counts = st.none() | st.builds(EcnCounts, NUMBERS, NUMBERS, NUMBERS)
    return st.builds(lambda frame, ecn: frame._replace(ecn=ecn), ack_frames(), counts)


def stream_frame(stream_id, offset, data, fin):
    return StreamFrame(stream_id, offset, len(data), fin, data)


FRAMES_OF = {
    PaddingFrame: st.builds(PaddingFrame, st.integers(1, 1_300)),
    PingFrame: st.just(PingFrame()),
    AckFrame: ack_frames_with_counts(),
    PathAckFrame: st.builds(
        lambda path_id, frame: PathAckFrame(path_id, *frame), st.integers(0, 255), ack_frames_with_counts()
    ),
    PathAbandonFrame: st.builds(PathAbandonFrame, NUMBERS, NUMBERS),
    PathBackupFrame: st.builds(PathBackupFrame, NUMBERS, NUMBERS),
    PathAvailableFrame: st.builds(PathAvailableFrame, NUMBERS, NUMBERS),
    PathsFrame: st.builds(PathsFrame, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8).map(tuple)),
    ResetStreamFrame: st.builds(ResetStreamFrame, NUMBERS, NUMBERS, NUMBERS),
    StopSendingFrame: st.builds(StopSendingFrame, NUMBERS, NUMBERS),
    CryptoFrame: st.builds(CryptoFrame, OFFSETS, st.binary(max_size=300)),
    NewTokenFrame: st.builds(NewTokenFrame, st.binary(min_size=1, max_size=100)),
    StreamFrame: st.builds(stream_frame, NUMBERS, OFFSETS, st.binary(max_size=300), st.booleans()),
    MaxDataFrame: st.builds(MaxDataFrame, NUMBERS),
    MaxStreamDataFrame: st.builds(MaxStreamDataFrame, NUMBERS, NUMBERS),
    MaxStreamsFrame: st.builds(MaxStreamsFrame, st.booleans(), COUNTS),
    DataBlockedFrame: st.builds(DataBlockedFrame, NUMBERS),
    StreamDataBlockedFrame: st.builds(StreamDataBlockedFrame, NUMBERS, NUMBERS),
    StreamsBlockedFrame: st.builds(StreamsBlockedFrame, st.booleans(), COUNTS),
    NewConnectionIdFrame: st.builds(
        lambda numbers, connection_id, token: NewConnectionIdFrame(max(numbers), min(numbers), connection_id, token),
        st.tuples(NUMBERS, NUMBERS), st.binary(min_size=1, max_size=20), st.binary(min_size=16, max_size=16),
    ),
    RetireConnectionIdFrame: st.builds(RetireConnectionIdFrame, NUMBERS),
    PathNewConnectionIdFrame: st.builds(
        lambda path_id, numbers, connection_id, token: PathNewConnectionIdFrame(
            path_id, max(numbers), min(numbers), connection_id, token
        ),
        NUMBERS, st.tuples(NUMBERS, NUMBERS), st.binary(min_size=1, max_size=20), st.binary(min_size=16, max_size=16),
    ),
    PathRetireConnectionIdFrame: st.builds(PathRetireConnectionIdFrame, NUMBERS, NUMBERS),
    MaxPathIdFrame: st.builds(MaxPathIdFrame, NUMBERS),
    PathsBlockedFrame: st.builds(PathsBlockedFrame, NUMBERS),
    PathCidsBlockedFrame: st.builds(PathCidsBlockedFrame, NUMBERS, NUMBERS),
    DatagramFrame: st.builds(DatagramFrame, st.binary(max_size=300)),
    PathChallengeFrame: st.builds(PathChallengeFrame, EIGHT_BYTES),
    PathResponseFrame: st.builds(PathResponseFrame, EIGHT_BYTES),
    ConnectionCloseFrame: st.builds(ConnectionCloseFrame, NUMBERS, st.none() | NUMBERS, st.binary(max_size=100)),
    HandshakeDoneFrame: st.just(HandshakeDoneFrame()),
    AckFrequencyFrame: st.builds(AckFrequencyFrame, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    ImmediateAckFrame: st.just(ImmediateAckFrame()),
    PluginFrame: st.builds(PluginFrame, st.sampled_from(PLUGIN_FRAME_TYPES), st.binary(max_size=300)),
}  # fmt: skip


def test_every_frame_of_the_table_is_tried():
    assert FRAMES_OF.keys() == FRAMES.keys()


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: FRAMES[kind].name)
@given(data=st.data())
def test_a_frame_comes_back_from_its_bytes_and_is_as_long_as_its_size_says(kind, data):
    frame = data.draw(FRAMES_OF[kind])
    encoded = encode_frame(frame)
    assert {encoded[0], decode_varint(encoded, 0)[0]} & set(FRAMES[kind].types)
    assert len(encoded) == frame_size(frame)
    assert decode_frames(encoded) == [frame]


@given(st.lists(st.one_of(*FRAMES_OF.values()), max_size=6))
def test_frames_follow_one_another(frames):
    apart = [f for i, f in enumerate(frames) if not (i and type(f) is type(frames[i - 1]) is PaddingFrame)]
    assert decode_frames(b"".join(map(encode_frame, apart))) == apart


@given(st.integers(0, MAXIMUM), st.integers(0, MAXIMUM - 2_000), st.integers(0, 2_000), st.booleans())
def test_data_that_nobody_reads_takes_as_many_bytes(stream_id, offset, length, fin):
    frame = StreamFrame(stream_id, offset, length, fin)
    assert decode_frames(encode_frame(frame)) == [StreamFrame(stream_id, offset, length, fin, bytes(length))]
    assert stream_frame_overhead(stream_id, offset, length) + length == frame_size(frame)


@pytest.mark.parametrize("room_bytes", [1, 10, 62, 63, 64, 65, 66, 67, 68, 1_200, 16_383, 16_384, 20_000])
@pytest.mark.parametrize(("stream_id", "offset"), [(0, 0), (64, 0), (4, 1), (4, 70_000), (4, 1 << 31)])
def test_the_overhead_for_a_room_never_overflows_it(stream_id, offset, room_bytes):
    length = room_bytes - stream_frame_overhead(stream_id, offset, room_bytes)
    if length >= 0:
        assert frame_size(StreamFrame(stream_id, offset, length, False)) in (room_bytes, room_bytes - 1, room_bytes - 2)


@given(NUMBERS)
def test_aioquic_reads_our_integers_and_we_read_its(number):
    assert Buffer(data=encode_varint(number)).pull_uint_var() == number
    buffer = Buffer(capacity=8)
    buffer.push_uint_var(number)
    assert decode_varint(buffer.data, 0) == (number, len(buffer.data))
    assert len(buffer.data) == varint_size(number)


@pytest.mark.parametrize(
    ("encoded", "number"),  # RFC 9000 appendix A.1
    [
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
        ("4025", 37),
    ],
)
def test_the_examples_of_the_specification(encoded, number):
    data = bytes.fromhex(encoded)
    assert decode_varint(data, 0) == (number, len(data))


@given(st.binary(max_size=60))
def test_bytes_that_are_no_frames_are_refused_and_nothing_else_happens(data):
    try:
        frames = decode_frames(data)
    except FrameEncodingError:
        return
    assert all(type(frame) in FRAMES for frame in frames)


@given(st.one_of(*FRAMES_OF.values()), st.data())
def test_a_frame_cut_short_is_refused(frame, data):
    encoded = encode_frame(frame)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    try:
        frames = decode_frames(encoded[:cut])
    except FrameEncodingError:
        return
    assert frames == [] if not cut else isinstance(frame, PaddingFrame)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x3c", "0x3c is no frame type"),
        (b"\x02\x05\x00\x00\x06", "reaches packet number -1"),
        (b"\x02\x05\x00\x01\x00\x09\x00", "reaches packet number"),
        (b"\x06\x00\x05abc", "5 bytes of data are announced, 3 follow"),
        (b"\x10\x40", "needs 2 bytes"),
        (b"\x11\x00", "where the data ends"),
        (b"\x1b1234567", "8 bytes of data are announced, 7 follow"),
        (b"\x12" + encode_varint((1 << 60) + 1), "max_streams: 1152921504606846977 streams"),
        (b"\x17" + encode_varint((1 << 60) + 1), "streams_blocked"),
        (b"\x0e\x04" + encode_varint(MAXIMUM) + b"\x01a", "largest offset"),
        (b"\x06" + encode_varint(MAXIMUM) + b"\x01a", "largest offset"),
        (b"\x18\x01\x02\x01a" + bytes(16), "itself among them"),
        (b"\x18\x01\x00\x00" + bytes(17), "connection ID of 0 bytes"),
        (b"\x18\x01\x00\x15" + bytes(40), "connection ID of 21 bytes"),
    ],
)
def test_a_refusal_names_the_place(data, message):
    with pytest.raises(FrameEncodingError, match=message):
        decode_frames(data)


def test_an_integer_beyond_62_bits_has_no_size():
    with pytest.raises(FrameEncodingError, match=r"2\*\*62"):
        varint_size(MAXIMUM + 1)


@pytest.mark.parametrize(
    ("unacknowledged", "number_bytes"),
    [(1, 1), (127, 1), (128, 2), (32_767, 2), (32_768, 3), ((1 << 23) - 1, 3), (1 << 23, 4),
     (0xAC5C02 - 0xABE8B3, 2), (0xACE8FE - 0xABE8B3, 3)],  # RFC 9000 appendix A.2: 16 and 18 bits
)  # fmt: skip
def test_a_packet_number_is_as_short_as_its_distance_allows(unacknowledged, number_bytes):
    assert header_size(APPLICATION, unacknowledged) == 1 + CONNECTION_ID_BYTES + number_bytes


@pytest.mark.parametrize(
    ("space", "their_type"),
    [(INITIAL, theirs.QuicPacketType.INITIAL), (HANDSHAKE, theirs.QuicPacketType.HANDSHAKE),
     (APPLICATION, theirs.QuicPacketType.ONE_RTT)],
)  # fmt: skip
def test_a_header_is_as_long_as_aioquics(space, their_type):
    """aioquic always writes two bytes of packet number."""
    builder = QuicPacketBuilder(
        host_cid=bytes(CONNECTION_ID_BYTES), peer_cid=bytes(CONNECTION_ID_BYTES), version=1, is_client=True,
        max_datagram_size=1_200,
    )  # fmt: skip
    builder.start_packet(their_type, crypto=type("NoKeys", (), {"aead_tag_size": AEAD_TAG_BYTES})())
    assert header_size(space, 200) == builder._header_size
    assert header_size(space, 1) == builder._header_size - 1
