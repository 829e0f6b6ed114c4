"""Has a distribution the mean and the tail that its formula gives, and is a draw a function of its index alone?"""

import math
from decimal import Context, setcontext
from fractions import Fraction
from statistics import mean

import pytest

from quicsim.distributions import Always, Exponential, OneOf, Pareto, Uniform
from quicsim.randomness import Stream, Streams

COUNT = 4_000
STREAM = Streams(7, 0).stream("this test")
SHAPE = Fraction(3, 2)


class Fixed(Stream):
    """A stream whose every draw is one word."""

    def __init__(self, word):
        super().__init__(b"")
        self.word = word

    def u64(self, n):
        return self.word


def pareto_mean(least, shape, most):
    """The mean of a Pareto distribution cut off at `most`."""
    ratio = least / most
    return shape * least / (shape - 1) * (1 - ratio ** (shape - 1)) / (1 - ratio**shape)


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (Always(42), 42),
        (Uniform(100, 300), 200),
        (OneOf((10, 20, 90)), 40),
        (Exponential(1_000_000_000), 1_000_000_000),
        (Pareto(1_000, SHAPE, 20_000), pareto_mean(1_000, 1.5, 20_000)),
    ],
    ids=repr,
)
def test_the_mean_is_the_formula_s(distribution, expected):
    drawn = [distribution.draw(STREAM, n) for n in range(COUNT)]
    assert mean(drawn) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("value", [2_000, 5_000])
def test_a_tail_is_as_heavy_as_its_shape_says(value):
    beyond = sum(Pareto(1_000, SHAPE, 10**12).draw(STREAM, n) > value for n in range(COUNT))
    assert beyond / COUNT == pytest.approx((1_000 / value) ** 1.5, rel=0.1)


@pytest.mark.parametrize(
    ("distribution", "word", "expected"),
    [
        (Uniform(5, 8), 0, 5),
        (Uniform(5, 8), 2**64 - 1, 8),
        (Exponential(10**9), 0, 0),
        (Exponential(10**9), 2**63, round(10**9 * math.log(2))),
        (Exponential(10**9), 2**64 - 1, round(10**9 * 64 * math.log(2))),
        (Pareto(1_000, Fraction(1), 1_000_000), 0, 1_000),
        (Pareto(1_000, Fraction(1), 1_000_000), 2**64 - 1, 1_000_000),
        (Pareto(1_000, Fraction(2), 10**15), 3 * 2**62, 2_000),
        (OneOf((3, 1, 2)), 0, 3),
        (OneOf((3, 1, 2)), 2**64 - 1, 2),
    ],
)
def test_a_quantile_is_where_its_formula_puts_it(distribution, word, expected):
    assert distribution.draw(Fixed(word), 0) == expected


def test_the_decimal_context_of_a_program_changes_nothing():
    expected = Pareto(1_000, SHAPE, 10**9).draw(STREAM, 5), Exponential(10**12).draw(STREAM, 5)
    try:
        setcontext(Context(prec=3))
        assert (Pareto(1_000, SHAPE, 10**9).draw(STREAM, 5), Exponential(10**12).draw(STREAM, 5)) == expected
    finally:
        setcontext(Context())
