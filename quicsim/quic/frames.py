"""What is in a packet? Every frame: its fields, its wire size, its bytes. RFC 9000 section 19.

`FRAMES` is the one table. A frame in the simulator is a small immutable value; its size on the wire is exact, and its
bytes are written only for whoever needs them. Stream data without content stands for as many zero bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.varint import decode_varint, encode_varint, varint_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ACK_DELAY_UNIT_NS",
    "FRAMES",
    "PLUGIN_FRAME_TYPES",
    "AckFrame",
    "CryptoFrame",
    "Frame",
    "FrameRow",
    "HandshakeDoneFrame",
    "MaxDataFrame",
    "MaxStreamDataFrame",
    "PaddingFrame",
    "PathAckFrame",
    "PathsFrame",
    "PingFrame",
    "PluginFrame",
    "StreamFrame",
    "decode_frames",
    "encode_frame",
    "frame_size",
    "stream_frame_overhead",
]

ACK_DELAY_UNIT_NS = 8_000
"""ACK delays travel in units of 2**3 microseconds, the default ack_delay_exponent (RFC 9000 section 18.2)."""


class PaddingFrame(NamedTuple):
    """`length` PADDING frames of one byte each. Section 19.1."""

    length: int


class PingFrame(NamedTuple):
    """Asks for an acknowledgement and nothing else. Section 19.2."""


class AckFrame(NamedTuple):
    """Acknowledges `ranges`: (first, last) packet numbers, both included, descending. Section 19.3."""

    ranges: tuple[tuple[int, int], ...]
    delay: int
    """In units of ACK_DELAY_UNIT_NS."""

    @property
    def range_count(self) -> int:
        """How many ranges the frame carries."""
        return len(self.ranges)


class PathAckFrame(NamedTuple):
    """An AckFrame for the packets of a path, on whichever path it travels. draft-ietf-quic-multipath, PATH_ACK."""

    path_id: int
    ranges: tuple[tuple[int, int], ...]
    delay: int

    @property
    def range_count(self) -> int:
        """How many ranges the frame carries."""
        return len(self.ranges)


class PathsFrame(NamedTuple):
    """The smoothed round-trip times that the sender sees: (path, microseconds), 0 for unknown. mp-quic's PATHS frame.

    The type's number is assumed: mp-quic's own lies in gQUIC's numbering.
    """

    paths: tuple[tuple[int, int], ...]


class CryptoFrame(NamedTuple):
    """Bytes of the handshake. Section 19.6."""

    offset: int
    data: bytes


class StreamFrame(NamedTuple):
    """`length` bytes of a stream from `offset` on; `data` is None where the content does not matter. Section 19.8."""

    stream_id: int
    offset: int
    length: int
    fin: bool
    data: bytes | None = None


class MaxDataFrame(NamedTuple):
    """The connection's new limit. Section 19.9."""

    maximum: int


class MaxStreamDataFrame(NamedTuple):
    """A stream's new limit. Section 19.10."""

    stream_id: int
    maximum: int


class HandshakeDoneFrame(NamedTuple):
    """The server confirms the handshake. Section 19.20."""


PLUGIN_FRAME_TYPES = range(0x1C00, 0x1D00)
"""Assumed: a block of two-byte types that all begin with the byte 0x5C.

RFC 9000 section 22.4 keeps the one-byte types (up to 0x3f) for standards (0x30 and 0x31 are RFC 9221's); of the others
these 256 are in nobody's registration.
"""


class PluginFrame(NamedTuple):
    """A frame that only plugins understand: type, length, bytes. Who does not know the type skips it.

    The type's lowest bit tells, also those who skip it, whether the frame asks for an acknowledgement: even types do.
    """

    frame_type: int
    data: bytes

    @property
    def length(self) -> int:
        """The bytes behind type and length."""
        return len(self.data)

    @property
    def ack_eliciting(self) -> bool:
        """Whether a packet with this frame asks for an acknowledgement."""
        return not self.frame_type & 1


Frame = (
    PaddingFrame | PingFrame | AckFrame | PathAckFrame | PathsFrame | CryptoFrame | StreamFrame | MaxDataFrame
    | MaxStreamDataFrame | HandshakeDoneFrame | PluginFrame
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrameRow:
    """All that is particular to one kind of frame; `types` are the type bytes it may begin with."""

    types: tuple[int, ...]
    frame: type[Any]
    name: str
    ack_eliciting: bool
    retransmittable: bool
    size: Callable[[Any], int]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, int, int], tuple[Any, int]]


def frame_size(frame: Frame) -> int:
    """The frame's bytes on the wire, its type included."""
    return FRAMES[frame.__class__].size(frame)


def encode_frame(frame: Frame) -> bytes:
    """The frame's bytes on the wire."""
    return FRAMES[frame.__class__].encode(frame)


def decode_frames(data: bytes) -> list[Frame]:
    """The frames of a packet's payload. Raises FrameEncodingError for anything else."""
    frames: list[Frame] = []
    offset = 0
    while offset < len(data):
        row = _BY_TYPE.get(data[offset])
        if row is None:
            raise FrameEncodingError(f"byte {offset}: {data[offset]:#04x} is no frame type known here")
        frame, offset = row.decode(data, data[offset], offset + 1)
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


def _fixed(frame_type: int, frame: type[Any], name: str, *, ack_eliciting: bool = True) -> FrameRow:
    """A frame whose fields are variable-length integers, in order."""

    def size(value: Any) -> int:
        return 1 + sum(map(varint_size, value))

    def encode(value: Any) -> bytes:
        return bytes([frame_type]) + b"".join(map(encode_varint, value))

    def decode(data: bytes, _: int, offset: int) -> tuple[Any, int]:
        values = []
        for _field in frame._fields:
            value, offset = decode_varint(data, offset)
            values.append(value)
        return frame(*values), offset

    return FrameRow((frame_type,), frame, name, ack_eliciting, ack_eliciting, size, encode, decode)


def _decode_padding(data: bytes, _: int, offset: int) -> tuple[PaddingFrame, int]:
    end = offset
    while end < len(data) and data[end] == 0:
        end += 1
    return PaddingFrame(end - offset + 1), end


def _path_ack_size(frame: PathAckFrame) -> int:
    return varint_size(frame.path_id) + _ack_size(frame)


def _encode_path_ack(frame: PathAckFrame) -> bytes:
    return bytes([_PATH_ACK]) + encode_varint(frame.path_id) + _encode_ack(frame)[1:]


def _decode_path_ack(data: bytes, _: int, offset: int) -> tuple[PathAckFrame, int]:
    path_id, offset = decode_varint(data, offset)
    frame, offset = _decode_ack(data, _, offset)
    return PathAckFrame(path_id, frame.ranges, frame.delay), offset


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


def _ack_size(frame: AckFrame | PathAckFrame) -> int:
    ranges = frame.ranges
    first, last = ranges[0]
    size = 1 + varint_size(len(ranges) - 1)
    for value in (last, frame.delay, last - first):  # spelled out: every second packet asks
        size += 1 if value < 64 else 2 if value < 16_384 else varint_size(value)
    if len(ranges) > 1:
        smallest = first
        for first, last in ranges[1:]:
            size += varint_size(smallest - last - 2) + varint_size(last - first)
            smallest = first
    return size


def _encode_ack(frame: AckFrame | PathAckFrame) -> bytes:
    first, last = frame.ranges[0]
    values = [last, frame.delay, len(frame.ranges) - 1, last - first]
    smallest = first
    for first, last in frame.ranges[1:]:
        values += [smallest - last - 2, last - first]
        smallest = first
    return b"\x02" + b"".join(map(encode_varint, values))


def _decode_ack(data: bytes, _: int, offset: int) -> tuple[AckFrame, int]:
    last, offset = decode_varint(data, offset)
    delay, offset = decode_varint(data, offset)
    count, offset = decode_varint(data, offset)
    length, offset = decode_varint(data, offset)
    first = last - length
    ranges = [(first, last)]
    for _index in range(count):
        gap, offset = decode_varint(data, offset)
        length, offset = decode_varint(data, offset)
        last = first - gap - 2
        first = last - length
        ranges.append((first, last))
    if first < 0:
        raise FrameEncodingError(f"an ACK range reaches packet number {first}; the smallest is 0")
    return AckFrame(tuple(ranges), delay), offset


def _crypto_size(frame: CryptoFrame) -> int:
    return 1 + varint_size(frame.offset) + varint_size(len(frame.data)) + len(frame.data)


def _encode_crypto(frame: CryptoFrame) -> bytes:
    return b"\x06" + encode_varint(frame.offset) + encode_varint(len(frame.data)) + frame.data


def _decode_crypto(data: bytes, _: int, offset: int) -> tuple[CryptoFrame, int]:
    start, offset = decode_varint(data, offset)
    content, offset = _take(data, offset)
    return CryptoFrame(start, content), offset


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
        content, offset = _take(data, offset)
    else:
        content, offset = bytes(data[offset:]), len(data)
    return StreamFrame(stream_id, start, len(content), bool(frame_type & 0x01), content), offset


def _plugin_size(frame: PluginFrame) -> int:
    return varint_size(frame.frame_type) + varint_size(len(frame.data)) + len(frame.data)


def _encode_plugin(frame: PluginFrame) -> bytes:
    return encode_varint(frame.frame_type) + encode_varint(len(frame.data)) + frame.data


def _decode_plugin(data: bytes, _: int, offset: int) -> tuple[PluginFrame, int]:
    frame_type, offset = decode_varint(data, offset - 1)
    content, offset = _take(data, offset)
    return PluginFrame(frame_type, content), offset


def _take(data: bytes, offset: int) -> tuple[bytes, int]:
    length, offset = decode_varint(data, offset)
    if offset + length > len(data):
        raise FrameEncodingError(f"byte {offset}: {length} bytes of data are announced, {len(data) - offset} follow")
    return bytes(data[offset : offset + length]), offset + length


_PATH_ACK = 0x3E  # draft-ietf-quic-multipath-15
_PATHS = 0x3D  # assumed

_ROWS = (
    FrameRow(
        (0x00,), PaddingFrame, "padding", False, False, lambda f: f.length, lambda f: bytes(f.length), _decode_padding
    ),
    _fixed(0x01, PingFrame, "ping"),
    FrameRow((0x02,), AckFrame, "ack", False, False, _ack_size, _encode_ack, _decode_ack),
    FrameRow((_PATHS,), PathsFrame, "paths", True, False, _paths_size, _encode_paths, _decode_paths),
    FrameRow((_PATH_ACK,), PathAckFrame, "path_ack", False, False, _path_ack_size, _encode_path_ack, _decode_path_ack),
    FrameRow((0x06,), CryptoFrame, "crypto", True, True, _crypto_size, _encode_crypto, _decode_crypto),
    FrameRow(tuple(range(0x08, 0x10)), StreamFrame, "stream", True, True, _stream_size, _encode_stream, _decode_stream),
    _fixed(0x10, MaxDataFrame, "max_data"),
    _fixed(0x11, MaxStreamDataFrame, "max_stream_data"),
    _fixed(0x1E, HandshakeDoneFrame, "handshake_done"),
    # Not repeated when it is lost: only the plugin knows what it would say by then.
    FrameRow((0x5C,), PluginFrame, "plugin", True, False, _plugin_size, _encode_plugin, _decode_plugin),
)

FRAMES: dict[type[Any], FrameRow] = {row.frame: row for row in _ROWS}
_BY_TYPE = {frame_type: row for row in _ROWS for frame_type in row.types}
