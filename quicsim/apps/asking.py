"""How does a client ask for something, and when has it the answer? Each on a stream of its own, as in HTTP/3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.interface import ReadyToSend, StreamReceived, StreamReset, StreamStopped

if TYPE_CHECKING:
    from collections.abc import Generator

    from simpy.events import Event

    from quicsim.endpoint import Endpoint
    from quicsim.quic.interface import ConnectionEvent

__all__ = ["REQUEST_CANCELLED", "Answerer", "Asker"]

REQUEST_CANCELLED = 0x010C
"""RFC 9114 section 8.1: H3_REQUEST_CANCELLED."""


class Answerer:
    """The server: answers each stream that the peer finishes with as many bytes as it asked for."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.asked_bytes: dict[int, int] = {}
        """What each stream asks for: the meaning of its bytes, which nobody simulates."""
        endpoint.listeners.append(self._on_event)

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, StreamReceived):
            answer_bytes = self.asked_bytes.pop(event.stream_id, None)
            if answer_bytes is not None:
                self.endpoint.connection.send(event.stream_id, answer_bytes, fin=True)
        elif isinstance(event, StreamReset | StreamStopped):  # nobody waits for the answer any more
            self.asked_bytes.pop(event.stream_id, None)


class Asker:
    """The client: asks `answerer`, which is at the other end of its connection."""

    def __init__(self, endpoint: Endpoint, answerer: Answerer) -> None:
        self.endpoint = endpoint
        self._answerer = answerer
        self._connected: Event = endpoint.clock.event()
        self._answered: dict[int, Event] = {}
        endpoint.listeners.append(self._on_event)

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, ReadyToSend):
            self._connected.succeed()
        elif isinstance(event, StreamReceived):
            self._answered.pop(event.stream_id).succeed()

    def ready(self, start_ns: int) -> Generator[Event, object, None]:
        """Wait until the connection takes data and it is `start_ns` on the clock."""
        clock = self.endpoint.clock
        yield self._connected
        if clock.now < start_ns:
            yield clock.timeout(start_ns - clock.now)

    def ask(self, request_bytes: int, response_bytes: int) -> tuple[int, Event]:
        """Ask now, with `request_bytes`: the stream, and what happens once all of the answer is there."""
        endpoint = self.endpoint
        stream_id = endpoint.connection.open_stream()
        answered = self._answered[stream_id] = endpoint.clock.event()
        self._answerer.asked_bytes[stream_id] = response_bytes
        endpoint.connection.send(stream_id, request_bytes, fin=True)
        endpoint.flush()
        return stream_id, answered

    def give_up(self, stream_id: int) -> int:
        """Wait for an answer no more (RFC 9114 section 4.1.1): how many of its bytes are there, in order."""
        connection = self.endpoint.connection
        del self._answered[stream_id]
        connection.stop_sending(stream_id, REQUEST_CANCELLED)
        connection.reset_stream(stream_id, REQUEST_CANCELLED)
        self.endpoint.flush()
        stream = connection.receiving_streams.get(stream_id)
        return 0 if stream is None else stream.delivered
