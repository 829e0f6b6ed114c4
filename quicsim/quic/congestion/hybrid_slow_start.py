"""When does slow start end before anything is lost? When the delay grows.

Ha and Rhee, "Hybrid Slow Start for High-Bandwidth and Long-Distance Networks" (2008), without the trains of ACKs; the
values are those of Linux's CUBIC that quic-go had in 2017.
"""

from __future__ import annotations

__all__ = ["HybridSlowStart"]

SAMPLES_A_ROUND = 8  # a round's delay is the least of its first so many
LOWEST_WINDOW_PACKETS = 16  # a smaller window fills no queue worth the exit
INCREASE_DIVISOR = 8  # the delay has grown if by more than this part of the connection's least,
SMALLEST_INCREASE_NS = 4_000_000  # taken for no less
LARGEST_INCREASE_NS = 16_000_000  # and no more than this


class HybridSlowStart:
    """Rounds of slow start and whether their delay has grown. A round ends with what is sent when it begins."""

    __slots__ = ("_delay_has_grown", "_in_round", "_minimum_ns", "_round_end_sent_ns", "_samples")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Slow start begins anew, as after a timeout."""
        self._in_round = False
        self._round_end_sent_ns = 0
        self._samples = 0
        self._minimum_ns = 0
        self._delay_has_grown = False

    def sampled(self, latest_ns: int, minimum_ns: int, window_packets: int, last_sent_ns: int) -> bool:
        """Whether slow start ends with this round-trip sample.

        `minimum_ns` is the connection's least so far, `last_sent_ns` when the latest packet was sent.
        """
        if not self._in_round:
            self._in_round = True
            self._round_end_sent_ns = last_sent_ns
            self._samples = 0
        self._samples += 1
        if self._samples == 1 or (self._samples <= SAMPLES_A_ROUND and latest_ns < self._minimum_ns):
            self._minimum_ns = latest_ns
        if self._samples == SAMPLES_A_ROUND:
            increase_ns = min(max(minimum_ns // INCREASE_DIVISOR, SMALLEST_INCREASE_NS), LARGEST_INCREASE_NS)
            if self._minimum_ns > minimum_ns + increase_ns:
                self._delay_has_grown = True
        return self._delay_has_grown and window_packets >= LOWEST_WINDOW_PACKETS

    def acked(self, sent_ns: int) -> None:
        """A packet sent at this instant was acknowledged: the round is over if that was after its last packet."""
        if sent_ns > self._round_end_sent_ns:
            self._in_round = False
