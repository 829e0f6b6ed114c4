"""Do the links of a file become the network that it describes, and is one that is none refused by its key?"""

import pytest

from quicsim.clock import Clock
from quicsim.randomness import Streams
from quicsim.scenario.build_network import build_network, client_paths
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load

HEAD = """
title = "Two paths"
source = "this test"
[hosts.client]
profile = "rfc9002"
receive_jitter = "3us"
[hosts.server]
profile = "rfc9002"
[transfer]
size = "50kB"
request_size = "100B"
"""

WIFI_AND_LTE = """
[links.wifi]
between = ["client", "R1"]
rate = { client = "100Mbps", R1 = "1Mbps" }
delay = "5ms"
queue = { kind = "drop-tail", limit = "2 BDP" }
[links.lte]
between = ["client", "R2"]
rate = { client = "1Mbps", R2 = "100Mbps" }
delay = { client = "10ms", R2 = "12ms" }
queue = { kind = "drop-tail", limit = "0.5 BDP" }
[links.near]
between = ["R1", "R3"]
rate = "200Mbps"
delay = "1ms"
queue = { kind = "drop-tail", limit = "20 packets" }
loss = { R3 = 0.25 }
[links.far]
between = ["R3", "R2"]
rate = "200Mbps"
delay = "1ms"
queue = { kind = "drop-tail", limit = "20 packets" }
[links.last]
between = ["R3", "server"]
rate = "50Mbps"
delay = "0"
queue = { kind = "drop-tail", limit = "1 BDP" }
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(HEAD + WIFI_AND_LTE)
    return path


def built(path, *overrides):
    return build_network(load(path, overrides).variant("default"), Clock(), Streams(1, 0), None)


def problems(path, *overrides):
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides)
    return str(caught.value).splitlines()


def test_each_direction_is_as_its_sender_has_it(path):
    network = built(path)
    assert list(network.nodes) == ["client", "server", "R1", "R2", "R3"]
    wifi, lte, near = (network.links[name] for name in ("wifi", "lte", "near"))
    assert (wifi.forward.spec.rate_bps, wifi.backward.spec.rate_bps) == (100_000_000, 1_000_000)
    assert (lte.forward.spec.delay_ns, lte.backward.spec.delay_ns) == (10_000_000, 12_000_000)
    assert (near.forward.spec.loss, near.backward.spec.loss) == (0, 0.25)
    assert (wifi.backward.spec.jitter_ns, wifi.forward.spec.jitter_ns) == (3_000, 0)


def test_a_bdp_is_the_lowest_rate_of_the_way_times_its_round_trip(path):
    links = built(path).links
    by_wifi_ns, by_lte_ns = 12_000_000, 24_000_000
    assert {
        name: (links[name].forward.spec.queue.limit_bytes, links[name].backward.spec.queue.limit_bytes)
        for name in ("wifi", "lte", "last")
    } == {
        "wifi": (2 * 50 * by_wifi_ns // 8_000, 2 * 1 * by_wifi_ns // 8_000),
        "lte": (by_lte_ns // 8_000 // 2, 50 * by_lte_ns // 8_000 // 2),
        "last": (max(50 * by_wifi_ns, 1 * by_lte_ns) // 8_000, max(1 * by_wifi_ns, 50 * by_lte_ns) // 8_000),
    }


def test_paths_are_the_client_s_links(path):
    assert client_paths(load(path).variant("default")) == ("wifi",)
    assert client_paths(load(path, ['hosts.client.paths=["lte", "wifi"]']).variant("default")) == ("lte", "wifi")


def test_a_run_crosses_all_links_of_its_route_and_no_other(path):
    [run] = load(path, ["links.near.loss=0"]).run().runs
    handed = run.counts["datagrams_delivered"] + run.counts["datagrams_dropped_queue"]
    assert handed + run.counts["datagrams_in_flight"] == run.counts["datagrams_offered"]
    assert run.counts["datagrams_offered"] > 2 * run.counts["packets_sent"]
    assert run.counts["datagrams_marked"] == 0


WRONG = [
    ('hosts.client.paths=["wfi"]', 'hosts.client.paths.0: there is no link "wfi"; did you mean "wifi"?'),
    (
        'hosts.client.paths=["wifi", "last"]',
        'hosts.client.paths.1: link "last" does not begin at the client; known here',
    ),
    ('hosts.client.paths=["wifi", "wifi"]', 'hosts.client.paths.1: link "wifi" has a path already'),
    (
        'links.last.between=["R3", "sever"]',
        'links.last.between: router "sever" has this one link only; did you mean "server"',
    ),
    ('links.last.between=["R3", "R 4"]', 'links.last.between.1: "R 4" is no name of a host or router'),
    ("links.wifi.rate.R2=1Mbps", 'links.wifi.rate.R2: \'R2\' is not known; write "client" or "R1"'),
    ("links.near.loss.server=0.1", 'links.near.loss.server: \'server\' is not known; write "R1" or "R3"'),
    ('links.near.faults=[{drop="datagram 1", from="client"}]', "links.near.faults.0.from: 'client' is not known"),
    ("links.wifi.rate={client='1Mbps'}", 'links.wifi.rate: says nothing for what "R1" sends; add R1 = ...'),
    ("links.wifi.queue.limit=2 bdp", "links.wifi.queue.limit: size '2 bdp'"),
]


@pytest.mark.parametrize(("override", "message"), WRONG, ids=[override for override, _ in WRONG])
def test_what_is_no_network_is_one_line_that_names_the_key(path, override, message):
    (line,) = problems(path, override)
    assert line.startswith((f'override "{override}": ', f"{path}: links: no route"))
    assert message in line


def test_mistakes_of_the_file_are_told_with_the_file(path):
    path.write_text(HEAD + WIFI_AND_LTE.replace('"server"]', '"sever"]'))
    assert problems(path) == [
        f'{path}: links.last.between: router "sever" has this one link only; did you mean "server"?',
    ]
    path.write_text(HEAD)
    assert problems(path) == [f"{path}: links: is missing"]


def test_a_link_beside_the_way_has_no_bdp(path):
    path.write_text(HEAD + WIFI_AND_LTE.replace('"20 packets"', '"1 BDP"'))
    assert problems(path, 'links.lte.between=["R1", "R2"]', 'links.lte.rate="1Mbps"', 'links.lte.delay="0"') == [
        f"{path}: links.{name}.queue.limit: no route between client and server goes through this link, so it has no "
        "BDP; give bytes or packets"
        for name in ("lte", "far")
    ]
