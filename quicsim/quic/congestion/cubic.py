"""How large may the window be under CUBIC? RFC 9438, with HyStart++ (RFC 9406) for the first slow start.

All in integers, the cube root too, so that no library's last bit reaches a result. A congestion event cuts what the
window is and not what is in flight: section 4.6 allows it to who keeps an unused window from growing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicsim.quic.congestion.base import CongestionController
from quicsim.quic.congestion.hystart import HyStart
from quicsim.quic.congestion.prr import ProportionalRateReduction
from quicsim.quic.states import SendingProcessState

if TYPE_CHECKING:
    from quicsim.quic.path import Path
    from quicsim.quic.profiles import Profile

__all__ = ["Cubic", "cube_root", "cubic_window_bytes", "time_to_plateau_ns"]

_CONGESTION_LIMITED = SendingProcessState.CONGESTION_LIMITED

BETA = (7, 10)  # section 4.6
C = (2, 5)  # section 5.1: 0.4 segments a second cubed
RENO_FRIENDLY_ALPHA = (9, 17)  # section 4.3: 3 (1 - beta) / (1 + beta)
CUBED_SECOND = 10**27  # in cubic nanoseconds
FRACTION_BITS = 20  # of a byte: how finely the Reno-friendly window is added up


def cube_root(value: int) -> int:
    """The largest integer whose cube is not above `value`, which is not negative."""
    if value == 0:
        return 0
    root = 1 << -(-value.bit_length() // 3)  # not below the root
    while True:
        better = (2 * root + value // (root * root)) // 3
        if better >= root:
            return root
        root = better


def time_to_plateau_ns(maximum_bytes: int, window_bytes: int, datagram_bytes: int) -> int:
    """K: how long the cubic function takes from the window at which it starts to its plateau (equation 2)."""
    missing_bytes = max(maximum_bytes - window_bytes, 0)
    return cube_root(missing_bytes * C[1] * CUBED_SECOND // (C[0] * datagram_bytes))


def cubic_window_bytes(elapsed_ns: int, plateau_ns: int, maximum_bytes: int, datagram_bytes: int) -> int:
    """W_cubic(t), so long after congestion avoidance began (equation 1)."""
    return maximum_bytes + datagram_bytes * C[0] * (elapsed_ns - plateau_ns) ** 3 // (C[1] * CUBED_SECOND)


class Before(NamedTuple):
    """What a cut changes: the controller's fields of these names, the path's window and threshold."""

    window_bytes: int
    threshold_bytes: int
    prior_bytes: int
    maximum_bytes: int
    epoch_start_ns: int
    plateau_ns: int
    estimate: int
    growth: int
    hystart: HyStart | None


class Cubic(CongestionController):
    """One path's window. Instants and durations are nanoseconds."""

    __slots__ = (
        "_epoch_start_ns",
        "_estimate",
        "_growth",
        "_hystart",
        "_limited_since_ns",
        "_maximum_bytes",
        "_plateau_ns",
        "_prior_bytes",
        "_recovery_start_ns",
        "_reduction",
        "_undo",
    )

    undoes_by_itself = True

    def __init__(self, profile: Profile, paths: list[Path]) -> None:
        super().__init__(profile, paths)
        self._reduction = ProportionalRateReduction() if profile.proportional_rate_reduction else None
        self._hystart = HyStart() if profile.hystart else None
        """Until the first slow start is over (RFC 9406 section 4.3)."""
        self._maximum_bytes = 0
        """W_max; 0: no congestion yet."""
        self._prior_bytes = 0
        """cwnd_prior, the window before the last cut, or at the end of the first slow start; 0: neither has been."""
        self._recovery_start_ns = -1
        self._epoch_start_ns = -1
        """When the present congestion avoidance began; -1: it has not."""
        self._plateau_ns = 0
        self._estimate = 0
        """W_est, in units of 2 ** -FRACTION_BITS bytes."""
        self._growth = 0
        """What is left of the window's growth, in units of a byte by the window."""
        self._limited_since_ns = -1
        """Since when the window is not used up; -1: it is."""
        self._undo: Before | None = None
        """What the last cut, which may prove to have been for nothing, changed."""

    @property
    def follows_acks(self) -> bool:
        """Only to reduce the window in proportion."""
        return self._reduction is not None

    def acked(self, path: Path, size_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Grow the window, unless it was not in use (section 5.8) or the packet dates from before the last cut."""
        if (reduction := self._reduction) is not None:
            reduction.acked(path, size_bytes)
            if reduction.is_active and sent_ns > self._recovery_start_ns:
                reduction.end(path)
        if path.sending_state < _CONGESTION_LIMITED:
            if self._limited_since_ns < 0:
                self._limited_since_ns = now_ns
            return
        if sent_ns <= self._recovery_start_ns:
            return
        if self._limited_since_ns >= 0:  # section 4.2: t leaves out when the window could not grow
            if self._epoch_start_ns >= 0:
                self._epoch_start_ns += now_ns - self._limited_since_ns
            self._limited_since_ns = -1
        if path.cwnd_bytes < path.ssthresh_bytes:
            path.cwnd_bytes += size_bytes if self._hystart is None else self._hystart.growth_bytes(size_bytes)
            return
        if self._epoch_start_ns < 0:
            self._begin_avoidance(path, now_ns)
        self._avoid_congestion(path, size_bytes, now_ns)

    def congested(self, path: Path, lost_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Cut the window, once a round trip (section 4.6); release more to those that come later (section 4.7)."""
        reduction = self._reduction
        if sent_ns <= self._recovery_start_ns:
            if reduction is not None and reduction.is_active:
                reduction.lost(path, lost_bytes)
            return
        self._recovery_start_ns = now_ns
        window_bytes = path.cwnd_bytes if reduction is None else reduction.window_bytes(path)
        self._undo = Before(
            window_bytes, path.ssthresh_bytes, self._prior_bytes, self._maximum_bytes, self._epoch_start_ns,
            self._plateau_ns, self._estimate, self._growth, self._hystart,
        )  # fmt: skip
        self._hystart = None
        kept, of = BETA
        if window_bytes < self._maximum_bytes:  # fast convergence
            self._maximum_bytes = window_bytes * (of + kept) // (2 * of)
        else:
            self._maximum_bytes = window_bytes
        self._prior_bytes = window_bytes
        path.ssthresh_bytes = max(window_bytes * kept // of, path.minimum_window_bytes)
        path.cwnd_bytes = path.ssthresh_bytes if reduction is None else reduction.begin(path, lost_bytes)
        self._epoch_start_ns = -1

    def rtt_sampled(self, path: Path, sent_ns: int, now_ns: int) -> None:
        """The first slow start may be over (RFC 9406 section 4.2): then the window is its own threshold."""
        if self._hystart is None:
            return
        if self._hystart.sampled(path.rtt.latest_ns, sent_ns, path.application.last_ack_eliciting_sent_ns):
            path.ssthresh_bytes = path.cwnd_bytes
            self._hystart = None

    def ack_told(self, path: Path, now_ns: int) -> None:
        """During recovery, what an ACK delivers is what lets more out (RFC 9937; here section 4.6)."""
        if self._reduction is not None:
            self._reduction.ack_told(path)

    def undo(self, path: Path, now_ns: int) -> None:
        """Put everything back, unless the window is larger by now (section 4.9.2)."""
        before, self._undo = self._undo, None
        if before is None or path.cwnd_bytes >= before.window_bytes:
            return
        if self._reduction is not None:
            self._reduction.give_up()
        path.cwnd_bytes, path.ssthresh_bytes = before.window_bytes, before.threshold_bytes
        self._prior_bytes, self._maximum_bytes = before.prior_bytes, before.maximum_bytes
        self._epoch_start_ns, self._plateau_ns = before.epoch_start_ns, before.plateau_ns
        self._estimate, self._growth, self._hystart = before.estimate, before.growth, before.hystart
        self._recovery_start_ns = -1

    def timed_out(self, path: Path, now_ns: int) -> None:
        """Collapse to the minimum window (section 4.8); the loss behind it has set the threshold already.

        Congestion avoidance then begins on the plateau: K is 0, W_max the window of that time.
        """
        self._undo = None
        if self._reduction is not None:
            self._reduction.give_up()
        path.cwnd_bytes = path.minimum_window_bytes
        self._recovery_start_ns = -1
        self._epoch_start_ns = -1
        self._maximum_bytes = 0

    def _begin_avoidance(self, path: Path, now_ns: int) -> None:
        """A stage of congestion avoidance starts, after a cut or, without a W_max, after slow start (section 4.10)."""
        window_bytes = path.cwnd_bytes
        if not self._maximum_bytes:
            self._maximum_bytes = window_bytes
        if not self._prior_bytes:
            self._prior_bytes = window_bytes
        self._epoch_start_ns = now_ns
        self._plateau_ns = time_to_plateau_ns(self._maximum_bytes, window_bytes, path.datagram_bytes)
        self._estimate = window_bytes << FRACTION_BITS
        self._growth = 0

    def _avoid_congestion(self, path: Path, size_bytes: int, now_ns: int) -> None:
        """Sections 4.2 to 4.5: to where the cubic function is a round trip from now, or as Reno would, where more."""
        window_bytes, datagram_bytes = path.cwnd_bytes, path.datagram_bytes
        share, of = RENO_FRIENDLY_ALPHA if self._estimate >> FRACTION_BITS < self._prior_bytes else (1, 1)
        self._estimate += (share * size_bytes * datagram_bytes << FRACTION_BITS) // (of * window_bytes)
        estimate_bytes = self._estimate >> FRACTION_BITS
        elapsed_ns = now_ns - self._epoch_start_ns
        maximum_bytes, plateau_ns = self._maximum_bytes, self._plateau_ns
        if cubic_window_bytes(elapsed_ns, plateau_ns, maximum_bytes, datagram_bytes) < estimate_bytes:
            if estimate_bytes > window_bytes:
                path.cwnd_bytes = estimate_bytes
            return
        target_bytes = cubic_window_bytes(elapsed_ns + path.rtt.smoothed_ns, plateau_ns, maximum_bytes, datagram_bytes)
        target_bytes = min(target_bytes, window_bytes * 3 // 2)
        if target_bytes > window_bytes:
            growth, self._growth = divmod((target_bytes - window_bytes) * size_bytes + self._growth, window_bytes)
            path.cwnd_bytes = window_bytes + growth
