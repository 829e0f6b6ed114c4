"""Do the links of a file become the network that it describes, and is one that is none refused by its key?"""

from dataclasses import replace
from fractions import Fraction

import pytest

from quicsim.clock import Clock
from quicsim.events import DatagramMarked, PacketDropped, Trace
from quicsim.net.datagram import DropReason
from quicsim.net.red import LinuxRed, Red
from quicsim.randomness import Streams
from quicsim.scenario.build import LinkTrace
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


def alone(scenario):
    setup = scenario.variant("default")
    return setup, setup.every_flow[""]


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
    assert client_paths(*alone(load(path))) == ("wifi",)
    both = ['hosts.client.paths=["lte", "wifi"]', "hosts.client.profile=mp-quic"]
    assert client_paths(*alone(load(path, both))) == ("lte", "wifi")


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
        'hosts.client.paths=["wifi", "lte"]',
        'hosts.client.paths: profile "rfc9002" uses one path; give one link, or take profile "mp-quic"',
    ),
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


ORDER = "in the wrong order; give 0 < min < max <= limit"
RED_WRONG = [
    ("max = '2 BDP', min = '3 BDP'", "queue", f"min is 225000, max 150000 and limit 750000 bytes: {ORDER}"),
    ("max = '11 BDP', min = '3 BDP'", "queue", f'max 825000 and limit 750000 bytes: {ORDER} (for what "client" sends)'),
    ("min = '6000B'", "queue", f'max 18000 and limit 15000 bytes: {ORDER} (for what "R1" sends)'),
    ("min = '5 packets'", "queue.min", "counts packets and limit counts BDP"),
    ("burst = 5", "queue.burst", 'is for a queue of kind "linux-red"; this one is "red"'),
    ("max_p = 0", "queue", "max_p is 0; give more than 0, and 1 at most"),
    ("max_p = 2", "queue.max_p", "2 is not a probability; it must lie between 0 and 1"),
    ("weight = 0", "queue", "weight is 0; give more than 0"),
    ("idle = '0'", "queue", "idle is 0; give 1 or more"),
    ("gentle = 1", "queue.gentle", "1 is neither true nor false; write one of them"),
    ("gental = true", "queue.gental", 'unknown key; did you mean "gentle"?'),
]


@pytest.mark.parametrize(("written", "place", "message"), RED_WRONG, ids=[written for written, _, _ in RED_WRONG])
def test_a_red_that_cannot_be_is_told_by_its_key(path, written, place, message):
    """10 BDP are 750 kB of what the client sends over wifi, 15 kB of what R1 sends."""
    override = f"links.wifi.queue={{kind = 'red', limit = '10 BDP', {written}}}"
    (line,) = problems(path, override)
    assert line.startswith(f'override "{override}": links.wifi.{place}: ')
    assert message in line


@pytest.mark.parametrize(
    ("written", "place", "message"),
    [
        ("limit = '100 packets'", "queue.limit", "Linux's red counts bytes; give a size, or BDP"),
        (
            "limit = '64KiB', min = '20KiB', max='30KiB', burst = 5",
            "queue",
            "burst is 5 packets, too few for min",
        ),
        ("limit = '64KiB', wait = true, gentle = false", "queue.gentle", 'is for a queue of kind "red"'),
    ],
)
def test_a_linux_red_that_cannot_be_is_told_by_its_key(path, written, place, message):
    line = problems(path, f"links.wifi.queue={{kind = 'linux-red', {written}}}")[0]
    assert f"links.wifi.{place}: " in line
    assert message in line


def test_every_key_of_a_red_reaches_it(path):
    written = """kind = "red", limit = "100 packets", min = "5 packets", max = "20 packets", max_p = "1/10",
        weight = 0.25, mean_packet = "500B", idle = "2ms", gentle = true, wait = true, ecn = true, hard_drop = true"""
    path.write_text(HEAD + WIFI_AND_LTE.replace('kind = "drop-tail", limit = "2 BDP"', " ".join(written.split())))
    assert built(path).links["wifi"].forward.spec.queue == Red(
        minimum=5,
        maximum=20,
        limit=100,
        in_packets=True,
        max_probability=Fraction(1, 10),
        weight=Fraction(1, 4),
        mean_packet_bytes=500,
        packet_time_ns=2_000_000,
        gentle=True,
        wait=True,
        ecn=True,
        hard_drop=True,
    )


def test_every_key_of_a_linux_red_reaches_it(path):
    written = """kind = "linux-red", limit = "1MB", min = "30000B", max = "35000B", max_p = 1, mean_packet = "1500B",
        burst = 20, bandwidth = "4Mbps", ecn = true, hard_drop = true, at_least = { R1 = "2MB" }"""
    path.write_text(HEAD + WIFI_AND_LTE.replace('kind = "drop-tail", limit = "2 BDP"', " ".join(written.split())))
    wifi = built(path).links["wifi"]
    expected = LinuxRed(
        minimum_bytes=30_000,
        maximum_bytes=35_000,
        limit_bytes=1_000_000,
        bandwidth_bps=4_000_000,
        max_probability=Fraction(1),
        mean_packet_bytes=1500,
        burst_packets=20,
        ecn=True,
        hard_drop=True,
    )
    assert wifi.forward.spec.queue == expected
    assert wifi.backward.spec.queue == replace(expected, limit_bytes=2_000_000)


def test_what_is_not_written_of_a_red_is_what_tc_takes(path):
    network = built(
        path, "links.wifi.queue={kind='linux-red', limit='60000B'}", "links.lte.queue={kind='red', limit='9kB'}"
    )
    linux = network.links["wifi"].backward.spec.queue
    assert (linux.minimum_bytes, linux.maximum_bytes, linux.bandwidth_bps) == (5_000, 15_000, 1_000_000)
    queue = network.links["lte"].backward.spec.queue
    assert (queue.minimum, queue.maximum, queue.packet_time_ns) == (750, 2_250, None)


@pytest.mark.parametrize("kind", ["red", "linux-red"])
def test_a_run_with_a_red_queue_drops_before_it_is_full(path, kind):
    """The buffer alone would hold the whole transfer."""
    weight = ", weight=0.1" if kind == "red" else ""
    queue = f"links.wifi.queue={{kind='{kind}', limit='900kB', min='5kB', max='15kB', max_p=0.1{weight}}}"
    scenario = load(path, ["links.near.loss=0", "transfer.size=500kB", queue])
    [run], [again] = scenario.run().runs, scenario.run().runs
    assert run == again
    counts = run.counts
    refused = counts["datagrams_offered"] - counts["datagrams_delivered"] - counts["datagrams_in_flight"]
    assert 0 < counts["datagrams_dropped_queue"] == refused


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
        f"{path}: links.{name}.queue.limit: no route between client and server goes through this link: it has no BDP; "
        "give bytes or packets"
        for name in ("lte", "far")
    ]


def test_a_mark_is_an_event_and_part_of_the_digest():
    trace, seen = Trace(), []
    trace.subscribers.append(seen.append)
    link_trace = LinkTrace([trace.component("wifi:client>R1"), trace.component("wifi:R1>client")])
    before = trace.digest()
    link_trace.marked(1, 7, 5_000, 1_280)
    marked = trace.digest()
    link_trace.dropped(1, 7, 5_000, 1_280, DropReason.QUEUE)
    assert len({before, marked, trace.digest()}) == 3
    assert seen == [
        DatagramMarked(5_000, "wifi:R1>client", 7, 1_280),
        PacketDropped(5_000, "wifi:R1>client", 7, 1_280, "queue"),
    ]
