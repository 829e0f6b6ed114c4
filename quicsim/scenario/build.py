"""How does a scenario become a run? Clock, network, connections, plugins and applications, put together.

One call of `simulate` is one replication of one variant; everything it uses is made anew and thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicsim.clock import Clock
from quicsim.events import Code, DatagramMarked, Event, PacketDropped, Recorder, Trace
from quicsim.net.link import check_conservation
from quicsim.plugin.host import ENGINES
from quicsim.processing import check_conservation as check_endpoint
from quicsim.quic.interface import HandshakeEvent
from quicsim.quic.states import ConnectionState
from quicsim.randomness import Streams
from quicsim.results import RunRecord
from quicsim.scenario.build_application import build_application
from quicsim.scenario.build_connection import Place, Sides, build_sides
from quicsim.scenario.build_network import build_network, directions
from quicsim.scenario.measure import (
    Sharing,
    ThroughputSeries,
    measure_counts,
    measure_flows,
    measure_processing,
    processing,
)
from quicsim.scenario.use_plugins import notes_of, plugins_of, refused, use_plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from simpy.events import Event as SimPyEvent

    from quicsim.endpoint import Endpoint
    from quicsim.events import PluginTrouble
    from quicsim.net.datagram import DropReason
    from quicsim.net.topology import Network
    from quicsim.plugin.package import Plugin
    from quicsim.quic.interface import ConnectionEvent
    from quicsim.scenario.build_connection import Side
    from quicsim.scenario.measure_application import Measuring
    from quicsim.scenario.schema import Move, ResolvedScenario

__all__ = ["Unfinished", "simulate"]

NANOSECONDS_PER_SECOND = 1_000_000_000
SHOWN_UNFINISHED = 3
"""Of how many connections that are not done an error tells."""


class Unfinished(RuntimeError):  # noqa: N818
    """The scenario's time limit came before its application was done."""


class LinkTrace:
    """Tells the trace of each datagram that a link drops or marks."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = recorders

    def dropped(self, direction_number: int, index: int, time_ns: int, size_bytes: int, reason: DropReason) -> None:
        """See `quicsim.net.link.LinkObserver`."""
        recorder = self._recorders[direction_number]
        recorder.record(Code.DATAGRAM_DROPPED, time_ns, index, size_bytes)
        if recorder.subscribers:
            recorder.emit(PacketDropped(time_ns, recorder.name, index, size_bytes, reason.value))

    def marked(self, direction_number: int, index: int, time_ns: int, size_bytes: int) -> None:
        """See `quicsim.net.link.LinkObserver`."""
        recorder = self._recorders[direction_number]
        recorder.record(Code.DATAGRAM_MARKED, time_ns, index, size_bytes)
        if recorder.subscribers:
            recorder.emit(DatagramMarked(time_ns, recorder.name, index, size_bytes))


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection of a run, with what it is for."""

    flow: str
    """The name of its flow; empty in a scenario without any."""
    place: Place
    sides: Sides
    application: Measuring
    started_ns: int
    throughput: ThroughputSeries | None


def simulate(
    scenario: ResolvedScenario,
    variant: str,
    replication: int,
    subscribers: Sequence[Callable[[Event], None]] = (),
    engine: str = ENGINES[0],
    trace: Trace | None = None,
) -> RunRecord:
    """Run one replication of one variant to the end of its applications, its plugins on an engine of the VM's.

    The events go into a trace of the caller's, if there is one.

    Raises Unfinished at the time limit, ConnectionFailed where a connection gives up, ScenarioError for an object
    that is no plugin.
    """
    clock = Clock()
    trace = Trace() if trace is None else trace
    trace.subscribers.extend(subscribers)
    recorders: list[Recorder] = []
    streams = Streams(scenario.seed, replication)
    network = build_network(scenario, clock, streams, LinkTrace(recorders))
    troubles: list[PluginTrouble] = []
    talks = build_talks(scenario, network, trace, streams, troubles, engine)
    recorders += [trace.component(direction.name) for direction in directions(network)]
    sharing = Sharing(clock, [(talk.sides, talk.application.finished, talk.started_ns) for talk in talks])
    run_to_the_end(scenario, clock, talks)
    for link in network.links.values():
        check_conservation(link)
    everyone = [(talk.place, talk.sides) for talk in talks]
    for endpoint in processing(everyone).values():
        check_endpoint(endpoint)
    counts = measure_counts(everyone, network)
    metrics, samples = measure_flows([(talk.flow, talk.application.measure(talk.started_ns)) for talk in talks])
    metrics |= sharing.measure() | measure_processing(everyone)
    series = {
        talk.place.metric(name): points
        for talk in talks
        if talk.throughput is not None
        for name, points in talk.throughput.measure().items()
    }
    hosts = [side.plugins for talk in talks for side in talk.sides.values() if side.plugins is not None]
    return RunRecord(
        variant,
        replication,
        metrics,
        counts,
        samples,
        trace.digest(),
        notes_of(troubles),
        series,
        refused(troubles, hosts),
    )


def build_talks(
    scenario: ResolvedScenario,
    network: Network,
    trace: Trace,
    streams: Streams,
    troubles: list[PluginTrouble],
    engine: str,
) -> list[Talk]:
    """Every connection of every flow, ready to start, in the file's order."""
    plugins = plugins_of(scenario)
    talks: list[Talk] = []
    tokens: dict[tuple[str, str], list[bytes]] = {}
    for name, flow in scenario.every_flow.items():
        for index in range(flow.count):
            own = f"{name}.{index}" if name else ""
            place = Place(scenario, flow, network, trace, streams, len(talks), own, engine, tokens)
            start_ns = flow.start_ns + index * flow.spacing_ns
            talks.append(build_talk(name, place, start_ns, plugins, troubles))
    return talks


def build_talk(
    name: str, place: Place, start_ns: int, plugins: Mapping[str, Plugin], troubles: list[PluginTrouble]
) -> Talk:
    """One connection, ready to start."""
    clock, flow = place.network.clock, place.flow
    sides = build_sides(place)
    use_plugins(flow, plugins, sides, troubles)
    application = build_application(place, sides)
    client = sides["client"].endpoint
    interval_ns = place.scenario.throughput_interval_ns
    throughput = ThroughputSeries(client, interval_ns) if interval_ns else None
    phase_ns = flow.hosts.client.start_phase_ns
    if phase_ns:
        start_ns += place.streams.stream(place.component("start-phase:client")).below(0, phase_ns)
    clock.process(connect_at(start_ns, client))
    if flow.hosts.client.moves:
        clock.process(move_about(flow.hosts.client.moves, client))
    return Talk(name, place, sides, application, start_ns, throughput)


def run_to_the_end(scenario: ResolvedScenario, clock: Clock, talks: Sequence[Talk]) -> None:
    """Have the clock run until all applications are done. Raises Unfinished at the time limit."""
    all_finished = [talk.application.finished for talk in talks]
    finished = all_finished[0] if len(all_finished) == 1 else clock.all_of(all_finished)
    clock.run(until=clock.any_of([finished, clock.timeout(scenario.time_limit_ns)]))
    late = [talk for talk in talks if not talk.application.finished.processed]
    if not late:
        return
    limit_s = scenario.time_limit_ns / NANOSECONDS_PER_SECOND
    ends = [standing(talk.place.component(role), side) for talk in late for role, side in talk.sides.items()]
    who = "the application" if len(talks) == 1 else f"{len(late)} of {len(talks)} applications"
    raise Unfinished(
        f"{who} had not finished after time_limit = {limit_s:g} s. {'; '.join(ends[: 2 * SHOWN_UNFINISHED])}. "
        f"Raise time_limit, or look with `quicsim trace` at what it waits for"
    )


def standing(name: str, side: Side) -> str:
    """Where one end stands, for whoever asks why a run did not finish."""
    connection = side.endpoint.connection
    last_s = connection.now_ns / NANOSECONDS_PER_SECOND
    complaint = f" for a mistake of its peer's ({connection.complaint})" if connection.complaint else ""
    return (
        f"The {name} is {connection.state.value}{complaint}, was last active at {last_s:g} s and has "
        f"{connection.path.bytes_in_flight} bytes in flight"
    )


def connect_at(instant_ns: int, client: Endpoint) -> Generator[SimPyEvent, object, None]:
    """The process that starts a client."""
    yield client.clock.timeout(instant_ns)
    client.connect()


def move_about(moves: Sequence[Move], client: Endpoint) -> Generator[SimPyEvent, object, None]:
    """The process that changes a client's address, in the order of time, once the handshake is confirmed."""
    clock = client.clock
    confirmed = clock.event()

    def watch(event: ConnectionEvent) -> None:
        if isinstance(event, HandshakeEvent) and event.state is ConnectionState.CONFIRMED:
            confirmed.succeed()

    client.listeners.append(watch)
    yield confirmed
    for move in sorted(moves, key=lambda move: move.at_ns):
        if move.at_ns > clock.now:
            yield clock.timeout(move.at_ns - clock.now)
        if move.to is None:
            client.rebind()
        elif client.connection.state is ConnectionState.CONFIRMED:
            client.use_link(move.to)
