"""Which packets are lost, and when does the timer expire? RFC 9002 sections 6.1 and 6.2.

What the operations SetTimer, DetectLoss and SelectRetransmission share; what is theirs alone is in their own files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.events import Code, PacketLost
from quicsim.quic.congestion.base import LOST
from quicsim.quic.datagram_frames import report_lost
from quicsim.quic.mtu import is_probe
from quicsim.quic.packet import APPLICATION, Packet, Space

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["GRANULARITY_NS", "PACKET_THRESHOLD", "declare_lost", "last_sign_of_life_ns", "loss_deadline_ns",
           "probe_deadline_ns", "stuck_space"]  # fmt: skip

PACKET_THRESHOLD = 3  # RFC 9002 section 6.1.1
TIME_THRESHOLD = (9, 8)  # RFC 9002 section 6.1.2
GRANULARITY_NS = 1_000_000  # RFC 9002 section 6.1.2
PERSISTENT_CONGESTION_THRESHOLD = 3  # RFC 9002 section 7.6.1


def declare_lost(
    connection: Connection, path: Path, space: PacketNumberSpace, packets: list[Packet], trigger: str
) -> None:
    """Take packets out of flight, keep them for SelectRetransmission, and tell congestion control once."""
    path.timer_is_stale = True
    for packet in packets:
        del space.outstanding[packet.number]
        space.lost[packet.number] = packet
        packet.in_flight = False
        path.bytes_in_flight -= packet.size_bytes
        if path.samples_delivery:
            path.delivery.lost(packet)
        if packet.ack_eliciting:
            space.ack_eliciting_in_flight -= 1
        connection.counts.packets_lost += 1
        recorder = connection.recorder
        recorder.record(Code.PACKET_LOST, connection.now_ns, path.path_id << 8 | space.kind, packet.number)
        if recorder.subscribers:
            kind = space.kind.name.lower()
            recorder.emit(PacketLost(connection.now_ns, recorder.name, kind, packet.number, trigger, path.path_id))
    report_lost(connection, packets)
    last = packets[-1]
    lost_bytes = sum(packet.size_bytes for packet in packets if not is_probe(path, packet))
    if lost_bytes:
        if path.recovery is not None:
            late = [packet for packet in packets if not is_probe(path, packet)]
            path.recovery.lost(connection, space, late, probe_timeout_ns(connection, path, space.kind))
        connection.operations.congestion_control(connection, path, LOST, lost_bytes, last.sent_ns)


def is_persistent_congestion(connection: Connection, path: Path, packets: list[Packet]) -> bool:
    """Whether ack-eliciting packets were lost over a period that rules out chance (RFC 9002 section 7.6.2).

    `packets` are consecutive losses of one space in ascending order; only those sent after the first RTT sample count.
    """
    if not path.rtt.has_sample:
        return False
    rtt = path.rtt
    period_ns = PERSISTENT_CONGESTION_THRESHOLD * (
        rtt.smoothed_ns + max(4 * rtt.variation_ns, GRANULARITY_NS) + connection.peer_max_ack_delay_ns
    )
    first: Packet | None = None
    previous: Packet | None = None
    for packet in packets:
        if not packet.ack_eliciting or packet.sent_ns <= path.first_rtt_sample_ns:
            continue
        if first is None or previous is None or packet.number != previous.number + 1:
            first = packet
        elif packet.sent_ns - first.sent_ns > period_ns:
            return True
        previous = packet
    return False


def loss_deadline_ns(path: Path) -> int:
    """When the next packet becomes lost by time, over all spaces; 0: none will."""
    earliest = 0
    for space in path.open_spaces:
        if space.loss_time_ns and (not earliest or space.loss_time_ns < earliest):
            earliest = space.loss_time_ns
    return earliest


def probe_timeout_ns(connection: Connection, path: Path, kind: Space) -> int:
    """The probe timeout without back-off; the peer's ACK delay counts in the application space only (section 6.2.1)."""
    rtt = path.rtt
    variation = 4 * rtt.variation_ns
    period = rtt.smoothed_ns + (variation if variation > GRANULARITY_NS else GRANULARITY_NS)
    return period + connection.peer_max_ack_delay_ns if kind is APPLICATION else period


def probe_deadline_ns(connection: Connection, path: Path) -> tuple[int, PacketNumberSpace | None]:
    """When the probe timeout expires and for which space (section 6.2.1, appendix A.8); (0, None): it is not armed."""
    earliest, chosen = 0, None
    for space in path.open_spaces:
        if space.kind is APPLICATION:
            waits = bool(space.ack_eliciting_in_flight) and connection.is_confirmed
        else:
            # Lost handshake data may wait for a window that is full of packets that the peer cannot read without it.
            waits = bool(space.ack_eliciting_in_flight or space.lost or space.pending)
        if not waits or not path.has_room_in(space.kind):
            continue
        deadline = space.last_ack_eliciting_sent_ns + (probe_timeout_ns(connection, path, space.kind) << path.pto_count)
        if chosen is None or deadline < earliest:
            earliest, chosen = deadline, space
    if chosen is None and (chosen := stuck_space(connection, path)) is not None:
        timeout_ns = probe_timeout_ns(connection, path, chosen.kind) << path.pto_count
        earliest = last_sign_of_life_ns(connection, path) + timeout_ns
    return earliest, chosen


def stuck_space(connection: Connection, path: Path) -> PacketNumberSpace | None:
    """Where a client probes though nothing is in flight; None: it need not (section 6.2.2.1).

    The server may be stuck at its amplification limit, and only the client can free it: in the Handshake space, if it
    has the keys, since that validates its address.
    """
    if not connection.is_client or connection.is_confirmed or connection.peer_validated_us:
        return None
    space = None
    for opened in path.open_spaces:
        if opened.kind is APPLICATION:
            continue
        if opened.ack_eliciting_in_flight:
            return None
        space = opened
    return space


def last_sign_of_life_ns(connection: Connection, path: Path) -> int:
    """When an ack-eliciting packet last went out, or an acknowledgement settled one."""
    return max(connection.last_progress_ns, *(space.last_ack_eliciting_sent_ns for space in path.spaces))
