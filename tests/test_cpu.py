"""A core does one thing after another, each in its exact time, and nothing while it has nothing to do."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.clock import PROCESS, Clock
from quicsim.cpu import Cpu

PIECES = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 7_000)), min_size=1, max_size=30)
"""How long after the one before each piece is given, in ns, and how long it takes, in ps."""


def done(pieces):
    """When each piece is done, by number, and the core."""
    clock = Clock()
    core = Cpu(clock, 0)
    found = []
    given_ns = 0
    for number, (gap_ns, duration_ps) in enumerate(pieces):
        given_ns += gap_ns

        def give(number=number, duration_ps=duration_ps):
            core.work(duration_ps, lambda piece: found.append((piece, clock.now)), number)

        clock.call_at(given_ns, PROCESS, number, lambda _, give=give: give())
    clock.run()
    return found, core


@given(PIECES)
def test_each_piece_is_done_at_its_exact_instant_rounded_up_and_in_order(pieces):
    found, core = done(pieces)
    expected, given_ns, free = [], 0, Fraction(0)
    for number, (gap_ns, duration_ps) in enumerate(pieces):
        given_ns += gap_ns
        if free <= given_ns - 1:  # it has been idle for a nanosecond
            free = Fraction(given_ns)
        free += Fraction(duration_ps, 1000)
        expected.append((number, -(-free.numerator // free.denominator)))
    assert found == expected
    assert core.given_ps == core.busy_ps() == sum(duration for _, duration in pieces)


def test_a_train_of_short_pieces_does_not_drift():
    clock = Clock()
    core = Cpu(clock, 0)
    instants = []
    for _ in range(3_000):
        core.work(333, lambda _: instants.append(clock.now))
    clock.run()
    assert instants[0] == 1
    assert instants[-1] == 999  # 3,000 times 0.333 ns
    assert instants == [-(-333 * n // 1000) for n in range(1, 3_001)]


def test_work_given_by_work_goes_on_from_its_exact_end():
    clock = Clock()
    core = Cpu(clock, 0)
    left = [999]

    def again(_):
        if left[0]:
            left[0] -= 1
            core.work(1_500, again)

    core.work(1_500, again)
    clock.run()
    assert clock.now == 1_500


def test_work_that_takes_no_time_is_done_at_once_unless_other_work_comes_first():
    clock = Clock()
    core = Cpu(clock, 0)
    order = []
    core.work(0, order.append, "at once")
    assert order == ["at once"]
    core.work(5_000, order.append, "first")
    core.work(0, order.append, "then")
    assert order == ["at once"]
    clock.run()
    assert order == ["at once", "first", "then"]
    assert clock.now == 5


def test_how_long_it_has_been_busy_is_known_in_the_middle():
    clock = Clock()
    core = Cpu(clock, 0)
    core.work(10_500, lambda _: None)
    clock.run(until=4)
    assert (core.given_ps, core.busy_ps()) == (10_500, 4_000)
    clock.run()
    assert core.busy_ps() == 10_500


def test_two_cores_do_not_share_work():
    """And at one instant the one of the lower number is first."""
    clock = Clock()
    order = []
    for number in (1, 0):
        core = Cpu(clock, number)
        for piece in range(3):
            core.work(1_000, order.append, (number, piece))
    clock.run()
    assert order == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)], (
        "at one instant the core of the lower number is first"
    )


def test_work_of_negative_length_is_refused():
    with pytest.raises(ValueError, match="duration_ps is -1; give 0 or more"):
        Cpu(Clock(), 0).work(-1, lambda _: None)
