"""OLIA against its formula in plain floats, its closed forms, and when a window grows, is cut and begins again."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.quic.congestion.olia import Load, alpha, increase
from quicsim.quic.profiles import PROFILES
from tests.quic.controlled import MILLISECOND_NS, PACKET_BYTES, ack, lose, packets, paths_under, profile
from tests.quic.pipe import Pipe, request_answers, settled


class Reference:
    """The algorithm as the paper states it: w_r += w_r/rtt_r^2 / (sum w_p/rtt_p)^2 + alpha_r/w_r. In packets, floats.

    The window moves by whole packets, as in Linux and mp-quic; what is short of one is kept in `part`.
    """

    def __init__(self, windows, rtts):
        self.w = [float(window) for window in windows]
        self.rtt = [float(rtt) for rtt in rtts]
        self.part = [0.0] * len(windows)
        self.l1 = [0.0] * len(windows)
        self.l2 = [0.0] * len(windows)

    def alpha(self, r):
        n = len(self.w)
        quality = [max(l1, l2) / rtt**2 for l1, l2, rtt in zip(self.l1, self.l2, self.rtt, strict=True)]
        best = {p for p in range(n) if math.isclose(quality[p], max(quality), rel_tol=1e-12)}
        largest = {p for p in range(n) if self.w[p] == max(self.w)}
        collected = best - largest
        if r in collected:
            return 1 / n / len(collected)
        if r in largest and collected:
            return -1 / n / len(largest)
        return 0.0

    def gain(self, r, alpha):
        load = sum(w / rtt for w, rtt in zip(self.w, self.rtt, strict=True))
        return self.w[r] / self.rtt[r] ** 2 / load**2 + alpha / self.w[r]

    def ack(self, r):
        self.l2[r] += 1
        self.part[r] += self.gain(r, self.alpha(r))

    def settle(self, r):
        """Move the window by what is a whole packet, give or take rounding."""
        if self.part[r] > 1 - 1e-9:
            self.part[r] -= 1
            self.w[r] += 1
        elif self.part[r] < -1 + 1e-9:
            self.part[r] += 1
            self.w[r] = max(self.w[r] - 1, 2.0)

    def loss(self, r, kept):
        self.l1[r], self.l2[r] = self.l2[r], 0.0
        self.w[r] = max(self.w[r] * kept, 2.0)


FINE = profile(growth_fraction_bits=48)

events = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["ack"] * 30 + ["loss", "rtt"]), st.integers(10, 500)), max_size=400
)


@settings(max_examples=300, deadline=None)
@given(
    windows=st.lists(st.integers(2, 40), min_size=1, max_size=4),
    rtts_ms=st.lists(st.integers(1, 500), min_size=4, max_size=4),
    delivered=st.lists(st.integers(0, 300), min_size=4, max_size=4),
    events=events,
)
def test_any_sequence_of_events_gives_the_windows_of_the_formula(windows, rtts_ms, delivered, events):
    """Equal at every step; only where a part is a whole packet up to rounding may either be first."""
    paths = paths_under("olia", len(windows), FINE)
    reference = Reference(windows, rtts_ms[: len(windows)])
    now_ns = 1
    for r, path in enumerate(paths):
        path.congestion.acked(path, delivered[r] * PACKET_BYTES, now_ns, now_ns)  # nothing in flight: it grows not
        path.cwnd_bytes = path.ssthresh_bytes = windows[r] * PACKET_BYTES
        path.rtt.smoothed_ns = rtts_ms[r] * MILLISECOND_NS
        reference.l2[r] = float(delivered[r])
    for number, event, rtt_ms in events:
        r = number % len(paths)
        path = paths[r]
        now_ns += 1
        if event == "ack":
            ack(path, now_ns)
            reference.ack(r)
            is_tie = abs(abs(reference.part[r]) - 1) < 1e-9
            if not is_tie or packets(path) != reference.w[r]:
                reference.settle(r)
        elif event == "loss":
            lose(path, now_ns)
            kept = max(path.ssthresh_bytes // PACKET_BYTES, 2)
            assert kept == max(math.floor(reference.w[r] / 2), 2)
            path.cwnd_bytes = path.ssthresh_bytes = kept * PACKET_BYTES  # whole packets, so that alpha's sets agree
            reference.loss(r, kept / reference.w[r])
        else:
            path.rtt.smoothed_ns = rtt_ms * MILLISECOND_NS
            reference.rtt[r] = float(rtt_ms)
        assert [packets(path) for path in paths] == pytest.approx(reference.w, abs=1e-9)


loads = st.lists(
    st.builds(
        Load,
        window_bytes=st.integers(2 * 1_460, 2_500 * 1_460),
        rtt_ns=st.integers(100_000, 10**10),
        delivered_bytes=st.integers(0, 10**9),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=500)
@given(loads=loads, bits=st.sampled_from([10, 32, 48]))
def test_one_increase_is_the_formula_s_to_the_last_place(loads, bits):
    reference = Reference([load.window_bytes // 1_460 for load in loads], [load.rtt_ns for load in loads])
    reference.l2 = [float(load.delivered_bytes) for load in loads]
    share, of = alpha(loads, 1_460)
    assert share / of == pytest.approx(reference.alpha(0))
    reference.w = [load.window_bytes / 1_460 for load in loads]
    expected = reference.gain(0, share / of)
    terms = reference.gain(0, abs(share / of))  # they may cancel
    found = increase(loads, 1_460, bits) / 2**bits
    assert abs(found) <= abs(expected) + 1e-9 * terms, "rounded towards none"
    assert found == pytest.approx(expected, rel=0, abs=2**-bits + 1e-9 * terms)


@pytest.mark.parametrize(
    ("loads", "share"),
    [
        # (window in packets, RTT in ms, packets between losses), the first is the path asked for
        ([(10, 50, 100)], 0),
        ([(10, 50, 100), (10, 50, 100)], 0),  # both best, both largest
        ([(10, 50, 100), (20, 50, 50)], 1 / 2),  # best, not largest
        ([(20, 50, 50), (10, 50, 100)], -1 / 2),
        ([(20, 50, 100), (10, 50, 50)], 0),  # the best has the largest window
        ([(10, 50, 50), (20, 50, 100)], 0),
        ([(10, 50, 100), (20, 101, 400)], 1 / 2),  # l / rtt^2, not l / rtt nor l^2 / rtt
        ([(10, 50, 100), (20, 99, 400)], 0),
        ([(10, 50, 100), (9, 50, 100), (20, 50, 50)], 1 / 6),  # two collected share
        ([(20, 50, 50), (20, 50, 60), (10, 50, 100)], -1 / 6),  # two largest share
        ([(15, 50, 50), (20, 50, 60), (10, 50, 100)], 0),  # neither
        ([(10, 50, 0), (20, 50, 0)], 1 / 2),  # nothing known yet: as good
    ],
)
def test_alpha(loads, share):
    numerator, denominator = alpha([Load(w * 1_000, ms * 10**6, carried * 1_000) for w, ms, carried in loads], 1_000)
    assert numerator / denominator == pytest.approx(share)


def test_windows_compare_in_whole_packets():
    assert alpha([Load(10_999, 1, 10), Load(10_000, 1, 5)], 1_000) == (0, 1)
    assert alpha([Load(10_999, 1, 10), Load(11_000, 1, 5)], 1_000) == (1, 2)


# Closed forms


@pytest.mark.parametrize("window", [2, 10, 100, 342, 1_000])
def test_one_path_grows_by_a_packet_a_round_trip(window):
    (path,) = paths_under("olia", 1, cwnd_bytes=window * PACKET_BYTES, ssthresh_bytes=window * PACKET_BYTES)
    for round_trip in range(1, 21):
        for _ in range(int(packets(path))):
            ack(path, round_trip)
        assert window + round_trip - 1 <= packets(path) <= window + round_trip


def sawtooth(paths, between_losses, round_trips=2_000):
    """The mean of all windows together, in packets, when one of so many packets is lost on each path."""
    acknowledged = [0] * len(paths)
    total = counted = now_ns = 0
    for round_trip in range(round_trips):
        for r, path in enumerate(paths):
            for _ in range(int(packets(path))):
                now_ns += 1
                acknowledged[r] += 1
                if acknowledged[r] % between_losses == r * between_losses // len(paths) % between_losses:
                    lose(path, now_ns)
                ack(path, now_ns + 1)
        if round_trip > round_trips // 4:
            total += sum(packets(path) for path in paths)
            counted += 1
    return total / counted


@pytest.mark.parametrize("between_losses", [200, 1_000])
def test_one_path_carries_what_reno_does(between_losses):
    """Mean window of periodic loss: 3/4 of sqrt(8 P / 3)."""
    mean = sawtooth(paths_under("olia", 1), between_losses)
    assert mean == pytest.approx(3 / 4 * math.sqrt(8 * between_losses / 3), rel=0.05)


@pytest.mark.parametrize("count", [2, 4])
def test_equal_paths_take_together_what_one_would(count):
    one = sawtooth(paths_under("olia", 1), 400)
    assert sawtooth(paths_under("olia", count), 400) == pytest.approx(one, rel=0.05)


def test_the_better_path_carries_the_load():
    """One in 1,000 lost here, one in 100 there: the windows together are what Reno would have on the better path."""
    better, worse = paths = paths_under("olia", 2)
    acknowledged = {better: 0, worse: 0}
    totals = {better: 0.0, worse: 0.0}
    now_ns = 0
    for _ in range(4_000):
        for path, between_losses in ((better, 1_000), (worse, 100)):
            for _ in range(int(packets(path))):
                now_ns += 1
                acknowledged[path] += 1
                if acknowledged[path] % between_losses == 0:
                    lose(path, now_ns)
                ack(path, now_ns + 1)
            totals[path] += packets(path)
    assert totals[worse] < totals[better] / 4
    assert sum(totals.values()) / 4_000 == pytest.approx(3 / 4 * math.sqrt(8_000 / 3), rel=0.15)
    assert min(packets(path) for path in paths) >= 2


def test_two_emulated_connections_keep_0_85_at_each_loss():
    """(2 - 1 + 0.7) / 2. The paper's figure 6 steps from 8.84 to 7.63, 6.61 and 5.65 MB/s at a round trip of 50 ms."""
    (path,) = paths_under("olia", 1, profile(back_off=(17, 20)), cwnd_bytes=442_000, ssthresh_bytes=442_000)
    seen = []
    for now_ns in range(1, 4):
        lose(path, now_ns)
        seen.append(path.cwnd_bytes)
        assert path.ssthresh_bytes == path.cwnd_bytes
    assert seen == [375_700, 319_345, 271_443]
    for ours, given_mbps, before in zip(seen, (7.63, 6.61, 5.65), (442_000, *seen), strict=False):
        assert ours / before == pytest.approx(0.85, abs=1e-5)
        assert ours / 50e-3 / 1e6 == pytest.approx(given_mbps, rel=0.05)


# When the window grows, is cut, begins again


@pytest.mark.parametrize(
    ("window", "ssthresh", "in_flight", "grows"),
    [
        # sizes in packets; the acknowledged one is no longer in flight
        (100, 100, 97, True),  # room for a burst of three
        (100, 100, 96.9, False),
        (100, 100, 120, True),
        (100, 101, 50.1, True),  # slow start: more than half
        (100, 101, 50, False),
        (100, 100, 60, False),
        (6, 7, 3, True),  # a small window has no more room than a burst
        (6, 7, 2.9, False),
    ],
)
def test_a_window_that_is_not_used_does_not_grow(window, ssthresh, in_flight, grows):
    (path,) = paths_under("olia", 1)
    path.cwnd_bytes, path.ssthresh_bytes = window * PACKET_BYTES, ssthresh * PACKET_BYTES
    for _ in range(window + 1):
        if path.cwnd_bytes != window * PACKET_BYTES:
            break
        path.bytes_in_flight = int(in_flight * PACKET_BYTES)
        path.congestion.acked(path, PACKET_BYTES, 1, 1)
    assert (path.cwnd_bytes > window * PACKET_BYTES) == grows


@pytest.mark.parametrize("slow_start", [True, False])
def test_a_window_never_passes_its_maximum(slow_start):
    limited = profile(maximum_window_packets=50, window_packet_bytes=1_460)
    (path,) = paths_under("olia", 1, limited, cwnd_bytes=40 * 1_460)
    path.ssthresh_bytes = 1 << 62 if slow_start else path.cwnd_bytes
    for _ in range(2_000):
        ack(path, 1)
        assert path.cwnd_bytes <= 50 * 1_460
    assert path.cwnd_bytes == 50 * 1_460


def test_slow_start_adds_a_packet_for_each_acknowledged_whatever_its_size():
    (path,) = paths_under("olia", 1, profile(window_packet_bytes=1_460), ssthresh_bytes=1 << 62)
    before = path.cwnd_bytes
    path.bytes_in_flight = path.cwnd_bytes
    path.congestion.acked(path, 40, 1, 1)
    assert path.cwnd_bytes == before + 1_460


@pytest.mark.parametrize(
    ("sent_before_at_this_instant", "sent_ns", "cut_again"),
    [
        (False, 999, False),
        (False, 1_000, True),  # repeated at the instant of the cut, and lost again
        (True, 1_000, False),  # cannot be told from what was sent just before the cut
        (True, 1_001, True),
    ],
)
def test_one_cut_a_round_trip(sent_before_at_this_instant, sent_ns, cut_again):
    (path,) = paths_under("olia", 1, cwnd_bytes=80 * PACKET_BYTES)
    path.application.last_ack_eliciting_sent_ns = 1_000 if sent_before_at_this_instant else 999
    lose(path, 1_000, sent_ns=500)
    assert packets(path) == 40
    ack(path, 1_500, sent_ns=900)
    assert packets(path) == 40, "nothing grows in recovery"
    lose(path, 2_000, sent_ns=sent_ns)
    assert packets(path) == (20 if cut_again else 40)


def test_recovery_ends_with_the_first_packet_sent_after_the_cut():
    (path,) = paths_under("olia", 1, cwnd_bytes=8 * PACKET_BYTES)
    lose(path, 1_000, sent_ns=500)
    for _ in range(50):
        ack(path, 1_500, sent_ns=900)
    assert packets(path) == 4
    assert path.congestion.load(path).delivered_bytes == 0, "what is delivered in recovery counts for no interval"
    ack(path, 2_000, sent_ns=1_001)
    for _ in range(4):
        ack(path, 2_000, sent_ns=900)
    assert packets(path) == 5, "what was sent before counts again once it is over"
    assert path.congestion.load(path).delivered_bytes == 5 * PACKET_BYTES


def test_the_larger_interval_between_losses_counts():
    (path,) = paths_under("olia", 1)
    for acknowledged, largest in ((10, 10), (3, 10), (4, 4), (20, 20)):
        for _ in range(acknowledged):
            ack(path, 1)
        assert path.congestion.load(path).delivered_bytes == largest * PACKET_BYTES
        lose(path, 1)


def test_the_window_never_falls_below_its_minimum():
    first, second = paths_under("olia", 2)
    for instant in range(10, 200):
        lose(first, instant)
    assert first.cwnd_bytes == first.minimum_window_bytes
    second.cwnd_bytes = second.ssthresh_bytes = 2 * PACKET_BYTES
    for instant in range(200, 10_000):
        ack(first, instant)
    assert second.cwnd_bytes >= second.minimum_window_bytes


def test_a_timeout_begins_again():
    (path,) = paths_under("olia", 1, profile(back_off=(17, 20)), cwnd_bytes=80 * PACKET_BYTES)
    ack(path, 1)
    lose(path, 1_000)
    assert packets(path) == 68
    path.congestion.timed_out(path, 1_000)
    assert packets(path) == 2
    assert path.ssthresh_bytes == 34 * PACKET_BYTES, "half of what the loss left"
    assert path.congestion.load(path).delivered_bytes == 0
    for _ in range(32):
        ack(path, 2_000, sent_ns=900)
    assert packets(path) == 34, "slow start, at once"


# Who shares the load


def test_only_paths_that_carry_data_and_are_measured_are_coupled():
    """The initial path is idle and has a window, too; n equal ones have each 1/n^2 of the growth of one."""
    for unmeasured, round_trips in ((0, 9), (1, 4), (2, 1)):
        paths = paths_under("olia", 3, cwnd_bytes=16 * PACKET_BYTES, ssthresh_bytes=16 * PACKET_BYTES)
        for path in paths[3 - unmeasured :]:
            path.rtt.has_sample = False
        acknowledged = 0
        while packets(paths[0]) == 16:
            ack(paths[0], 1)
            acknowledged += 1
        assert acknowledged == pytest.approx(16 * round_trips, abs=1)


def test_a_path_under_another_controller_is_alone():
    first, second = paths_under("olia", 2)
    second.congestion = paths_under("newreno", 1)[0].congestion
    for path in (first, second):
        path.cwnd_bytes = path.ssthresh_bytes = 16 * PACKET_BYTES
    for _ in range(17):
        ack(first, 1)
    assert packets(first) == 17


def test_ten_bits_round_the_growth_of_a_large_window_away():
    """mp-quic and Linux reckon in 1/1,024 of a packet for each acknowledged one: a window beyond grows no more."""
    for window, grows in ((1_000, True), (1_025, False)):
        (path,) = paths_under("olia", 1, profile(growth_fraction_bits=10))
        path.cwnd_bytes = path.ssthresh_bytes = window * PACKET_BYTES
        for _ in range(5_000):
            ack(path, 1)
        assert (packets(path) > window) == grows


# In a connection


@pytest.mark.parametrize("reduction", [False, True])
def test_a_download_with_losses_ends(reduction, monkeypatch):
    monkeypatch.setitem(PROFILES, "rfc9002", profile(proportional_rate_reduction=reduction))
    drops = {("server", number) for number in (*range(30, 200, 23), *range(300, 304))}
    pipe = request_answers(Pipe(drops=drops, congestion_control="olia"), response_bytes=1_000_000)
    pipe.connect()
    pipe.run(settled(1))
    assert pipe.sides["client"].delivered == {0: 1_000_000}
