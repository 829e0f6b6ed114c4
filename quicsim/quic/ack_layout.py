"""How does an acknowledgement stand on the wire? RFC 9000 section 19.3; draft-ietf-quic-multipath, PATH_ACK."""

from __future__ import annotations

from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.frame_values import AckFrame, EcnCounts, PathAckFrame
from quicsim.quic.varint import decode_varint, encode_varint, varint_size

__all__ = ["PATH_ACK", "ack_size", "decode_ack", "decode_path_ack", "encode_ack", "encode_path_ack", "path_ack_size"]

PATH_ACK = 0x3E
"""Its type in draft-ietf-quic-multipath-21; with counts it is one more."""


def path_ack_size(frame: PathAckFrame) -> int:
    """The bytes of a PATH_ACK frame."""
    return 1 + varint_size(frame.path_id) + _ranges_size(frame) + _counts_size(frame.ecn)


def encode_path_ack(frame: PathAckFrame) -> bytes:
    """A PATH_ACK frame."""
    frame_type = bytes([PATH_ACK + (frame.ecn is not None)])
    return frame_type + encode_varint(frame.path_id) + _encode_ranges(frame) + _encode_counts(frame.ecn)


def decode_path_ack(data: bytes, frame_type: int, offset: int) -> tuple[PathAckFrame, int]:
    """The PATH_ACK frame behind its type, and the offset behind it. Raises FrameEncodingError."""
    path_id, offset = decode_varint(data, offset)
    ranges, delay, offset = _decode_ranges(data, offset)
    counts, offset = _decode_counts(data, offset) if frame_type & 1 else (None, offset)
    return PathAckFrame(path_id, ranges, delay, counts), offset


def ack_size(frame: AckFrame) -> int:
    """The bytes of an ACK frame."""
    size = 1 + _ranges_size(frame)
    return size if frame.ecn is None else size + _counts_size(frame.ecn)


def encode_ack(frame: AckFrame) -> bytes:
    """An ACK frame."""
    return (b"\x02" if frame.ecn is None else b"\x03") + _encode_ranges(frame) + _encode_counts(frame.ecn)


def decode_ack(data: bytes, frame_type: int, offset: int) -> tuple[AckFrame, int]:
    """The ACK frame behind its type, and the offset behind it. Raises FrameEncodingError."""
    ranges, delay, offset = _decode_ranges(data, offset)
    counts, offset = _decode_counts(data, offset) if frame_type & 1 else (None, offset)
    return AckFrame(ranges, delay, counts), offset


def _counts_size(counts: EcnCounts | None) -> int:
    return sum(map(varint_size, counts or ()))


def _encode_counts(counts: EcnCounts | None) -> bytes:
    return b"".join(map(encode_varint, counts or ()))


def _decode_counts(data: bytes, offset: int) -> tuple[EcnCounts, int]:
    ect_0, offset = decode_varint(data, offset)
    ect_1, offset = decode_varint(data, offset)
    ce, offset = decode_varint(data, offset)
    return EcnCounts(ect_0, ect_1, ce), offset


def _ranges_size(frame: AckFrame | PathAckFrame) -> int:
    ranges = frame.ranges
    first, last = ranges[0]
    size = varint_size(len(ranges) - 1)
    for value in (last, frame.delay, last - first):  # spelled out: every second packet asks
        size += 1 if value < 64 else 2 if value < 16_384 else varint_size(value)
    if len(ranges) > 1:
        smallest = first
        for first, last in ranges[1:]:
            size += varint_size(smallest - last - 2) + varint_size(last - first)
            smallest = first
    return size


def _encode_ranges(frame: AckFrame | PathAckFrame) -> bytes:
    first, last = frame.ranges[0]
    values = [last, frame.delay, len(frame.ranges) - 1, last - first]
    smallest = first
    for first, last in frame.ranges[1:]:
        values += [smallest - last - 2, last - first]
        smallest = first
    return b"".join(map(encode_varint, values))


def _decode_ranges(data: bytes, offset: int) -> tuple[tuple[tuple[int, int], ...], int, int]:
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
    return tuple(ranges), delay, offset
