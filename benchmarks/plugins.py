"""What does a packet scheduler in bytecode cost our own machine? 20 MB over one link, in packets a second.

The native scheduler; the same in C, interpreted, with the fields that it touches marshalled; and with the structure of
the connection copied whole before each call and back after it, as the paper's Go host had to (section 3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Contestant, Target
from quicsim.scenario.build import simulate
from quicsim.scenario.load import load

if TYPE_CHECKING:
    from collections.abc import Callable

BED = (
    "transfer.size=20MB",
    "links.bottleneck.rate=100Mbps",
    "links.bottleneck.delay=5ms",
    "links.bottleneck.queue.limit=1MB",
    *(
        f"hosts.{host}.{key}"
        for host in ("client", "server")
        for key in ("profile=mp-quic", "congestion_control=olia", "datagram_size=1350B")
    ),
)
SCHEDULER = 'plugins=[{name="lowest_latency", from="server"}]'


def download(*overrides: str) -> Callable[[], int]:
    setup = load("bulk_download", (*BED, *overrides)).variant("default")

    def work() -> int:
        counts = simulate(setup, "default", 0).counts
        if overrides and counts["plugin_calls"] < counts["packets_sent"] // 2:
            raise AssertionError(f"{counts['plugin_calls']} calls of the scheduler")
        return counts["packets_sent"]

    return work


NATIVE = "scheduler built in"
FIELDS = "scheduler as a plugin, interpreted, only the fields it uses"
WHOLE = "scheduler as a plugin, interpreted, the whole structure"

CONTESTANTS = (
    Contestant(NATIVE, "packets", download),
    Contestant(FIELDS, "packets", lambda: download(SCHEDULER, "hosts.server.bridge=shared")),
    Contestant(WHOLE, "packets", lambda: download(SCHEDULER, "hosts.server.bridge=copied")),
)
TARGETS = (Target(FIELDS, WHOLE, 0.8), Target(FIELDS, NATIVE, 0.3))
"""With one path, interpreted, marshalling by field costs per field what the copy saves: no slower is what is asked."""
