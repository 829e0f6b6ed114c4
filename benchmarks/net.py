"""How many packets a second cross our links?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Contestant, Target
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
from quicsim.clock import TIMER, Clock
from quicsim.net.datagram import Datagram
from quicsim.net.link import DirectionSpec, check_conservation
from quicsim.net.queue import DropTail
from quicsim.net.topology import Network
from quicsim.randomness import Streams

if TYPE_CHECKING:
    from collections.abc import Callable


def three_links() -> Callable[[], int]:
    clock = Clock()
    network = Network(clock, Streams(seed=1, replication=0))
    client, server = network.add_host("client"), network.add_host("server")
    network.add_router("near")
    network.add_router("far")
    spec = DirectionSpec(rate_bps=RATE_BPS, delay_ns=DELAY_NS, queue=DropTail(limit_bytes=LIMIT_BYTES))
    ends = ("client", "near", "far", "server")
    for number in range(HOPS):
        network.add_link(f"link {number}", ends[number], ends[number + 1], spec)
    received = {"client": 0, "server": 0}

    def at_server(datagram: Datagram) -> None:
        received["server"] += 1
        if received["server"] % 2 == 0:
            server.send(Datagram(None, ANSWER_BYTES), to="client")

    def at_client(datagram: Datagram) -> None:
        received["client"] += 1

    server.on_datagram(at_server)
    client.on_datagram(at_client)

    def feed(left: int) -> None:
        client.send(Datagram(None, PACKET_BYTES), to="server")
        if left > 1:
            clock.call_at(clock.now + GAP_NS, TIMER, 0, feed, left - 1)

    clock.call_at(0, TIMER, 0, feed, PACKETS)

    def work() -> int:
        clock.run()
        for link in network.links.values():
            check_conservation(link)
        return HOPS * (received["server"] + received["client"])

    return work


CONTESTANTS = (Contestant("quicsim, three links", "packet-hops", three_links),)
TARGETS = (Target("quicsim, three links", "ns.py, three ports and wires", 8.0),)
