"""What follows when a packet is known to have arrived at the peer? RFC 9002 appendix A.7, RFC 9000 section 13.3.

Its bytes leave the flight, the window may grow, and what its frames said is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicsim.quic import datagram_frames
from quicsim.quic.congestion.base import ACKED
from quicsim.quic.frames import (
    AckFrame,
    AckFrequencyFrame,
    CryptoFrame,
    DatagramFrame,
    HandshakeDoneFrame,
    MaxDataFrame,
    MaxStreamDataFrame,
    MaxStreamsFrame,
    NewConnectionIdFrame,
    NewTokenFrame,
    PathAckFrame,
    PathNewConnectionIdFrame,
    PathRetireConnectionIdFrame,
    ResetStreamFrame,
    RetireConnectionIdFrame,
    StreamFrame,
)
from quicsim.quic.mtu import probe_arrived
from quicsim.quic.stream_limits import stream_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicsim.quic.connection import Connection
    from quicsim.quic.connection_ids import Issue, Retirement
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["settle_acknowledged"]


def settle_acknowledged(connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet) -> None:
    """A packet arrived at the peer."""
    if packet.size_bytes > path.datagram_bytes:
        probe_arrived(path, packet)
    if packet.in_flight:
        path.bytes_in_flight -= packet.size_bytes
        if packet.ack_eliciting:
            space.ack_eliciting_in_flight -= 1
        if path.samples_delivery:
            path.delivery.acknowledged(packet, connection.now_ns)
        connection.operations.congestion_control(connection, path, ACKED, packet.size_bytes, packet.sent_ns)
    for frame in packet.frames:
        if isinstance(frame, StreamFrame):  # the usual one, without the detour
            if connection.sending_streams[frame.stream_id].acknowledge(frame):
                stream_ended(connection, frame.stream_id)
        elif (settle := _RULES.get(frame.__class__)) is not None:
            settle(connection, space, frame)


def _ack(connection: Connection, space: PacketNumberSpace, frame: AckFrame) -> None:
    space.received.forget_below(frame.ranges[0][1] + 1)


def _path_ack(connection: Connection, space: PacketNumberSpace, frame: PathAckFrame) -> None:
    connection.paths[frame.path_id].application.received.forget_below(frame.ranges[0][1] + 1)


def _crypto(connection: Connection, space: PacketNumberSpace, frame: CryptoFrame) -> None:
    space.crypto.acknowledge(frame)


def _max_data(connection: Connection, space: PacketNumberSpace, frame: MaxDataFrame) -> None:
    flow = connection.flow
    flow.acknowledged_limit = max(flow.acknowledged_limit, frame.maximum)


def _max_stream_data(connection: Connection, space: PacketNumberSpace, frame: MaxStreamDataFrame) -> None:
    stream = connection.receiving_streams[frame.stream_id]
    stream.acknowledged_limit = max(stream.acknowledged_limit, frame.maximum)


def _max_streams(connection: Connection, space: PacketNumberSpace, frame: MaxStreamsFrame) -> None:
    limits = connection.stream_limits[frame.unidirectional]
    limits.acknowledged_limit = max(limits.acknowledged_limit, frame.maximum)


def _issue(connection: Connection, space: PacketNumberSpace, frame: Issue) -> None:
    connection.ids.acknowledge(frame)


def _retirement(connection: Connection, space: PacketNumberSpace, frame: Retirement) -> None:
    connection.ids.acknowledge_retirement(frame)


def _reset(connection: Connection, space: PacketNumberSpace, frame: ResetStreamFrame) -> None:
    if connection.sending_streams[frame.stream_id].acknowledge_reset():
        stream_ended(connection, frame.stream_id)


def _datagram(connection: Connection, space: PacketNumberSpace, frame: DatagramFrame) -> None:
    datagram_frames.acknowledged(connection, frame)


def _new_token(connection: Connection, space: PacketNumberSpace, frame: NewTokenFrame) -> None:
    connection.peer_has_token = True


def _ack_frequency(connection: Connection, space: PacketNumberSpace, frame: AckFrequencyFrame) -> None:
    connection.ack_frequency.acknowledged(connection, frame)


def _handshake_done(connection: Connection, space: PacketNumberSpace, frame: HandshakeDoneFrame) -> None:
    connection.peer_knows_confirmation = True


_RULES: Mapping[type, Callable[[Connection, PacketNumberSpace, Any], None]] = {
    AckFrame: _ack,
    PathAckFrame: _path_ack,
    CryptoFrame: _crypto,
    MaxDataFrame: _max_data,
    MaxStreamDataFrame: _max_stream_data,
    MaxStreamsFrame: _max_streams,
    NewConnectionIdFrame: _issue,
    PathNewConnectionIdFrame: _issue,
    RetireConnectionIdFrame: _retirement,
    PathRetireConnectionIdFrame: _retirement,
    ResetStreamFrame: _reset,
    DatagramFrame: _datagram,
    NewTokenFrame: _new_token,
    AckFrequencyFrame: _ack_frequency,
    HandshakeDoneFrame: _handshake_done,
}
"""The frames of which it matters that they arrived."""
