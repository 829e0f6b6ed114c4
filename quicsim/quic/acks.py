"""What must be acknowledged, and in which frame? RFC 9000 sections 13.2 and 19.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.frames import ACK_DELAY_UNIT_NS, AckFrame, PathAckFrame
from quicsim.quic.ranges import RangeSet

if TYPE_CHECKING:
    from quicsim.quic.frames import EcnCounts

__all__ = ["MAXIMUM_RANGES", "ReceivedPackets"]

MAXIMUM_RANGES = 32
"""Assumed: RFC 9000 section 13.2.3 asks for a limit and names none."""


class ReceivedPackets:
    """The packet numbers received in one space, and how much of that the peer has not been told."""

    __slots__ = (
        "deadline_ns",
        "floor",
        "in_order",
        "largest",
        "largest_ack_eliciting",
        "largest_received_ns",
        "largest_reported",
        "marks",
        "ranges",
        "reported_ns",
        "unreported",
        "unreported_ack_eliciting",
        "wanted_at_once",
        "was_marked",
    )

    def __init__(self) -> None:
        self.ranges = RangeSet()
        self.largest = -1
        self.largest_received_ns = 0
        self.largest_ack_eliciting = -1
        """Of those that ask for an ACK."""
        self.largest_reported = -1
        """The largest number that an ACK frame has named."""
        self.wanted_at_once = False
        """The peer has asked so since the last ACK frame."""
        self.was_marked = False
        """The newest arrival has experienced congestion."""
        self.in_order = True
        """The newest arrival was the packet right after the largest before it."""
        self.unreported = False
        """Something arrived since the last ACK frame."""
        self.unreported_ack_eliciting = 0
        self.deadline_ns = 0
        """When an ACK frame must go out at the latest; 0: nothing asks for one."""
        self.reported_ns = 0
        """When the last ACK frame went out; 0: never."""
        self.marks: EcnCounts | None = None
        """How many packets arrived with each ECN codepoint; None: none was marked, or this stack does not count."""
        self.floor = 0
        """Packets below this number are no longer told apart from duplicates (RFC 9000 section 12.3)."""

    def is_duplicate(self, number: int) -> bool:
        """Whether the packet was processed before, or is too old to tell."""
        return number < self.floor or number in self.ranges

    def add(self, number: int, now_ns: int) -> None:
        """Note the arrival of a packet that is no duplicate."""
        self.unreported = True
        ranges = self.ranges
        self.in_order = number == self.largest + 1
        if self.in_order and ranges.stops:
            ranges.stops[-1] = number + 1  # what `add` would do: the last range ends behind the largest
        else:
            ranges.add(number, number + 1)
        if number > self.largest:
            self.largest = number
            self.largest_received_ns = now_ns

    def path_frame(self, path_id: int, now_ns: int) -> PathAckFrame:
        """The same for a path's packets, to travel on whichever path."""
        frame = self.frame(now_ns)
        return PathAckFrame(path_id, *frame)

    def frame(self, now_ns: int) -> AckFrame:
        """An ACK frame for all that arrived (newest ranges first, at most MAXIMUM_RANGES)."""
        delay = (now_ns - self.largest_received_ns) // ACK_DELAY_UNIT_NS
        starts, stops = self.ranges.starts, self.ranges.stops
        if len(starts) == 1:
            # What AckFrame(...) does, without the detour through its Python constructor.
            return tuple.__new__(AckFrame, (((starts[0], stops[0] - 1),), delay, self.marks))
        newest = zip(reversed(starts[-MAXIMUM_RANGES:]), reversed(stops[-MAXIMUM_RANGES:]), strict=True)
        return AckFrame(tuple((start, stop - 1) for start, stop in newest), delay, self.marks)

    def reported(self, now_ns: int) -> None:
        """An ACK frame went out."""
        self.unreported = False
        self.unreported_ack_eliciting = 0
        self.deadline_ns = 0
        self.reported_ns = now_ns
        self.largest_reported = self.largest
        self.wanted_at_once = False

    def forget_below(self, number: int) -> None:
        """The peer has seen our ACK of everything below `number` (section 13.2.4)."""
        if number > self.floor:
            self.floor = number
            self.ranges.discard_below(number)
            if not self.ranges.starts:
                self.unreported = False  # what arrived late was forgotten with the rest: no frame can name it
