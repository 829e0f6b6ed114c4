"""Which link first? Routes of the fewest links, over names alone, so that they are known before a network is built.

A host has an address a link, `client@wifi`: what goes there ends with that link. Plain `client` is whichever of its
addresses is reached first. Of the routes with the fewest links, the one whose first link was named first is taken.
Hosts end routes, routers pass them on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeAlias

__all__ = ["Hop", "Links", "address", "first_links", "route"]

Links: TypeAlias = Mapping[str, tuple[str, str]]
"""The two ends of each link, by its name, in the order in which they were added."""


class Hop(NamedTuple):
    """One link of a route, and the node that sends into it."""

    link: str
    sender: str


def address(host: str, link: str) -> str:
    """The address of a host on one of its links."""
    return f"{host}@{link}"


def first_links(source: str, links: Links, hosts: Collection[str]) -> dict[str, str]:
    """The link that a route from `source` begins with, by each host and address that can be reached."""
    firsts: dict[str, str] = {}
    seen = {source}
    reached = deque((name, far, name) for name, far in _leaving(source, links))
    while reached:
        last, node, first = reached.popleft()
        if node == source:
            continue
        if node in hosts:
            firsts.setdefault(node, first)
            firsts.setdefault(address(node, last), first)
        elif node not in seen:
            seen.add(node)
            reached.extend((name, far, first) for name, far in _leaving(node, links))
    return firsts


def route(source: str, to: str, links: Links, hosts: Collection[str], via: str | None = None) -> list[Hop] | None:
    """The way from `source` to a host or address, by the link `via` first; None where there is none."""
    hops: list[Hop] = []
    node = source
    link = first_links(source, links, hosts).get(to) if via is None else via
    while link is not None:
        hops.append(Hop(link, node))
        first, second = links[link]
        node = second if node == first else first
        if node in hosts:
            return hops if node != source and to in (node, address(node, link)) else None
        link = first_links(node, links, hosts).get(to)
    return None


def _leaving(node: str, links: Links) -> list[tuple[str, str]]:
    """Each link at a node, and the node at its far end."""
    ends = ((name, ends) for name, ends in links.items() if node in ends)
    return [(name, second if node == first else first) for name, (first, second) in ends]
