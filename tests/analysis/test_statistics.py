"""Do medians and intervals say what they should, also where there is little to say?"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, quantile_test, ttest_1samp

from quicsim.analysis.statistics import Spread, equivalence, median_estimate, paired_difference, quantiles


@pytest.mark.parametrize("count", [6, 7, 10, 20, 99, 100, 1000])
def test_the_interval_is_scipy_s_on_the_samples_themselves(count):
    samples = [random.Random(count + index).random() for index in range(count)]
    estimate = median_estimate(samples)
    interval = quantile_test(samples, p=0.5).confidence_interval(0.95)
    assert (estimate.low, estimate.high) == (interval.low, interval.high)
    assert estimate.spread is Spread.INTERVAL


@given(st.integers(6, 400))
def test_the_interval_covers_the_median_as_often_as_it_says(count):
    estimate = median_estimate(range(count))
    # how many samples lie below the true median is binomial; it is enclosed if more than `low`, at most `high` do
    assert binom.cdf(estimate.high, count, 0.5) - binom.cdf(estimate.low, count, 0.5) >= 0.95 - 1e-9


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60))
def test_the_median_lies_in_its_interval_and_order_does_not_matter(samples):
    estimate = median_estimate(samples)
    assert estimate.low <= estimate.median <= estimate.high
    assert estimate == median_estimate(samples[::-1])


@pytest.mark.parametrize(
    ("samples", "spread"),
    [
        ([0.05] * 100, Spread.DETERMINISTIC),
        ([0.05] * 2, Spread.DETERMINISTIC),
        ([0.05], Spread.TOO_FEW),
        ([1, 2, 3, 4, 5], Spread.TOO_FEW),
        ([1, 2, 3, 4, 5, 6], Spread.INTERVAL),
        ([0.05] * 99 + [0.06], Spread.INTERVAL),
    ],
)
def test_identical_or_few_samples_are_called_what_they_are(samples, spread):
    assert median_estimate(samples).spread is spread


def test_pairs_are_compared_one_by_one():
    baseline = [random.Random(index).random() for index in range(100)]
    shifted = [value - 0.5 for value in baseline]
    estimate = paired_difference(shifted, baseline)
    assert estimate.median == pytest.approx(-0.5)
    assert estimate.high - estimate.low < 1e-9  # the spread that both share is gone


@pytest.mark.parametrize("samples", [[], [float("nan")], [1.0, float("inf")]])
def test_what_has_no_median_is_refused(samples):
    with pytest.raises(ValueError, match="samples"):
        median_estimate(samples)


def test_pairs_need_equal_lengths():
    with pytest.raises(ValueError, match="not 1 and 2"):
        paired_difference([1], [1, 2])


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=40).filter(lambda found: max(found) - min(found) > 1e-3),
    st.floats(0.01, 2),
)
def test_equivalence_is_scipy_s_two_one_sided_tests(differences, margin):
    baseline = [10.0 + index for index in range(len(differences))]
    ours = [base + difference for base, difference in zip(baseline, differences, strict=True)]
    found = equivalence(ours, baseline, margin)
    exact = [one - other for one, other in zip(ours, baseline, strict=True)]
    lower = ttest_1samp(exact, -margin, alternative="greater").pvalue
    upper = ttest_1samp(exact, margin, alternative="less").pvalue
    assert found.p_value == pytest.approx(max(lower, upper), abs=1e-9)
    assert found.equivalent == (-margin < found.low and found.high < margin)


def test_a_difference_without_chance_decides_alone():
    assert equivalence([1.0, 2.0], [1.0, 2.0], 0.1).equivalent
    assert not equivalence([1.5, 2.5], [1.0, 2.0], 0.5).equivalent


@pytest.mark.parametrize(
    ("ours", "baseline", "margin", "message"),
    [
        ([1.0], [1.0], 1, "two pairs"),
        ([1.0, 2.0], [1.0], 1, "equal lengths"),
        ([1.0, 2.0], [1.0, 2.0], 0, "margin is 0"),
    ],
)
def test_what_cannot_be_tested_for_equivalence_is_refused(ours, baseline, margin, message):
    with pytest.raises(ValueError, match=message):
        equivalence(ours, baseline, margin)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_are_numpy_s(samples, share):
    import numpy as np

    [found] = quantiles(samples, [share])
    assert found == pytest.approx(float(np.quantile(samples, share)), abs=1e-6)
