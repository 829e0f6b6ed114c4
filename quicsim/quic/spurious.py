"""Was what was taken for lost only late? Then congestion control may take back what it did.

RFC 9438 section 4.9.2, draft-ietf-ccwg-bbr-06 section 5.5.11: a recovery was spurious when everything that was declared
lost in it is acknowledged after all. RFC 9000 section 13.3: a sender remembers it for a probe timeout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.congestion.base import SPURIOUS

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.frames import AckFrame, PathAckFrame
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["Recovery"]


class Recovery:
    """What one path's latest congestion event declared lost, and what it declared lost until the next. Instants in ns.

    As in RFC 9002 section 7.3.2, an event is a new one when a packet was lost, or marked, that was sent after the
    last one.
    """

    __slots__ = ("_began_ns", "_forget_ns", "_is_real", "missing")

    def __init__(self) -> None:
        self.missing: set[tuple[int, int]] = set()
        """(space, packet number) of those declared lost that have not been acknowledged since."""
        self._began_ns = -1
        self._forget_ns = 0
        """What is missing then was lost."""
        self._is_real = False
        """A mark says so, or something that never came."""

    def lost(self, connection: Connection, space: PacketNumberSpace, packets: list[Packet], timeout_ns: int) -> None:
        """These are declared lost, in ascending order; after the timeout they will be forgotten."""
        self._join(packets[-1].sent_ns, connection.now_ns)
        self.missing.update((space.kind, packet.number) for packet in packets)
        self._forget_ns = connection.now_ns + timeout_ns

    def marked(self, sent_ns: int, now_ns: int) -> None:
        """The network says that there is congestion: a packet of up to this instant was marked."""
        self._join(sent_ns, now_ns)
        self._is_real = True

    def acknowledged(
        self, connection: Connection, path: Path, space: PacketNumberSpace, frame: AckFrame | PathAckFrame
    ) -> None:
        """An ACK frame may name what is missing. Once nothing is, congestion control is told."""
        if connection.now_ns > self._forget_ns:
            self.missing.clear()
            self._is_real = True
            return
        ranges = frame.ranges
        late = {
            (kind, number)
            for kind, number in self.missing
            if kind == space.kind and any(first <= number <= last for first, last in ranges)
        }
        if not late:
            return
        self.missing -= late
        if not self.missing and not self._is_real:
            self._began_ns = -1
            connection.operations.congestion_control(connection, path, SPURIOUS, 0, connection.now_ns)

    def _join(self, sent_ns: int, now_ns: int) -> None:
        if sent_ns > self._began_ns:
            self._began_ns = now_ns
            self.missing.clear()
            self._is_real = False
