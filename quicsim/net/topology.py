"""Which way does a datagram go from host to host? Hosts and routers joined by links, with static routes.

A route is one of the fewest links; among those, the one whose first link was added first (`quicsim.net.routing`).
Hosts end routes, routers pass them on. Routes are worked out as links are added, so a datagram costs a dictionary
look-up at most where it is passed on, and none at a router of two links, which has no choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from quicsim.net.link import DirectionSpec, Link, LinkDirection, LinkObserver
from quicsim.net.routing import address, first_links, route

if TYPE_CHECKING:
    from quicsim.clock import Clock
    from quicsim.net.datagram import Datagram
    from quicsim.randomness import Streams

__all__ = ["Host", "Network", "NetworkError", "Router"]

Send: TypeAlias = "Callable[[Datagram], object]"


class NetworkError(ValueError):
    """A network cannot be built or used so; the message names the host, router or link."""


class _Node:
    """What hosts and routers share.

    Attributes:
        name: unique in the network.
        receiver: called with each datagram that arrives here.
        outgoing: the directions that leave it, by their links' names, in the order that these were added in.
        incoming: the directions that reach it, likewise.
        routes: the outgoing direction's `send`, by each host and address that can be reached.
    """

    def __init__(self, name: str, receiver: Send) -> None:
        self.name = name
        self.receiver = receiver
        self.outgoing: dict[str, LinkDirection] = {}
        self.incoming: dict[str, LinkDirection] = {}
        self.routes: dict[str, Send] = {}

    def rewire(self) -> None:
        """Have the incoming directions deliver to where their datagrams now go."""
        for direction in self.incoming.values():
            direction.deliver = self.receiver

    def _no_route(self, destination: str) -> NetworkError:
        reachable = ", ".join(sorted(to for to in self.routes if "@" not in to)) or "none"
        return NetworkError(f"{self.name} has no route to host {destination!r}; it reaches: {reachable}")


class Host(_Node):
    """Where datagrams begin and end. Made by `Network.add_host`."""

    def __init__(self, name: str, network: Network) -> None:
        super().__init__(name, self._refuse)
        self._network = network
        self._ways: dict[str, tuple[str, Send]] = {}
        self._receivers: dict[int, Send] = {}

    @property
    def addresses(self) -> dict[str, str]:
        """What datagrams from here say that they come from, by link: the name, or with several links `host@link`."""
        several = len(self.outgoing) > 1
        return {link: address(self.name, link) if several else self.name for link in self.outgoing}

    def rewire(self) -> None:
        """Deliver to the receiver, and forget the ways out, which may have changed."""
        super().rewire()
        self._ways.clear()

    def on_datagram(self, receive: Send, flow: int = 0) -> None:
        """Have `receive(datagram)` called for each datagram that arrives here, at once, from the clock's loop.

        Once there is another for another flow, each gets the datagrams of its own only.
        """
        self._receivers[flow] = receive
        self.receiver = receive if len(self._receivers) == 1 else self._deliver
        self.rewire()

    def way(self, to: str, via: str | None = None) -> tuple[Send, str]:
        """How a datagram goes from here to the host or address `to`, by the link called `via` first.

        What takes it, with its source and destination written on it, and what its source is. Without `via` it goes as
        routed. It is good for as long as no link is added.

        Raises:
            NetworkError: there is no such link here, or no route.
        """
        if via is not None and via not in self.outgoing:
            raise NetworkError(f"{self.name} has no link {via!r}; it has: {', '.join(self.outgoing) or 'none'}")
        hops = self._network.route(self.name, to, via)
        if hops is None:
            raise self._no_route(to) if via is None else NetworkError(f"{self.name} has no route to {to!r} by {via!r}")
        first = hops[0]
        return self.outgoing[first].send, self.addresses[first]

    def sender(self, to: str, via: str | None = None) -> Send:
        """What sends a datagram from here to `to`, writing its source and destination; as `way` otherwise."""
        send, source = self.way(to, via)

        def send_from_here(datagram: Datagram) -> None:
            datagram.source = source
            datagram.destination = to
            send(datagram)

        return send_from_here

    def send(self, datagram: Datagram, to: str) -> None:
        """Send a datagram to the host or address `to`, now, as routed. Writes its source and destination.

        Raises:
            NetworkError: there is no route.
        """
        try:
            source, first = self._ways[to]
        except KeyError:
            source, first = self._ways[to] = self._way(to)
        datagram.source = source
        datagram.destination = to
        first(datagram)

    def _way(self, to: str, via: str | None = None) -> tuple[str, Send]:
        """The address that a datagram to `to` comes from, and what sends it."""
        if via is not None and via not in self.outgoing:
            raise NetworkError(f"{self.name} has no link {via!r}; it has: {', '.join(self.outgoing) or 'none'}")
        links = self._network.route(self.name, to, via)
        if links is None:
            raise self._no_route(to) if via is None else NetworkError(f"{self.name} has no route to {to!r} by {via!r}")
        return self.addresses[links[0]], self.outgoing[links[0]].send

    def _deliver(self, datagram: Datagram) -> None:
        try:
            receive = self._receivers[datagram.flow]
        except KeyError:
            raise NetworkError(f"a datagram of flow {datagram.flow} reached host {self.name}, which has none") from None
        receive(datagram)

    def _refuse(self, datagram: Datagram) -> None:
        raise NetworkError(f"a datagram reached host {self.name}, which has no receiver; give one to on_datagram")


class Router(_Node):
    """Where datagrams are passed on. Made by `Network.add_router`."""

    def __init__(self, name: str) -> None:
        super().__init__(name, self.forward)

    def forward(self, datagram: Datagram) -> None:
        """Pass a datagram on towards its destination, now.

        Raises:
            NetworkError: there is no route.
        """
        try:
            onward = self.routes[datagram.destination]
        except KeyError:
            raise self._no_route(datagram.destination) from None
        onward(datagram)

    def rewire(self) -> None:
        """Deliver to the look-up, or between two links straight to the other one."""
        if len(self.outgoing) == 2:
            for direction, onward in zip(self.incoming.values(), reversed(self.outgoing.values()), strict=True):
                direction.deliver = onward.send
        else:
            super().rewire()


class Network:
    """Hosts, routers and the links between them.

    Args:
        clock: the clock it runs on. At one instant arrivals run in the order that their links were added in.
        streams: where losses, jitter and the queues' chance are drawn from.
        observer: told of each datagram that is dropped or marked.

    Attributes:
        nodes: hosts and routers by name.
        links: links by name.
    """

    def __init__(self, clock: Clock, streams: Streams, observer: LinkObserver | None = None) -> None:
        self.clock = clock
        self.streams = streams
        self.observer = observer
        self.nodes: dict[str, Host | Router] = {}
        self.links: dict[str, Link] = {}

    def add_host(self, name: str) -> Host:
        """Add a host.

        Raises:
            NetworkError: the name is taken.
        """
        host = Host(self._new_name(name), self)
        self.nodes[name] = host
        return host

    def host(self, name: str) -> Host:
        """The host of this name.

        Raises:
            NetworkError: there is none.
        """
        node = self.nodes.get(name)
        if not isinstance(node, Host):
            raise NetworkError(f"there is no host {name!r}; there are: {', '.join(sorted(self._hosts())) or 'none'}")
        return node

    def add_router(self, name: str) -> Router:
        """Add a router.

        Raises:
            NetworkError: the name is taken.
        """
        router = Router(self._new_name(name))
        self.nodes[name] = router
        return router

    def add_link(self, name: str, a: str, b: str, spec: DirectionSpec | Mapping[str, DirectionSpec]) -> Link:
        """Join nodes `a` and `b`.

        Args:
            name: of the link, unique in the network.
            a: name of its first end.
            b: name of its second end.
            spec: how it treats datagrams: one for both directions, or one for each, keyed by the sending end's name.

        Raises:
            NetworkError: the name is taken, an end is unknown, both ends are one, or a direction has no specification.
        """
        if name in self.links:
            raise NetworkError(f"there is a link {name!r} already; give another name")
        for end in (a, b):
            if end not in self.nodes:
                raise NetworkError(f"link {name!r}: no host or router {end!r}; there are: {', '.join(self.nodes)}")
        if a == b:
            raise NetworkError(f"link {name!r} joins {a!r} with itself; give two ends")
        specs = spec if isinstance(spec, Mapping) else {a: spec, b: spec}
        if set(specs) != {a, b}:
            raise NetworkError(f"link {name!r}: directions {', '.join(map(repr, specs))} given; give {a!r} and {b!r}")
        first, second = self.nodes[a], self.nodes[b]
        link = Link(
            self.clock,
            len(self.links),
            name,
            (a, b),
            (specs[a], specs[b]),
            self.streams,
            (second.receiver, first.receiver),
            self.observer,
        )
        self.links[name] = link
        for sender, receiver, direction in ((first, second, link.forward), (second, first, link.backward)):
            sender.outgoing[name] = direction
            receiver.incoming[name] = direction
        self._route()
        return link

    def _new_name(self, name: str) -> str:
        if name in self.nodes:
            raise NetworkError(f"there is a host or router {name!r} already; give another name")
        return name

    def route(self, source: str, to: str, via: str | None = None) -> list[str] | None:
        """The links from a node to a host or address, by the link `via` first; None where there is no way."""
        hops = route(source, to, self._ends(), self._hosts(), via)
        return None if hops is None else [hop.link for hop in hops]

    def _ends(self) -> dict[str, tuple[str, str]]:
        return {name: link.ends for name, link in self.links.items()}

    def _hosts(self) -> set[str]:
        return {name for name, node in self.nodes.items() if isinstance(node, Host)}

    def _route(self) -> None:
        """Work out every route anew, then where each direction delivers."""
        ends, hosts = self._ends(), self._hosts()
        for node in self.nodes.values():
            firsts = first_links(node.name, ends, hosts)
            node.routes = {to: node.outgoing[link].send for to, link in firsts.items()}
            node.rewire()
