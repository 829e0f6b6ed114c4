"""Which outstanding packets are lost by now?

Paper section 2 (retransmission needs); RFC 9002 section 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW, SPACE
from quicsim.operations.operation import Field, Operation, Output, u32, u64
from quicsim.quic.congestion.base import TIMEOUT
from quicsim.quic.loss import (
    GRANULARITY_NS,
    PACKET_THRESHOLD,
    TIME_THRESHOLD,
    declare_lost,
    is_persistent_congestion,
)

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["detect_loss"]

PICOQUIC_RACK_DELAY_NS = 10_000_000

detect_loss = Operation(
    number=0x14,
    name="DetectLoss",
    meaning="Declares packets lost, and notes when the next one will be.",
    source="RFC 9002 section 6.1",
    arguments=("connection", "path", "space"),
    inputs=(
        NOW,
        Field("largest_acknowledged", u64, "space.largest_acknowledged_or_zero", "0 also for none"),
        Field("latest_rtt_ns", u64, "path.rtt.latest_ns", "the newest sample"),
        Field("smoothed_rtt_ns", u64, "path.rtt.smoothed_ns", "smoothed round-trip time"),
        Field("outstanding_count", u32, "path.outstanding_count", "packets of the application space in flight"),
        SPACE,
    ),
    output=Output(u32, "packets declared lost; for information"),
)


@detect_loss.default()
def by_packet_and_time_threshold(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """Three packets later (section 6.1.1), or 9/8 of the larger round-trip time earlier (section 6.1.2)."""
    rtt = path.rtt
    numerator, denominator = TIME_THRESHOLD
    longest_ns = rtt.latest_ns if rtt.latest_ns > rtt.smoothed_ns else rtt.smoothed_ns
    delay_ns = longest_ns * numerator // denominator
    if delay_ns < GRANULARITY_NS:
        delay_ns = GRANULARITY_NS
    largest = space.largest_acknowledged
    lost_before_ns = connection.now_ns - delay_ns
    space.loss_time_ns = 0
    lost: list[Packet] = []
    for number in range(space.oldest, largest + 1):
        packet = space.outstanding.get(number)
        if packet is None:
            continue
        if number <= largest - PACKET_THRESHOLD or packet.sent_ns <= lost_before_ns:
            lost.append(packet)
        else:
            space.loss_time_ns = packet.sent_ns + delay_ns
            break
    if lost:
        persistent = is_persistent_congestion(connection, path, lost)
        declare_lost(connection, path, space, lost, "packet or time threshold")
        if persistent:
            path.rtt.minimum_ns = path.rtt.latest_ns  # section 5.2
            connection.operations.congestion_control(connection, path, TIMEOUT, lost[-1].size_bytes, lost[-1].sent_ns)
    return len(lost)


@detect_loss.default("picoquic")
def by_gap_and_fixed_delay(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """More than three packets later, or 10 ms after sending once a later-sent packet is acknowledged."""
    largest = space.largest_acknowledged
    latest_sent_ns = space.latest_acknowledged_sent_ns
    now_ns = connection.now_ns
    space.loss_time_ns = 0
    lost: list[Packet] = []
    for number in range(space.oldest, largest + 1):
        packet = space.outstanding.get(number)
        if packet is None:
            continue
        due_ns = packet.sent_ns + PICOQUIC_RACK_DELAY_NS
        if largest - number > PACKET_THRESHOLD or (latest_sent_ns > packet.sent_ns and due_ns <= now_ns):
            lost.append(packet)
        elif latest_sent_ns > packet.sent_ns and (not space.loss_time_ns or due_ns < space.loss_time_ns):
            space.loss_time_ns = due_ns
    if lost:
        declare_lost(connection, path, space, lost, "gap or RACK delay")
    return len(lost)


@detect_loss.default("mp-quic")
def by_time_threshold(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """Sent before the largest acknowledged, more than 9/8 of the larger round-trip time ago; no gap alone is a loss."""
    rtt = path.rtt
    numerator, denominator = TIME_THRESHOLD
    delay_ns = max(rtt.latest_ns, rtt.smoothed_ns) * numerator // denominator
    now_ns = connection.now_ns
    space.loss_time_ns = 0
    lost: list[Packet] = []
    for number in range(space.oldest, space.largest_acknowledged):
        packet = space.outstanding.get(number)
        if packet is None:
            continue
        if packet.sent_ns + delay_ns > now_ns:
            space.loss_time_ns = packet.sent_ns + delay_ns
            break
        lost.append(packet)
    if lost:
        declare_lost(connection, path, space, lost, "time threshold")
    return len(lost)
