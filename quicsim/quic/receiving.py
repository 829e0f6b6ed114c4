"""What happens to a packet that arrives? ReadPacket, ParseFrames, ProcessAck, DecideAck.

Paper section 2 (reception is a pluggable operation); RFC 9000 sections 12 and 13, RFC 9002 appendix A.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicsim.events import Code, MetricsUpdated, PacketReceived
from quicsim.quic import datagram_frames, path_control
from quicsim.quic.ack_frequency import asked_at_once
from quicsim.quic.congestion.base import ACK_TOLD, RTT
from quicsim.quic.ecn import count_mark
from quicsim.quic.ending import peer_closed
from quicsim.quic.errors import ProtocolViolation
from quicsim.quic.frames import (
    ACK_DELAY_UNIT_NS,
    FRAMES,
    AckFrame,
    AckFrequencyFrame,
    ConnectionCloseFrame,
    CryptoFrame,
    DataBlockedFrame,
    DatagramFrame,
    HandshakeDoneFrame,
    ImmediateAckFrame,
    MaxDataFrame,
    MaxPathIdFrame,
    MaxStreamDataFrame,
    MaxStreamsFrame,
    NewConnectionIdFrame,
    NewTokenFrame,
    PaddingFrame,
    PathAbandonFrame,
    PathAckFrame,
    PathAvailableFrame,
    PathBackupFrame,
    PathChallengeFrame,
    PathCidsBlockedFrame,
    PathNewConnectionIdFrame,
    PathResponseFrame,
    PathRetireConnectionIdFrame,
    PathsBlockedFrame,
    PathsFrame,
    PingFrame,
    PluginFrame,
    ResetStreamFrame,
    RetireConnectionIdFrame,
    StopSendingFrame,
    StreamDataBlockedFrame,
    StreamFrame,
    StreamsBlockedFrame,
    encode_frame,
    may_travel,
)
from quicsim.quic.packet import APPLICATION, CE, HANDSHAKE, INITIAL, Datagram, Packet
from quicsim.quic.settled import settle_acknowledged
from quicsim.quic.stream_control import (
    on_max_stream_data,
    on_reset_stream,
    on_stop_sending,
    on_stream_frame,
    receiving_stream,
)
from quicsim.quic.stream_limits import on_max_streams
from quicsim.quic.varint import decode_varint

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicsim.quic.connection import Connection
    from quicsim.quic.connection_ids import Issue, Retirement
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

_RECEIVED = Code.PACKET_RECEIVED  # looked up once: a member costs more to find in its class than a call does

PACKET_TYPES = "IH1"
"""By space: the type of its packets, as `FrameRow.packets` writes it."""

__all__ = ["is_new", "process_ack", "process_frames", "receive"]


def receive(connection: Connection, path: Path, datagram: Datagram) -> None:
    """Process a datagram's packets in order. A packet for which there are no keys is dropped (RFC 9000 12.2).

    A packet counts as received, and so is acknowledged, only once ReadPacket let it in.
    """
    operations = connection.operations
    path.bytes_received += datagram.size_bytes
    path.last_received_ns = connection.now_ns
    path.is_potentially_failed = False
    for packet in datagram.packets:
        if not connection.is_confirmed and connection.end is not None:
            return  # a packet before this one has ended it
        packet.ecn = datagram.ecn
        space = path.spaces[packet.space]
        can_be_read = connection.early_data.may_be_read(connection) if packet.is_early else space.can_receive
        if not can_be_read or not operations.read_packet(connection, path, packet):
            continue
        if packet.space is not APPLICATION or packet.is_early:  # in 1-RTT packets every frame may travel
            check_frames(packet)
        received = space.received
        received.add(packet.number, connection.now_ns)
        if packet.ecn and connection.profile.counts_ecn_marks:
            received.marks = count_mark(received.marks, packet.ecn)
        connection.counts.packets_received += 1
        recorder = connection.recorder
        recorder.record(
            _RECEIVED, connection.now_ns, path.trace_base + (packet.number << 2 | packet.space), packet.size_bytes
        )
        if recorder.subscribers:
            emit_received(connection, path, packet)
        if not connection.is_confirmed and packet.space is HANDSHAKE and not connection.is_client:
            path.validate()  # RFC 9000 section 8.1
            path.discard(INITIAL)  # RFC 9001 section 4.9.1
        operations.parse_frames(connection, path, space, packet)
        if packet.ack_eliciting and (space.can_receive or packet.is_early):
            received.unreported_ack_eliciting += 1
            if packet.number > received.largest_ack_eliciting:
                received.largest_ack_eliciting = packet.number
            received.deadline_ns = operations.decide_ack(connection, path, space, packet)
        received.was_marked = packet.ecn == CE


def check_frames(packet: Packet) -> None:
    """Raises ProtocolViolation for a frame that may not stand in a packet of this type (RFC 9000 section 12.4)."""
    for frame in packet.frames:
        if not may_travel(frame, "0" if packet.is_early else PACKET_TYPES[packet.space]):
            frame_type, _ = decode_varint(encode_frame(frame), 0)
            name, kind = FRAMES[frame.__class__].name, packet.type_name.capitalize()
            raise ProtocolViolation(f"a {name} frame has no place in a packet of type {kind}", frame_type)


def emit_received(connection: Connection, path: Path, packet: Packet) -> None:
    """Tell the trace's subscribers of a packet that was let in."""
    space = packet.type_name
    frames = tuple(packet.frames)
    recorder = connection.recorder
    recorder.emit(
        PacketReceived(connection.now_ns, recorder.name, space, packet.number, packet.size_bytes, frames, path.path_id)
    )


def is_new(connection: Connection, path: Path, packet: Packet) -> int:
    """1 for a packet that was not received before (RFC 9000 section 12.3). The default of ReadPacket."""
    received = path.spaces[packet.space].received
    return 0 if packet.number <= received.largest and received.is_duplicate(packet.number) else 1


def process_frames(connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet) -> int:
    """Handle each frame by its kind and return their number. The default of ParseFrames."""
    for frame in packet.frames:
        if isinstance(frame, StreamFrame):  # the usual ones, without the detour
            on_stream_frame(connection, frame)
        elif isinstance(frame, AckFrame):
            connection.operations.process_ack(connection, path, space, frame)
        elif isinstance(frame, PluginFrame):
            process_plugin_frame(connection, path, space, packet, frame)
        else:
            _HANDLERS[frame.__class__](connection, path, space, frame)
    return len(packet.frames)


def process_plugin_frame(
    connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet, frame: PluginFrame
) -> None:
    """Hand a frame to whoever is attached to ParseFrames for its type; nobody: it is skipped."""
    parse = connection.operations.parse_frame.get(frame.frame_type)
    if parse is not None:
        parse(connection, path, space, packet, frame)


Unanswered = PaddingFrame | PingFrame | DataBlockedFrame | StreamsBlockedFrame


def _ignore(
    connection: Connection,
    path: Path,
    space: PacketNumberSpace,
    frame: Unanswered,
) -> None:
    """PADDING and PING ask for nothing beyond what their packet does; limits rise with what is read, asked or not."""


def _on_crypto(connection: Connection, path: Path, space: PacketNumberSpace, frame: CryptoFrame) -> None:
    if data := space.crypto.receive(frame):
        connection.on_handshake_data(space.kind, data)


def _on_path_ack(connection: Connection, path: Path, space: PacketNumberSpace, frame: PathAckFrame) -> None:
    """Acknowledges packets of any path, whichever this frame came by."""
    if frame.path_id in connection.abandoned_paths:
        return
    acknowledged = connection.open_path(frame.path_id)
    if connection.profile.uses_first_path:
        path_control.acknowledged_by(acknowledged, path)
    connection.operations.process_ack(connection, acknowledged, acknowledged.application, frame)


def _on_path_challenge(connection: Connection, path: Path, space: PacketNumberSpace, frame: PathChallengeFrame) -> None:
    if connection.profile.uses_first_path:
        path_control.challenged(connection, path, frame)
    else:
        connection.addresses.challenged(connection, frame.data)


def _on_path_response(connection: Connection, path: Path, space: PacketNumberSpace, frame: PathResponseFrame) -> None:
    if connection.profile.uses_first_path:
        path_control.answered(connection, path, frame)
    else:
        connection.addresses.answered(connection, frame.data)


def _on_path_status(
    connection: Connection, path: Path, space: PacketNumberSpace, frame: PathBackupFrame | PathAvailableFrame
) -> None:
    path_control.ranked(connection, frame)


def _on_path_abandon(connection: Connection, path: Path, space: PacketNumberSpace, frame: PathAbandonFrame) -> None:
    path_control.abandoned(connection, frame)


def _on_paths(connection: Connection, path: Path, space: PacketNumberSpace, frame: PathsFrame) -> None:
    for path_id, rtt_us in frame.paths:
        connection.open_path(path_id).peer_rtt_ns = rtt_us * 1_000


def _on_max_data(connection: Connection, path: Path, space: PacketNumberSpace, frame: MaxDataFrame) -> None:
    if frame.maximum > connection.flow.peer_limit:
        connection.flow.peer_limit = frame.maximum


def _on_max_stream_data(
    connection: Connection, path: Path, space: PacketNumberSpace, frame: MaxStreamDataFrame
) -> None:
    on_max_stream_data(connection, frame.stream_id, frame.maximum)


def _on_max_streams(connection: Connection, path: Path, space: PacketNumberSpace, frame: MaxStreamsFrame) -> None:
    on_max_streams(connection, frame)


def _on_stream_data_blocked(
    connection: Connection, path: Path, space: PacketNumberSpace, frame: StreamDataBlockedFrame
) -> None:
    receiving_stream(connection, frame.stream_id)


def _on_connection_id(connection: Connection, path: Path, space: PacketNumberSpace, frame: Issue) -> None:
    if connection.path_numbers.about(connection, frame):
        connection.ids.on_issue(connection, frame)
        path_control.open_waiting(connection)


def _on_retirement(connection: Connection, path: Path, space: PacketNumberSpace, frame: Retirement) -> None:
    if connection.path_numbers.about(connection, frame):
        connection.ids.on_retirement(connection, frame, path.path_id)


def _on_max_path_id(connection: Connection, path: Path, space: PacketNumberSpace, frame: MaxPathIdFrame) -> None:
    connection.path_numbers.raised(connection, frame)
    path_control.open_waiting(connection)


def _on_paths_blocked(connection: Connection, path: Path, space: PacketNumberSpace, frame: PathsBlockedFrame) -> None:
    connection.path_numbers.check(frame.limit)


def _on_path_cids_blocked(
    connection: Connection, path: Path, space: PacketNumberSpace, frame: PathCidsBlockedFrame
) -> None:
    connection.path_numbers.lacks_ids(connection, frame)


def _on_reset_stream(connection: Connection, path: Path, space: PacketNumberSpace, frame: ResetStreamFrame) -> None:
    on_reset_stream(connection, frame)


def _on_stop_sending(connection: Connection, path: Path, space: PacketNumberSpace, frame: StopSendingFrame) -> None:
    on_stop_sending(connection, frame)


def _on_new_token(connection: Connection, path: Path, space: PacketNumberSpace, frame: NewTokenFrame) -> None:
    if not connection.is_client:
        raise ProtocolViolation("a client sent NEW_TOKEN, which only a server may (RFC 9000 section 19.7)")
    connection.tokens.append(frame.token)


def _on_datagram(connection: Connection, path: Path, space: PacketNumberSpace, frame: DatagramFrame) -> None:
    datagram_frames.on_datagram(connection, frame)


def _on_ack_frequency(connection: Connection, path: Path, space: PacketNumberSpace, frame: AckFrequencyFrame) -> None:
    connection.ack_frequency.received(connection, frame)


def _on_immediate_ack(connection: Connection, path: Path, space: PacketNumberSpace, frame: ImmediateAckFrame) -> None:
    asked_at_once(connection, space)


def _on_handshake_done(connection: Connection, path: Path, space: PacketNumberSpace, frame: HandshakeDoneFrame) -> None:
    if not connection.is_client:
        raise ProtocolViolation("a client sent HANDSHAKE_DONE, which only a server may (RFC 9000 section 19.20)")
    connection.confirm_handshake()


def _on_connection_close(
    connection: Connection, path: Path, space: PacketNumberSpace, frame: ConnectionCloseFrame
) -> None:
    peer_closed(connection, frame)


_HANDLERS: dict[type, Callable[[Connection, Path, PacketNumberSpace, Any], None]] = {
    PaddingFrame: _ignore,
    PingFrame: _ignore,
    DataBlockedFrame: _ignore,
    StreamsBlockedFrame: _ignore,
    StreamDataBlockedFrame: _on_stream_data_blocked,
    ResetStreamFrame: _on_reset_stream,
    DatagramFrame: _on_datagram,
    StopSendingFrame: _on_stop_sending,
    PathAckFrame: _on_path_ack,
    PathsFrame: _on_paths,
    PathBackupFrame: _on_path_status,
    PathAvailableFrame: _on_path_status,
    PathAbandonFrame: _on_path_abandon,
    NewConnectionIdFrame: _on_connection_id,
    PathNewConnectionIdFrame: _on_connection_id,
    RetireConnectionIdFrame: _on_retirement,
    MaxPathIdFrame: _on_max_path_id,
    PathsBlockedFrame: _on_paths_blocked,
    PathCidsBlockedFrame: _on_path_cids_blocked,
    PathRetireConnectionIdFrame: _on_retirement,
    CryptoFrame: _on_crypto,
    MaxDataFrame: _on_max_data,
    MaxStreamDataFrame: _on_max_stream_data,
    NewTokenFrame: _on_new_token,
    MaxStreamsFrame: _on_max_streams,
    HandshakeDoneFrame: _on_handshake_done,
    AckFrequencyFrame: _on_ack_frequency,
    ImmediateAckFrame: _on_immediate_ack,
    ConnectionCloseFrame: _on_connection_close,
    PathChallengeFrame: _on_path_challenge,
    PathResponseFrame: _on_path_response,
}


def process_ack(connection: Connection, path: Path, space: PacketNumberSpace, frame: AckFrame | PathAckFrame) -> int:
    """Settle what is newly acknowledged and return how many packets that are. The default of ProcessAck."""
    largest_before = space.largest_acknowledged
    newly = space.acknowledge(frame)
    if path.recovery is not None and path.recovery.missing:
        path.recovery.acknowledged(connection, path, space, frame)
    if not newly:
        return 0
    now_ns = connection.now_ns
    operations = connection.operations
    connection.last_progress_ns = path.last_progress_ns = now_ns
    path.timer_is_stale = True
    space.timeouts = 0
    largest_number = frame.ranges[0][1]
    newest: Packet | None = None
    ack_eliciting = False
    for packet in newly:
        if packet.ack_eliciting:
            ack_eliciting = True
        if packet.number == largest_number:
            newest = packet
        if packet.sent_ns > space.latest_acknowledged_sent_ns:
            space.latest_acknowledged_sent_ns = packet.sent_ns
    if newest is not None and ack_eliciting and newest.sent_ns >= path.began_ns:  # RFC 9002 section 5.1
        delay_ns = frame.delay * ACK_DELAY_UNIT_NS
        operations.update_rtt(connection, path, space, now_ns - newest.sent_ns, delay_ns)
        operations.congestion_control(connection, path, RTT, newest.size_bytes, newest.sent_ns)
    if path.ecn is not None and largest_number > largest_before:
        path.ecn.acknowledged(connection, path, space, frame, newly)
    for packet in newly:
        settle_acknowledged(connection, path, space, packet)
    if space.kind is HANDSHAKE:
        connection.peer_validated_us = True
    if connection.peer_validated_us or not connection.is_client:
        path.pto_count = 0
    if space.outstanding:
        operations.detect_loss(connection, path, space)
    else:
        space.loss_time_ns = 0
    if path.follows_acks:
        operations.congestion_control(connection, path, ACK_TOLD, 0, now_ns)
    if connection.ack_frequency.asks:
        connection.ack_frequency.ask(connection)
    recorder = connection.recorder
    if recorder.subscribers:
        rtt = path.rtt
        recorder.emit(
            MetricsUpdated(
                now_ns, recorder.name, rtt.smoothed_ns, rtt.variation_ns, rtt.latest_ns, path.cwnd_bytes,
                path.bytes_in_flight, path.path_id,
            )
        )  # fmt: skip
    return len(newly)
