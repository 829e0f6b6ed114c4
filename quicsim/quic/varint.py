"""How long is a variable-length integer, and what are its bytes? RFC 9000 section 16."""

from __future__ import annotations

from quicsim.quic.errors import FrameEncodingError

__all__ = ["MAXIMUM", "decode_varint", "encode_varint", "varint_size"]

MAXIMUM = (1 << 62) - 1


def varint_size(value: int) -> int:
    """The bytes that `value` takes: 1, 2, 4 or 8. Raises FrameEncodingError beyond 2**62 - 1."""
    if value < 64:
        return 1
    if value < 16_384:
        return 2
    if value < 1 << 30:
        return 4
    if value <= MAXIMUM:
        return 8
    raise FrameEncodingError(f"{value} is no variable-length integer; the largest is 2**62 - 1")


def encode_varint(value: int) -> bytes:
    """The shortest encoding of `value`."""
    size = varint_size(value)
    prefix = size.bit_length() - 1
    return (value | prefix << (8 * size - 2)).to_bytes(size, "big")


def decode_varint(data: bytes | memoryview, offset: int) -> tuple[int, int]:
    """The integer at `offset` and the offset behind it. Raises FrameEncodingError when the bytes end too soon."""
    if offset >= len(data):
        raise FrameEncodingError(f"a variable-length integer should begin at byte {offset}, where the data ends")
    first = data[offset]
    size = 1 << (first >> 6)
    if offset + size > len(data):
        raise FrameEncodingError(f"the variable-length integer at byte {offset} needs {size} bytes")
    value = int.from_bytes(data[offset : offset + size], "big") & ((1 << (8 * size - 2)) - 1)
    return value, offset + size
