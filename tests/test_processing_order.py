"""In what order does a busy host take up what waits? A stack that only notes when it is called."""

from collections import deque
from itertools import count

import pytest

from quicsim.clock import PROCESS, Clock
from quicsim.cpu import Cpu
from quicsim.events import Trace
from quicsim.net.datagram import Datagram as WireDatagram
from quicsim.net.link import DirectionSpec
from quicsim.net.topology import Network
from quicsim.plugin.cost import PluginPrices
from quicsim.processing import Prices, ProcessingEndpoint
from quicsim.quic.interface import Counts
from quicsim.quic.packet import Datagram
from quicsim.randomness import Streams

MILLISECOND_NS = 1_000_000
HEADER_BYTES = 28


class Stack:
    """Notes each call with its instant, in ms. A deadline that was reached is gone."""

    def __init__(self):
        self.counts = Counts()
        self.events = deque()
        self.deadline_ns = 0
        self.to_send = []
        self.log = []

    def receive(self, datagram, now_ns):
        self.log.append((f"receive {datagram.labels[0]}", now_ns / MILLISECOND_NS))

    def datagrams_to_send(self, now_ns):
        self.log.append(("produce", now_ns / MILLISECOND_NS))
        produced, self.to_send = self.to_send, []
        return produced

    def on_deadline(self, now_ns):
        self.log.append(("deadline", now_ns / MILLISECOND_NS))
        self.deadline_ns = 0


class Host:
    """A busy host "b", which takes 1 ms for each packet that it receives and 2 ms for each that it sends."""

    def __init__(self, buffer_bytes=10_000, plugins=None):
        self.clock = Clock()
        self.numbers = count(1_000)
        self.network = Network(self.clock, Streams(1, 0))
        ends = [self.network.add_host(name) for name in "ab"]
        self.network.add_link("ab", "a", "b", DirectionSpec(rate_bps=10**12, delay_ns=0))
        self.arrivals = []
        ends[0].on_datagram(lambda datagram: self.arrivals.append((datagram.payload.labels[0], self.clock.now)))
        self.stack = Stack()
        self.endpoint = ProcessingEndpoint(
            self.clock,
            ends[1],
            "a",
            self.stack,
            number=1,
            header_bytes=HEADER_BYTES,
            cpu=Cpu(self.clock, 0),
            prices=Prices(2 * 10**9, 10**9, 0, plugins or PluginPrices()),
            buffer_bytes=buffer_bytes,
            recorder=Trace().component("b:cpu"),
        )

    def at(self, instant_ms, act):
        self.clock.call_at(int(instant_ms * MILLISECOND_NS), PROCESS, next(self.numbers), lambda _: act())

    def arrive(self, label, size_bytes=100):
        payload = Datagram((object(),), size_bytes, (label,))
        self.endpoint._on_datagram(WireDatagram(payload, size_bytes + HEADER_BYTES, (label,), source="a"))

    def run(self):
        self.clock.run()
        return self.stack.log


def expects_at(host, deadline_ms):
    host.stack.deadline_ns = int(deadline_ms * MILLISECOND_NS)
    host.endpoint.flush()
    host.stack.log.clear()


def waiting(host, order):
    """The first datagram keeps the core busy until 1 ms; meanwhile these fall due at 0.2, 0.4 and 0.6 ms."""
    instants = dict(zip(order, (0.2, 0.4, 0.6), strict=True))
    if "deadline" in instants:
        expects_at(host, instants["deadline"])
    host.at(0, lambda: host.arrive("first"))
    if "application" in instants:
        host.at(instants["application"], host.endpoint.flush)
    if "datagram" in instants:
        host.at(instants["datagram"], lambda: host.arrive("second"))
    return host.run()


@pytest.mark.parametrize(
    ("order", "then"),
    [
        (
            ("deadline", "application", "datagram"),
            [("deadline", 1), ("produce", 1), ("receive second", 1), ("produce", 2)],
        ),
        (
            ("application", "datagram", "deadline"),
            [("receive second", 1), ("produce", 2), ("deadline", 2), ("produce", 2)],
        ),
        (
            ("datagram", "deadline", "application"),
            [("receive second", 1), ("produce", 2), ("deadline", 2), ("produce", 2)],
        ),
    ],
)
def test_what_fell_due_first_is_taken_up_first(order, then):
    """The application's turn comes with whatever is produced next: at 1 ms, after the first datagram."""
    log = waiting(Host(), order)
    assert log == [("receive first", 0), ("produce", 1), *then]


def test_an_application_that_writes_while_the_core_sends_has_its_turn_afterwards():
    host = Host()
    host.stack.to_send = [Datagram((object(),), 100, ("one",)), Datagram((object(),), 100, ("two",))]
    host.at(0, host.endpoint.flush)
    host.at(1, lambda: host.stack.to_send.append(Datagram((object(),), 100, ("three",))))
    host.at(1, host.endpoint.flush)
    log = host.run()
    assert log == [("produce", 0), ("produce", 4)]
    assert [(label, round(at / MILLISECOND_NS, 3)) for label, at in host.arrivals] == [
        ("one", 2),
        ("two", 4),
        ("three", 6),
    ]


def test_an_application_and_a_datagram_that_wait_go_by_their_instants():
    host = Host()
    host.stack.to_send = [Datagram((object(),), 100, ("one",))]
    host.at(0, host.endpoint.flush)
    host.at(0.5, host.endpoint.flush)
    host.at(0.6, lambda: host.arrive("late"))
    host.at(0.7, host.endpoint.flush)
    assert host.run() == [("produce", 0), ("produce", 2), ("receive late", 2), ("produce", 3)]


def test_a_deadline_that_comes_while_the_core_is_busy_waits_for_it():
    host = Host()
    expects_at(host, 0.3)
    host.at(0, lambda: host.arrive("first"))
    assert host.run() == [("receive first", 0), ("produce", 1), ("deadline", 1), ("produce", 1)]


@pytest.mark.parametrize(("buffer_bytes", "dropped"), [(256, 0), (255, 1), (128, 1), (127, 2)])
def test_the_buffer_holds_what_fits_to_the_byte(buffer_bytes, dropped):
    host = Host(buffer_bytes)
    for label in ("first", "second", "third"):  # the first is at work, two of 128 bytes wait
        host.at(0.1 * len(label), lambda label=label: host.arrive(label))
    host.run()
    endpoint = host.endpoint
    assert (endpoint.arrived, endpoint.dropped, endpoint.handled) == (3, dropped, 3 - dropped)
    assert endpoint.waiting_bytes == 0


def test_a_burst_leaves_one_by_one_and_plugins_time_is_shared_out():
    host = Host(plugins=PluginPrices(call_ps=1_000_000_001))
    host.stack.to_send = [Datagram((object(),), 100, (name,)) for name in ("one", "two", "three")]
    host.stack.counts.plugin_calls = 1
    host.at(0, host.endpoint.flush)
    host.run()
    thirds_ps = [333_333_333, 333_333_334, 333_333_334]
    instants = [sum(thirds_ps[: n + 1]) + (n + 1) * 2 * 10**9 for n in range(3)]
    assert [at for _, at in host.arrivals] == [-(-ps // 1000) + 2 for ps in instants]  # 1.024 ns on the link
    assert host.endpoint.cpu.given_ps == 3 * 2 * 10**9 + 1_000_000_001
