"""How large may the window be under NewReno? RFC 9002 section 7 and appendix B; with HyStart++, RFC 9406.

The window grows by a datagram for each window acknowledged (section 7.3.3), and what was acknowledged towards the next
outlives a loss; picoquic's of 2018 forgets it, and its recovery ends not with the first packet sent after the loss, but
one minimum round-trip time later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.congestion.base import CongestionController
from quicsim.quic.congestion.hystart import HyStart
from quicsim.quic.congestion.prr import ProportionalRateReduction
from quicsim.quic.states import SendingProcessState

if TYPE_CHECKING:
    from quicsim.quic.path import Path
    from quicsim.quic.profiles import Profile

__all__ = ["NewReno"]


_CONGESTION_LIMITED = SendingProcessState.CONGESTION_LIMITED


class NewReno(CongestionController):
    """Slow start, congestion avoidance by one datagram a round trip, half the window on loss."""

    __slots__ = (
        "_avoided_bytes",
        "_back_off",
        "_growth_restarts",
        "_hystart",
        "_recovery_lasts_minimum_rtt",
        "_recovery_start_ns",
        "_reduction",
        "_undo",
    )

    def __init__(self, profile: Profile, paths: list[Path]) -> None:
        super().__init__(profile, paths)
        self._back_off = profile.back_off
        self._reduction = ProportionalRateReduction() if profile.proportional_rate_reduction else None
        self._recovery_lasts_minimum_rtt = profile.recovery_lasts_minimum_rtt
        self._growth_restarts = profile.growth_restarts_on_loss
        self._hystart = HyStart() if profile.hystart else None
        """Until the first slow start is over (RFC 9406 section 4.3)."""
        self._recovery_start_ns = -1
        self._avoided_bytes = 0
        """Acknowledged in congestion avoidance towards the next datagram of window."""
        self._undo: tuple[int, int, HyStart | None, int] | None = None
        """Window, threshold, HyStart and growth before the last cut, which may prove to have been for nothing."""

    @property
    def follows_acks(self) -> bool:
        """Only to reduce the window in proportion."""
        return self._reduction is not None

    def _in_recovery(self, path: Path, sent_ns: int, now_ns: int) -> bool:
        if self._recovery_start_ns < 0:
            return False
        if self._recovery_lasts_minimum_rtt:
            return now_ns - self._recovery_start_ns <= path.rtt.minimum_ns
        return sent_ns <= self._recovery_start_ns

    def acked(self, path: Path, size_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Grow the window, unless it was not in use (section 7.8) or the packet dates from before the last cut."""
        if (reduction := self._reduction) is not None:
            reduction.acked(path, size_bytes)
            if reduction.is_active and not self._in_recovery(path, sent_ns, now_ns):
                reduction.end(path)
        if path.sending_state < _CONGESTION_LIMITED:  # section 7.8: waiting for the pacer is no lack of data
            return
        if self._recovery_start_ns >= 0 and self._in_recovery(path, sent_ns, now_ns):
            return
        if path.cwnd_bytes < path.ssthresh_bytes:
            path.cwnd_bytes += size_bytes if self._hystart is None else self._hystart.growth_bytes(size_bytes)
            return
        self._avoided_bytes += size_bytes
        if self._avoided_bytes >= path.cwnd_bytes:
            self._avoided_bytes -= path.cwnd_bytes
            path.cwnd_bytes += path.datagram_bytes

    def congested(self, path: Path, lost_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Cut the window, once a round trip (section 7.3.2)."""
        reduction = self._reduction
        if self._in_recovery(path, sent_ns, now_ns):
            if reduction is not None and reduction.is_active:
                reduction.lost(path, lost_bytes)
            return
        self._recovery_start_ns = now_ns
        window_bytes = path.cwnd_bytes if reduction is None else reduction.window_bytes(path)
        self._undo = (window_bytes, path.ssthresh_bytes, self._hystart, self._avoided_bytes)
        self._hystart = None
        kept, of = self._back_off
        path.ssthresh_bytes = max(window_bytes * kept // of, path.minimum_window_bytes)
        path.cwnd_bytes = path.ssthresh_bytes if reduction is None else reduction.begin(path, lost_bytes)
        if self._growth_restarts:
            self._avoided_bytes = 0

    def rtt_sampled(self, path: Path, sent_ns: int, now_ns: int) -> None:
        """The first slow start may be over (RFC 9406 section 4.2): then the window is its own threshold."""
        if self._hystart is not None and self._hystart.sampled(
            path.rtt.latest_ns, sent_ns, path.application.last_ack_eliciting_sent_ns
        ):
            path.ssthresh_bytes = path.cwnd_bytes
            self._hystart = None

    def ack_told(self, path: Path, now_ns: int) -> None:
        """During recovery, what an ACK delivers is what lets more out."""
        if self._reduction is not None:
            self._reduction.ack_told(path)

    def undo(self, path: Path, now_ns: int) -> None:
        """Put back window and threshold, unless they are larger by now: no document has it, Linux does so for Reno."""
        if self._undo is None:
            return
        if self._reduction is not None:
            self._reduction.give_up()
        window_bytes, threshold_bytes, self._hystart, self._avoided_bytes = self._undo
        path.cwnd_bytes = max(path.cwnd_bytes, window_bytes)
        path.ssthresh_bytes = max(path.ssthresh_bytes, threshold_bytes)
        self._recovery_start_ns = -1
        self._undo = None

    def timed_out(self, path: Path, now_ns: int) -> None:
        """Collapse to the minimum window (section 7.6.2); the loss behind it has set the threshold already."""
        self._undo = None
        if self._reduction is not None:
            self._reduction.give_up()
        path.cwnd_bytes = path.minimum_window_bytes
        self._recovery_start_ns = -1
        self._avoided_bytes = 0
