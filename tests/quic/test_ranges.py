"""A RangeSet is a set of integers: the same answers, whatever was added in whatever order."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.quic.ranges import RangeSet

INTEGERS = st.integers(0, 14)
SPANS = st.tuples(INTEGERS, INTEGERS)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "add", "add", "discard_below"]), SPANS), max_size=25)


def built(steps):
    """The same steps on a RangeSet and on Python's own set."""
    ranges, model = RangeSet(), set()
    for step, (start, stop) in steps:
        if step == "add":
            ranges.add(start, stop)
            model |= set(range(start, stop))
        else:
            ranges.discard_below(start)
            model = {value for value in model if value >= start}
    return ranges, model


@given(STEPS)
def test_it_holds_what_a_set_holds(steps):
    ranges, model = built(steps)
    assert {value for value in range(-1, 20) if value in ranges} == model
    assert {value for start, stop in ranges for value in range(start, stop)} == model


@given(STEPS)
def test_its_ranges_are_ascending_and_never_touch(steps):
    ranges, _ = built(steps)
    pairs = list(ranges)
    assert len(ranges) == len(pairs)
    assert all(start < stop for start, stop in pairs)
    assert all(stop < start for (_, stop), (start, _) in itertools.pairwise(pairs))


@given(STEPS, SPANS)
def test_covers_and_missing_are_about_one_span(steps, span):
    ranges, model = built(steps)
    start, stop = span
    wanted = set(range(start, stop))
    assert ranges.covers(start, stop) == (wanted <= model)
    gaps = ranges.missing(start, stop)
    assert {value for first, last in gaps for value in range(first, last)} == wanted - model
    assert gaps == sorted(gaps)
    assert all(first < last for first, last in gaps)


@given(STEPS)
def test_the_contiguous_end_is_the_first_integer_missing(steps):
    ranges, model = built(steps)
    end = 0
    while end in model:
        end += 1
    assert ranges.contiguous_end == end


@pytest.mark.parametrize(
    ("spans", "shown"),
    [
        ([], "RangeSet()"),
        ([(3, 4)], "RangeSet(3..3)"),
        ([(0, 2), (5, 9), (2, 5)], "RangeSet(0..8)"),  # the gap closes
        ([(5, 9), (0, 2)], "RangeSet(0..1, 5..8)"),  # the older part arrives later
        ([(4, 4)], "RangeSet()"),
    ],
)
def test_what_it_looks_like(spans, shown):
    ranges = RangeSet()
    for start, stop in spans:
        ranges.add(start, stop)
    assert repr(ranges) == shown
