"""Does a datagram reach the host it is sent to, by the route that the contract names?"""

import pytest

from quicsim.clock import Clock
from quicsim.net.datagram import Datagram, DropReason
from quicsim.net.link import DirectionSpec, check_conservation
from quicsim.net.queue import DropTail
from quicsim.net.topology import Network, NetworkError
from quicsim.randomness import Streams

MILLISECOND_NS = 1_000_000
FAST = DirectionSpec(rate_bps=8_000_000, delay_ns=MILLISECOND_NS)  # 1000 bytes take 1 ms


def network(hosts="", routers="", links="", observer=None):
    """Hosts and routers by letters, links by pairs of letters, all FAST."""
    built = Network(Clock(), Streams(1, 0), observer)
    for name in hosts.split():
        built.add_host(name)
    for name in routers.split():
        built.add_router(name)
    for pair in links.split():
        built.add_link(pair, pair[0], pair[1], FAST)
    return built


def arrivals_at(built, host):
    log = []
    built.nodes[host].on_datagram(lambda datagram: log.append((datagram.payload, built.clock.now)))
    return log


def test_two_hosts_on_one_link():
    built = network("a b", links="ab")
    there, back = arrivals_at(built, "b"), arrivals_at(built, "a")
    built.nodes["a"].send(Datagram("ping", 1000), to="b")
    built.nodes["b"].send(Datagram("pong", 500), to="a")
    built.clock.run()
    assert there == [("ping", 2 * MILLISECOND_NS)]
    assert back == [("pong", MILLISECOND_NS + MILLISECOND_NS // 2)]


def test_a_chain_through_routers_both_ways():
    built = network("a b", "r s", "ar rs sb")
    there, back = arrivals_at(built, "b"), arrivals_at(built, "a")
    built.nodes["a"].send(Datagram("ping", 1000), to="b")
    built.nodes["b"].send(Datagram("pong", 1000), to="a")
    built.clock.run()
    assert there == [("ping", 6 * MILLISECOND_NS)]
    assert back == [("pong", 6 * MILLISECOND_NS)]
    for link in built.links.values():
        check_conservation(link)
        assert (link.forward.delivered, link.backward.delivered) == (1, 1)


def test_a_router_of_three_links_goes_by_the_destination():
    built = network("a b c", "r", "ar br cr")
    logs = {name: arrivals_at(built, name) for name in "abc"}
    for sender, to in (("a", "b"), ("a", "c"), ("b", "c"), ("c", "a")):
        built.nodes[sender].send(Datagram(sender + to, 1000), to=to)
    built.clock.run()
    assert {name: [payload for payload, _ in log] for name, log in logs.items()} == {
        "a": ["ca"],
        "b": ["ab"],
        "c": ["bc", "ac"],
    }


def test_datagrams_of_several_flows_reach_the_receivers_of_theirs():
    built = network("a b", links="ab")
    seen = {5: [], 9: []}
    for flow, log in seen.items():
        built.host("b").on_datagram(log.append, flow)
    for flow in (9, 5, 9):
        built.host("a").send(Datagram(None, 100, flow=flow), to="b")
    built.clock.run()
    assert {flow: [datagram.flow for datagram in log] for flow, log in seen.items()} == {5: [5], 9: [9, 9]}
    built.host("a").send(Datagram(None, 100, flow=7), to="b")
    with pytest.raises(NetworkError, match="a datagram of flow 7 reached host b, which has none"):
        built.clock.run()


def test_the_receiver_knows_who_sent():
    built = network("a b", links="ab")
    seen = []
    built.nodes["b"].on_datagram(seen.append)
    built.nodes["a"].send(Datagram(None, 100), to="b")
    built.clock.run()
    assert [(datagram.source, datagram.destination) for datagram in seen] == [("a", "b")]


@pytest.mark.parametrize(
    ("links", "used"),
    [
        ("ar rs sb rb", "rb"),  # the fewest links
        ("ar rs sb rt tb", "rs"),  # as many either way: the one added first
        ("ar rt tb rs sb", "rt"),
    ],
)
def test_routes_take_the_fewest_links_then_the_first_added(links, used):
    built = network("a b", "r s t", links)
    arrivals_at(built, "b")
    built.nodes["a"].send(Datagram(None, 100), to="b")
    built.clock.run()
    assert built.links[used].forward.delivered == 1


def test_hosts_pass_nothing_on():
    built = network("a b c", links="ab bc")
    with pytest.raises(NetworkError, match="a has no route to host 'c'; it reaches: b"):
        built.nodes["a"].send(Datagram(None, 100), to="c")


def test_directions_differ_by_the_sending_end():
    built = network("client server")
    slow = DirectionSpec(rate_bps=80_000, delay_ns=0)
    link = built.add_link("access", "client", "server", {"server": FAST, "client": slow})
    assert (link.forward.name, link.forward.spec) == ("access:client>server", slow)
    assert (link.backward.name, link.backward.spec) == ("access:server>client", FAST)
    assert (link.forward.number, link.backward.number) == (0, 1)


def test_drops_are_told_to_the_observer():
    class Observer:
        def __init__(self):
            self.seen = []

        def dropped(self, direction_number, index, time_ns, size_bytes, reason):
            self.seen.append((direction_number, index, time_ns, size_bytes, reason))

    observer = Observer()
    built = network("a b", observer=observer)
    spec = DirectionSpec(rate_bps=8_000_000, delay_ns=0, queue=DropTail(limit_packets=0), faults=("datagram 1",))
    built.add_link("ab", "b", "a", {"b": FAST, "a": spec})
    for _ in range(2):
        built.nodes["a"].send(Datagram(None, 1000), to="b")
    built.clock.run()
    assert observer.seen == [
        (1, 2, 0, 1000, DropReason.QUEUE),
        (1, 1, MILLISECOND_NS, 1000, DropReason.FAULT),
    ]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda built: built.add_host("r"), "there is a host or router 'r' already"),
        (lambda built: built.add_router("a"), "there is a host or router 'a' already"),
        (lambda built: built.add_link("ab", "a", "b", FAST), "there is a link 'ab' already"),
        (lambda built: built.add_link("x", "a", "z", FAST), "link 'x': no host or router 'z'; there are: a, b, r"),
        (lambda built: built.add_link("x", "a", "a", FAST), "link 'x' joins 'a' with itself"),
        (lambda built: built.add_link("x", "a", "r", {"a": FAST}), "directions 'a' given; give 'a' and 'r'"),
        (lambda built: built.nodes["a"].send(Datagram(None, 1), to="z"), "a has no route to host 'z'; it reaches: b"),
        (lambda built: built.nodes["r"].forward(Datagram(None, 1)), "r has no route to host ''; it reaches: none"),
    ],
)
def test_what_cannot_be_is_refused_by_name(use, message):
    with pytest.raises(NetworkError, match=message):
        use(network("a b", "r", "ab"))


def test_a_host_without_a_receiver_says_so():
    built = network("a b", links="ab")
    built.nodes["a"].send(Datagram(None, 100), to="b")
    with pytest.raises(NetworkError, match="reached host b, which has no receiver"):
        built.clock.run()


TWO_PATHS = "cr rs ct ts"
"""From host c to host s by router r, or by router t."""


def test_a_host_with_several_links_has_an_address_on_each():
    built = network("c s", "r t", TWO_PATHS)
    assert built.host("c").addresses == {"cr": "c@cr", "ct": "c@ct"}
    assert built.nodes["r"].routes.keys() == {"c", "c@cr", "s", "s@rs"}
    assert network("a b", links="ab").host("a").addresses == {"ab": "a"}


@pytest.mark.parametrize("via", ["cr", "ct"])
def test_a_path_leaves_by_its_link_and_its_answer_comes_back_by_it(via):
    built = network("c s", "r t", TWO_PATHS)
    arrivals_at(built, "c")
    seen = []

    def answer(datagram):
        seen.append((datagram.source, datagram.destination))
        built.host("s").sender(datagram.source)(Datagram("answer", 1000))

    built.host("s").on_datagram(answer)
    send = built.host("c").sender("s", via)
    for _ in range(3):
        send(Datagram("question", 1000))
    built.clock.run()
    assert seen == [(f"c@{via}", "s")] * 3
    for name in TWO_PATHS.split():
        link = built.links[name]
        used = name in (via, f"{via[1]}s")
        assert (link.forward.delivered, link.backward.delivered) == ((3, 3) if used else (0, 0))


def test_a_path_need_not_be_the_shortest():
    built = network("c s", "r", "cs cr rs")
    back = arrivals_at(built, "c")
    there = arrivals_at(built, "s")
    built.host("c").sender("s", "cr")(Datagram("long", 1000))
    built.host("c").sender("s")(Datagram("short", 1000))
    built.host("s").sender("c@cr")(Datagram("back", 1000))
    built.clock.run()
    assert there == [("short", 2 * MILLISECOND_NS), ("long", 4 * MILLISECOND_NS)]
    assert back == [("back", 4 * MILLISECOND_NS)]
    assert built.route("c", "s", "cr") == ["cr", "rs"]
    assert built.route("c", "s") == ["cs"]


@pytest.mark.parametrize(
    ("to", "via", "message"),
    [
        ("s", "rs", "c has no link 'rs'; it has: cr, ct"),
        ("s", "ct", "c has no route to 's' by 'ct'"),
        ("z", None, "c has no route to host 'z'; it reaches: s"),
        ("s@ct", None, "c has no route to host 's@ct'; it reaches: s"),
    ],
)
def test_a_way_that_is_none_is_named(to, via, message):
    with pytest.raises(NetworkError, match=message):
        network("c s", "r t", "cr rs ct").host("c").sender(to, via)


def test_a_link_added_later_is_taken_where_it_is_shorter():
    built = network("a b", "r", "ar rb")
    arrivals_at(built, "b")
    built.host("a").send(Datagram(None, 100), to="b")
    built.add_link("ab", "a", "b", FAST)
    built.host("a").send(Datagram(None, 100), to="b")
    built.clock.run()
    assert (built.links["ab"].forward.delivered, built.links["rb"].forward.delivered) == (1, 1)
