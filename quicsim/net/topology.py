"""Which way does a datagram go from host to host? Hosts and routers joined by links, with static routes.

A route is one of the fewest links; among those, the one whose first link was added first. Hosts end routes, routers
pass them on. Routes are worked out as links are added, so a datagram costs a dictionary look-up at its source, and
none at a router of two links, which has no choice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from quicsim.net.link import DirectionSpec, Link, LinkDirection, LinkObserver

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
        outgoing, incoming: the directions that leave and reach it, in the order that their links were added in.
        routes: the outgoing direction's `send`, by the name of each host that can be reached.
    """

    def __init__(self, name: str, receiver: Send) -> None:
        self.name = name
        self.receiver = receiver
        self.outgoing: list[LinkDirection] = []
        self.incoming: list[LinkDirection] = []
        self.routes: dict[str, Send] = {}

    def rewire(self) -> None:
        """Have the incoming directions deliver to where their datagrams now go."""
        for direction in self.incoming:
            direction.deliver = self.receiver

    def _no_route(self, destination: str) -> NetworkError:
        reachable = ", ".join(sorted(self.routes)) or "none"
        return NetworkError(f"{self.name} has no route to host {destination!r}; it reaches: {reachable}")


class Host(_Node):
    """Where datagrams begin and end. Made by `Network.add_host`."""

    def __init__(self, name: str) -> None:
        super().__init__(name, self._refuse)

    def on_datagram(self, receive: Send) -> None:
        """Have `receive(datagram)` called for each datagram that arrives here, at once, from the clock's loop."""
        self.receiver = receive
        self.rewire()

    def send(self, datagram: Datagram, to: str) -> None:
        """Send a datagram to the host called `to`, now. Writes its source and destination.

        Raises:
            NetworkError: there is no route.
        """
        try:
            first = self.routes[to]
        except KeyError:
            raise self._no_route(to) from None
        datagram.source = self.name
        datagram.destination = to
        first(datagram)

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
            for direction, onward in zip(self.incoming, reversed(self.outgoing), strict=True):
                direction.deliver = onward.send
        else:
            super().rewire()


class Network:
    """Hosts, routers and the links between them.

    Args:
        clock: the clock it runs on. At one instant arrivals run in the order that their links were added in.
        streams: where losses and jitter are drawn from.
        observer: told of each datagram that is dropped.

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
        host = Host(self._new_name(name))
        self.nodes[name] = host
        return host

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
            sender.outgoing.append(direction)
            receiver.incoming.append(direction)
        self._route()
        return link

    def _new_name(self, name: str) -> str:
        if name in self.nodes:
            raise NetworkError(f"there is a host or router {name!r} already; give another name")
        return name

    def _route(self) -> None:
        """Work out every route anew, then where each direction delivers."""
        far_end = {direction: node for node in self.nodes.values() for direction in node.incoming}
        for node in self.nodes.values():
            node.routes = _routes_from(node, far_end)
        for node in self.nodes.values():
            node.rewire()


def _routes_from(source: Host | Router, far_end: Mapping[LinkDirection, Host | Router]) -> dict[str, Send]:
    """Breadth first, through routers only: each host's first link on a route of the fewest links."""
    routes: dict[str, Send] = {}
    seen = {source.name}
    reached = deque((far_end[first], first) for first in source.outgoing)
    while reached:
        node, first = reached.popleft()
        if node.name in seen:
            continue
        seen.add(node.name)
        if isinstance(node, Host):
            routes[node.name] = first.send
        else:
            reached.extend((far_end[onward], first) for onward in node.outgoing)
    return routes
