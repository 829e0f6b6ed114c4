"""How do a scenario's links become a network, and do they make one at all?

A bandwidth-delay product is the lowest rate times the base round trip of the route between client and server that goes
through a link: the rate in the queue's own direction, the propagation delays of both. Where several such routes share
a link, the largest product counts.
"""

from __future__ import annotations

from difflib import get_close_matches
from fractions import Fraction
from typing import TYPE_CHECKING

from quicsim.net.link import DirectionSpec
from quicsim.net.routing import Hop, Links, address, first_links, route
from quicsim.net.topology import Network
from quicsim.quic.profiles import PROFILES
from quicsim.scenario.build_queue import discipline, queue_problems
from quicsim.scenario.errors import Key, suggestion
from quicsim.scenario.values import HOST_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quicsim.clock import Clock
    from quicsim.net.link import LinkDirection, LinkObserver
    from quicsim.randomness import Streams
    from quicsim.scenario.network import Link
    from quicsim.scenario.schema import Setup

__all__ = ["build_network", "client_paths", "directions", "network_problems"]

BITS_AND_NANOSECONDS = 8 * 1_000_000_000


def build_network(scenario: Setup, clock: Clock, streams: Streams, observer: LinkObserver) -> Network:
    """The hosts `client` and `server`, the routers, and the links in the file's order."""
    network = Network(clock, streams, observer)
    for host in HOST_NAMES:
        network.add_host(host)
    for router in _routers(_ends(scenario)):
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


def client_paths(scenario: Setup) -> tuple[str, ...]:
    """The client's link that each path begins with: as the file says, or the one that the route to the server has."""
    routed = first_links("client", _ends(scenario), HOST_NAMES)["server"]
    return scenario.hosts.client.paths or (routed,)


def network_problems(scenario: Setup) -> Iterator[tuple[Key, str]]:
    """What keeps the links from being a network between client and server: keys, and a sentence for each."""
    ends = _ends(scenario)
    wrong = [problem for name, link in scenario.links.items() for problem in _direction_problems(("links", name), link)]
    if wrong := wrong or list(_router_problems(ends)):
        yield from wrong
        return
    if "server" not in first_links("client", ends, HOST_NAMES):
        yield ("links",), 'no route joins "client" and "server"'
        return
    client = scenario.hosts.client
    wrong_paths = list(_path_problems(client.paths, ends))
    yield from wrong_paths
    if not wrong_paths and len(client.paths) > 1 and not PROFILES[client.profile].is_multipath:
        several = " or ".join(f'"{name}"' for name, profile in PROFILES.items() if profile.is_multipath)
        key = ("hosts", "client", "paths")
        yield key, f'profile "{client.profile}" uses one path; give one link, or take profile {several}'
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


def _router_problems(ends: Links) -> Iterator[tuple[Key, str]]:
    joined = [end for pair in ends.values() for end in pair]
    for name, pair in ends.items():
        for end in pair:
            if end not in HOST_NAMES and joined.count(end) == 1:
                meant = get_close_matches(end, HOST_NAMES, n=1)
                advice = f'did you mean "{meant[0]}"?' if meant else "a router joins two or more"
                yield ("links", name, "between"), f'router "{end}" has this one link only; {advice}'


def _path_problems(paths: tuple[str, ...], ends: Links) -> Iterator[tuple[Key, str]]:
    own = [name for name, pair in ends.items() if "client" in pair]
    for number, name in enumerate(paths):
        key = ("hosts", "client", "paths", str(number))
        if name not in ends:
            yield key, f'there is no link "{name}"; {suggestion(name, own)}'
        elif name not in own:
            yield key, f'link "{name}" does not begin at the client; {suggestion(name, own)}'
        elif name in paths[:number]:
            yield key, f'link "{name}" has a path already; a link carries one'
        elif route("client", "server", ends, HOST_NAMES, name) is None:
            yield key, f'link "{name}" does not lead to the server'


def _ends(scenario: Setup) -> Links:
    return {name: link.between for name, link in scenario.links.items()}


def _routers(ends: Links) -> list[str]:
    return list(dict.fromkeys(end for pair in ends.values() for end in pair if end not in HOST_NAMES))


def _bandwidth_delay_bytes(scenario: Setup) -> dict[Hop, Fraction]:
    """The product for each direction of each link that lies on a route of any of the client's links to the server."""
    ends = _ends(scenario)
    products: dict[Hop, Fraction] = {}
    for name in (name for name, pair in ends.items() if "client" in pair):
        there = route("client", "server", ends, HOST_NAMES, name)
        back = route("server", address("client", name), ends, HOST_NAMES)
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
    hosts = {"client": scenario.hosts.client, "server": scenario.hosts.server}
    faults = [fault.drop for fault in link.faults if fault.sender == sender]
    if every := link.drop_every.get(sender, 0):
        faults.append(f"every {every}th datagram")
    return DirectionSpec(
        rate_bps=link.rate_bps[sender],
        delay_ns=link.delay_ns[sender],
        queue=discipline(link.queue, sender, link.rate_bps[sender], product_bytes),
        loss=link.loss.get(sender, Fraction(0)),
        faults=tuple(faults),
        jitter_ns=hosts[receiver].receive_jitter_ns if receiver in hosts else 0,
    )
