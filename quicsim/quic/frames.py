"""What is in a packet? Every frame: its wire size, its bytes, where it may stand. RFC 9000 section 19.

`FRAMES` is the one table. A frame in the simulator is a small immutable value; its size on the wire is exact, and its
bytes are written only for whoever needs them. Stream data without content stands for as many zero bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicsim.quic.ack_layout import (
    PATH_ACK,
    ack_size,
    decode_ack,
    decode_path_ack,
    encode_ack,
    encode_path_ack,
    path_ack_size,
)
from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.frame_values import (
    ACK_DELAY_UNIT_NS,
    PLUGIN_FRAME_TYPES,
    AckFrame,
    AckFrequencyFrame,
    ConnectionCloseFrame,
    CryptoFrame,
    DataBlockedFrame,
    DatagramFrame,
    EcnCounts,
    Frame,
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
)
from quicsim.quic.layout import BYTES, CONNECTION_ID, NUMBER, Part, fixed_bytes, take_bytes
from quicsim.quic.varint import MAXIMUM, decode_varint, encode_varint, varint_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ACK_DELAY_UNIT_NS",
    "FRAMES",
    "MAXIMUM_STREAMS",
    "PLUGIN_FRAME_TYPES",
    "AckFrame",
    "AckFrequencyFrame",
    "ConnectionCloseFrame",
    "CryptoFrame",
    "DataBlockedFrame",
    "DatagramFrame",
    "EcnCounts",
    "Frame",
    "FrameRow",
    "HandshakeDoneFrame",
    "ImmediateAckFrame",
    "MaxDataFrame",
    "MaxPathIdFrame",
    "MaxStreamDataFrame",
    "MaxStreamsFrame",
    "NewConnectionIdFrame",
    "NewTokenFrame",
    "PaddingFrame",
    "PathAbandonFrame",
    "PathAckFrame",
    "PathAvailableFrame",
    "PathBackupFrame",
    "PathChallengeFrame",
    "PathCidsBlockedFrame",
    "PathNewConnectionIdFrame",
    "PathResponseFrame",
    "PathRetireConnectionIdFrame",
    "PathsBlockedFrame",
    "PathsFrame",
    "PingFrame",
    "PluginFrame",
    "ResetStreamFrame",
    "RetireConnectionIdFrame",
    "StopSendingFrame",
    "StreamDataBlockedFrame",
    "StreamFrame",
    "StreamsBlockedFrame",
    "decode_frames",
    "encode_frame",
    "frame_size",
    "may_travel",
    "stream_frame_overhead",
]


@dataclass(frozen=True, slots=True)
class FrameRow:
    """All that is particular to one kind of frame; `types` are the type bytes it may begin with.

    `packets` are those it may travel in, as table 3 of RFC 9000 writes it: I Initial, H Handshake, 0 0-RTT, 1 1-RTT;
    a small i or h: of the two kinds of CONNECTION_CLOSE, only the transport's.
    """

    types: tuple[int, ...]
    """Numbers; of plugins' frames, the first byte alone."""
    frame: type[Any]
    name: str
    packets: str
    ack_eliciting: bool
    retransmittable: bool
    size: Callable[[Any], int]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, int, int], tuple[Any, int]]


def frame_size(frame: Frame) -> int:
    """The frame's bytes on the wire, its type included."""
    return FRAMES[frame.__class__].size(frame)


def may_travel(frame: Frame, packet_type: str) -> bool:
    """Whether the frame may stand in a packet of this type, written as in `FrameRow.packets` (section 12.4)."""
    packets = FRAMES[frame.__class__].packets
    if isinstance(frame, ConnectionCloseFrame) and frame.frame_type is not None:
        packets = packets.upper()
    return packet_type in packets


def encode_frame(frame: Frame) -> bytes:
    """The frame's bytes on the wire."""
    return FRAMES[frame.__class__].encode(frame)


def decode_frames(data: bytes) -> list[Frame]:
    """The frames of a packet's payload. Raises FrameEncodingError for anything else."""
    frames: list[Frame] = []
    offset = 0
    while offset < len(data):
        frame_type, behind = data[offset], offset + 1
        row = _BY_TYPE.get(frame_type)
        if row is None and frame_type >= 0x40:  # the type takes several bytes
            frame_type, behind = decode_varint(data, offset)
            row = _BY_TYPE.get(frame_type)
        if row is None:
            raise FrameEncodingError(f"byte {offset}: {frame_type:#04x} is no frame type known here")
        frame, offset = row.decode(data, frame_type, behind)
        frames.append(frame)
    return frames


def stream_frame_overhead(stream_id: int, offset: int, room_bytes: int) -> int:
    """The bytes before the data of a STREAM frame that fits in `room_bytes`: type, id, offset if any, length."""
    size = 2 if room_bytes < 64 else 3 if room_bytes < 16_384 else 5
    size += 1 if stream_id < 64 else varint_size(stream_id)
    if not offset:
        return size
    # The sizes of a variable-length integer, spelled out: this runs twice a packet.
    return size + (1 if offset < 64 else 2 if offset < 16_384 else 4 if offset < 1 << 30 else 8)


def _row(
    frame_type: int,
    frame: type[Any],
    name: str,
    packets: str,
    *parts: Part,
    retransmittable: bool = True,
    check: Callable[[Any], None] = lambda frame: None,
) -> FrameRow:
    """A frame that is its type and its fields, in order. All that have this form ask for an acknowledgement.

    `check` raises FrameEncodingError for values that do not go together.
    """

    encoded_type = encode_varint(frame_type)
    type_bytes = len(encoded_type)

    def size(value: Any) -> int:
        return type_bytes + sum(part.size(field) for part, field in zip(parts, value, strict=True))

    def encode(value: Any) -> bytes:
        return encoded_type + b"".join(part.encode(field) for part, field in zip(parts, value, strict=True))

    def decode(data: bytes, _: int, offset: int) -> tuple[Any, int]:
        values = []
        for part in parts:
            value, offset = part.decode(data, offset)
            values.append(value)
        decoded = frame(*values)
        check(decoded)
        return decoded, offset

    return FrameRow((frame_type,), frame, name, packets, True, retransmittable, size, encode, decode)


def _row_for_each_kind(frame_type: int, frame: type[Any], name: str) -> FrameRow:
    """A frame about bidirectional streams, or with the next type about unidirectional ones: a number."""

    def decode(data: bytes, found: int, offset: int) -> tuple[Any, int]:
        number, offset = decode_varint(data, offset)
        if number > MAXIMUM_STREAMS:
            raise FrameEncodingError(f"{name}: {number} streams; an identifier has room for {MAXIMUM_STREAMS}")
        return frame(found != frame_type, number), offset

    return FrameRow(
        (frame_type, frame_type + 1), frame, name, "01", True, True, lambda value: 1 + varint_size(value[1]),
        lambda value: bytes([frame_type + value[0]]) + encode_varint(value[1]), decode,
    )  # fmt: skip


def _check_end(frame: StreamFrame | CryptoFrame) -> None:
    """Sections 19.6 and 19.8: no byte lies beyond what an offset can say."""
    end = frame.offset + (frame.length if isinstance(frame, StreamFrame) else len(frame.data))
    if end > MAXIMUM:
        raise FrameEncodingError(f"data up to {end}; the largest offset is 2**62 - 1")


def _check_retirement(frame: NewConnectionIdFrame | PathNewConnectionIdFrame) -> None:
    if frame.retire_prior_to > frame.sequence_number:
        raise FrameEncodingError(
            f"connection ID {frame.sequence_number} retires those before {frame.retire_prior_to}, itself among them"
        )


def _check_token(frame: NewTokenFrame) -> None:
    if not frame.token:
        raise FrameEncodingError("a new token of 0 bytes (section 19.7)")


def _decode_padding(data: bytes, _: int, offset: int) -> tuple[PaddingFrame, int]:
    end = offset
    while end < len(data) and data[end] == 0:
        end += 1
    return PaddingFrame(end - offset + 1), end


def _paths_size(frame: PathsFrame) -> int:
    return 1 + varint_size(len(frame.paths)) + sum(varint_size(path) + varint_size(rtt) for path, rtt in frame.paths)


def _encode_paths(frame: PathsFrame) -> bytes:
    values = [len(frame.paths), *(value for pair in frame.paths for value in pair)]
    return bytes([_PATHS]) + b"".join(map(encode_varint, values))


def _decode_paths(data: bytes, _: int, offset: int) -> tuple[PathsFrame, int]:
    count, offset = decode_varint(data, offset)
    paths = []
    for _index in range(count):
        path_id, offset = decode_varint(data, offset)
        rtt_us, offset = decode_varint(data, offset)
        paths.append((path_id, rtt_us))
    return PathsFrame(tuple(paths)), offset


def _stream_size(frame: StreamFrame) -> int:
    return stream_frame_overhead(frame.stream_id, frame.offset, frame.length) + frame.length


def _encode_stream(frame: StreamFrame) -> bytes:
    content = bytes(frame.length) if frame.data is None else frame.data
    return b"".join((
        bytes([0x0A | (0x04 if frame.offset else 0) | frame.fin]),
        encode_varint(frame.stream_id),
        encode_varint(frame.offset) if frame.offset else b"",
        encode_varint(frame.length),
        content,
    ))  # fmt: skip


def _decode_stream(data: bytes, frame_type: int, offset: int) -> tuple[StreamFrame, int]:
    stream_id, offset = decode_varint(data, offset)
    start = 0
    if frame_type & 0x04:
        start, offset = decode_varint(data, offset)
    if frame_type & 0x02:
        content, offset = take_bytes(data, offset)
    else:
        content, offset = bytes(data[offset:]), len(data)
    frame = StreamFrame(stream_id, start, len(content), bool(frame_type & 0x01), content)
    _check_end(frame)
    return frame, offset


def _close_size(frame: ConnectionCloseFrame) -> int:
    size = 1 + varint_size(frame.error_code) + BYTES.size(frame.reason)
    return size if frame.frame_type is None else size + varint_size(frame.frame_type)


def _encode_close(frame: ConnectionCloseFrame) -> bytes:
    cause = b"" if frame.frame_type is None else encode_varint(frame.frame_type)
    kind = b"\x1d" if frame.frame_type is None else b"\x1c"
    return kind + encode_varint(frame.error_code) + cause + BYTES.encode(frame.reason)


def _decode_close(data: bytes, frame_type: int, offset: int) -> tuple[ConnectionCloseFrame, int]:
    error_code, offset = decode_varint(data, offset)
    cause = None
    if frame_type == 0x1C:
        cause, offset = decode_varint(data, offset)
    reason, offset = take_bytes(data, offset)
    return ConnectionCloseFrame(error_code, cause, reason), offset


def _datagram_size(frame: DatagramFrame) -> int:
    return 1 + BYTES.size(frame.data)


def _encode_datagram(frame: DatagramFrame) -> bytes:
    return b"\x31" + BYTES.encode(frame.data)


def _decode_datagram(data: bytes, frame_type: int, offset: int) -> tuple[DatagramFrame, int]:
    if frame_type == 0x31:
        content, offset = take_bytes(data, offset)
        return DatagramFrame(content), offset
    return DatagramFrame(bytes(data[offset:])), len(data)


def _plugin_size(frame: PluginFrame) -> int:
    return varint_size(frame.frame_type) + varint_size(len(frame.data)) + len(frame.data)


def _encode_plugin(frame: PluginFrame) -> bytes:
    return encode_varint(frame.frame_type) + encode_varint(len(frame.data)) + frame.data


def _decode_plugin(data: bytes, _: int, offset: int) -> tuple[PluginFrame, int]:
    frame_type, offset = decode_varint(data, offset - 1)
    content, offset = take_bytes(data, offset)
    return PluginFrame(frame_type, content), offset


MAXIMUM_STREAMS = 1 << 60  # RFC 9000 section 4.6
# draft-ietf-quic-multipath-21
_PATH_ABANDON, _PATH_STATUS_BACKUP, _PATH_STATUS_AVAILABLE = 0x3E75, 0x3E76, 0x3E77
_PATH_NEW_CONNECTION_ID, _PATH_RETIRE_CONNECTION_ID, _MAX_PATH_ID = 0x3E78, 0x3E79, 0x3E7A
_PATHS_BLOCKED, _PATH_CIDS_BLOCKED = 0x3E7B, 0x3E7C
_PATHS = 0x3D  # assumed

_ROWS = (
    FrameRow(
        (0x00,), PaddingFrame, "padding", "IH01", False, False, lambda f: f.length, lambda f: bytes(f.length),
        _decode_padding,
    ),
    _row(0x01, PingFrame, "ping", "IH01"),
    FrameRow((0x02, 0x03), AckFrame, "ack", "IH1", False, False, ack_size, encode_ack, decode_ack),
    FrameRow((_PATHS,), PathsFrame, "paths", "1", True, False, _paths_size, _encode_paths, _decode_paths),
    FrameRow(
        (PATH_ACK, PATH_ACK + 1), PathAckFrame, "path_ack", "1", False, False, path_ack_size, encode_path_ack,
        decode_path_ack,
    ),
    _row(_PATH_ABANDON, PathAbandonFrame, "path_abandon", "1", NUMBER, NUMBER),
    _row(_PATH_STATUS_BACKUP, PathBackupFrame, "path_status_backup", "1", NUMBER, NUMBER),
    _row(_PATH_STATUS_AVAILABLE, PathAvailableFrame, "path_status_available", "1", NUMBER, NUMBER),
    _row(
        _PATH_NEW_CONNECTION_ID, PathNewConnectionIdFrame, "path_new_connection_id", "1", NUMBER, NUMBER, NUMBER,
        CONNECTION_ID, fixed_bytes(16), check=_check_retirement,
    ),
    _row(_PATH_RETIRE_CONNECTION_ID, PathRetireConnectionIdFrame, "path_retire_connection_id", "1", NUMBER, NUMBER),
    _row(_MAX_PATH_ID, MaxPathIdFrame, "max_path_id", "1", NUMBER),
    _row(_PATHS_BLOCKED, PathsBlockedFrame, "paths_blocked", "1", NUMBER),
    _row(_PATH_CIDS_BLOCKED, PathCidsBlockedFrame, "path_cids_blocked", "1", NUMBER, NUMBER),
    _row(0x04, ResetStreamFrame, "reset_stream", "01", NUMBER, NUMBER, NUMBER),
    _row(0x05, StopSendingFrame, "stop_sending", "01", NUMBER, NUMBER),
    _row(0x06, CryptoFrame, "crypto", "IH1", NUMBER, BYTES, check=_check_end),
    _row(0x07, NewTokenFrame, "new_token", "1", BYTES, check=_check_token),
    FrameRow(
        tuple(range(0x08, 0x10)), StreamFrame, "stream", "01", True, True, _stream_size, _encode_stream, _decode_stream
    ),
    _row(0x10, MaxDataFrame, "max_data", "01", NUMBER),
    _row(0x11, MaxStreamDataFrame, "max_stream_data", "01", NUMBER, NUMBER),
    _row_for_each_kind(0x12, MaxStreamsFrame, "max_streams"),
    _row(0x14, DataBlockedFrame, "data_blocked", "01", NUMBER),
    _row(0x15, StreamDataBlockedFrame, "stream_data_blocked", "01", NUMBER, NUMBER),
    _row_for_each_kind(0x16, StreamsBlockedFrame, "streams_blocked"),
    _row(
        0x18, NewConnectionIdFrame, "new_connection_id", "01", NUMBER, NUMBER, CONNECTION_ID, fixed_bytes(16),
        check=_check_retirement,
    ),
    _row(0x19, RetireConnectionIdFrame, "retire_connection_id", "01", NUMBER),
    # Section 13.3: a challenge is repeated with other bytes, a response with the next challenge.
    _row(0x1A, PathChallengeFrame, "path_challenge", "01", fixed_bytes(8), retransmittable=False),
    _row(0x1B, PathResponseFrame, "path_response", "1", fixed_bytes(8), retransmittable=False),
    FrameRow(
        (0x1C, 0x1D), ConnectionCloseFrame, "connection_close", "ih01", False, False, _close_size, _encode_close,
        _decode_close,
    ),
    _row(0x1E, HandshakeDoneFrame, "handshake_done", "1"),
    _row(0x1F, ImmediateAckFrame, "immediate_ack", "1", retransmittable=False),
    _row(0xAF, AckFrequencyFrame, "ack_frequency", "1", NUMBER, NUMBER, NUMBER, NUMBER),
    FrameRow(
        (0x30, 0x31), DatagramFrame, "datagram", "01", True, False, _datagram_size, _encode_datagram, _decode_datagram
    ),
    # Not repeated when it is lost: only the plugin knows what it would say by then.
    FrameRow((0x5C,), PluginFrame, "plugin", "1", True, False, _plugin_size, _encode_plugin, _decode_plugin),
)  # fmt: skip

FRAMES: dict[type[Any], FrameRow] = {row.frame: row for row in _ROWS}
_BY_TYPE = {frame_type: row for row in _ROWS for frame_type in row.types}
