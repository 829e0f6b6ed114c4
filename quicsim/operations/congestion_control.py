"""How large is the congestion window after this event?

Paper section 2 (the first example of a pluggable operation) and 3.2.2; RFC 9002 section 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW
from quicsim.operations.operation import Field, Operation, Output, Rule, u8, u32, u64
from quicsim.quic.congestion.base import ACK_TOLD, ACKED, IDLE, LOST, MARKED, RTT, SPURIOUS, TIMEOUT
from quicsim.quic.path import MAXIMUM_PATHS

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path

__all__ = ["congestion_control"]

congestion_control = Operation(
    number=0x20,
    name="CongestionControl",
    meaning="Reacts to acknowledged and lost packets, to round-trip samples and to timeouts.",
    source="paper sections 2 and 3.2.2; RFC 9002 section 7",
    arguments=("connection", "path", "event", "packet_bytes", "packet_sent_ns"),
    inputs=(
        NOW,
        Field("packet_sent_ns", u64, "packet_sent_ns", "when the packet that the event is about was sent"),
        Field("cwnd_bytes", u64, "path.cwnd_bytes", "congestion window before the event"),
        Field("ssthresh_bytes", u64, "path.ssthresh_bytes", "slow start threshold", writable=True),
        Field("bytes_in_flight", u64, "path.bytes_in_flight", "bytes sent, not acknowledged and not lost"),
        Field("smoothed_rtt_ns", u64, "path.rtt.smoothed_ns", "smoothed round-trip time"),
        Field("minimum_window_bytes", u64, "path.minimum_window_bytes", "the window never shrinks below this"),
        Field("packet_bytes", u32, "packet_bytes", "that packet's size; the sum of all for packets lost at once"),
        Field("event", u8, "event",
              "1 acked, 2 lost, 3 marked, 4 RTT sample, 5 idle no more, 6 timeout, 7 ACK told, 8 nothing was lost"),
        Field("path_id", u8, "path.path_id", "the path", maximum=MAXIMUM_PATHS - 1),
    ),
    output=Output(u64, "congestion window, bytes", of="path.cwnd_bytes", unit="bytes"),
    rules=(
        Rule("result >= minimum_window_bytes"),
        Rule("result <= 1 << 62"),
        Rule("ssthresh_bytes <= 1 << 62"),
    ),
)  # fmt: skip


@congestion_control.default()
def controller(connection: Connection, path: Path, event: int, packet_bytes: int, packet_sent_ns: int) -> int:
    """Hand the event to the path's own controller."""
    if event == ACKED:
        path.congestion.acked(path, packet_bytes, packet_sent_ns, connection.now_ns)
    elif event == LOST:
        path.congestion.congested(path, packet_bytes, packet_sent_ns, connection.now_ns)
    elif event == MARKED:
        path.congestion.congested(path, 0, packet_sent_ns, connection.now_ns)
    elif event == RTT:
        path.congestion.rtt_sampled(path, packet_sent_ns, connection.now_ns)
    elif event == ACK_TOLD:
        path.congestion.ack_told(path, connection.now_ns)
    elif event == IDLE:
        path.congestion.resumed(path, connection.now_ns)
    elif event == TIMEOUT:
        path.congestion.timed_out(path, connection.now_ns)
    elif event == SPURIOUS:
        path.congestion.undo(path, connection.now_ns)
    return path.cwnd_bytes
