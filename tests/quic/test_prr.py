"""Proportional rate reduction: what may be sent for what is delivered (RFC 6937), whatever happens meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.quic.congestion.prr import ProportionalRateReduction
from tests.quic.controlled import PACKET_BYTES, ack, lose, packets, paths_under, profile

REDUCING = {"proportional_rate_reduction": True, "back_off": (17, 20)}


class Sender:
    """One recovery of a sender that has always something to send. In packets of one size."""

    def __init__(self, flight, lost, target):
        (self.path,) = paths_under("olia", 1)
        self.path.ssthresh_bytes = target * PACKET_BYTES
        self.path.minimum_window_bytes = 0
        self.path.bytes_in_flight = (flight - lost) * PACKET_BYTES
        self.reduction = ProportionalRateReduction()
        self.flight, self.target = flight, target
        self.delivered = self.lost = self.sent = 0
        self.take(self.reduction.begin(self.path, lost * PACKET_BYTES))

    @property
    def in_flight(self):
        return self.path.bytes_in_flight // PACKET_BYTES

    def take(self, window_bytes):
        self.path.cwnd_bytes = window_bytes
        while self.path.window_is_open:
            self.path.bytes_in_flight += PACKET_BYTES
            self.sent += 1

    def deliver(self):
        self.path.bytes_in_flight -= PACKET_BYTES
        self.delivered += 1
        self.take(self.reduction.acked(self.path, PACKET_BYTES))

    def lose(self, count):
        self.path.bytes_in_flight -= count * PACKET_BYTES
        self.lost += count
        self.take(self.reduction.lost(self.path, count * PACKET_BYTES))


@pytest.mark.parametrize(
    ("flight", "lost", "target"), [(100, 1, 85), (100, 1, 50), (40, 3, 34), (1_000, 1, 850), (7, 1, 5)]
)
def test_what_is_sent_is_to_what_is_delivered_as_the_windows_are(flight, lost, target):
    sender = Sender(flight, lost, target)
    assert sender.sent == 1, "what was lost is repeated at once"
    for _ in range(flight - lost):
        sender.deliver()
        if sender.in_flight > target:
            assert sender.sent == max(1, sender.delivered * target // flight)
        assert sender.in_flight <= max(target, flight - lost + 1)
    assert abs(sender.in_flight - target) <= 1, "recovery ends where it was to lead"


@given(
    flight=st.integers(4, 400),
    lost=st.integers(1, 400),
    kept=st.integers(1, 99),
    events=st.lists(st.one_of(st.just(0), st.integers(1, 20)), max_size=120),
)
def test_packets_are_conserved(flight, lost, kept, events):
    """A packet delivered lets two out at most, a lost one none but the first; nothing goes out beyond the target."""
    lost, target = min(lost, flight), max(2, flight * kept // 100)
    sender = Sender(flight, lost, target)
    for count in events:
        if not sender.in_flight:
            break
        before = sender.in_flight
        if count:
            sender.lose(min(count, before))
        else:
            sender.deliver()
        assert flight - lost + sender.sent == sender.delivered + sender.lost + sender.in_flight
        assert sender.sent <= 2 * sender.delivered + 1
        assert sender.in_flight <= max(before, target)


def test_a_heavy_loss_is_not_made_up_for_in_a_burst():
    """Of 100 in flight 80 are lost, the target is 85: two for each delivered, not 65 at once."""
    sender = Sender(100, 80, 85)
    assert sender.sent == 1
    for delivered in range(1, 20):
        sender.deliver()
        assert sender.sent == 2 * delivered


def test_a_packet_sent_in_spite_of_the_window_counts():
    sender = Sender(100, 1, 85)
    for _ in range(10):
        sender.deliver()
    sender.path.bytes_in_flight += 5 * PACKET_BYTES
    assert sender.sent == 8
    for _ in range(5):
        sender.deliver()
    assert sender.sent == 8, "15 delivered allow 12, and 13 are out"


def test_the_window_never_falls_below_the_minimum():
    (path,) = paths_under("olia", 1, ssthresh_bytes=10 * PACKET_BYTES)
    path.bytes_in_flight = 0
    reduction = ProportionalRateReduction()
    assert reduction.begin(path, 20 * PACKET_BYTES) == path.minimum_window_bytes == 2 * PACKET_BYTES


def test_olia_reduces_in_proportion_and_ends_at_the_threshold():
    (path,) = paths_under("olia", 1, profile(**REDUCING), cwnd_bytes=100 * PACKET_BYTES)
    path.bytes_in_flight = 99 * PACKET_BYTES
    lose(path, 1_000)
    assert path.ssthresh_bytes == 85 * PACKET_BYTES
    assert packets(path) == 100, "99 in flight and the one to repeat"
    path.bytes_in_flight = 99 * PACKET_BYTES  # one repeated, one delivered
    path.congestion.acked(path, PACKET_BYTES, 500, 1_100)
    assert packets(path) == 99
    path.bytes_in_flight -= 20 * PACKET_BYTES
    lose(path, 1_200, sent_ns=900, lost_bytes=20 * PACKET_BYTES)
    assert path.ssthresh_bytes == 85 * PACKET_BYTES, "one cut a round trip"
    assert packets(path) == 80, "79 in flight: one delivered allows a second packet, no more"
    ack(path, 2_000, sent_ns=1_001)
    assert 85 <= packets(path) < 86.1


def test_siblings_see_the_window_that_a_reduction_leads_to():
    first, second = paths_under("olia", 2, profile(**REDUCING), cwnd_bytes=100 * PACKET_BYTES)
    first.bytes_in_flight = 20 * PACKET_BYTES
    lose(first, 1_000, lost_bytes=80 * PACKET_BYTES)
    assert packets(first) == 21
    assert first.congestion.load(first).window_bytes == 85 * PACKET_BYTES
    assert second.congestion.load(second).window_bytes == 100 * PACKET_BYTES
    lose(first, 2_000, sent_ns=1_500)
    assert first.ssthresh_bytes == 85 * PACKET_BYTES * 17 // 20, "a second cut starts from there, too"
