"""What does aioquic, a stranger to our code, read in our frames, headers and datagrams?

Its own handlers parse each frame and note in its log what they found; what a handler thinks of the frame afterwards
(a stream that it does not know, a limit) does not matter here.
"""

from contextlib import suppress

import aioquic.quic.packet as theirs
import pytest
from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection, QuicNetworkPath, QuicReceiveContext
from aioquic.quic.logger import QuicLogger
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import Epoch
from hypothesis import example, given
from hypothesis import strategies as st

from quicsim.quic import headers
from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.frames import (
    FRAMES,
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
    encode_frame,
)
from quicsim.quic.headers import Header, PacketType
from quicsim.quic.packet import (
    AEAD_TAG_BYTES,
    APPLICATION,
    CONNECTION_ID_BYTES,
    HANDSHAKE,
    INITIAL,
    VERSION_2,
    Datagram,
    Retry,
    VersionNegotiation,
    header_size,
)
from tests.quic.pipe import Pipe, request_answers, settled
from tests.quic.test_frames import FRAMES_OF

NOT_OF_RFC_9000 = {
    AckFrequencyFrame, ImmediateAckFrame, MaxPathIdFrame, PathAbandonFrame, PathAckFrame, PathAvailableFrame,
    PathBackupFrame, PathCidsBlockedFrame, PathNewConnectionIdFrame, PathRetireConnectionIdFrame, PathsBlockedFrame,
    PathsFrame, PluginFrame,
}  # fmt: skip
KINDS = {True: "unidirectional", False: "bidirectional"}


def closing(frame):
    space = "application" if frame.frame_type is None else "transport"
    found = {"error_code": frame.error_code, "error_space": space, "raw_error_code": frame.error_code}
    return found if frame.frame_type is None else found | {"trigger_frame_type": frame.frame_type}


LOGGED = {
    PaddingFrame: lambda f: {},
    PingFrame: lambda f: {},
    AckFrame: lambda f: {"acked_ranges": [[first, last] for first, last in reversed(f.ranges)]},
    ResetStreamFrame: lambda f: {"stream_id": f.stream_id, "error_code": f.error_code, "final_size": f.final_size},
    StopSendingFrame: lambda f: {"stream_id": f.stream_id, "error_code": f.error_code},
    CryptoFrame: lambda f: {"offset": f.offset, "length": len(f.data)},
    NewTokenFrame: lambda f: {"token": f.token.hex()},
    StreamFrame: lambda f: {"stream_id": f.stream_id, "offset": f.offset, "length": f.length, "fin": f.fin},
    MaxDataFrame: lambda f: {"maximum": f.maximum},
    MaxStreamDataFrame: lambda f: {"stream_id": f.stream_id, "maximum": f.maximum},
    MaxStreamsFrame: lambda f: {"maximum": f.maximum, "stream_type": KINDS[f.unidirectional]},
    DataBlockedFrame: lambda f: {"limit": f.limit},
    StreamDataBlockedFrame: lambda f: {"stream_id": f.stream_id, "limit": f.limit},
    StreamsBlockedFrame: lambda f: {"limit": f.limit, "stream_type": KINDS[f.unidirectional]},
    NewConnectionIdFrame: lambda f: {
        "connection_id": f.connection_id.hex(),
        "reset_token": f.stateless_reset_token.hex(),
        "retire_prior_to": f.retire_prior_to,
        "sequence_number": f.sequence_number,
    },
    RetireConnectionIdFrame: lambda f: {"sequence_number": f.sequence_number},
    DatagramFrame: lambda f: {"length": len(f.data)},
    PathChallengeFrame: lambda f: {"data": f.data.hex()},
    PathResponseFrame: lambda f: {"data": f.data.hex()},
    ConnectionCloseFrame: closing,
    HandshakeDoneFrame: lambda f: {},
}
"""What its log should say of a frame, beside the name."""


def a_reader():
    """A client of aioquic's that reads whatever it is given, and a context for what it finds."""
    reader = QuicConnection(configuration=QuicConfiguration(is_client=True, quic_logger=QuicLogger()))
    context = QuicReceiveContext(
        epoch=Epoch.ONE_RTT, host_cid=reader.host_cid, network_path=QuicNetworkPath(("::1", 1)), quic_logger_frames=[],
        time=0.0, version=1,
    )  # fmt: skip
    return reader, context


def found_in(payload):
    """What aioquic reads before it meets something that it does not want."""
    reader, context = a_reader()
    with suppress(Exception):  # a stream, a limit, a handshake that it knows nothing of
        reader._payload_received(context, payload)
    return context.quic_logger_frames


def test_every_frame_of_rfc_9000_is_read():
    assert LOGGED.keys() == FRAMES.keys() - NOT_OF_RFC_9000


@pytest.mark.parametrize("kind", LOGGED, ids=lambda kind: FRAMES[kind].name)
@given(data=st.data())
def test_aioquic_reads_the_same_fields(kind, data):
    frame = data.draw(FRAMES_OF[kind])
    found = found_in(encode_frame(frame))[0]
    assert found["frame_type"] == FRAMES[kind].name
    assert found | LOGGED[kind](frame) == found


@given(st.lists(st.sampled_from((PingFrame(), PathChallengeFrame(b"12345678"), MaxDataFrame(70_000),
                                 NewTokenFrame(b"abc"), DataBlockedFrame(64), MaxStreamsFrame(True, 5))), min_size=1,
                max_size=8))  # fmt: skip
def test_aioquic_finds_each_frame_where_the_last_one_ends(frames):
    found = found_in(b"".join(map(encode_frame, frames)))
    assert [entry["frame_type"] for entry in found] == [FRAMES[type(frame)].name for frame in frames]


@given(FRAMES_OF[AckFrame])
@example(AckFrame(((0, 0),), 0))
@example(AckFrame(((7, 9), (4, 5), (0, 1)), 3))
@example(AckFrame(((7, 9), (4, 5), (0, 1)), 3, EcnCounts(5, 0, 70_000)))
def test_aioquic_reads_our_acknowledgements_with_their_delay_and_counts(frame):
    buffer = Buffer(data=encode_frame(frame))
    with_counts = frame.ecn is not None
    assert buffer.pull_uint_var() == (theirs.QuicFrameType.ACK_ECN if with_counts else theirs.QuicFrameType.ACK)
    ranges, delay = theirs.pull_ack_frame(buffer)
    assert delay == frame.delay
    assert [(r.start, r.stop - 1) for r in ranges] == sorted(frame.ranges)
    assert frame.ecn == (tuple(buffer.pull_uint_var() for _ in range(3)) if with_counts else None)
    assert buffer.eof()


TYPES = {
    PacketType.INITIAL: theirs.QuicPacketType.INITIAL,
    PacketType.ZERO_RTT: theirs.QuicPacketType.ZERO_RTT,
    PacketType.HANDSHAKE: theirs.QuicPacketType.HANDSHAKE,
    PacketType.RETRY: theirs.QuicPacketType.RETRY,
    PacketType.VERSION_NEGOTIATION: theirs.QuicPacketType.VERSION_NEGOTIATION,
    PacketType.ONE_RTT: theirs.QuicPacketType.ONE_RTT,
}
NUMBERED = (PacketType.INITIAL, PacketType.ZERO_RTT, PacketType.HANDSHAKE, PacketType.ONE_RTT)
IDS = st.binary(max_size=20)


@st.composite
def any_header(draw):
    kind = draw(st.sampled_from(PacketType))
    number_bytes = draw(st.integers(1, 4)) if kind in NUMBERED else 1
    is_short = kind is PacketType.ONE_RTT
    return Header(
        kind,
        draw(st.binary(min_size=8, max_size=8) if is_short else IDS),
        b"" if is_short else draw(IDS),
        draw(st.integers(0, (1 << 8 * number_bytes) - 1)) if kind in NUMBERED else 0,
        number_bytes,
        draw(st.integers(0, 1_300)) if kind in NUMBERED and not is_short else 0,
        draw(st.binary(max_size=100)) if kind in (PacketType.INITIAL, PacketType.RETRY) else b"",
        1 if is_short or kind is PacketType.VERSION_NEGOTIATION else draw(st.sampled_from((1, VERSION_2))),
        tuple(draw(st.lists(st.integers(1, (1 << 32) - 1), max_size=4)))
        if kind is PacketType.VERSION_NEGOTIATION
        else (),
    )


def test_every_type_of_packet_is_read():
    assert TYPES.keys() == set(PacketType)


@given(any_header())
def test_a_header_comes_back_and_aioquic_reads_the_same(header):
    encoded = headers.encode_header(header)
    packet = encoded + bytes(header.payload_bytes)
    assert headers.decode_header(packet) == (header, len(encoded))
    found = theirs.pull_quic_header(Buffer(data=packet), host_cid_length=8)
    assert found.packet_type is TYPES[header.kind]
    without = {PacketType.ONE_RTT: None, PacketType.VERSION_NEGOTIATION: 0}
    assert found.version == without.get(header.kind, header.version)
    assert found.packet_length == len(packet)
    assert (found.destination_cid, found.source_cid) == (header.destination_id, header.source_id)
    assert found.token == header.token
    assert tuple(found.supported_versions) == header.versions


@given(any_header(), st.data())
def test_a_header_cut_short_is_refused(header, data):
    encoded = headers.encode_header(header) + bytes(header.payload_bytes)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    try:
        found, end = headers.decode_header(encoded[:cut])
    except FrameEncodingError:
        return
    if header.kind is not PacketType.ONE_RTT:
        assert header.kind in (PacketType.VERSION_NEGOTIATION, PacketType.RETRY), "what has no length of its own"
        assert found != header
    assert end <= cut


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "1 bytes of data are announced, 0 follow"),
        (b"\x00" + bytes(20), "fixed bit is 0"),
        (b"\x80\x00\x00\x00\x01\x00\x00" + bytes(20), "fixed bit is 0"),
        (b"\xc0\x00\x00\x00\x01\x15" + bytes(40), "connection ID of 21 bytes; the most are 20"),
    ],
)
def test_what_is_no_header_is_refused(data, message):
    with pytest.raises(FrameEncodingError, match=message):
        headers.decode_header(data)


@given(st.integers(-1, (1 << 62) - 1), st.integers(1, 4), st.data())
def test_aioquic_restores_the_same_packet_number(largest, number_bytes, data):
    truncated = data.draw(st.integers(0, (1 << 8 * number_bytes) - 1))
    expected = theirs.decode_packet_number(truncated, 8 * number_bytes, largest + 1)
    assert headers.decode_number(largest, truncated, number_bytes) == expected


def test_the_example_of_the_specification():
    assert headers.decode_number(0xA82F30EA, 0x9B32, 2) == 0xA82F9B32  # RFC 9000 appendix A.3


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


# Whole connections


def without_content(frame):
    """A frame as it was simulated: the zeros that stand for data without content are only so many bytes."""
    is_zeros = isinstance(frame, StreamFrame) and frame.data == bytes(frame.length)
    return frame._replace(data=None) if is_zeros else frame


def merged(frames):
    """Without PADDING, which the shortest packets gain and which merges with its like."""
    return [without_content(frame) for frame in frames if not isinstance(frame, PaddingFrame)]


@pytest.mark.parametrize(
    ("profile", "client", "server"),
    [
        ("rfc9002", {}, {}),
        ("picoquic", {}, {}),
        ("rfc9002", {"versions": (VERSION_2,)}, {"versions": (VERSION_2,), "retries": True, "issues_tokens": True}),
    ],
)
def test_each_datagram_of_a_connection_has_the_bytes_that_its_size_says_and_comes_back(profile, client, server):
    """Handshake, data, losses, repeats, acknowledgements with gaps, flow control: as simulated, as encoded, as read."""
    pipe = request_answers(
        Pipe(profile, drops=[("server", n) for n in range(1, 90, 7)], max_data_bytes=40_000,
             max_stream_data_bytes=30_000, client=client, server=server),
        response_bytes=150_000, streams=3,
    )  # fmt: skip
    largest = dict.fromkeys(("client", "server"), -1)
    kinds = set()
    send = pipe._send

    def encode(name, datagram):
        encoded = headers.encode_datagram(datagram, b"to-peer!", b"fromhere")
        assert len(encoded) == datagram.size_bytes
        offset = 0
        for packet in datagram.packets:
            theirs_found = theirs.pull_quic_header(Buffer(data=encoded[offset:]), host_cid_length=8)
            header, frames, end = headers.decode_packet(encoded, offset)
            assert TYPES[header.kind] is theirs_found.packet_type
            assert theirs_found.packet_length == end - offset == packet.size_bytes
            assert merged(frames) == merged(map(without_content, packet.frames))
            if packet.space is APPLICATION:
                number = headers.decode_number(largest[name], header.number, header.number_bytes)
                assert number == packet.number
                largest[name] = max(number, largest[name])
                payload = encoded[end - packet.size_bytes + 1 + 8 + header.number_bytes : end - AEAD_TAG_BYTES]
                read = found_in(payload)
                names = [FRAMES[type(frame)].name for frame in frames]
                assert [entry["frame_type"] for entry in read] == names[: len(read)]
            kinds.update(map(type, packet.frames))
            offset = end
        send(name, datagram)

    pipe._send = encode
    pipe.connect()
    pipe.run(settled(3))
    assert kinds >= {AckFrame, CryptoFrame, StreamFrame, MaxDataFrame, MaxStreamDataFrame, HandshakeDoneFrame}
    assert pipe.dropped >= 12


@pytest.mark.parametrize("answer", [Retry(bytes(range(32))), VersionNegotiation((1, VERSION_2))])
def test_aioquic_reads_a_server_s_answer(answer):
    encoded = headers.encode_datagram(Datagram((), 0, (), answer=answer), b"to-peer!", b"fromhere")
    found = theirs.pull_quic_header(Buffer(data=encoded), host_cid_length=8)
    if isinstance(answer, Retry):
        assert (found.packet_type, found.token) == (theirs.QuicPacketType.RETRY, answer.token)
    else:
        assert found.packet_type is theirs.QuicPacketType.VERSION_NEGOTIATION
        assert tuple(found.supported_versions) == answer.versions
    assert headers.decode_packet(encoded)[2] == len(encoded)
