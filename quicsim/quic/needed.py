"""May the peer still lack what a frame said that was sent before? RFC 9000 section 13.3.

Information is repeated, not packets: what was acknowledged meanwhile, or is true no more, is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicsim.quic.flow import is_still_met
from quicsim.quic.frames import (
    AckFrequencyFrame,
    CryptoFrame,
    DataBlockedFrame,
    Frame,
    HandshakeDoneFrame,
    MaxDataFrame,
    MaxPathIdFrame,
    MaxStreamDataFrame,
    MaxStreamsFrame,
    NewConnectionIdFrame,
    NewTokenFrame,
    PathAbandonFrame,
    PathAvailableFrame,
    PathBackupFrame,
    PathCidsBlockedFrame,
    PathNewConnectionIdFrame,
    PathRetireConnectionIdFrame,
    PathsBlockedFrame,
    ResetStreamFrame,
    RetireConnectionIdFrame,
    StopSendingFrame,
    StreamDataBlockedFrame,
    StreamFrame,
    StreamsBlockedFrame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicsim.quic.connection import Connection
    from quicsim.quic.connection_ids import Issue, Retirement
    from quicsim.quic.packet import Packet
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["is_needed", "packet_is_needed"]


def is_needed(connection: Connection, space: PacketNumberSpace, frame: Frame) -> bool:
    """Whether a frame, sent before in this space, is to be sent again; of those that nobody repeats, never."""
    if isinstance(frame, StreamFrame):  # the usual one, without the detour
        return connection.sending_streams[frame.stream_id].still_needs(frame)
    rule = _RULES.get(frame.__class__)
    return rule is not None and rule(connection, space, frame)


def packet_is_needed(connection: Connection, space: PacketNumberSpace, packet: Packet) -> bool:
    """Whether anything of what a packet carried is."""
    return any(is_needed(connection, space, frame) for frame in packet.frames)


def _crypto(connection: Connection, space: PacketNumberSpace, frame: CryptoFrame) -> bool:
    return space.crypto.still_needs(frame)


def _max_data(connection: Connection, space: PacketNumberSpace, frame: MaxDataFrame) -> bool:
    flow = connection.flow
    return frame.maximum == flow.limit > flow.acknowledged_limit


def _max_stream_data(connection: Connection, space: PacketNumberSpace, frame: MaxStreamDataFrame) -> bool:
    stream = connection.receiving_streams[frame.stream_id]
    return frame.maximum == stream.limit > stream.acknowledged_limit and stream.wants_more


def _blocked(
    connection: Connection, space: PacketNumberSpace, frame: DataBlockedFrame | StreamDataBlockedFrame
) -> bool:
    return is_still_met(connection, frame)


def _connection_id(connection: Connection, space: PacketNumberSpace, frame: Issue) -> bool:
    return connection.ids.is_needed(frame)


def _retirement(connection: Connection, space: PacketNumberSpace, frame: Retirement) -> bool:
    return connection.ids.is_retirement_needed(frame)


def _max_streams(connection: Connection, space: PacketNumberSpace, frame: MaxStreamsFrame) -> bool:
    limits = connection.stream_limits[frame.unidirectional]
    return frame.maximum == limits.limit > limits.acknowledged_limit


def _streams_blocked(connection: Connection, space: PacketNumberSpace, frame: StreamsBlockedFrame) -> bool:
    limits = connection.stream_limits[frame.unidirectional]
    return frame.limit == limits.peer_limit and bool(limits.waiting)


def _reset_stream(connection: Connection, space: PacketNumberSpace, frame: ResetStreamFrame) -> bool:
    return not connection.sending_streams[frame.stream_id].is_over


def _stop_sending(connection: Connection, space: PacketNumberSpace, frame: StopSendingFrame) -> bool:
    return not connection.receiving_streams[frame.stream_id].is_over


def _new_token(connection: Connection, space: PacketNumberSpace, frame: NewTokenFrame) -> bool:
    return not connection.peer_has_token


def _max_path_id(connection: Connection, space: PacketNumberSpace, frame: MaxPathIdFrame) -> bool:
    return frame.maximum == connection.path_numbers.limit - 1


def _paths_blocked(
    connection: Connection, space: PacketNumberSpace, frame: PathsBlockedFrame | PathCidsBlockedFrame
) -> bool:
    return connection.path_numbers.is_blocked(connection, frame)


def _path_status(connection: Connection, space: PacketNumberSpace, frame: PathBackupFrame | PathAvailableFrame) -> bool:
    return frame.sequence_number == connection.paths[frame.path_id].status_sequence


def _path_abandon(connection: Connection, space: PacketNumberSpace, frame: PathAbandonFrame) -> bool:
    return True


def _ack_frequency(connection: Connection, space: PacketNumberSpace, frame: AckFrequencyFrame) -> bool:
    return connection.ack_frequency.is_needed(frame)


def _handshake_done(connection: Connection, space: PacketNumberSpace, frame: HandshakeDoneFrame) -> bool:
    return not connection.peer_knows_confirmation


_RULES: Mapping[type, Callable[[Connection, PacketNumberSpace, Any], bool]] = {
    CryptoFrame: _crypto,
    MaxDataFrame: _max_data,
    MaxStreamDataFrame: _max_stream_data,
    MaxStreamsFrame: _max_streams,
    DataBlockedFrame: _blocked,
    StreamDataBlockedFrame: _blocked,
    NewConnectionIdFrame: _connection_id,
    PathNewConnectionIdFrame: _connection_id,
    RetireConnectionIdFrame: _retirement,
    PathRetireConnectionIdFrame: _retirement,
    StreamsBlockedFrame: _streams_blocked,
    ResetStreamFrame: _reset_stream,
    StopSendingFrame: _stop_sending,
    NewTokenFrame: _new_token,
    MaxPathIdFrame: _max_path_id,
    PathsBlockedFrame: _paths_blocked,
    PathCidsBlockedFrame: _paths_blocked,
    PathBackupFrame: _path_status,
    PathAvailableFrame: _path_status,
    PathAbandonFrame: _path_abandon,
    AckFrequencyFrame: _ack_frequency,
    HandshakeDoneFrame: _handshake_done,
}
