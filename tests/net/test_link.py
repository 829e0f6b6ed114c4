"""Does one event a packet give what a plain link of two events gives, in every departure, arrival and drop?"""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.clock import ARRIVAL, DEPARTURE, TIMER, Clock
from quicsim.net.datagram import CE, ECT_0, ECT_1, NOT_ECT, Datagram, DropReason
from quicsim.net.link import DirectionSpec, Link, LinkDirection, check_conservation
from quicsim.net.queue import ACCEPT, MARK, DropTail
from quicsim.randomness import Streams

from .plain import OFFER, PlainLink, PlainLoop

STREAMS = Streams(seed=1, replication=0)
SECOND_NS = 10**9


class Drops:
    """An observer that keeps what it is told, in the words of the plain link's log."""

    def __init__(self):
        self.log = []

    def dropped(self, direction_number, index, time_ns, size_bytes, reason):
        self.log.append(("dropped" if reason is DropReason.QUEUE else "lost", index, time_ns))


def one_direction(clock, spec, deliver=lambda datagram: None, number=0, name="a>b", observer=None):
    return LinkDirection(clock, number, name, spec, STREAMS, deliver, observer)


def megabit(**changes):
    return DirectionSpec(**({"rate_bps": 1_000_000, "delay_ns": 5_000_000} | changes))


@st.composite
def traffic(draw):
    """A rate, and offers (instant, size) that leave the link now busy, now idle, now just between the two."""
    rate_bps = draw(
        st.sampled_from([3, 7, 997, 1_000_003, 10_000_000, 999_999_937, 10**10, 7 * 10**11]) | st.integers(1, 10**9)
    )
    sizes = draw(st.lists(st.integers(0, 1500), min_size=1, max_size=4))
    service_ns = 1500 * 8 * SECOND_NS // rate_bps
    gaps = st.just(0) | st.integers(0, 3) | st.integers(0, 2 * service_ns + 1) | st.integers(0, service_ns // 4 + 1)
    now_ns, offers = 0, []
    for gap_ns, size in draw(st.lists(st.tuples(gaps, st.sampled_from(sizes)), max_size=40)):
        now_ns += gap_ns
        offers.append((now_ns, size))
    return rate_bps, offers


limits = st.tuples(st.none() | st.integers(0, 6000), st.none() | st.integers(0, 4))
delays = st.integers(0, 5) | st.integers(0, 10**10)
losses = st.sampled_from([Fraction(0), Fraction(1, 5), Fraction(1)])


@given(traffic(), limits, delays, losses)
def test_equal_to_a_plain_link_in_every_departure_arrival_and_drop(traffic, limits, delay_ns, loss):
    rate_bps, offers = traffic
    limit_bytes, limit_packets = limits
    chance = STREAMS.stream("loss:a>b")
    loop = PlainLoop()
    plain = PlainLink(
        loop,
        0,
        rate_bps,
        delay_ns,
        lambda size: None,
        limit_bytes,
        limit_packets,
        lambda index: chance.bernoulli(index, loss),
    )
    for number, (time_ns, size) in enumerate(offers):
        loop.at(time_ns, OFFER, number, plain.send, size)
    loop.run()

    clock, drops = Clock(), Drops()
    spec = DirectionSpec(rate_bps=rate_bps, delay_ns=delay_ns, queue=DropTail(limit_bytes, limit_packets), loss=loss)
    log = drops.log
    ours = one_direction(
        clock, spec, lambda datagram: log.append(("arrived", datagram.payload, clock.now)), observer=drops
    )
    departures = {}

    def offer(numbered):
        index, size = numbered
        dropped = ours.dropped_queue
        ours.send(Datagram(index, size))
        if ours.dropped_queue == dropped:
            departures[index] = ours.departure_ns
        check_conservation(ours)

    for number, (time_ns, size) in enumerate(offers):
        clock.call_at(time_ns, TIMER, number, offer, (number + 1, size))
    clock.run()

    left = {index: time_ns for what, index, time_ns in plain.log if what in ("departed", "lost")}
    assert departures == left
    assert sorted(log) == sorted(entry for entry in plain.log if entry[0] != "departed")
    for what, count in (("dropped", ours.dropped_queue), ("lost", ours.dropped_loss), ("arrived", ours.delivered)):
        assert count == sum(entry[0] == what for entry in plain.log)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), st.sampled_from([1, 2, 3])), max_size=40),
    st.integers(0, 3),
    st.sampled_from([8 * SECOND_NS, 4 * SECOND_NS, 3 * SECOND_NS]),
)
def test_a_dumbbell_with_many_ties_equals_the_plain_one(offers, limit_packets, bottleneck_bps):
    """Two feeders of equal rate into one short queue: ties at one instant decide which datagram is dropped."""
    loop = PlainLoop()
    plain_far = PlainLink(loop, 2, bottleneck_bps, 2, lambda size: None, None, limit_packets)
    plain_near = [PlainLink(loop, number, 8 * SECOND_NS, 1, plain_far.send) for number in (0, 1)]
    for number, (feeder, time_ns, size) in enumerate(offers):
        loop.at(time_ns, OFFER, number, plain_near[feeder].send, size)
    loop.run()

    clock, drops = Clock(), Drops()
    arrivals = []
    far_spec = DirectionSpec(rate_bps=bottleneck_bps, delay_ns=2, queue=DropTail(limit_packets=limit_packets))
    far = one_direction(clock, far_spec, lambda datagram: arrivals.append(clock.now), 2, "far", drops)
    near_spec = DirectionSpec(rate_bps=8 * SECOND_NS, delay_ns=1)
    near = [one_direction(clock, near_spec, far.send, number, f"near {number}") for number in (0, 1)]
    for number, (feeder, time_ns, size) in enumerate(offers):
        clock.call_at(time_ns, TIMER, number, near[feeder].send, Datagram(None, size))
    clock.run()

    assert drops.log == [entry for entry in plain_far.log if entry[0] == "dropped"]
    assert arrivals == [time_ns for what, _, time_ns in plain_far.log if what == "arrived"]


@given(traffic(), limits, losses, st.lists(st.integers(1, 10**9), max_size=10))
def test_datagrams_are_conserved_at_any_instant(traffic, limits, loss, waits):
    rate_bps, offers = traffic
    clock, received = Clock(), []
    specs = [
        DirectionSpec(
            rate_bps=rate_bps, delay_ns=delay_ns, queue=DropTail(*limits), loss=loss, faults=("every 3rd datagram",)
        )
        for delay_ns in (7, 10**6)
    ]
    link = Link(clock, 3, "access", ("client", "server"), tuple(specs), STREAMS, (received.append, received.append))
    for number, (time_ns, size) in enumerate(offers):
        direction = (link.forward, link.backward)[number % 2]
        clock.call_at(time_ns, TIMER, number, direction.send, Datagram(None, size))
    for wait_ns in waits:
        clock.run(until=clock.now + wait_ns)
        check_conservation(link)
    clock.run()
    check_conservation(link)
    assert link.forward.in_flight == link.backward.in_flight == 0
    assert len(received) == link.forward.delivered + link.backward.delivered
    assert sum(datagram.size_bytes for datagram in received) == (
        link.forward.delivered_bytes + link.backward.delivered_bytes
    )


def test_a_datagram_made_out_of_nothing_is_noticed():
    clock = Clock()
    link = one_direction(clock, megabit())
    link.send(Datagram(None, 100))
    check_conservation(link)
    link.offered += 1
    with pytest.raises(AssertionError, match="a>b: 2 offered, but 0 delivered"):
        check_conservation(link)


@pytest.mark.parametrize("rate_bps", [3, 7_777_777, 999_999_937])
def test_a_long_train_does_not_drift(rate_bps):
    clock, arrivals = Clock(), []
    link = one_direction(clock, DirectionSpec(rate_bps=rate_bps, delay_ns=0), lambda _: arrivals.append(clock.now))
    for _ in range(10_000):
        link.send(Datagram(None, 1350))
    clock.run()
    assert arrivals == [-(-n * 1350 * 8 * SECOND_NS // rate_bps) for n in range(1, 10_001)]


def test_a_datagram_after_an_exact_finish_within_the_nanosecond_starts_when_it_comes():
    clock, arrivals = Clock(), []
    link = one_direction(clock, DirectionSpec(rate_bps=3 * SECOND_NS, delay_ns=0), lambda _: arrivals.append(clock.now))
    link.send(Datagram(None, 1))  # ends after 8/3 ns, departs at 3
    clock.call_at(3, TIMER, 0, link.send, Datagram(None, 1))
    clock.run()
    assert arrivals == [3, 6]


def test_a_chain_of_three_links_takes_the_sum_of_its_parts():
    clock, arrivals = Clock(), []
    spec = megabit()
    third = one_direction(clock, spec, lambda datagram: arrivals.append((datagram.payload, clock.now)), 2, "c")
    second = one_direction(clock, spec, third.send, 1, "b")
    first = one_direction(clock, spec, second.send, 0, "a")
    for number in range(3):
        first.send(Datagram(number, 1250))
    clock.run()
    assert arrivals == [(number, 45_000_000 + number * 10_000_000) for number in range(3)]


@pytest.mark.parametrize(
    ("queue", "accepted"),
    [
        (DropTail(), 6),
        (DropTail(limit_packets=0), 1),
        (DropTail(limit_packets=2), 3),
        (DropTail(limit_bytes=999), 1),
        (DropTail(limit_bytes=1000), 2),
        (DropTail(limit_bytes=3500), 4),
        (DropTail(limit_bytes=3500, limit_packets=2), 3),
    ],
)
def test_the_limit_counts_who_waits_not_who_is_served(queue, accepted):
    clock = Clock()
    link = one_direction(clock, megabit(queue=queue))
    for _ in range(6):
        link.send(Datagram(None, 1000))
    assert (link.offered - link.dropped_queue, link.in_flight) == (accepted, accepted)
    assert (len(link.waiting), link.waiting_bytes) == (accepted - 1, (accepted - 1) * 1000)


def test_a_departure_at_the_same_instant_makes_room_first():
    clock = Clock()
    link = one_direction(clock, megabit(queue=DropTail(limit_packets=1)))
    for _ in range(2):
        link.send(Datagram(None, 125))  # 1 ms each
    clock.call_at(1_000_000, ARRIVAL, 99 << 40, link.send, Datagram(None, 125))
    clock.run()
    assert link.dropped_queue == 0


def test_lost_datagrams_take_queue_space_and_serialisation_and_are_lost_as_they_depart():
    clock, arrivals, drops = Clock(), [], Drops()
    spec = megabit(faults=("datagram 1",), queue=DropTail(limit_packets=1))
    link = one_direction(clock, spec, lambda datagram: arrivals.append((datagram.payload, clock.now)), observer=drops)
    for number in (1, 2, 3):
        link.send(Datagram(number, 1250))
    assert (link.dropped_fault, link.in_flight) == (0, 2)
    clock.run()
    assert drops.log == [("dropped", 3, 0), ("lost", 1, 10_000_000)]
    assert arrivals == [(2, 25_000_000)]
    assert (link.dropped_fault, link.dropped_queue, link.dropped) == (1, 1, 2)


def test_a_loss_is_on_the_heap_as_a_departure():
    clock = Clock()
    link = one_direction(clock, megabit(faults=("datagram 1",)), number=5)
    link.send(Datagram(None, 1250))
    assert [entry[:3] for entry in clock.heap] == [(10_000_000, DEPARTURE, 5 << 40 | 1)]


def test_chance_goes_by_the_datagrams_own_index():
    """The same datagrams are lost whatever the other direction carries, and whichever are refused by the queue."""

    def lost(queue, spacing_ns):
        clock, drops = Clock(), Drops()
        spec = megabit(loss=Fraction(1, 3), queue=queue)
        link = one_direction(clock, spec, observer=drops)
        for number in range(200):
            clock.call_at(number * spacing_ns, TIMER, number, link.send, Datagram(None, 125))
        clock.run()
        return {index for what, index, _ in drops.log if what == "lost"}, link.dropped_queue

    all_lost, refused = lost(DropTail(), 10**6)
    assert 40 < len(all_lost) < 95
    assert refused == 0
    fewer_lost, refused = lost(DropTail(limit_packets=5), 400_000)
    assert refused > 0
    assert fewer_lost < all_lost


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 10**7))
def test_jitter_delays_arrivals_within_its_bound_and_keeps_their_order(gaps, jitter_ns):
    clock, arrivals, departures = Clock(), [], []
    spec = DirectionSpec(rate_bps=10**10, delay_ns=1000, jitter_ns=jitter_ns)
    link = one_direction(clock, spec, lambda datagram: arrivals.append((datagram.payload, clock.now)))

    def offer(number):
        link.send(Datagram(number, 100))
        departures.append(link.departure_ns)

    time_ns = 0
    for number, gap_ns in enumerate(gaps):
        time_ns += gap_ns
        clock.call_at(time_ns, TIMER, number, offer, number)
    clock.run()
    assert [number for number, _ in arrivals] == list(range(len(gaps)))
    draws = STREAMS.stream("jitter:a>b")
    latest = 0
    for departure_ns, (number, arrival_ns) in zip(departures, arrivals, strict=True):
        latest = max(latest, departure_ns + 1000 + draws.below(number + 1, jitter_ns + 1))
        assert arrival_ns == latest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_bps": 0}, "rate_bps is 0; give an int, 1 or more"),
        ({"rate_bps": 1e6}, "rate_bps is 1000000.0; give an int"),
        ({"delay_ns": -1}, "delay_ns is -1; give an int, 0 or more"),
        ({"loss": Fraction(2)}, "probability is 2; give 0 to 1"),
        ({"faults": ("drop all",)}, "rule 'drop all' is not known"),
    ],
)
def test_a_specification_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        megabit(**changes)


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="limit_bytes is -1; give 0 or more"):
        DropTail(limit_bytes=-1)


class MarksEverySecond:
    """A discipline that asks to mark each datagram of an even index."""

    decides_when_idle = True

    def admission(self, rate_bps, chance):
        return lambda backlog, now_ns, size_bytes: MARK if backlog.offered % 2 == 0 else ACCEPT


@pytest.mark.parametrize(
    ("sent", "received", "marked", "dropped"),
    [
        (NOT_ECT, [NOT_ECT], 0, 1),  # it cannot be marked
        (ECT_0, [ECT_0, CE], 1, 0),
        (ECT_1, [ECT_1, CE], 1, 0),
        (CE, [CE, CE], 0, 0),  # it has been
    ],
)
def test_a_mark_is_set_where_the_sender_knows_marks_and_a_drop_elsewhere(sent, received, marked, dropped):
    class Observer(Drops):
        def marked(self, direction_number, index, time_ns, size_bytes):
            self.log.append(("marked", index, time_ns))

    clock, arrivals, observer = Clock(), [], Observer()
    link = one_direction(clock, megabit(queue=MarksEverySecond()), arrivals.append, observer=observer)
    for _ in range(2):
        link.send(Datagram(None, 100, ecn=sent))
    clock.run()
    assert [datagram.ecn for datagram in arrivals] == received
    assert (link.marked, link.dropped_queue) == (marked, dropped)
    assert observer.log == [("marked", 2, 0)] * marked + [("dropped", 2, 0)] * dropped
    check_conservation(link)
