"""Which path does the next packet take?

Paper section 3.3 (the packet scheduler as a plugin) and 2. Replaced by plugins/lowest_latency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW
from quicsim.operations.operation import Field, Operation, Output, Rule, u8
from quicsim.quic.path import MAXIMUM_PATHS
from quicsim.quic.schedulers import schedule

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path

__all__ = ["select_path"]

select_path = Operation(
    number=0x08,
    name="SelectPath",
    meaning="Schedules: chooses the path of the next packet with data, new or repeated.",
    source="paper sections 2 and 3.3; De Coninck and Bonaventure, Multipath QUIC (CoNEXT 2017)",
    arguments=("connection", "path", "retransmits"),
    inputs=(
        NOW,
        Field("path_count", u8, "connection.path_count", "how many paths there are", maximum=MAXIMUM_PATHS),
        Field("retransmits", u8, "retransmits", "1: the packet repeats another one, and the window does not hold it"),
        Field(
            "origin",
            u8,
            "path.path_id",
            "the path that carried that one; 0 where nothing is repeated",
            maximum=MAXIMUM_PATHS - 1,
        ),
    ),
    output=Output(u8, "index of the path in connection->paths, plus 1; 0: none can send"),
    rules=(Rule("result <= path_count"),),
)


@select_path.default()
def lowest_latency(connection: Connection, path: Path, retransmits: bool) -> int:
    """The open path of the lowest smoothed round-trip time whose window is open, the first one only where it is alone.

    mp-quic (2017): potentially failed paths are left out; a path without a sample is taken only while none with one is
    free, the least used first; a repetition ignores the window, and one from a path without a sample goes to a path
    that carried less.
    """
    paths = connection.paths
    if len(paths) == 1:
        return 1 if retransmits or may_send(connection, path) else 0
    if retransmits and not path.rtt.has_sample:
        for other in paths[1:]:
            if other.is_open and other is not path and other.packets_sent < path.packets_sent:
                return other.path_id + 1
    chosen, lowest = 0, (2, 0)
    for candidate in paths[1:]:
        if not candidate.is_open or candidate.is_potentially_failed:
            continue
        if not retransmits and not may_send(connection, candidate):
            continue
        rtt = candidate.rtt
        rank = (0, rtt.smoothed_ns) if rtt.has_sample else (1, candidate.packets_sent)
        if rank < lowest:
            chosen, lowest = candidate.path_id + 1, rank
    return chosen


@select_path.default("multipath")
def by_scheduler(connection: Connection, path: Path, retransmits: bool) -> int:
    """What the scheduler that the endpoint's owner chose says: lowest round-trip time, unless another was chosen."""
    return schedule(connection, path, retransmits)


def may_send(connection: Connection, path: Path) -> bool:
    """Whether neither the window nor PacePacket holds a path back."""
    return path.window_is_open and path.paced_until_ns <= connection.now_ns
