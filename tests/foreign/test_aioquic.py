"""Does the real aioquic run on our links in virtual time, to the bit the same each time, with every application?"""

import os
import subprocess
import sys

import pytest

from quicsim.events import PacketDropped, PacketReceived, PacketSent, Trace
from quicsim.quic.settings import Settings
from quicsim.randomness import Streams
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load
from quicsim.scenario.run import trace

aioquic = pytest.importorskip("aioquic.quic.connection", reason="the extra aioquic is not installed")

from quicsim.foreign.aioquic import AioquicConnection  # noqa: E402 - where aioquic is there

BOTH = ("quic.profile=aioquic", "links.bottleneck.loss.server=0.02")
STREAMS = "requests={count=12, request_size='300B', response_size='9kB', streams=6}"
APPLICATIONS = {
    "download": "transfer.size=200kB",
    "upload": "transfer={size='200kB', from='client', request_size='1B'}",
    "endless": "transfer={until='500ms', request_size='100B'}",
    "source": "transfer={size='60kB', rate='1Mbps', request_size='100B'}",
    "requests": STREAMS,
    "abandoned": STREAMS.replace("9kB", "90kB").replace("}", ", abandon_after='200ms'}"),
    "datagrams": "datagrams={count=30, size='160B', gap='20ms', deadline='150ms', from='server'}",
    "messages": "messages={count=30, size='90B', gap='2ms'}",
    "video": "video={segments=3, segment='1s', bitrates=['300kbps', '1Mbps'], adaptation='buffer', buffer='4s', "
    "startup='1s', request_size='200B'}",
    "web": "web={request_size='300B', objects=[{name='a', size='5kB'}, {name='b', size='50kB', after=['a']}]}",
}


def scenario(application, *overrides):
    """bulk_download on aioquic; an application beside its own stands in a flow."""
    if not application.startswith("transfer"):
        application = f"flows.only.{application}"
    return load("bulk_download", [*BOTH, application, *overrides])


def traced(*arguments):
    events = []
    return trace(scenario(*arguments), "default", 0, events.append), events


@pytest.mark.parametrize("application", APPLICATIONS.values(), ids=APPLICATIONS)
def test_every_application_runs_on_it_twice_the_same(application):
    first, events = traced(application)
    again, same_events = traced(application)
    assert first.digest == again.digest
    assert [event for event in events if not isinstance(event, (PacketSent, PacketReceived))] == [
        event for event in same_events if not isinstance(event, (PacketSent, PacketReceived))
    ]
    assert all(value > 0 for name, value in first.metrics.items() if name.endswith(("completion_s", "goodput_bps")))
    assert first.counts["packets_sent"] == sum(isinstance(event, PacketSent) for event in events)


PROGRAM = """
from tests.foreign.test_aioquic import STREAMS, scenario
import hashlib, quicsim.net.link as link
seen = hashlib.blake2b()
send = link.LinkDirection.send
def hashing(direction, datagram):
    seen.update(datagram.payload.data)
    return send(direction, datagram)
link.LinkDirection.send = hashing
print(scenario(STREAMS).run().digest, seen.hexdigest())
"""


def test_not_a_byte_on_the_wire_depends_on_the_hash_seed_or_the_process():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 2


def test_another_seed_is_another_run():
    assert scenario(STREAMS).run(seed=1).digest != scenario(STREAMS).run(seed=2).digest


def test_a_timer_that_expires_in_vain_expires_again_a_nanosecond_later():
    """Floats: here sent + delay is not after the deadline, yet deadline - delay is before sent, and nothing is lost."""
    sent_ns, rtt = 1_000_003, 0.04
    client = AioquicConnection(
        is_client=True, settings=Settings(), recorder=Trace().component("client"), stream=Streams(0, 0).stream("x")
    )
    client.connect(sent_ns)
    client.datagrams_to_send(sent_ns)
    recovery = client._connection._loss
    recovery._rtt_initialized, recovery._rtt_latest, recovery._rtt_smoothed = True, rtt, rtt
    initial = recovery.spaces[0]
    (number,) = initial.sent_packets
    initial.largest_acked_packet = number + 1  # of two that were sent the second arrived
    recovery._detect_loss(now=sent_ns / 1e9, space=initial)
    client.datagrams_to_send(sent_ns)
    due_ns = client.deadline_ns
    client.on_deadline(due_ns)
    client.datagrams_to_send(due_ns)
    assert number in initial.sent_packets, "rounded down"
    assert client.deadline_ns == due_ns + 1
    client.on_deadline(due_ns + 1)
    client.datagrams_to_send(due_ns + 1)
    assert number not in initial.sent_packets


def test_aioquic_is_left_as_it_was():
    scenario(APPLICATIONS["download"]).run()
    assert aioquic.os.urandom is os.urandom
    assert aioquic.QuicStream is sys.modules["aioquic.quic.stream"].QuicStream


def test_packets_fill_their_datagrams_and_requests_are_labelled():
    faults = "links.bottleneck.faults=[{drop='first packet of each request', from='client'}]"
    in_turn = STREAMS.replace("streams=6", "streams=1").replace("count=12", "count=4")
    record, events = traced(in_turn, faults, "links.bottleneck.loss=0")
    assert sum(isinstance(event, PacketDropped) and event.reason == "fault" for event in events) == 4
    sent = {
        (event.component, event.space, event.number): event.size_bytes
        for event in events
        if isinstance(event, PacketSent)
    }
    assert len(sent) == record.counts["packets_sent"], "aioquic numbers packets over all spaces"
    peers = {"only.0:client": "only.0:server", "only.0:server": "only.0:client"}
    received = [event for event in events if isinstance(event, PacketReceived)]
    assert received
    for event in received:
        assert sent[peers[event.component], event.space, event.number] == event.size_bytes


def test_the_server_s_certificate_weighs_what_the_scenario_says():
    first = {}
    for weight in (1_000, 4_000):
        _record, events = traced(
            "transfer.size=1kB", f"hosts.server.certificate_chain={weight}B", "links.bottleneck.loss=0"
        )
        sent = [event for event in events if isinstance(event, PacketSent) and event.component == "server"]
        frames = [frame for event in sent for frame in event.frames if event.space == "handshake"]
        first[weight] = max(frame["offset"] + frame["length"] for frame in frames if frame["frame_type"] == "crypto")
    assert first[4_000] - first[1_000] == 3_000


WRONG = [
    (["hosts.server.profile=rfc9002"], 'hosts.server.profile: "aioquic" talks to itself only'),
    (["plugins=[{name='tlp', from='server'}]"], 'plugins: profile "aioquic" runs no plugins'),
    (["quic.max_ack_delay=26ms"], "quic.max_ack_delay: aioquic tells its peer 25 ms whatever it is"),
    (["hosts.client.bridge=copied"], 'hosts.client.bridge: profile "aioquic" has no such choice'),
    (["hosts.client.initial_max_path_id=0"], 'hosts.client.initial_max_path_id: profile "aioquic" has no such choice'),
    (["hosts.client.congestion_control=olia"], "has no \"olia\"; write 'newreno' or 'cubic'"),
]


@pytest.mark.parametrize(("overrides", "message"), WRONG, ids=[wrong[0] for wrong, _ in WRONG])
def test_what_it_cannot_do_is_refused_by_its_key(overrides, message):
    with pytest.raises(ScenarioError) as caught:
        scenario("transfer.size=1kB", *overrides)
    assert message in str(caught.value)


def test_a_certificate_that_cannot_be_so_light_is_refused():
    from quicsim.foreign.certificate import certificate
    from quicsim.quic.errors import QuicError

    with pytest.raises(QuicError, match=r"certificate_chain is 100 bytes; aioquic's server can show \d+ or more"):
        certificate(100)
