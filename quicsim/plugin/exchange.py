"""How do plugins travel? Messages of the dedicated stream. Paper section 2.1.

Each endpoint sends its messages on its first unidirectional stream: type, length, body. An offer carries the ELF file;
the peer answers on its own stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.varint import decode_varint, encode_varint

__all__ = ["Accepted", "ExchangeReader", "Message", "Offer", "Refused", "encode"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Attach this plugin to your end of the connection."""

    offer_id: int
    elf: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The plugin of this offer is attached."""

    offer_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The plugin of this offer is not attached, and why."""

    offer_id: int
    reason: str


Message = Offer | Accepted | Refused

MAXIMUM_BODY_BYTES = 1 << 21
"""Twice what the largest object has: more is no message, and nothing to wait for."""

_OFFER, _ACCEPTED, _REFUSED = 1, 2, 3
_TYPES: dict[type[Message], int] = {Offer: _OFFER, Accepted: _ACCEPTED, Refused: _REFUSED}


def encode(message: Message) -> bytes:
    """The message's bytes on the stream."""
    content = b""
    if isinstance(message, Offer):
        content = message.elf
    elif isinstance(message, Refused):
        content = message.reason.encode()
    body = encode_varint(message.offer_id) + content
    return encode_varint(_TYPES[type(message)]) + encode_varint(len(body)) + body


class ExchangeReader:
    """Cuts the peer's stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes in order; returns the messages that are complete. Unknown types are skipped.

        Raises FrameEncodingError for a known type without an offer's number, and for a body beyond MAXIMUM_BODY_BYTES.
        """
        self._buffer += data
        messages: list[Message] = []
        while (cut := self._next()) is not None:
            kind, body = cut
            if kind not in _TYPES.values():
                continue
            offer_id, offset = decode_varint(body, 0)
            if kind == _OFFER:
                messages.append(Offer(offer_id, body[offset:]))
            elif kind == _ACCEPTED:
                messages.append(Accepted(offer_id))
            else:
                messages.append(Refused(offer_id, body[offset:].decode(errors="replace")))
        return messages

    def _next(self) -> tuple[int, bytes] | None:
        buffer = bytes(self._buffer[:16])
        if len(buffer) < 2 or len(buffer) < (1 << (buffer[0] >> 6)) + 1:
            return None
        kind, offset = decode_varint(buffer, 0)
        if len(buffer) < offset + (1 << (buffer[offset] >> 6)):
            return None
        length, offset = decode_varint(buffer, offset)
        if length > MAXIMUM_BODY_BYTES:
            raise FrameEncodingError(f"an exchange message announces {length} bytes; the most is {MAXIMUM_BODY_BYTES}")
        if len(self._buffer) < offset + length:
            return None
        body = bytes(self._buffer[offset : offset + length])
        del self._buffer[: offset + length]
        return kind, body
