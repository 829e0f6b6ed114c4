"""How does a connection end? Idle timeout, immediate close, draining. RFC 9000 section 10.

A connection that has ended keeps an `End`: it still says that it is closed to whoever goes on sending, and forgets all
else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic import sending
from quicsim.quic.flow import blocked_now
from quicsim.quic.frames import ConnectionCloseFrame, frame_size
from quicsim.quic.loss import probe_timeout_ns
from quicsim.quic.packet import AEAD_TAG_BYTES, APPLICATION, INITIAL, Datagram, Packet
from quicsim.quic.states import ConnectionInput, ConnectionState

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.errors import ProtocolViolation
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["End", "Idle", "close", "on_deadline", "peer_closed", "violated"]

PERIOD_TIMEOUTS = 3  # RFC 9000 section 10.2: the closing and draining periods last three probe timeouts
IDLE_TIMEOUTS = 3  # section 10.1: an idle timeout is no shorter than three
REMINDERS = 2  # assumed: a sender that is blocked says so twice an idle timeout, so that one may be lost (section 4.1)
APPLICATION_ERROR = 0x0C  # section 20.1


class Idle:
    """When a connection has been idle for too long. Instants and durations in nanoseconds."""

    __slots__ = ("_has_sent", "_since_ns", "timeout_ns")

    def __init__(self, timeout_ns: int) -> None:
        self.timeout_ns = timeout_ns
        """0: there is no limit."""
        self._since_ns = -1
        self._has_sent = False
        """Something that asks for an acknowledgement went out since the last datagram arrived."""

    def agree(self, of_peer_ns: int) -> None:
        """The peer's limit is known: the smaller one counts (section 10.1)."""
        if of_peer_ns:
            self.timeout_ns = min(self.timeout_ns or of_peer_ns, of_peer_ns)

    def received(self, now_ns: int) -> None:
        """A datagram arrived and was processed, or the connection begins."""
        self._since_ns = now_ns
        self._has_sent = False

    def deadline_ns(self, connection: Connection, sent: list[Datagram], others_ns: int) -> int:
        """The connection's deadline, of which `others_ns` is what all else makes it; `sent` goes out now."""
        if not self._has_sent and any(packet.ack_eliciting for datagram in sent for packet in datagram.packets):
            self._has_sent = True
            self._since_ns = connection.now_ns
        if self._since_ns < 0:
            return others_ns
        first_ns = self._over_ns(connection)
        if is_held(connection):
            first_ns = min(first_ns, self._reminder_ns)
        return min(others_ns or first_ns, first_ns)

    def is_over(self, connection: Connection) -> bool:
        """Whether the connection has been idle for too long by now."""
        return self._since_ns >= 0 and self._over_ns(connection) <= connection.now_ns

    @property
    def _reminder_ns(self) -> int:
        return self._since_ns + self.timeout_ns // REMINDERS

    def keep_alive(self, connection: Connection) -> None:
        """Say again what stops this endpoint, when nothing else has gone out for long (section 4.1)."""
        if self._since_ns >= 0 and self._reminder_ns <= connection.now_ns and is_held(connection):
            connection.path.application.pending.extend(blocked_now(connection))

    def _over_ns(self, connection: Connection) -> int:
        # Without back-off: doubled with each probe, three of them would always lie ahead.
        probe_ns = probe_timeout_ns(connection, connection.path, APPLICATION)
        return self._since_ns + max(self.timeout_ns, IDLE_TIMEOUTS * probe_ns)


def is_held(connection: Connection) -> bool:
    """Whether only the peer's limits keep this endpoint from sending: nothing is in flight that asks for an answer."""
    if any(space.ack_eliciting_in_flight for path in connection.paths for space in path.open_spaces):
        return False
    return bool(blocked_now(connection))


class End:
    """A connection that is closing, drains or is closed."""

    __slots__ = ("_answer_after", "_is_owed", "_unanswered", "frame", "until_ns")

    def __init__(self, frame: ConnectionCloseFrame | None, until_ns: int, *, is_owed: bool) -> None:
        self.frame = frame
        """What ended it; None: silence."""
        self.until_ns = until_ns
        """When the closing or draining period ends; 0: it has."""
        self._is_owed = is_owed
        """The peer is to be told."""
        self._answer_after = 1
        self._unanswered = 0

    def receive(self, connection: Connection, datagram: Datagram) -> None:
        """While closing, tell whoever goes on sending, after more and more packets each time (section 10.2.1)."""
        path = connection.path
        path.bytes_received += datagram.size_bytes
        if connection.state is not ConnectionState.CLOSING:
            return
        for packet in datagram.packets:
            if not path.spaces[packet.space].can_receive:
                continue
            if any(isinstance(frame, ConnectionCloseFrame) for frame in packet.frames):
                self._is_owed = False
                connection.move(ConnectionInput.PEER_CLOSED)
                return
            self._unanswered += 1
        if self._unanswered >= self._answer_after:
            self._unanswered = 0
            self._answer_after *= 2
            self._is_owed = True

    def datagrams_to_send(self, connection: Connection) -> list[Datagram]:
        """The CONNECTION_CLOSE, if it is to be sent now."""
        connection.deadline_ns = self.until_ns
        if not self._is_owed or self.frame is None:
            return []
        self._is_owed = False
        return close_datagrams(connection, self.frame)


def close(connection: Connection, frame: ConnectionCloseFrame) -> None:
    """This endpoint ends the connection. Nothing happens where it has ended already, or has not begun."""
    if connection.end is None and connection.state is not ConnectionState.IDLE:
        begin(connection, ConnectionInput.CLOSE, frame, is_owed=True)


def violated(connection: Connection, violation: ProtocolViolation) -> None:
    """The peer broke a rule: end the connection and say why (section 11.1).

    Before anything can be sent, whoever broke it is not answered, and its packet is as good as lost.
    """
    if connection.state is not ConnectionState.IDLE:
        connection.complaint = str(violation)
    close(connection, ConnectionCloseFrame(violation.code, violation.frame_type, str(violation).encode()))


def peer_closed(connection: Connection, frame: ConnectionCloseFrame) -> None:
    """The peer has ended it: send nothing more (section 10.2.2)."""
    if connection.end is None:
        begin(connection, ConnectionInput.PEER_CLOSED, frame, is_owed=False)


def on_deadline(connection: Connection) -> None:
    """The connection was idle for too long, or its closing or draining period is over."""
    if connection.end is None:
        begin(connection, ConnectionInput.IDLE_TIMEOUT, None, is_owed=False)
        connection.end = End(None, 0, is_owed=False)
    elif 0 < connection.end.until_ns <= connection.now_ns:
        connection.move(ConnectionInput.PERIOD_OVER)
        connection.end = End(connection.end.frame, 0, is_owed=False)


def begin(connection: Connection, given: ConnectionInput, frame: ConnectionCloseFrame | None, *, is_owed: bool) -> None:
    """The connection ends: what was sent and what waits is forgotten."""
    period_ns = PERIOD_TIMEOUTS * probe_timeout_ns(connection, connection.path, APPLICATION)
    connection.move(given)
    connection.end = End(frame, connection.now_ns + period_ns, is_owed=is_owed)
    for path in connection.paths:
        path.give_up()
    connection.ready_streams.clear()
    connection.datagrams.waiting.clear()


def close_datagrams(connection: Connection, frame: ConnectionCloseFrame) -> list[Datagram]:
    """CONNECTION_CLOSE in a packet of each space with keys: the peer may have those of one only (section 10.2.3)."""
    path = connection.path
    room_bytes = min(path.datagram_bytes, path.amplification_room_bytes)
    packets: list[Packet] = []
    for space in path.open_spaces:
        packet = close_packet(connection, space, frame, room_bytes)
        if packet is not None:
            packets.append(packet)
            room_bytes -= packet.size_bytes
    if packets and packets[0].space is INITIAL:
        sending.pad_to_minimum(connection, packets)
    for packet in packets:
        packet.in_flight = False  # padded or not: nobody waits for its acknowledgement
        sending.transmit(connection, path, packet)
    size_bytes = sum(packet.size_bytes for packet in packets)
    return [Datagram(tuple(packets), size_bytes, (), path.path_id, path.ecn_codepoint)] if packets else []


def close_packet(
    connection: Connection, space: PacketNumberSpace, frame: ConnectionCloseFrame, room_bytes: int
) -> Packet | None:
    """One packet with the frame; None where there is no room. An application's reasons travel protected only."""
    if frame.frame_type is None and space.kind is not APPLICATION:
        frame = ConnectionCloseFrame(APPLICATION_ERROR, 0)
    packet = Packet(space.kind, space.next_number, room_bytes, False)
    packet.is_early = space.kind is APPLICATION and connection.early_data.may_be_sent
    header_bytes = connection.operations.generate_header(connection, connection.path, packet)
    packet.size_bytes = header_bytes + frame_size(frame) + AEAD_TAG_BYTES
    packet.frames.append(frame)
    return packet if packet.size_bytes <= room_bytes else None
