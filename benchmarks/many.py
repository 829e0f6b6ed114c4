"""What does one connection more cost? 1,000 downloads at once over one bottleneck, to the end of all; their memory."""

from __future__ import annotations

import gc
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import Contestant, Fact, Target
from quicsim.scenario.build import simulate
from quicsim.scenario.load import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicsim.results import RunRecord

CONNECTIONS = 1_000
OVERRIDES = (
    "hosts.client.start_phase=20ms",  # less than a round trip, so that none is done before all have begun
    "links.bottleneck.rate=1Gbps",
    "links.bottleneck.queue.limit=1MB",
)
MANY = (*OVERRIDES, f"flows.downloads.count={CONNECTIONS}", "transfer.size=20kB")
ONE = (*OVERRIDES, "flows.downloads.count=1", "transfer.size=20MB")


def downloads(overrides: Sequence[str], count: int) -> Callable[[], int]:
    setup = load("bulk_download", overrides).variant("default")

    def work() -> int:
        return finished(simulate(setup, "default", 0), count).counts["datagrams_delivered"]

    return work


def finished(record: RunRecord, count: int) -> RunRecord:
    """The record, of which every download must have come to its end."""
    done = len(record.samples["downloads.completion_s"])
    if done != count:
        raise AssertionError(f"{done} downloads came to their end, {count} were begun")
    return record


def memory_bytes() -> float:
    """What the whole simulation held at its peak, of a thousandth of it: both ends, and what was under way."""
    setup = load("bulk_download", MANY).variant("default")
    gc.collect()
    tracemalloc.start()
    try:
        finished(simulate(setup, "default", 0), CONNECTIONS)
        return tracemalloc.get_traced_memory()[1] / CONNECTIONS
    finally:
        tracemalloc.stop()


CONTESTANTS = (
    Contestant("quicsim, 20 MB as 1,000 downloads at once", "datagrams", partial(downloads, MANY, CONNECTIONS)),
    Contestant("quicsim, 20 MB as one download", "datagrams", partial(downloads, ONE, 1)),
)
TARGETS = (Target("quicsim, 20 MB as 1,000 downloads at once", "quicsim, 20 MB as one download", 0.25),)
FACTS = (Fact("peak memory a connection, both ends, of 1,000", "bytes", memory_bytes),)
