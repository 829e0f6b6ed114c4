"""A connection on the clock and the network: an undisturbed exchange takes one round trip and its serialisation."""

from collections import deque

import pytest

from quicsim.clock import Clock
from quicsim.endpoint import Endpoint
from quicsim.events import Trace
from quicsim.net.link import DirectionSpec, check_conservation
from quicsim.net.queue import MARK
from quicsim.net.topology import Network
from quicsim.quic.interface import HandshakeEvent, StreamReceived
from quicsim.quic.packet import Datagram
from quicsim.quic.states import ConnectionState
from quicsim.randomness import Streams
from tests.quic.pipe import a_connection

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
HEADER_BYTES = 28
PROFILES = ("rfc9002", "picoquic")


class Joined:
    """A client and a server on one link."""

    def __init__(self, profile="rfc9002", *, rate_bps=10_000_000, delay_ns=10 * MILLISECOND_NS, faults=(), **settings):
        self.clock = Clock()
        trace = Trace()
        self.network = Network(self.clock, Streams(1, 0))
        self.endpoints = {}
        for number, (name, peer) in enumerate((("client", "server"), ("server", "client"))):
            self.endpoints[name] = Endpoint(
                self.clock,
                self.network.add_host(name),
                peer,
                a_connection(name, profile, trace, **settings),
                number=number,
                header_bytes=HEADER_BYTES,
            )
        spec = DirectionSpec(rate_bps=rate_bps, delay_ns=delay_ns)
        client = DirectionSpec(rate_bps=rate_bps, delay_ns=delay_ns, faults=tuple(faults))
        self.link = self.network.add_link("access", "client", "server", {"client": client, "server": spec})
        self.client, self.server = self.endpoints["client"], self.endpoints["server"]
        self.states, self.ends = [], {}
        self.client.listeners.append(self._on_client)

    def _on_client(self, event):
        if isinstance(event, HandshakeEvent):
            self.states.append((event.state, self.clock.now))
        elif isinstance(event, StreamReceived):
            self.ends[event.stream_id] = self.clock.now

    def confirmed(self):
        """Connect, and let the handshake settle."""
        self.client.connect()
        self.clock.run(until=2 * SECOND_NS)
        assert self.states[-1][0] is ConnectionState.CONFIRMED
        return self

    def answer_with(self, size_bytes):
        def on_server(event):
            if isinstance(event, StreamReceived):
                self.server.connection.send(event.stream_id, size_bytes, fin=True)

        self.server.listeners.append(on_server)

    def ask(self, size_bytes):
        """Send a request now; returns its stream and the instant."""
        stream_id = self.client.connection.open_stream()
        self.client.connection.send(stream_id, size_bytes, fin=True)
        self.client.flush()
        return stream_id, self.clock.now


def on_the_wire_ns(payload_bytes, rate_bps):
    return (payload_bytes + HEADER_BYTES) * 8 * SECOND_NS // rate_bps


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rate_bps", [1_000_000, 10_000_000, 1_000_000_000])
@pytest.mark.parametrize("delay_ms", [1, 5, 100])
def test_an_undisturbed_exchange_takes_a_round_trip_and_its_serialisation(profile, rate_bps, delay_ms):
    joined = Joined(profile, rate_bps=rate_bps, delay_ns=delay_ms * MILLISECOND_NS).confirmed()
    joined.answer_with(200)
    for _ in range(3):
        stream_id, start_ns = joined.ask(100)
        joined.clock.run(until=joined.clock.now + SECOND_NS)
        # Short header 1 + 8 + 1; STREAM 1 + 1 + 2 and its data; AEAD tag 16. An ACK of 5 to 7 bytes may ride along.
        request = on_the_wire_ns(10 + 4 + 100 + 16, rate_bps)
        answer = on_the_wire_ns(10 + 4 + 200 + 16, rate_bps)
        carried = on_the_wire_ns(7 - HEADER_BYTES, rate_bps)
        took_ns = joined.ends[stream_id] - start_ns
        bare_ns = 2 * delay_ms * MILLISECOND_NS + request + answer
        alone_ns = on_the_wire_ns(10 + 5 + 16, rate_bps)  # picoquic acknowledges at once, ahead of the answer
        assert bare_ns <= took_ns <= bare_ns + carried + alone_ns


def test_the_exchange_to_the_nanosecond():
    """10 Mbps, 10 ms each way: request 130 + 28 B, answer with an ACK of 5 B 235 + 28 B."""
    joined = Joined(delay_ns=10 * MILLISECOND_NS).confirmed()
    joined.answer_with(200)
    stream_id, start_ns = joined.ask(100)
    joined.clock.run(until=3 * SECOND_NS)
    assert joined.ends[stream_id] - start_ns == 20 * MILLISECOND_NS + 800 * (158 + 263)


@pytest.mark.parametrize(
    ("profile", "timeout_ms"),
    [("picoquic", (50, 50)), ("rfc9002", (40, 75))],  # the floor; srtt + 4 rttvar + 25 ms
)
def test_a_lost_request_is_repeated_by_the_timer(profile, timeout_ms):
    joined = Joined(profile, delay_ns=5 * MILLISECOND_NS, faults=["first packet of each request"]).confirmed()
    joined.answer_with(200)
    for _ in range(5):
        stream_id, start_ns = joined.ask(100)
        joined.clock.run(until=joined.clock.now + SECOND_NS)
        first, second = joined.client.stream_starts_ns[f"stream-start:{stream_id}"]
        assert first == start_ns
        low, high = timeout_ms
        assert low * MILLISECOND_NS <= second - first <= high * MILLISECOND_NS
        assert joined.ends[stream_id] - second < 12 * MILLISECOND_NS


def test_states_are_told_in_order_and_when_they_are_reached():
    joined = Joined(delay_ns=10 * MILLISECOND_NS, certificate_chain_bytes=1_000).confirmed()
    assert [state.value for state, _ in joined.states] == ["handshaking", "complete", "confirmed"]
    started, complete, confirmed = (instant for _, instant in joined.states)
    assert started == 0
    assert 20 * MILLISECOND_NS < complete < 25 * MILLISECOND_NS
    assert 20 * MILLISECOND_NS < confirmed - complete < 25 * MILLISECOND_NS


def test_the_run_ends_when_nothing_is_left_to_do():
    joined = Joined().confirmed()
    joined.answer_with(30_000)
    joined.ask(10)
    joined.clock.run()
    assert joined.ends
    assert joined.clock.now < 4 * SECOND_NS
    check_conservation(joined.link)
    for endpoint in joined.endpoints.values():
        assert endpoint.connection.path.bytes_in_flight == 0


class MarksEverything:
    """A discipline that marks congestion on each datagram that can bear it, and drops the others."""

    decides_when_idle = True

    def admission(self, rate_bps, chance):
        return lambda backlog, now_ns, size_bytes: MARK


@pytest.mark.parametrize(("sent_with", "arrives_with"), [(0, None), (1, 3), (2, 3)])
def test_a_codepoint_crosses_the_network_and_comes_back_marked(sent_with, arrives_with):
    spec = DirectionSpec(rate_bps=10_000_000, delay_ns=MILLISECOND_NS, queue=MarksEverything())
    clock, seen, ends = Clock(), [], {}
    network = Network(clock, Streams(1, 0))
    for number, (name, peer) in enumerate((("client", "server"), ("server", "client"))):
        connection = a_connection(name)
        ends[name] = Endpoint(clock, network.add_host(name), peer, connection, number=number, header_bytes=HEADER_BYTES)
        connection.path.ecn_codepoint = sent_with
        read = connection.operations.read_packet
        connection.operations.read_packet = lambda c, path, packet, read=read: (
            seen.append(packet.ecn) or read(c, path, packet)
        )
    network.add_link("access", "client", "server", {"client": spec, "server": spec})
    ends["client"].connect()
    clock.run(until=100 * MILLISECOND_NS)
    assert set(seen) == ({arrives_with} if arrives_with else set())


def test_a_foreign_stack_can_stand_there():
    """Anything with the four calls: here one that sends three datagrams, a deadline apart."""

    class Beacon:
        def __init__(self):
            self.events = deque()
            self.left, self.deadline_ns, self.due, self.received = 3, 0, True, []

        def receive(self, datagram, now_ns):
            self.received.append(now_ns)

        def datagrams_to_send(self, now_ns):
            if not self.due:
                return []
            self.due = False
            self.left -= 1
            self.deadline_ns = now_ns + 7 * MILLISECOND_NS if self.left else 0
            return [Datagram((), 972, ("beacon",))]

        def on_deadline(self, now_ns):
            assert now_ns == self.deadline_ns
            self.due = True

    clock = Clock()
    network = Network(clock, Streams(1, 0))
    ends = [
        Endpoint(clock, network.add_host(name), peer, Beacon(), number=number, header_bytes=HEADER_BYTES)
        for number, (name, peer) in enumerate((("a", "b"), ("b", "a")))
    ]
    spec = DirectionSpec(rate_bps=8_000_000, delay_ns=MILLISECOND_NS)
    network.add_link("ab", "a", "b", spec)
    ends[1].connection.due = False
    ends[0].flush()
    clock.run(until=SECOND_NS)
    assert ends[1].connection.received == [n * MILLISECOND_NS for n in (2, 9, 16)]
    assert ends[0].stream_starts_ns == {"beacon": [n * MILLISECOND_NS for n in (0, 7, 14)]}
