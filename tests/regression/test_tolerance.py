"""Is a change judged as its tolerance says?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.analysis.statistics import Spread
from quicsim.regression import Tolerance
from quicsim.regression.tolerance import Verdict, change

JUDGED = [  # tolerance, values before, values after, verdict
    (Tolerance(0.02, "higher"), [1.0, 1.0], [1.0, 1.0], Verdict.SAME),
    (Tolerance(0.02, "higher"), [1.0, 1.0], [1.019, 1.019], Verdict.WITHIN),
    (Tolerance(0.02, "higher"), [1.0, 1.0], [1.021, 1.021], Verdict.WORSE),
    (Tolerance(0.02, "higher"), [1.0, 1.0], [0.5, 0.5], Verdict.BETTER),
    (Tolerance(0.02, "lower"), [1.0, 1.0], [0.979, 0.979], Verdict.WORSE),
    (Tolerance(0.02, "lower"), [1.0, 1.0], [1.5, 1.5], Verdict.BETTER),
    (Tolerance(0.02), [1.0, 1.0], [0.97, 0.97], Verdict.WORSE),
    (Tolerance(0.02), [1.0, 1.0], [1.03, 1.03], Verdict.WORSE),
    (Tolerance(0.02), [-1.0, -1.0], [-1.01, -1.01], Verdict.WITHIN),
    (Tolerance(0.0, "higher"), [1.0, 1.0], [1.0, 1.0], Verdict.SAME),
    (Tolerance(0.0, "higher"), [0.0, 0.0], [1.0, 1.0], Verdict.WORSE),
    (Tolerance(0.0, "higher", absolute=1), [0.0, 0.0], [1.0, 1.0], Verdict.WITHIN),
    (Tolerance(0.5, "higher", absolute=1), [10.0, 10.0], [14.0, 14.0], Verdict.WITHIN),
    (Tolerance(0.01, "higher"), [1.0, 2.0, 9.0], [1.5, 2.0, 9.0], Verdict.WITHIN),  # the median pair is the same
    (None, [1.0, 1.0], [1.0, 1.0], Verdict.SAME),
    (None, [1.0, 1.0], [9.0, 9.0], Verdict.CHANGED),
]


@pytest.mark.parametrize(("tolerance", "before", "after", "verdict"), JUDGED)
def test_a_change_is_judged(tolerance, before, after, verdict):
    seen = change("v", "m_s", dict(enumerate(before)), dict(enumerate(after)), tolerance)
    assert seen.verdict is verdict


def test_pairs_are_compared_and_not_medians():
    before, after = [1.0, 2.0, 3.0], [1.5, 2.5, 3.5]
    shuffled = change("v", "m_s", dict(enumerate(before)), dict(enumerate(reversed(after))), Tolerance(0.1, "higher"))
    paired = change("v", "m_s", dict(enumerate(before)), dict(enumerate(after)), Tolerance(0.1, "higher"))
    assert shuffled.before == paired.before == 2.0
    assert shuffled.after == paired.after == 2.5
    assert (paired.difference.spread, paired.difference.median) == (Spread.DETERMINISTIC, 0.5)
    assert shuffled.difference.spread is Spread.TOO_FEW


def test_only_replications_of_both_count():
    seen = change("v", "m_s", {0: 1.0, 1: 1.0, 2: 100.0}, {0: 1.0, 1: 1.0}, Tolerance(0.0))
    assert (seen.verdict, seen.difference.count) == (Verdict.SAME, 2)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((-0.1,), "relative"), ((float("nan"),), "relative"), ((True,), "relative"), (("2 %",), "relative"),
     ((0.1, "up"), '"higher"'), ((0.1, "higher", -1), "absolute")],
)  # fmt: skip
def test_a_tolerance_that_says_nothing_is_refused(arguments, named):
    with pytest.raises(ValueError, match=named):
        Tolerance(*arguments)


@given(st.lists(st.tuples(st.floats(0.001, 1e6), st.floats(0.001, 1e6)), min_size=1, max_size=5), st.floats(0, 1))
def test_what_is_worse_one_way_is_better_the_other_and_neither_when_turned_round(pairs, share):
    before, after = (dict(enumerate(column)) for column in zip(*pairs, strict=True))
    higher = change("v", "m_s", before, after, Tolerance(share, "higher")).verdict
    lower = change("v", "m_s", before, after, Tolerance(share, "lower")).verdict
    either = change("v", "m_s", before, after, Tolerance(share)).verdict
    opposite = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}
    assert lower is opposite.get(higher, higher)
    assert either is (Verdict.WORSE if higher in opposite else higher)
