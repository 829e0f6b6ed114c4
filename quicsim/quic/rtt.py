"""How long does a round trip take? RFC 9002 section 5."""

from __future__ import annotations

__all__ = ["RttEstimator"]


class RttEstimator:
    """Latest, minimum, smoothed round-trip time and its mean deviation, in integer nanoseconds."""

    __slots__ = ("has_sample", "latest_ns", "minimum_ns", "smoothed_ns", "variation_ns")

    def __init__(self, initial_ns: int) -> None:
        self.has_sample = False
        self.latest_ns = 0
        self.minimum_ns = 0
        self.smoothed_ns = initial_ns
        self.variation_ns = initial_ns // 2

    def begin(self, sample_ns: int) -> None:
        """Take the first sample (section 5.3; RFC 6298 section 2.2)."""
        self.has_sample = True
        self.latest_ns = self.minimum_ns = self.smoothed_ns = sample_ns
        self.variation_ns = sample_ns // 2
