"""How large is a packet, and what travels in it? RFC 9000 sections 12, 14 and 17.

A simulated packet carries its frames as values; its size on the wire is exact: header, packet number, frames, AEAD tag.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from quicsim.quic.frames import AckFrame, PathAckFrame, StreamFrame

if TYPE_CHECKING:
    from quicsim.quic.congestion.delivery_rate import Sent
    from quicsim.quic.frames import Frame
    from quicsim.quic.sent import PacketNumberSpace

__all__ = [
    "AEAD_TAG_BYTES",
    "APPLICATION",
    "CE",
    "CONNECTION_ID_BYTES",
    "ECT_0",
    "ECT_1",
    "HANDSHAKE",
    "INITIAL",
    "MINIMUM_INITIAL_BYTES",
    "NOT_ECT",
    "SMALLEST_PACKET_BYTES",
    "VERSION_1",
    "VERSION_2",
    "Address",
    "Answer",
    "Datagram",
    "Packet",
    "Retry",
    "Space",
    "VersionNegotiation",
    "header_size",
]

AEAD_TAG_BYTES = 16
"""RFC 9001 section 5.3: every AEAD of TLS 1.3 that QUIC may use appends 16 bytes."""

VERSION_1 = 1
VERSION_2 = 0x6B3343CF
"""RFC 9000's, and RFC 9369's, which differs in the codes of its packets' types and in its keys."""

CONNECTION_ID_BYTES = 8
"""Assumed: the length that aioquic, picoquic and most servers choose (RFC 9000 section 5.1 leaves it open)."""

MINIMUM_INITIAL_BYTES = 1_200
"""A datagram with an ack-eliciting Initial packet is at least this long (RFC 9000 section 14.1)."""


SMALLEST_PACKET_BYTES = 64
"""Assumed: where fewer are left in a datagram or under a limit, no packet is begun. Any header, 17 bytes of frames."""


NOT_ECT = 0
ECT_1 = 1
ECT_0 = 2
CE = 3
"""The codepoints of explicit congestion notification (RFC 3168 section 5)."""


class Space(enum.IntEnum):
    """The packet number spaces (RFC 9000 section 12.3), in the order in which packets are coalesced."""

    INITIAL = 0
    HANDSHAKE = 1
    APPLICATION = 2


INITIAL, HANDSHAKE, APPLICATION = Space
"""The members by themselves: looking one up in its class costs more than a call."""


class Packet:
    """A packet from its assembly on: the sender fills it, the network carries it, the sender remembers it until it is
    acknowledged or lost. The receiver only reads `space`, `number`, `frames` and `size_bytes`.
    """

    __slots__ = (
        "ack_eliciting",
        "carries_ack",
        "delivery",
        "ecn",
        "frames",
        "in_flight",
        "is_early",
        "is_probe",
        "labels",
        "new_content",
        "number",
        "origin",
        "room_bytes",
        "sent_ns",
        "size_bytes",
        "space",
        "takes_stream_data",
    )

    def __init__(self, space: Space, number: int, room_bytes: int, new_content: bool) -> None:
        self.space = space
        self.number = number
        self.origin: PacketNumberSpace | None = None
        """Where the packet that this one repeats was sent, when that was on another path."""
        self.room_bytes = room_bytes
        """What frames may still take."""
        self.frames: list[Frame] = []
        self.new_content = new_content
        """The congestion window has room for what was never sent, and there is some."""
        self.takes_stream_data = True
        """False: it is for what its path has for itself, and no scheduler has chosen the path."""
        self.size_bytes = 0
        self.sent_ns = -1
        self.delivery: Sent | None = None
        """What had been delivered when it was sent, while that is sampled."""
        self.ack_eliciting = False
        self.carries_ack = False
        self.in_flight = False
        """Counted in bytes in flight: from its sending until it is acknowledged or lost (RFC 9002 section 2)."""
        self.is_early = False
        """A 0-RTT packet, of the application's space (RFC 9000 section 12.3)."""
        self.is_probe = False
        self.ecn = 0
        """The codepoint that it arrived with (RFC 3168 section 5); the receiver's."""
        self.labels: tuple[str, ...] = ()
        """What link rules may match: which streams begin in this packet."""

    @property
    def type_name(self) -> str:
        """What a trace calls its type."""
        return "0-rtt" if self.is_early else Space(self.space).name.lower()

    @property
    def data_only(self) -> bool:
        """Whether it carries stream data and, acknowledgements apart, nothing else."""
        kinds = {frame.__class__ for frame in self.frames}
        return StreamFrame in kinds and kinds <= {StreamFrame, AckFrame, PathAckFrame}

    @property
    def ends_stream(self) -> bool:
        """Whether it carries the last byte of a stream."""
        return any(isinstance(frame, StreamFrame) and frame.fin for frame in self.frames)


class Address(NamedTuple):
    """Where a peer is; what a host and a port are is the network's business."""

    host: str
    port: int


class Retry(NamedTuple):
    """A packet without a number: who sends this token back is where it seems to be (RFC 9000 section 17.2.5)."""

    token: bytes


class VersionNegotiation(NamedTuple):
    """A packet without a number: the server has these versions and no other (section 17.2.1)."""

    versions: tuple[int, ...]


Answer = Retry | VersionNegotiation
"""What a server may send in the place of a handshake, in a datagram of its own."""


@dataclass(slots=True)
class Datagram:
    """Coalesced packets, their bytes in UDP's payload, and labels that link rules may match.

    `path_id` says by which pair of addresses it travels, `ecn` is the codepoint of its IP header (RFC 3168 section 5).
    """

    packets: tuple[Packet, ...]
    size_bytes: int
    labels: tuple[str, ...]
    path_id: int = 0
    ecn: int = 0
    """The codepoint in the IP header (RFC 3168 section 5): what it is sent with, then what it arrives with."""
    address: Address | None = None
    """Where it came from, or where it is to go; None: as ever."""
    connection_id: int | None = None
    """The number of the connection ID that its packets are addressed to; None: the path's first one."""
    version: int = VERSION_1
    """In the headers of its packets that have long ones."""
    token: bytes = b""
    """In the header of its Initial packet."""
    answer: Answer | None = None
    """It carries this packet, and none with a number."""


_LONG_HEADER_BYTES = 1 + 4 + 1 + CONNECTION_ID_BYTES + 1 + CONNECTION_ID_BYTES + 2
_HEADER_BYTES = (_LONG_HEADER_BYTES + 1, _LONG_HEADER_BYTES, 1 + CONNECTION_ID_BYTES)


def header_size(space: Space, unacknowledged: int, is_early: bool = False) -> int:
    """The bytes of a header with its packet number (RFC 9000 sections 17.1 to 17.3, appendix A.2).

    A long header carries both connection IDs and a two-byte length; an Initial also the length of a token, which is not
    counted here. The packet number is as short as its distance from the largest one acknowledged (from -1 before there
    is any) allows. A 0-RTT packet's header is as long as a Handshake packet's.
    """
    if is_early:
        space = HANDSHAKE
    if unacknowledged < 1 << 15:
        return _HEADER_BYTES[space] + (1 if unacknowledged < 1 << 7 else 2)
    return _HEADER_BYTES[space] + (3 if unacknowledged < 1 << 23 else 4)
