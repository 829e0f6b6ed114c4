"""Losses that prove to be none: when is a recovery spurious, and what does each controller take back?"""

from dataclasses import replace

import pytest

from quicsim.quic.congestion.bbr_states import AckPhase, BbrState
from quicsim.quic.congestion.delivery_rate import Loss
from quicsim.quic.loss import probe_timeout_ns
from quicsim.quic.packet import APPLICATION
from quicsim.quic.profiles import PROFILES
from quicsim.quic.states import SendingProcessState
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load
from tests.quic.controlled import PACKET_BYTES, ack, lose, paths_under, profile
from tests.quic.network import Network, Weather
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS
from tests.quic.test_recovery import acknowledge, confirmed, send

LIMITED = SendingProcessState.CONGESTION_LIMITED
INFINITY = 1 << 62


def a_loss(controller, undoes=None, prr=False):
    """A sender of ten packets that has taken the first three for lost, and the window that it had before."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        chosen = replace(PROFILES["rfc9002"], undoes_spurious_losses=undoes, proportional_rate_reduction=prr)
        monkeypatch.setitem(PROFILES, "rfc9002", chosen)
        connection = confirmed(congestion_control=controller)
    send(connection, SECOND_NS, count=10)
    before = connection.path.cwnd_bytes, connection.path.ssthresh_bytes
    acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (3, 5))
    assert list(connection.path.application.lost) == [0, 1, 2]
    return connection, before


def windows(connection):
    return connection.path.cwnd_bytes, connection.path.ssthresh_bytes


@pytest.mark.parametrize(
    ("controller", "undoes", "prr", "expected"),
    [
        ("newreno", None, False, False),  # RFC 9002 does not speak of it
        ("newreno", True, False, True),
        ("newreno", True, True, True),
        ("cubic", None, False, True),  # RFC 9438 section 4.9.2
        ("cubic", None, True, True),
        ("cubic", False, False, False),
    ],
)
def test_who_takes_a_cut_back(controller, undoes, prr, expected):
    connection, before = a_loss(controller, undoes, prr)
    cut = windows(connection)
    assert cut[1] < before[1]
    acknowledge(connection, SECOND_NS + 110 * MILLISECOND_NS, (0, 5))
    assert windows(connection) == (before if expected else cut)


def repeated(connection):
    """The content of what was lost has gone out again, in other packets."""
    connection.path.application.lost.clear()


def some_are_missing(connection):
    acknowledge(connection, connection.now_ns + MILLISECOND_NS, (3, 5), (1, 1))
    acknowledge(connection, connection.now_ns + MILLISECOND_NS, (2, 5))


def a_probe_timeout_later(connection):
    connection.now_ns += probe_timeout_ns(connection, connection.path, APPLICATION) + 10 * MILLISECOND_NS


def a_mark(connection):
    connection.path.recovery.marked(SECOND_NS, connection.now_ns)


def persistent_congestion(connection):
    connection.path.congestion.timed_out(connection.path, connection.now_ns)


def another_loss(connection):
    """Of a packet sent after the cut: a congestion event of its own."""
    send(connection, SECOND_NS + 120 * MILLISECOND_NS, count=5)
    acknowledge(connection, SECOND_NS + 220 * MILLISECOND_NS, (14, 14), (3, 9))


@pytest.mark.parametrize(
    ("between", "late", "undone"),
    [
        (lambda connection: None, (0, 5), True),
        (repeated, (0, 5), True),
        (some_are_missing, (0, 5), True),  # the last of them
        (some_are_missing, (1, 5), False),
        (lambda connection: None, (1, 5), False),
        (a_probe_timeout_later, (0, 5), False),  # RFC 9000 section 13.3: it has forgotten them
        (a_mark, (0, 5), False),
        (another_loss, (0, 9), False),
        (persistent_congestion, (0, 5), False),
    ],
)
def test_when_a_recovery_was_spurious(between, late, undone):
    connection, before = a_loss("cubic")
    between(connection)
    acknowledge(connection, connection.now_ns + MILLISECOND_NS, late)
    assert (windows(connection) == before) is undone


def test_a_second_recovery_may_be_spurious_where_the_first_was_not():
    connection, _ = a_loss("cubic")
    cut = windows(connection)
    another_loss(connection)
    assert windows(connection)[1] < cut[1]
    acknowledge(connection, connection.now_ns + MILLISECOND_NS, (3, 14))
    assert windows(connection) == cut


def test_what_was_undone_can_be_cut_again_by_a_packet_of_the_same_flight():
    connection, before = a_loss("cubic")
    acknowledge(connection, SECOND_NS + 110 * MILLISECOND_NS, (0, 5))
    acknowledge(connection, SECOND_NS + 120 * MILLISECOND_NS, (9, 9), (0, 5))
    assert windows(connection)[1] < before[1]


# CUBIC


def test_cubic_goes_on_as_if_nothing_had_been_lost():
    """Section 4.9.2: window, threshold, W_max, K, epoch and W_est are all put back."""
    lucky, unlucky = (paths_under("cubic", 1, cwnd_bytes=100 * PACKET_BYTES, sending_state=LIMITED)[0] for _ in "12")
    for path in (lucky, unlucky):
        lose(path, SECOND_NS)
        for step in range(500):
            ack(path, SECOND_NS + (step + 1) * 10 * MILLISECOND_NS)
    lose(unlucky, 7 * SECOND_NS)
    assert unlucky.cwnd_bytes < lucky.cwnd_bytes
    unlucky.congestion.undo(unlucky, 7 * SECOND_NS + MILLISECOND_NS)
    for step in range(500):
        for path in (lucky, unlucky):
            ack(path, 8 * SECOND_NS + step * 10 * MILLISECOND_NS)
        assert unlucky.cwnd_bytes == lucky.cwnd_bytes


def test_cubic_keeps_a_window_that_has_grown_past_the_old_one():
    [path] = paths_under("cubic", 1, cwnd_bytes=100 * PACKET_BYTES, sending_state=LIMITED)
    lose(path, SECOND_NS)
    path.cwnd_bytes = 101 * PACKET_BYTES
    path.congestion.undo(path, 2 * SECOND_NS)
    assert (path.cwnd_bytes, path.ssthresh_bytes) == (101 * PACKET_BYTES, 70 * PACKET_BYTES)


@pytest.mark.parametrize("controller", ["newreno", "cubic"])
def test_a_slow_start_that_a_spurious_loss_ended_goes_on(controller):
    undoing = profile(undoes_spurious_losses=True)
    [path] = paths_under(controller, 1, undoing, sending_state=LIMITED, ssthresh_bytes=INFINITY)
    hystart = path.congestion._hystart
    lose(path, SECOND_NS)
    path.congestion.undo(path, 2 * SECOND_NS)
    window_bytes = path.cwnd_bytes
    ack(path, 3 * SECOND_NS)
    assert path.ssthresh_bytes == INFINITY
    assert path.cwnd_bytes == window_bytes + PACKET_BYTES
    assert path.congestion._hystart is hystart


@pytest.mark.parametrize("controller", ["newreno", "cubic"])
def test_a_cut_is_taken_back_once(controller):
    [path] = paths_under(controller, 1, profile(undoes_spurious_losses=True), cwnd_bytes=100 * PACKET_BYTES)
    lose(path, SECOND_NS)
    path.congestion.undo(path, 2 * SECOND_NS)
    path.cwnd_bytes = path.ssthresh_bytes = 50 * PACKET_BYTES
    path.congestion.undo(path, 3 * SECOND_NS)
    assert path.cwnd_bytes == path.ssthresh_bytes == 50 * PACKET_BYTES


# BBR, section 5.5.11


def a_bbr(state, **model):
    [path] = paths_under("bbr", 1, cwnd_bytes=100 * PACKET_BYTES)
    path.bytes_in_flight = 100 * PACKET_BYTES
    bbr = path.congestion
    bbr.state = state
    bbr._pipe.was_full = state is not BbrState.STARTUP
    for name, value in model.items():
        setattr(bbr, f"_{name}", value)
    return path, bbr


def heavy_loss(path):
    """More than two in a hundred of what was in flight."""
    path.delivery.newly_lost = [Loss(7, PACKET_BYTES, 10 * PACKET_BYTES, 100 * PACKET_BYTES, False)]
    lose(path, SECOND_NS, sent_ns=SECOND_NS - 1)


def test_bbr_restores_window_and_model():
    path, bbr = a_bbr(BbrState.CRUISE, inflight_longterm=70_000)
    shortterm = bbr._shortterm
    shortterm.bandwidth, shortterm.inflight = 5_000, 6_000
    lose(path, SECOND_NS)
    path.cwnd_bytes = 10 * PACKET_BYTES
    shortterm.bandwidth, shortterm.inflight, bbr._inflight_longterm = 3_500, 7_000, 49_000
    bbr.undo(path, 2 * SECOND_NS)
    assert path.cwnd_bytes == 100 * PACKET_BYTES
    assert (shortterm.bandwidth, shortterm.inflight, bbr._inflight_longterm) == (5_000, 7_000, 70_000)
    assert not shortterm.has_lost
    assert bbr.state is BbrState.CRUISE, "no accelerating state was left"


def test_bbr_probes_again_where_a_spurious_loss_ended_a_probe():
    path, bbr = a_bbr(BbrState.UP, is_probe_sample=True)
    heavy_loss(path)
    assert bbr.state is BbrState.DOWN
    assert bbr._inflight_longterm < INFINITY
    bbr.undo(path, 2 * SECOND_NS)
    assert bbr.state is BbrState.REFILL
    assert bbr._phase is AckPhase.REFILLING
    assert bbr._inflight_longterm == INFINITY


@pytest.mark.parametrize("state", [BbrState.DRAIN, BbrState.CRUISE])
def test_bbr_starts_up_again_where_a_spurious_loss_ended_startup(state):
    path, bbr = a_bbr(state, left_state=BbrState.STARTUP)
    bbr.undo(path, 2 * SECOND_NS)
    assert bbr.state is BbrState.STARTUP
    assert not bbr._pipe.was_full


@pytest.mark.parametrize(("left", "was_full"), [(BbrState.STARTUP, False), (BbrState.UP, True), (None, True)])
def test_bbr_stays_where_it_probes_for_the_round_trip_time(left, was_full):
    path, bbr = a_bbr(BbrState.PROBE_RTT, left_state=left)
    bbr.undo(path, 2 * SECOND_NS)
    assert bbr.state is BbrState.PROBE_RTT
    assert bbr._pipe.was_full is was_full


def test_bbr_forgets_which_state_was_left_when_another_round_loses():
    path, bbr = a_bbr(BbrState.UP, is_probe_sample=True)
    heavy_loss(path)
    bbr._shortterm.has_lost = False
    lose(path, 2 * SECOND_NS)
    bbr.undo(path, 3 * SECOND_NS)
    assert bbr.state is BbrState.DOWN


# On a network


def download_ms(late_ms, undoes, controller):
    """How long the server's 400 kB take, where a packet of the slow start comes so late."""
    chosen = replace(PROFILES["rfc9002"], undoes_spurious_losses=undoes)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(PROFILES, "rfc9002", chosen)
        weather = {"client": Weather(), "server": Weather(late_ms=((30, late_ms),))}
        pipe = Network(weather=weather, congestion_control=controller, delay_ns=50 * MILLISECOND_NS)

    def answer(event):
        if hasattr(event, "stream_id"):
            pipe.server.send(event.stream_id, 400_000, fin=True)

    pipe.sides["server"].on_event = answer
    pipe.connect()
    pipe.client.send(pipe.client.open_stream(), 100, fin=True)
    pipe.flush("client")
    pipe.run(lambda pipe: pipe.sides["client"].finished)
    return pipe.sides["client"].finished[0] / MILLISECOND_NS, pipe.server.counts.packets_lost


@pytest.mark.parametrize("controller", ["newreno", "cubic"])
def test_a_packet_overtaken_by_many_costs_little_once_it_is_undone(controller):
    in_order_ms, none = download_ms(0, True, controller)
    undone_ms, lost = download_ms(30, True, controller)
    kept_ms, lost_as_well = download_ms(30, False, controller)
    assert (none, lost, lost_as_well) == (0, 1, 1)
    assert undone_ms < in_order_ms + 50
    assert kept_ms > undone_ms + 100, "a slow start that ends at once is several round trips"


def test_a_scenario_says_so():
    with pytest.raises(ScenarioError, match=r"undo_spurious_losses.*olia"):
        load("bulk_download", ["quic.congestion_control=olia", "quic.undo_spurious_losses=true"]).run()
