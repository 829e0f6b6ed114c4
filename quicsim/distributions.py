"""Which size, or which time, does a draw stand for? Quantile functions in integers and exact decimals.

A quantile function turns a uniform 64-bit draw into a number of its distribution, one draw for one number. Logarithms
and exponentials are the decimal module's, which rounds them correctly (General Decimal Arithmetic, IBM): a number is
the same on every machine, as those of a libm are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fractions import Fraction

    from quicsim.randomness import Stream

__all__ = ["Always", "Distribution", "Exponential", "OneOf", "Pareto", "Uniform"]

_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)
_DRAWS = 1 << 64


class Distribution(Protocol):
    """Integers by chance."""

    def draw(self, stream: Stream, n: int) -> int:
        """The integer that draw n of the stream stands for."""


@dataclass(frozen=True, slots=True)
class Always:
    """One value, without chance."""

    value: int

    def draw(self, stream: Stream, n: int) -> int:
        """See `Distribution`."""
        return self.value


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every integer from `least` to `most` alike."""

    least: int
    most: int

    def draw(self, stream: Stream, n: int) -> int:
        """See `Distribution`."""
        return self.least + stream.below(n, self.most - self.least + 1)


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these, each alike; one that is there twice twice as often."""

    values: tuple[int, ...]

    def draw(self, stream: Stream, n: int) -> int:
        """See `Distribution`."""
        return self.values[stream.below(n, len(self.values))]


@dataclass(frozen=True, slots=True)
class Exponential:
    """The time to the next event of a Poisson process: -mean ln(1 - u)."""

    mean: int

    def draw(self, stream: Stream, n: int) -> int:
        """See `Distribution`."""
        rest = _EXACT.divide(Decimal(_DRAWS - stream.u64(n)), Decimal(_DRAWS))  # above 0
        return _whole(_EXACT.multiply(Decimal(-self.mean), rest.ln(_EXACT)))


@dataclass(frozen=True, slots=True)
class Pareto:
    """A heavy tail: P(X > x) = (least / x)^shape, cut off at `most` and the rest scaled up to one."""

    least: int
    shape: Fraction
    most: int

    def draw(self, stream: Stream, n: int) -> int:
        """See `Distribution`."""
        shape = _EXACT.divide(Decimal(self.shape.numerator), Decimal(self.shape.denominator))
        ratio = _EXACT.divide(Decimal(self.least), Decimal(self.most))
        beyond = _EXACT.multiply(shape, ratio.ln(_EXACT)).exp(_EXACT)  # (least / most)^shape
        u = _EXACT.divide(Decimal(stream.u64(n)), Decimal(_DRAWS))
        survival = _EXACT.subtract(Decimal(1), _EXACT.multiply(u, _EXACT.subtract(Decimal(1), beyond)))
        growth = _EXACT.divide(survival.ln(_EXACT), _EXACT.minus(shape)).exp(_EXACT)
        return min(_whole(_EXACT.multiply(Decimal(self.least), growth)), self.most)


def _whole(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_EVEN, _EXACT))
