"""Does tlp do what the paper says: probe a tail early, at most twice, never later than the default, and cut nothing?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.events import PacketSent
from quicsim.operations import operation_named
from quicsim.plugin.package import load_plugin
from quicsim.reproduce.c_lines import code_lines
from tests.plugin.pipe import MILLISECOND, Pipe, word
from tests.plugin.twins import in_scenario, on_pipe, same_run

TLP = load_plugin((locate.plugin("tlp") / "tlp.o").read_bytes(), source="tlp.o")
PROBE_AT, TAIL, PROBES = range(3)
"""The words of its memory."""

SET_TIMER = operation_named("SetTimer")


@pytest.fixture(params=["picoquic", "rfc9002"])
def pipe(request):
    pipe = Pipe(request.param)
    pipe.connect()
    return pipe


def outstanding(pipe, packets):
    """Let the client have so many ack-eliciting packets in flight, sent just now."""
    pipe.drops = lambda sender, index, datagram: sender == "client"
    for _ in range(packets):
        pipe.send(100)
    assert pipe.client.connection.path.outstanding_ack_eliciting == packets


def timer(pipe):
    connection = pipe.client.connection
    connection.now_ns = pipe.now_ns
    deadline_ns = connection.operations.set_timer(connection, connection.path)
    return deadline_ns - pipe.now_ns if deadline_ns else 0


def default_timer(pipe):
    connection = pipe.client.connection
    deadline_ns = SET_TIMER.default_for(connection.profile.name)(connection, connection.path)
    return deadline_ns - pipe.now_ns if deadline_ns else 0


def test_it_is_as_short_as_the_paper_s():
    """36 lines are TLP proper there (section 3.1.1); here, all behind the structure but blanks and comments."""
    source = (locate.plugin("tlp") / "tlp.c").read_text()
    _before, _structure, rest = source.partition("struct tlp_state {")
    assert code_lines(rest.partition("};")[2]) <= 36


# --------------------------------------------------------------------------------------------------------- SetTimer


@pytest.mark.parametrize(
    ("packets", "smoothed_ms", "max_ack_delay_ms", "expected_ms"),
    [
        (1, 10, 15, 30),  # the paper: 1.5 * RTT + WDT
        (1, 20, 15, 45),
        (1, 10, 6, 21),
        (1, 10, 2, 20),  # 17 would be less than 2 * RTT
        (1, 40, 0, 80),
        (2, 10, 15, 20),  # several: 2 * RTT
        (5, 12, 15, 24),
        (2, 3, 15, 10),  # at least 10 ms
        (3, 5, 0, 10),
    ],
)
def test_the_timer_of_a_tail(packets, smoothed_ms, max_ack_delay_ms, expected_ms, pipe):
    pipe.client.attach(TLP)
    outstanding(pipe, packets)
    connection = pipe.client.connection
    connection.path.rtt.smoothed_ns = smoothed_ms * MILLISECOND
    connection.path.rtt.variation_ns = 25 * MILLISECOND  # so that the default's is later
    connection.peer_max_ack_delay_ns = max_ack_delay_ms * MILLISECOND
    assert timer(pipe) == expected_ms * MILLISECOND
    assert connection.counts.plugin_faults == 0


@settings(deadline=None)
@given(
    packets=st.integers(0, 6),
    smoothed_ns=st.integers(1, 10**10),
    variation_ns=st.integers(0, 10**9),
    max_ack_delay_ns=st.integers(0, 10**9),
    profile=st.sampled_from(["picoquic", "rfc9002"]),
)
def test_the_timer_is_the_draft_s_and_never_later_than_the_default(
    packets, smoothed_ns, variation_ns, max_ack_delay_ns, profile
):
    pipe = Pipe(profile, watched=False)
    pipe.connect()
    attachment = pipe.client.attach(TLP)
    outstanding(pipe, packets)
    connection = pipe.client.connection
    connection.path.rtt.smoothed_ns = smoothed_ns
    connection.path.rtt.variation_ns = variation_ns
    connection.peer_max_ack_delay_ns = max_ack_delay_ns
    default = default_timer(pipe)
    if packets == 0:
        wanted = default
    elif packets == 1:
        wanted = max(smoothed_ns * 3 // 2 + max_ack_delay_ns, 2 * smoothed_ns)
    else:
        wanted = max(2 * smoothed_ns, 10 * MILLISECOND)
    assert timer(pipe) == min(wanted, default)
    assert (word(attachment, PROBE_AT) != 0) == (packets > 0 and wanted < default)
    assert connection.counts.plugin_faults == 0


def test_with_nothing_outstanding_the_default_stands(pipe):
    attachment = pipe.client.attach(TLP)
    assert timer(pipe) == default_timer(pipe) == 0
    assert word(attachment, PROBE_AT) == 0


# --------------------------------------------------------------------------------------------- SelectRetransmission


def select(pipe):
    connection = pipe.client.connection
    return connection.operations.select_retransmission(connection, connection.path, connection.path.application)


def test_the_last_outstanding_packet_is_repeated_when_the_probe_is_due(pipe):
    attachment = pipe.client.attach(TLP)
    outstanding(pipe, 3)
    connection = pipe.client.connection
    connection.path.rtt.variation_ns = 25 * MILLISECOND
    timer(pipe)
    connection.now_ns = word(attachment, PROBE_AT) - 1
    connection.path.timer_expired = True
    assert select(pipe) == 0  # too early: the default has nothing to repeat either
    connection.now_ns += 1
    connection.path.timer_expired = False
    assert select(pipe) == 0  # another trigger
    connection.path.timer_expired = True
    assert select(pipe) == max(connection.path.application.outstanding) + 1
    assert (word(attachment, PROBES), word(attachment, PROBE_AT)) == (1, 0)
    assert select(pipe) == 0  # once


@pytest.mark.parametrize("profile", ["picoquic", "rfc9002"])
def test_two_probes_a_tail_and_no_window_is_cut(profile):
    pipe = Pipe(profile)
    pipe.connect()
    attachment = pipe.client.attach(TLP)
    path = pipe.client.connection.path
    path.rtt.variation_ns = 30 * MILLISECOND
    window = path.cwnd_bytes
    outstanding(pipe, 1)
    sent_ns = pipe.now_ns
    pipe.run_for(65 * MILLISECOND)
    probes = [event for event in pipe.client.of(PacketSent) if event.is_probe and event.time_ns > sent_ns]
    assert len(probes) == word(attachment, PROBES) == 2
    assert path.cwnd_bytes == window
    assert path.pto_count == 0
    assert word(attachment, PROBE_AT) == 0
    assert timer(pipe) == default_timer(pipe)  # the third is the default's
    pipe.drops = lambda sender, index, datagram: False
    pipe.run_for(2_000 * MILLISECOND)
    assert pipe.server.delivered == {0: 100}
    assert pipe.client.connection.counts.plugin_faults == 0
    pipe.send(50)
    assert word(attachment, PROBES) == 0  # another tail


# ----------------------------------------------------------------------------------------------------- a native twin


def packets_of(profile, lost, plug):
    pipe = Pipe(profile, drops=lambda sender, index, datagram: (sender, index) in lost)
    plug(pipe)
    pipe.connect()
    for size in (100, 5_000, 1):
        pipe.send(size)
        pipe.run_for(70 * MILLISECOND)
        pipe.send(2 * size, "server")
        pipe.run_for(70 * MILLISECOND)
    pipe.run_for(5_000 * MILLISECOND)
    assert len(pipe.server.delivered) == len(pipe.client.delivered) == 3
    return on_pipe(pipe)


LOSSES = st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(2, 30)), max_size=6)


def at_both(pipe):
    for side in pipe.sides.values():
        side.attach(TLP)


@settings(max_examples=40, deadline=None)
@given(LOSSES, st.sampled_from(["picoquic", "rfc9002"]))
def test_the_bytecode_and_its_native_twin_send_the_same_packets(lost, profile):
    same_run(lambda: packets_of(profile, lost, at_both), "tlp")


def test_figure_3_is_the_same_with_its_native_twin():
    """The server pushes the bytecode in both runs; in one, the client's twin takes its place from that instant on."""
    seen = same_run(lambda: in_scenario("fig3_tlp", ["requests.count=8"], "with-tlp"), "tlp")
    assert seen.of.metrics["reaction_s"] == pytest.approx(0.030, rel=0.01)


def test_the_twins_are_not_the_same_as_no_plugin():
    lost = {("client", 6), ("client", 8)}
    plugged = packets_of("picoquic", lost, lambda pipe: pipe.client.attach(TLP)).packets
    assert plugged != packets_of("picoquic", lost, lambda pipe: None).packets
    assert any(isinstance(event, PacketSent) and event.is_probe for event in plugged)
