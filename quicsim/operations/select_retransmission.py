"""Which outstanding packet, if any, must be sent again?

Paper section 2, figure 1 (first box); RFC 9002 sections 6.1 and 6.2.4. Replaced by plugins/tlp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW, SPACE, TIMER_EXPIRED
from quicsim.operations.operation import Field, Operation, Output, u32, u64
from quicsim.operations.set_timer import MP_QUIC_PROBES, probe_or_timeout_ns, retransmission_timeout_ns
from quicsim.quic.loss import last_sign_of_life_ns, probe_deadline_ns, stuck_space
from quicsim.quic.needed import packet_is_needed

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["select_retransmission"]

select_retransmission = Operation(
    number=0x01,
    name="SelectRetransmission",
    meaning="Chooses the packet whose content goes out next instead of new content.",
    source="paper section 2, figure 1; RFC 9002 sections 6.1, 6.2.4",
    arguments=("connection", "path", "space"),
    inputs=(
        NOW,
        SPACE,
        TIMER_EXPIRED,
        Field("deadline_ns", u64, "path.deadline_ns", "the deadline that SetTimer gave last; 0: none"),
        Field("outstanding_count", u32, "path.outstanding_count", "packets of the application space in flight"),
        Field("lost_count", u32, "space.lost_count", "packets declared lost whose content waits"),
    ),
    output=Output(u64, "packet number + 1 of the packet to repeat; 0: none"),
)


def first_lost(connection: Connection, space: PacketNumberSpace) -> int:
    """Packet number + 1 of the oldest lost packet with something still needed; those without are dropped."""
    while space.lost:
        number = next(iter(space.lost))
        if packet_is_needed(connection, space, space.lost[number]):
            return number + 1
        del space.lost[number]
    return 0


@select_retransmission.default()
def lost_or_probed(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """A lost packet while the window is open; for a probe, whatever the window, a lost one or else the oldest of those
    outstanding with something that the peer may lack (RFC 9002 section 6.2.4).
    """
    if not space.lost and not path.timer_expired and not space.ping_needed:
        return 0
    if path.timer_expired and not path.expired_for_loss:
        deadline_ns, expired = probe_deadline_ns(connection, path)
        if expired is not None and deadline_ns <= connection.now_ns:
            path.timer_expired = False
            connection.operations.retransmission_timeout(connection, path, expired)
    if space.ping_needed:
        lost = first_lost(connection, space)
        if lost:
            return lost
        for number, packet in space.outstanding.items():
            if packet_is_needed(connection, space, packet):
                return number + 1
        return 0
    return first_lost(connection, space) if path.window_is_open else 0


@select_retransmission.default("picoquic")
def lost_or_timed_out(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """A lost packet, whatever the window; after a retransmission timeout the oldest one, which then counts as lost."""
    if not space.lost and not path.timer_expired:
        return 0
    if path.timer_expired and not space.lost:
        sent_before_ns = connection.now_ns - retransmission_timeout_ns(connection, path, space)
        number, packet = next(iter(space.outstanding.items()), (-1, None))
        if packet is not None:
            expired = packet.sent_ns <= sent_before_ns
        else:
            expired = stuck_space(connection, path) is space and (
                last_sign_of_life_ns(connection, path) <= sent_before_ns
            )
        if expired:
            path.timer_expired = False
            connection.operations.retransmission_timeout(connection, path, space)
            return number + 1
    return first_lost(connection, space)


@select_retransmission.default("mp-quic")
def lost_or_tail_or_duplicated(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """A lost packet, whatever the window; when the timer expired, the last one outstanding, twice, and then a timeout;
    else one that must go out on a second path too.
    """
    if not connection.is_confirmed and path is connection.path:
        return lost_or_probed(connection, path, space)
    if path.timer_expired and (not space.lost or path.is_potentially_failed):  # there, what is lost may have to wait
        path.timer_expired = False
        deadline_ns = space.last_ack_eliciting_sent_ns + probe_or_timeout_ns(path)
        if space.ack_eliciting_in_flight and deadline_ns <= connection.now_ns:
            if path.rtt.has_sample and path.pto_count < MP_QUIC_PROBES:
                path.pto_count += 1
                if number := last_needed(connection, space):
                    return number  # where nothing is, no probe: two ends whose probes ask for ACKs would never rest
            else:
                connection.operations.retransmission_timeout(connection, path, space)
    if lost := first_lost(connection, space):
        return lost
    return first_duplicate(connection, space)


@select_retransmission.default("multipath")
def lost_or_probed_or_copied(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """As RFC 9002 has it, but what is lost is not held by its own path's window: another one may take it. Then what is
    to go out on another path too.
    """
    if not connection.is_confirmed or path.timer_expired or space.ping_needed:
        if selected := lost_or_probed(connection, path, space):
            return selected
        if not connection.is_confirmed:
            return 0
    if lost := first_lost(connection, space):
        return lost
    return first_duplicate(connection, space)


def first_duplicate(connection: Connection, space: PacketNumberSpace) -> int:
    """Packet number + 1 of the first one that is to go out on a second path too and that the peer may lack."""
    while space.duplicates:
        packet = space.outstanding.get(number := space.duplicates.popleft())
        if packet is not None and packet_is_needed(connection, space, packet):
            return number + 1
    return 0


def last_needed(connection: Connection, space: PacketNumberSpace) -> int:
    """Packet number + 1 of the last outstanding packet with something that the peer may lack; 0: there is none."""
    for number in reversed(space.outstanding):
        if packet_is_needed(connection, space, space.outstanding[number]):
            return number + 1
    return 0
