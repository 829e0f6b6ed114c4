"""How does a scenario become a run? Clock, network, connections, plugins and applications, put together.

One call of `simulate` is one replication of one variant; everything it uses is made anew and thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quicsim.apps.bulk import Receiver, Sender
from quicsim.apps.messages import Listener, Talker
from quicsim.apps.requests import Answerer, Requester
from quicsim.clock import Clock
from quicsim.cpu import Cpu
from quicsim.endpoint import Endpoint
from quicsim.events import Code, DatagramMarked, Event, PacketDropped, Recorder, Trace
from quicsim.net.link import check_conservation
from quicsim.operations import OperationTable
from quicsim.plugin.cost import PluginPrices
from quicsim.plugin.host import ConnectionPlugins
from quicsim.processing import Prices, ProcessingEndpoint
from quicsim.processing import check_conservation as check_endpoint
from quicsim.quic.connection import Connection, Settings
from quicsim.quic.profiles import Bridge, profile_named
from quicsim.randomness import Streams
from quicsim.results import RunRecord
from quicsim.scenario.build_network import build_network, client_paths, directions
from quicsim.scenario.measure import (
    MessagesMeasured,
    OpenTransferMeasured,
    RequestsMeasured,
    ThroughputSeries,
    TransferMeasured,
    measure_counts,
    measure_processing,
    processing,
)
from quicsim.scenario.use_plugins import use_plugins
from quicsim.scenario.values import HOST_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from simpy.events import Event as SimPyEvent

    from quicsim.net.datagram import DropReason
    from quicsim.net.topology import Network
    from quicsim.scenario.schema import Host, ResolvedScenario
    from quicsim.scenario.values import HostName

__all__ = ["Unfinished", "simulate"]

NANOSECONDS_PER_SECOND = 1_000_000_000
ENDLESS_BYTES = 1 << 60  # within what a stream may carry (RFC 9000 section 4.5), and beyond any run


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
class Side:
    """One host's end of the connection."""

    endpoint: Endpoint
    plugins: ConnectionPlugins


Sides = dict["HostName", Side]


def simulate(
    scenario: ResolvedScenario,
    variant: str,
    replication: int,
    subscribers: Sequence[Callable[[Event], None]] = (),
) -> RunRecord:
    """Run one replication of one variant to the end of its application.

    Raises Unfinished at the time limit, ConnectionFailed where the connection gives up, ScenarioError for an object
    that is no plugin.
    """
    clock = Clock()
    trace = Trace()
    trace.subscribers.extend(subscribers)
    streams = Streams(scenario.seed, replication)
    recorders: list[Recorder] = []
    network = build_network(scenario, clock, streams, LinkTrace(recorders))
    sides: Sides = {name: build_side(scenario, name, network, clock, trace, streams) for name in HOST_NAMES}
    recorders += [trace.component(direction.name) for direction in directions(network)]
    notes: list[str] = []
    use_plugins(scenario, sides, notes)
    application = build_application(scenario, sides)
    interval_ns = scenario.throughput_interval_ns
    throughput = ThroughputSeries(sides["client"].endpoint, interval_ns) if interval_ns else None
    phase_ns = scenario.hosts.client.start_phase_ns
    started_ns = streams.stream("start-phase:client").below(0, phase_ns) if phase_ns else 0
    clock.process(connect_at(started_ns, sides["client"].endpoint))
    clock.run(until=clock.any_of([application.finished, clock.timeout(scenario.time_limit_ns)]))
    if not application.finished.processed:
        limit_s = scenario.time_limit_ns / NANOSECONDS_PER_SECOND
        ends = "; ".join(standing(name, side) for name, side in sides.items())
        raise Unfinished(
            f"the application had not finished after time_limit = {limit_s:g} s. {ends}. "
            f"Raise time_limit, or look with `quicsim trace` at what it waits for"
        )
    for link in network.links.values():
        check_conservation(link)
    for endpoint in processing(sides).values():
        check_endpoint(endpoint)
    counts = measure_counts(sides, network)
    metrics, samples = application.measure(started_ns)
    metrics |= measure_processing(sides)
    series = throughput.measure() if throughput is not None else {}
    return RunRecord(variant, replication, metrics, counts, samples, trace.digest(), tuple(notes), series)


def standing(name: HostName, side: Side) -> str:
    """Where one end stands, for whoever asks why a run did not finish."""
    connection = side.endpoint.connection
    last_s = connection.now_ns / NANOSECONDS_PER_SECOND
    return (
        f"The {name} is {connection.state.value}, was last active at {last_s:g} s and has "
        f"{connection.path.bytes_in_flight} bytes in flight"
    )


def connect_at(instant_ns: int, client: Endpoint) -> Generator[SimPyEvent, object, None]:
    """The process that starts the client."""
    yield client.clock.timeout(instant_ns)
    client.connect()


def build_side(
    scenario: ResolvedScenario, name: HostName, network: Network, clock: Clock, trace: Trace, streams: Streams
) -> Side:
    """A host's connection with its operations and its plugin host, on the clock and the network."""
    host: Host = scenario.hosts.client if name == "client" else scenario.hosts.server
    profile = profile_named(host.profile)
    if host.bridge is not None:
        profile = replace(profile, bridge=Bridge(host.bridge))
    settings = Settings(
        congestion_control=host.congestion_control,
        datagram_bytes=host.datagram_size_bytes,
        max_ack_delay_ns=host.max_ack_delay_ns,
        max_data_bytes=host.max_data_bytes,
        max_stream_data_bytes=host.max_stream_data_bytes,
        certificate_chain_bytes=scenario.hosts.server.certificate_chain_bytes,
        accepts_plugins=host.plugins,
        address_count=len(client_paths(scenario)) if name == "client" else 1,
    )
    connection = Connection(
        is_client=name == "client",
        profile=profile,
        operations=OperationTable(profile.name),
        recorder=trace.component(name),
        settings=settings,
    )
    endpoint = build_endpoint(scenario, name, network, connection, trace)
    return Side(endpoint, ConnectionPlugins(connection, streams))


def build_endpoint(
    scenario: ResolvedScenario, name: HostName, network: Network, connection: Connection, trace: Trace
) -> Endpoint:
    """What joins a host's connection with the clock and the network, and with the host's core if that has one."""
    host: Host = scenario.hosts.client if name == "client" else scenario.hosts.server
    clock = network.clock
    place = (clock, network.host(name), "server" if name == "client" else "client", connection)
    number, header_bytes = HOST_NAMES.index(name), scenario.udp_ip_header_bytes
    links = client_paths(scenario) if name == "client" else ()
    if (cpu := host.cpu) is None:
        return Endpoint(*place, number=number, header_bytes=header_bytes, links=links)
    plugins = PluginPrices(cpu.anchor_call_ps, cpu.byte_marshalled_ps, cpu.instruction_ps)
    return ProcessingEndpoint(
        *place,
        number=number,
        header_bytes=header_bytes,
        links=links,
        cpu=Cpu(clock, number),
        prices=Prices(cpu.packet_sent_ps, cpu.packet_received_ps, cpu.byte_ps, plugins),
        buffer_bytes=cpu.receive_buffer_bytes,
        recorder=trace.component(f"{name}:cpu"),
    )


def build_application(
    scenario: ResolvedScenario, sides: Sides
) -> RequestsMeasured | MessagesMeasured | TransferMeasured | OpenTransferMeasured:
    """What the scenario's hosts do, ready to start."""
    client, server = sides["client"].endpoint, sides["server"].endpoint
    if (requests := scenario.requests) is not None:
        Answerer(server, response_bytes=requests.response_size_bytes)
        return RequestsMeasured(
            Requester(
                client,
                count=requests.count,
                request_bytes=requests.request_size_bytes,
                start_ns=requests.start_ns,
                gap_ns=requests.gap_ns,
            )
        )
    if (messages := scenario.messages) is not None:
        talking, listening = (client, server) if messages.sender == "client" else (server, client)
        talker = Talker(
            talking,
            count=messages.count,
            message_bytes=messages.size_bytes,
            start_ns=messages.start_ns,
            gap_ns=messages.gap_ns,
        )
        return MessagesMeasured(talker, Listener(listening, message_bytes=messages.size_bytes))
    transfer = scenario.transfer
    assert transfer is not None  # the schema asks for exactly one application
    sender, receiver = (server, client) if transfer.sender == "server" else (client, server)
    Sender(sender, size_bytes=transfer.size_bytes or ENDLESS_BYTES)
    received = Receiver(receiver, request_bytes=transfer.request_size_bytes)
    if transfer.until_ns is not None:
        return OpenTransferMeasured(receiver, transfer.until_ns)
    return TransferMeasured(received)
