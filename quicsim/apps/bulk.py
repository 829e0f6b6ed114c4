"""How long does one large transfer take? One stream, either way, timed from connecting to the last byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.connection import HandshakeEvent, StreamReceived
from quicsim.quic.states import ConnectionState

if TYPE_CHECKING:
    from simpy.events import Event

    from quicsim.endpoint import Endpoint
    from quicsim.quic.connection import ConnectionEvent

__all__ = ["Receiver", "Sender"]


class Sender:
    """Sends `size_bytes`: a client on a stream it opens, a server on the stream that asks for it."""

    def __init__(self, endpoint: Endpoint, *, size_bytes: int) -> None:
        self.endpoint = endpoint
        self.size_bytes = size_bytes
        endpoint.listeners.append(self._on_event)

    def _on_event(self, event: ConnectionEvent) -> None:
        connection = self.endpoint.connection
        if isinstance(event, HandshakeEvent):
            if connection.is_client and event.state is ConnectionState.COMPLETE:
                connection.send(connection.open_stream(), self.size_bytes, fin=True)
        elif isinstance(event, StreamReceived) and not connection.is_client:
            connection.send(event.stream_id, self.size_bytes, fin=True)


class Receiver:
    """Receives one stream; a client asks for it with `request_bytes` when its handshake is complete."""

    def __init__(self, endpoint: Endpoint, *, request_bytes: int) -> None:
        self.endpoint = endpoint
        self.request_bytes = request_bytes
        self.received_bytes = 0
        self.finished: Event = endpoint.clock.event()
        self.completed_ns = 0
        endpoint.listeners.append(self._on_event)

    def _on_event(self, event: ConnectionEvent) -> None:
        connection = self.endpoint.connection
        if isinstance(event, HandshakeEvent):
            if connection.is_client and event.state is ConnectionState.COMPLETE:
                connection.send(connection.open_stream(), self.request_bytes, fin=True)
        else:
            self.received_bytes = event.length_bytes
            self.completed_ns = self.endpoint.clock.now
            self.finished.succeed()
