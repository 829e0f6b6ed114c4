"""When HyStart++ ends slow start: RFC 9406 section 4, round by round."""

import pytest

from quicsim.quic.congestion.hystart import HyStart
from tests.quic.controlled import MILLISECOND_NS, PACKET_BYTES

ROUND_NS = 100 * MILLISECOND_NS


def rounds(*round_trips_ms, samples=8, hystart=None, first=0):
    """Feed whole rounds of equal samples; after each, `-` slow start, `c` conservative slow start, `x` over."""
    hystart = hystart or HyStart()
    told = ""
    for number, rtt_ms in enumerate(round_trips_ms, first):
        now_ns = (number + 1) * ROUND_NS
        over = [hystart.sampled(round(rtt_ms * MILLISECOND_NS), now_ns + i, now_ns + 50) for i in range(samples)]
        told += "x" if any(over) else "c" if hystart.is_conservative else "-"
    return told


@pytest.mark.parametrize(
    ("round_trips_ms", "told"),
    [
        ((50, 50, 50, 50), "----"),
        # the threshold: an eighth of the last round's least, between 4 and 16 ms
        ((64, 71.9), "--"),
        ((64, 72), "-c"),
        ((8, 11.9), "--"),
        ((8, 12), "-c"),
        ((400, 415.9), "--"),
        ((400, 416), "-c"),
        # a slow rise stays below it, round by round
        ((50, 54, 58, 62, 66), "-----"),
        # five rounds of conservative slow start, the one in which it began included
        ((50, 60, 60, 60, 60, 60, 60), "-ccccc" + "x"),
        # the delay falls below where it was when that began: slow start again, and once more
        ((50, 60, 60, 59, 59), "-cc--"),
        ((50, 60, 59, 70, 70), "-c-cc"),
    ],
)
def test_rounds(round_trips_ms, told):
    assert rounds(*round_trips_ms) == told


def test_a_round_of_fewer_than_eight_samples_decides_nothing():
    assert rounds(50, 90, 90, samples=7) == "---"
    assert rounds(50, 90, samples=8) == "-c"


def test_the_least_of_a_round_counts():
    hystart = HyStart()
    rounds(50, hystart=hystart)
    for index, rtt_ms in enumerate([90, 90, 90, 55, 90, 90, 90, 90, 90]):
        hystart.sampled(rtt_ms * MILLISECOND_NS, 2 * ROUND_NS + index, 2 * ROUND_NS + 50)
    assert not hystart.is_conservative


def test_a_round_ends_with_a_packet_sent_after_it_began():
    hystart = HyStart()
    rounds(50, hystart=hystart)
    for _ in range(20):  # sent no later than when the first round began
        hystart.sampled(90 * MILLISECOND_NS, ROUND_NS + 50, 5 * ROUND_NS)
    assert not hystart.is_conservative
    for _ in range(8):
        hystart.sampled(90 * MILLISECOND_NS, ROUND_NS + 51, 5 * ROUND_NS)
    assert hystart.is_conservative


def test_conservative_growth_is_a_quarter_and_loses_nothing():
    hystart = HyStart()
    assert hystart.growth_bytes(PACKET_BYTES) == PACKET_BYTES
    rounds(50, 60, hystart=hystart)
    assert [hystart.growth_bytes(1_203) for _ in range(4)] == [300, 301, 301, 301]
