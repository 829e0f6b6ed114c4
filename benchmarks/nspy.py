"""How many packets a second cross ns.py's ports and wires? ns.py is also written in Python, on SimPy.

A link is a `Port` (queue and rate) and a `Wire` (delay), as its own examples build it. The sender and the receivers
are plain functions and nothing is recorded, so only the network is timed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy

from benchmarks.measure import Contestant, MissingPackageError
from benchmarks.three_hops import (
    ANSWER_BYTES,
    DELAY_NS,
    GAP_NS,
    HOPS,
    LIMIT_BYTES,
    PACKET_BYTES,
    PACKETS,
    RATE_BPS,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from simpy.events import ProcessGenerator


class Receiver:
    """The far end of a chain: counts, and hands each packet's number to `then`."""

    def __init__(self, then: Callable[[int], None]) -> None:
        self.received = 0
        self.then = then

    def put(self, packet: Any) -> None:
        """Take a packet, as ns.py's elements do."""
        self.received += 1
        self.then(self.received)


def chain(env: simpy.Environment, receiver: Receiver) -> Any:
    """Three ports and wires, the last of which leads to the receiver; returns the first port."""
    try:
        from ns.port.port import Port
        from ns.port.wire import Wire
    except ImportError:
        raise MissingPackageError(
            "ns.py is not installed; install quicsim's extra: pip install 'quicsim[benchmarks]'"
        ) from None
    onward: Any = receiver
    for _ in range(HOPS):
        wire = Wire(env, delay_dist=lambda: DELAY_NS / 1e9)
        wire.out = onward
        port = Port(env, rate=RATE_BPS, qlimit=LIMIT_BYTES, limit_bytes=True)
        port.out = wire
        onward = port
    return onward


def three_ports_and_wires() -> Callable[[], int]:
    env = simpy.Environment()
    client = Receiver(lambda number: None)
    backward = chain(env, client)
    from ns.packet.packet import Packet

    def answer(number: int) -> None:
        if number % 2 == 0:
            backward.put(Packet(env.now, ANSWER_BYTES, number))

    server = Receiver(answer)
    forward = chain(env, server)

    def feed() -> ProcessGenerator:
        for number in range(PACKETS):
            forward.put(Packet(env.now, PACKET_BYTES, number))
            yield env.timeout(GAP_NS / 1e9)

    env.process(feed())

    def work() -> int:
        env.run()
        return HOPS * (server.received + client.received)

    return work


CONTESTANTS = (Contestant("ns.py, three ports and wires", "packet-hops", three_ports_and_wires),)
TARGETS = ()
