"""How large may a datagram be? A padded packet tries a larger size. RFC 9000 section 14.3, RFC 8899.

A probe is known by its size: it is the only packet larger than the path's datagrams. Its loss says something about the
size and nothing about congestion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.frames import PaddingFrame, PingFrame
from quicsim.quic.packet import AEAD_TAG_BYTES, APPLICATION, Packet

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path

__all__ = ["is_probe", "probe", "probe_arrived"]


def is_probe(path: Path, packet: Packet) -> bool:
    """Whether a packet tries a size that the path is not known to carry."""
    return packet.size_bytes > path.datagram_bytes


def probe(connection: Connection, path: Path) -> Packet | None:
    """The packet that tries the path's next size, once; None: there is none to try, or no room in the window."""
    size_bytes = path.size_to_probe_bytes
    if not connection.is_confirmed or path.bytes_in_flight + size_bytes > path.cwnd_bytes:
        return None
    path.size_to_probe_bytes = 0
    packet = Packet(APPLICATION, path.application.next_number, size_bytes, False)
    header_bytes = connection.operations.generate_header(connection, path, packet)
    ping = PingFrame()
    packet.frames += [ping, PaddingFrame(size_bytes - header_bytes - AEAD_TAG_BYTES - 1)]
    packet.ack_eliciting = packet.in_flight = True
    packet.size_bytes = size_bytes
    return packet


def probe_arrived(path: Path, packet: Packet) -> None:
    """The peer has it: datagrams may be as large from now on."""
    path.set_datagram_size(packet.size_bytes)
