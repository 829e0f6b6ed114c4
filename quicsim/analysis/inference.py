"""What do many samples say of a mean, and of two ways to do a thing? Bootstrap intervals and paired comparisons.

Intervals are bias-corrected and accelerated (BCa; Efron 1987, Better bootstrap confidence intervals) as scipy.stats
computes them. They are of means: BCa's acceleration comes from a jackknife, which is inconsistent for a median (Efron
and Tibshirani 1993, section 11.6). Tests are Wilcoxon's signed-rank test on pairs, and Kolmogorov's and Smirnov's.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import lru_cache
from math import comb, isfinite, ulp
from typing import TYPE_CHECKING

from quicsim.analysis.statistics import CONFIDENCE, Spread

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Comparison", "Mean", "SamplePair", "compare", "mean_estimate"]

_RESAMPLES = 9999
_SEED = 1
"""Of the resampling: the same samples give the same interval."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of `count` samples, and, where there is one, the interval [low, high] that holds the true one."""

    count: int
    mean: float
    spread: Spread
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SamplePair:
    """Whether two sets of samples come from one distribution: Kolmogorov's and Smirnov's distance and p value."""

    distance: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One way against another, pair by pair."""

    difference: Mean
    """Of `samples[i] - baseline[i]`."""
    relative: float | None
    """The mean difference as a share of the baseline's mean; None where that is 0."""
    wilcoxon_p: float | None
    """That the differences lie around 0; None where all are one number, and so no chance is in them."""
    distributions: SamplePair


def mean_estimate(samples: Sequence[float], of: float = 0.0) -> Mean:
    """The mean and its 95 % interval. Raises ValueError without samples, or if one is not finite.

    Where samples are differences, `of` is the largest of the numbers that they are differences of.
    """
    if not samples:
        raise ValueError("no samples")
    if not all(map(isfinite, samples)):
        raise ValueError("samples must be finite numbers")
    return _estimated(tuple(samples), max(of, *map(abs, samples)))


def _is_one_number(samples: Sequence[float], scale: float) -> bool:
    """Whether samples that were computed from numbers as large as `scale` differ in the rounding of those only.

    Three halves of a last place is what a difference of two rounded numbers may be off, and that either way.
    """
    return max(samples) - min(samples) <= 3 * ulp(scale)


@lru_cache(maxsize=4096)
def _estimated(samples: tuple[float, ...], scale: float) -> Mean:
    count, low, high = len(samples), min(samples), max(samples)
    mean = low if low == high else statistics.fmean(samples)
    if count > 1 and _is_one_number(samples, scale):
        return Mean(count, mean, Spread.DETERMINISTIC, low, high)
    # Below, there are fewer different resamples than one for each tail: no interval can have that confidence.
    if comb(2 * count - 1, count) < 2 / (1 - CONFIDENCE):
        return Mean(count, mean, Spread.TOO_FEW, low, high)
    import numpy as np
    from scipy.stats import bootstrap

    chance = np.random.default_rng(_SEED)
    found = bootstrap(
        (samples,), np.mean, n_resamples=_RESAMPLES, confidence_level=CONFIDENCE, method="BCa", random_state=chance
    ).confidence_interval
    return Mean(count, mean, Spread.INTERVAL, float(found.low), float(found.high))


def compare(samples: Sequence[float], baseline: Sequence[float]) -> Comparison:
    """The difference of each pair, its mean with an interval, and tests. ValueError if the lengths differ or are 0."""
    if len(samples) != len(baseline):
        raise ValueError(f"pairs need equal lengths, not {len(samples)} and {len(baseline)}")
    differences = [ours - theirs for ours, theirs in zip(samples, baseline, strict=True)]
    scale = max(map(abs, (*samples, *baseline)), default=0.0)
    difference = mean_estimate(differences, scale)
    from scipy.stats import ks_2samp, wilcoxon

    base = statistics.fmean(baseline)
    test = None if _is_one_number(differences, scale) else float(wilcoxon(differences).pvalue)
    both = ks_2samp(samples, baseline)
    return Comparison(
        difference,
        difference.mean / base if base else None,
        test,
        SamplePair(float(both.statistic), float(both.pvalue)),
    )
