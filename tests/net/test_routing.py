"""Are routes the shortest there are, by the first link in order, and do addresses end with their link?"""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from quicsim.net.routing import address, first_links, route

HOSTS = ("a", "b", "c")
NODES = (*HOSTS, "r", "s", "t")
PAIRS = list(combinations(NODES, 2))


@st.composite
def graphs(draw):
    """Up to nine links between three hosts and three routers, some of them beside one another."""
    pairs = draw(st.lists(st.sampled_from(PAIRS), max_size=9))
    return {f"link{number}": draw(st.permutations(pair)) for number, pair in enumerate(pairs)}


def far_end(links, link, node):
    first, second = links[link]
    return second if node == first else first


def ways(links, source, longest=4):
    """Every way from a node to a host, by links, not through hosts nor twice through a node: exhaustively."""
    found = []

    def walk(node, taken, seen):
        for name, ends in links.items():
            if node not in ends:
                continue
            far = far_end(links, name, node)
            if far in HOSTS and far != source:
                found.append((far, (*taken, name)))
            elif far not in HOSTS and far not in seen and len(taken) < longest:
                walk(far, (*taken, name), seen | {far})

    walk(source, (), {source})
    return found


@given(graphs(), st.sampled_from(NODES))
def test_the_first_link_is_that_of_a_shortest_way_and_the_first_of_these(links, source):
    firsts = first_links(source, links, HOSTS)
    expected = {}
    order = list(links)
    for host, way in ways(links, source):
        for to in (host, address(host, way[-1])):
            best = expected.get(to)
            if best is None or (len(way), order.index(way[0])) < (len(best), order.index(best[0])):
                expected[to] = way
    assert firsts == {to: way[0] for to, way in expected.items()}


@given(graphs(), st.sampled_from(HOSTS))
def test_a_route_joins_its_ends_as_short_as_can_be(links, source):
    found = ways(links, source)
    for to in {host for host, _ in found} | {address(host, way[-1]) for host, way in found}:
        hops = route(source, to, links, HOSTS)
        node = source
        for hop in hops:
            assert hop.sender == node
            node = far_end(links, hop.link, node)
        assert to in (node, address(node, hops[-1].link))
        assert len(hops) == min(len(way) for host, way in found if to in (host, address(host, way[-1])))


@given(graphs(), st.sampled_from(HOSTS), st.sampled_from(HOSTS))
def test_a_route_by_a_link_begins_with_it_and_is_none_where_it_leads_elsewhere(links, source, to):
    found = ways(links, source)
    for via in (name for name, ends in links.items() if source in ends):
        hops = route(source, to, links, HOSTS, via)
        if any(host == to and way[0] == via for host, way in found):
            assert [hops[0].link, hops[0].sender] == [via, source]
        else:
            assert hops is None
