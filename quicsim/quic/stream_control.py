"""How do a connection's streams open and end, and what becomes of what arrives on them? RFC 9000 sections 2 to 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.events import StreamAborted, StreamFinished
from quicsim.quic.datagram_frames import drop_too_large
from quicsim.quic.errors import FlowControlError, StreamStateError, StreamStateViolation
from quicsim.quic.flow import announce_limits_met, consume
from quicsim.quic.frames import StopSendingFrame, StreamFrame
from quicsim.quic.interface import StreamReceived, StreamReset, StreamStopped
from quicsim.quic.states import ReceivingStreamState
from quicsim.quic.stream_limits import admit, await_permission, permit, stream_ended
from quicsim.quic.streams import ReceivingStream

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.frames import ResetStreamFrame
    from quicsim.quic.parameters import TransportParameters
    from quicsim.quic.streams import SendingStream

__all__ = [
    "on_max_stream_data",
    "on_reset_stream",
    "on_stop_sending",
    "on_stream_frame",
    "open_stream",
    "receiving_stream",
    "reset_stream",
    "stop_sending",
    "take_limits",
    "write",
]

_DATA_READ = ReceivingStreamState.DATA_READ  # looked up once: a member costs more to find in its class than a call does


def open_stream(connection: Connection, stream_id: int) -> None:
    """Open a stream of this endpoint's, or have it wait until the peer allows it (section 4.6)."""
    await_permission(connection, connection.sending_stream(stream_id))


def write(connection: Connection, stream_id: int, data: int | bytes, *, fin: bool) -> None:
    """Append to a stream of which this endpoint sends a part; where a limit of the peer's stops it, say so."""
    stream = connection.sending_streams.get(stream_id)
    if stream is None:
        raise StreamStateError(f"stream {stream_id} is not open for sending")
    was_ready = stream.has_new()
    stream.write(data, fin=fin)
    if not was_ready and stream.has_new():
        connection.ready_streams.append(stream)
    has_keys = connection.is_complete or connection.early_data.may_be_sent
    if connection.profile.announces_limits_met and has_keys and not stream.waits:
        connection.path.application.pending.extend(announce_limits_met(connection, stream))


def receiving_stream(connection: Connection, stream_id: int) -> ReceivingStream:
    """The receiving part of a stream, made when it is first heard of. Raises ProtocolViolation for one of ours."""
    return connection.receiving_streams.get(stream_id) or _accept(connection, stream_id)


def _accept(connection: Connection, stream_id: int) -> ReceivingStream:
    opened_here = bool(stream_id & 1) != connection.is_client
    if opened_here:
        own = None if stream_id & 2 else connection.sending_streams.get(stream_id)
        if own is None or own.waits:
            raise StreamStateViolation(f"data on stream {stream_id}, which only this endpoint may open")
    else:
        admit(connection, stream_id)
        if not stream_id & 2:
            connection.sending_stream(stream_id)
    return _receiving_part(connection, stream_id)


def _receiving_part(connection: Connection, stream_id: int) -> ReceivingStream:
    stream = connection.receiving_streams[stream_id] = ReceivingStream(stream_id, connection.max_stream_data)
    return stream


def _part_that_sends(connection: Connection, stream_id: int, frame: str) -> SendingStream:
    """The part of a stream that a frame of the peer's is about, opened by it where the peer may open it (section 3.1).

    Raises StreamStateViolation where this endpoint does not send on it (sections 19.5 and 19.10).
    """
    opened_here = bool(stream_id & 1) != connection.is_client
    if not opened_here and not stream_id & 2:
        receiving_stream(connection, stream_id)
    stream = connection.sending_streams.get(stream_id)
    if stream is None or stream.waits:
        raise StreamStateViolation(f"{frame} for stream {stream_id}, on which this endpoint does not send")
    return stream


def on_stream_frame(connection: Connection, frame: StreamFrame) -> None:
    """Stream data arrived: account for it, deliver what is in order, raise the limits in time."""
    stream_id = frame.stream_id
    stream = connection.receiving_streams.get(stream_id)
    if stream is None:
        stream = _accept(connection, stream_id)
    was_finished = stream.state is _DATA_READ
    growth, count, content = stream.receive(frame)
    flow = connection.flow
    flow.received += growth
    if flow.received > flow.limit:
        raise FlowControlError(f"{flow.received} bytes of stream data, allowed {flow.limit}")
    finished = stream.state is _DATA_READ and not was_finished
    if not count and not finished:
        return
    consume(connection, stream, count)
    if finished:
        stream_ended(connection, stream_id)
    if stream.is_stopped:
        return
    if stream_id == connection.peer_exchange_stream_id:
        if connection.plugin_host is not None:
            connection.plugin_host.receive_exchange(content)
        return
    if finished:
        connection.events.append(StreamReceived(stream_id, stream.final_size))
        recorder = connection.recorder
        if recorder.subscribers:
            recorder.emit(StreamFinished(connection.now_ns, recorder.name, stream_id, stream.final_size))


def on_max_stream_data(connection: Connection, stream_id: int, maximum: int) -> None:
    """The peer raised a stream's limit."""
    stream = _part_that_sends(connection, stream_id, "MAX_STREAM_DATA")
    if maximum > stream.limit:
        was_ready = stream.has_new()
        stream.limit = maximum
        if not was_ready and stream.has_new():
            connection.ready_streams.append(stream)


def take_limits(connection: Connection, parameters: TransportParameters) -> None:
    """Send as much as the peer's parameters allow, or what they allowed the last time (RFC 9000 section 7.4.1)."""
    connection.flow.peer_limit = parameters.max_data
    connection.peer_max_stream_data = parameters.max_stream_data
    connection.datagrams.peer_limit = parameters.max_datagram_frame_bytes
    drop_too_large(connection, parameters.max_datagram_frame_bytes)  # what was written when more was allowed
    maxima = (parameters.max_streams, parameters.max_unidirectional_streams)
    for limits, maximum in zip(connection.stream_limits, maxima, strict=True):
        permit(connection, limits, maximum)
    for stream_id, stream in connection.sending_streams.items():
        if not stream.waits:
            on_max_stream_data(connection, stream_id, parameters.max_stream_data)


# Ending early (sections 3.1 to 3.5)


def reset_stream(connection: Connection, stream_id: int, error_code: int) -> None:
    """End what this endpoint sends on a stream; nothing happens where the peer has all of it, or was told already."""
    stream = connection.sending_streams.get(stream_id)
    if stream is None:
        raise StreamStateError(f"stream {stream_id} is not open for sending")
    _reset(connection, stream, error_code, is_asked_for=False)


def stop_sending(connection: Connection, stream_id: int, error_code: int) -> None:
    """Read no more of a stream, and ask the peer to end it; nothing happens where it has ended."""
    stream = connection.receiving_streams.get(stream_id)
    if stream is None:
        if stream_id & 2 or stream_id not in connection.sending_streams:
            raise StreamStateError(f"stream {stream_id} is not open for receiving")
        stream = _receiving_part(connection, stream_id)  # of one of ours, on which the peer has sent nothing yet
    if stream.is_over or stream.is_stopped:
        return
    stream.is_stopped = True
    frame = StopSendingFrame(stream_id, error_code)
    own = connection.sending_streams.get(stream_id)
    if own is not None and own.waits:
        own.stop_frame = frame
    else:
        connection.announce(frame)


def _reset(connection: Connection, stream: SendingStream, error_code: int, *, is_asked_for: bool) -> None:
    was_ready = stream.has_new()
    frame = stream.reset(error_code)
    if frame is None:
        return
    if was_ready and stream in connection.ready_streams:
        connection.ready_streams.remove(stream)
    for path in connection.paths:  # what was lost of it and waits to be repeated
        pending = path.application.pending
        if pending:
            rest = [other for other in pending if not _is_data_of(other, stream.stream_id)]
            pending.clear()
            pending.extend(rest)
    if not stream.waits:
        connection.announce(frame)
    recorder = connection.recorder
    if recorder.subscribers:
        recorder.emit(
            StreamAborted(
                connection.now_ns, recorder.name, stream.stream_id, error_code, frame.final_size, is_asked_for
            )
        )


def _is_data_of(frame: object, stream_id: int) -> bool:
    return isinstance(frame, StreamFrame) and frame.stream_id == stream_id


def on_reset_stream(connection: Connection, frame: ResetStreamFrame) -> None:
    """The peer ends a stream early: what is missing of it counts as sent, and as read (section 4.5)."""
    stream = receiving_stream(connection, frame.stream_id)
    was_over = stream.is_over
    flow = connection.flow
    flow.received += stream.receive_reset(frame)
    if flow.received > flow.limit:
        raise FlowControlError(f"{flow.received} bytes of stream data, allowed {flow.limit}")
    if was_over:
        return
    stream.read_reset()
    consume(connection, stream, frame.final_size - stream.delivered)
    stream_ended(connection, frame.stream_id)
    if not stream.is_stopped:
        connection.events.append(StreamReset(frame.stream_id, frame.error_code))


def on_stop_sending(connection: Connection, frame: StopSendingFrame) -> None:
    """The peer reads no more of a stream: it is reset with the peer's code, at once also where all was sent (3.5)."""
    stream_id = frame.stream_id
    stream = _part_that_sends(connection, stream_id, "STOP_SENDING")
    if stream.is_reset or stream.is_over:
        return
    _reset(connection, stream, frame.error_code, is_asked_for=True)
    connection.events.append(StreamStopped(stream_id, frame.error_code))
