"""Do intervals of means hold what they promise, and is a sample without chance in it called so?"""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.analysis.inference import compare, mean_estimate
from quicsim.analysis.statistics import Spread

NORMAL = [statistics.NormalDist(100, 15).inv_cdf((number + 0.5) / 200) for number in range(200)]
"""As even as 200 samples of a normal distribution can be."""


def test_of_an_even_sample_the_interval_is_the_normal_one():
    found = mean_estimate(NORMAL)
    error = statistics.stdev(NORMAL) / len(NORMAL) ** 0.5
    assert (found.count, found.mean, found.spread) == (200, statistics.fmean(NORMAL), Spread.INTERVAL)
    assert (found.high - found.mean) / error == pytest.approx(1.96, rel=0.04)
    assert (found.mean - found.low) / error == pytest.approx(1.96, rel=0.04)


def test_a_skewed_sample_has_a_skewed_interval():
    found = mean_estimate([1, 1, 1, 2, 2, 3, 5, 9, 20, 50])
    assert found.high - found.mean > 1.5 * (found.mean - found.low)


@pytest.mark.parametrize("metric", [1.0, 1e-9, 1e3])
def test_pairs_that_differ_by_one_number_are_without_chance_whatever_rounding_makes_of_it(metric):
    baseline = [number * metric for number in (0.040255432, 0.0402, 0.05, 0.0703, 0.1, 0.3, 0.7)]
    shifted = [value + 0.015030101 * metric for value in baseline]
    assert len({ours - theirs for ours, theirs in zip(shifted, baseline, strict=True)}) > 1
    found = compare(shifted, baseline)
    assert (found.difference.spread, found.wilcoxon_p) == (Spread.DETERMINISTIC, None)
    assert found.difference.mean == pytest.approx(0.015030101 * metric)
    moved = compare([*shifted[:-1], shifted[-1] + 1e-9 * metric], baseline)
    assert moved.difference.spread is Spread.INTERVAL
    assert moved.difference.low < moved.difference.high


@pytest.mark.parametrize(
    ("samples", "spread"),
    [
        ([0.05] * 100, Spread.DETERMINISTIC),
        ([0.05, 0.05], Spread.DETERMINISTIC),
        ([1.0, 1.0, 1.0, 1.0, 1.0000000000000002], Spread.DETERMINISTIC),
        ([0.05], Spread.TOO_FEW),
        ([1, 2, 3, 4], Spread.TOO_FEW),
        ([1, 2, 3, 4, 5], Spread.INTERVAL),
        ([1, 1, 1, 1, 1.1], Spread.INTERVAL),
    ],
)
def test_what_is_known_of_the_spread_is_said(samples, spread):
    found = mean_estimate(samples)
    assert found.spread is spread
    assert found.low <= found.mean <= found.high


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_the_mean_lies_in_its_interval_and_the_interval_in_the_samples(samples):
    found = mean_estimate(samples)
    slack = 1e-9 * max(1.0, *map(abs, samples))
    assert min(samples) - slack <= found.low <= found.mean + slack
    assert found.mean - slack <= found.high <= max(samples) + slack
    assert mean_estimate(samples) == found


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_what_has_no_mean_is_refused(samples):
    with pytest.raises(ValueError, match="samples"):
        mean_estimate(samples)


def test_pairs_tell_more_than_two_samples():
    """A small gain that is there in each pair is found, though the samples overlap nearly whole."""
    baseline = [float(number) for number in range(20)]
    ours = [value - 0.5 - 0.01 * (number % 3) for number, value in enumerate(baseline)]
    found = compare(ours, baseline)
    assert found.difference.spread is Spread.INTERVAL
    assert -0.52 < found.difference.low < found.difference.high < -0.5
    assert found.relative == pytest.approx(-0.51 / 9.5, rel=0.01)
    assert found.wilcoxon_p < 0.001
    assert found.distributions.p_value > 0.9


def test_pairs_that_differ_by_one_number_have_no_chance_in_them():
    found = compare([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    assert (found.difference.spread, found.difference.mean, found.wilcoxon_p) == (Spread.DETERMINISTIC, 1.0, None)


def test_other_distributions_are_told_apart():
    found = compare([float(10 + n) for n in range(30)], [float(100 + n * n) for n in range(30)])
    assert found.distributions.distance == 1
    assert found.distributions.p_value < 1e-6


def test_the_baseline_may_be_zero():
    assert compare([1.0, 2.0], [0.0, 0.0]).relative is None


def test_pairs_need_equal_lengths():
    with pytest.raises(ValueError, match="equal lengths, not 1 and 2"):
        compare([1.0], [1.0, 2.0])
