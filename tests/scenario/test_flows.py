"""Do the connections of a file's flows share its network, each with its own chance, and is a wrong flow refused?"""

import pytest

from quicsim.events import ConnectionStateUpdated, PacketDropped, PacketSent
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load
from quicsim.scenario.measure import jain_index
from quicsim.scenario.run import SimulationFailed, trace

HEAD = """
title = "Flows"
source = "this test"
[hosts.client]
profile = "rfc9002"
start_phase = "10ms"
[hosts.server]
profile = "rfc9002"
"""

LINKS = """
[links.near]
between = ["near", "R1"]
rate = "100Mbps"
delay = "1ms"
queue = { kind = "drop-tail", limit = "100 packets" }
[links.far]
between = ["far", "R1"]
rate = "100Mbps"
delay = "20ms"
queue = { kind = "drop-tail", limit = "100 packets" }
[links.bottleneck]
between = ["R1", "server"]
rate = "10Mbps"
delay = "10ms"
queue = { kind = "drop-tail", limit = "1 BDP" }
"""

FLOWS = """
[transfer]
size = "60kB"
request_size = "100B"
[flows.short]
between = ["near", "server"]
count = 2
spacing = "5ms"
[flows.long]
between = ["far", "server"]
start = "7ms"
hosts.client.start_phase = "0"
hosts.server.datagram_size = "1300B"
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "flows.toml"
    path.write_text(HEAD + FLOWS + LINKS)
    return path


def traced(path, *overrides):
    events = []
    record = trace(load(path, overrides), "default", 0, events.append)
    return record, events


def started(events):
    """When each client connected."""
    return {
        event.component: event.time_ns
        for event in events
        if isinstance(event, ConnectionStateUpdated) and event.old == "idle" and event.component.endswith("client")
    }


def test_each_flow_is_the_file_with_what_it_says_itself(path):
    flows = load(path).variant("default").every_flow
    assert {name: flow.hosts.server.datagram_size_bytes for name, flow in flows.items()} == {
        "short": None,
        "long": 1300,
    }
    assert all(flow.transfer.size_bytes == 60_000 for flow in flows.values())
    own = load(path, ["flows.long.messages={count=1, size='1B'}"]).variant("default").every_flow["long"]
    assert own.chosen == ("messages",)


def test_connections_start_by_their_flow_each_with_a_chance_of_its_own(path):
    _record, events = traced(path)
    instants = started(events)
    assert set(instants) == {"short.0:client", "short.1:client", "long.0:client"}
    assert instants["long.0:client"] == 7_000_000
    phases_ns = instants["short.0:client"], instants["short.1:client"] - 5_000_000
    assert all(0 < phase_ns < 10_000_000 for phase_ns in phases_ns)
    assert len(set(phases_ns)) == 2
    _record, events = traced(path, "flows.short.count=3", "flows.long.count=0")
    assert {name: started(events)[name] for name in ("short.0:client", "short.1:client")} == {
        name: instants[name] for name in ("short.0:client", "short.1:client")
    }


def test_a_run_tells_of_each_flow_and_of_how_they_share(path):
    record, events = traced(path)
    assert list(record.metrics) == [
        "short.completion_s",
        "short.goodput_bps",
        "long.completion_s",
        "long.goodput_bps",
        "fairness_jain",
    ]
    assert len(record.samples["short.completion_s"]) == 2
    assert 1 / 3 < record.metrics["fairness_jain"] < 1
    assert record.counts["packets_sent"] == sum(isinstance(event, PacketSent) for event in events)
    largest = {event.component: 0 for event in events if isinstance(event, PacketSent)}
    for event in events:
        if isinstance(event, PacketSent):
            largest[event.component] = max(largest[event.component], event.size_bytes)
    assert largest["long.0:server"] == 1300
    assert largest["short.0:server"] == 1200


def test_samples_of_a_flow_are_those_of_all_its_connections(path):
    requests = "flows.short.requests={count=3, request_size='100B', response_size='500B'}"
    record, _events = traced(path, requests)
    assert len(record.samples["short.completion_s"]) == 6
    assert len(record.samples["long.completion_s"]) == 1


def test_one_connection_of_one_flow_is_the_scenario_without_flows():
    alone = load("bulk_download", ["transfer.size=200kB"]).run()
    as_flow = load("bulk_download", ["transfer.size=200kB", "flows.all.count=1"]).run()
    assert as_flow.digest == alone.digest
    assert as_flow.runs[0].metrics == {f"all.{name}": value for name, value in alone.runs[0].metrics.items()}


def test_a_rule_for_requests_knows_the_flows_apart(path):
    faults = "links.bottleneck.faults=[{drop='first packet of each request', from='R1'}]"
    requests = "flows.short.requests={count=2, request_size='100B', response_size='500B'}"
    _record, events = traced(path, faults, requests, "flows.long.count=0")
    assert sum(isinstance(event, PacketDropped) and event.reason == "fault" for event in events) == 2 * 2


def test_plugins_are_on_the_flow_that_names_them(path):
    plugins = "flows.short.plugins=[{name='no_op', from='server'}]"
    record, _events = traced(path, plugins)
    assert record.counts["plugin_calls"] > 0
    assert traced(path)[0].counts["plugin_calls"] == 0
    replaced = load(path, [plugins]).with_plugin("nagle").variant("default")
    assert [[use.name for use in flow.plugins] for flow in replaced.every_flow.values()] == [["nagle"], []]


def test_what_is_not_done_is_named(path):
    with pytest.raises(SimulationFailed, match=r"1 of 3 applications had not finished .*2 s\. The long\.0:client is "):
        traced(path, "time_limit=2s", "flows.long.transfer.size=100MB")


@pytest.mark.parametrize(
    ("shares", "index"), [((1, 1, 1, 1), 1.0), ((5, 0, 0, 0), 0.25), ((3, 1), 0.8), ((10**12, 10**12), 1.0)]
)
def test_the_index_is_jain_s(shares, index):
    assert jain_index(shares) == pytest.approx(index, rel=1e-12)


def test_there_is_no_index_where_the_first_was_over_before_the_last_began(path):
    assert "fairness_jain" not in traced(path, "flows.long.start=2s")[0].metrics


WRONG = [
    ("flows.shor.count=3", 'flows.shor.count=3": unknown flow; did you mean "short"?'),
    ('flows.short.between=["near", "near"]', 'flows.short.between: has "near" talk to itself'),
    ('flows.short.between=["nea", "server"]', 'flows.short.between: no link has the end "nea"; did you mean "near"?'),
    ("flows.short.count=-1", "flows.short.count: "),
    ("flows.short.links={}", "flows.short.links: unknown key"),
    ("flows.long.hosts.server.receive_jitter=1us", 'receive_jitter: host "server" has another in flow "short"'),
    ("flows.short.hosts.client.cpu={}", 'hosts.client.cpu: host "near" has several connections'),
    ('flows.long.hosts.client.paths=["near"]', 'paths.0: link "near" does not begin at the client'),
    ("flows.long.plugins=[{name='tlpp', from='server'}]", "flows.long.plugins.0.name: "),
    ("transfer.size=-1B", "transfer.size: "),
    ('flows."a.b"={}', "is no name of a flow"),
]


@pytest.mark.parametrize(("override", "message"), WRONG, ids=[override for override, _ in WRONG])
def test_a_wrong_flow_is_one_line_that_names_it(path, override, message):
    with pytest.raises(ScenarioError) as caught:
        load(path, [override])
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f'override "{override}"')
    assert message in line


def test_a_flow_that_a_variant_mistypes_is_refused_and_one_that_it_adds_is_not(path):
    path.write_text(path.read_text() + "\n[variants.more]\nflows.shrt.count = 5\n")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert str(caught.value) == (
        f'{path}: variants.more.flows.shrt: unknown flow; did you mean "short"? '
        "a new one has its own between or application"
    )
    path.write_text(path.read_text().replace("flows.shrt.count = 5", 'flows.new = { between = ["far", "server"] }'))
    assert list(load(path).variant("more").every_flow) == ["short", "long", "new"]


def test_flows_that_are_all_empty_are_refused(path):
    with pytest.raises(ScenarioError, match="every flow has count = 0; give one of them 1 or more"):
        load(path, ["flows.short.count=0", "flows.long.count=0"])
