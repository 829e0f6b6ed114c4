"""How many bytes does the packet's header take?

Paper section 2, figure 1 (second box); RFC 9000 section 17. Headers are not encoded unless a program asks for bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW, PACKET_SPACE
from quicsim.operations.operation import Field, Operation, Output, Rule, u16, u64
from quicsim.quic.packet import APPLICATION, INITIAL, header_size
from quicsim.quic.varint import varint_size

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path

__all__ = ["generate_header"]

generate_header = Operation(
    number=0x02,
    name="GenerateHeader",
    meaning="Writes the packet's header.",
    source="paper section 2, figure 1; RFC 9000 sections 17.1 to 17.3",
    arguments=("connection", "path", "packet"),
    inputs=(
        NOW,
        Field("packet_number", u64, "packet.number", "the packet being assembled"),
        Field("room_bytes", u16, "packet.room_bytes", "what the packet may take in the datagram"),
        PACKET_SPACE,
    ),
    output=Output(u16, "bytes of the header, packet number included", unit="bytes"),
    rules=(Rule("result >= 1"), Rule("result <= 64")),
)


@generate_header.default()
def shortest_header(connection: Connection, path: Path, packet: Packet) -> int:
    """A long header until the handshake's end, then a short one; the packet number as short as section 17.1 allows."""
    unacknowledged = packet.number - path.spaces[packet.space].largest_acknowledged
    size = header_size(packet.space, unacknowledged, packet.is_early)
    return size + token_size(connection.token) if packet.space is INITIAL and connection.token else size


def token_size(token: bytes) -> int:
    """What a token adds to an Initial packet's header, the length of which has a byte already (section 17.2.2)."""
    return varint_size(len(token)) - 1 + len(token)


@generate_header.default("mp-quic")
def shortest_header_with_path(connection: Connection, path: Path, packet: Packet) -> int:
    """One byte more once the handshake is over: the path's identifier, as mp-quic's public header has it."""
    return shortest_header(connection, path, packet) + (packet.space is APPLICATION and not packet.is_early)
