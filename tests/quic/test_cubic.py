"""CUBIC against RFC 9438: its equations, and what acknowledgements, losses and idleness do to the window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.quic.congestion.cubic import cube_root, cubic_window_bytes, time_to_plateau_ns
from quicsim.quic.states import SendingProcessState
from tests.quic.controlled import MILLISECOND_NS, PACKET_BYTES, ack, lose, packets, paths_under

SECOND_NS = 1_000 * MILLISECOND_NS
LIMITED = SendingProcessState.CONGESTION_LIMITED


def a_path(window_packets=100, **values):
    """A path in congestion avoidance, its window full."""
    [path] = paths_under("cubic", 1, cwnd_bytes=window_packets * PACKET_BYTES, sending_state=LIMITED, **values)
    path.ssthresh_bytes = path.cwnd_bytes
    return path


def run(path, *, start_ns, seconds, rtt_ms=100):
    """Acknowledge a window a round trip, evenly; the window in packets at the end."""
    path.rtt.smoothed_ns = rtt_ms * MILLISECOND_NS
    now_ns, end_ns = start_ns, start_ns + round(seconds * SECOND_NS)
    while now_ns < end_ns:
        ack(path, now_ns)
        now_ns += rtt_ms * MILLISECOND_NS * PACKET_BYTES // path.cwnd_bytes
    return packets(path)


@given(st.integers(0, 1 << 160))
def test_the_cube_root_is_exact(value):
    root = cube_root(value)
    assert root**3 <= value < (root + 1) ** 3


@pytest.mark.parametrize(("root", "offset", "expected"), [(10**9, 0, 10**9), (10**9, -1, 10**9 - 1), (1, 7, 2)])
def test_the_cube_root_at_its_steps(root, offset, expected):
    assert cube_root(root**3 + offset) == expected


@given(st.integers(2, 100_000), st.integers(1, 100))
def test_the_plateau_is_reached_when_k_says(maximum_packets, share):
    maximum_bytes, window_bytes = maximum_packets * PACKET_BYTES, maximum_packets * PACKET_BYTES * share // 100
    plateau_ns = time_to_plateau_ns(maximum_bytes, window_bytes, PACKET_BYTES)
    seconds = ((maximum_bytes - window_bytes) / PACKET_BYTES / 0.4) ** (1 / 3)
    assert plateau_ns == pytest.approx(seconds * SECOND_NS, rel=1e-9, abs=1)
    assert cubic_window_bytes(plateau_ns, plateau_ns, maximum_bytes, PACKET_BYTES) == maximum_bytes
    assert cubic_window_bytes(0, plateau_ns, maximum_bytes, PACKET_BYTES) == pytest.approx(window_bytes, abs=1.5)


@pytest.mark.parametrize("seconds", [0.5, 3, 8, 12])
def test_the_window_follows_the_cubic_function(seconds):
    """From 700 packets towards 1,000 and beyond: it aims at where the function is a round trip from now."""
    path = a_path(1_000)
    lose(path, SECOND_NS)
    assert packets(path) == 700
    plateau_s = (300 / 0.4) ** (1 / 3)
    now, ahead = (0.4 * (seconds + more - plateau_s) ** 3 + 1_000 for more in (0, 0.1))
    assert now * 0.999 <= run(path, start_ns=SECOND_NS + 1, seconds=seconds) <= ahead * 1.001


def test_a_target_is_at_most_half_more_than_the_window():
    path = a_path(10)
    ack(path, SECOND_NS)
    before = packets(path)
    ack(path, 60 * SECOND_NS)  # the function has gone far beyond
    assert packets(path) == pytest.approx(before + 0.5, abs=0.001)


@pytest.mark.parametrize(
    ("round_trips", "grown"),
    [
        (5, 5 * 9 / 17),  # alpha 0.529 up to the window before the cut,
        (40, 4.5 + (40 - 4.5 * 17 / 9)),  # and 1 past it
    ],
)
def test_the_reno_friendly_region(round_trips, grown):
    """At 10 ms the cubic function is slow, and the window grows as AIMD(alpha, 0.7) does (section 4.3)."""
    path = a_path(15)
    lose(path, SECOND_NS)
    start = packets(path)
    assert start == 10.5
    end = run(path, start_ns=SECOND_NS + 1, seconds=round_trips * 0.01, rtt_ms=10)
    assert end - start == pytest.approx(grown, rel=0.06)


def test_a_cut_leaves_seven_tenths_once_a_round_trip():
    path = a_path(100)
    lose(path, SECOND_NS)
    lose(path, SECOND_NS + 5, sent_ns=SECOND_NS)  # sent before the cut
    assert packets(path) == 70
    lose(path, SECOND_NS + 9, sent_ns=SECOND_NS + 1)
    assert packets(path) == 49
    assert path.ssthresh_bytes == path.cwnd_bytes


def test_the_window_never_falls_below_two_datagrams():
    path = a_path(2)
    lose(path, SECOND_NS)
    assert packets(path) == 2


def test_fast_convergence_aims_lower_after_a_cut_below_the_last_plateau():
    """Section 4.7: a flow whose windows shrink stops at 0.85 of its window, not at all of it."""
    path = a_path(1_000)
    lose(path, SECOND_NS)
    lose(path, 2 * SECOND_NS)
    assert packets(path) == 490
    plateau_s = ((700 * 0.85 - 490) / 0.4) ** (1 / 3)
    at_plateau = run(path, start_ns=2 * SECOND_NS + 1, seconds=plateau_s, rtt_ms=200)
    assert at_plateau == pytest.approx(700 * 0.85, rel=0.01)


def test_packets_from_before_the_cut_grow_nothing():
    path = a_path(100)
    lose(path, SECOND_NS)
    for _ in range(50):
        ack(path, SECOND_NS + 5, sent_ns=SECOND_NS)
    assert packets(path) == 70


def test_time_without_use_is_left_out():
    """Section 5.8 and 4.2: neither growth while the window is not used up, nor a leap afterwards."""
    used, paused = a_path(1_000), a_path(1_000)
    for path in (used, paused):
        lose(path, SECOND_NS)
        run(path, start_ns=SECOND_NS + 1, seconds=1)
    paused.sending_state = SendingProcessState.APPLICATION_LIMITED
    before = packets(paused)
    assert run(paused, start_ns=2 * SECOND_NS, seconds=30) == before
    paused.sending_state = LIMITED
    expected = run(used, start_ns=2 * SECOND_NS, seconds=2)
    assert run(paused, start_ns=32 * SECOND_NS, seconds=2) == pytest.approx(expected, rel=0.01)


def test_after_a_timeout_avoidance_begins_on_the_plateau():
    """Section 4.8: slow start to 0.7 of what was, then W_max is the window of that time and K is 0."""
    path = a_path(1_000)
    lose(path, SECOND_NS)
    path.congestion.timed_out(path, SECOND_NS)
    assert (packets(path), path.ssthresh_bytes) == (2, 700 * PACKET_BYTES)
    now_ns = 2 * SECOND_NS
    while path.cwnd_bytes < path.ssthresh_bytes:
        ack(path, now_ns)
        now_ns += MILLISECOND_NS
    assert run(path, start_ns=now_ns, seconds=10) == pytest.approx(700 + 0.4 * 10.05**3, rel=0.01)


def test_after_a_timeout_reno_s_share_holds_up_to_the_window_before_the_loss():
    """cwnd_prior is the window just before the last cut (section 4.1.2), a timeout behind it or not: alpha is 0.529."""
    path = a_path(15)
    lose(path, SECOND_NS)
    path.congestion.timed_out(path, SECOND_NS)
    now_ns = 2 * SECOND_NS
    while path.cwnd_bytes < path.ssthresh_bytes:
        ack(path, now_ns)
        now_ns += MILLISECOND_NS
    start = packets(path)
    end = run(path, start_ns=now_ns, seconds=5 * 0.01, rtt_ms=10)
    assert end - start == pytest.approx(5 * 9 / 17, rel=0.06)


def test_slow_start_ends_when_the_delay_grows():
    [path] = paths_under("cubic", 1, sending_state=LIMITED, ssthresh_bytes=1 << 62)
    path.ssthresh_bytes = 1 << 62
    for round_number, rtt_ms in enumerate([50, 60, 60, 60, 60, 60, 60]):
        now_ns = (round_number + 1) * SECOND_NS
        path.application.last_ack_eliciting_sent_ns = now_ns + 50
        path.rtt.latest_ns = rtt_ms * MILLISECOND_NS
        for index in range(10):
            path.congestion.rtt_sampled(path, now_ns + index, now_ns)
            ack(path, now_ns, sent_ns=now_ns + index)
    # ten packets a round: all of them in the first round and up to the eighth sample of the second,
    # a quarter of them for five rounds, and from then on what congestion avoidance adds
    assert path.ssthresh_bytes == path.congestion._maximum_bytes
    assert packets(path) == pytest.approx(10 + 10 + 7 + 0.25 * (3 + 4 * 10), abs=1)
