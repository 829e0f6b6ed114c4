"""When does the first slow start end before anything is lost? HyStart++, RFC 9406.

Round trips are told apart by when packets were sent: one ends with the first acknowledgement of a packet sent after it
began. Pacing limits bursts, so growth has no other limit (section 4.3: L is infinite).
"""

from __future__ import annotations

__all__ = ["HyStart"]

# Section 4.3
MINIMUM_THRESHOLD_NS = 4_000_000
MAXIMUM_THRESHOLD_NS = 16_000_000
MINIMUM_RTT_DIVISOR = 8
SAMPLES_A_ROUND = 8
CONSERVATIVE_GROWTH_DIVISOR = 4
CONSERVATIVE_ROUNDS = 5

NO_SAMPLE = 1 << 62


class HyStart:
    """Slow start, and conservative slow start once the delay has grown. Durations and instants are nanoseconds."""

    __slots__ = ("_baseline_ns", "_current_ns", "_last_ns", "_remainder_bytes", "_rounds", "_samples", "_window_end_ns")

    def __init__(self) -> None:
        self._window_end_ns = -1
        """When the last packet before the present round went out."""
        self._last_ns = NO_SAMPLE
        """lastRoundMinRTT."""
        self._current_ns = NO_SAMPLE
        """currentRoundMinRTT."""
        self._samples = 0
        self._baseline_ns = NO_SAMPLE
        """cssBaselineMinRtt; while there is none, slow start is the usual one."""
        self._rounds = 0
        """Rounds of conservative slow start so far, the one in which it began included."""
        self._remainder_bytes = 0

    @property
    def is_conservative(self) -> bool:
        """Whether the delay has grown and slow start goes on cautiously."""
        return self._baseline_ns != NO_SAMPLE

    def growth_bytes(self, acknowledged_bytes: int) -> int:
        """What an acknowledgement of so much adds to the window."""
        if self._baseline_ns == NO_SAMPLE:
            return acknowledged_bytes
        growth, self._remainder_bytes = divmod(acknowledged_bytes + self._remainder_bytes, CONSERVATIVE_GROWTH_DIVISOR)
        return growth

    def sampled(self, rtt_ns: int, sent_ns: int, last_sent_ns: int) -> bool:
        """Whether slow start is over, with this round-trip sample of a packet sent at `sent_ns` (section 4.2).

        `last_sent_ns` is when the latest packet went out.
        """
        if sent_ns > self._window_end_ns:
            if self._baseline_ns != NO_SAMPLE:
                self._rounds += 1
                if self._rounds > CONSERVATIVE_ROUNDS:
                    return True
            self._window_end_ns = last_sent_ns
            self._last_ns, self._current_ns = self._current_ns, NO_SAMPLE
            self._samples = 0
        self._samples += 1
        if rtt_ns < self._current_ns:
            self._current_ns = rtt_ns
        if self._samples < SAMPLES_A_ROUND:
            return False
        if self._baseline_ns != NO_SAMPLE:
            if self._current_ns < self._baseline_ns:  # the delay was a passing one
                self._baseline_ns = NO_SAMPLE
        elif self._last_ns != NO_SAMPLE:
            threshold_ns = max(MINIMUM_THRESHOLD_NS, min(self._last_ns // MINIMUM_RTT_DIVISOR, MAXIMUM_THRESHOLD_NS))
            if self._current_ns >= self._last_ns + threshold_ns:
                self._baseline_ns = self._current_ns
                self._rounds = 1
        return False
