"""Two sans-IO connections and nothing else: a heap, a fixed delay each way, and a rule that drops datagrams.

No clock, no network: what fails here is the connection's fault. `Pipe` checks, after every call, what must hold always.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field

from quicsim.events import Trace
from quicsim.operations import OperationTable
from quicsim.quic.connection import Connection
from quicsim.quic.interface import HandshakeEvent, StreamReceived
from quicsim.quic.packet import Datagram, Space
from quicsim.quic.path import AMPLIFICATION_FACTOR
from quicsim.quic.profiles import profile_named
from quicsim.quic.settings import Settings
from quicsim.quic.states import ConnectionState

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
EXPIRIES_AN_INSTANT = 20
"""More deadlines of one endpoint at one instant mean that time does not go on."""

OTHER = {"client": "server", "server": "client"}


class TimeStandsStill(AssertionError):  # noqa: N818
    """An endpoint asks to be called again and again at one instant."""


@dataclass(slots=True)
class Side:
    """One end and what happened at it."""

    connection: Connection
    sizes: list[int] = field(default_factory=list)
    """Of each datagram it sent."""
    finished: dict[int, int] = field(default_factory=dict)
    """The instant at which each stream ended."""
    states: list[ConnectionState] = field(default_factory=list)
    on_event: object = None

    @property
    def delivered(self):
        """Bytes delivered of each stream that has any; the plugin exchange's is not the application's."""
        streams = self.connection.receiving_streams.values()
        return {
            stream.stream_id: stream.delivered for stream in streams if stream.delivered and not stream.stream_id & 2
        }


def a_connection(name, profile="rfc9002", trace=None, **settings):
    return Connection(
        is_client=name == "client",
        profile=profile_named(profile),
        operations=OperationTable(profile),
        recorder=(trace or Trace()).component(name),
        settings=Settings(**settings),
    )


class Pipe:
    """Drives a client and a server. `drops`: (sender's name, index of its datagram) pairs that never arrive."""

    def __init__(self, profile="rfc9002", *, drops=(), delay_ns=10 * MILLISECOND_NS, client=None, server=None, **both):
        self.trace = Trace()
        self.drops = drops if callable(drops) else set(drops).__contains__
        self.delay_ns = delay_ns
        self.now_ns = 0
        self.sides = {
            name: Side(a_connection(name, profile, self.trace, **both, **(own or {})))
            for name, own in (("client", client), ("server", server))
        }
        self.heap: list = []
        self.entries = 0
        self.sent = self.dropped = self.arrived = 0
        self._expiries = Counter()
        self._expired_ns = -1

    @property
    def client(self):
        return self.sides["client"].connection

    @property
    def server(self):
        return self.sides["server"].connection

    def connect(self):
        self.client.connect(self.now_ns)
        self.flush("client")

    def flush(self, name):
        """What an endpoint does after each call: tell the application, send, look at the deadline."""
        side = self.sides[name]
        connection = side.connection
        while True:
            while connection.events:
                self._note(side, connection.events.popleft())
            for datagram in connection.datagrams_to_send(self.now_ns):
                self._send(name, datagram)
            self.check(name)
            if not connection.events:
                return

    def _count_expiry(self, name):
        if self._expired_ns != self.now_ns:
            self._expiries.clear()
            self._expired_ns = self.now_ns
        self._expiries[name] += 1
        if self._expiries[name] > EXPIRIES_AN_INSTANT:
            raise TimeStandsStill(f"{name} at {self.now_ns} ns, deadline {self.sides[name].connection.deadline_ns}")

    def _note(self, side, event):
        if isinstance(event, StreamReceived):
            assert event.stream_id not in side.finished, "a stream ends once"
            side.finished[event.stream_id] = self.now_ns
        elif isinstance(event, HandshakeEvent):
            side.states.append(event.state)
        if side.on_event is not None:
            side.on_event(event)

    def _send(self, name, datagram: Datagram):
        self._measure(name, datagram)
        index = len(self.sides[name].sizes) - 1
        self.sent += 1
        if self.drops((name, index)):
            self.dropped += 1
        else:
            self.entries += 1
            heapq.heappush(self.heap, (self.now_ns + self.delay_ns, self.entries, OTHER[name], datagram))

    def _measure(self, name, datagram: Datagram):
        """Note a datagram's size, and hold it to what the path takes."""
        side = self.sides[name]
        side.sizes.append(datagram.size_bytes)
        connection = side.connection
        is_protected = datagram.packets and datagram.packets[0].space is Space.APPLICATION
        largest = connection.profile.largest_datagram_bytes if is_protected else 0
        assert datagram.size_bytes <= max(connection.path.datagram_bytes, 1200, largest)

    def step(self):
        """The next arrival or deadline; False when nothing will ever happen again."""
        deadlines = [(s.connection.deadline_ns, name) for name, s in self.sides.items() if s.connection.deadline_ns]
        deadline_ns, name = min(deadlines, default=(0, ""))
        if self.heap and (not deadlines or self.heap[0][0] <= max(deadline_ns, self.now_ns)):
            self.now_ns, _, name, datagram = heapq.heappop(self.heap)
            self.arrived += 1
            self.sides[name].connection.receive(datagram, self.now_ns)
        elif deadlines:
            self.now_ns = max(self.now_ns, deadline_ns)
            self._count_expiry(name)
            self.sides[name].connection.on_deadline(self.now_ns)
        else:
            return False
        self.flush(name)
        return True

    def run(self, until=lambda pipe: False, *, limit_ns=120 * SECOND_NS):
        """Go on until a condition holds, or until nothing is left to happen. Fails at the time limit."""
        while not until(self):
            if not self.step():
                return self
            assert self.now_ns <= limit_ns, f"not done after {limit_ns} ns"
        return self

    def check(self, name):
        """What must hold after every call."""
        side = self.sides[name]
        for each in side.connection.paths:
            check_path(each)
        path = side.connection.path
        assert not path.is_limited or path.amplification_room_bytes >= 0, "three times what arrived"
        if name == "server" and path.is_limited and not side.connection.addresses.have_changed:
            assert path.bytes_sent == sum(side.sizes)
            assert path.bytes_sent <= AMPLIFICATION_FACTOR * path.bytes_received, "three times what arrived"
        flow = side.connection.flow
        assert flow.sent <= flow.peer_limit or not flow.peer_limit
        for stream in side.connection.sending_streams.values():
            assert stream.sent <= stream.written
            assert stream.sent <= stream.limit
        for ids in map(side.connection.ids.of_path, range(len(side.connection.paths))):
            assert len(ids.usable) <= (side.connection.ids.limit or 2)
            assert not ids.usable.keys() & ids.retired
        assert not side.connection.complaint, f"{name}: {side.connection.complaint}"
        assert self.sent == self.dropped + self.arrived + len(self.heap)


def check_path(path):
    """What must hold of one path after every call."""
    in_flight = [p for space in path.spaces for p in space.outstanding.values()]
    assert path.bytes_in_flight == sum(p.size_bytes for p in in_flight) >= 0
    assert all(p.in_flight for p in in_flight)
    for space in path.spaces:
        assert space.ack_eliciting_in_flight == sum(p.ack_eliciting for p in space.outstanding.values())
        assert list(space.outstanding) == sorted(space.outstanding)
        assert not space.outstanding.keys() & space.lost.keys()
        if not space.can_send:
            assert not space.outstanding
            assert not space.lost
            assert not space.pending


def both_confirmed(pipe):
    return all(side.connection.is_confirmed for side in pipe.sides.values())


def request_answers(pipe, *, request_bytes=100, response_bytes=1_000, streams=1):
    """The client asks once its handshake is complete, the server answers each finished stream."""

    def on_client_event(event):
        if isinstance(event, HandshakeEvent) and event.state is ConnectionState.COMPLETE:
            for _ in range(streams):
                pipe.client.send(pipe.client.open_stream(), request_bytes, fin=True)

    def on_server_event(event):
        if isinstance(event, StreamReceived):
            pipe.server.send(event.stream_id, response_bytes, fin=True)

    pipe.sides["client"].on_event = on_client_event
    pipe.sides["server"].on_event = on_server_event
    return pipe


def settled(streams):
    """Every answer arrived, and nothing is left in flight at either end."""

    def done(pipe):
        return len(pipe.sides["client"].finished) == streams and all(
            not path.bytes_in_flight and not path.application.pending
            for side in pipe.sides.values()
            for path in side.connection.paths
        )

    return done
