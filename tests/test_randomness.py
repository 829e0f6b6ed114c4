"""Is each draw a pure function of (seed, replication, name, n), the same on any machine, and uniform?"""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.randomness import Streams, threshold

KNOWN = [
    # seed, replication, name, n, draw
    (0, 0, "", 0, 0x2035DE98014B9852),
    (1, 0, "loss:access:client>server", 0, 0x05298BB81A79B8D1),
    (1, 0, "loss:access:client>server", 1, 0x6BBBAA3DED887FD8),
    (1, 0, "loss:access:client>server", 7, 0xA065CA18027EC3E1),
    (1, 0, "loss:access:client>server", 8, 0x5E0A5C9524232B4A),
    (1, 99, "jitter:access:server>client", 123456789, 0x163B6296FAE236B2),
    (18446744073709551616, 3, "réseau", 1099511627776, 0x9157AAE0DB840345),
]


@pytest.mark.parametrize(("seed", "replication", "name", "n", "draw"), KNOWN)
def test_known_answers(seed, replication, name, n, draw):
    assert Streams(seed, replication).stream(name).u64(n) == draw


def test_draws_do_not_depend_on_the_order_they_are_taken_in():
    stream = Streams(3, 1).stream("loss:access")
    forwards = [stream.u64(n) for n in range(100)]
    order = random.Random(5).sample(range(100), 100)
    assert {n: stream.u64(n) for n in order} == dict(enumerate(forwards))


def test_a_new_component_moves_no_draw():
    streams = Streams(3, 1)
    alone = [streams.stream("b").u64(n) for n in range(20)]
    beside = [(streams.stream("a").u64(n), streams.stream("b").u64(n))[1] for n in range(20)]
    assert alone == beside


def test_seed_replication_and_name_each_make_another_stream():
    keys = [(seed, replication, name) for seed in (0, 1, 11) for replication in (0, 1, 11) for name in ("", "1", "1/1")]
    firsts = {Streams(seed, replication).stream(name).u64(0) for seed, replication, name in keys}
    assert len(firsts) == len(keys)


@given(st.integers(0, 2**64), st.integers(1, 2**64))
def test_below_stays_below(n, bound):
    assert 0 <= Streams(1, 1).stream("x").below(n, bound) < bound


def test_below_is_uniform():
    """Pearson's chi-squared over 20 values, 20,000 draws; 43.8 is its 0.999 quantile at 19 degrees of freedom."""
    stream, counts = Streams(42, 0).stream("uniform"), [0] * 20
    for n in range(20_000):
        counts[stream.below(n, 20)] += 1
    assert sum((count - 1000) ** 2 for count in counts) / 1000 < 43.8


def test_every_bit_is_set_half_of_the_time():
    stream = Streams(42, 0).stream("bits")
    draws = [stream.u64(n) for n in range(10_000)]
    for bit in range(64):
        assert abs(sum(draw >> bit & 1 for draw in draws) - 5000) < 200  # four standard deviations


def test_neighbouring_draws_and_streams_are_uncorrelated():
    one, other = Streams(42, 0).stream("link 1"), Streams(42, 0).stream("link 2")
    pairs = [((one.u64(n) ^ one.u64(n + 1)), (one.u64(n) ^ other.u64(n))) for n in range(5000)]
    for which in (0, 1):
        differing = sum(pair[which].bit_count() for pair in pairs)
        assert abs(differing - 5000 * 32) < 4 * (5000 * 16) ** 0.5


@pytest.mark.parametrize("probability", [Fraction(0), Fraction(1, 100), Fraction(1, 3), Fraction(1)])
def test_bernoulli_happens_as_often_as_it_should(probability):
    stream = Streams(9, 0).stream("coin")
    hits = sum(stream.bernoulli(n, probability) for n in range(20_000))
    spread = (20_000 * probability * (1 - probability)) ** Fraction(1, 2)
    assert abs(hits - 20_000 * probability) <= 4 * spread


def test_a_higher_probability_keeps_what_a_lower_one_hit():
    stream = Streams(9, 0).stream("coin")
    for n in range(1000):
        assert stream.bernoulli(n, Fraction(1, 5)) >= stream.bernoulli(n, Fraction(1, 10))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: Streams(-1, 0), "seed is -1; give 0 or more"),
        (lambda: Streams(0, -1), "replication is -1; give 0 or more"),
        (lambda: Streams(0, 0).stream("x").below(0, 0), r"bound is 0; give 1 to 2\*\*64"),
        (lambda: threshold(Fraction(3, 2)), "probability is 3/2; give 0 to 1"),
    ],
)
def test_what_is_out_of_range_is_refused(use, message):
    with pytest.raises(ValueError, match=message):
        use()
