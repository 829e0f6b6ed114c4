"""What do samples say? Medians with intervals, and paired differences, of plain sequences of numbers.

The interval of a median is the order-statistics interval of Conover (1999, section 3.2), as scipy.stats.quantile_test
computes it: no distribution is assumed, and the coverage is at least what is asked for.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.95


class Spread(Enum):
    """What is known of how samples vary."""

    INTERVAL = "interval"
    DETERMINISTIC = "deterministic"
    """All samples are the same number: there is nothing to estimate."""
    TOO_FEW = "too few"
    """So few samples that no two of them enclose the median with the confidence asked for (95 %: fewer than six)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median of `count` samples, and, where there is one, the interval [low, high] that holds the true one."""

    count: int
    median: float
    spread: Spread
    low: float
    high: float


def median_estimate(samples: Sequence[float]) -> Estimate:
    """The median and its 95 % interval. Raises ValueError without samples, or if one is not finite."""
    if not samples:
        raise ValueError("no samples")
    if not all(map(isfinite, samples)):
        raise ValueError("samples must be finite numbers")
    ordered = sorted(samples)
    count = len(ordered)
    median = statistics.median(ordered)
    if count > 1 and ordered[0] == ordered[-1]:
        return Estimate(count, median, Spread.DETERMINISTIC, median, median)
    ranks = _interval_ranks(count)
    if ranks is None:
        return Estimate(count, median, Spread.TOO_FEW, ordered[0], ordered[-1])
    return Estimate(count, median, Spread.INTERVAL, ordered[ranks[0]], ordered[ranks[1]])


@lru_cache
def _interval_ranks(count: int) -> tuple[int, int] | None:
    """Which two of `count` sorted samples enclose the median with CONFIDENCE: only their number decides."""
    if 2 * 0.5**count > 1 - CONFIDENCE:
        return None
    from scipy.stats import quantile_test  # a second to import: only where an interval is asked for

    interval = quantile_test(range(count), p=0.5).confidence_interval(CONFIDENCE)
    return int(interval.low), int(interval.high)


def paired_difference(samples: Sequence[float], baseline: Sequence[float]) -> Estimate:
    """The median of `samples[i] - baseline[i]`: i is a replication, which has the same chance in both.

    Raises ValueError if the lengths differ or there are none.
    """
    if len(samples) != len(baseline):
        raise ValueError(f"pairs need equal lengths, not {len(samples)} and {len(baseline)}")
    return median_estimate([ours - theirs for ours, theirs in zip(samples, baseline, strict=True)])


@dataclass(frozen=True, slots=True)
class Equivalence:
    """What a test of equivalence says: the mean difference lies within the margin, or that was not shown.

    `low` and `high` bound the mean difference with 90 %, which is what two one-sided tests at 5 % amount to.
    """

    difference: float
    low: float
    high: float
    margin: float
    p_value: float

    @property
    def equivalent(self) -> bool:
        """Whether a difference as large as the margin is ruled out, at 5 %."""
        return self.p_value < 1 - CONFIDENCE


def equivalence(samples: Sequence[float], baseline: Sequence[float], margin: float) -> Equivalence:
    """Two one-sided paired t tests (Schuirmann 1987): is the mean of `samples[i] - baseline[i]` within +-`margin`?

    Not to find a difference shows nothing; to rule out one as large as the margin does. Where all differences are the
    same number there is no chance in them, and the number decides. Raises ValueError if the lengths differ, for fewer
    than two pairs, and for a margin that is not positive.
    """
    if len(samples) != len(baseline):
        raise ValueError(f"pairs need equal lengths, not {len(samples)} and {len(baseline)}")
    if len(samples) < 2:
        raise ValueError("a test of equivalence needs two pairs or more")
    if not margin > 0:
        raise ValueError(f"the margin is {margin}; give what difference would matter, greater than 0")
    differences = [ours - theirs for ours, theirs in zip(samples, baseline, strict=True)]
    if min(differences) == max(differences):
        (always,) = set(differences)
        return Equivalence(always, always, always, margin, 0.0 if abs(always) < margin else 1.0)
    from scipy.stats import t

    count = len(differences)
    mean = statistics.fmean(differences)
    error = statistics.stdev(differences, mean) / count**0.5
    p_value = max(float(t.sf((margin + mean) / error, count - 1)), float(t.sf((margin - mean) / error, count - 1)))
    reach = float(t.ppf(CONFIDENCE, count - 1)) * error
    return Equivalence(mean, mean - reach, mean + reach, margin, p_value)


def quantiles(samples: Sequence[float], shares: Sequence[float]) -> list[float]:
    """The values that these shares (0 to 1) of the samples do not pass, linear between samples (Hyndman and Fan 7)."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    found = []
    for share in shares:
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        found.append(ordered[below] + (ordered[above] - ordered[below]) * (place - below))
    return found
