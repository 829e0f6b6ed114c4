"""Which packets are outstanding, and which of them did an ACK newly acknowledge? RFC 9002 appendix A.1.

One packet number space of one path: what was sent and is not settled, what was received and is not reported.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from quicsim.quic.acks import ReceivedPackets
from quicsim.quic.errors import ProtocolViolation
from quicsim.quic.streams import CryptoStream

if TYPE_CHECKING:
    from quicsim.quic.frames import AckFrame, Frame, PathAckFrame
    from quicsim.quic.packet import Packet, Space

__all__ = ["PacketNumberSpace"]


class PacketNumberSpace:
    """Sent and received packets under one sequence of packet numbers."""

    __slots__ = (
        "ack_eliciting_in_flight",
        "can_receive",
        "can_send",
        "crypto",
        "duplicates",
        "kind",
        "largest_acknowledged",
        "last_ack_eliciting_sent_ns",
        "latest_acknowledged_sent_ns",
        "loss_time_ns",
        "lost",
        "next_number",
        "oldest",
        "outstanding",
        "pending",
        "ping_needed",
        "received",
        "timed_out_ns",
        "timeouts",
    )

    def __init__(self, kind: Space) -> None:
        self.kind = kind
        self.can_send = False
        self.can_receive = False
        self.next_number = 0
        self.outstanding: dict[int, Packet] = {}
        """In flight and neither acknowledged nor lost, by ascending packet number."""
        self.oldest = 0
        """No smaller number is outstanding. Kept because a dictionary is slow to find its first entry once many before
        it are gone.
        """
        self.lost: dict[int, Packet] = {}
        """Declared lost; their content waits to be sent again."""
        self.duplicates: deque[int] = deque()
        """Packets outstanding here whose content goes out once more on a path where nothing is known yet (mp-quic)."""
        self.pending: deque[Frame] = deque()
        """Frames to send as soon as the window allows, before anything new."""
        self.ping_needed = False
        self.received = ReceivedPackets()
        self.crypto = CryptoStream()
        self.largest_acknowledged = -1
        self.latest_acknowledged_sent_ns = -1
        """When the latest-sent of the acknowledged packets was sent."""
        self.last_ack_eliciting_sent_ns = 0
        self.ack_eliciting_in_flight = 0
        self.loss_time_ns = 0
        """When the next packet becomes lost by time; 0: none will."""
        self.timeouts = 0
        """Timeouts in a row in this space, for stacks that back off in each by itself; those of one instant are one."""
        self.timed_out_ns = -1

    @property
    def lost_count(self) -> int:
        """How many lost packets' content waits to be sent again."""
        return len(self.lost)

    @property
    def largest_acknowledged_or_zero(self) -> int:
        """The largest packet number acknowledged, as an unsigned number; 0 also when there is none."""
        return max(self.largest_acknowledged, 0)

    def advance(self) -> None:
        """Move `oldest` to the smallest number that is outstanding, or to the next one to be sent."""
        oldest, following, outstanding = self.oldest, self.next_number, self.outstanding
        while oldest < following and oldest not in outstanding:
            oldest += 1
        self.oldest = oldest

    def acknowledge(self, frame: AckFrame | PathAckFrame) -> list[Packet]:
        """Settle what the frame newly acknowledges and return it. Raises ProtocolViolation for a number never sent."""
        ranges = frame.ranges
        largest = ranges[0][1]
        if largest >= self.next_number:
            raise ProtocolViolation(f"packet {largest} was acknowledged, the last one sent is {self.next_number - 1}")
        if largest > self.largest_acknowledged:
            self.largest_acknowledged = largest
        newly: list[Packet] = []
        outstanding = self.outstanding
        oldest = self.oldest
        for first, last in ranges:
            if last < oldest:
                break
            for number in range(first if first > oldest else oldest, last + 1):
                packet = outstanding.pop(number, None)
                if packet is not None:
                    newly.append(packet)
        self.advance()
        if self.lost:
            for number in [n for n in self.lost if any(first <= n <= last for first, last in ranges)]:
                newly.append(self.lost.pop(number))
        return newly
