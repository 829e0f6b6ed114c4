"""When slow start ends on delay: a table of rounds, then OLIA's own use of it."""

import pytest

from quicsim.quic.congestion.hybrid_slow_start import HybridSlowStart
from tests.quic.controlled import MILLISECOND_NS, PACKET_BYTES, ack, paths_under

US = 1_000


def exits(samples_us, *, minimum_us, window=16, last_sent=0):
    """At which of these samples of one round slow start ends, from 1; 0: at none."""
    slow_start = HybridSlowStart()
    for number, sample_us in enumerate(samples_us, 1):
        if slow_start.sampled(sample_us * US, minimum_us * US, window, last_sent):
            return number
    return 0


@pytest.mark.parametrize(
    ("samples_us", "minimum_us", "window", "sample"),
    [
        # an eighth of the minimum, at least 4 ms, at most 16 ms
        ([80_001 + 10_000] * 8, 80_000, 16, 8),
        ([80_000 + 10_000] * 8, 80_000, 16, 0),
        ([10_000 + 4_001] * 8, 10_000, 16, 8),
        ([10_000 + 4_000] * 8, 10_000, 16, 0),
        ([400_000 + 16_001] * 8, 400_000, 16, 8),
        ([400_000 + 16_000] * 8, 400_000, 16, 0),
        ([32_000 + 4_001] * 8, 32_000, 16, 8),
        ([128_000 + 16_001] * 8, 128_000, 16, 8),
        # the least of the first eight counts, wherever it is, and only those
        ([50_000, *[90_000] * 7], 50_000, 16, 0),
        ([*[90_000] * 7, 50_000], 50_000, 16, 0),
        ([*[90_000] * 8, 50_000], 50_000, 16, 8),
        ([90_000] * 7, 50_000, 16, 0),
        ([50_000, *[90_000] * 20], 50_000, 16, 0),
        # a window below 16 packets stays in slow start
        ([90_000] * 8, 50_000, 15, 0),
        ([90_000] * 20, 50_000, 15, 0),
    ],
)
def test_the_delay_of_a_round(samples_us, minimum_us, window, sample):
    assert exits(samples_us, minimum_us=minimum_us, window=window) == sample


def test_an_exit_that_the_window_was_too_small_for_comes_with_the_window():
    slow_start = HybridSlowStart()
    assert not any(slow_start.sampled(90 * MILLISECOND_NS, MILLISECOND_NS, 15, 0) for _ in range(8))
    assert slow_start.sampled(MILLISECOND_NS, MILLISECOND_NS, 16, 0)


@pytest.mark.parametrize(
    ("sent", "sample"),
    [
        (100, 0),  # the last packet of the round: the round goes on, its first sample was low
        (101, 8),  # a later one: a new round, all of whose samples are high
    ],
)
def test_a_round_ends_with_a_packet_sent_after_it_began(sent, sample):
    slow_start = HybridSlowStart()
    assert not slow_start.sampled(50 * MILLISECOND_NS, 50 * MILLISECOND_NS, 100, 100)
    slow_start.acked(sent)
    ends = [slow_start.sampled(90 * MILLISECOND_NS, 50 * MILLISECOND_NS, 100, 200) for _ in range(12)]
    assert (ends.index(True) + 1 if any(ends) else 0) == sample


def test_a_restart_forgets():
    slow_start = HybridSlowStart()
    assert [slow_start.sampled(90 * MILLISECOND_NS, 50 * MILLISECOND_NS, 100, 100) for _ in range(8)][-1]
    slow_start.restart()
    assert not slow_start.sampled(90 * MILLISECOND_NS, 50 * MILLISECOND_NS, 100, 100)


def in_slow_start(**values):
    (path,) = paths_under("olia", 1, ssthresh_bytes=1 << 62, cwnd_bytes=32 * PACKET_BYTES, **values)
    path.rtt.minimum_ns = 50 * MILLISECOND_NS
    path.rtt.latest_ns = 60 * MILLISECOND_NS
    return path


def sample(path, times):
    for _ in range(times):
        path.congestion.rtt_sampled(path, 0, 1)


def test_olia_leaves_slow_start_at_the_window_that_the_delay_is_seen_at():
    path = in_slow_start()
    sample(path, 7)
    assert path.ssthresh_bytes == 1 << 62
    sample(path, 1)
    assert path.ssthresh_bytes == path.cwnd_bytes == 32 * PACKET_BYTES


def test_olia_begins_a_new_round_when_a_later_packet_is_acknowledged():
    path = in_slow_start()
    path.application.last_ack_eliciting_sent_ns = 1_000
    sample(path, 7)
    ack(path, 2_000, sent_ns=1_001)
    sample(path, 7)
    assert path.ssthresh_bytes == 1 << 62, "seven samples in each of two rounds"
    sample(path, 1)
    assert path.ssthresh_bytes == path.cwnd_bytes


@pytest.mark.parametrize("grown", [True, False])
def test_olia_looks_at_delay_in_slow_start_only(grown):
    path = in_slow_start()
    path.ssthresh_bytes = path.cwnd_bytes + (PACKET_BYTES if grown else 0)
    before = path.ssthresh_bytes
    sample(path, 8)
    assert (path.ssthresh_bytes != before) == grown
