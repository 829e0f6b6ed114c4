"""How do the streams of a connection open, and what happens to what arrives on them? RFC 9000 sections 2 to 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.events import StreamFinished
from quicsim.quic.errors import FlowControlError, ProtocolViolation
from quicsim.quic.flow import consume
from quicsim.quic.interface import StreamReceived
from quicsim.quic.states import ReceivingStreamState
from quicsim.quic.streams import ReceivingStream

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.frames import StreamFrame

__all__ = ["on_max_stream_data", "on_stream_frame", "receiving_stream"]

_DATA_READ = ReceivingStreamState.DATA_READ  # looked up once: a member costs more to find in its class than a call does


def receiving_stream(connection: Connection, stream_id: int) -> ReceivingStream:
    """The receiving part of a stream, made when it is first heard of. Raises ProtocolViolation for one of ours."""
    return connection.receiving_streams.get(stream_id) or _accept(connection, stream_id)


def _accept(connection: Connection, stream_id: int) -> ReceivingStream:
    opened_here = bool(stream_id & 1) != connection.is_client
    if opened_here and (stream_id & 2 or stream_id not in connection.sending_streams):
        raise ProtocolViolation(f"data on stream {stream_id}, which only this endpoint may open")
    stream = connection.receiving_streams[stream_id] = ReceivingStream(stream_id, connection.max_stream_data)
    if not stream_id & 2 and not opened_here:
        connection.sending_stream(stream_id)
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
    stream = connection.sending_streams.get(stream_id)
    if stream is None:
        raise ProtocolViolation(f"MAX_STREAM_DATA for stream {stream_id}, which does not exist")
    if maximum > stream.limit:
        was_ready = stream.has_new()
        stream.limit = maximum
        if not was_ready and stream.has_new():
            connection.ready_streams.append(stream)
