"""What are the bytes of a packet? Headers of every type, and whole packets. RFC 9000 section 17.

A simulated packet has a size and no bytes; here they are written, to the same size, and read back. There are no keys:
header protection is left out, and as many zeros as an AEAD tag has stand behind the frames.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.frames import decode_frames, encode_frame
from quicsim.quic.layout import MAXIMUM_CONNECTION_ID_BYTES, take, take_bytes
from quicsim.quic.packet import AEAD_TAG_BYTES, CONNECTION_ID_BYTES, VERSION_1, VERSION_2, Retry, Space
from quicsim.quic.varint import encode_varint

if TYPE_CHECKING:
    from quicsim.quic.frames import Frame
    from quicsim.quic.packet import Answer, Datagram, Packet

__all__ = ["Header", "PacketType", "decode_header", "decode_number", "decode_packet", "encode_answer",
           "encode_datagram", "encode_header", "encode_packet"]  # fmt: skip

RETRY_INTEGRITY_TAG_BYTES = 16  # RFC 9001 section 5.8
_LONG, _FIXED = 0x80, 0x40
_LENGTH_BYTES = 2
"""A length is written in two bytes, as the sizes of `header_size` have it: enough for any datagram (section 16)."""


class PacketType(enum.Enum):
    """The packets of RFC 9000; a long header's value are its two type bits (section 17.2)."""

    INITIAL = 0
    ZERO_RTT = 1
    HANDSHAKE = 2
    RETRY = 3
    VERSION_NEGOTIATION = "version negotiation"
    ONE_RTT = "1-RTT"


_TYPE_OF_SPACE = {
    Space.INITIAL: PacketType.INITIAL,
    Space.HANDSHAKE: PacketType.HANDSHAKE,
    Space.APPLICATION: PacketType.ONE_RTT,
}
_NUMBERED = (PacketType.INITIAL, PacketType.ZERO_RTT, PacketType.HANDSHAKE, PacketType.ONE_RTT)


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says. `number` is what is left of the packet number in `number_bytes`; some packets have none."""

    kind: PacketType
    destination_id: bytes
    source_id: bytes = b""
    """Empty in a short header, which does not carry it."""
    number: int = 0
    number_bytes: int = 1
    payload_bytes: int = 0
    """Frames and AEAD tag behind a long header's packet number; a short header's packet ends with its datagram."""
    token: bytes = b""
    """Of an Initial packet or a Retry."""
    version: int = VERSION_1
    """In a long header; of a Version Negotiation packet it is 0, whatever is said here."""
    versions: tuple[int, ...] = ()
    """What a Version Negotiation packet offers."""


def encode_header(header: Header) -> bytes:
    """The header's bytes, packet number included."""
    kind = header.kind
    if kind is PacketType.ONE_RTT:
        first = bytes([_FIXED | header.number_bytes - 1])
        return first + header.destination_id + _number(header)
    ids = bytes([len(header.destination_id)]) + header.destination_id
    ids += bytes([len(header.source_id)]) + header.source_id
    if kind is PacketType.VERSION_NEGOTIATION:  # section 17.2.1: version 0
        return bytes([_LONG | _FIXED]) + bytes(4) + ids + b"".join(v.to_bytes(4, "big") for v in header.versions)
    type_bits = _LONG | _FIXED | (kind.value + (header.version == VERSION_2)) % 4 << 4
    version = header.version.to_bytes(4, "big")
    if kind is PacketType.RETRY:
        return bytes([type_bits]) + version + ids + header.token + bytes(RETRY_INTEGRITY_TAG_BYTES)
    token = encode_varint(len(header.token)) + header.token if kind is PacketType.INITIAL else b""
    length = header.number_bytes + header.payload_bytes
    if length >= 1 << 14:
        raise FrameEncodingError(f"a packet of {length} bytes behind its length; it says at most {(1 << 14) - 1}")
    return b"".join((
        bytes([type_bits | header.number_bytes - 1]), version, ids, token,
        (length | 1 << 14).to_bytes(_LENGTH_BYTES, "big"), _number(header),
    ))  # fmt: skip


def _number(header: Header) -> bytes:
    """The packet number's lowest bytes (section 17.1)."""
    return (header.number & (1 << 8 * header.number_bytes) - 1).to_bytes(header.number_bytes, "big")


def decode_header(data: bytes, offset: int = 0) -> tuple[Header, int]:
    """The header at `offset`, and the offset behind it. Raises FrameEncodingError.

    A short header's connection ID has CONNECTION_ID_BYTES: its receiver knows how long the ones are that it gave out.
    """
    first, offset = take(data, offset, 1)
    number_bytes = (first[0] & 0x03) + 1
    if not first[0] & _LONG:
        if not first[0] & _FIXED:
            raise FrameEncodingError(f"byte {offset - 1}: the fixed bit is 0, so this is no packet (section 17.3)")
        destination_id, offset = take(data, offset, CONNECTION_ID_BYTES)
        number, offset = take(data, offset, number_bytes)
        return Header(PacketType.ONE_RTT, destination_id, b"", int.from_bytes(number, "big"), number_bytes), offset
    version_bytes, offset = take(data, offset, 4)
    version = int.from_bytes(version_bytes, "big")
    destination_id, offset = _take_id(data, offset)
    source_id, offset = _take_id(data, offset)
    if not version:
        offered = [int.from_bytes(data[at : at + 4], "big") for at in range(offset, len(data) - 3, 4)]
        end = offset + 4 * len(offered)
        return Header(PacketType.VERSION_NEGOTIATION, destination_id, source_id, versions=tuple(offered)), end
    if not first[0] & _FIXED:
        raise FrameEncodingError("the fixed bit is 0, so this is no packet (section 17.2)")
    kind = PacketType(((first[0] >> 4 & 0x03) - (version == VERSION_2)) % 4)
    if kind is PacketType.RETRY:
        token, offset = take(data, offset, max(0, len(data) - offset - RETRY_INTEGRITY_TAG_BYTES))
        take(data, offset, RETRY_INTEGRITY_TAG_BYTES)
        return Header(kind, destination_id, source_id, token=token, version=version), len(data)
    token = b""
    if kind is PacketType.INITIAL:
        token, offset = take_bytes(data, offset)
    rest, end = take_bytes(data, offset)
    number, _ = take(rest, 0, number_bytes)
    payload_bytes = len(rest) - number_bytes
    truncated = int.from_bytes(number, "big")
    header = Header(kind, destination_id, source_id, truncated, number_bytes, payload_bytes, token, version)
    return header, end - payload_bytes


def _take_id(data: bytes, offset: int) -> tuple[bytes, int]:
    length, offset = take(data, offset, 1)
    if length[0] > MAXIMUM_CONNECTION_ID_BYTES:
        raise FrameEncodingError(f"a connection ID of {length[0]} bytes; the most are {MAXIMUM_CONNECTION_ID_BYTES}")
    return take(data, offset, length[0])


def decode_number(largest: int, truncated: int, number_bytes: int) -> int:
    """The packet number nearest to the one after `largest` received that ends so (section 17.1, appendix A.3)."""
    expected = largest + 1
    window = 1 << 8 * number_bytes
    candidate = expected & ~(window - 1) | truncated
    if candidate <= expected - window // 2 and candidate < (1 << 62) - window:
        return candidate + window
    if candidate > expected + window // 2 and candidate >= window:
        return candidate - window
    return candidate


def encode_packet(
    packet: Packet, destination_id: bytes, source_id: bytes, version: int = VERSION_1, token: bytes = b""
) -> bytes:
    """A packet's bytes, as many as its size says. The connection IDs have CONNECTION_ID_BYTES each.

    The token is an Initial packet's.

    A header that is longer than it needs to be (mp-quic's names its path, a plugin may say so) has a longer packet
    number. Raises FrameEncodingError for a size that no header explains.
    """
    payload = b"".join(map(encode_frame, packet.frames)) + bytes(AEAD_TAG_BYTES)
    kind = PacketType.ZERO_RTT if packet.is_early else _TYPE_OF_SPACE[packet.space]
    bare = Header(kind, destination_id, source_id, token=token, version=version)
    without_number = len(encode_header(bare)) - 1
    for number_bytes in range(1, 5):  # the payload may be too short for header protection: zeros are PADDING
        padding = packet.size_bytes - without_number - number_bytes - len(payload)
        if padding == 0 or (0 < padding < 4 and len(payload) - AEAD_TAG_BYTES + padding == 4):
            break
    else:
        raise FrameEncodingError(
            f"packet {packet.number} has {packet.size_bytes} bytes; {len(payload)} of frames and tag and a header "
            f"of {without_number} and its packet number do not add up to that"
        )
    payload = payload[:-AEAD_TAG_BYTES] + bytes(padding) + payload[-AEAD_TAG_BYTES:]
    header = replace(bare, number=packet.number, number_bytes=number_bytes, payload_bytes=len(payload))
    return encode_header(header) + payload


def encode_answer(answer: Answer, destination_id: bytes, source_id: bytes) -> bytes:
    """The bytes of a packet without a number (sections 17.2.1 and 17.2.5)."""
    if isinstance(answer, Retry):
        return encode_header(Header(PacketType.RETRY, destination_id, source_id, token=answer.token))
    header = Header(PacketType.VERSION_NEGOTIATION, destination_id, source_id, versions=answer.versions)
    return encode_header(header)


def encode_datagram(datagram: Datagram, destination_id: bytes, source_id: bytes) -> bytes:
    """The bytes of its packets, one behind the other (section 12.2)."""
    if datagram.answer is not None:
        return encode_answer(datagram.answer, destination_id, source_id)
    of_headers = destination_id, source_id, datagram.version, datagram.token
    return b"".join(encode_packet(packet, *of_headers) for packet in datagram.packets)


def decode_packet(data: bytes, offset: int = 0) -> tuple[Header, list[Frame], int]:
    """The packet at `offset`: its header, its frames, and the offset behind it. Raises FrameEncodingError."""
    header, offset = decode_header(data, offset)
    if header.kind not in _NUMBERED:
        return header, [], offset
    end = len(data) if header.kind is PacketType.ONE_RTT else offset + header.payload_bytes
    payload, _ = take(data, offset, end - offset)
    if len(payload) < AEAD_TAG_BYTES:
        raise FrameEncodingError(f"a packet of {len(payload)} bytes behind its header; an AEAD tag alone has more")
    return header, decode_frames(payload[:-AEAD_TAG_BYTES]), end
