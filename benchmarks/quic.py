"""How many packet-hops a second does a whole QUIC download cross? 20 MB over three hops, handshake to last byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Contestant, Target
from benchmarks.three_hops import DELAY_NS, HOPS, LIMIT_BYTES, RATE_BPS
from quicsim.apps.bulk import Receiver, Sender
from quicsim.clock import Clock
from quicsim.endpoint import Endpoint
from quicsim.events import Trace
from quicsim.net.link import DirectionSpec, check_conservation
from quicsim.net.queue import DropTail
from quicsim.net.topology import Network
from quicsim.operations import OperationTable
from quicsim.quic.connection import Connection
from quicsim.quic.profiles import RFC9002
from quicsim.quic.settings import Settings
from quicsim.randomness import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

DOWNLOAD_BYTES = 20_000_000
DATAGRAM_BYTES = 1_322  # and 28 of UDP and IP: packets as large as the other contestants'
HEADER_BYTES = 28


def download() -> Callable[[], int]:
    clock = Clock()
    trace = Trace()
    network = Network(clock, Streams(seed=1, replication=0))
    hosts = {name: network.add_host(name) for name in ("client", "server")}
    network.add_router("near")
    network.add_router("far")
    spec = DirectionSpec(rate_bps=RATE_BPS, delay_ns=DELAY_NS, queue=DropTail(limit_bytes=LIMIT_BYTES))
    ends = ("client", "near", "far", "server")
    for number in range(HOPS):
        network.add_link(f"link {number}", ends[number], ends[number + 1], spec)
    endpoints = {}
    for number, (name, peer) in enumerate((("client", "server"), ("server", "client"))):
        connection = Connection(
            is_client=name == "client",
            profile=RFC9002,
            operations=OperationTable("rfc9002"),
            recorder=trace.component(name),
            settings=Settings(datagram_bytes=DATAGRAM_BYTES),
        )
        endpoints[name] = Endpoint(clock, hosts[name], peer, connection, number=number, header_bytes=HEADER_BYTES)
    Sender(endpoints["server"], size_bytes=DOWNLOAD_BYTES)
    receiver = Receiver(endpoints["client"], request_bytes=100)

    def work() -> int:
        endpoints["client"].connect()
        clock.run(until=receiver.finished)
        if receiver.received_bytes != DOWNLOAD_BYTES:
            raise AssertionError(f"{receiver.received_bytes} bytes arrived, {DOWNLOAD_BYTES} were sent")
        hops = 0
        for link in network.links.values():
            check_conservation(link)
            hops += link.forward.delivered + link.backward.delivered
        return hops

    return work


CONTESTANTS = (Contestant("quicsim, QUIC download over three links", "packet-hops", download),)
TARGETS = (Target("quicsim, QUIC download over three links", "ns.py, three ports and wires", 2.5),)
