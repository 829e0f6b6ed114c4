"""How large may each window of a multipath connection be under OLIA, the opportunistic linked increases algorithm?

Khalili, Gast, Popovic, Le Boudec, "MPTCP is not Pareto-optimal" (CoNEXT 2012); draft-khalili-mptcp-congestion-control;
slow start, recovery and their constants as in mp-quic of 2017, which put OLIA into quic-go's sender.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicsim.quic.congestion.base import CongestionController
from quicsim.quic.congestion.hybrid_slow_start import HybridSlowStart
from quicsim.quic.congestion.prr import ProportionalRateReduction

if TYPE_CHECKING:
    from quicsim.quic.path import Path
    from quicsim.quic.profiles import Profile

__all__ = ["Load", "Olia", "alpha", "increase"]

MAXIMUM_BURST_PACKETS = 3  # quic-go: a window with no more room than this counts as used
SCALE_BITS = 40  # of a byte: how finely windows over different round-trip times are added up


class Load(NamedTuple):
    """What OLIA knows of a path."""

    window_bytes: int
    rtt_ns: int
    delivered_bytes: int
    """Between losses: the draft's l."""


def alpha(loads: list[Load], packet_bytes: int) -> tuple[int, int]:
    """What moves window from the largest to the best paths that have less, for the first path; as a fraction.

    The best have the largest l / rtt^2, the square of what Reno would carry there. Windows compare in whole packets.
    """
    best_bytes, best_rtt_ns = 0, 1
    for _, rtt_ns, delivered_bytes in loads:
        if delivered_bytes * best_rtt_ns**2 > best_bytes * rtt_ns**2:
            best_bytes, best_rtt_ns = delivered_bytes, rtt_ns
    windows = [load.window_bytes // packet_bytes for load in loads]
    largest = max(windows)
    collected = [
        index
        for index, (_, rtt_ns, delivered_bytes) in enumerate(loads)
        if windows[index] < largest and delivered_bytes * best_rtt_ns**2 >= best_bytes * rtt_ns**2
    ]
    if 0 in collected:
        return 1, len(loads) * len(collected)
    if collected and windows[0] == largest:
        return -1, len(loads) * windows.count(largest)
    return 0, 1


def increase(loads: list[Load], packet_bytes: int, fraction_bits: int) -> int:
    """What a packet acknowledged on the first path adds to its window, in units of 2 ** -fraction_bits packets.

    w_r / rtt_r^2 / (sum of w_p / rtt_p)^2 + alpha_r / w_r, rounded towards zero.
    """
    window_bytes, rtt_ns, _ = loads[0]
    window = window_bytes << SCALE_BITS
    total = 0  # the window that would carry all paths' load at this path's round-trip time
    for load in loads:
        total += (load.window_bytes << SCALE_BITS) * rtt_ns // load.rtt_ns
    share, of = alpha(loads, packet_bytes)
    numerator = of * window * window + share * total * total
    denominator = of * window * total * total
    magnitude = (abs(numerator) * packet_bytes << SCALE_BITS + fraction_bits) // denominator
    return magnitude if numerator >= 0 else -magnitude


class Olia(CongestionController):
    """One path's part. A window grows and shrinks by whole packets; until then, `increase` adds up."""

    __slots__ = (
        "_back_off",
        "_delivered_before_bytes",
        "_delivered_since_bytes",
        "_fraction_bits",
        "_growth",
        "_maximum_packets",
        "_packet_bytes",
        "_paths",
        "_recovering",
        "_recovery_start_ns",
        "_reduction",
        "_slow_start",
    )

    def __init__(self, profile: Profile, paths: list[Path]) -> None:
        super().__init__(profile, paths)
        self._back_off = profile.back_off
        self._fraction_bits = profile.growth_fraction_bits
        self._maximum_packets = profile.maximum_window_packets
        self._packet_bytes = profile.window_packet_bytes
        self._reduction = ProportionalRateReduction() if profile.proportional_rate_reduction else None
        self._paths = paths
        self._slow_start = HybridSlowStart()
        self._delivered_before_bytes = 0
        """Acknowledged between the last two losses (the draft's l1)."""
        self._delivered_since_bytes = 0
        """Acknowledged since the last loss (l2), without recovery, as mp-quic counts."""
        self._growth = 0
        """Of less than a packet, in units of 2 ** -growth_fraction_bits packets."""
        self._recovering = False
        self._recovery_start_ns = -1
        """What was sent at this instant or later was sent after the last cut; -1: there was none."""

    @property
    def follows_acks(self) -> bool:
        """Only to reduce the window in proportion."""
        return self._reduction is not None

    def acked(self, path: Path, size_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Grow the window. Recovery ends with the first packet sent after the cut."""
        reduction = self._reduction
        if reduction is not None:
            reduction.acked(path, size_bytes)
        if self._recovering:
            if sent_ns < self._recovery_start_ns:
                return
            self._recovering = False
            if reduction is not None:
                reduction.end(path)
        self._delivered_since_bytes += size_bytes
        packet_bytes = self._packet_bytes or path.datagram_bytes
        if self._may_grow(path, packet_bytes):
            if path.cwnd_bytes < path.ssthresh_bytes:
                path.cwnd_bytes += packet_bytes
            else:
                self._avoid_congestion(path, packet_bytes)
        if path.cwnd_bytes < path.ssthresh_bytes:
            self._slow_start.acked(sent_ns)

    def congested(self, path: Path, lost_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Cut the window, unless what was lost had been sent before the last cut: once a round trip."""
        if sent_ns < self._recovery_start_ns:
            if self._recovering and self._reduction is not None:
                self._reduction.lost(path, lost_bytes)
            return
        kept, of = self._back_off
        path.ssthresh_bytes = max(self.window_bytes(path) * kept // of, path.minimum_window_bytes)
        self._delivered_before_bytes, self._delivered_since_bytes = self._delivered_since_bytes, 0
        self._recovering = True
        already_sent = path.application.last_ack_eliciting_sent_ns == now_ns  # at this instant: it goes with before
        self._recovery_start_ns = now_ns + 1 if already_sent else now_ns
        reduction = self._reduction
        path.cwnd_bytes = path.ssthresh_bytes if reduction is None else reduction.begin(path, lost_bytes)

    def ack_told(self, path: Path, now_ns: int) -> None:
        """During recovery, what an ACK delivers is what lets more out."""
        if self._reduction is not None:
            self._reduction.ack_told(path)

    def rtt_sampled(self, path: Path, sent_ns: int, now_ns: int) -> None:
        """Leave slow start at this window if the delay has grown."""
        window_bytes = self.window_bytes(path)
        if window_bytes < path.ssthresh_bytes:
            packets = window_bytes // (self._packet_bytes or path.datagram_bytes)
            last_sent_ns = path.application.last_ack_eliciting_sent_ns
            if self._slow_start.sampled(path.rtt.latest_ns, path.rtt.minimum_ns, packets, last_sent_ns):
                path.ssthresh_bytes = window_bytes

    def timed_out(self, path: Path, now_ns: int) -> None:
        """Begin again from the minimum window, up to half of what the loss behind the timeout left."""
        path.ssthresh_bytes = max(self.window_bytes(path) // 2, path.minimum_window_bytes)
        path.cwnd_bytes = path.minimum_window_bytes
        if self._reduction is not None:
            self._reduction.give_up()
        self._recovering = False
        self._recovery_start_ns = -1
        self._delivered_before_bytes = self._delivered_since_bytes = self._growth = 0
        self._slow_start.restart()

    def window_bytes(self, path: Path) -> int:
        """The path's window as its siblings see it: during a proportional reduction, the one that it leads to."""
        return path.cwnd_bytes if self._reduction is None else self._reduction.window_bytes(path)

    def load(self, path: Path) -> Load:
        """What the path carries. Its l is the larger of what went well up to the last loss and what has since."""
        delivered_bytes = max(self._delivered_before_bytes, self._delivered_since_bytes)
        return Load(self.window_bytes(path), path.rtt.smoothed_ns, delivered_bytes)

    def _may_grow(self, path: Path, packet_bytes: int) -> bool:
        """Whether the window is in use and not at its maximum. In use, says quic-go, is one that is full, but for a
        burst; in slow start, already one that is more than half full. The packet just acknowledged counts as gone.
        """
        window_bytes = path.cwnd_bytes
        if self._maximum_packets and window_bytes + packet_bytes > self._maximum_packets * packet_bytes:
            return False
        in_flight_bytes = path.bytes_in_flight
        if window_bytes - in_flight_bytes <= MAXIMUM_BURST_PACKETS * packet_bytes:
            return True
        return window_bytes < path.ssthresh_bytes and 2 * in_flight_bytes > window_bytes

    def _avoid_congestion(self, path: Path, packet_bytes: int) -> None:
        self._growth += increase(self._loads(path), packet_bytes, self._fraction_bits)
        whole = 1 << self._fraction_bits
        if self._growth >= whole:
            self._growth -= whole
            path.cwnd_bytes += packet_bytes
        elif self._growth <= -whole:
            self._growth += whole
            path.cwnd_bytes = max(path.cwnd_bytes - packet_bytes, path.minimum_window_bytes)

    def _loads(self, path: Path) -> list[Load]:
        """The load of this path and then of those that share it.

        The path that carried the handshake carries nothing else once there are others, and takes part in its own window
        only. Nor does one of unknown round-trip time take part, nor one under another controller.
        """
        loads = [self.load(path)]
        for other in self._paths:
            if other is not path and other.path_id and other.rtt.has_sample and isinstance(other.congestion, Olia):
                loads.append(other.congestion.load(other))
        return loads
