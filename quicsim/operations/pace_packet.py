"""After this packet, when may the next one go out?

Paper section 3.2.2 (the sending rate under a plugin's control); RFC 9002 section 7.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW, PACKET_SIZE
from quicsim.operations.operation import Field, Operation, Output, Rule, u64
from quicsim.quic.packet import APPLICATION

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path

__all__ = ["pace_packet"]

SECOND_NS = 1_000_000_000
LONGEST_PAUSE_NS = 60_000_000_000  # assumed: longer is silence, not pacing
# A packet may leave while anything is left of the burst, so that one more than these leaves at once.
LARGEST_BURST_DATAGRAMS = 9  # RFC 9002 section 7.7: with that one the initial window, section 7.2
SMALLEST_BURST_DATAGRAMS = 2  # as picoquic and aioquic have it today,
BURST_SHARE = (1, 4)  # which let a part of the window out at once
PACING_GAIN = (5, 4)  # RFC 9002 section 7.7: N = 1.25
# A window that doubles in a round trip needs N = 2 ln 2 = 1.39 or more, or the pacer and not the peer's ACKs limit it.
# Chromium and Linux take 2 (docs/decisions/0016).
SLOW_START_PACING_GAIN = (2, 1)
PICOQUIC_BURST_DATAGRAMS = 16  # assumed: picoquic of 2018 let a burst of so many out,
PICOQUIC_LONGEST_BURST_SHARE = 8  # but none beyond an eighth of the minimum round-trip time,
PICOQUIC_SHORTEST_BURST_NS = 1_000_000  # nor below a millisecond

pace_packet = Operation(
    number=0x0A,
    name="PacePacket",
    meaning="Spaces packets in flight over the round trip instead of sending them in bursts.",
    source="RFC 9002 section 7.7; paper section 2 (packet sending)",
    arguments=("connection", "path", "packet"),
    inputs=(
        NOW,
        PACKET_SIZE,
        Field("cwnd_bytes", u64, "path.cwnd_bytes", "congestion window"),
        Field("smoothed_rtt_ns", u64, "path.rtt.smoothed_ns", "smoothed round-trip time"),
        Field("schedule_ns", u64, "path.pacing_schedule_ns",
              "when the packets so far would have gone out, evenly spaced", writable=True),
        Field("pacing_rate", u64, "path.pacing_rate",
              "the controller's own rate, bytes a second; 0: it has none, and packets follow the window", since=4),
        Field("send_quantum_bytes", u64, "path.send_quantum_bytes", "what may leave at once at that rate", since=4),
    ),
    output=Output(
        u64, "no packet in flight goes out before this instant, probes excepted; not after now: at once", unit="ns"
    ),
    rules=(
        Rule(f"result <= now_ns + {LONGEST_PAUSE_NS}"),
        Rule(f"schedule_ns <= now_ns + {LONGEST_PAUSE_NS}"),
    ),
)  # fmt: skip


@pace_packet.default()
def five_quarters_of_the_window(connection: Connection, path: Path, packet: Packet) -> int:
    """1.25 windows a round trip, two in slow start, after bursts of a quarter of the window: three to ten datagrams.
    Or at the controller's own rate, by its quantum.
    """
    rtt = path.rtt
    if not rtt.has_sample or packet.space is not APPLICATION:
        return 0
    if path.pacing_rate:
        full_ns = path.datagram_bytes * SECOND_NS // path.pacing_rate
        burst_ns = (path.send_quantum_bytes - path.datagram_bytes) * SECOND_NS // path.pacing_rate
    else:
        windows, round_trips = SLOW_START_PACING_GAIN if is_doubling(path) else PACING_GAIN
        window_ns = rtt.smoothed_ns * round_trips // windows
        full_ns = window_ns * path.datagram_bytes // path.cwnd_bytes
        burst_ns = window_ns * BURST_SHARE[0] // BURST_SHARE[1]
        if burst_ns < SMALLEST_BURST_DATAGRAMS * full_ns:
            burst_ns = SMALLEST_BURST_DATAGRAMS * full_ns
        elif burst_ns > LARGEST_BURST_DATAGRAMS * full_ns:
            burst_ns = LARGEST_BURST_DATAGRAMS * full_ns
    ready_ns = schedule_ns(connection, path, packet, full_ns) - burst_ns
    return ready_ns if ready_ns >= connection.now_ns else 0


def is_doubling(path: Path) -> bool:
    """Whether slow start is under way: until something was acknowledged, the first window stays what it is."""
    return path.cwnd_bytes < path.ssthresh_bytes and path.application.largest_acknowledged >= 0


@pace_packet.default("picoquic")
def window_a_round_trip(connection: Connection, path: Path, packet: Packet) -> int:
    """One packet every SRTT * MTU / cwnd, after bursts that the bucket holds."""
    rtt = path.rtt
    if not rtt.has_sample or packet.space is not APPLICATION:
        return 0
    full_ns = rtt.smoothed_ns * path.datagram_bytes // path.cwnd_bytes
    burst_ns = min(PICOQUIC_BURST_DATAGRAMS * full_ns, rtt.minimum_ns // PICOQUIC_LONGEST_BURST_SHARE)
    ready_ns = schedule_ns(connection, path, packet, full_ns) - max(burst_ns, PICOQUIC_SHORTEST_BURST_NS)
    return ready_ns if ready_ns > connection.now_ns else 0


def schedule_ns(connection: Connection, path: Path, packet: Packet, full_ns: int) -> int:
    """When the packets so far, this one included, would have gone out if full ones left every `full_ns`."""
    start_ns = path.pacing_schedule_ns
    if start_ns < connection.now_ns:
        start_ns = connection.now_ns
    size_bytes, full_bytes = packet.size_bytes, path.datagram_bytes
    path.pacing_schedule_ns = start_ns + (full_ns if size_bytes == full_bytes else full_ns * size_bytes // full_bytes)
    return path.pacing_schedule_ns


@pace_packet.default("mp-quic")
def at_once(connection: Connection, path: Path, packet: Packet) -> int:
    """mp-quic of 2017 does not pace."""
    return 0
