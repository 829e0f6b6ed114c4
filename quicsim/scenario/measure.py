"""What does a run show beside what its applications saw? Shares, counters of connections and links, series."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING

from quicsim.cpu import PICOSECONDS_PER_NANOSECOND
from quicsim.processing import ProcessingEndpoint

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from simpy.events import Event

    from quicsim.clock import Clock
    from quicsim.endpoint import Endpoint
    from quicsim.net.topology import Network
    from quicsim.scenario.build_connection import Place, Sides
    from quicsim.scenario.measure_application import Measured

__all__ = [
    "Sharing",
    "ThroughputSeries",
    "jain_index",
    "measure_counts",
    "measure_flows",
    "measure_processing",
    "processing",
]

NANOSECONDS_PER_SECOND = 1_000_000_000


class ThroughputSeries:
    """What arrived on each path of an endpoint, interval by interval: bytes of UDP payload a second."""

    def __init__(self, endpoint: Endpoint, interval_ns: int) -> None:
        self._endpoint = endpoint
        self._interval_ns = interval_ns
        self._points: dict[int, list[tuple[float, float]]] = {}
        endpoint.clock.process(self._follow())

    def _follow(self) -> Generator[Event, object, None]:
        clock, connection = self._endpoint.clock, self._endpoint.connection
        before: dict[int, int] = {}
        while True:
            yield clock.timeout(self._interval_ns)
            end_s = clock.now / NANOSECONDS_PER_SECOND
            for path in connection.paths:
                arrived_bytes = path.bytes_received - before.get(path.path_id, 0)
                before[path.path_id] = path.bytes_received
                rate = arrived_bytes * NANOSECONDS_PER_SECOND / self._interval_ns
                self._points.setdefault(path.path_id, []).append((end_s, rate))

    def measure(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """`throughput_path1_Bps` and so on: (end of the interval in seconds, bytes a second)."""
        return {f"throughput_path{path_id}_Bps": tuple(points) for path_id, points in self._points.items()}


class Sharing:
    """How equally do connections share the network while all of them use it?

    That is from the start of the last to the end of the first, and counts the applications' bytes, both ways.
    """

    def __init__(self, clock: Clock, connections: Sequence[tuple[Sides, Event, int]]) -> None:
        self._sides = [sides for sides, _finished, _started_ns in connections]
        self._shares_bytes: list[int] = []
        if len(connections) > 1:
            last_ns = max(started_ns for _sides, _finished, started_ns in connections)
            clock.process(self._follow(clock, last_ns, [finished for _sides, finished, _started_ns in connections]))

    def _follow(self, clock: Clock, last_ns: int, all_finished: Sequence[Event]) -> Generator[Event, object, None]:
        first_finished = clock.any_of(all_finished)
        yield clock.timeout(last_ns - clock.now)
        if not first_finished.triggered:
            before = [delivered_bytes(sides) for sides in self._sides]
            yield first_finished
            now = [delivered_bytes(sides) for sides in self._sides]
            self._shares_bytes = [after - first for after, first in zip(now, before, strict=True)]

    def measure(self) -> dict[str, float]:
        """`fairness_jain`; absent with one connection, or where the first had finished before the last one started."""
        return {"fairness_jain": jain_index(self._shares_bytes)} if any(self._shares_bytes) else {}


def jain_index(shares: Sequence[int]) -> float:
    """(sum x)^2 / (n sum x^2): from 1 / n where one has all, to 1 where all have the same (Jain, Chiu, Hawe 1984)."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def delivered_bytes(sides: Sides) -> int:
    """What both applications of a connection have received so far, in order."""
    return sum(side.endpoint.connection.flow.consumed for side in sides.values())


def measure_flows(connections: Iterable[tuple[str, Measured]]) -> Measured:
    """The metrics and samples of a run, from the name of each connection's flow and what was measured of it.

    Of a flow, samples are those of all its connections, or else a number for each; its metrics are medians over its
    connections. What is measured of a scenario without flows keeps its name.
    """
    by_flow: dict[str, list[Measured]] = {}
    for name, measured in connections:
        by_flow.setdefault(name, []).append(measured)
    if "" in by_flow:
        [alone] = by_flow[""]
        return alone
    metrics: dict[str, float] = {}
    samples: dict[str, tuple[float, ...]] = {}
    for flow, every in by_flow.items():
        for name in dict.fromkeys(name for own, _samples in every for name in own):
            values = tuple(own[name] for own, _samples in every if name in own)
            pooled = tuple(value for _metrics, own in every for value in own.get(name, ()))
            metrics[f"{flow}.{name}"] = median(values)
            samples[f"{flow}.{name}"] = pooled or values
    return metrics, samples


def measure_counts(everyone: Iterable[tuple[Place, Sides]], network: Network) -> dict[str, int]:
    """Every counter of all connections and of the links, summed over both ends; link counters by reason."""
    everyone = list(everyone)
    totals: dict[str, int] = {}
    for _place, sides in everyone:
        for side in sides.values():
            for name, value in asdict(side.endpoint.connection.counts).items():
                totals[name] = totals.get(name, 0) + value
    directions = [d for link in network.links.values() for d in (link.forward, link.backward)]
    totals["datagrams_offered"] = sum(direction.offered for direction in directions)
    totals["datagrams_delivered"] = sum(direction.delivered for direction in directions)
    totals["datagrams_dropped_queue"] = sum(direction.dropped_queue for direction in directions)
    totals["datagrams_dropped_wire"] = sum(direction.dropped_loss + direction.dropped_fault for direction in directions)
    totals["datagrams_in_flight"] = sum(direction.in_flight for direction in directions)
    totals["datagrams_dropped_buffer"] = sum(endpoint.dropped for endpoint in processing(everyone).values())
    totals["datagrams_marked"] = sum(direction.marked for direction in directions)
    return totals


def processing(everyone: Iterable[tuple[Place, Sides]]) -> dict[str, ProcessingEndpoint]:
    """The endpoints whose hosts take time for what they do, by what is measured of them."""
    return {
        place.metric(f"cpu_{name}_busy_s"): side.endpoint
        for place, sides in everyone
        for name, side in sides.items()
        if isinstance(side.endpoint, ProcessingEndpoint)
    }


def measure_processing(everyone: Iterable[tuple[Place, Sides]]) -> dict[str, float]:
    """How long each core has been busy: `cpu_client_busy_s`, `cpu_server_busy_s`, where there is one."""
    per_second = PICOSECONDS_PER_NANOSECOND * NANOSECONDS_PER_SECOND
    return {name: endpoint.cpu.busy_ps() / per_second for name, endpoint in processing(everyone).items()}
