"""How long are small messages under way? One stream, on which one end writes a message every so often.

Paper section 1: a chat, which has other needs than a bulk transfer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.interface import ReadyToSend, StreamReceived

if TYPE_CHECKING:
    from collections.abc import Generator

    from simpy.events import Event

    from quicsim.endpoint import Endpoint
    from quicsim.quic.interface import ConnectionEvent

__all__ = ["Listener", "Talker"]


class Talker:
    """Writes `count` messages of `message_bytes`, each `gap_ns` after the last one; the stream ends with the last.

    The first is written at `start_ns`, or when the handshake completes if that is later. Instants are on the clock.
    """

    def __init__(self, endpoint: Endpoint, *, count: int, message_bytes: int, start_ns: int, gap_ns: int) -> None:
        self.endpoint = endpoint
        self.count = count
        self.message_bytes = message_bytes
        self.start_ns = start_ns
        self.gap_ns = gap_ns
        self.written_ns: list[int] = []
        """When each was written."""
        self._connected: Event = endpoint.clock.event()
        endpoint.listeners.append(self._on_event)
        endpoint.clock.process(self._run())

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, ReadyToSend):
            self._connected.succeed()

    def _run(self) -> Generator[Event, object, None]:
        endpoint = self.endpoint
        clock, connection = endpoint.clock, endpoint.connection
        yield self._connected
        if clock.now < self.start_ns:
            yield clock.timeout(self.start_ns - clock.now)
        stream_id = connection.open_stream()
        for index in range(self.count):
            if index and self.gap_ns:
                yield clock.timeout(self.gap_ns)
            self.written_ns.append(clock.now)
            connection.send(stream_id, self.message_bytes, fin=index == self.count - 1)
            endpoint.flush()


class Listener:
    """Notes when each message has arrived whole, in order."""

    def __init__(self, endpoint: Endpoint, *, message_bytes: int) -> None:
        self.endpoint = endpoint
        self.message_bytes = message_bytes
        self.arrived_ns: list[int] = []
        self.finished: Event = endpoint.clock.event()
        endpoint.watchers.append(self._look)
        endpoint.listeners.append(self._on_event)

    def _look(self) -> None:
        streams = self.endpoint.connection.receiving_streams
        delivered_bytes = sum(stream.delivered for stream_id, stream in streams.items() if not stream_id & 2)
        while (len(self.arrived_ns) + 1) * self.message_bytes <= delivered_bytes:
            self.arrived_ns.append(self.endpoint.clock.now)

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, StreamReceived):
            self._look()
            self.finished.succeed()
