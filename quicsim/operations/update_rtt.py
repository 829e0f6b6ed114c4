"""What does a round-trip sample say about the path?

RFC 9002 section 5.3; RFC 6298 for the stack of 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW, SPACE
from quicsim.operations.operation import Field, Operation, Output, Rule, u8, u64
from quicsim.quic.packet import INITIAL

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["update_rtt"]

DAY_NS = 86_400 * 1_000_000_000  # assumed: beyond any path, and no deadline made of it leaves 64 bits

update_rtt = Operation(
    number=0x13,
    name="UpdateRTT",
    meaning="Updates the round-trip time estimate.",
    source="RFC 9002 section 5.3",
    arguments=("connection", "path", "space", "sample_ns", "ack_delay_ns"),
    inputs=(
        NOW,
        Field("sample_ns", u64, "sample_ns", "now minus the instant of sending"),
        Field("ack_delay_ns", u64, "ack_delay_ns", "what the peer says it waited"),
        Field("smoothed_rtt_ns", u64, "path.rtt.smoothed_ns", "before this sample", writable=True),
        Field("rtt_variation_ns", u64, "path.rtt.variation_ns", "before this sample", writable=True),
        SPACE,
        Field("has_sample", u8, "path.rtt.has_sample", "1: there was a sample before this one", writable=True),
        Field("latest_rtt_ns", u64, "path.rtt.latest_ns", "the sample before this one", writable=True),
        Field("minimum_rtt_ns", u64, "path.rtt.minimum_ns", "the smallest before this one", writable=True),
    ),
    output=Output(u64, "smoothed round-trip time, ns", of="path.rtt.smoothed_ns", unit="ns"),
    rules=(
        Rule("result > 0"),
        Rule(f"result <= {DAY_NS}"),
        Rule("smoothed_rtt_ns > 0"),
        Rule(f"smoothed_rtt_ns <= {DAY_NS}"),
        Rule(f"rtt_variation_ns <= {DAY_NS}"),
        Rule("has_sample <= 1"),
        Rule(f"latest_rtt_ns <= {DAY_NS}"),
        Rule(f"minimum_rtt_ns <= {DAY_NS}"),
    ),
)


@update_rtt.default()
def weighted_average(
    connection: Connection, path: Path, space: PacketNumberSpace, sample_ns: int, ack_delay_ns: int
) -> int:
    """Subtract the ACK delay unless the result falls below the minimum; weigh the rest by 1/8 and 1/4."""
    rtt = path.rtt
    if not rtt.has_sample:
        path.first_rtt_sample_ns = connection.now_ns
        rtt.begin(sample_ns)
        return rtt.smoothed_ns
    rtt.latest_ns = sample_ns
    if sample_ns < rtt.minimum_ns:
        rtt.minimum_ns = sample_ns
    if space.kind is INITIAL:
        ack_delay_ns = 0
    elif connection.is_confirmed and ack_delay_ns > connection.peer_max_ack_delay_ns:
        ack_delay_ns = connection.peer_max_ack_delay_ns
    if sample_ns - ack_delay_ns >= rtt.minimum_ns:
        sample_ns -= ack_delay_ns
    deviation = rtt.smoothed_ns - sample_ns
    rtt.variation_ns = (3 * rtt.variation_ns + (deviation if deviation >= 0 else -deviation)) // 4
    rtt.smoothed_ns = (7 * rtt.smoothed_ns + sample_ns) // 8
    return rtt.smoothed_ns


@update_rtt.default("picoquic")
def rfc6298_average(
    connection: Connection, path: Path, space: PacketNumberSpace, sample_ns: int, ack_delay_ns: int
) -> int:
    """RFC 6298 on the sample less the ACK delay; the deviation is at least a quarter of the minimum, and the largest
    delay seen counts as the peer's.
    """
    rtt = path.rtt
    sample_ns -= ack_delay_ns
    if sample_ns <= 0:
        return rtt.smoothed_ns
    if ack_delay_ns > connection.peer_max_ack_delay_ns:
        connection.peer_max_ack_delay_ns = ack_delay_ns
    if not rtt.has_sample:
        path.first_rtt_sample_ns = connection.now_ns
        rtt.begin(sample_ns)
        return rtt.smoothed_ns
    rtt.latest_ns = sample_ns
    difference = sample_ns - rtt.smoothed_ns
    rtt.smoothed_ns += difference // 8
    rtt.variation_ns += (abs(difference) - rtt.variation_ns) // 4
    if sample_ns < rtt.minimum_ns:
        rtt.minimum_ns = sample_ns
    if 4 * rtt.variation_ns < rtt.minimum_ns:
        rtt.variation_ns = rtt.minimum_ns // 4
    return rtt.smoothed_ns


@update_rtt.default("mp-quic")
def corrected_average(
    connection: Connection, path: Path, space: PacketNumberSpace, sample_ns: int, ack_delay_ns: int
) -> int:
    """The minimum is of samples as they are; all else is of samples less the ACK delay, where that leaves something."""
    rtt = path.rtt
    minimum_ns = min(rtt.minimum_ns, sample_ns) if rtt.has_sample else sample_ns
    if sample_ns > ack_delay_ns:
        sample_ns -= ack_delay_ns
    if not rtt.has_sample:
        path.first_rtt_sample_ns = connection.now_ns
        rtt.begin(sample_ns)
    else:
        rtt.latest_ns = sample_ns
        rtt.variation_ns = (3 * rtt.variation_ns + abs(rtt.smoothed_ns - sample_ns)) // 4
        rtt.smoothed_ns = (7 * rtt.smoothed_ns + sample_ns) // 8
    rtt.minimum_ns = minimum_ns
    return rtt.smoothed_ns
