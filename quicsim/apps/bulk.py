"""How long does one large transfer take? One stream, either way, timed from connecting to the last byte.

The data is there from the beginning, or comes into being at a rate: a source that is rate-limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.interface import ReadyToSend, StreamReceived, StreamStopped

if TYPE_CHECKING:
    from collections.abc import Generator

    from simpy.events import Event

    from quicsim.endpoint import Endpoint
    from quicsim.quic.interface import ConnectionEvent

__all__ = ["Receiver", "Sender"]


BITS_AND_NANOSECONDS = 8 * 1_000_000_000


class Sender:
    """Sends `size_bytes`: a client on a stream it opens, a server on the stream that asks for it.

    With a rate, it writes each `write_every_ns` what has come into being since, in whole bytes, without drift.
    """

    def __init__(
        self, endpoint: Endpoint, *, size_bytes: int, rate_bps: int | None = None, write_every_ns: int = 0
    ) -> None:
        self.endpoint = endpoint
        self.size_bytes = size_bytes
        self.rate_bps = rate_bps
        self.write_every_ns = write_every_ns
        self._is_wanted = True
        endpoint.listeners.append(self._on_event)

    def _on_event(self, event: ConnectionEvent) -> None:
        connection = self.endpoint.connection
        if isinstance(event, ReadyToSend):
            if connection.is_client:
                self._begin(connection.open_stream())
        elif isinstance(event, StreamReceived) and not connection.is_client:
            self._begin(event.stream_id)
        elif isinstance(event, StreamStopped):
            self._is_wanted = False

    def _begin(self, stream_id: int) -> None:
        if self.rate_bps is None:
            self.endpoint.connection.send(stream_id, self.size_bytes, fin=True)
        else:
            self.endpoint.clock.process(self._write(stream_id, self.rate_bps))

    def _write(self, stream_id: int, rate_bps: int) -> Generator[Event, object, None]:
        endpoint, every_ns = self.endpoint, self.write_every_ns
        written = ticks = 0
        while written < self.size_bytes:
            yield endpoint.clock.timeout(every_ns)
            if not self._is_wanted:
                return
            ticks += 1
            there = min(rate_bps * every_ns * ticks // BITS_AND_NANOSECONDS, self.size_bytes)
            if there > written:
                endpoint.connection.send(stream_id, there - written, fin=there == self.size_bytes)
                endpoint.flush()
            written = there


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
        if isinstance(event, ReadyToSend):
            if connection.is_client:
                connection.send(connection.open_stream(), self.request_bytes, fin=True)
        elif isinstance(event, StreamReceived):
            self.received_bytes = event.length_bytes
            self.completed_ns = self.endpoint.clock.now
            self.finished.succeed()
