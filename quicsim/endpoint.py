"""How does a sans-IO connection meet the clock and the network?

An endpoint hands it datagrams and deadlines, sends what it wants to send, and tells applications what happened.
Anything with the four calls of `SansIO` can stand there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from quicsim.clock import Alarm
from quicsim.net.datagram import Datagram as WireDatagram
from quicsim.quic.interface import ReadyToSend
from quicsim.quic.packet import Address

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Mapping, Sequence

    from quicsim.clock import Clock
    from quicsim.net.topology import Host
    from quicsim.quic.interface import ConnectionEvent, Counts
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

    Its datagrams are what `receive` takes at the other end; they have `size_bytes`, `labels`, `path_id`, `ecn`,
    `address` and `packets`.
    """

    now_ns: int
    is_client: bool
    events: deque[ConnectionEvent]
    complaint: str
    """What the peer did wrong, for which this end has closed the connection; empty: nothing."""

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

    def change_local_address(self, now_ns: int) -> None:
        """Send from another address from now on. Raises QuicError where that cannot be."""

    def close(self, now_ns: int, *, error_code: int = 0, reason: bytes = b"") -> None:
        """End the connection, with an error code of the application's own."""

    def open_stream(self) -> int:
        """The identifier of a new bidirectional stream."""

    def send(self, stream_id: int, data: int | bytes, *, fin: bool = False) -> None:
        """Append to a stream: bytes, or a number of bytes whose content does not matter."""

    def send_datagram(self, data: bytes, *, expires_ns: int = 0) -> None:
        """Send data that is not repeated when it is lost, before `expires_ns` (0: whenever) or not at all."""

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """Send no more on a stream, and give up what has not arrived."""

    def stop_sending(self, stream_id: int, error_code: int) -> None:
        """Read no more of a stream, and ask the peer to send no more on it."""


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
        self._peer_addresses: dict[int, Address] = {}
        """By path, as the last datagram had it; the client's are learned, the server has one."""
        self._ways_to: dict[Address, tuple[Callable[[WireDatagram], object], str, str]] = {}
        """By address, for datagrams that say where they go."""
        self._mapping = 0
        """The port that the present address translator has for this end."""
        self._alarm = Alarm(clock, number, self._on_deadline)
        host.on_datagram(self._on_datagram, flow)

    def connect(self) -> None:
        """Start the handshake now."""
        self.connection.connect(self.clock.now)
        if not any(isinstance(event, ReadyToSend) for event in self.connection.events):
            self.flush()
            return
        # With 0-RTT, what applications have to say at this instant goes out with the first packet, not behind it.
        self._tell()
        self.clock.timeout(0).callbacks.append(lambda _: self.flush())

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
        address, mapping = datagram.address, self._mapping
        if address is None:
            send, source, destination = self._ways.get(datagram.path_id) or self._first_way(datagram.path_id)
        else:
            send, source, destination = self._ways_to.get(address) or self._way_to(address)
            mapping = address.port
        send(WireDatagram(datagram, size_bytes, datagram.labels, source, destination, datagram.ecn, self.flow, mapping))

    def _way_to(self, address: Address) -> tuple[Callable[[WireDatagram], object], str, str]:
        send, source = self.host.way(address.host)
        way = self._ways_to[address] = (send, source, address.host)
        return way

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
        if self._links:
            if datagram.mapping != self._mapping:
                return  # the address translator knows the port no more
            payload.address = None
        else:
            payload.address = self._address_of(datagram, payload.path_id)
        self.connection.receive(payload, self.clock.now)

    def _address_of(self, datagram: WireDatagram, path_id: int) -> Address:
        """Where a datagram came from: the same object as long as that does not change."""
        known = self._peer_addresses.get(path_id)
        if known is not None and known.host == datagram.source and known.port == datagram.mapping:
            return known
        address = self._peer_addresses[path_id] = Address(datagram.source, datagram.mapping)
        if known is None or path_id:  # from then on the connection says where path 0 goes
            send, source = self.host.way(datagram.source)
            self._ways[path_id] = (send, source, datagram.source)
        return address

    # What happens to a client

    def use_link(self, link: str) -> None:
        """Hand over: send by this link of the host's from now on, and tell the connection, which tells the peer.

        Raises QuicError where the connection may not change its address.
        """
        self.connection.change_local_address(self.clock.now)
        send, source = self.host.way(self.peer, via=link)
        self._ways[0] = (send, source, self.peer)
        self.flush()

    def rebind(self) -> None:
        """An address translator on the way gives this end another port, and tells nobody (RFC 9000 section 9.3)."""
        self._mapping += 1

    def _on_deadline(self) -> None:
        self.connection.on_deadline(self.clock.now)
        self.flush()
