"""How much may be sent for what is delivered during recovery? RFC 6937 (now RFC 9937), as Chromium and quic-go had it.

The sending process asks whether a datagram fits between `path.bytes_in_flight` and `path.cwnd_bytes`. So, as in Linux,
the window during recovery is what is in flight plus what may be sent now; the window that the cut is to lead to is the
path's slow start threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicsim.quic.path import Path

__all__ = ["ProportionalRateReduction"]


class ProportionalRateReduction:
    """One recovery: what was in flight before it, what it delivered and what it sent. Sizes in bytes.

    What was sent between two events follows from the bytes in flight before and after them; a packet sent in spite of
    the window, as a probe is, counts as well.
    """

    __slots__ = ("_acknowledgements", "_delivered_bytes", "_flight_bytes", "_in_flight_bytes", "_sent_bytes")

    def __init__(self) -> None:
        self._flight_bytes = self._in_flight_bytes = 0
        self._delivered_bytes = self._sent_bytes = self._acknowledgements = 0

    def begin(self, path: Path, lost_bytes: int) -> int:
        """The window right after the loss that starts recovery; `path.ssthresh_bytes` is where it leads."""
        self._flight_bytes = path.bytes_in_flight + lost_bytes  # RecoverFS
        self._in_flight_bytes = path.bytes_in_flight
        self._delivered_bytes = self._sent_bytes = self._acknowledgements = 0
        return self._window_bytes(path)

    def acked(self, path: Path, size_bytes: int) -> int:
        """The window after a packet of this size, no longer in flight, was delivered."""
        self._note_sent(path, size_bytes)
        self._delivered_bytes += size_bytes
        self._acknowledgements += 1
        return self._window_bytes(path)

    def lost(self, path: Path, lost_bytes: int) -> int:
        """The window after so much more, no longer in flight, was lost."""
        self._note_sent(path, lost_bytes)
        return self._window_bytes(path)

    def _note_sent(self, path: Path, removed_bytes: int) -> None:
        in_flight_bytes = path.bytes_in_flight
        self._sent_bytes += max(in_flight_bytes + removed_bytes - self._in_flight_bytes, 0)
        self._in_flight_bytes = in_flight_bytes

    def _window_bytes(self, path: Path) -> int:
        in_flight_bytes, target_bytes = path.bytes_in_flight, path.ssthresh_bytes
        if in_flight_bytes > target_bytes:
            share_bytes = -(-self._delivered_bytes * target_bytes // self._flight_bytes)
            allowed_bytes = share_bytes - self._sent_bytes
        else:  # the slow start reduction bound: a datagram more than was delivered, for each acknowledged packet
            bound_bytes = self._delivered_bytes + self._acknowledgements * path.datagram_bytes - self._sent_bytes
            allowed_bytes = min(target_bytes - in_flight_bytes, bound_bytes)
        least_bytes = 0 if self._sent_bytes else path.datagram_bytes  # what was lost is repeated at once
        return max(in_flight_bytes + max(allowed_bytes, least_bytes), path.minimum_window_bytes)
