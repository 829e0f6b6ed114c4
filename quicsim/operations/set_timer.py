"""When must this endpoint wake next for loss recovery?

Paper section 2, figure 1 (last box); RFC 9002 section 6.2.1. Replaced by plugins/tlp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW
from quicsim.operations.operation import Field, Operation, Output, Rule, u8, u32, u64
from quicsim.quic.loss import last_sign_of_life_ns, loss_deadline_ns, probe_deadline_ns, probe_timeout_ns, stuck_space
from quicsim.quic.packet import APPLICATION

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["MP_QUIC_PROBES", "probe_or_timeout_ns", "retransmission_timeout_ns", "set_timer"]

INITIAL_TIMEOUT_NS = 1_000_000_000  # picoquic of August 2018
MAXIMUM_TIMEOUT_NS = 60_000_000_000  # RFC 6298 section 2.5: the least that a bound on the timeout may be
MP_QUIC_INITIAL_TIMEOUT_NS = 500_000_000  # mp-quic (2017), as all below
MP_QUIC_MINIMUM_TIMEOUT_NS = 200_000_000
MP_QUIC_MINIMUM_PROBE_NS = 10_000_000
MP_QUIC_SEVERAL_NS = 100_000_000
MP_QUIC_PROBES = 2
MINIMUM_TIMEOUT_NS = 50_000_000  # picoquic of August 2018: what figure 3 shows without TLP

set_timer = Operation(
    number=0x05,
    name="SetTimer",
    meaning="Sets the retransmission timer after each packet sent, and when a run of the sending process sent none.",
    source="paper section 2, figure 1; RFC 9002 section 6.2.1",
    inputs=(
        NOW,
        Field("last_ack_eliciting_sent_ns", u64, "path.application.last_ack_eliciting_sent_ns",
              "when the last ack-eliciting packet went out"),
        Field("smoothed_rtt_ns", u64, "path.rtt.smoothed_ns", "smoothed round-trip time"),
        Field("rtt_variation_ns", u64, "path.rtt.variation_ns", "its mean deviation"),
        Field("max_ack_delay_ns", u64, "connection.peer_max_ack_delay_ns", "how long the peer may delay an ACK"),
        Field("bytes_in_flight", u64, "path.bytes_in_flight", "bytes sent, not acknowledged and not lost"),
        Field("outstanding_count", u32, "path.outstanding_count", "packets of the application space in flight"),
        Field("ack_eliciting_outstanding", u32, "path.outstanding_ack_eliciting", "those that ask for an ACK"),
        Field("pto_count", u32, "path.pto_count", "timeouts in a row"),
        Field("handshake_confirmed", u8, "connection.is_confirmed", "1: the handshake is confirmed"),
        Field("amplification_limited", u8, "path.is_amplification_limited", "1: nothing may be sent yet"),
    ),
    output=Output(u64, "deadline, ns on the simulation clock; 0 disarms", unit="ns"),
    rules=(
        Rule("result == 0 or result >= now_ns"),
        Rule(f"result <= now_ns + {MAXIMUM_TIMEOUT_NS}"),
        Rule("result != 0", when="ack_eliciting_outstanding > 0 and handshake_confirmed and not amplification_limited"),
    ),
)  # fmt: skip


@set_timer.default()
def probe_timeout(connection: Connection, path: Path) -> int:
    """The time threshold if a packet waits for it, else PTO = srtt + max(4 rttvar, 1 ms) + max_ack_delay, doubled for
    each PTO in a row.
    """
    if not connection.is_confirmed:
        return loss_deadline_ns(path) or probe_deadline_ns(connection, path)[0]
    space = path.application  # the only one left
    if space.loss_time_ns or not space.ack_eliciting_in_flight:
        return space.loss_time_ns
    return space.last_ack_eliciting_sent_ns + (probe_timeout_ns(connection, path, APPLICATION) << path.pto_count)


def retransmission_timeout_ns(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """How long picoquic waits before it repeats a packet: RFC 6298's, at least 50 ms, then 1 s, 2 s, ...

    It backs off in each packet number space by itself.
    """
    if space.timeouts:
        return INITIAL_TIMEOUT_NS << (space.timeouts - 1)
    if not path.rtt.has_sample:
        return INITIAL_TIMEOUT_NS
    timeout_ns = path.rtt.smoothed_ns + 4 * path.rtt.variation_ns + connection.peer_max_ack_delay_ns
    return max(timeout_ns, MINIMUM_TIMEOUT_NS)


def probe_or_timeout_ns(path: Path) -> int:
    """How long mp-quic waits before its next tail loss probe, or after two of them its retransmission timeout."""
    rtt = path.rtt
    if not rtt.has_sample:
        return min(MP_QUIC_INITIAL_TIMEOUT_NS << path.pto_count, MAXIMUM_TIMEOUT_NS)
    if path.pto_count < MP_QUIC_PROBES:
        several = path.outstanding_ack_eliciting > 1
        least_ns = rtt.smoothed_ns * 3 // 2 + MP_QUIC_SEVERAL_NS if several else MP_QUIC_MINIMUM_PROBE_NS
        return max(2 * rtt.smoothed_ns, least_ns)
    timeout_ns = max(rtt.smoothed_ns + 4 * rtt.variation_ns, MP_QUIC_MINIMUM_TIMEOUT_NS)
    return min(timeout_ns << (path.pto_count - MP_QUIC_PROBES), MAXIMUM_TIMEOUT_NS)


@set_timer.default("mp-quic")
def tail_probes_then_timeout(connection: Connection, path: Path) -> int:
    """The time threshold if a packet waits for it, else two tail loss probes and then a retransmission timeout."""
    if not connection.is_confirmed and path is connection.path:
        return probe_timeout(connection, path)
    space = path.application
    if space.loss_time_ns or not space.ack_eliciting_in_flight:
        return space.loss_time_ns
    # An ACK that ends a back-off may bring the deadline to before now.
    return max(space.last_ack_eliciting_sent_ns + probe_or_timeout_ns(path), connection.now_ns)


@set_timer.default("picoquic")
def retransmission_timeout_of_oldest(connection: Connection, path: Path) -> int:
    """The RACK delay or the retransmission timeout of the oldest packet of any space, whichever comes first.

    A client whose server may be stuck at its amplification limit probes, as RFC 9002 section 6.2.2.1 has it (assumed:
    the stack of 2018 met no such limit).
    """
    earliest = loss_deadline_ns(path)
    for space in path.open_spaces:
        if not path.has_room_in(space.kind):
            continue
        for packet in space.outstanding.values():
            deadline = packet.sent_ns + retransmission_timeout_ns(connection, path, space)
            if not earliest or deadline < earliest:
                earliest = deadline
            break
    if not earliest and (stuck := stuck_space(connection, path)) is not None:
        return last_sign_of_life_ns(connection, path) + retransmission_timeout_ns(connection, path, stuck)
    return earliest
