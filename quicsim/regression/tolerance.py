"""How much worse may a metric become, and which way is worse?

Runs are compared pair by pair: a replication has the same chance before and after, so what differs is the change's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicsim.analysis.statistics import Estimate

__all__ = ["Change", "Tolerance", "Verdict", "Worse", "change"]

Worse = Literal["higher", "lower", "either"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A metric may be worse by this share of what it was, or by `absolute` in its own unit, whichever is more.

    `worse` says in which direction a change is one for the worse; "either" asks for no change at all beyond that.
    """

    relative: float = 0.0
    worse: Worse = "either"
    absolute: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("relative", self.relative), ("absolute", self.absolute)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or value < 0:
                raise ValueError(f"Tolerance: {name} is {value!r}; give a number, 0 or more (0.02 is 2 %)")
        if self.worse not in get_args(Worse):
            raise ValueError(f'Tolerance: worse is {self.worse!r}; write "higher", "lower" or "either"')

    def allowed(self, before: float) -> float:
        """By how much a metric that was `before` may be worse."""
        return max(self.relative * abs(before), self.absolute)

    def __str__(self) -> str:
        parts = [f"{self.relative * 100:g} %"] if self.relative or not self.absolute else []
        if self.absolute:
            parts.append(f"{self.absolute:g} in its own unit")
        way = "apart" if self.worse == "either" else self.worse
        return f"at most {' or '.join(parts)} {way}"


class Verdict(Enum):
    """What a change is."""

    SAME = "same"
    WITHIN = "within"
    """There is a change, and no more of it than is tolerated."""
    BETTER = "better"
    WORSE = "worse"
    CHANGED = "changed"
    """No tolerance says which way is worse, or how much of it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of one variant: the medians before and after, the median difference of the pairs with its interval."""

    variant: str
    metric: str
    before: float
    after: float
    difference: Estimate
    tolerance: Tolerance | None
    verdict: Verdict

    @property
    def relative(self) -> float | None:
        """The difference as a share of the median before; None where that is 0."""
        return self.difference.median / abs(self.before) if self.before else None


def change(
    variant: str,
    metric: str,
    before: Mapping[int, float],
    after: Mapping[int, float],
    tolerance: Tolerance | None,
) -> Change:
    """Compare the replications that both have; ValueError where they have none in common."""
    from statistics import median

    from quicsim.analysis.statistics import paired_difference

    common = [number for number in before if number in after]
    olds, news = [before[number] for number in common], [after[number] for number in common]
    difference = paired_difference(news, olds)
    was = median(olds)
    verdict = _verdict(difference.median, is_same=olds == news, was=was, tolerance=tolerance)
    return Change(variant, metric, was, median(news), difference, tolerance, verdict)


def _verdict(difference: float, *, is_same: bool, was: float, tolerance: Tolerance | None) -> Verdict:
    if is_same:
        return Verdict.SAME
    if tolerance is None:
        return Verdict.CHANGED
    if abs(difference) <= tolerance.allowed(was):
        return Verdict.WITHIN
    if tolerance.worse == "either":
        return Verdict.WORSE
    return Verdict.WORSE if (difference > 0) == (tolerance.worse == "higher") else Verdict.BETTER
