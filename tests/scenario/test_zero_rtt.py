"""Does a scenario's resumed connection save one round trip, with every application, and say what it cannot have?"""

import re
from pathlib import Path

import pytest

from quicsim.events import PacketSent
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load
from quicsim.scenario.run import trace
from tests.scenario.test_applications import HEAD

RTT_S = 0.1
APPLICATIONS = {
    "requests": 'requests = { count = 3, request_size = "100B", response_size = "500B" }',
    "concurrent requests": 'requests = { count = 3, streams = 3, request_size = "100B", response_size = "500B" }',
    "download": 'transfer = { size = "2kB", request_size = "100B" }',
    "upload": 'transfer = { size = "2kB", request_size = "100B", from = "client" }',
    "messages": 'messages = { count = 5, size = "90B", gap = "2ms" }',
    "web": 'web = { request_size = "300B", objects = [{ name = "a", size = "1kB" }] }',
    "datagrams": 'datagrams = { count = 5, size = "90B", gap = "2ms", deadline = "1s" }',
}


@pytest.fixture
def traced(tmp_path):
    def run(application, *overrides):
        path = tmp_path / "resumed.toml"
        written = HEAD.replace('delay = "10ms"', 'delay = "50ms"').replace('rate = "5Mbps"', 'rate = "1Gbps"')
        path.write_text(written + f"[flows.only]\nhosts.server.certificate_chain = '500B'\n{application}\n")
        events = []
        record = trace(load(path, overrides), "default", 0, events.append)
        return record, [event for event in events if isinstance(event, PacketSent)]

    return run


def first_data_ns(sent):
    """When the client's first packet with data of its application went out."""
    return next(
        event.time_ns
        for event in sent
        if event.component == "only.0:client" and event.space in ("0-rtt", "application")
    )


@pytest.mark.parametrize("application", APPLICATIONS.values(), ids=APPLICATIONS)
def test_each_application_sends_at_once_or_a_round_trip_later(traced, application):
    plain, sent = traced(application)
    assert first_data_ns(sent) == pytest.approx(RTT_S * 1e9, rel=0.01)
    accepted, sent = traced(application, "quic.zero_rtt=accepted")
    first, second = sent[:2]
    assert (first.time_ns, first.space, second.time_ns, second.space) == (0, "initial", 0, "0-rtt")
    assert first.size_bytes < 1_200, "the two share a datagram, and its padding"
    rejected, sent = traced(application, "quic.zero_rtt=rejected")
    assert first_data_ns(sent) == 0
    for record in (plain, accepted, rejected):
        assert record.metrics
    assert len({plain.digest, accepted.digest, rejected.digest}) == 3


def test_a_request_ends_one_round_trip_earlier(traced):
    """From connecting to the last byte, at three round-trip times."""
    download = APPLICATIONS["download"]
    for delay_ms in (5, 50, 200):
        delay = f"links.access.delay={delay_ms}ms"
        plain, _ = traced(download, delay)
        accepted, _ = traced(download, delay, "quic.zero_rtt=accepted")
        rejected, _ = traced(download, delay, "quic.zero_rtt=rejected")
        took = [record.metrics["only.completion_s"] for record in (plain, accepted, rejected)]
        rtt_s = 2 * delay_ms / 1_000
        assert took == pytest.approx([2 * rtt_s, rtt_s, 2 * rtt_s], rel=0.02)


def test_a_server_without_tickets_resumes_nothing(traced):
    _, sent = traced(APPLICATIONS["download"], "hosts.client.zero_rtt=accepted")
    certificate = [event for event in sent if event.space == "handshake" and event.component == "only.0:server"]
    assert sum(event.size_bytes for event in certificate) > 900


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("quic.zero_rtt=maybe", '\'maybe\' is not known; write "accepted" or "rejected"'),
        ("hosts.client.zero_rtt=true", "hosts.client.zero_rtt"),
        ("hosts={client={profile='aioquic', zero_rtt='accepted'}, server={profile='aioquic'}}", "has no such choice"),
    ],
)
def test_what_cannot_be_is_one_line(traced, override, message):
    with pytest.raises(ScenarioError) as caught:
        traced(APPLICATIONS["download"], override)
    (line,) = str(caught.value).splitlines()
    assert message in line


def test_an_answer_is_held_to_three_times_the_request_unless_a_token_proves_the_address(traced):
    """9 kB do not fit in three times 1200 bytes: without a token the rest takes another round trip."""
    download = 'transfer = { size = "9kB", request_size = "100B" }'
    limited, _ = traced(download, "quic.zero_rtt=accepted")
    proved, _ = traced(download, "quic.zero_rtt=accepted", "hosts.client.token=true")
    took = [record.metrics["only.completion_s"] for record in (limited, proved)]
    assert took == pytest.approx([2 * RTT_S, RTT_S], rel=0.1)


COLUMNS = (
    (),
    ("quic.zero_rtt=accepted",),
    ("quic.zero_rtt=accepted", "hosts.client.token=true"),
    ("hosts.server.retry=true",),
)
"""Of the table in docs/scenarios.md."""


def test_the_figures_of_the_guide_are_those_that_come_out():
    text = (
        (Path(__file__).parents[2] / "docs/scenarios.md")
        .read_text(encoding="utf-8")
        .partition("### What 0-RTT and Retry change")[2]
    )
    rows = re.findall(r"^\| (\d+) kB ((?:\| [\d.]+ ms )+)\|$", text.partition("\n### ")[0], re.MULTILINE)
    assert [int(size) for size, _ in rows] == [3, 5, 20]
    for size, told in rows:
        took = [
            load("bulk_download", [f"transfer.size={size}kB", *given]).run().runs[0].metrics["completion_s"]
            for given in COLUMNS
        ]
        assert told.split("|")[1:] == [f" {each * 1000:.1f} ms " for each in took]
