"""How many units of work a second does each contestant do, and in what ratio to another?

Contestants take turns: a round runs each once, so that a noisy minute of the machine hits all alike. A ratio is the
median of the rounds' own ratios; trust ratios, not absolutes.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Contestant",
    "Fact",
    "Measurement",
    "MissingPackageError",
    "Overhead",
    "Target",
    "Verdict",
    "judge",
    "measure",
]


class MissingPackageError(Exception):
    """A contestant needs a package that is not installed; the message names the extra that brings it."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One thing to time.

    Attributes:
        name: unique among all contestants.
        unit: what it does many of, such as "packet-hops".
        prepare: builds the work, untimed, and returns the function to time, which returns how many units it did.
    """

    name: str
    unit: str
    prepare: Callable[[], Callable[[], int]]


@dataclass(frozen=True, slots=True)
class Target:
    """What is promised: `contestant` does at least `ratio` times the units a second that `against` does.

    Against None, `ratio` is the units a second themselves: such a target depends on the machine.
    """

    contestant: str
    against: str | None
    ratio: float


@dataclass(frozen=True, slots=True)
class Overhead:
    """What is promised: a unit of `contestant` takes at most `at_most_ns` longer than one of `against`."""

    contestant: str
    against: str
    at_most_ns: float


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is not a speed, measured once, such as memory: its name, its unit, and what measures it."""

    name: str
    unit: str
    measure: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contestant's units a second, one figure a round."""

    contestant: Contestant
    per_second: tuple[float, ...]

    @property
    def median_per_second(self) -> float:
        """The median of its rounds."""
        return median(self.per_second)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was measured: a ratio, or nanoseconds more."""

    target: Target | Overhead
    measured: float

    @property
    def met(self) -> bool:
        """Whether the target was reached."""
        if isinstance(self.target, Overhead):
            return self.measured <= self.target.at_most_ns
        return self.measured >= self.target.ratio

    @property
    def limit(self) -> str:
        """What was promised, for people."""
        if isinstance(self.target, Overhead):
            return f"at most {self.target.at_most_ns:,g} ns more"
        return f"at least {self.target.ratio:,.2f}"


def measure(contestants: Sequence[Contestant], rounds: int) -> list[Measurement]:
    """Time each contestant `rounds` times, in turns, after one round that is not counted.

    Raises:
        MissingPackageError: a contestant's package is not installed.
    """
    figures: list[list[float]] = [[] for _ in contestants]
    for number in range(rounds + 1):
        for contestant, own in zip(contestants, figures, strict=True):
            per_second = _once(contestant)
            if number > 0:
                own.append(per_second)
    return [Measurement(contestant, tuple(own)) for contestant, own in zip(contestants, figures, strict=True)]


def judge(measurements: Sequence[Measurement], targets: Sequence[Target | Overhead]) -> list[Verdict]:
    """Hold the measurements to those targets whose contestants were all measured."""
    by_name: dict[str | None, tuple[float, ...]] = {
        measurement.contestant.name: measurement.per_second for measurement in measurements
    }
    by_name[None] = (1.0,) * len(measurements[0].per_second) if measurements else ()
    verdicts = []
    for target in targets:
        if target.contestant in by_name and target.against in by_name:
            rounds = list(zip(by_name[target.contestant], by_name[target.against], strict=True))
            if isinstance(target, Overhead):
                measured = median(1e9 / own - 1e9 / other for own, other in rounds)
            else:
                measured = median(own / other for own, other in rounds)
            verdicts.append(Verdict(target, measured))
    return verdicts


def _once(contestant: Contestant) -> float:
    work = contestant.prepare()
    gc.collect()
    start_ns = perf_counter_ns()
    units = work()
    return units * 1e9 / (perf_counter_ns() - start_ns)
