"""How many of a steady stream of datagrams arrive in time? One end sends one every so often, each lost for good or not.

A voice or a game's state: RFC 9221 section 1. What is late is of no more use than what is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.interface import DatagramExpired, DatagramLost, DatagramReceived, ReadyToSend

if TYPE_CHECKING:
    from collections.abc import Generator

    from simpy.events import Event

    from quicsim.endpoint import Endpoint
    from quicsim.quic.interface import ConnectionEvent

__all__ = ["NUMBER_BYTES", "Sink", "Source"]

NUMBER_BYTES = 8
"""What each datagram begins with: its number, by which its receiver knows it."""


class Source:
    """Sends `count` datagrams of `data_bytes`, one each `gap_ns`, on the clock and without drift.

    The first goes out at `start_ns`, or when the handshake completes if that is later. One that finds no room for
    `lifetime_ns` is given up by the stack; 0: it waits. All is over `deadline_ns` after the last.

    Attributes:
        sent_ns: when each was handed to the stack.
        expired: how many the stack has given up unsent.
        reported_lost: how many it has reported as lost, rightly or not.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        count: int,
        data_bytes: int,
        gap_ns: int,
        deadline_ns: int,
        start_ns: int = 0,
        lifetime_ns: int = 0,
    ) -> None:
        self.endpoint = endpoint
        self.sent_ns: list[int] = []
        self.expired = 0
        self.reported_lost = 0
        self._count = count
        self._data_bytes = data_bytes
        self._gap_ns = gap_ns
        self._start_ns = start_ns
        self._deadline_ns = deadline_ns
        self._lifetime_ns = lifetime_ns
        self._connected: Event = endpoint.clock.event()
        endpoint.listeners.append(self._on_event)
        self.finished: Event = endpoint.clock.process(self._run())

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, ReadyToSend):
            self._connected.succeed()
        elif isinstance(event, DatagramLost):
            self.reported_lost += 1
        elif isinstance(event, DatagramExpired):
            self.expired += 1

    def _run(self) -> Generator[Event, object, None]:
        endpoint, lifetime_ns = self.endpoint, self._lifetime_ns
        clock, connection = endpoint.clock, endpoint.connection
        yield self._connected
        if clock.now < self._start_ns:
            yield clock.timeout(self._start_ns - clock.now)
        for index in range(self._count):
            if index:
                yield clock.timeout(self._gap_ns)
            self.sent_ns.append(clock.now)
            data = index.to_bytes(NUMBER_BYTES, "big").ljust(self._data_bytes, b"\0")
            connection.send_datagram(data, expires_ns=lifetime_ns and clock.now + lifetime_ns)
            endpoint.flush()
        yield clock.timeout(self._deadline_ns)


class Sink:
    """Notes when each datagram arrived, by its number."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.arrived_ns: dict[int, int] = {}
        endpoint.listeners.append(self._on_event)

    def _on_event(self, event: ConnectionEvent) -> None:
        if isinstance(event, DatagramReceived):
            self.arrived_ns[int.from_bytes(event.data[:NUMBER_BYTES], "big")] = self.endpoint.clock.now
