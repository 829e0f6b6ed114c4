"""Does random early detection decide as published, and as Linux does?

Against plain models, closed forms, and by hand.
"""

import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from math import exp, log1p

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quicsim.clock import TIMER, Clock
from quicsim.net.datagram import ECT_0, NOT_ECT, Datagram, DropReason
from quicsim.net.link import DirectionSpec, LinkDirection, check_conservation
from quicsim.net.queue import ACCEPT, DROP, MARK
from quicsim.net.red import (
    ONE,
    POINT,
    LinuxRed,
    LinuxRedQueue,
    Red,
    RedQueue,
    happens,
    idle_shifts,
    power,
    probability_step,
    weight_log,
)
from quicsim.randomness import Streams

from .plain import OFFER, PlainLoop
from .plain_red import PlainLinuxRed, PlainRed, PlainRedLink

STREAMS = Streams(seed=1, replication=0)
CHANCE = STREAMS.stream("queue:a>b")
MEGABIT = 1_000_000
IDLE_NS = 10**12


def chance(index):
    """The draw of an arrival, as a fraction of 1."""
    return Fraction(CHANCE.u64(index), 1 << 64)


class Backlog:
    """A queue as a discipline sees it, as deep as the test wants it, on a link that is busy until `departure_ns`."""

    def __init__(self, waiting_bytes=0, packets=0, departure_ns=10**18):
        self.offered = 0
        self.waiting_bytes, self.waiting, self.departure_ns = waiting_bytes, range(packets), departure_ns

    def offer(self, queue, now_ns=0, size_bytes=0):
        self.offered += 1
        return queue.admit(self, now_ns, size_bytes)


class Log:
    """An observer that keeps what it is told, in the words of the plain link's log."""

    def __init__(self):
        self.log = []

    def dropped(self, direction_number, index, time_ns, size_bytes, reason):
        assert reason is DropReason.QUEUE
        self.log.append(("dropped", index, time_ns))

    def marked(self, direction_number, index, time_ns, size_bytes):
        self.log.append(("marked", index, time_ns))


def red(**changes):
    return Red(**({"minimum": 5_000, "maximum": 15_000, "limit": 60_000} | changes))


def linux_red(**changes):
    values = {"minimum_bytes": 30_000, "maximum_bytes": 60_000, "limit_bytes": 200_000, "bandwidth_bps": 10 * MEGABIT}
    return LinuxRed(**(values | changes))


# ------------------------------------------------------------------------------------ against the plain models


@st.composite
def traffic(draw):
    """Offers (instant, size, whether ECT) to a link of 1 Mbps: bursts that fill the queue, then pauses."""
    offers, now_ns = [], 0
    for _ in range(draw(st.integers(1, 6))):
        now_ns += draw(st.integers(0, 200_000_000))
        spacing_ns = draw(st.integers(0, 12_000_000))
        for size in draw(st.lists(st.sampled_from([40, 500, 1500]), min_size=1, max_size=25)):
            now_ns += spacing_ns
            offers.append((now_ns, size, draw(st.booleans())))
    return offers


def run_both(offers, spec, plain_red, **plain):
    """What happened to the offers on our link and on the plain one."""
    loop = PlainLoop()
    link = PlainRedLink(loop, MEGABIT, 1_000, lambda size: None, plain_red, **plain)
    for number, (time_ns, size, ect) in enumerate(offers):
        loop.at(time_ns, OFFER, number, link.send, size, ect)
    loop.run()

    clock, observer = Clock(), Log()
    arrived = []
    direction_spec = DirectionSpec(rate_bps=MEGABIT, delay_ns=1_000, queue=spec)
    ours = LinkDirection(clock, 0, "a>b", direction_spec, STREAMS, arrived.append, observer)
    for number, (time_ns, size, ect) in enumerate(offers):
        clock.call_at(time_ns, TIMER, number, ours.send, Datagram(number, size, ecn=ECT_0 if ect else NOT_ECT))
    clock.run()
    check_conservation(ours)
    assert ours.marked == sum(what == "marked" for what, _, _ in observer.log) == sum(d.ecn == 3 for d in arrived)
    return observer.log, [entry for entry in link.log if entry[0] in ("dropped", "marked")]


@given(
    traffic(),
    st.tuples(st.integers(1, 4_000), st.integers(1, 6_000), st.integers(0, 9_000)),
    st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 10), Fraction(1, 500)]),
    st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(1, 50)]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_equal_to_a_plain_red_in_every_mark_and_drop(offers, sizes, weight, max_p, gentle, wait, ecn, hard_drop):
    minimum, span, beyond = sizes
    maximum = minimum + span
    limit = maximum + beyond
    plain = PlainRed(minimum, maximum, weight, max_p, Fraction(8_000_000), gentle, wait, chance)
    spec = Red(
        minimum=minimum,
        maximum=maximum,
        limit=limit,
        weight=weight,
        max_probability=max_p,
        gentle=gentle,
        wait=wait,
        ecn=ecn,
        hard_drop=hard_drop,
    )
    ours, theirs = run_both(offers, spec, plain, limit=limit, ecn=ecn, hard_drop=hard_drop)
    assume(plain.margin > Fraction(1, 10**6))
    assert ours == theirs


@given(traffic(), st.integers(1, 4), st.integers(1, 6), st.sampled_from([Fraction(1), Fraction(1, 4)]), st.booleans())
def test_equal_to_a_plain_red_that_counts_packets(offers, minimum, span, weight, gentle):
    limit = minimum + span + 3
    plain = PlainRed(minimum, minimum + span, weight, Fraction(1, 3), Fraction(5_000_000), gentle, False, chance)
    spec = Red(
        minimum=minimum,
        maximum=minimum + span,
        limit=limit,
        in_packets=True,
        weight=weight,
        max_probability=Fraction(1, 3),
        packet_time_ns=5_000_000,
        gentle=gentle,
        ecn=True,
    )
    ours, theirs = run_both(offers, spec, plain, limit=limit, ecn=True, hard_drop=False, in_packets=True)
    assume(plain.margin > Fraction(1, 10**6) or weight == 1)
    assert ours == theirs


@given(
    traffic(),
    st.tuples(st.integers(500, 4_000), st.integers(1, 6_000), st.integers(0, 9_000)),
    st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 50)]),
    st.sampled_from([100, 500, 1500]),
    st.integers(0, 60),
    st.booleans(),
    st.booleans(),
)
def test_equal_to_linux_in_every_mark_and_drop(offers, sizes, max_p, mean_packet, more, ecn, hard_drop):
    minimum, span, beyond = sizes
    maximum = minimum + span
    limit = maximum + beyond
    burst = -(-minimum // mean_packet) + more
    plain = PlainLinuxRed(minimum, maximum, max_p, mean_packet, burst, 2 * MEGABIT, chance)
    values = {
        "minimum_bytes": minimum,
        "maximum_bytes": maximum,
        "limit_bytes": limit,
        "bandwidth_bps": 2 * MEGABIT,
        "max_probability": max_p,
        "mean_packet_bytes": mean_packet,
        "burst_packets": burst,
        "ecn": ecn,
        "hard_drop": hard_drop,
    }
    if plain.refused:
        with pytest.raises(ValueError, match=r"more than any weight lets pass|give less than"):
            LinuxRed(**values)
        return
    spec = LinuxRed(**values)
    assert spec.weight_log == plain.wlog
    assert idle_shifts(spec.weight_log, mean_packet, 2 * MEGABIT) == (plain.cell_log, tuple(plain.stab))
    ours, theirs = run_both(offers, spec, plain, limit=limit, ecn=ecn, hard_drop=hard_drop)
    assert ours == theirs


# ---------------------------------------------------------------------------------------------- closed forms


def spacings(queue, backlog, arrivals):
    """How far the marks of a steady queue lie apart."""
    marks = [n for n in range(arrivals) if backlog.offer(queue) is MARK]
    return Counter(later - earlier for earlier, later in pairwise(marks))


def chi_square(counts, values):
    expected = sum(counts.values()) / len(values)
    return sum((counts[value] - expected) ** 2 / expected for value in values)


@pytest.mark.parametrize(("wait", "least"), [(False, 1), (True, 10)])
def test_marks_of_a_steady_queue_are_spaced_uniformly(wait, least):
    """Section 7, method 2: with p_b = 1/10, 1 to 10 apart, each as likely; with wait 10 to 19."""
    queue = RedQueue(red(weight=Fraction(1), max_probability=Fraction(1, 5), wait=wait, ecn=True), MEGABIT, CHANCE)
    counts = spacings(queue, Backlog(10_000), 100_000)
    values = range(least, least + 10)
    assert set(counts) == set(values)
    assert chi_square(counts, values) < 27.9  # 0.1 % of samples of a uniform distribution exceed it


def test_marks_of_linux_are_spaced_uniformly():
    """p_b = 0.2 * 1/4: the random number is uniform below 1/p_b = 20 excesses."""
    queue = LinuxRedQueue(linux_red(max_probability=Fraction(1, 5), burst_packets=30, ecn=True), CHANCE)
    counts = spacings(queue, Backlog(37_500), 200_000)
    assert set(counts) == set(range(1, 21))
    assert chi_square(counts, range(1, 21)) < 43.8


@pytest.mark.parametrize("n", range(1, 11))
def test_the_nth_arrival_since_a_mark_has_the_probability_of_the_closed_form(n):
    """p_b = 1/10: 1/(11 - n), and with wait 0 up to n = 9, then 1/(20 - n), as a fraction of all draws."""
    edge = (1 << 64) // (11 - n)
    for count, wait in ((n, False), (n + 9, True)):
        assert happens(edge - 1, 1, 10, count, wait=wait)
        assert not happens(edge + 1, 1, 10, count, wait=wait)
        assert happens((1 << 64) - 1, 1, 10, count + 10 - n, wait=wait)
    assert happens(0, 1, 10, n, wait=True) == (n == 10)


@given(st.integers(0, 50_000), st.integers(1, 5_000), st.fractions(Fraction(1, 10_000), 1))
def test_the_average_of_a_steady_queue_nears_it_as_the_closed_form(waiting, arrivals, weight):
    """After n arrivals: q (1 - (1 - w)^n)."""
    queue = RedQueue(Red(minimum=10**6, maximum=10**7, limit=10**8, weight=weight), MEGABIT, CHANCE)
    backlog = Backlog(waiting)
    for _ in range(min(arrivals, 500)):
        backlog.offer(queue)
    exact = waiting * (1 - float(1 - weight) ** min(arrivals, 500))
    assert queue.average / (1 << POINT) == pytest.approx(exact, rel=1e-6, abs=1e-3)


@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=40), st.sampled_from([Fraction(1, 3), Fraction(1, 500)]))
def test_the_average_lies_between_the_least_and_the_most_that_waited(depths, weight):
    queue = RedQueue(Red(minimum=10**6, maximum=10**7, limit=10**8, weight=weight), MEGABIT, CHANCE)
    for depth in depths:
        Backlog(depth).offer(queue)
        assert 0 <= queue.average <= max(depths) << POINT


@pytest.mark.parametrize("packets_idle", [0, 1, 7, 500, 20_000])
def test_idle_time_decays_as_if_so_many_packets_had_found_nothing(packets_idle):
    """1000 B at 1 Mbps take 8 ms; the arrival itself is one more. Linux's power is another."""
    queue = RedQueue(Red(minimum=10**6, maximum=10**7, limit=10**8), MEGABIT, CHANCE)
    queue.average = before = 20_000 << POINT
    Backlog(departure_ns=5).offer(queue, now_ns=5 + packets_idle * 8_000_000 + 7_999_999)
    assert queue.average / before == pytest.approx(exp((packets_idle + 1) * log1p(-1 / 500)), rel=1e-6, abs=1e-9)


@given(st.integers(0, ONE), st.integers(0, 3_000))
def test_powers_are_right_to_the_last_places(base, exponent):
    exact = (Fraction(base, ONE) ** exponent) * ONE if base else Fraction(ONE if exponent == 0 else 0)
    assert 0 <= exact - power(base, exponent) <= 4 * max(exponent, 1)


def test_a_huge_power_is_soon_worked_out():
    assert power(ONE - 1, 10**30) == 0
    assert power(ONE, 10**30) == ONE


# -------------------------------------------------------------------------------------------------- by hand

BY_HAND = [
    # what waits; then the verdicts of arrivals one after another, weight 1
    (red(ecn=True), 4_999, [ACCEPT] * 3),
    (red(ecn=True), 5_000, [ACCEPT] * 3),  # p_b is 0
    (red(ecn=True), 15_000, [MARK] * 3),
    (red(), 15_000, [DROP] * 3),
    (red(ecn=True, hard_drop=True), 15_000, [DROP] * 3),
    (red(ecn=True), 60_001, [DROP] * 3),  # no room
    (red(ecn=True, gentle=True), 30_000, [MARK] * 3),
    (red(ecn=True, gentle=True, hard_drop=True), 30_000, [DROP] * 3),
    (red(ecn=True, max_probability=Fraction(1, 2), wait=True), 10_000, [ACCEPT] * 3),  # p_b is 1/4
    (red(ecn=True, max_probability=Fraction(1, 2), wait=True, gentle=True), 15_000, [ACCEPT]),  # p_b is 1/2
    (red(ecn=True, max_probability=Fraction(1)), 14_999, [MARK]),  # p_b is 0.9999
    (red(ecn=True, max_probability=Fraction(1, 50), wait=True, gentle=True), 15_000, [ACCEPT] * 49),
]


@pytest.mark.parametrize(("spec", "waiting", "verdicts"), BY_HAND)
def test_cases_by_hand(spec, waiting, verdicts):
    queue = RedQueue(
        Red(**{name: getattr(spec, name) for name in spec.__slots__} | {"weight": Fraction(1)}), MEGABIT, CHANCE
    )
    backlog = Backlog(waiting)
    assert [backlog.offer(queue) for _ in verdicts] == verdicts


def test_a_mark_comes_by_the_last_spacing_at_the_latest():
    """p_b = 1/4: without wait by the 4th arrival, with wait by the 7th and not before the 4th."""
    for wait, least, most in ((False, 1, 4), (True, 4, 7)):
        spec = red(weight=Fraction(1), max_probability=Fraction(1, 2), wait=wait, ecn=True)
        for start in range(200):
            backlog = Backlog(10_000)
            backlog.offered = start
            queue = RedQueue(spec, MEGABIT, CHANCE)
            count = next(n for n in range(1, 9) if backlog.offer(queue) is MARK)
            assert least <= count <= most


def test_below_the_minimum_the_count_starts_anew():
    spec = red(weight=Fraction(1), max_probability=Fraction(1, 2), wait=True, ecn=True)
    queue = RedQueue(spec, MEGABIT, CHANCE)
    backlog = Backlog()
    for depth, count in ((10_000, 1), (5_000, 2), (4_999, 0), (10_000, 1), (20_000, 0), (10_000, 1)):
        backlog.waiting_bytes = depth
        backlog.offer(queue)
        assert queue.since_mark == count


def test_an_arrival_that_a_full_queue_drops_is_not_marked():
    spec = red(weight=Fraction(1), ecn=True)
    queue = RedQueue(spec, MEGABIT, CHANCE)
    assert Backlog(59_000).offer(queue, size_bytes=1_000) is MARK
    assert Backlog(59_000).offer(queue, size_bytes=1_001) is DROP


def test_a_refused_arrival_ends_no_idle_time_twice():
    """An idle link that refuses everything still forgets the time between, once."""
    queue = RedQueue(Red(minimum=1, maximum=2, limit=10**6), MEGABIT, CHANCE)
    queue.average = 20_000 << POINT
    backlog = Backlog(departure_ns=0)
    assert [backlog.offer(queue, now_ns=time_ns) for time_ns in (8_000_000, 16_000_000)] == [DROP, DROP]
    assert queue.average / (20_000 << POINT) == pytest.approx(0.998**4, rel=1e-6)


@pytest.mark.parametrize(
    ("packets", "log"),
    [(34, 2), (46, 4), (47, 5), (57, 5), (58, 6), (75, 6), (76, 7), (101, 7), (102, 8), (135, 8)],
)
def test_the_weight_of_linux_lets_the_bursts_pass_that_its_source_tells(packets, log):
    """The table in include/net/red.h, for a minimum of 32 packets: the longest burst for each weight."""
    assert weight_log(32_000, packets, 1_000) == log


def test_the_weight_where_tc_s_double_rounds_to_one():
    assert weight_log(59_000, 60, 1_000) == 1
    assert weight_log(49_000, 50, 1_000) == 2


def test_mininet_s_red_is_half_as_likely_as_it_says():
    """`red limit 1000000 min 30000 max 35000 avpkt 1500 burst 20 probability 1`: (2**32 - 1 >> 13) a byte above min."""
    spec = linux_red(
        maximum_bytes=35_000,
        limit_bytes=1_000_000,
        mean_packet_bytes=1500,
        burst_packets=20,
        max_probability=Fraction(1),
    )
    assert spec.weight_log == 1
    assert spec.probability_step == 524_287
    assert 5_000 * spec.probability_step / 2**32 == pytest.approx(0.61, abs=0.001)


@pytest.mark.parametrize(
    ("span", "max_p", "step"),
    [
        (30_000, Fraction(1, 50), 2863),  # 2**32 / 50 / 30000 = 2863.3
        (30_000, Fraction(1, 2), 71_582),
        (65_536, Fraction(1), 32_767),  # Plog 17
        (40_000_000, Fraction(1, 50), 2),
    ],
)
def test_the_probability_of_linux_a_byte(span, max_p, step):
    assert probability_step(span, max_p) == step


def test_the_idle_table_of_linux():
    """1500 B at 4 Mbps: 3 ms, 46875 ticks; ln 2 / 46875 a tick; 4096 us a cell give 0.0606 a cell, 15.4 at 254."""
    cell_log, shifts = idle_shifts(1, 1500, 4 * MEGABIT)
    assert cell_log == 12
    assert [shifts[i] for i in (0, 16, 17, 33, 34, 254, 255)] == [0, 0, 1, 1, 2, 15, 31]


@pytest.mark.parametrize(
    ("idle_us", "left"),
    [(0, 1), (1_024, 3 / 4), (2_047, 1 / 2), (4_096, 1 / 2), (69_631, 1 / 2), (139_264, 1 / 4), (1_044_480, 2**-31)],
)
def test_linux_forgets_in_steps(idle_us, left):
    """With the table above: straight down to a half within half a cell, then by the shifts, 2 from cell 34 on."""
    spec = linux_red(mean_packet_bytes=1500, burst_packets=20, bandwidth_bps=4 * MEGABIT)
    queue = LinuxRedQueue(spec, CHANCE)
    queue.average = before = 1 << 40
    Backlog(departure_ns=7).offer(queue, now_ns=7 + idle_us * 1000)
    assert queue.average / before == pytest.approx(left, rel=0.001)


def test_half_of_an_odd_average_is_rounded_down_as_linux_does():
    queue = LinuxRedQueue(linux_red(mean_packet_bytes=1500, burst_packets=20, bandwidth_bps=4 * MEGABIT), CHANCE)
    queue.average = 5
    Backlog(departure_ns=0).offer(queue, now_ns=2_000_000)  # 5 * 2000 >> 12 is 2, as half of 5 is
    assert queue.average == 2


def test_linux_draws_anew_after_a_mark_and_after_being_out_of_bounds():
    """The random number is the draw of the arrival that asked for it; a mark comes when count * excess reaches it."""
    spec = linux_red(max_probability=Fraction(1, 5), burst_packets=30, ecn=True)

    def random(index):
        return (CHANCE.u64(index) >> 32) // spec.probability_step

    queue, backlog = LinuxRedQueue(spec, CHANCE), Backlog()

    def offer(depth):
        queue.average = depth << spec.weight_log
        backlog.waiting_bytes = depth
        return backlog.offer(queue)

    first = next(n for n in range(1, 1_000) if random(n) < 30_000 and random(n + 3) < 30_000)
    backlog.offered = first - 1
    assert offer(59_999) is ACCEPT  # draws
    assert offer(30_000 + random(first) - 1) is ACCEPT
    assert offer(29_999) is ACCEPT
    assert offer(59_999) is ACCEPT  # draws again
    assert offer(30_000 + random(first + 3) - 1) is ACCEPT
    assert offer(29_999) is ACCEPT
    second = backlog.offered + 1
    assert offer(59_999) is ACCEPT
    while random(second) >= 30_000:
        assert offer(29_999) is ACCEPT
        second = backlog.offered + 1
        assert offer(59_999) is ACCEPT
    assert offer(30_000 + random(second)) is MARK


# ------------------------------------------------------------------------------------------------ properties


@given(st.lists(st.integers(0, 70_000), max_size=60), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_who_does_not_mark_never_marks_and_a_short_queue_lets_all_in(depths, ecn, linux, gentle, hard_drop):
    spec = linux_red(ecn=ecn, hard_drop=hard_drop, burst_packets=30) if linux else red(ecn=ecn, gentle=gentle)
    queue = LinuxRedQueue(spec, CHANCE) if linux else RedQueue(spec, MEGABIT, CHANCE)
    minimum = spec.minimum_bytes if linux else spec.minimum
    backlog = Backlog()
    for depth in depths:
        backlog.waiting_bytes = depth
        verdict = backlog.offer(queue)
        assert ecn or verdict is not MARK
        if max(depths) < minimum:
            assert verdict is ACCEPT


@pytest.mark.parametrize("spec", [red(weight=Fraction(1), max_probability=Fraction(1, 5)), linux_red(burst_packets=30)])
def test_chance_is_the_arrival_s_own(spec):
    """Two queues that see the same, one of them with another index, part; with the same they do not."""

    def verdicts(first_index):
        admit = spec.admission(MEGABIT, STREAMS.stream("queue:x"))
        backlog = Backlog(spec.minimum_bytes + 20_000 if isinstance(spec, LinuxRed) else 10_000)
        backlog.offered = first_index
        result = []
        for _ in range(3_000):
            backlog.offered += 1
            result.append(admit(backlog, 0, 100))
        return result

    assert verdicts(0) == verdicts(0) != verdicts(10_000)


WRONG = [
    (lambda: red(minimum=15_000), "min is 15000, max 15000 and limit 60000 bytes: in the wrong order"),
    (lambda: red(minimum=0), "give 0 < min < max <= limit"),
    (lambda: red(maximum=70_000), "min is 5000, max 70000 and limit 60000 bytes: in the wrong order"),
    (lambda: red(limit=10, in_packets=True), "limit 10 packets: in the wrong order"),
    (lambda: red(weight=Fraction(0)), "weight is 0; give more than 0, and 1 at most"),
    (lambda: red(max_probability=Fraction(3, 2)), "max_p is 3/2"),
    (lambda: red(mean_packet_bytes=0), "mean_packet is 0; give 1 or more"),
    (lambda: red(packet_time_ns=0), "idle is 0; give 1 or more"),
    (lambda: linux_red(maximum_bytes=20_000), "min is 30000, max 20000 and limit 200000 bytes: in the wrong order"),
    (lambda: linux_red(burst_packets=29), "burst is 29 packets, too few for min; give 30 or more"),
    (lambda: linux_red(burst_packets=10**12), "burst is 1000000000000 packets, more than any weight lets pass"),
    (
        lambda: linux_red(maximum_bytes=10**9, limit_bytes=10**9, burst_packets=300),
        "max is 1000000000 bytes; with weight",
    ),
    (lambda: linux_red(maximum_bytes=200_000_000, limit_bytes=10**9, burst_packets=30), "max_p is 1/50, too little"),
    (lambda: linux_red(bandwidth_bps=1, burst_packets=300), "bandwidth is 1 bps, too little"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
