"""How is a packet sent? Figure 1 of the paper, in its order.

A processed packet, application data, or the timer triggers the process. It then selects a packet to retransmit (or
none), generates header and frames, sends, and sets the timer, until nothing more may go out. RFC 9000 section 12.2
(coalescing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.events import Code, LossTimerUpdated, PacketSent
from quicsim.quic.congestion.base import IDLE
from quicsim.quic.datagram_frames import drop_too_large
from quicsim.quic.flow import is_stopped
from quicsim.quic.frames import FRAMES, AckFrame, DatagramFrame, PaddingFrame, PathAckFrame, StreamFrame
from quicsim.quic.loss import GRANULARITY_NS
from quicsim.quic.mtu import probe
from quicsim.quic.packet import (
    AEAD_TAG_BYTES,
    APPLICATION,
    HANDSHAKE,
    INITIAL,
    MINIMUM_INITIAL_BYTES,
    SMALLEST_PACKET_BYTES,
    Datagram,
    Packet,
)
from quicsim.quic.states import SENDING_PROCESS, SendingProcessInput

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["MAXIMUM_PROBES", "assemble", "begin", "due_acknowledgement", "finish", "has_content", "has_stream_data",
           "is_idle", "larger_datagram", "run", "send", "set_timer", "transmit", "window_or_nothing"]  # fmt: skip

MAXIMUM_PROBES = 2  # RFC 9002 section 6.2.4: at most two datagrams a timeout go beyond the window
MAXIMUM_EXPIRIES = 8  # assumed: a timer that expires so often at one instant would do so for ever
HEADER_PROTECTION_SAMPLE_BYTES = 4  # RFC 9001 section 5.4.2: packet number and frames take at least four bytes

# Looked up once: a member costs more to find in its class than a call does.
_NOTHING_LEFT, _AMPLIFICATION_LIMIT, _WINDOW_FULL, _PACED = SendingProcessInput
_SENT = Code.PACKET_SENT


def run(connection: Connection, path: Path) -> list[Datagram]:
    """Send on a connection's only path until nothing is left, the congestion window is full, PacePacket asks to wait,
    or the amplification limit is reached.
    """
    datagrams: list[Datagram] = []
    begin(connection, path)
    is_confirmed = connection.is_confirmed
    packets: tuple[Packet, ...]
    while True:
        room_bytes = path.datagram_bytes
        if path.is_limited:
            room_bytes = min(room_bytes, path.amplification_room_bytes)
            if room_bytes < SMALLEST_PACKET_BYTES:
                stopped_by = _AMPLIFICATION_LIMIT
                break
        if is_confirmed:  # one space is left
            only = next_packet(connection, path, path.application, room_bytes)
            packets = () if only is None else (only,)
        else:
            packets = next_packets(connection, path, room_bytes)
        if not packets:
            stopped_by = why_stopped(connection, path)
            break
        datagram = send(connection, path, packets)
        if datagram is None:
            stopped_by = _NOTHING_LEFT
            if (acknowledgement := due_acknowledgement(connection, path)) is not None:
                datagrams.append(acknowledgement)
            break
        datagrams.append(datagram)
    if path.size_to_probe_bytes and (trial := larger_datagram(connection, path, stopped_by)) is not None:
        datagrams.append(trial)
    finish(connection, path, stopped_by, bool(datagrams))
    return datagrams


def begin(connection: Connection, path: Path) -> None:
    """A run of the sending process begins."""
    path.probes_left = MAXIMUM_PROBES
    if path.is_limited:
        expire_overdue_timer(connection, path)


def finish(connection: Connection, path: Path, stopped_by: SendingProcessInput, has_sent: bool) -> None:
    """A run of the sending process ends: SetTimer, unless the last packet has set it."""
    path.sending_state = SENDING_PROCESS[path.sending_state, stopped_by]
    if path.samples_delivery and stopped_by is _NOTHING_LEFT and path.bytes_in_flight < path.cwnd_bytes:
        note_silence(connection, path)
    path.timer_expired = path.expired_for_loss = False
    if not has_sent:
        set_timer(connection, path)
    path.timer_is_stale = False


def note_silence(connection: Connection, path: Path) -> None:
    """Nothing is left to send: samples of the delivery rate are the application's from here on.

    Not where the peer's limits stop it: they are a bottleneck as the network's is (draft-ietf-ccwg-bbr-06 section
    4.1.1.3.1).
    """
    if not is_stopped(connection):
        path.delivery.ran_dry(path)


def send(connection: Connection, path: Path, packets: tuple[Packet, ...]) -> Datagram | None:
    """SendPacket, SetTimer and PacePacket for each packet; the datagram of those that were not held back, if any."""
    operations = connection.operations
    held = 0
    for packet in packets:
        operations.send_packet(connection, path, packet)
        if packet.sent_ns < 0:
            hold_back(path, packet)
            if any(isinstance(frame, DatagramFrame) for frame in packet.frames):
                connection.datagrams.put_back()
            held += 1
        set_timer(connection, path)
        if packet.in_flight and packet.sent_ns >= 0:
            path.paced_until_ns = operations.pace_packet(connection, path, packet)
    if held == len(packets):
        return None
    if len(packets) == 1:
        first = packets[0]
        return Datagram(packets, first.size_bytes, first.labels, path.path_id, path.ecn_codepoint)
    sent = tuple(packet for packet in packets if packet.sent_ns >= 0)  # coalesced: RFC 9000 section 12.2
    labels = tuple(label for packet in sent for label in packet.labels)
    return Datagram(sent, sum(packet.size_bytes for packet in sent), labels, path.path_id, path.ecn_codepoint)


def due_acknowledgement(connection: Connection, path: Path) -> Datagram | None:
    """The ACK that a packet held back would have carried, by itself if it is due: the peer must not wait for it."""
    space = path.application
    if not 0 < space.received.deadline_ns <= connection.now_ns or path.is_amplification_limited:
        return None
    packet = assemble(connection, path, Packet(space.kind, space.next_number, path.datagram_bytes, False), 0)
    return None if packet is None else send(connection, path, (packet,))


def larger_datagram(connection: Connection, path: Path, stopped_by: SendingProcessInput) -> Datagram | None:
    """Try the path's next size when all else has gone out."""
    if stopped_by is not _NOTHING_LEFT or (trial := probe(connection, path)) is None:
        return None
    return send(connection, path, (trial,))


def expire_overdue_timer(connection: Connection, path: Path) -> None:
    """A timer that the amplification limit had disarmed may have been due meanwhile: it goes before anything new.

    RFC 9002 section 6.2.2.1, appendix A.6. Else new Handshake data would use up what the peer's datagram allows, and a
    lost ServerHello, without which the peer can read none of it, would not be repeated.
    """
    set_timer(connection, path)
    if 0 < path.deadline_ns <= connection.now_ns:
        path.timer_expired = True


def is_idle(connection: Connection) -> bool:
    """Whether a run of the sending process would send nothing and leave the timers as they are.

    A plugin at its first or its last step may see that differently: then it is never idle.
    """
    operations = connection.operations
    if (
        connection.ready_streams
        or connection.datagrams.waiting
        or not connection.is_confirmed
        or operations.select_retransmission is not operations.default_select_retransmission
        or operations.set_timer is not operations.default_set_timer
    ):
        return False
    for path in connection.paths:
        space = path.application
        if path.is_open and (
            path.timer_is_stale
            or path.timer_expired
            or 0 < space.received.deadline_ns <= connection.now_ns
            or space.pending
            or space.lost
            or space.ping_needed
            or space.duplicates
        ):
            return False
    return True


def next_packets(connection: Connection, path: Path, room_bytes: int) -> tuple[Packet, ...]:
    """What goes into one datagram: a packet of each space that has something to send."""
    packets: list[Packet] = []
    for space in path.open_spaces:
        if path.is_limited and not path.has_room_in(space.kind):
            continue
        if space.kind is APPLICATION and len(connection.paths) > 1:
            continue  # other paths are open for that already
        packet = next_packet(connection, path, space, room_bytes)
        if packet is not None:
            packets.append(packet)
            room_bytes -= packet.size_bytes
            if room_bytes < SMALLEST_PACKET_BYTES:
                break
    if packets and packets[0].space is INITIAL:
        pad_to_minimum(connection, packets)
    return tuple(packets)


def next_packet(connection: Connection, path: Path, space: PacketNumberSpace, room_bytes: int) -> Packet | None:
    """A packet of one space, not yet sent, or None; only an ACK while PacePacket asks to wait, a probe excepted."""
    selected = 0
    new_content = False
    now_ns = connection.now_ns
    may_go = path.paced_until_ns <= now_ns or space.ping_needed
    if may_go or path.timer_expired:
        selected = connection.operations.select_retransmission(connection, path, space)
    if may_go:
        window_is_open = path.bytes_in_flight + path.window_margin_bytes <= path.cwnd_bytes
        new_content = window_is_open and has_content(connection, space)
    if not selected and not new_content:
        ack_is_due = 0 < space.received.deadline_ns <= now_ns
        if not ack_is_due and not space.ping_needed:
            return None
    return assemble(connection, path, Packet(space.kind, space.next_number, room_bytes, new_content), selected)


def assemble(connection: Connection, path: Path, packet: Packet, selected: int) -> Packet | None:
    """GenerateHeader, GenerateFrames and protection; None where there is no room or nothing to carry."""
    operations = connection.operations
    room_bytes = packet.room_bytes
    if not connection.is_confirmed:
        packet.is_early = packet.space is APPLICATION and connection.early_data.may_be_sent
    header_bytes = operations.generate_header(connection, path, packet)
    frames_room_bytes = room_bytes - header_bytes - AEAD_TAG_BYTES
    if frames_room_bytes < HEADER_PROTECTION_SAMPLE_BYTES:
        return None
    if connection.datagrams.waiting and room_bytes == path.datagram_bytes:
        drop_too_large(connection, frames_room_bytes)
    packet.room_bytes = frames_room_bytes
    operations.generate_frames(connection, path, path.spaces[packet.space], packet, selected)
    if not packet.frames:
        return None
    frame_bytes = frames_room_bytes - packet.room_bytes  # what is there, whatever a plugin says of it
    if frame_bytes < HEADER_PROTECTION_SAMPLE_BYTES:
        frame_bytes = HEADER_PROTECTION_SAMPLE_BYTES
    packet.size_bytes = header_bytes + frame_bytes + AEAD_TAG_BYTES
    return packet


def has_content(connection: Connection, space: PacketNumberSpace) -> bool:
    """Whether frames wait that are neither retransmissions chosen by packet nor acknowledgements."""
    if space.pending:
        return True
    if space.kind is not APPLICATION:
        stream = space.crypto.sending
        return stream.sent < stream.written
    return has_stream_data(connection)


def has_stream_data(connection: Connection) -> bool:
    """Whether a stream has something new that both flow control limits allow, or a DATAGRAM waits."""
    if connection.datagrams.waiting:
        return True
    if not connection.ready_streams:
        return False
    if connection.flow.peer_limit > connection.flow.sent:
        return True
    return any(ready.sent == ready.written for ready in connection.ready_streams)


def why_stopped(connection: Connection, path: Path) -> SendingProcessInput:
    """Whether the window or the lack of anything to send ended the run."""
    window_is_open = path.bytes_in_flight + path.window_margin_bytes <= path.cwnd_bytes
    if window_is_open and path.paced_until_ns <= connection.now_ns:
        return _NOTHING_LEFT
    for space in path.open_spaces:
        if space.lost or has_content(connection, space):
            return _PACED if window_is_open else _WINDOW_FULL
    return _NOTHING_LEFT


def window_or_nothing(connection: Connection, path: Path) -> SendingProcessInput:
    """The same for one of several paths, on which stream data may go but need not."""
    window_is_open = path.bytes_in_flight + path.window_margin_bytes <= path.cwnd_bytes
    if window_is_open and path.paced_until_ns <= connection.now_ns:
        return _NOTHING_LEFT
    if path.application.lost or has_content(connection, path.application):
        return _PACED if window_is_open else _WINDOW_FULL
    return _NOTHING_LEFT


def pad_to_minimum(connection: Connection, packets: list[Packet]) -> None:
    """Datagrams with an Initial packet are padded: a client's always, a server's when it is ack-eliciting (14.1)."""
    if not connection.is_client and not packets[0].ack_eliciting:
        return
    missing = MINIMUM_INITIAL_BYTES - sum(packet.size_bytes for packet in packets)
    if missing > 0:
        last = packets[-1]
        last.frames.append(PaddingFrame(missing))
        last.size_bytes += missing
        last.in_flight = True


def hold_back(path: Path, packet: Packet) -> None:
    """SendPacket kept a packet: its number is not used up, and its content waits at the head of the queue, in one piece
    where it is, so that small pieces can become a large one.
    """
    pending = path.spaces[packet.space].pending
    for frame in reversed(packet.frames):
        if not FRAMES[frame.__class__].retransmittable:
            continue
        following = pending[0] if pending else None
        if isinstance(frame, StreamFrame) and isinstance(following, StreamFrame) and follows(frame, following):
            pending[0] = joined(frame, following)
        else:
            pending.appendleft(frame)


def follows(first: StreamFrame, second: StreamFrame) -> bool:
    """Whether the second frame begins where the first one ends."""
    end = first.offset + first.length
    return first.stream_id == second.stream_id and end == second.offset and not first.fin


def joined(first: StreamFrame, second: StreamFrame) -> StreamFrame:
    """One frame in the place of two, the second of which follows the first."""
    data = None if first.data is None or second.data is None else first.data + second.data
    return StreamFrame(first.stream_id, first.offset, first.length + second.length, second.fin, data)


def transmit(connection: Connection, path: Path, packet: Packet) -> int:
    """Register a packet as sent. The default of SendPacket."""
    now_ns = connection.now_ns
    space = path.spaces[packet.space]
    packet.sent_ns = now_ns
    space.next_number = packet.number + 1
    path.bytes_sent += packet.size_bytes
    path.packets_sent += 1
    path.last_sent_ns = now_ns
    if path.ecn is not None:
        path.ecn.sent(connection, path, packet)
    if packet.in_flight:
        if path.samples_delivery and not path.bytes_in_flight:
            connection.operations.congestion_control(connection, path, IDLE, packet.size_bytes, now_ns)
        space.outstanding[packet.number] = packet
        path.bytes_in_flight += packet.size_bytes
        if path.samples_delivery:
            path.delivery.sent(path, packet)
        if packet.ack_eliciting:
            space.ack_eliciting_in_flight += 1
            space.last_ack_eliciting_sent_ns = now_ns
    if packet.carries_ack:
        if len(connection.paths) == 1:
            space.received.reported(now_ns)
        else:
            report_acknowledged(connection, space, packet)
    if packet.space is HANDSHAKE and connection.is_client:
        path.discard(INITIAL)  # RFC 9001 section 4.9.1
    connection.counts.packets_sent += 1
    recorder = connection.recorder
    recorder.record(_SENT, now_ns, path.trace_base + (packet.number << 2 | packet.space), packet.size_bytes)
    if recorder.subscribers:
        recorder.emit(
            PacketSent(
                now_ns, recorder.name, packet.type_name, packet.number, packet.size_bytes,
                tuple(packet.frames), packet.is_probe, path.path_id,
            )
        )  # fmt: skip
    return 1


def report_acknowledged(connection: Connection, space: PacketNumberSpace, packet: Packet) -> None:
    """Note which spaces' ACKs a packet carries, whichever path it takes."""
    for frame in packet.frames:
        if isinstance(frame, PathAckFrame):
            connection.paths[frame.path_id].application.received.reported(connection.now_ns)
        elif isinstance(frame, AckFrame):
            space.received.reported(connection.now_ns)


def set_timer(connection: Connection, path: Path) -> None:
    """Ask SetTimer when to wake. An instant that is not ahead is taken once, then the default's: time must go on.

    So must it when a plugin keeps even the default's from moving, for instance as RetransmissionTimeout.
    """
    deadline_ns = connection.operations.set_timer(connection, path)
    now_ns = connection.now_ns
    if deadline_ns and deadline_ns <= now_ns:
        if path.accepted_past_deadline_ns == now_ns:
            deadline_ns = connection.operations.default_set_timer(connection, path)
        if path.expired_ns == now_ns and path.expiries > MAXIMUM_EXPIRIES and 0 < deadline_ns <= now_ns:
            deadline_ns = now_ns + GRANULARITY_NS
        if 0 < deadline_ns < now_ns:  # an ACK that ended a back-off brought it here: it is due at once
            deadline_ns = now_ns
        path.accepted_past_deadline_ns = now_ns
    if deadline_ns != path.deadline_ns:
        path.deadline_ns = deadline_ns
        recorder = connection.recorder
        if recorder.subscribers:
            change = "set" if deadline_ns else "cancelled"
            recorder.emit(LossTimerUpdated(now_ns, recorder.name, change, deadline_ns, path.path_id))
