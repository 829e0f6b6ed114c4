"""By when must the packet that just arrived be acknowledged?

Paper section 3.2.1 (acknowledgement strategies); RFC 9000 sections 13.2.1 and 13.2.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW, SPACE
from quicsim.operations.operation import Field, Operation, Output, Rule, u8, u32, u64
from quicsim.quic.ack_frequency import is_reordered
from quicsim.quic.packet import APPLICATION, CE, Packet

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["decide_ack"]

PICOQUIC_ACK_ELICITING_THRESHOLD = 2
PICOQUIC_FIRST_DELAY_NS = 10_000_000
PICOQUIC_MINIMUM_DELAY_NS = 1_000_000

decide_ack = Operation(
    number=0x07,
    name="DecideAck",
    meaning="Decides when an ack-eliciting packet is acknowledged.",
    source="paper section 3.2.1; RFC 9000 sections 13.2.1, 13.2.2",
    arguments=("connection", "path", "space", "packet"),
    inputs=(
        NOW,
        Field("packet_number", u64, "packet.number", "the packet that arrived"),
        Field("deadline_ns", u64, "space.received.deadline_ns", "the deadline so far; 0: none"),
        Field("max_ack_delay_ns", u64, "connection.max_ack_delay_ns", "the delay this endpoint advertised"),
        Field("unreported_ack_eliciting", u32, "space.received.unreported_ack_eliciting",
              "ack-eliciting packets since the last ACK, this one included"),
        SPACE,
        Field("in_order", u8, "space.received.in_order", "1: it follows the largest packet received before"),
        Field("ack_eliciting_threshold", u64, "connection.ack_frequency.threshold",
              "so many packets may go without an ACK: 1, or what the peer has asked for", since=4),
        Field("reordering_threshold", u64, "connection.ack_frequency.reordering",
              "so far out of order a packet is acknowledged at once: 1, or what the peer has asked for; 0: never",
              since=4),
    ),
    output=Output(u64, "instant by which an ACK goes out, ns; not after now: at once", unit="ns"),
    rules=(Rule("result > 0"),),
)  # fmt: skip


@decide_ack.default()
def every_second_or_delayed(connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet) -> int:
    """At once in the handshake, out of order, for Congestion Experienced and for every second packet; else within
    max_ack_delay. Where the peer has asked for ACKs at another frequency, as it asked.
    """
    received, frequency = space.received, connection.ack_frequency
    if (
        received.unreported_ack_eliciting > frequency.threshold
        or space.kind is not APPLICATION
        or received.wanted_at_once
        or (frequency.is_asked and is_due_by_request(connection, path, space, packet))
        or (not frequency.is_asked and not received.in_order)
        or (not frequency.is_asked and packet.ecn == CE and connection.profile.counts_ecn_marks)
    ):
        return connection.now_ns
    return received.deadline_ns or connection.now_ns + connection.max_ack_delay_ns


def is_due_by_request(connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet) -> bool:
    """Whether a packet is to be acknowledged at once though fewer have come than the peer's threshold.

    draft-ietf-quic-ack-frequency-14: after silence (section 6.1), out of order (6.2), or the first of several that
    experienced congestion (6.3).
    """
    received, frequency = space.received, connection.ack_frequency
    if connection.now_ns - received.reported_ns > path.rtt.smoothed_ns:
        return True
    if frequency.reordering == 1:
        if not received.in_order:
            return True
    elif frequency.reordering and is_reordered(space, packet, frequency.reordering):
        return True
    is_first = frequency.threshold <= 1 or not received.was_marked
    return is_first and packet.ecn == CE and connection.profile.counts_ecn_marks


@decide_ack.default("picoquic")
def every_second_or_since_last_ack(connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet) -> int:
    """Every second packet at once, else a quarter of the minimum RTT (1 to 10 ms) after the last ACK went out: a packet
    on its own is acknowledged at once.
    """
    received = space.received
    now_ns = connection.now_ns
    if received.unreported_ack_eliciting >= PICOQUIC_ACK_ELICITING_THRESHOLD or space.kind is not APPLICATION:
        return now_ns
    rtt = path.rtt
    delay_ns = PICOQUIC_FIRST_DELAY_NS
    if rtt.has_sample:
        delay_ns = min(max(rtt.minimum_ns // 4, PICOQUIC_MINIMUM_DELAY_NS), PICOQUIC_FIRST_DELAY_NS)
    return received.deadline_ns or max(now_ns, received.reported_ns + delay_ns)
