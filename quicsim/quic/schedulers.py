"""Which of several paths does a packet take? Schedulers for multipath after the IETF's draft, each one function.

draft-ietf-quic-multipath leaves the choice open. All of them take validated paths only, paths that are a backup or that
seem broken only where no other is left, and heed windows; what a path's pacing holds waits for it, as in a queue of the
path's own. A probe goes out on the path whose timer expired.
Sizes in bytes, times in nanoseconds, all in integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.states import PathState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path

__all__ = ["SCHEDULERS", "candidates", "queue_copy", "schedule"]

ECF_HYSTERESIS = (1, 4)
"""ECF's beta, a quarter (Lim, Nahum, Towsley, Gibbens 2017, section 4)."""


def schedule(connection: Connection, origin: Path, retransmits: bool) -> int:
    """What SelectPath returns: the index of the path, plus 1, or 0 where none may send now."""
    if retransmits and (origin.timer_expired or origin.application.ping_needed) and origin.is_open:
        return origin.path_id + 1
    chosen = SCHEDULERS[connection.scheduler](connection, origin, retransmits)
    if chosen is None or chosen.paced_until_ns > connection.now_ns:
        return 0
    return chosen.path_id + 1


def candidates(connection: Connection) -> list[Path]:
    """The paths of the best kind that there is, whether or not they may send now."""
    kinds: tuple[list[Path], list[Path], list[Path]] = ([], [], [])
    for path in connection.paths:
        if path.is_open and path.state is PathState.VALIDATED:
            kind = 2 if path.is_potentially_failed else path.is_backup
            kinds[kind].append(path)
    return next((paths for paths in kinds if paths), [])


def may_send(connection: Connection, path: Path) -> bool:
    """Whether neither window nor pacing holds it back."""
    return path.window_is_open and path.paced_until_ns <= connection.now_ns


def lowest_rtt(connection: Connection, origin: Path, retransmits: bool) -> Path | None:
    """The path of the lowest smoothed round-trip time, of those whose window is open."""
    return fastest_of([path for path in candidates(connection) if path.window_is_open])


def round_robin(connection: Connection, origin: Path, retransmits: bool) -> Path | None:
    """The one that was not used for the longest, of those whose window is open."""
    free = [path for path in candidates(connection) if path.window_is_open]
    return min(free, key=lambda path: (path.last_scheduled, path.path_id), default=None)


def redundant(connection: Connection, origin: Path, retransmits: bool) -> Path | None:
    """What is new takes the fastest path, and waits for it; each other path carries copies of what is in flight there.

    As MPTCP's redundant scheduler: no data waits for a slow path, and a loss on one is repaired by another.
    """
    if retransmits and not origin.application.lost:  # then it is a copy
        others = [path for path in candidates(connection) if path is not origin and may_send(connection, path)]
        return min(others, key=lambda path: (path.last_scheduled, path.path_id), default=None)
    fastest = fastest_of(candidates(connection))
    return fastest if fastest is not None and fastest.window_is_open else None


def queue_copy(connection: Connection) -> None:
    """Have the next packet that a path with room lacks repeated there, if there is one (redundant)."""
    paths = candidates(connection)
    fastest = fastest_of(paths)
    if fastest is None or fastest.application.duplicates:
        return
    for path in paths:
        if path is fastest or not may_send(connection, path):
            continue
        way = (fastest.path_id, path.path_id)
        last = connection.copied.get(way, -1)
        number = next((number for number in fastest.application.outstanding if number > last), None)
        if number is not None:
            connection.copied[way] = number
            fastest.application.duplicates.append(number)
            return


def fastest_of(paths: list[Path]) -> Path | None:
    """The path of the lowest smoothed round-trip time."""
    return min(paths, key=lambda path: (path.rtt.smoothed_ns, path.path_id), default=None)


def earliest_completion(connection: Connection, origin: Path, retransmits: bool) -> Path | None:
    """ECF: the fastest path even where it must be waited for, if that is done sooner than the next one would be.

    Lim, Nahum, Towsley, Gibbens, "ECF: An MPTCP path scheduler to manage heterogeneous paths" (CoNEXT 2017), algorithm
    1: with k bytes left, wait for the fast path f and leave the slow one s where (1 + k / cwnd_f) RTT_f is below
    (RTT_s + delta), a quarter more once waiting, and s would take 2 RTT_f + delta at least for k; delta is the larger
    of the two paths' deviations. What is left takes a round trip at least, as in the authors' mptcp_ecf.c. The waiting
    is over when the first of the two does not hold, and not before.
    """
    slow = lowest_rtt(connection, origin, retransmits)
    fast = fastest_of(candidates(connection))
    if slow is None or fast is None or retransmits or fast is slow:
        return slow
    left = unsent_bytes(connection)
    delta_ns = max(fast.rtt.variation_ns, slow.rtt.variation_ns)
    by_fast_ns = fast.rtt.smoothed_ns * (fast.cwnd_bytes + max(left, fast.cwnd_bytes))
    by_slow_ns = slow.rtt.smoothed_ns + delta_ns
    more, of = ECF_HYSTERESIS if connection.scheduler_waits else (0, 1)
    if of * by_fast_ns >= (of + more) * by_slow_ns * fast.cwnd_bytes:
        connection.scheduler_waits = False
        return slow
    all_by_slow_ns = slow.rtt.smoothed_ns * max(left, slow.cwnd_bytes)
    if all_by_slow_ns < (2 * fast.rtt.smoothed_ns + delta_ns) * slow.cwnd_bytes:
        return slow
    connection.scheduler_waits = True
    return None


def unsent_bytes(connection: Connection) -> int:
    """What streams have that was never sent and that the connection's limit allows."""
    waiting = sum(stream.written - stream.sent for stream in connection.ready_streams)
    return min(waiting, connection.flow.credit)


SCHEDULERS: Mapping[str, Callable[[Connection, Path, bool], Path | None]] = {
    "lowest-rtt": lowest_rtt,
    "round-robin": round_robin,
    "redundant": redundant,
    "ecf": earliest_completion,
}
"""By the name that a scenario has for it."""
