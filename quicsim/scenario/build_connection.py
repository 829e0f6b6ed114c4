"""How do a scenario's hosts become the two ends of a connection, on the clock and the network?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quicsim.cpu import Cpu
from quicsim.endpoint import Endpoint
from quicsim.operations import OperationTable
from quicsim.plugin.cost import PluginPrices
from quicsim.plugin.host import ENGINES, ConnectionPlugins
from quicsim.processing import Prices, ProcessingEndpoint
from quicsim.quic.connection import Connection
from quicsim.quic.greeting import TokenKind, mint
from quicsim.quic.packet import Address
from quicsim.quic.parameters import advertised
from quicsim.quic.profiles import Bridge, profile_named
from quicsim.quic.settings import DEFAULT_SCHEDULER, AckFrequency, Settings, ZeroRtt
from quicsim.scenario.build_network import FOREIGN_STACKS, client_paths
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.values import HOST_NAMES

if TYPE_CHECKING:
    from quicsim.endpoint import Stack
    from quicsim.events import Recorder, Trace
    from quicsim.net.topology import Network
    from quicsim.randomness import Stream, Streams
    from quicsim.scenario.schema import Flow, Host, ResolvedScenario
    from quicsim.scenario.values import HostName

__all__ = ["Place", "Side", "Sides", "build_sides"]


@dataclass(frozen=True, slots=True)
class Side:
    """One host's end of the connection."""

    endpoint: Endpoint
    plugins: ConnectionPlugins | None
    """None: a foreign stack, which runs none."""


Sides = dict["HostName", Side]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection stands in a simulation.

    `number` is its own among all connections; `name` is what its components' names begin with, such as "bulk.0", and
    empty where there is one connection only. `engine` runs its plugins.
    """

    scenario: ResolvedScenario
    flow: Flow
    network: Network
    trace: Trace
    streams: Streams
    number: int = 0
    name: str = ""
    engine: str = ENGINES[0]
    tokens: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    """By client and server: what servers have given to clients for their next connection. All connections share it."""

    def component(self, name: str) -> str:
        """The full name of a component of this connection, and of its random stream."""
        return f"{self.name}:{name}" if self.name else name

    def metric(self, name: str) -> str:
        """The full name of something measured of this connection."""
        return f"{self.name}.{name}" if self.name else name


def build_sides(place: Place) -> Sides:
    """Both ends."""
    return {name: build_side(place, name) for name in HOST_NAMES}


def build_side(place: Place, name: HostName) -> Side:
    """A host's connection with its operations and its plugin host, on the clock and the network."""
    hosts = place.flow.hosts
    host: Host = hosts.client if name == "client" else hosts.server
    settings = settings_of(place, name, host)
    if name == "client" and host.zero_rtt is not None:  # the two have been connected before
        server = advertised(profile_named(hosts.server.profile), settings_of(place, "server", hosts.server))
        settings = replace(settings, remembered=server)
    if name == "client" and hosts.client.token:
        settings.tokens.append(earlier_token(place))
    recorder = place.trace.component(place.component(name))
    if host.profile in FOREIGN_STACKS:
        stream = place.streams.stream(place.component(f"{host.profile}:{name}"))
        foreign = foreign_connection(is_client=name == "client", settings=settings, recorder=recorder, stream=stream)
        return Side(build_endpoint(place, name, host, foreign), None)
    profile = profile_named(host.profile)
    if host.bridge is not None:
        profile = replace(profile, bridge=Bridge(host.bridge))
    if host.recovery is not None:
        profile = replace(profile, proportional_rate_reduction=host.recovery == "prr")
    if host.undo_spurious_losses is not None:
        profile = replace(profile, undoes_spurious_losses=host.undo_spurious_losses)
    connection = Connection(
        is_client=name == "client",
        profile=profile,
        operations=OperationTable(profile.name),
        recorder=recorder,
        settings=settings,
    )
    return Side(
        build_endpoint(place, name, host, connection),
        ConnectionPlugins(connection, place.streams, verify=host.verify, engine=place.engine),
    )


def settings_of(place: Place, name: HostName, host: Host) -> Settings:
    """What a host's table says, for its stack."""
    hosts = place.flow.hosts
    return Settings(
        congestion_control=host.congestion_control,
        datagram_bytes=host.datagram_size_bytes,
        max_ack_delay_ns=host.max_ack_delay_ns,
        min_ack_delay_ns=host.min_ack_delay_ns,
        ack_frequency=None if host.ack_frequency is None else AckFrequency(**host.ack_frequency.model_dump()),
        max_data_bytes=host.max_data_bytes,
        max_stream_data_bytes=host.max_stream_data_bytes,
        max_streams=host.max_streams,
        max_datagram_frame_bytes=place.flow.datagram_frame_limit(host),
        zero_rtt=None if host.zero_rtt is None else ZeroRtt(host.zero_rtt),
        certificate_chain_bytes=hosts.server.certificate_chain_bytes,
        accepts_plugins=host.plugins,
        ecn=host.ecn,
        streams=place.streams,
        idle_timeout_ns=host.idle_timeout_ns,
        initial_max_path_id=host.initial_max_path_id,
        versions=host.versions,
        retries=hosts.server.retry,
        issues_tokens=hosts.server.new_token,
        tokens=place.tokens.setdefault(place.flow.between, []),
        active_connection_id_limit=host.active_connection_id_limit,
        scheduler=host.scheduler or DEFAULT_SCHEDULER,
        backup_paths=tuple(hosts.client.paths.index(link) for link in hosts.client.backup),
        address_count=len(client_paths(place.scenario, place.flow)) if name == "client" else 1,
    )


def earlier_token(place: Place) -> bytes:
    """What the server gave the client's host before the run, for the address that it will see."""
    own, peer = place.flow.between
    links = client_paths(place.scenario, place.flow)
    _, source = place.network.host(own).way(peer, via=links[0] if links else None)
    return mint(TokenKind.NEW_TOKEN, Address(source, 0))


def foreign_connection(*, is_client: bool, settings: Settings, recorder: Recorder, stream: Stream) -> Stack:
    """One end of a connection of aioquic. Raises ScenarioError where that is not installed."""
    try:
        from quicsim.foreign.aioquic import AioquicConnection
    except ModuleNotFoundError as error:
        raise ScenarioError(
            f'profile "aioquic" needs {error.name}; install quicsim\'s extra: pip install "quicsim[aioquic]"'
        ) from None
    return AioquicConnection(is_client=is_client, settings=settings, recorder=recorder, stream=stream)


def build_endpoint(place: Place, name: HostName, host: Host, connection: Stack) -> Endpoint:
    """What joins a host's connection with the clock and the network, and with the host's core if that has one."""
    clock, number = place.network.clock, 2 * place.number + HOST_NAMES.index(name)
    own, peer = place.flow.between if name == "client" else reversed(place.flow.between)
    ends = (clock, place.network.host(own), peer, connection)
    header_bytes = place.scenario.udp_ip_header_bytes
    links = client_paths(place.scenario, place.flow) if name == "client" else ()
    if len(links) > 1 and not profile_named(host.profile).uses_first_path:
        links = (links[0], *links)  # path 0 is beside those that the links carry
    if (cpu := host.cpu) is None:
        return Endpoint(*ends, number=number, header_bytes=header_bytes, links=links, flow=place.number)
    plugins = PluginPrices(cpu.anchor_call_ps, cpu.byte_marshalled_ps, cpu.instruction_ps)
    return ProcessingEndpoint(
        *ends,
        number=number,
        header_bytes=header_bytes,
        links=links,
        flow=place.number,
        cpu=Cpu(clock, number),
        prices=Prices(cpu.packet_sent_ps, cpu.packet_received_ps, cpu.byte_ps, plugins),
        buffer_bytes=cpu.receive_buffer_bytes,
        recorder=place.trace.component(place.component(f"{name}:cpu")),
    )
