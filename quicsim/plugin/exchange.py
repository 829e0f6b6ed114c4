"""How do plugins travel? Messages of the dedicated stream. Paper section 2.1.

Each endpoint sends its messages on its first unidirectional stream: type, length, body. It numbers what it asks for;
the peer answers on its own stream. An offer's type says what stands before the ELF file: the name of what it replaces,
parameters, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.varint import decode_varint, encode_varint

__all__ = ["Accepted", "ExchangeReader", "Message", "Offer", "Refused", "Remove", "Running", "Stopped", "encode"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Attach this plugin to your end of the connection; give up `replaces` (a name) in the same step."""

    request_id: int
    elf: bytes
    parameters: tuple[tuple[str, int], ...] = ()
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Remove:
    """Give up the plugin of this name, which I offered."""

    request_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What this request asks for is done."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """What this request asks for is not done, and why."""

    request_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Running:
    """My end runs this plugin, which you did not offer: it understands what one of this name sends."""

    name: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """My end runs this plugin no more, and why."""

    name: str
    reason: str


Message = Offer | Remove | Accepted | Refused | Running | Stopped

MAXIMUM_BODY_BYTES = 1 << 21
"""Twice what the largest object has: more is no message, and nothing to wait for."""

_OFFER, _ACCEPTED, _REFUSED, _REMOVE, _RUNNING, _STOPPED = range(1, 7)
_HAS_REPLACES, _HAS_PARAMETERS = 0x10, 0x20
_OFFERS = tuple(_OFFER | flags for flags in (0, _HAS_REPLACES, _HAS_PARAMETERS, _HAS_REPLACES | _HAS_PARAMETERS))
_VALUE_BYTES = 8


def encode(message: Message) -> bytes:
    """The message's bytes on the stream."""
    match message:
        case Offer(request_id, elf, parameters, replaces):
            kind = _OFFER
            body = encode_varint(request_id)
            if replaces:
                kind |= _HAS_REPLACES
                body += _encode_text(replaces)
            if parameters:
                kind |= _HAS_PARAMETERS
                body += encode_varint(len(parameters))
                body += b"".join(_encode_text(name) + value.to_bytes(_VALUE_BYTES, "big") for name, value in parameters)
            body += elf
        case Remove(request_id, name):
            kind, body = _REMOVE, encode_varint(request_id) + name.encode()
        case Accepted(request_id):
            kind, body = _ACCEPTED, encode_varint(request_id)
        case Refused(request_id, reason):
            kind, body = _REFUSED, encode_varint(request_id) + reason.encode()
        case Running(name):
            kind, body = _RUNNING, name.encode()
        case Stopped(name, reason):
            kind, body = _STOPPED, _encode_text(name) + reason.encode()
    return encode_varint(kind) + encode_varint(len(body)) + body


def _encode_text(text: str) -> bytes:
    data = text.encode()
    return encode_varint(len(data)) + data


class ExchangeReader:
    """Cuts the peer's stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes in order; returns the messages that are complete. Unknown types are skipped.

        Raises FrameEncodingError for a body that ends before what its type announces, and for one beyond
        MAXIMUM_BODY_BYTES.
        """
        self._buffer += data
        messages: list[Message] = []
        while (cut := self._next()) is not None:
            if (message := _decoded(*cut)) is not None:
                messages.append(message)
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


class _Body:
    """A message's body, read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def number(self) -> int:
        value, self._offset = decode_varint(self._data, self._offset)
        return value

    def take(self, count: int) -> bytes:
        taken = self._data[self._offset : self._offset + count]
        if len(taken) < count:
            raise FrameEncodingError(f"an exchange message ends {count - len(taken)} bytes too early")
        self._offset += count
        return taken

    def text(self) -> str:
        return self.take(self.number()).decode(errors="replace")

    def rest(self) -> bytes:
        return self._data[self._offset :]

    def parameters(self) -> tuple[tuple[str, int], ...]:
        return tuple((self.text(), int.from_bytes(self.take(_VALUE_BYTES), "big")) for _ in range(self.number()))


def _decoded(kind: int, data: bytes) -> Message | None:
    """The message of a body; None for an unknown type."""
    body = _Body(data)
    if kind in _OFFERS:
        request_id = body.number()
        replaces = body.text() if kind & _HAS_REPLACES else ""
        parameters = body.parameters() if kind & _HAS_PARAMETERS else ()
        return Offer(request_id, body.rest(), parameters, replaces)
    if kind == _ACCEPTED:
        return Accepted(body.number())
    if kind in (_REMOVE, _REFUSED):
        request_id, text = body.number(), body.rest().decode(errors="replace")
        return Remove(request_id, text) if kind == _REMOVE else Refused(request_id, text)
    if kind == _RUNNING:
        return Running(body.rest().decode(errors="replace"))
    if kind == _STOPPED:
        return Stopped(body.text(), body.rest().decode(errors="replace"))
    return None
