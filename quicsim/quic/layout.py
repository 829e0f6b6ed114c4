"""How does one field of a frame stand on the wire? RFC 9000 section 1.3; each kind of field once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.varint import decode_varint, encode_varint, varint_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BYTES", "CONNECTION_ID", "NUMBER", "Part", "fixed_bytes", "take", "take_bytes"]


MAXIMUM_CONNECTION_ID_BYTES = 20  # RFC 9000 section 17.2


class Part(NamedTuple):
    """A kind of field: its size, its bytes, and back."""

    size: Callable[[Any], int]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, int], tuple[Any, int]]


def take(data: bytes, offset: int, length: int) -> tuple[bytes, int]:
    """So many bytes and the offset behind them. Raises FrameEncodingError where there are fewer."""
    if offset + length > len(data):
        raise FrameEncodingError(f"byte {offset}: {length} bytes of data are announced, {len(data) - offset} follow")
    return bytes(data[offset : offset + length]), offset + length


def take_bytes(data: bytes, offset: int) -> tuple[bytes, int]:
    """Bytes behind a variable-length integer that says how many. Raises FrameEncodingError."""
    length, offset = decode_varint(data, offset)
    return take(data, offset, length)


def _encode_connection_id(value: bytes) -> bytes:
    if not 1 <= len(value) <= MAXIMUM_CONNECTION_ID_BYTES:
        raise FrameEncodingError(f"a connection ID of {len(value)} bytes; it has 1 to {MAXIMUM_CONNECTION_ID_BYTES}")
    return bytes([len(value)]) + value


def _take_connection_id(data: bytes, offset: int) -> tuple[bytes, int]:
    length, offset = take(data, offset, 1)
    value, offset = take(data, offset, length[0])
    _encode_connection_id(value)
    return value, offset


def fixed_bytes(length: int) -> Part:
    """Always so many bytes. Encoding others raises FrameEncodingError."""

    def encode(value: bytes) -> bytes:
        if len(value) != length:
            raise FrameEncodingError(f"{len(value)} bytes stand where {length} belong")
        return value

    return Part(lambda value: length, encode, lambda data, offset: take(data, offset, length))


NUMBER = Part(varint_size, encode_varint, decode_varint)
BYTES = Part(
    lambda value: varint_size(len(value)) + len(value), lambda value: encode_varint(len(value)) + value, take_bytes
)
CONNECTION_ID = Part(lambda value: 1 + len(value), _encode_connection_id, _take_connection_id)
"""Behind one byte that says how many bytes it has (section 19.15)."""
