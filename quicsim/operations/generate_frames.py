"""Which frames go into the packet?

Paper section 2, figure 1 (third box); RFC 9000 sections 13.2.1, 13.3. In order: an ACK, what is repeated, what waits,
handshake data, DATAGRAM frames, new stream data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW, SPACE
from quicsim.operations.operation import Field, Operation, Output, Rule, u8, u16, u64
from quicsim.quic.flow import announce_limits_met
from quicsim.quic.frames import (
    AckFrame,
    CryptoFrame,
    Frame,
    ImmediateAckFrame,
    PathAckFrame,
    PingFrame,
    StreamFrame,
    frame_size,
    stream_frame_overhead,
)
from quicsim.quic.multipath import ack_path
from quicsim.quic.needed import is_needed
from quicsim.quic.packet import APPLICATION, Packet
from quicsim.quic.varint import varint_size

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace
    from quicsim.quic.streams import SendingStream

__all__ = ["generate_frames"]

SMALLEST_PIECE_BYTES = 32  # assumed: a smaller piece of a frame waits for the next packet

generate_frames = Operation(
    number=0x03,
    name="GenerateFrames",
    meaning="Fills the packet with frames, new or repeated.",
    source="paper section 2, figure 1; RFC 9000 sections 12.4, 13",
    arguments=("connection", "path", "space", "packet", "selected"),
    inputs=(
        NOW,
        Field("packet_number", u64, "packet.number", "the packet being assembled"),
        Field("selected", u64, "selected", "what SelectRetransmission returned"),
        Field("room_bytes", u16, "packet.room_bytes", "what frames may take in this packet"),
        SPACE,
        Field("carries_ack", u8, "packet.carries_ack", "1: an ACK frame is in the packet", since=1),
        Field("ack_eliciting", u8, "packet.ack_eliciting", "1: a frame in the packet asks for an ACK", since=1),
        Field("is_probe", u8, "packet.is_probe", "1: it repeats a packet that is still outstanding", since=1),
    ),
    output=Output(u16, "bytes of frames in the packet; for information: the frames themselves count", unit="bytes"),
    rules=(Rule("result <= room_bytes"),),
)


@generate_frames.default()
def repeated_then_new(
    connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet, selected: int
) -> int:
    """Fill the packet; returns the bytes of its frames."""
    room_bytes = packet.room_bytes
    repeated = queue_repeated(connection, path, space, packet, selected - 1) if selected else 0
    new_content = packet.new_content or space.ping_needed  # a probe carries what waits, whatever the window
    anyway = bool(repeated) or space.ping_needed
    if len(connection.paths) == 1 or space.kind is not APPLICATION:  # the handshake is acknowledged in its own packets
        if is_ack_wanted(connection, space, anyway, new_content):
            add_ack(packet, space.received.frame(connection.now_ns))
    else:
        add_acks_of_paths(connection, path, packet, anyway, new_content)
    if repeated or new_content:
        if space.pending:
            add_waiting(space, packet, len(space.pending) if new_content or packet.is_probe else repeated)
        if new_content and packet.takes_stream_data and packet.room_bytes >= SMALLEST_PIECE_BYTES:
            if space.kind is APPLICATION:
                if connection.datagrams.waiting:
                    add_datagrams(connection, packet)
                if packet.room_bytes >= SMALLEST_PIECE_BYTES:
                    add_stream_data(connection, space, packet)
            else:
                add_handshake_data(space, packet)
    if connection.ack_frequency.has_asked and wants_answer_at_once(connection, space, packet):
        add(packet, ImmediateAckFrame(), 1)
    if space.ping_needed or (packet.is_probe and not packet.ack_eliciting):
        space.ping_needed = False
        if not packet.ack_eliciting:
            add(packet, PingFrame(), 1)
    return room_bytes - packet.room_bytes


def wants_answer_at_once(connection: Connection, space: PacketNumberSpace, packet: Packet) -> bool:
    """Whether the peer, which delays its ACKs by request, had better not: something waits for the answer to a probe
    (draft-ietf-quic-ack-frequency-14 section 7), and behind the last data nothing comes (section 8.1.1).
    """
    if space.kind is not APPLICATION or not packet.room_bytes:
        return False
    if space.ping_needed or packet.is_probe:
        return True
    if connection.ready_streams or space.pending or space.lost:
        return False
    return any(isinstance(frame, StreamFrame) for frame in packet.frames)


def is_ack_wanted(connection: Connection, space: PacketNumberSpace, anyway: bool, new_content: bool) -> bool:
    """Whether a packet carries an ACK: one is due, or there is something to say and the packet goes out anyway."""
    received = space.received
    return received.unreported and (
        anyway
        or (new_content and received.unreported_ack_eliciting > 0)
        or 0 < received.deadline_ns <= connection.now_ns
    )


def add_ack(packet: Packet, frame: AckFrame | PathAckFrame) -> None:
    """Put an ACK into the packet if there is room."""
    size_bytes = frame_size(frame)
    if size_bytes <= packet.room_bytes:
        packet.frames.append(frame)
        packet.room_bytes -= size_bytes
        packet.carries_ack = True


def add_acks_of_paths(connection: Connection, path: Path, packet: Packet, anyway: bool, new_content: bool) -> None:
    """Put in the ACKs of each path whose packets are acknowledged on this one."""
    for other in connection.paths:
        space = other.application
        if is_ack_wanted(connection, space, anyway, new_content) and ack_path(connection, other) is path:
            add_ack(packet, space.received.path_frame(other.path_id, connection.now_ns))


def add(packet: Packet, frame: Frame, size_bytes: int) -> None:
    """Append an ack-eliciting frame."""
    packet.frames.append(frame)
    packet.room_bytes -= size_bytes
    packet.ack_eliciting = packet.in_flight = True
    if isinstance(frame, StreamFrame) and not frame.offset:
        # The only unidirectional streams are those of the plugin exchange.
        kind = "exchange" if frame.stream_id & 2 else "stream"
        packet.labels += (f"{kind}-start:{frame.stream_id}",)


def queue_repeated(connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet, number: int) -> int:
    """Put the content of an earlier packet at the head of the queue; returns how many frames that are.

    A lost packet's content moves. An outstanding one's is copied, which makes the new packet a probe: beyond the window
    only MAXIMUM_PROBES of them go out in one run (RFC 9002 section 7.5).
    """
    origin = packet.origin or space
    earlier = origin.lost.pop(number, None)
    if earlier is None:
        earlier = origin.outstanding.get(number)
        if earlier is None or (path.probes_left <= 0 and not path.window_is_open):
            return 0
        path.probes_left -= 1
        packet.is_probe = True
    frames = [frame for frame in earlier.frames if is_needed(connection, space, frame)]
    space.pending.extendleft(reversed(frames))
    connection.counts.packets_retransmitted += bool(frames)
    return len(frames) or packet.is_probe


def add_waiting(space: PacketNumberSpace, packet: Packet, count: int) -> None:
    """Move at most `count` waiting frames into the packet, the last of them in pieces if it must be."""
    pending = space.pending
    while count and pending:
        frame = pending[0]
        size_bytes = frame_size(frame)
        if size_bytes > packet.room_bytes:
            piece, rest = split(frame, packet.room_bytes)
            if piece is not None and rest is not None:
                pending[0] = rest
                add(packet, piece, frame_size(piece))
            return
        pending.popleft()
        add(packet, frame, size_bytes)
        count -= 1


def split(frame: Frame, room_bytes: int) -> tuple[Frame | None, Frame | None]:
    """The part of a frame that fits and the part that does not; (None, None) where it cannot be divided."""
    if isinstance(frame, StreamFrame):
        length = room_bytes - stream_frame_overhead(frame.stream_id, frame.offset, room_bytes)
        if length < SMALLEST_PIECE_BYTES or length >= frame.length:
            return None, None
        data, more = (None, None) if frame.data is None else (frame.data[:length], frame.data[length:])
        return (
            StreamFrame(frame.stream_id, frame.offset, length, False, data),
            StreamFrame(frame.stream_id, frame.offset + length, frame.length - length, frame.fin, more),
        )
    if isinstance(frame, CryptoFrame):
        length = room_bytes - 1 - varint_size(frame.offset) - varint_size(len(frame.data))
        if length < SMALLEST_PIECE_BYTES or length >= len(frame.data):
            return None, None
        return CryptoFrame(frame.offset, frame.data[:length]), CryptoFrame(frame.offset + length, frame.data[length:])
    return None, None


def add_handshake_data(space: PacketNumberSpace, packet: Packet) -> None:
    """Fill the packet with handshake bytes that were never sent."""
    frame = space.crypto.take(packet.room_bytes)
    if frame is not None:
        add(packet, frame, frame_size(frame))


def add_datagrams(connection: Connection, packet: Packet) -> None:
    """DATAGRAM frames go before stream data: nobody sends them later (RFC 9221 section 5)."""
    connection.datagrams.taken.clear()
    while (taken := connection.datagrams.take(connection, packet.room_bytes)) is not None:
        add(packet, *taken)


def add_stream_data(connection: Connection, space: PacketNumberSpace, packet: Packet) -> None:
    """Fill the packet with new data of the streams that have some, in turn, and say which limit stops them."""
    ready = connection.ready_streams
    flow = connection.flow
    for _turn in range(len(ready)):
        stream = ready[0]
        taken = stream.take(packet.room_bytes, flow.peer_limit - flow.sent)
        if taken is not None:
            flow.sent += taken[0].length
            add(packet, *taken)
        if flow.sent == flow.peer_limit or stream.sent == stream.limit:
            add_limits_met(connection, space, packet, stream)
        if not stream.has_new():
            ready.popleft()
        elif len(ready) > 1:
            ready.rotate(-1)
        if packet.room_bytes < SMALLEST_PIECE_BYTES:
            return


def add_limits_met(connection: Connection, space: PacketNumberSpace, packet: Packet, stream: SendingStream) -> None:
    """Tell the peer that its limits stop a stream: in this packet where there is room, else in the next."""
    if not connection.profile.announces_limits_met:
        return
    for frame in announce_limits_met(connection, stream):
        size_bytes = frame_size(frame)
        if size_bytes <= packet.room_bytes:
            add(packet, frame, size_bytes)
        else:
            space.pending.append(frame)
