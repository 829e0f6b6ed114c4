"""Explicit congestion notification without a plugin: who marks, who counts, and when a path is taken to carry marks."""

import pytest

from quicsim.events import PacketReceived, PacketSent
from quicsim.quic.ecn import TESTED_PACKETS, count_mark
from quicsim.quic.errors import QuicError
from quicsim.quic.frames import AckFrame, EcnCounts
from quicsim.quic.packet import CE, ECT_0, ECT_1, NOT_ECT
from quicsim.quic.states import EcnState
from quicsim.scenario.load import load
from tests.quic.network import Network, Weather
from tests.quic.pipe import a_connection, request_answers, settled

CALM = Weather()


def exchange(back=CALM, *, rewrite=None, response_bytes=200_000, **settings):
    """A response under ECN, the server's datagrams through this weather; their codepoints as `rewrite` has them."""
    network = request_answers(
        Network(weather={"client": CALM, "server": back}, **{"ecn": True} | settings), response_bytes=response_bytes
    )
    network.codepoints = []
    send = network._send

    def noting(name, datagram):
        if name == "server":
            network.codepoints.append(datagram.ecn)
        send(name, datagram)
        if name == "server" and rewrite is not None:
            datagram.ecn = rewrite(len(network.codepoints) - 1, datagram.ecn)

    network._send = noting
    network.trace.subscribers.append((events := []).append)
    network.connect()
    network.run(settled(1))
    assert settled(1)(network)
    return network, events


def acks(events, component):
    return [
        frame
        for event in events
        if isinstance(event, PacketSent) and event.component == component
        for frame in event.frames
        if isinstance(frame, AckFrame)
    ]


def test_a_path_that_carries_marks_is_capable_and_everything_is_marked():
    network, events = exchange()
    for side in network.sides.values():
        assert side.connection.path.ecn.state is EcnState.CAPABLE
        assert side.connection.path.ecn_codepoint == ECT_0
    assert set(network.codepoints) == {ECT_0}
    reported = acks(events, "client")[-1].ecn
    received = sum(isinstance(e, PacketReceived) and e.component == "client" and e.space == "application"
                   for e in events)  # fmt: skip
    assert reported == EcnCounts(received, 0, 0)


def test_without_the_setting_nothing_is_marked_and_nothing_is_reported():
    network, events = exchange(ecn=False)
    assert set(network.codepoints) == {NOT_ECT}
    assert network.server.path.ecn is None
    assert all(frame.ecn is None for name in network.sides for frame in acks(events, name))


def test_marks_are_counted_whoever_sent_them():
    """Section 13.4.1: an endpoint reports what it sees even where it marks nothing itself."""
    _, events = exchange(ecn=False, rewrite=lambda index, codepoint: (ECT_1, ECT_0, CE)[index % 3])
    last = acks(events, "client")[-1].ecn
    assert min(last) > 20
    assert max(last) - min(last) <= 2


@pytest.mark.parametrize("profile", ["picoquic", "mp-quic"])
def test_the_stacks_of_before_know_nothing_of_it(profile):
    with pytest.raises(QuicError, match=f"profile {profile} has no ECN of its own; push the plugin ecn"):
        a_connection("client", profile, ecn=True)
    _, events = exchange(profile=profile, ecn=False, rewrite=lambda index, codepoint: CE)
    assert all(frame.ecn is None for frame in acks(events, "client"))


def test_only_the_first_packets_are_marked_until_one_is_acknowledged():
    network = Network(weather={"client": CALM, "server": CALM}, ecn=True)
    client = network.client
    client.send(client.open_stream(), 100_000)
    network.connect()
    assert client.path.ecn.state is EcnState.TESTING
    sent = 0
    while client.path.ecn.state is EcnState.TESTING and sent < 3 * TESTED_PACKETS:  # nothing ever arrives
        client.on_deadline(client.deadline_ns)
        sent += len(client.datagrams_to_send(client.deadline_ns))
    assert client.path.ecn.state is EcnState.UNKNOWN
    assert client.path.ecn_codepoint == NOT_ECT


@pytest.mark.parametrize(
    ("rewrite", "why"),
    [
        (lambda index, codepoint: NOT_ECT, "bleached: counts are missing"),
        (lambda index, codepoint: NOT_ECT if index % 2 else codepoint, "bleached in part: they are too low"),
        (lambda index, codepoint: ECT_1 if codepoint else codepoint, "ECT(1), which nobody sent"),
    ],
    ids=["all bleached", "half bleached", "re-marked"],
)
def test_a_path_that_changes_marks_fails_and_is_used_without(rewrite, why):
    network, _ = exchange(rewrite=rewrite)
    assert network.server.path.ecn.state is EcnState.FAILED, why
    assert network.server.path.ecn_codepoint == NOT_ECT
    assert network.codepoints[-1] == NOT_ECT
    assert network.client.path.ecn.state is EcnState.CAPABLE, "the other direction is another matter"


def test_counts_that_pass_what_was_sent_fail():
    """A peer that reports more marks than there were packets (section 13.4.2.1)."""
    network = request_answers(Network(weather={"client": CALM, "server": CALM}, ecn=True), response_bytes=50_000)
    frame = network.client.path.application.received.frame

    def boast(now_ns):
        honest = frame(now_ns)
        return honest._replace(ecn=EcnCounts(10_000, 0, 0)) if honest.ecn else honest

    network.connect()
    received = network.client.path.application.received
    original = type(received).frame
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(received), "frame", lambda self, now: boast(now) if self is received else original(self, now)
        )
        network.run(settled(1))
    assert network.server.path.ecn.state is EcnState.FAILED


def test_a_path_that_drops_what_is_marked_is_used_without():
    """Appendix A.4: all marked packets lost."""
    network = Network(weather={"client": CALM, "server": CALM}, ecn=True)
    network = request_answers(network, response_bytes=100_000)
    send = network._send

    def swallow(name, datagram):
        if name == "server" and datagram.ecn:
            network._measure(name, datagram)
            network.sent += 1
            network.dropped += 1
        else:
            send(name, datagram)

    network._send = swallow
    network.connect()
    network.run(settled(1))
    assert network.sides["client"].delivered == {0: 100_000}
    assert network.server.path.ecn.state is EcnState.FAILED
    assert 3 <= network.dropped <= TESTED_PACKETS, "datagrams, of a packet or more each"


def test_a_mark_cuts_the_window_once_a_round_trip_and_repeats_nothing():
    marked = Weather(marked=frozenset(range(60, 66)))
    network, _ = exchange(marked, response_bytes=400_000)
    plain, _ = exchange(response_bytes=400_000)
    assert network.server.counts.packets_lost == network.server.counts.packets_retransmitted == 0
    assert network.server.path.ssthresh_bytes < 1 << 62 == plain.server.path.ssthresh_bytes
    cuts = []
    again = request_answers(Network(weather={"client": CALM, "server": marked}, ecn=True), response_bytes=400_000)
    again.connect()
    while not settled(1)(again):
        before = again.server.path.cwnd_bytes
        again.step()
        if again.server.path.cwnd_bytes < before:
            cuts.append((before, again.server.path.cwnd_bytes))
    assert [after for before, after in cuts] == [before // 2 for before, after in cuts]
    assert len(cuts) == 1, "six marks, one round trip"


def test_congestion_experienced_is_acknowledged_at_once():
    """Section 13.2.1. With a long delay for the rest, only what is marked is acknowledged on its own."""
    delays = {}
    for codepoint in (ECT_0, CE):
        network = Network(weather={"client": CALM, "server": CALM}, ecn=True, max_ack_delay_ns=200_000_000)
        network.connect()
        network.run(lambda n: n.client.is_confirmed and n.server.is_confirmed and not n.heap)
        network.run(lambda n: not n.server.path.bytes_in_flight)
        network.server.send(network.server.open_stream(), 500)
        before = network.now_ns
        (datagram,) = network.server.datagrams_to_send(before)
        datagram.ecn = codepoint
        network.client.receive(datagram, before)
        answers = network.client.datagrams_to_send(before)
        delays[codepoint] = 0 if answers else network.client.deadline_ns - before
    assert delays == {ECT_0: 200_000_000, CE: 0}


def test_counts_of_each_codepoint():
    counts = None
    for codepoint in (ECT_0, ECT_0, CE, ECT_1):
        counts = count_mark(counts, codepoint)
    assert counts == EcnCounts(2, 1, 1)


# In a scenario

RED = 'links.bottleneck.queue={ kind = "linux-red", limit = "5 BDP", min = "2 BDP", max = "2.333 BDP", max_p = 1, mean_packet = "1500B", ecn = true }'  # noqa: E501
NATIVE = ("hosts.client.profile=rfc9002", "hosts.server.profile=rfc9002", RED, "transfer.size=1MB")


def run(*overrides):
    scenario = load("fig4_ecn", overrides=[*NATIVE, *overrides])
    return scenario.run(variants=["without"], replications=1).runs[0]


def test_in_figure_4s_download_marks_take_the_place_of_losses():
    """Those that are left fall before the queue's average reaches the threshold, as with the plugin."""
    plain = run()
    marked = run("hosts.server.ecn=true")
    assert plain.counts["datagrams_marked"] == 0 < plain.counts["packets_lost"]
    assert marked.counts["packets_lost"] < plain.counts["packets_lost"] / 10
    assert marked.counts["datagrams_marked"] > 100


def test_a_scenario_says_which_profiles_have_it():
    with pytest.raises(Exception, match=r'profile "picoquic" has no ECN of its own; take profile "rfc9002"'):
        load("fig4_ecn", overrides=["hosts.server.ecn=true"])
