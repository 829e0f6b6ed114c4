"""How does a sans-IO connection meet the clock and the network?

An endpoint hands it datagrams and deadlines, sends what it wants to send, and tells applications what happened.
Anything with the four calls of `SansIO` can stand there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from quicsim.clock import Alarm
from quicsim.net.datagram import Datagram as WireDatagram

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Mapping, Sequence

    from quicsim.clock import Clock
    from quicsim.net.topology import Host
    from quicsim.quic.connection import ConnectionEvent, Counts
    from quicsim.quic.packet import Datagram
    from quicsim.quic.states import ConnectionState

__all__ = ["Endpoint", "SansIO", "Stack"]


class SansIO(Protocol):
    """What drives a protocol stack: datagrams in, datagrams out, a deadline. Time is integer nanoseconds."""

    @property
    def deadline_ns(self) -> int:
        """When `on_deadline` must be called at the latest; 0: never."""

    def receive(self, datagram: Datagram, now_ns: int) -> None:
        """A datagram arrived."""

    def datagrams_to_send(self, now_ns: int) -> list[Datagram]:
        """What is to be sent now."""

    def on_deadline(self, now_ns: int) -> None:
        """The deadline has come."""


class Reading(Protocol):
    """How far a stream has come at its receiver."""

    @property
    def delivered(self) -> int:
        """The bytes that are there in order."""


class Consumption(Protocol):
    """What a receiver's applications have read."""

    @property
    def consumed(self) -> int:
        """The bytes, over all streams."""


class PathLike(Protocol):
    """What is asked of a path."""

    @property
    def path_id(self) -> int:
        """Its number."""

    @property
    def bytes_received(self) -> int:
        """Of UDP payload, so far."""

    @property
    def bytes_in_flight(self) -> int:
        """What was sent and is neither acknowledged nor lost."""


class Stack(Protocol):
    """A protocol stack of which an application can make use: ours, or a foreign one in its clothes.

    Its datagrams are what `receive` takes at the other end; they have `size_bytes`, `labels`, `path_id`, `ecn` and
    `packets`.
    """

    now_ns: int
    is_client: bool
    events: deque[ConnectionEvent]

    @property
    def deadline_ns(self) -> int:
        """See `SansIO`."""

    @property
    def state(self) -> ConnectionState:
        """Where its state machine is."""

    @property
    def counts(self) -> Counts:
        """What happened so far."""

    @property
    def path(self) -> PathLike:
        """The first path."""

    @property
    def paths(self) -> Sequence[PathLike]:
        """All paths."""

    @property
    def flow(self) -> Consumption:
        """What its applications have read."""

    @property
    def receiving_streams(self) -> Mapping[int, Reading]:
        """By stream: how far what the peer sends has come."""

    def receive(self, datagram: Any, now_ns: int) -> None:
        """See `SansIO`."""

    def datagrams_to_send(self, now_ns: int) -> Sequence[Any]:
        """See `SansIO`."""

    def on_deadline(self, now_ns: int) -> None:
        """See `SansIO`."""

    def connect(self, now_ns: int) -> None:
        """Start the handshake (client)."""

    def close(self, now_ns: int, *, error_code: int = 0, reason: bytes = b"") -> None:
        """End the connection, with an error code of the application's own."""

    def open_stream(self) -> int:
        """The identifier of a new bidirectional stream."""

    def send(self, stream_id: int, data: int | bytes, *, fin: bool = False) -> None:
        """Append to a stream: bytes, or a number of bytes whose content does not matter."""


class Endpoint:
    """One end of a connection on a host of the network.

    `header_bytes` are what UDP and IP add to each datagram; `number` orders this endpoint's timers among others', and
    `flow` tells its datagrams from those of other connections between the same hosts, as ports do.
    `links` are the client's links by path; empty: as the network routes.
    """

    def __init__(
        self,
        clock: Clock,
        host: Host,
        peer: str,
        connection: Stack,
        *,
        number: int,
        header_bytes: int,
        links: Sequence[str] = (),
        flow: int = 0,
    ) -> None:
        self.clock = clock
        self.host = host
        self.peer = peer
        self.connection = connection
        self.header_bytes = header_bytes
        self.flow = flow
        self.listeners: list[Callable[[ConnectionEvent], None]] = []
        """Applications: called with each event of the connection."""
        self.watchers: list[Callable[[], None]] = []
        """Applications that follow how far a stream has come: called whenever that may have changed."""
        self.stream_starts_ns: dict[str, list[int]] = {}
        """When each packet with the first bytes of a stream went out, by the datagram's label."""
        self._links = links
        self._ways: dict[int, tuple[Callable[[WireDatagram], object], str, str]] = {}
        """By path: what puts a datagram on its way, its source and its destination."""
        self._peer_addresses: dict[int, str] = {}
        """By path, as the last datagram had it; the client's are learned, the server has one."""
        self._alarm = Alarm(clock, number, self._on_deadline)
        host.on_datagram(self._on_datagram, flow)

    def connect(self) -> None:
        """Start the handshake now."""
        self.connection.connect(self.clock.now)
        self.flush()

    def close(self, *, error_code: int = 0, reason: bytes = b"") -> None:
        """End the connection now, with an error code of the application's own."""
        self.connection.close(self.clock.now, error_code=error_code, reason=reason)
        self.flush()

    def flush(self) -> None:
        """Tell applications what happened, send what there is to send, and set the alarm."""
        connection = self.connection
        events = connection.events
        now_ns = self.clock.now
        while True:
            if events or self.watchers:
                self._tell()
            for datagram in connection.datagrams_to_send(now_ns):
                self._send(datagram)
            if not events:
                break
        self._alarm.set(connection.deadline_ns or None)

    def _tell(self) -> None:
        """Tell applications what happened."""
        events = self.connection.events
        while events:
            event = events.popleft()
            for listener in self.listeners:
                listener(event)
        for watcher in self.watchers:
            watcher()

    def _send(self, datagram: Datagram) -> None:
        """Put a datagram on its way now."""
        for label in datagram.labels:
            self.stream_starts_ns.setdefault(label, []).append(self.clock.now)
        size_bytes = datagram.size_bytes + self.header_bytes
        send, source, destination = self._ways.get(datagram.path_id) or self._first_way(datagram.path_id)
        send(WireDatagram(datagram, size_bytes, datagram.labels, source, destination, datagram.ecn, self.flow))

    def _first_way(self, path_id: int) -> tuple[Callable[[WireDatagram], object], str, str]:
        link = self._links[path_id] if self._links else None
        send, source = self.host.way(self.peer, via=link)
        way = self._ways[path_id] = (send, source, self.peer)
        return way

    def _on_datagram(self, datagram: WireDatagram) -> None:
        self._receive(datagram)
        self.flush()

    def _receive(self, datagram: WireDatagram) -> None:
        """Hand a datagram to the connection now."""
        payload = datagram.payload
        payload.ecn = datagram.ecn
        self.connection.receive(payload, self.clock.now)
        if not self._links and datagram.source != self._peer_addresses.get(payload.path_id, self.peer):
            self._peer_addresses[payload.path_id] = datagram.source
            send, source = self.host.way(datagram.source)
            self._ways[payload.path_id] = (send, source, datagram.source)

    def _on_deadline(self) -> None:
        self.connection.on_deadline(self.clock.now)
        self.flush()
