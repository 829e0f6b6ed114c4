"""How much may be sent for what is delivered during recovery? Proportional rate reduction, RFC 9937 section 6.

The sending process asks whether a datagram fits between `path.bytes_in_flight` and `path.cwnd_bytes`. So, as the RFC
has it, the window during recovery is what is in flight plus what may be sent now; the window that the cut is to lead to
is the path's slow start threshold, and at the end of recovery it is that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicsim.quic.path import Path

__all__ = ["ProportionalRateReduction"]


class ProportionalRateReduction:
    """One path's recoveries, one after the other: what was in flight, what is delivered and sent. Sizes in bytes.

    What was sent between two events follows from the bytes in flight before and after them; a packet sent in spite of
    the window, as a probe is, counts as well.
    """

    __slots__ = (
        "_acknowledged_bytes",
        "_delivered_bytes",
        "_flight_bytes",
        "_in_flight_bytes",
        "_indicates_loss",
        "_oldest",
        "_sent_bytes",
        "is_active",
    )

    def __init__(self) -> None:
        self.is_active = False
        """Recovery has begun and not ended."""
        self._acknowledged_bytes = 0
        """Of the present ACK: DeliveredData."""
        self._indicates_loss = False
        """The present ACK does."""
        self._flight_bytes = 0
        """RecoverFS: in flight before recovery."""
        self._delivered_bytes = self._sent_bytes = 0
        """prr_delivered, prr_out."""
        self._in_flight_bytes = 0
        """When that was last reckoned."""
        self._oldest = 0
        """The first packet that is neither acknowledged nor lost: what TCP calls SND.UNA."""

    def begin(self, path: Path, lost_bytes: int) -> int:
        """The window right after the loss that starts recovery; `path.ssthresh_bytes` is where it leads.

        It lets one datagram out, what was lost (the RFC: "force a fast retransmit"). Where an ACK told of the loss,
        `ack_told` reckons with what that ACK delivered.
        """
        self.is_active = self._indicates_loss = True
        self._flight_bytes = path.bytes_in_flight + lost_bytes + self._acknowledged_bytes
        self._delivered_bytes = self._sent_bytes = 0
        self._in_flight_bytes = path.bytes_in_flight
        self._has_advanced(path)
        return max(path.bytes_in_flight + path.datagram_bytes, path.minimum_window_bytes)

    def acked(self, path: Path, size_bytes: int) -> None:
        """A packet of this size, no longer in flight, was delivered."""
        self._acknowledged_bytes += size_bytes
        if self.is_active:
            self._note_sent(path, size_bytes)

    def lost(self, path: Path, lost_bytes: int) -> None:
        """So much more, no longer in flight, was lost during recovery: by itself, that lets nothing out."""
        self._indicates_loss = True
        self._note_sent(path, lost_bytes)
        path.cwnd_bytes = max(path.cwnd_bytes - lost_bytes, path.minimum_window_bytes)

    def ack_told(self, path: Path) -> None:
        """An ACK was told whole: set the window if it delivered anything during recovery."""
        newly_bytes, self._acknowledged_bytes = self._acknowledged_bytes, 0
        if not self.is_active or not newly_bytes:
            return
        self._delivered_bytes += newly_bytes
        is_safe = self._has_advanced(path) and not self._indicates_loss
        self._indicates_loss = False
        in_flight_bytes, target_bytes = path.bytes_in_flight, path.ssthresh_bytes
        if in_flight_bytes > target_bytes:
            share_bytes = -(-self._delivered_bytes * target_bytes // self._flight_bytes)
            allowed_bytes = share_bytes - self._sent_bytes
        else:  # conserve packets, or, if all goes well, send a datagram more than was delivered
            allowed_bytes = max(self._delivered_bytes - self._sent_bytes, newly_bytes)
            allowed_bytes += path.datagram_bytes if is_safe else 0
            allowed_bytes = min(target_bytes - in_flight_bytes, allowed_bytes)
        if not self._sent_bytes:  # what was lost is repeated at once; a part of a datagram would repeat nothing
            allowed_bytes = max(allowed_bytes, path.datagram_bytes)
        path.cwnd_bytes = max(in_flight_bytes + allowed_bytes, path.minimum_window_bytes)

    def end(self, path: Path) -> None:
        """Recovery is over: the window is where it was to lead."""
        path.cwnd_bytes = path.ssthresh_bytes
        self.is_active = False

    def give_up(self) -> None:
        """Something else has set the window."""
        self.is_active = False

    def window_bytes(self, path: Path) -> int:
        """The window as others are to see it: during recovery, the one that it leads to."""
        return path.ssthresh_bytes if self.is_active else path.cwnd_bytes

    def _note_sent(self, path: Path, removed_bytes: int) -> None:
        in_flight_bytes = path.bytes_in_flight
        self._sent_bytes += max(in_flight_bytes + removed_bytes - self._in_flight_bytes, 0)
        self._in_flight_bytes = in_flight_bytes

    def _has_advanced(self, path: Path) -> bool:
        """Whether, since last asked, the oldest packet was settled. A lost one is: its number is never sent again."""
        space = path.application
        space.advance()
        has_advanced = space.oldest > self._oldest
        self._oldest = space.oldest
        return has_advanced
