"""Round-trip times, losses, timers, windows and acknowledgements against worked numbers of RFC 9002 and picoquic."""

import itertools

import pytest

from quicsim.quic.acks import ReceivedPackets
from quicsim.quic.congestion.newreno import NewReno
from quicsim.quic.errors import ConnectionFailed, ProtocolViolation
from quicsim.quic.frames import AckFrame, CryptoFrame, MaxStreamDataFrame, PingFrame, StreamFrame
from quicsim.quic.loss import declare_lost, is_persistent_congestion, probe_deadline_ns, probe_timeout_ns, stuck_space
from quicsim.quic.needed import is_needed
from quicsim.quic.packet import APPLICATION, HANDSHAKE, INITIAL, Datagram, Packet
from quicsim.quic.profiles import profile_named
from quicsim.quic.sending import transmit
from quicsim.quic.states import ConnectionState, SendingProcessState
from quicsim.quic.streams import ReceivingStream
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, Pipe, a_connection, both_confirmed

PROFILES = ("rfc9002", "picoquic")


def confirmed(profile="rfc9002", name="server", **settings):
    """A connection whose handshake is behind it, as if: only the application space is open."""
    connection = a_connection(name, profile, **settings)
    connection.path.size_to_probe_bytes = 0  # probed, as if
    connection.state = ConnectionState.CONFIRMED
    connection.is_confirmed = connection.peer_validated_us = True
    connection.path.validate()
    connection.path.open(APPLICATION)
    return connection


def send(connection, now_ns, *, count=1, size_bytes=1_200, space=APPLICATION, ack_eliciting=True):
    """Packets as if the sending process had made them."""
    connection.now_ns = now_ns
    path = connection.path
    for _ in range(count):
        packet = Packet(path.spaces[space].kind, path.spaces[space].next_number, 0, False)
        packet.frames.append(PingFrame())
        packet.size_bytes = size_bytes
        packet.ack_eliciting = ack_eliciting
        packet.in_flight = True
        transmit(connection, path, packet)


def acknowledge(connection, now_ns, *ranges, delay_ns=0, space=APPLICATION):
    connection.now_ns = now_ns
    path = connection.path
    return connection.operations.process_ack(
        connection, path, path.spaces[space], AckFrame(tuple(ranges), delay_ns // 8_000)
    )


def ms(value_ns):
    return value_ns / MILLISECOND_NS


@pytest.mark.parametrize(
    ("profile", "samples", "smoothed", "variation", "minimum"),
    [
        # (sample, ACK delay) in ms
        ("rfc9002", [(100, 0)], 100, 50, 100),
        ("rfc9002", [(100, 40)], 100, 50, 100),  # the first sample is taken whole
        ("rfc9002", [(100, 0), (120, 0)], 102.5, 42.5, 100),
        ("rfc9002", [(100, 0), (120, 15)], 100.625, 38.75, 100),  # the delay is subtracted
        ("rfc9002", [(100, 0), (110, 15)], 101.25, 40, 100),  # not below the minimum
        ("rfc9002", [(100, 0), (160, 40)], 104.375, 46.25, 100),  # at most the peer's max_ack_delay of 25 ms
        ("rfc9002", [(100, 0), (60, 0)], 95, 47.5, 60),
        ("picoquic", [(100, 0)], 100, 50, 100),
        ("picoquic", [(100, 0), (120, 0)], 102.5, 42.5, 100),
        ("picoquic", [(100, 0), (120, 15)], 100.625, 38.75, 100),
        ("picoquic", [(100, 20)], 80, 40, 80),  # it trusts the delay
        ("picoquic", [(100, 0)] * 12, 100, 25, 100),  # a quarter of the minimum at least
    ],
)
def test_round_trip_times(profile, samples, smoothed, variation, minimum):
    connection = confirmed(profile)
    rtt = connection.path.rtt
    now_ns = SECOND_NS
    for number, (sample, delay) in enumerate(samples):
        send(connection, now_ns)
        now_ns += sample * MILLISECOND_NS
        acknowledge(connection, now_ns, (number, number), delay_ns=delay * MILLISECOND_NS)
    assert (ms(rtt.smoothed_ns), ms(rtt.minimum_ns)) == (smoothed, minimum)
    assert ms(rtt.variation_ns) == pytest.approx(variation, abs=1e-5)


def test_picoquics_deviation_falls_to_its_floor_and_stays():
    """RFC 6298's 3/4 a sample, down to a quarter of the minimum RTT: then the timeout is 2 RTT."""
    connection = confirmed("picoquic")
    deviations = []
    for number in range(6):
        send(connection, number * SECOND_NS)
        acknowledge(connection, number * SECOND_NS + 100 * MILLISECOND_NS, (number, number))
        deviations.append(ms(connection.path.rtt.variation_ns))
    assert deviations == pytest.approx([50, 37.5, 28.125, 25, 25, 25])


@pytest.mark.parametrize("profile", PROFILES)
def test_picoquic_takes_the_largest_delay_it_sees_for_the_peers(profile):
    connection = confirmed(profile)
    before = connection.peer_max_ack_delay_ns
    send(connection, SECOND_NS, count=2)
    acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (0, 0), delay_ns=40 * MILLISECOND_NS)
    assert connection.peer_max_ack_delay_ns == (40 * MILLISECOND_NS if profile == "picoquic" else before)


@pytest.mark.parametrize(
    ("ranges", "sampled"),
    [([(2, 2)], True), ([(0, 2)], True), ([(1, 1)], True), ([(0, 1)], True)],
)
def test_a_sample_needs_the_largest_newly_acknowledged(ranges, sampled):
    connection = confirmed()
    send(connection, SECOND_NS, count=3)
    acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, *ranges)
    assert connection.path.rtt.has_sample == sampled


def test_a_sample_is_taken_where_anything_acknowledged_asked_for_it():
    """RFC 9002 section 5.1: the largest need not be ack-eliciting, as long as one of the packets is."""
    for first_elicits in (True, False):
        connection = confirmed()
        send(connection, SECOND_NS, ack_eliciting=first_elicits)
        send(connection, SECOND_NS, ack_eliciting=False)
        acknowledge(connection, SECOND_NS + 50 * MILLISECOND_NS, (0, 1))
        assert connection.path.rtt.has_sample == first_elicits


def test_an_old_largest_gives_no_sample():
    connection = confirmed()
    send(connection, SECOND_NS, count=3)
    acknowledge(connection, SECOND_NS + 50 * MILLISECOND_NS, (2, 2))
    acknowledge(connection, SECOND_NS + 90 * MILLISECOND_NS, (2, 2), (0, 0))
    assert ms(connection.path.rtt.latest_ns) == 50


def test_an_acknowledgement_counts_once():
    connection = confirmed()
    send(connection, SECOND_NS, count=4)
    assert acknowledge(connection, SECOND_NS + 1, (0, 1)) == 2
    assert acknowledge(connection, SECOND_NS + 2, (0, 2)) == 1
    assert acknowledge(connection, SECOND_NS + 3, (0, 2)) == 0
    assert connection.path.bytes_in_flight == 1_200
    with pytest.raises(ProtocolViolation, match="packet 4 was acknowledged, the last one sent is 3"):
        acknowledge(connection, SECOND_NS + 4, (4, 4))


@pytest.mark.parametrize(
    ("profile", "acked", "lost_at_once"),
    [
        ("rfc9002", 3, [0]),  # three packets later (section 6.1.1)
        ("rfc9002", 2, []),
        ("rfc9002", 6, [0, 1, 2, 3]),
        ("picoquic", 4, [0]),  # more than three
        ("picoquic", 3, []),
        ("picoquic", 6, [0, 1, 2]),
    ],
)
def test_the_packet_threshold(profile, acked, lost_at_once):
    connection = confirmed(profile)
    space = connection.path.application
    send(connection, SECOND_NS, count=10)
    acknowledge(connection, SECOND_NS + 5 * MILLISECOND_NS, (acked, acked))
    assert list(space.lost) == lost_at_once
    assert connection.counts.packets_lost == len(lost_at_once)
    assert connection.path.bytes_in_flight == (9 - len(lost_at_once)) * 1_200


@pytest.mark.parametrize(
    ("profile", "due_ms"),
    [("rfc9002", 112.5), ("picoquic", 10)],  # 9/8 of 100 ms; 10 ms after it was sent
)
def test_the_time_threshold(profile, due_ms):
    connection = confirmed(profile)
    path = connection.path
    space = path.application
    send(connection, SECOND_NS)
    send(connection, SECOND_NS + 1)
    now_ns = SECOND_NS + 1 + 100 * MILLISECOND_NS
    acknowledge(connection, now_ns, (1, 1))
    if profile == "picoquic":
        assert list(space.lost) == [0], "100 ms are more than 10"
        return
    assert not space.lost
    due_ns = SECOND_NS + int(due_ms * MILLISECOND_NS)
    assert space.loss_time_ns == due_ns
    assert connection.operations.set_timer(connection, path) == due_ns
    connection.now_ns = due_ns - 1
    assert connection.operations.detect_loss(connection, path, space) == 0
    connection.now_ns = due_ns
    assert connection.operations.detect_loss(connection, path, space) == 1
    assert list(space.lost) == [0]


def test_picoquic_waits_ten_milliseconds_for_packets_out_of_order():
    connection = confirmed("picoquic")
    path = connection.path
    send(connection, SECOND_NS)
    send(connection, SECOND_NS + MILLISECOND_NS)
    acknowledge(connection, SECOND_NS + 5 * MILLISECOND_NS, (1, 1))
    assert path.application.loss_time_ns == SECOND_NS + 10 * MILLISECOND_NS
    assert connection.operations.set_timer(connection, path) == SECOND_NS + 10 * MILLISECOND_NS


def test_a_packet_acknowledged_after_it_was_declared_lost_is_settled_once():
    connection = confirmed()
    path = connection.path
    send(connection, SECOND_NS, count=5)
    acknowledge(connection, SECOND_NS + 10 * MILLISECOND_NS, (3, 4))
    assert list(path.application.lost) == [0, 1]
    assert acknowledge(connection, SECOND_NS + 11 * MILLISECOND_NS, (0, 4)) == 3
    assert not path.application.lost
    assert path.bytes_in_flight == 0
    assert path.application.ack_eliciting_in_flight == 0


# The timer


@pytest.mark.parametrize(
    ("variation_ms", "peer_delay_ms", "pto_count", "expected_ms"),
    [
        (50, 25, 0, 100 + 200 + 25),
        (0, 25, 0, 100 + 1 + 25),  # the granularity
        (10, 0, 0, 140),
        (10, 0, 1, 280),
        (10, 25, 3, 8 * 165),  # the delay is doubled as well
    ],
)
def test_the_probe_timeout(variation_ms, peer_delay_ms, pto_count, expected_ms):
    connection = confirmed()
    path = connection.path
    path.rtt.smoothed_ns = 100 * MILLISECOND_NS
    path.rtt.variation_ns = variation_ms * MILLISECOND_NS
    connection.peer_max_ack_delay_ns = peer_delay_ms * MILLISECOND_NS
    path.pto_count = pto_count
    send(connection, SECOND_NS)
    expected_ns = SECOND_NS + expected_ms * MILLISECOND_NS
    assert connection.operations.set_timer(connection, path) == expected_ns
    assert probe_deadline_ns(connection, path) == (expected_ns, path.application)


def test_the_peers_ack_delay_counts_in_the_application_space_only():
    connection = a_connection("client")
    path = connection.path
    without = 333 * MILLISECOND_NS + 4 * (333 * MILLISECOND_NS // 2)
    assert [probe_timeout_ns(connection, path, kind) for kind in (INITIAL, HANDSHAKE, APPLICATION)] == [
        without, without, without + 25 * MILLISECOND_NS
    ]  # fmt: skip


def test_the_application_space_has_no_probe_timeout_before_confirmation():
    connection = confirmed(name="client")
    connection.is_confirmed = False
    send(connection, SECOND_NS)
    assert connection.operations.set_timer(connection, connection.path) == 0
    connection.is_confirmed = True
    assert connection.operations.set_timer(connection, connection.path) > 0


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_in_flight_disarms(profile):
    connection = confirmed(profile)
    send(connection, SECOND_NS)
    acknowledge(connection, SECOND_NS + MILLISECOND_NS, (0, 0))
    assert connection.operations.set_timer(connection, connection.path) == 0


def expire(connection):
    """Let the timer expire; returns the instant."""
    path = connection.path
    now_ns = connection.operations.set_timer(connection, path)
    path.deadline_ns = now_ns
    connection.on_deadline(now_ns)
    connection.datagrams_to_send(now_ns)
    return now_ns


def test_probes_back_off_and_an_acknowledgement_ends_that():
    connection = confirmed()
    path = connection.path
    path.rtt.begin(100 * MILLISECOND_NS)
    send(connection, SECOND_NS)
    instants = [SECOND_NS] + [expire(connection) for _ in range(4)]
    waits = [b - a for a, b in itertools.pairwise(instants)]
    assert waits == [325 * MILLISECOND_NS << n for n in range(4)]
    assert path.pto_count == 4
    assert connection.counts.packets_lost == 0, "a probe timeout declares nothing lost"
    acknowledge(connection, instants[-1] + MILLISECOND_NS, (4, 4))
    assert path.pto_count == 0


def test_picoquics_timeouts():
    """1 s before a sample; then at least 50 ms; then 1, 2, 4, 8 s from each packet's sending; the sixth is the end."""
    connection = confirmed("picoquic")
    path = connection.path
    send(connection, SECOND_NS)
    assert connection.operations.set_timer(connection, path) == 2 * SECOND_NS
    acknowledge(connection, SECOND_NS + 10 * MILLISECOND_NS, (0, 0))
    for number in range(1, 12):
        send(connection, number * 2 * SECOND_NS)
        acknowledge(connection, number * 2 * SECOND_NS + 10 * MILLISECOND_NS, (number, number))
    start_ns = 100 * SECOND_NS
    connection.peer_max_stream_data = connection.flow.peer_limit = 10_000
    connection.stream_limits[0].peer_limit = 1
    connection.now_ns = start_ns
    connection.send(connection.open_stream(), 100)
    connection.datagrams_to_send(start_ns)
    instants = [start_ns, expire(connection)]
    assert path.cwnd_bytes == 3_072, "a timeout leaves the minimum window"
    instants += [expire(connection) for _ in range(4)]
    waits = [b - a for a, b in itertools.pairwise(instants)]
    assert waits == [50 * MILLISECOND_NS] + [SECOND_NS << n for n in range(4)]
    with pytest.raises(ConnectionFailed, match="server: 6 timeouts in a row"):
        expire(connection)
    assert connection.state is ConnectionState.FAILED


def test_picoquic_counts_the_timeouts_of_one_instant_once_and_each_space_by_itself():
    """After a long wait at the amplification limit all packets are overdue at once: that is one timeout."""
    connection = a_connection("server", "picoquic")
    path = connection.path
    path.validate()
    path.open(INITIAL)
    path.open(HANDSHAKE)
    initial, handshake = path.spaces[INITIAL], path.spaces[HANDSHAKE]
    send(connection, SECOND_NS, count=9, space=INITIAL)
    send(connection, SECOND_NS, count=9, space=HANDSHAKE)
    for _ in range(8):
        connection.now_ns = 100 * SECOND_NS
        connection.operations.retransmission_timeout(connection, path, initial)
    assert (initial.timeouts, handshake.timeouts) == (1, 0)
    assert len(initial.lost) == 8
    connection.now_ns += 1
    connection.operations.retransmission_timeout(connection, path, initial)
    connection.operations.retransmission_timeout(connection, path, handshake)
    assert (initial.timeouts, handshake.timeouts) == (2, 1)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("keys", "probed"), [([INITIAL], INITIAL), ([INITIAL, HANDSHAKE], HANDSHAKE)])
def test_a_client_with_nothing_in_flight_probes_in_the_best_space_it_has(profile, keys, probed):
    """RFC 9002 section 6.2.2.1: a Handshake packet, if it can, for that validates its address."""
    connection = a_connection("client", profile)
    connection.connect(SECOND_NS)
    path = connection.path
    connection.datagrams_to_send(SECOND_NS)
    acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (0, 0), space=INITIAL)
    for kind in keys:
        path.open(kind)
    assert stuck_space(connection, path) is path.spaces[probed]
    deadline_ns = connection.operations.set_timer(connection, path)
    assert deadline_ns > connection.now_ns
    path.deadline_ns = deadline_ns
    connection.on_deadline(deadline_ns)
    (datagram,) = connection.datagrams_to_send(deadline_ns)
    assert [packet.space for packet in datagram.packets if packet.ack_eliciting] == [probed]
    connection.peer_validated_us = True
    assert stuck_space(connection, path) is None


def a_client_that_waits_for_confirmation(finished_in):
    """Its window is full of 1-RTT packets that the server cannot read yet; its Finished is where `finished_in` says."""
    connection = confirmed(name="client")
    path = connection.path
    connection.state, connection.is_confirmed = ConnectionState.COMPLETE, False
    path.open(HANDSHAKE)
    path.rtt.begin(100 * MILLISECOND_NS)
    handshake = path.spaces[HANDSHAKE]
    finished = CryptoFrame(0, bytes(36))
    handshake.crypto.sending.write(finished.data, fin=False)
    handshake.crypto.sending.sent = 36
    if finished_in == "pending":
        handshake.pending.append(finished)
        handshake.last_ack_eliciting_sent_ns = SECOND_NS
    else:
        send(connection, SECOND_NS, size_bytes=46, space=HANDSHAKE)  # a PING, still outstanding
        send(connection, SECOND_NS, size_bytes=90, space=HANDSHAKE)
        handshake.outstanding[1].frames[:] = [finished]
        if finished_in == "lost":
            declare_lost(connection, path, handshake, [handshake.outstanding[0], handshake.outstanding[1]], "test")
    send(connection, SECOND_NS, count=path.cwnd_bytes // 1_200)
    return connection, finished


@pytest.mark.parametrize("finished_in", ["outstanding", "lost", "pending"])
def test_a_full_window_does_not_keep_handshake_data_from_being_repeated(finished_in):
    connection, finished = a_client_that_waits_for_confirmation(finished_in)
    path = connection.path
    assert not path.window_is_open
    deadline_ns = connection.operations.set_timer(connection, path)
    assert SECOND_NS < deadline_ns <= SECOND_NS + 300 * MILLISECOND_NS
    path.deadline_ns = deadline_ns
    connection.on_deadline(deadline_ns)
    datagrams = connection.datagrams_to_send(deadline_ns)
    assert finished in [frame for datagram in datagrams for packet in datagram.packets for frame in packet.frames]


def test_rfc9002_never_gives_up():
    connection = confirmed()
    connection.path.rtt.begin(MILLISECOND_NS)
    send(connection, SECOND_NS)
    for _ in range(20):
        expire(connection)
    assert connection.state is ConnectionState.CONFIRMED


# The window


def a_path(**values):
    path = confirmed().path
    path.sending_state = SendingProcessState.CONGESTION_LIMITED
    for name, value in values.items():
        setattr(path, name, value)
    return path


def reno(*, recovery_lasts_minimum_rtt=False):
    return NewReno(profile_named("picoquic" if recovery_lasts_minimum_rtt else "rfc9002"), [])


def test_slow_start_doubles_each_round_trip():
    path, controller = a_path(), reno()
    assert path.cwnd_bytes == 12_000
    for _ in range(10):
        controller.acked(path, 1_200, 5, 10)
    assert path.cwnd_bytes == 24_000


def test_avoidance_adds_a_datagram_a_window():
    path, controller = a_path(ssthresh_bytes=12_000), reno()
    for _ in range(10):
        controller.acked(path, 1_200, 5, 10)
    assert path.cwnd_bytes == 13_200
    for _ in range(10):
        controller.acked(path, 1_200, 5, 10)
    assert path.cwnd_bytes == 13_200
    controller.acked(path, 1_200, 5, 10)
    assert path.cwnd_bytes == 14_400


@pytest.mark.parametrize("state", list(SendingProcessState), ids=lambda state: state.name.lower())
def test_a_window_that_is_not_used_does_not_grow(state):
    path, controller = a_path(sending_state=state), reno()
    controller.acked(path, 1_200, 5, 10)
    limited = (SendingProcessState.CONGESTION_LIMITED, SendingProcessState.PACING_LIMITED)
    assert path.cwnd_bytes == (13_200 if state in limited else 12_000)


@pytest.mark.parametrize(
    ("minimum_rtt", "sent_ns", "now_ns", "window"),
    [
        # One cut at 1000, then a loss of a packet sent at `sent_ns`, noticed at `now_ns`; the minimum RTT is 100.
        (False, 1_000, 5_000, 6_000),  # sent before the cut: one round trip, one cut
        (False, 1_001, 1_002, 3_000),
        (True, 500, 1_100, 6_000),  # within one minimum RTT of the cut
        (True, 500, 1_101, 3_000),
    ],
)
def test_the_window_is_halved_once_a_round_trip(minimum_rtt, sent_ns, now_ns, window):
    path, controller = a_path(minimum_window_bytes=2_400), reno(recovery_lasts_minimum_rtt=minimum_rtt)
    path.rtt.minimum_ns = 100
    controller.congested(path, 1_200, 900, 1_000)
    assert (path.cwnd_bytes, path.ssthresh_bytes) == (6_000, 6_000)
    controller.acked(path, 1_200, min(sent_ns, 1_000), min(now_ns, 1_100))
    assert path.cwnd_bytes == 6_000, "nothing grows in recovery"
    controller.congested(path, 1_200, sent_ns, now_ns)
    assert path.cwnd_bytes == path.ssthresh_bytes == window


def test_the_window_never_falls_below_two_datagrams():
    path, controller = a_path(), reno()
    for instant in range(10, 100, 10):
        controller.congested(path, 1_200, instant, instant)
    assert path.cwnd_bytes == path.minimum_window_bytes == 2_400


def lose_over(connection, gap_ns, *, acknowledged=()):
    """A first packet for an RTT of 100 ms, then five `gap_ns` apart, then the ACK of a late one."""
    send(connection, SECOND_NS)
    acknowledge(connection, SECOND_NS + 100 * MILLISECOND_NS, (0, 0))
    for number in range(1, 6):
        send(connection, 2 * SECOND_NS + number * gap_ns)
    send(connection, 10 * SECOND_NS)
    ranges = [(n, n) for n in sorted({6, *acknowledged}, reverse=True)]
    acknowledge(connection, 10 * SECOND_NS + 100 * MILLISECOND_NS, *ranges)
    return connection.path


@pytest.mark.parametrize(
    ("gap_ms", "acknowledged", "window", "why"),
    [
        # 3 * (100 + 4 * 50 + 25) = 975 ms; the newer RTT sample makes the deviation 37.5: 3 * (100 + 150 + 25) = 825
        (207, (), 2_400, "4 * 207 ms > 825 ms"),
        (206, (), 6_000, "4 * 206 ms < 825 ms"),
        (400, (), 2_400, ""),
        (400, (3,), 6_000, "one in the middle got through: 400 ms on either side"),
    ],
)
def test_persistent_congestion(gap_ms, acknowledged, window, why):
    path = lose_over(confirmed(), gap_ms * MILLISECOND_NS, acknowledged=acknowledged)
    assert path.cwnd_bytes == window, why
    assert path.ssthresh_bytes == 6_000, "one loss event halves the threshold once"


def test_losses_before_the_first_sample_are_no_persistent_congestion():
    connection = confirmed()
    for second in range(1, 20):
        send(connection, second * SECOND_NS)
    packets = list(connection.path.application.outstanding.values())
    assert not is_persistent_congestion(connection, connection.path, packets)
    connection.path.rtt.begin(MILLISECOND_NS)
    connection.path.first_rtt_sample_ns = 5 * SECOND_NS
    assert is_persistent_congestion(connection, connection.path, packets)
    assert not is_persistent_congestion(connection, connection.path, packets[:5])


@pytest.mark.parametrize(
    ("profile", "datagram_bytes", "window", "minimum"),
    [("rfc9002", 1_200, 12_000, 2_400), ("rfc9002", 1_472, 14_720, 2_944), ("rfc9002", 9_000, 18_000, 18_000),
     ("picoquic", 1_252, 15_360, 3_072), ("picoquic", 1_440, 15_360, 3_072)],
)  # fmt: skip
def test_the_first_window(profile, datagram_bytes, window, minimum):
    path = a_connection("client", profile, datagram_bytes=datagram_bytes).path
    assert (path.cwnd_bytes, path.minimum_window_bytes) == (window, minimum)


# Acknowledging


def arrive(connection, number, now_ns, *, space=APPLICATION):
    """A packet with a PING arrives; returns the deadline for its acknowledgement."""
    connection.path.spaces[space].can_receive = True
    packet = Packet(connection.path.spaces[space].kind, number, 0, False)
    packet.frames.append(PingFrame())
    packet.ack_eliciting = packet.in_flight = True
    packet.size_bytes = 50
    connection.receive(Datagram((packet,), 50, ()), now_ns)
    return connection.path.spaces[space].received.deadline_ns


@pytest.mark.parametrize(
    ("space", "numbers", "waits_ms"),
    [
        (APPLICATION, [0], [25]),
        (APPLICATION, [0, 1], [25, 0]),  # every second one
        (APPLICATION, [1], [0]),  # out of order (section 13.2.1)
        (APPLICATION, [0, 2], [25, 0]),
        (INITIAL, [0], [0]),
        (HANDSHAKE, [0], [0]),
    ],
)
def test_when_rfc9002_acknowledges(space, numbers, waits_ms):
    connection = confirmed()
    for number, wait_ms in zip(numbers, waits_ms, strict=True):
        assert arrive(connection, number, SECOND_NS, space=space) == SECOND_NS + wait_ms * MILLISECOND_NS


def test_a_later_packet_does_not_put_the_deadline_off():
    connection = confirmed()
    first = arrive(connection, 0, SECOND_NS)
    connection.path.application.received.unreported_ack_eliciting = 0
    assert arrive(connection, 1, SECOND_NS + MILLISECOND_NS) == first


@pytest.mark.parametrize(("minimum_ms", "wait_ms"), [(None, 10), (100, 10), (20, 5), (2, 1)])
def test_when_picoquic_acknowledges(minimum_ms, wait_ms):
    connection = confirmed("picoquic")
    if minimum_ms is not None:
        connection.path.rtt.begin(minimum_ms * MILLISECOND_NS)
    assert arrive(connection, 0, SECOND_NS) == SECOND_NS, "alone: at once"
    connection.path.application.received.reported(SECOND_NS)
    assert arrive(connection, 1, SECOND_NS + 1) == SECOND_NS + wait_ms * MILLISECOND_NS, "counted from the last ACK"
    assert arrive(connection, 2, SECOND_NS + 2) == SECOND_NS + 2, "every second one"


@pytest.mark.parametrize("delay_ms", [0, 1, 25, 100])
def test_the_advertised_delay_is_kept_and_believed(delay_ms):
    pipe = Pipe(max_ack_delay_ns=delay_ms * MILLISECOND_NS)
    pipe.connect()
    pipe.run(both_confirmed)
    assert pipe.client.peer_max_ack_delay_ns == pipe.server.peer_max_ack_delay_ns == delay_ms * MILLISECOND_NS


def test_the_acknowledgement_frame_names_the_newest_ranges_first_and_its_delay():
    connection = confirmed()
    for number in [*range(0, 90, 2), 90, 91]:
        arrive(connection, number, SECOND_NS)
    frame = connection.path.application.received.frame(SECOND_NS + 80_000)
    assert frame.delay == 10
    assert frame.ranges[0] == (90, 91)
    assert len(frame.ranges) == 32
    assert list(frame.ranges) == sorted(frame.ranges, reverse=True)


def test_a_duplicate_is_dropped():
    connection = confirmed()
    arrive(connection, 3, SECOND_NS)
    connection.path.application.received.forget_below(3)
    for number in (3, 2, 0):
        arrive(connection, number, SECOND_NS)
    assert connection.counts.packets_received == 1
    arrive(connection, 4, SECOND_NS)
    assert connection.counts.packets_received == 2


def test_what_the_peer_knows_we_received_is_not_told_again():
    connection = confirmed()
    for number in (0, 1, 3, 4, 6):
        arrive(connection, number, SECOND_NS)
    received = connection.path.application.received
    assert received.frame(SECOND_NS).ranges == ((6, 6), (3, 4), (0, 1))
    received.forget_below(4)
    assert received.frame(SECOND_NS).ranges == ((6, 6), (4, 4))


def test_the_limit_of_a_stream_whose_size_is_known_is_not_repeated():
    connection = confirmed(max_stream_data_bytes=1_000)
    stream = connection.receiving_streams[0] = ReceivingStream(0, 1_000)
    frame = MaxStreamDataFrame(0, 1_000)
    assert is_needed(connection, connection.path.application, frame)
    stream.receive(StreamFrame(0, 0, 10, True))
    assert not is_needed(connection, connection.path.application, frame)


def test_what_is_forgotten_before_it_was_reported_asks_for_no_empty_frame():
    received = ReceivedPackets()
    received.add(0, 1)
    received.add(2, 2)
    received.reported(3)
    received.add(1, 4)
    received.forget_below(3)
    assert not received.unreported
    received.add(3, 5)
    assert received.frame(5).ranges == ((3, 3),)
