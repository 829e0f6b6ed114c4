"""What does BBR measure of a path beside its bandwidth? draft-ietf-ccwg-bbr-06.

Whether the pipe is full, the least round-trip time, the aggregation of acknowledgements, and losses. Rates in
bytes a second, sizes in bytes, times in nanoseconds.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from quicsim.quic.congestion.delivery_rate import SECOND_NS

if TYPE_CHECKING:
    from quicsim.quic.congestion.delivery_rate import DeliveryRate, Loss

__all__ = ["BETA", "INFINITY", "Aggregation", "FullPipe", "MinimumRtt", "ShortTermModel", "inflight_at_loss",
           "is_too_high"]  # fmt: skip

INFINITY = 1 << 62

BETA = (7, 10)  # section 2.8
LOSS_THRESHOLD = (2, 100)  # section 2.8
FULL_BANDWIDTH_GROWTH = (5, 4)  # section 5.3.1.2
FULL_BANDWIDTH_ROUNDS = 3  # section 5.3.1.2
EXTRA_ACKED_ROUNDS = 10  # section 2.12
MINIMUM_RTT_LASTS_NS = 10 * SECOND_NS  # section 2.16.1
PROBE_RTT_INTERVAL_NS = 5 * SECOND_NS  # section 2.16.2


def is_too_high(lost_bytes: int, in_flight_bytes: int) -> bool:
    """Whether more than LOSS_THRESHOLD of what was in flight is lost."""
    return lost_bytes * LOSS_THRESHOLD[1] > in_flight_bytes * LOSS_THRESHOLD[0]


def inflight_at_loss(loss: Loss) -> int:
    """How much was in flight when losses passed LOSS_THRESHOLD, perhaps midway in this packet (section 5.5.10.2)."""
    part, of = LOSS_THRESHOLD
    before_bytes = loss.in_flight_bytes - loss.size_bytes
    lost_before_bytes = loss.lost_bytes - loss.size_bytes
    return before_bytes + (part * before_bytes - of * lost_before_bytes) // (of - part)


class FullPipe:
    """Whether sending faster still delivers more (section 5.3.1.2)."""

    __slots__ = ("_baseline", "_rounds", "is_full", "was_full")

    def __init__(self) -> None:
        self.was_full = False
        """Ever on this connection."""
        self.reset()

    def reset(self, baseline: int = 0) -> None:
        """Look anew, from this bandwidth."""
        self._baseline, self._rounds, self.is_full = baseline, 0, False

    def round_ended(self, rate: int) -> None:
        """A round gave this sample, and the application did not limit it: three without a quarter more are enough."""
        grown, of = FULL_BANDWIDTH_GROWTH
        if self.is_full:
            return
        if rate * of >= self._baseline * grown:
            self.reset(rate)
            return
        self._rounds += 1
        if self._rounds >= FULL_BANDWIDTH_ROUNDS:
            self.is_full = self.was_full = True


class MinimumRtt:
    """The least round-trip time of the last ten seconds, and whether that of the last five is due (section 5.3.4.3)."""

    __slots__ = ("_at_ns", "_recent_at_ns", "_recent_ns", "is_due", "value_ns")

    def __init__(self) -> None:
        self.value_ns = self._recent_ns = INFINITY
        self._at_ns = self._recent_at_ns = 0
        self.is_due = False

    def sampled(self, rtt_ns: int, now_ns: int) -> None:
        """Take a sample. The first is no older than the path is known."""
        self.is_due = self._recent_ns != INFINITY and now_ns > self._recent_at_ns + PROBE_RTT_INTERVAL_NS
        if rtt_ns < self._recent_ns or self.is_due:
            self._recent_ns, self._recent_at_ns = rtt_ns, now_ns
        if self._recent_ns < self.value_ns or now_ns > self._at_ns + MINIMUM_RTT_LASTS_NS:
            self.value_ns, self._at_ns = self._recent_ns, self._recent_at_ns

    def probed(self, now_ns: int) -> None:
        """ProbeRTT is over: the next one is due five seconds from now."""
        self._recent_at_ns = now_ns


class ShortTermModel:
    """What a path that loses packets takes at present (section 5.5.10.3). Heeded outside of bandwidth probes."""

    __slots__ = ("_latest_bandwidth", "_round_ends_bytes", "bandwidth", "has_lost", "inflight", "inflight_latest",
                 "round_starts")  # fmt: skip

    def __init__(self) -> None:
        self.bandwidth = self.inflight = INFINITY
        self.has_lost = False
        """In this round."""
        self._latest_bandwidth = self.inflight_latest = 0
        """The most of the last round trip."""
        self.round_starts = False
        self._round_ends_bytes = 0

    def reset(self) -> None:
        """ResetShortTermModel."""
        self.bandwidth = self.inflight = INFINITY

    def forget(self) -> None:
        """ResetCongestionSignals."""
        self.has_lost = False
        self._latest_bandwidth = self.inflight_latest = 0

    def lost(self, delivered_bytes: int) -> None:
        """NoteLoss: the first loss begins a round."""
        if not self.has_lost:
            self._round_ends_bytes = delivered_bytes
        self.has_lost = True

    def sampled(self, delivery: DeliveryRate) -> None:
        """UpdateLatestDeliverySignals."""
        self._latest_bandwidth = max(self._latest_bandwidth, delivery.rate)
        self.inflight_latest = max(self.inflight_latest, delivery.sample_bytes)
        self.round_starts = delivery.of.delivered_bytes >= self._round_ends_bytes
        if self.round_starts:
            self._round_ends_bytes = delivery.delivered_bytes

    def adapt(self, maximum_bandwidth: int, window_bytes: int) -> None:
        """InitLowerBounds and LossLowerBounds."""
        kept, of = BETA
        bandwidth = maximum_bandwidth if self.bandwidth == INFINITY else self.bandwidth
        inflight = window_bytes if self.inflight == INFINITY else self.inflight
        self.bandwidth = max(self._latest_bandwidth, bandwidth * kept // of)
        self.inflight = max(self.inflight_latest, inflight * kept // of)

    def advance(self, delivery: DeliveryRate) -> None:
        """AdvanceLatestDeliverySignals."""
        if self.round_starts:
            self._latest_bandwidth, self.inflight_latest = delivery.rate, delivery.sample_bytes


class Aggregation:
    """How much more is acknowledged at once than the bandwidth explains (section 5.5.9)."""

    __slots__ = ("_delivered_bytes", "_start_ns", "_window")

    def __init__(self) -> None:
        self._start_ns = 0
        self._delivered_bytes = 0
        self._window: deque[tuple[int, int]] = deque()
        """(round, bytes), the largest first: what may still be the largest."""

    @property
    def extra_bytes(self) -> int:
        """The most of the last rounds."""
        return self._window[0][1] if self._window else 0

    def restart(self, now_ns: int) -> None:
        """The sender was idle."""
        self._start_ns = now_ns

    def sampled(
        self, delivery: DeliveryRate, bandwidth: int, window_bytes: int, now_ns: int, number: int, *, remembers: bool
    ) -> None:
        """Take an acknowledgement in the round of this number; only the present round counts unless it remembers."""
        expected_bytes = bandwidth * (now_ns - self._start_ns) // SECOND_NS
        if self._delivered_bytes <= expected_bytes:
            self._delivered_bytes = expected_bytes = 0
            self._start_ns = now_ns
        self._delivered_bytes += delivery.newly_acknowledged_bytes
        extra_bytes = min(self._delivered_bytes - expected_bytes, window_bytes)
        window = self._window
        while window and window[-1][1] <= extra_bytes:
            window.pop()
        window.append((number, extra_bytes))
        while window[0][0] <= number - (EXTRA_ACKED_ROUNDS if remembers else 1):
            window.popleft()
