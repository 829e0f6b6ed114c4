"""Acknowledgements by request: what is asked for, how the asked one keeps to it, what the asking one reckons with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.events import PacketLost, PacketReceived, PacketSent
from quicsim.quic.ack_frequency import LONGEST_DELAY_US
from quicsim.quic.errors import FrameEncodingError, ProtocolViolation, TransportParameterError
from quicsim.quic.frames import AckFrame, AckFrequencyFrame, ImmediateAckFrame, PingFrame, StreamFrame
from quicsim.quic.loss import probe_timeout_ns
from quicsim.quic.packet import APPLICATION, CE, ECT_0, Datagram, Packet
from quicsim.quic.parameters import TransportParameters
from quicsim.quic.receiving import process_frames
from quicsim.quic.settings import AckFrequency
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load
from quicsim.scenario.run import trace
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, Pipe, both_confirmed
from tests.quic.test_recovery import confirmed

TAKES = {"min_ack_delay_ns": MILLISECOND_NS}
ASKS = TAKES | {"ack_frequency": AckFrequency(10, 25 * MILLISECOND_NS, 3)}
NEVER = 1_000
"""A threshold that no test reaches."""


# Who is asked


class Asked:
    """An endpoint that was asked, and the packets that arrive one by one; each ACK leaves at once."""

    def __init__(self, *, threshold=NEVER, delay_us=25_000, reordering=0, sequence=0):
        self.connection = confirmed(**TAKES)
        self.connection.path.rtt.smoothed_ns = 3_600 * SECOND_NS  # no silence is long
        self.ask(sequence, threshold, delay_us, reordering)
        self.now_ns = SECOND_NS

    @property
    def received(self):
        return self.connection.path.application.received

    def ask(self, *values):
        self.handle(AckFrequencyFrame(*values))

    def handle(self, frame):
        packet = Packet(APPLICATION, 0, 0, False)
        packet.frames.append(frame)
        process_frames(self.connection, self.connection.path, self.connection.path.application, packet)

    def arrive(self, number, *, ecn=0, frame=None):
        """How long an ACK may wait after this packet, in milliseconds; 0: it has been sent."""
        packet = Packet(APPLICATION, number, 0, False)
        packet.frames.append(PingFrame() if frame is None else frame)
        packet.ack_eliciting = packet.in_flight = True
        packet.size_bytes = 50
        self.connection.receive(Datagram((packet,), 50, (), ecn=ecn), self.now_ns)
        wait_ns = self.received.deadline_ns - self.now_ns
        if not wait_ns:
            self.received.reported(self.now_ns)
        return wait_ns / MILLISECOND_NS


@pytest.mark.parametrize("threshold", [0, 1, 2, 10])
def test_more_packets_than_the_threshold_are_acknowledged(threshold):
    asked = Asked(threshold=threshold)
    waits = [asked.arrive(number) for number in range(3 * (threshold + 1))]
    assert waits == ([25] * threshold + [0]) * 3


@pytest.mark.parametrize(
    ("threshold", "arriving", "acknowledged", "table"),
    [
        (3, [0, 1, 3, 4, 5, 8, 9, 10], [5, 9, 10], "table 1"),
        (5, [0, 1, 3, 5, 6, 7, 8, 9], [7, 9], "table 2"),
        (1, [0, 1, 3, 4, 5], [3], "a gap is told once"),
        (0, [0, 9, 5, 3, 20], [], "0: never"),
        (3, [0, 1, 3, 4, 5, 2], [5, 2], "what has been taken for lost, and comes (section 6.2, second condition)"),
        (3, [0, 1, 3, 4, 2, 5, 6, 7], [], "reordering within the window"),
    ],
)
def test_what_is_out_of_order_is_acknowledged_as_the_draft_s_tables_say(threshold, arriving, acknowledged, table):
    asked = Asked(reordering=threshold)
    assert [number for number in arriving if not asked.arrive(number)] == acknowledged, table


@pytest.mark.parametrize(
    ("threshold", "codepoints", "acknowledged"),
    [
        (10, [ECT_0, CE, CE, CE, ECT_0, CE], [1, 5]),  # section 6.3: where marks begin
        (1, [CE, CE], [0, 1]),  # RFC 9000 section 13.2.1: each
        (2, [CE, 0, CE], [0, 2]),
    ],
)
def test_the_first_of_several_marks_is_told_at_once(threshold, codepoints, acknowledged):
    asked = Asked(threshold=threshold)
    waits = [asked.arrive(number, ecn=codepoint) for number, codepoint in enumerate(codepoints)]
    assert [number for number, wait in enumerate(waits) if not wait] == acknowledged


def test_a_packet_after_a_long_silence_is_acknowledged_at_once():
    asked = Asked()
    asked.connection.path.rtt.smoothed_ns = 40 * MILLISECOND_NS
    waits = []
    for number, pause_ms in enumerate([0, 1, 1, 100, 1]):
        asked.now_ns += pause_ms * MILLISECOND_NS
        waits.append(asked.arrive(number))
    assert waits == [0, 25, 24, 0, 25], "an ACK has gone out 102 ms before (section 6.1)"


def test_an_immediate_ack_is_answered_at_once():
    asked = Asked()
    assert [asked.arrive(0), asked.arrive(1, frame=ImmediateAckFrame()), asked.arrive(2)] == [25, 0, 25]


def test_without_a_request_an_immediate_ack_is_answered_too():
    asked = Asked()
    asked.connection.ack_frequency.is_asked = False
    asked.connection.ack_frequency.threshold = asked.connection.ack_frequency.reordering = 1
    assert [asked.arrive(0, frame=ImmediateAckFrame()), asked.arrive(1), asked.arrive(2)] == [0, 25, 0]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), min_size=1, max_size=20))
def test_the_largest_sequence_number_counts(requests):
    asked = Asked(sequence=0, threshold=7)
    for sequence, threshold in requests:
        asked.ask(sequence, threshold, 1_000 + threshold, 0)
    newest = max(sequence for sequence, _ in requests)
    expected = next(threshold for sequence, threshold in requests if sequence == newest) if newest else 7
    assert asked.connection.ack_frequency.threshold == expected
    assert asked.connection.max_ack_delay_ns == ((1_000 + expected) if newest else 25_000) * 1_000


@pytest.mark.parametrize(
    ("delay_us", "fits"), [(999, False), (1_000, True), (LONGEST_DELAY_US - 1, True), (LONGEST_DELAY_US, False)]
)
def test_a_delay_that_was_not_offered_is_a_violation(delay_us, fits):
    asked = Asked()
    if fits:
        asked.ask(1, 1, delay_us, 1)
        assert asked.connection.max_ack_delay_ns == delay_us * 1_000
    else:
        with pytest.raises(ProtocolViolation, match="ACK_FREQUENCY"):
            asked.ask(1, 1, delay_us, 1)


@pytest.mark.parametrize("frame", [AckFrequencyFrame(0, 1, 25_000, 1), ImmediateAckFrame()])
def test_who_did_not_offer_it_knows_no_such_frame(frame):
    asked = Asked()
    asked.connection.ack_frequency.minimum_us = None
    with pytest.raises(FrameEncodingError, match="min_ack_delay"):
        asked.handle(frame)


# Who asks


class Asking:
    """A sender that asks, once its peer's parameters are known; round trips of 200 ms."""

    def __init__(self, *, peer=None, rtt_ms=200, **settings):
        self.connection = confirmed(**(ASKS | settings))
        self.connection.handshake.peer_parameters = peer or parameters(min_ack_delay_ns=MILLISECOND_NS)
        self.frequency = self.connection.ack_frequency
        self.frequency.agree(self.connection.handshake.peer_parameters)
        self.path = self.connection.path
        self.path.rtt.begin(rtt_ms * MILLISECOND_NS)
        self.sent = []

    def ask(self, now_ms, window_packets=None):
        """The frames that wait to be sent then, taken."""
        self.connection.now_ns = now_ms * MILLISECOND_NS
        if window_packets:
            self.path.cwnd_bytes = window_packets * self.path.datagram_bytes
        self.frequency.ask(self.connection)
        frames = list(self.path.application.pending)
        self.path.application.pending.clear()
        return frames

    def acknowledge(self, frame):
        self.frequency.acknowledged(self.connection, frame)

    @property
    def expected_ms(self):
        return self.connection.peer_max_ack_delay_ns / MILLISECOND_NS


def parameters(**values):
    return TransportParameters(1, 1, values.pop("max_ack_delay_ns", 25 * MILLISECOND_NS), False, **values)


def test_it_asks_for_several_acknowledgements_a_window_and_a_round_trip():
    asking = Asking(rtt_ms=40)
    [frame] = asking.ask(0, window_packets=10)
    assert frame == AckFrequencyFrame(0, 2, 10_000, 3)
    asking.acknowledge(frame)
    [frame] = asking.ask(50, window_packets=100)
    assert frame == AckFrequencyFrame(1, 10, 10_000, 3), "the threshold is as wanted, the delay a quarter of the RTT"
    asking.acknowledge(frame)
    assert not asking.ask(5_000, window_packets=500), "as much as is wanted"
    [frame] = asking.ask(10_000, window_packets=8)
    assert frame.ack_eliciting_threshold == 2, "the window is small again"


@pytest.mark.parametrize(
    ("now_ms", "window_packets", "asks"),
    [
        (199, 400, False),  # once a round trip
        (200, 400, True),
        (200, 23, False),  # 5 is no more than 4 to speak of
        (200, 32, True),
        (200, 8, True),
        (200, 16, False),
    ],
)
def test_it_asks_again_where_something_has_changed(now_ms, window_packets, asks):
    asking = Asking()
    [frame] = asking.ask(0, window_packets=16)
    assert frame.ack_eliciting_threshold == 4
    asking.acknowledge(frame)
    assert bool(asking.ask(now_ms, window_packets)) is asks


def test_it_asks_for_no_less_than_the_peer_takes():
    asking = Asking(rtt_ms=2, peer=parameters(min_ack_delay_ns=5 * MILLISECOND_NS))
    [frame] = asking.ask(0)
    assert frame.requested_max_ack_delay_us == 5_000


def test_it_waits_for_the_acknowledgement_before_it_asks_again():
    asking = Asking()
    asking.ask(0, window_packets=16)
    assert not asking.ask(1_000, window_packets=400)


@pytest.mark.parametrize(
    ("told_ms", "asked_ms", "before", "after"), [(5, 25, 25, 25), (40, 25, 40, 25), (25, 25, 25, 25)]
)
def test_probe_timeouts_reckon_with_the_longer_delay_until_the_peer_has_the_request(told_ms, asked_ms, before, after):
    """Section 7."""
    peer = parameters(min_ack_delay_ns=MILLISECOND_NS, max_ack_delay_ns=told_ms * MILLISECOND_NS)
    asking = Asking(peer=peer)
    asking.connection.peer_max_ack_delay_ns = told_ms * MILLISECOND_NS
    without_ns = probe_timeout_ns(asking.connection, asking.path, APPLICATION) - told_ms * MILLISECOND_NS
    [frame] = asking.ask(0)
    assert frame.requested_max_ack_delay_us == asked_ms * 1_000
    assert asking.expected_ms == before
    timeout_ns = probe_timeout_ns(asking.connection, asking.path, APPLICATION)
    assert timeout_ns == without_ns + before * MILLISECOND_NS
    asking.acknowledge(frame)
    assert asking.expected_ms == after


@pytest.mark.parametrize(
    ("peer", "asks"),
    [
        (parameters(), False),
        (parameters(min_ack_delay_ns=0), True),
        (parameters(min_ack_delay_ns=25 * MILLISECOND_NS), True),
        (parameters(min_ack_delay_ns=25 * MILLISECOND_NS, max_ack_delay_ns=None), True),  # 25 ms by default
    ],
)
def test_it_asks_who_takes_it(peer, asks):
    assert Asking(peer=peer).frequency.asks is asks


@pytest.mark.parametrize("maximum_ms", [5, None])
def test_a_minimum_above_the_maximum_is_an_error(maximum_ms):
    maximum_ns = None if maximum_ms is None else maximum_ms * MILLISECOND_NS
    with pytest.raises(TransportParameterError, match="min_ack_delay"):
        Asking(peer=parameters(min_ack_delay_ns=26 * MILLISECOND_NS, max_ack_delay_ns=maximum_ns))


@given(st.none() | st.integers(0, (1 << 14) * MILLISECOND_NS - 1))
def test_the_parameter_travels_in_microseconds(minimum_ns):
    sent = parameters(min_ack_delay_ns=minimum_ns)
    came = TransportParameters.decode(sent.encode()).min_ack_delay_ns
    assert came == (None if minimum_ns is None else -(-minimum_ns // 1_000) * 1_000)


# Both together


class Losing(Pipe):
    """Loses the datagrams of the server that a rule names."""

    def __init__(self, profile, is_lost):
        super().__init__(profile, **ASKS)
        self.is_lost = is_lost

    def _send(self, name, datagram):
        if name == "server" and self.is_lost(datagram.packets[-1]):
            self._measure(name, datagram)
            self.sent += 1
            self.dropped += 1
        else:
            super()._send(name, datagram)


def exchange(*, is_lost=lambda packet: False, size_bytes=200_000, profile="rfc9002"):
    """A pipe with a download, and all that happened on it."""
    pipe = Losing(profile, is_lost)
    events = []
    pipe.trace.subscribers.append(events.append)

    def answer(event):
        if hasattr(event, "stream_id"):
            pipe.server.send(event.stream_id, size_bytes, fin=True)

    pipe.sides["server"].on_event = answer
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.client.send(pipe.client.open_stream(), 100, fin=True)
    pipe.flush("client")
    pipe.run()
    return pipe, events


def frames_of(events, kind, frame, name):
    found = [event for event in events if isinstance(event, kind) and event.component == name]
    return [(event, each) for event in found for each in event.frames if isinstance(each, frame)]


@pytest.mark.parametrize("profile", ["rfc9002", "multipath"])
def test_a_request_is_sent_taken_and_kept(profile):
    pipe, events = exchange(profile=profile)
    asked = [frame for _, frame in frames_of(events, PacketSent, AckFrequencyFrame, "server")]
    taken = [frame for _, frame in frames_of(events, PacketReceived, AckFrequencyFrame, "client")]
    assert asked == taken
    assert [frame.sequence_number for frame in asked] == list(range(len(asked)))
    assert pipe.client.ack_frequency.threshold == asked[-1].ack_eliciting_threshold > 2
    assert pipe.client.max_ack_delay_ns == pipe.server.peer_max_ack_delay_ns == 5 * MILLISECOND_NS


def test_a_lost_request_is_repeated():
    lost = []

    def is_first_request(packet):
        if lost or not any(isinstance(frame, AckFrequencyFrame) for frame in packet.frames):
            return False
        lost.append(packet.number)
        return True

    pipe, events = exchange(is_lost=is_first_request)
    declared = [event.number for event in events if isinstance(event, PacketLost) and event.component == "server"]
    asked = frames_of(events, PacketSent, AckFrequencyFrame, "server")
    assert declared == lost == [asked[0][0].number]
    assert asked[0][1] == asked[1][1], "the same, until it is there"
    assert pipe.client.ack_frequency.is_asked


def ends(packet):
    return any(isinstance(frame, StreamFrame) and frame.fin for frame in packet.frames)


def test_the_last_data_ask_for_an_answer_at_once():
    _, events = exchange(size_bytes=30_000)
    [(asking, _)] = frames_of(events, PacketSent, ImmediateAckFrame, "server")
    assert ends(asking)
    answers = [event.time_ns for event, _ in frames_of(events, PacketSent, AckFrame, "client")]
    assert asking.time_ns + 10 * MILLISECOND_NS in answers, "as soon as it arrives"


def test_a_probe_asks_for_an_answer_at_once():
    lost = []

    def is_last(packet):
        if lost or not ends(packet):
            return False
        lost.append(packet.number)
        return True

    pipe, events = exchange(size_bytes=30_000, is_lost=is_last)
    asking = [event for event, _ in frames_of(events, PacketSent, ImmediateAckFrame, "server")]
    assert asking[0].number == lost[0]
    assert any(event.is_probe for event in asking[1:])
    assert pipe.sides["client"].finished


def acknowledgements(**keys):
    """Of a bulk download: packets that the client sent after the handshake, and how long it took."""
    sent = []

    def note(event):
        if isinstance(event, PacketSent) and event.component == "client" and event.space == "application":
            sent.append(event)

    record = trace(load("bulk_download", [f"{key}={value}" for key, value in keys.items()]), "default", 0, note)
    return len(sent), record.metrics["completion_s"]


@pytest.mark.parametrize("control", ["newreno", "cubic", "bbr"])
def test_a_download_needs_far_fewer_acknowledgements_and_as_long(control):
    common = {"quic.congestion_control": control, "transfer.size": "3MB"}
    many, before_s = acknowledgements(**common)
    few, after_s = acknowledgements(
        **common, **{"quic.min_ack_delay": "1ms", "quic.ack_frequency.max_ack_delay": "25ms"}
    )
    assert few < many / 3
    assert after_s == pytest.approx(before_s, rel=0.05)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["hosts.server.ack_frequency.reordering_threshold=0"], r"server\.ack_frequency.*client.*min_ack_delay"),
        (["quic.min_ack_delay=2ms"], r"min_ack_delay is above max_ack_delay, 1 ms"),
        (["quic.profile=picoquic", "quic.min_ack_delay=1ms"], r'no min_ack_delay; take profile "rfc9002"'),
        (["quic.min_ack_delay=1ms", "quic.ack_frequency.max_ack_delay=20s"], r"below 2\^14 ms"),
        (
            ["hosts.client.min_ack_delay=1ms", "hosts.server.ack_frequency.max_ack_delay=500us"],
            "hosts.server.ack_frequency.max_ack_delay: is below the client's min_ack_delay; give no less than 1 ms",
        ),
        (
            ["quic.min_ack_delay=1ms", f"quic.ack_frequency.reordering_threshold={2**62}"],
            "quic.ack_frequency.reordering_threshold: input should be less than",
        ),
        (["quic.profile=aioquic", "quic.min_ack_delay=1ms"], r"min_ack_delay.*no such choice"),
    ],
)
def test_what_a_scenario_cannot_mean(overrides, message):
    with pytest.raises(ScenarioError, match=message):
        load("bulk_download", overrides).run()
