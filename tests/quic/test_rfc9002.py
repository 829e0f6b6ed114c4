"""Does loss recovery keep RFC 9002, section by section? One row a rule: its section, what it says, a check of it."""

from __future__ import annotations

import pytest

from quicsim.quic.loss import probe_deadline_ns
from quicsim.quic.packet import APPLICATION, HANDSHAKE, INITIAL
from quicsim.quic.profiles import PROFILES
from quicsim.quic.states import SendingProcessState
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, a_connection
from tests.quic.test_recovery import acknowledge, confirmed, send

RULES = []
FULL_BYTES = 1_200


def rule(section, says):
    """Enter a check of what a section says into the table."""

    def enter(check):
        RULES.append(pytest.param(check, id=f"{section} {says}"))
        return check

    return enter


@pytest.mark.parametrize("check", RULES)
def test_the_profile_keeps(check):
    check()


def handshaking(name="client", *, rtt_ms=100):
    """An end with keys for both spaces of the handshake, a valid address of its peer's and a round-trip time."""
    connection = a_connection(name)
    path = connection.path
    path.validate()
    path.open(INITIAL)
    path.open(HANDSHAKE)
    if rtt_ms:
        path.rtt.begin(rtt_ms * MILLISECOND_NS)
    return connection


def sampled(connection, *samples, space=APPLICATION):
    """(round-trip time, ACK delay) in ms, one packet each."""
    now_ns = connection.now_ns + SECOND_NS
    for sample_ms, delay_ms in samples:
        send(connection, now_ns, space=space)
        number = connection.path.spaces[space].next_number - 1
        now_ns += sample_ms * MILLISECOND_NS
        acknowledge(connection, now_ns, (number, number), delay_ns=delay_ms * MILLISECOND_NS, space=space)
    return connection.path.rtt


def expire(connection):
    """Let the timer that SetTimer asks for expire; what is sent then."""
    path = connection.path
    path.deadline_ns = connection.operations.set_timer(connection, path)
    connection.on_deadline(path.deadline_ns)
    return connection.datagrams_to_send(path.deadline_ns)


def asked_in(datagrams):
    """The spaces of the packets that ask for an acknowledgement."""
    return [packet.space for datagram in datagrams for packet in datagram.packets if packet.ack_eliciting]


def limited(connection, state=SendingProcessState.CONGESTION_LIMITED):
    """As if the last run of the sending process had ended so."""
    connection.path.sending_state = state
    return connection


@rule("5.2", "the minimum is of samples as they are, ACK delay included")
def _():
    assert sampled(confirmed(), (100, 20), (90, 20)).minimum_ns == 90 * MILLISECOND_NS


@rule("5.2", "the minimum is the newest sample after persistent congestion")
def _():
    connection = confirmed()
    rtt = sampled(connection, (100, 0))
    start_ns = connection.now_ns + SECOND_NS
    send(connection, start_ns)
    send(connection, start_ns + 10 * SECOND_NS)
    send(connection, start_ns + 11 * SECOND_NS)
    acknowledge(connection, start_ns + 12 * SECOND_NS, (3, 3))
    assert connection.path.cwnd_bytes == 2 * FULL_BYTES
    assert rtt.minimum_ns == SECOND_NS


@rule("5.3", "an Initial's ACK delay is nothing, a Handshake packet's is subtracted")
def _():
    smoothed = {
        kind: sampled(handshaking(rtt_ms=0), (100, 0), (140, 16), space=kind).smoothed_ns
        for kind in (INITIAL, HANDSHAKE)
    }
    assert smoothed == {INITIAL: 105 * MILLISECOND_NS, HANDSHAKE: 103 * MILLISECOND_NS}


@rule("5.3", "max_ack_delay bounds the ACK delay from confirmation on")
def _():
    for is_confirmed, smoothed_ms in ((False, 100 + 60 / 8), (True, 100 + 75 / 8)):
        connection = confirmed(name="client")
        connection.is_confirmed = is_confirmed
        assert sampled(connection, (100, 0), (200, 40)).smoothed_ns == smoothed_ms * MILLISECOND_NS


@rule("6.1", "only a packet of the same space reveals a loss")
def _():
    connection = handshaking()
    send(connection, SECOND_NS, space=INITIAL)
    send(connection, SECOND_NS, count=9, space=HANDSHAKE)
    acknowledge(connection, SECOND_NS + 500 * MILLISECOND_NS, (0, 8), space=HANDSHAKE)
    assert not connection.path.spaces[INITIAL].lost
    assert not connection.path.spaces[INITIAL].loss_time_ns


@rule("6.1.2", "the time threshold is 9/8 of the larger of latest and smoothed, a millisecond at least")
def _():
    for latest_us, smoothed_us, waits_us in ((80_000, 160_000, 180_000), (240_000, 160_000, 270_000), (10, 20, 1_000)):
        connection = confirmed()
        path = connection.path
        path.rtt.begin(smoothed_us * 1_000)
        send(connection, SECOND_NS, count=2)
        path.rtt.latest_ns = latest_us * 1_000
        path.application.largest_acknowledged = 1
        del path.application.outstanding[1]
        connection.operations.detect_loss(connection, path, path.application)
        assert path.application.loss_time_ns == SECOND_NS + waits_us * 1_000


@rule("6.2.1", "no probe timeout is set while a packet waits for the time threshold, nor comes when that is over")
def _():
    connection = confirmed()
    path = connection.path
    sampled(connection, *[(100, 0)] * 40)  # by now the probe timeout, from the last packet sent, is the earlier one
    connection.peer_max_ack_delay_ns = MILLISECOND_NS
    start_ns = connection.now_ns + SECOND_NS
    send(connection, start_ns, count=3)
    acknowledge(connection, start_ns + 100 * MILLISECOND_NS, (41, 41))
    assert probe_deadline_ns(connection, path)[0] < path.application.loss_time_ns
    expire(connection)
    assert (connection.counts.packets_lost, connection.counts.timeouts, path.pto_count) == (1, 0, 0)


@rule("6.2.1", "the timer is the earlier one of Initial and Handshake")
def _():
    for first, second in ((INITIAL, HANDSHAKE), (HANDSHAKE, INITIAL)):
        connection = handshaking("server")  # a client discards its Initial keys
        send(connection, SECOND_NS, space=first)
        send(connection, SECOND_NS + 50 * MILLISECOND_NS, space=second)
        expected = (SECOND_NS + 300 * MILLISECOND_NS, connection.path.spaces[first])
        assert probe_deadline_ns(connection, connection.path) == expected


@rule("6.2.1", "an ACK ends the back-off, but a client's only once the server knows its address")
def _():
    expected = {("client", INITIAL): 3, ("client", HANDSHAKE): 0, ("server", INITIAL): 0, ("server", HANDSHAKE): 0}
    for (name, kind), pto_count in expected.items():
        connection = handshaking(name)
        send(connection, SECOND_NS, space=kind)
        connection.path.pto_count = 3
        acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (0, 0), space=kind)
        assert connection.path.pto_count == pto_count, (name, kind)


@rule("6.2.2", "a handshake starts with a probe timeout of a second, less a rounding")
def _():
    connection = a_connection("client")
    connection.connect(SECOND_NS)
    connection.datagrams_to_send(SECOND_NS)
    assert connection.deadline_ns == SECOND_NS + 999 * MILLISECOND_NS


@rule("6.2.2.1", "a server at its amplification limit sets no timer")
def _():
    connection = a_connection("server")
    path = connection.path
    path.open(INITIAL)
    path.bytes_received = FULL_BYTES
    send(connection, SECOND_NS, count=3, space=INITIAL)
    assert connection.operations.set_timer(connection, path) == 0
    path.bytes_received += FULL_BYTES
    assert connection.operations.set_timer(connection, path) > 0


@rule("6.2.4", "probes go out in each handshake space with something in flight, whatever the window, and lose nothing")
def _():
    connection = handshaking("server")
    send(connection, SECOND_NS, space=INITIAL)
    send(connection, SECOND_NS, count=12, space=HANDSHAKE)
    in_flight = connection.path.bytes_in_flight
    assert not connection.path.window_is_open
    assert set(asked_in(expire(connection))) == {INITIAL, HANDSHAKE}
    assert connection.counts.packets_lost == 0
    assert connection.path.pto_count == 1
    assert connection.path.bytes_in_flight > in_flight, "section 7.5: they count as in flight"


@rule("6.2.4", "without anything to repeat a probe is a PING")
def _():
    connection = confirmed()
    send(connection, SECOND_NS)  # a PING, of which nothing is needed any more
    assert asked_in(expire(connection)) == [APPLICATION]


@rule("6.4", "what is in flight in a space whose keys go counts no more, and its timers and the back-off end")
def _():
    connection = handshaking("server")
    path = connection.path
    send(connection, SECOND_NS, count=3, space=INITIAL)
    send(connection, SECOND_NS, space=HANDSHAKE)
    acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (1, 1), space=INITIAL)
    path.pto_count = 4
    assert path.spaces[INITIAL].loss_time_ns
    path.discard(INITIAL)
    assert (path.bytes_in_flight, path.pto_count) == (FULL_BYTES, 0)
    handshake_ns = path.rtt.smoothed_ns + 4 * path.rtt.variation_ns
    assert connection.operations.set_timer(connection, path) == SECOND_NS + handshake_ns


@rule("7.2", "ten datagrams to begin with, at most 14,720 bytes or two datagrams; two at least ever after")
def _():
    windows = {size: PROFILES["rfc9002"].initial_window_bytes(size) for size in (1_200, 1_472, 1_500, 9_000)}
    assert windows == {1_200: 12_000, 1_472: 14_720, 1_500: 14_720, 9_000: 18_000}
    assert PROFILES["rfc9002"].minimum_window_bytes(1_500) == 3_000


@rule("7.3.1", "slow start adds what was acknowledged")
def _():
    connection = limited(confirmed())
    send(connection, SECOND_NS, count=10)
    acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (0, 4))
    assert connection.path.cwnd_bytes == 15 * FULL_BYTES


def cut_once():
    """A window of twenty, all in flight, of which the first is lost: ten."""
    connection = limited(confirmed())
    connection.path.cwnd_bytes = 20 * FULL_BYTES
    connection.path.ssthresh_bytes = 20 * FULL_BYTES
    send(connection, SECOND_NS, count=20)
    acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (3, 3))
    assert connection.path.cwnd_bytes == connection.path.ssthresh_bytes == 10 * FULL_BYTES
    return connection


@rule("7.3.2", "losses and acknowledgements of what was sent before the cut change nothing more")
def _():
    connection = cut_once()
    acknowledge(connection, SECOND_NS + 110 * MILLISECOND_NS, (9, 19))
    assert connection.counts.packets_lost == 8, "all but 3, up to 8"
    assert connection.path.cwnd_bytes == 10 * FULL_BYTES


@rule("7.3.2", "what was sent after the cut ends recovery, and its loss is a cut of its own")
def _():
    connection = cut_once()
    acknowledge(connection, SECOND_NS + 110 * MILLISECOND_NS, (0, 19))
    send(connection, SECOND_NS + 120 * MILLISECOND_NS, count=9)
    acknowledge(connection, SECOND_NS + 220 * MILLISECOND_NS, (26, 28), (20, 20))
    assert connection.path.cwnd_bytes == 5 * FULL_BYTES


@rule("7.3.3", "a datagram for each window acknowledged, no more")
def _():
    connection = limited(confirmed())
    path = connection.path
    path.cwnd_bytes = path.ssthresh_bytes = 10 * FULL_BYTES
    grown = []
    for number in range(33):
        send(connection, SECOND_NS + number * MILLISECOND_NS)
        acknowledge(connection, SECOND_NS + (100 + number) * MILLISECOND_NS, (number, number))
        grown.append(path.cwnd_bytes // FULL_BYTES)
    assert [grown.index(size) + 1 for size in (11, 12, 13)] == [10, 21, 33]


def lost_over(period_ns, *, first_sample_ns=1, eliciting=(True, True), kind=APPLICATION, gap=False):
    """The window after two packets that far apart are lost, where a probe timeout with max_ack_delay is 325 ms."""
    connection = confirmed() if kind is APPLICATION else handshaking("server")
    connection.peer_max_ack_delay_ns = 25 * MILLISECOND_NS
    path = connection.path
    path.rtt.begin(100 * MILLISECOND_NS)
    path.first_rtt_sample_ns = first_sample_ns
    for index, elicits in enumerate(eliciting):
        send(connection, SECOND_NS + index * period_ns, space=kind, ack_eliciting=elicits)
        if gap and not index:
            send(connection, SECOND_NS + 1, space=kind)
    space = path.spaces[kind]
    space.largest_acknowledged = space.next_number + 2
    if gap:
        path.bytes_in_flight -= space.outstanding.pop(1).size_bytes
        space.ack_eliciting_in_flight -= 1
    connection.operations.detect_loss(connection, path, space)
    assert connection.counts.packets_lost == len(eliciting)
    return path.cwnd_bytes // FULL_BYTES


@rule("7.6.2", "persistent congestion: ack-eliciting packets lost over more than three probe timeouts, after a sample")
def _():
    enough_ns = 3 * 325 * MILLISECOND_NS + 1
    assert lost_over(enough_ns) == 2
    assert lost_over(enough_ns, kind=HANDSHAKE) == 2, "max_ack_delay counts in each space (section 7.6.1)"
    assert lost_over(enough_ns - 1) == 5
    assert lost_over(enough_ns - 1, kind=HANDSHAKE) == 5
    assert lost_over(enough_ns, first_sample_ns=SECOND_NS - 1) == 2
    assert lost_over(enough_ns, first_sample_ns=SECOND_NS) == 5, "sent after the first sample, appendix B.8"
    assert lost_over(enough_ns, eliciting=(False, True)) == 5
    assert lost_over(enough_ns, eliciting=(True, False)) == 5
    assert lost_over(enough_ns, gap=True) == 5, "one between them arrived"


@rule("7.7", "a packet that only acknowledges does not wait for the pacer")
def _():
    connection = confirmed()
    path = connection.path
    path.paced_until_ns = SECOND_NS + 100 * MILLISECOND_NS
    path.application.received.add(0, SECOND_NS)
    path.application.received.unreported_ack_eliciting = 1
    path.application.received.deadline_ns = SECOND_NS
    [datagram] = connection.datagrams_to_send(SECOND_NS)
    assert not datagram.packets[0].ack_eliciting


@rule("7.8", "a window that is not used up does not grow; one that waits for the pacer does")
def _():
    for state, packets in (
        (SendingProcessState.APPLICATION_LIMITED, 10),
        (SendingProcessState.PACING_LIMITED, 12),
        (SendingProcessState.CONGESTION_LIMITED, 12),
    ):
        connection = limited(confirmed(), state)
        send(connection, SECOND_NS, count=2)
        acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (0, 1))
        assert connection.path.cwnd_bytes == packets * FULL_BYTES, state
