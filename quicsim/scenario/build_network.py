"""How do a scenario's links become a network, and do they make one at all?

A bandwidth-delay product is the lowest rate times the base round trip of the route between a client and its server that
goes through a link: the rate in the queue's own direction, the propagation delays of both. Where several such routes
share a link, the largest product counts.
"""

from __future__ import annotations

from difflib import get_close_matches
from fractions import Fraction
from typing import TYPE_CHECKING

from quicsim.net.link import DirectionSpec
from quicsim.net.routing import Hop, Links, address, first_links, route
from quicsim.net.topology import Network
from quicsim.quic.datagram_frames import largest_data_bytes
from quicsim.quic.packet import MINIMUM_INITIAL_BYTES
from quicsim.quic.profiles import PROFILES
from quicsim.scenario.build_queue import discipline, queue_problems
from quicsim.scenario.errors import Key, suggestion
from quicsim.scenario.values import HOST_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quicsim.clock import Clock
    from quicsim.net.link import LinkDirection, LinkObserver
    from quicsim.randomness import Streams
    from quicsim.scenario.network import Link
    from quicsim.scenario.schema import Flow, Host, Setup
    from quicsim.scenario.values import HostName

__all__ = ["build_network", "client_paths", "directions", "host_names", "network_problems"]

BITS_AND_NANOSECONDS = 8 * 1_000_000_000

FOREIGN_STACKS = {"aioquic": ("newreno", "cubic")}
"""Profiles that are no imitation but the stack itself, and the congestion controllers that they have."""
NOT_OF_FOREIGN_STACKS = (
    "ack_frequency", "active_connection_id_limit", "bridge", "ecn", "idle_timeout", "initial_max_path_id",
    "max_streams", "min_ack_delay", "new_token", "recovery", "retry", "token", "undo_spurious_losses", "versions",
    "zero_rtt",
)  # fmt: skip
"""Keys of a host that say nothing to them."""
TOLD_ACK_DELAY_NS = 25_000_000
"""aioquic's max_ack_delay as it is on the wire (its connection.py, `_serialize_transport_parameters`)."""


def build_network(scenario: Setup, clock: Clock, streams: Streams, observer: LinkObserver) -> Network:
    """The flows' hosts, the routers, and the links in the file's order."""
    network = Network(clock, streams, observer)
    hosts = host_names(scenario)
    for host in hosts:
        network.add_host(host)
    for router in _routers(_ends(scenario), hosts):
        network.add_router(router)
    products = _bandwidth_delay_bytes(scenario)
    for name, link in scenario.links.items():
        first, second = link.between
        specs = {
            sender: _direction_spec(scenario, link, sender, receiver, products.get(Hop(name, sender)))
            for sender, receiver in ((first, second), (second, first))
        }
        network.add_link(name, first, second, specs)
    return network


def directions(network: Network) -> list[LinkDirection]:
    """Every direction of every link, by the numbers that their observer is told."""
    return [direction for link in network.links.values() for direction in (link.forward, link.backward)]


def host_names(scenario: Setup) -> tuple[str, ...]:
    """The nodes that are hosts: the ends of the flows."""
    return tuple(dict.fromkeys(name for flow in scenario.every_flow.values() for name in flow.between))


def client_paths(scenario: Setup, flow: Flow) -> tuple[str, ...]:
    """The client's link that each path begins with: as the file says, or the one that the route to the server has."""
    client, server = flow.between
    routed = first_links(client, _ends(scenario), host_names(scenario))[server]
    return flow.hosts.client.paths or (routed,)


def network_problems(scenario: Setup) -> Iterator[tuple[Key, str]]:
    """What keeps the links from being a network between the flows' hosts: keys, and a sentence for each."""
    ends, hosts = _ends(scenario), host_names(scenario)
    wrong = [problem for name, link in scenario.links.items() for problem in _direction_problems(("links", name), link)]
    if wrong := wrong or list(_end_problems(scenario, ends)) or list(_router_problems(ends, hosts)):
        yield from wrong
        return
    for name, flow in scenario.every_flow.items():
        place = ("flows", name) if name else ()
        wrong += list(_foreign_problems(place, flow)) or _flow_problems(place, flow, ends, hosts)
        wrong += _datagram_problems(place, flow)
    wrong += list(_shared_host_problems(scenario))
    yield from wrong
    if any(key == ("links",) or key[-1] == "between" for key, _sentence in wrong):  # there is no route to reckon with
        return
    products = _bandwidth_delay_bytes(scenario)
    for name, link in scenario.links.items():
        for sender in link.between:
            found = list(queue_problems(link.queue, sender, link.rate_bps[sender], products.get(Hop(name, sender))))
            if found:
                yield from ((("links", name, "queue", *key), sentence) for key, sentence in found)
                break


def _direction_problems(place: Key, link: Link) -> Iterator[tuple[Key, str]]:
    tables: dict[Key, Iterable[str]] = {
        ("rate",): link.rate_bps,
        ("delay",): link.delay_ns,
        ("loss",): link.loss,
        ("drop_every",): link.drop_every,
        ("queue", "at_least"): link.queue.at_least,
    }
    allowed = " or ".join(f'"{end}"' for end in link.between)
    for key, table in tables.items():
        for sender in table:
            if sender not in link.between:
                yield (*place, *key, sender), f"'{sender}' is not known; write {allowed}"
    for number, fault in enumerate(link.faults):
        if fault.sender not in link.between:
            yield (*place, "faults", str(number), "from"), f"'{fault.sender}' is not known; write {allowed}"
    for needed in (("rate",), ("delay",)):
        for end in link.between:
            if end not in tables[needed]:
                yield (*place, *needed), f'says nothing for what "{end}" sends; add {end} = ...'


def _end_problems(scenario: Setup, ends: Links) -> Iterator[tuple[Key, str]]:
    """Hosts of flows that no link reaches."""
    known = dict.fromkeys(end for pair in ends.values() for end in pair)
    for name, flow in scenario.flows.items():
        unknown = [node for node in flow.between if node not in known]
        yield from ((("flows", name, "between"), f'no link has the end "{n}"; {suggestion(n, known)}') for n in unknown)


def _flow_problems(place: Key, flow: Flow, ends: Links, hosts: Sequence[str]) -> Iterator[tuple[Key, str]]:
    """What keeps a flow's hosts from reaching each other as it says."""
    source, sink = flow.between
    if sink not in first_links(source, ends, hosts):
        yield (*place, "between") if place else ("links",), f'no route joins "{source}" and "{sink}"'
        return
    client = flow.hosts.client
    key = (*place, "hosts", "client", "paths")
    wrong = list(_path_problems(key, flow, ends, hosts))
    yield from wrong
    yield from _move_problems((*place, "hosts", "client", "moves"), flow, ends, hosts)
    scheduled = [name for name, profile in PROFILES.items() if profile.uses_first_path]
    for role in HOST_NAMES:
        host = _host(flow, role)
        if host.scheduler is not None and host.profile not in scheduled:
            which = " or ".join(f'"{name}"' for name in scheduled)
            yield (*place, "hosts", role, "scheduler"), f'profile "{host.profile}" has its own; take profile {which}'
        peer = HOST_NAMES[1 - HOST_NAMES.index(role)]
        least_ns = _host(flow, peer).min_ack_delay_ns
        if host.ack_frequency is not None and least_ns is None:
            text = f"asks the {peer} for what it does not take; give the {peer} a min_ack_delay, such as 1ms"
            yield (*place, "hosts", role, "ack_frequency"), text
        elif host.ack_frequency is not None and host.ack_frequency.max_ack_delay_ns < (least_ns or 0):
            text = f"is below the {peer}'s min_ack_delay; give no less than {(least_ns or 0) / 1e6:g} ms"
            yield (*place, "hosts", role, "ack_frequency", "max_ack_delay"), text
        of_profile = PROFILES[host.profile].congestion_control if host.profile in PROFILES else None
        controller = host.congestion_control or of_profile
        if host.undo_spurious_losses and controller == "olia":
            yield (
                (*place, "hosts", role, "undo_spurious_losses"),
                '"olia" undoes nothing; take another, or leave it out',
            )
        if host.recovery == "prr" and controller == "bbr":
            yield (*place, "hosts", role, "recovery"), '"bbr" has its own; write "cut", or take "newreno" or "cubic"'
    for number, link in enumerate(client.backup):
        if link not in client.paths[1:] or client.profile not in scheduled:
            known = suggestion(link, client.paths[1:] if client.profile in scheduled else ())
            yield (*place, "hosts", "client", "backup", str(number)), f'"{link}" carries no additional path; {known}'
    multipath = [name for name, profile in PROFILES.items() if profile.is_multipath]
    if not wrong and len(client.paths) > 1 and client.profile not in multipath:
        several = " or ".join(f'"{name}"' for name in multipath)
        yield key, f'profile "{client.profile}" uses one path; give one link, or take profile {several}'


def _datagram_problems(place: Key, flow: Flow) -> Iterator[tuple[Key, str]]:
    """Datagrams that are too large for a packet of their sender's, or for their receiver."""
    if (table := flow.datagrams) is None:
        return
    sender = _host(flow, table.sender)
    receiver_role = HOST_NAMES[1 - HOST_NAMES.index(table.sender)]
    limit = flow.datagram_frame_limit(_host(flow, receiver_role))
    if not limit:
        yield (*place, "hosts", receiver_role, "max_datagram_frame"), "takes no datagrams; leave it out to take any"
        return
    is_foreign = sender.profile in FOREIGN_STACKS
    stack_bytes = MINIMUM_INITIAL_BYTES if is_foreign else PROFILES[sender.profile].datagram_bytes
    largest = largest_data_bytes(sender.datagram_size_bytes or stack_bytes, limit)
    if table.size_bytes > largest:
        what = f"{table.size_bytes} bytes do not fit in one frame of this sender's to this receiver; {largest} do"
        yield (*place, "datagrams", "size"), what
    if is_foreign and table.lifetime_ns:
        yield (*place, "datagrams", "lifetime"), f'profile "{sender.profile}" gives none up that waits; leave it out'


def _foreign_problems(place: Key, flow: Flow) -> Iterator[tuple[Key, str]]:
    """What a foreign stack cannot do."""
    client, server = flow.hosts.client, flow.hosts.server
    foreign = [role for role in HOST_NAMES if _host(flow, role).profile in FOREIGN_STACKS]
    if not foreign:
        return
    if client.profile != server.profile:
        other = HOST_NAMES[1 - HOST_NAMES.index(foreign[0])]
        stack = _host(flow, foreign[0]).profile
        yield (*place, "hosts", other, "profile"), f'"{stack}" talks to itself only; give both hosts the profile'
        return
    if flow.plugins:
        yield (*place, "plugins"), f'profile "{client.profile}" runs no plugins; leave them out'
    for role in foreign:
        written = _host(flow, role).model_dump(by_alias=True, exclude_unset=True)
        unwanted = {key: value for key, value in written.items() if key in NOT_OF_FOREIGN_STACKS}
        for key in (key for key, value in unwanted.items() if value is not None and value is not False):
            yield (*place, "hosts", role, key), f'profile "{client.profile}" has no such choice; leave it out'
        if (_host(flow, role).max_ack_delay_ns or 0) > TOLD_ACK_DELAY_NS:
            yield (*place, "hosts", role, "max_ack_delay"), "aioquic tells its peer 25 ms whatever it is; give no more"
        known = FOREIGN_STACKS[client.profile]
        if (controller := _host(flow, role).congestion_control) not in (None, *known):
            wrong_key = (*place, "hosts", role, "congestion_control")
            yield wrong_key, f'profile "{client.profile}" has no "{controller}"; write {" or ".join(map(repr, known))}'


def _shared_host_problems(scenario: Setup) -> Iterator[tuple[Key, str]]:
    """What connections of one host cannot each have for themselves: its jitter, and its core."""
    first: dict[str, tuple[str, HostName]] = {}
    for name, flow in scenario.every_flow.items():
        for role, node in zip(HOST_NAMES, flow.between, strict=True):
            host, key = _host(flow, role), ("flows", name, "hosts", role)
            before, role_before = first.setdefault(node, (name, role))
            other = _host(scenario.every_flow[before], role_before)
            if host.receive_jitter_ns != other.receive_jitter_ns:
                yield (*key, "receive_jitter"), f'host "{node}" has another in flow "{before}"; it can have one'
            if host.cpu is not None and (before != name or flow.count > 1):
                yield (*key, "cpu"), f'host "{node}" has several connections; a core serves one, give each its own host'


def _host(flow: Flow, role: HostName) -> Host:
    return flow.hosts.client if role == "client" else flow.hosts.server


def _router_problems(ends: Links, hosts: Sequence[str]) -> Iterator[tuple[Key, str]]:
    joined = [end for pair in ends.values() for end in pair]
    for name, pair in ends.items():
        for end in pair:
            if end not in hosts and joined.count(end) == 1:
                meant = get_close_matches(end, hosts, n=1)
                advice = f'did you mean "{meant[0]}"?' if meant else "a router joins two or more"
                yield ("links", name, "between"), f'router "{end}" has this one link only; {advice}'


def _move_problems(place: Key, flow: Flow, ends: Links, hosts: Sequence[str]) -> Iterator[tuple[Key, str]]:
    """Links that do not take the client to the server, and stacks that do not follow."""
    client, server = flow.between
    own = [name for name, pair in ends.items() if client in pair]
    for number, move in enumerate(flow.hosts.client.moves):
        key = (*place, str(number), "to")
        if move.to is not None and move.to not in own:
            yield key, f'there is no link "{move.to}" of the client; {suggestion(move.to, own)}'
        elif move.to is not None and route(client, server, ends, hosts, move.to) is None:
            yield key, f'link "{move.to}" does not lead to the server'
    migrating = [name for name, profile in PROFILES.items() if profile.migrates]
    for role in HOST_NAMES:
        profile = _host(flow, role).profile
        if flow.hosts.client.moves and profile not in migrating:
            wanted = " or ".join(f'"{name}"' for name in migrating)
            yield place, f'profile "{profile}" of the {role} does not migrate; take profile {wanted}'


def _path_problems(place: Key, flow: Flow, ends: Links, hosts: Sequence[str]) -> Iterator[tuple[Key, str]]:
    client, server = flow.between
    paths = flow.hosts.client.paths
    own = [name for name, pair in ends.items() if client in pair]
    for number, name in enumerate(paths):
        key = (*place, str(number))
        if name not in ends:
            yield key, f'there is no link "{name}"; {suggestion(name, own)}'
        elif name not in own:
            yield key, f'link "{name}" does not begin at the client; {suggestion(name, own)}'
        elif name in paths[:number]:
            yield key, f'link "{name}" has a path already; a link carries one'
        elif route(client, server, ends, hosts, name) is None:
            yield key, f'link "{name}" does not lead to the server'


def _ends(scenario: Setup) -> Links:
    return {name: link.between for name, link in scenario.links.items()}


def _routers(ends: Links, hosts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(end for pair in ends.values() for end in pair if end not in hosts))


def _bandwidth_delay_bytes(scenario: Setup) -> dict[Hop, Fraction]:
    """The product for each direction of each link that lies on a route of any of a client's links to its server."""
    ends, hosts = _ends(scenario), host_names(scenario)
    products: dict[Hop, Fraction] = {}
    pairs = dict.fromkeys(flow.between for flow in scenario.every_flow.values())
    for client, server, name in [(*pair, name) for pair in pairs for name, two in ends.items() if pair[0] in two]:
        there = route(client, server, ends, hosts, name)
        back = route(server, address(client, name), ends, hosts)
        if there is None or back is None:
            continue
        round_trip_ns = sum(scenario.links[hop.link].delay_ns[hop.sender] for hop in (*there, *back))
        for hops in (there, back):
            lowest_bps = min(scenario.links[hop.link].rate_bps[hop.sender] for hop in hops)
            product = Fraction(lowest_bps * round_trip_ns, BITS_AND_NANOSECONDS)
            for hop in hops:
                products[hop] = max(product, products.get(hop, product))
    for (link, sender), product in list(products.items()):  # a route that goes one way only: both queues count the same
        first, second = ends[link]
        products.setdefault(Hop(link, second if sender == first else first), product)
    return products


def _direction_spec(
    scenario: Setup, link: Link, sender: str, receiver: str, product_bytes: Fraction | None
) -> DirectionSpec:
    """What the link does to what `sender` sends; the receiving host's jitter is part of it."""
    flows = scenario.every_flow.values()
    jitters_ns = {
        node: _host(flow, role).receive_jitter_ns
        for flow in flows
        for role, node in zip(HOST_NAMES, flow.between, strict=True)
    }
    faults = [fault.drop for fault in link.faults if fault.sender == sender]
    if every := link.drop_every.get(sender, 0):
        faults.append(f"every {every}th datagram")
    return DirectionSpec(
        rate_bps=link.rate_bps[sender],
        delay_ns=link.delay_ns[sender],
        queue=discipline(link.queue, sender, link.rate_bps[sender], product_bytes),
        loss=link.loss.get(sender, Fraction(0)),
        faults=tuple(faults),
        jitter_ns=jitters_ns.get(receiver, 0),
    )
