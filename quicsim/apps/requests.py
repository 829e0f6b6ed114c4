"""How long does each short request take? Requests one after another, each with its answer on a stream of its own.

Paper section 3.1.1: short requests that trigger short answers, each on a dedicated stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.connection import HandshakeEvent, StreamReceived
from quicsim.quic.states import ConnectionState

if TYPE_CHECKING:
    from collections.abc import Generator

    from simpy.events import Event

    from quicsim.endpoint import Endpoint
    from quicsim.quic.connection import ConnectionEvent

__all__ = ["Answerer", "Requester"]


class Requester:
    """The client: `count` requests of `request_bytes`, the next one `gap_ns` after the last one's answer.

    The first is made at `start_ns`, or when the handshake completes if that is later. Instants are on the clock.
    """

    def __init__(self, endpoint: Endpoint, *, count: int, request_bytes: int, start_ns: int, gap_ns: int) -> None:
        self.endpoint = endpoint
        self.count = count
        self.request_bytes = request_bytes
        self.start_ns = start_ns
        self.gap_ns = gap_ns
        self.completions_ns: list[int] = []
        """From the writing of each request to the last byte of its answer."""
        self.stream_ids: list[int] = []
        self.connected: Event = endpoint.clock.event()
        self._answered: dict[int, Event] = {}
        endpoint.listeners.append(self._on_event)
        self.finished = endpoint.clock.process(self._run())

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, HandshakeEvent):
            if event.state is ConnectionState.COMPLETE:
                self.connected.succeed()
        elif isinstance(event, StreamReceived):
            self._answered.pop(event.stream_id).succeed()

    def _run(self) -> Generator[Event, object, None]:
        endpoint = self.endpoint
        clock = endpoint.clock
        yield self.connected
        if clock.now < self.start_ns:
            yield clock.timeout(self.start_ns - clock.now)
        for index in range(self.count):
            if index and self.gap_ns:
                yield clock.timeout(self.gap_ns)
            started_ns = clock.now
            stream_id = endpoint.connection.open_stream()
            answered = self._answered[stream_id] = clock.event()
            self.stream_ids.append(stream_id)
            endpoint.connection.send(stream_id, self.request_bytes, fin=True)
            endpoint.flush()
            yield answered
            self.completions_ns.append(clock.now - started_ns)


class Answerer:
    """The server: answers each stream that the peer finishes with `response_bytes`."""

    def __init__(self, endpoint: Endpoint, *, response_bytes: int) -> None:
        self.endpoint = endpoint
        self.response_bytes = response_bytes
        endpoint.listeners.append(self._on_event)

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, StreamReceived):
            self.endpoint.connection.send(event.stream_id, self.response_bytes, fin=True)
