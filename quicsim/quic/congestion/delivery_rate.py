"""At which rate does the path deliver? A sample an acknowledgement: draft-ietf-ccwg-bbr-06 section 4.1.

A packet remembers what had been delivered when it was sent; its acknowledgement tells what was delivered since, over
the longer of the times in which that was sent and acknowledged. Sizes are bytes of UDP payload, instants nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path

__all__ = ["DeliveryRate", "Loss", "Sent"]

SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class Sent:
    """What was known when a packet was sent (section 4.1.2.1.2)."""

    delivered_bytes: int
    delivered_ns: int
    first_sent_ns: int
    lost_bytes: int
    in_flight_bytes: int
    """This packet included."""
    is_application_limited: bool


@dataclass(frozen=True, slots=True)
class Loss:
    """A packet that was declared lost, and what was lost since it was sent, itself included."""

    number: int
    size_bytes: int
    lost_bytes: int
    in_flight_bytes: int
    is_application_limited: bool


class DeliveryRate:
    """One path's delivery: its counters, and the sample that the present acknowledgement gives."""

    __slots__ = (
        "_first_sent_ns",
        "_interval_ns",
        "_newest_number",
        "_sample_of",
        "delivered_bytes",
        "delivered_ns",
        "limited_until_bytes",
        "lost_bytes",
        "newly_acknowledged_bytes",
        "newly_lost",
        "rate",
        "rtt_ns",
        "sample_bytes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.delivered_bytes = 0
        self.delivered_ns = 0
        self.lost_bytes = 0
        self.limited_until_bytes = 0
        """Samples are the application's until so much is delivered; 0: the network's."""
        self.newly_lost: list[Loss] = []
        """Declared lost and not yet told to the controller."""
        self._first_sent_ns = 0
        self._newest_number = -1
        self._interval_ns = 0
        self._sample_of: Sent | None = None
        self.newly_acknowledged_bytes = 0
        self.rtt_ns = -1
        """Of the packet sent last among those acknowledged; -1: none was."""
        self.sample_bytes = 0
        """What was delivered since that packet was sent."""
        self.rate = 0
        """The sample, bytes a second; 0: there is none to be trusted."""

    @property
    def of(self) -> Sent:
        """What was known when the packet was sent that the sample is of."""
        assert self._sample_of is not None  # asked for only after an acknowledgement
        return self._sample_of

    def sent(self, path: Path, packet: Packet) -> None:
        """A packet has gone out and is in flight (section 4.1.2.2)."""
        now_ns = packet.sent_ns
        if path.bytes_in_flight == packet.size_bytes:  # nothing else is: the sampling begins here
            self._first_sent_ns = self.delivered_ns = now_ns
        packet.delivery = Sent(
            self.delivered_bytes,
            self.delivered_ns,
            self._first_sent_ns,
            self.lost_bytes,
            path.bytes_in_flight,
            self.limited_until_bytes > 0,
        )

    def acknowledged(self, packet: Packet, now_ns: int) -> None:
        """A packet in flight was (UpdateRateSample of section 4.1.2.3)."""
        sent = packet.delivery
        if sent is None:
            return
        packet.delivery = None
        self.delivered_bytes += packet.size_bytes
        self.newly_acknowledged_bytes += packet.size_bytes
        self.delivered_ns = now_ns
        key = (packet.sent_ns, packet.number)
        if self._sample_of is None or key > (self._first_sent_ns, self._newest_number):
            self._sample_of = sent
            self._newest_number = packet.number
            self.rtt_ns = now_ns - packet.sent_ns
            self._interval_ns = max(packet.sent_ns - sent.first_sent_ns, now_ns - sent.delivered_ns)
            self._first_sent_ns = packet.sent_ns

    def lost(self, packet: Packet) -> None:
        """A packet in flight was declared lost."""
        sent = packet.delivery
        if sent is None:
            return
        packet.delivery = None
        self.lost_bytes += packet.size_bytes
        since_bytes = self.lost_bytes - sent.lost_bytes
        self.newly_lost.append(
            Loss(packet.number, packet.size_bytes, since_bytes, sent.in_flight_bytes, sent.is_application_limited)
        )

    def ran_dry(self, path: Path) -> None:
        """There is room in the window and nothing to send (section 4.1.2.4)."""
        self.limited_until_bytes = max(self.delivered_bytes + path.bytes_in_flight, 1)

    def sample(self, path: Path) -> bool:
        """Finish the sample of an acknowledgement; whether it acknowledged anything in flight (GenerateRateSample)."""
        if self.limited_until_bytes and self.delivered_bytes > self.limited_until_bytes:
            self.limited_until_bytes = 0
        if self._sample_of is None:
            return False
        interval_ns = self._interval_ns
        self.sample_bytes = self.delivered_bytes - self._sample_of.delivered_bytes
        trusted = interval_ns >= path.rtt.minimum_ns and interval_ns > 0
        self.rate = self.sample_bytes * SECOND_NS // interval_ns if trusted else 0
        return True

    def done(self) -> None:
        """The controller has taken the sample: the next acknowledgement begins anew."""
        self._sample_of = None
        self._newest_number = -1
        self.newly_acknowledged_bytes = 0
        self.rtt_ns = -1
        self.rate = self.sample_bytes = 0
