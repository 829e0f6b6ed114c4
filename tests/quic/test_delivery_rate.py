"""Delivery rate samples against worked numbers: draft-ietf-ccwg-bbr-06 section 4.1."""

import pytest

from quicsim.quic.packet import APPLICATION, Packet
from tests.quic.controlled import MILLISECOND_NS, PACKET_BYTES, paths_under

MS = MILLISECOND_NS


class Traffic:
    """A path on which packets go out and come back when the test says so."""

    def __init__(self):
        [self.path] = paths_under("bbr", 1)
        self.path.rtt.minimum_ns = 10 * MS
        self.delivery = self.path.delivery
        self.packets = []

    def send(self, at_ms, count=1):
        for _ in range(count):
            packet = Packet(APPLICATION, len(self.packets), 0, False)
            packet.size_bytes, packet.sent_ns = PACKET_BYTES, round(at_ms * MS)
            self.path.bytes_in_flight += PACKET_BYTES
            self.delivery.sent(self.path, packet)
            self.packets.append(packet)

    def acknowledge(self, at_ms, *numbers):
        """Take these out of flight; (rate in packets a second, packets of the sample, round trip in ms)."""
        for number in numbers:
            self.path.bytes_in_flight -= PACKET_BYTES
            self.delivery.acknowledged(self.packets[number], round(at_ms * MS))
        assert self.delivery.sample(self.path)
        told = self.delivery.rate / PACKET_BYTES, self.delivery.sample_bytes / PACKET_BYTES, self.delivery.rtt_ns / MS
        self.delivery.done()
        return told


def test_a_flight_is_sampled_over_the_round_trip():
    traffic = Traffic()
    traffic.send(100, count=10)
    assert traffic.acknowledge(120, 0, 1) == (pytest.approx(100), 2, 20)  # 2 in 20 ms
    assert traffic.acknowledge(124, *range(2, 10)) == (pytest.approx(10 / 0.024), 10, 24)


def test_what_was_sent_slowly_was_not_delivered_fast():
    """Acknowledgements that come at once say nothing: the longer of both intervals counts."""
    traffic = Traffic()
    for number in range(10):
        traffic.send(100 + 10 * number)
    traffic.acknowledge(191, *range(9))
    traffic.send(192)
    rate, count, _ = traffic.acknowledge(212, 9, 10)
    assert (rate, count) == (pytest.approx(2 / 0.021, rel=1e-3), 2)


def test_the_sample_is_of_the_packet_sent_last():
    traffic = Traffic()
    traffic.send(100)
    traffic.send(110)
    assert traffic.acknowledge(125, 1, 0)[2] == 15


def test_an_interval_below_the_least_round_trip_is_not_trusted():
    traffic = Traffic()
    traffic.send(100)
    assert traffic.acknowledge(109, 0)[0] == 0
    traffic.send(200)
    assert traffic.acknowledge(210, 1)[0] == pytest.approx(100)


def test_samples_are_the_application_s_until_what_was_in_flight_when_it_ran_dry_is_through():
    traffic = Traffic()
    traffic.send(100, count=2)
    traffic.delivery.ran_dry(traffic.path)
    traffic.send(101, count=2)
    limited = [packet.delivery.is_application_limited for packet in traffic.packets]
    assert limited == [False, False, True, True]
    traffic.acknowledge(120, 0, 1)
    assert traffic.delivery.limited_until_bytes > 0
    traffic.acknowledge(121, 2)
    assert traffic.delivery.limited_until_bytes == 0
    traffic.send(130)
    assert not traffic.packets[-1].delivery.is_application_limited


def test_a_loss_tells_what_was_lost_since_its_packet_was_sent():
    traffic = Traffic()
    traffic.send(100, count=3)
    traffic.delivery.lost(traffic.packets[0])
    traffic.send(110)
    traffic.delivery.lost(traffic.packets[1])
    traffic.delivery.lost(traffic.packets[3])
    losses = traffic.delivery.newly_lost
    told = [(loss.number, loss.lost_bytes // PACKET_BYTES, loss.in_flight_bytes) for loss in losses]
    assert told == [(0, 1, PACKET_BYTES), (1, 2, 2 * PACKET_BYTES), (3, 2, 4 * PACKET_BYTES)]
    traffic.delivery.acknowledged(traffic.packets[0], 130 * MS)  # too late: settled as lost
    assert traffic.delivery.delivered_bytes == 0
