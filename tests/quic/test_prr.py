"""Proportional rate reduction: the window against RFC 9937's pseudocode, for each controller, whatever happens."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.events import MetricsUpdated, PacketLost, PacketSent
from quicsim.quic.congestion.prr import ProportionalRateReduction
from quicsim.quic.states import SendingProcessState
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load
from quicsim.scenario.run import trace
from tests.quic.controlled import PACKET_BYTES, ack, lose, packets, paths_under, profile

REDUCING = {"proportional_rate_reduction": True}
CONTROLLERS = {"newreno": (1, 2), "cubic": (7, 10), "olia": (1, 2)}
"""What each leaves of a window."""


@dataclass
class Pseudocode:
    """RFC 9937 section 6, line by line, in bytes."""

    ssthresh: int
    recover_fs: int
    prr_delivered: int = 0
    prr_out: int = 0

    def on_ack(self, delivered_data, inflight, safe_ack):
        """The window after an ACK during recovery."""
        self.prr_delivered += delivered_data
        if inflight > self.ssthresh:
            out = -(-self.prr_delivered * self.ssthresh // self.recover_fs)
            send_count = out - self.prr_out
        else:
            send_count = max(self.prr_delivered - self.prr_out, delivered_data)
            if safe_ack:
                send_count += PACKET_BYTES
            send_count = min(self.ssthresh - inflight, send_count)
        if self.prr_out == 0 and send_count < PACKET_BYTES:  # the RFC says 0; nobody sends a part of a packet
            send_count = PACKET_BYTES
        return inflight + send_count

    def on_sent(self, size_bytes):
        self.prr_out += size_bytes


class Sender:
    """A sender with always something to send, whose packets are numbers; `window` packets of it are in flight."""

    def __init__(self, controller, window):
        self.kept = CONTROLLERS[controller]
        [self.path] = paths_under(controller, 1, profile(**REDUCING), cwnd_bytes=window * PACKET_BYTES)
        self.space = self.path.application
        self.now_ns = 1_000
        self.rfc = None
        self.has_lost = False
        """Since something was last acknowledged."""
        self.send()

    @property
    def in_flight(self):
        return len(self.space.outstanding)

    def send(self):
        """Fill the window; how many that were."""
        before = self.in_flight
        while self.path.window_is_open:
            self.send_one()
        self.space.last_ack_eliciting_sent_ns = self.now_ns
        if self.rfc is not None:
            self.rfc.on_sent((self.in_flight - before) * PACKET_BYTES)
        return self.in_flight - before

    def send_one(self):
        """A moment later: what is sent at the instant of the cut goes with what was sent before it."""
        self.space.outstanding[self.space.next_number] = self.now_ns + 1
        self.space.next_number += 1
        self.path.bytes_in_flight += PACKET_BYTES

    def on_ack(self, acknowledged, lost=0):
        """An ACK settles so many of the oldest packets, the lost ones first; how many go out then."""
        self.now_ns += 1_000
        flight, unacknowledged = self.in_flight, min(self.space.outstanding)
        gone = [self.space.outstanding.pop(number) for number in sorted(self.space.outstanding)[: lost + acknowledged]]
        for sent_ns in gone[lost:]:
            self.path.bytes_in_flight -= PACKET_BYTES
            self.path.congestion.acked(self.path, PACKET_BYTES, sent_ns, self.now_ns)
        if lost:
            self.path.bytes_in_flight -= lost * PACKET_BYTES
            self.path.congestion.congested(self.path, lost * PACKET_BYTES, gone[lost - 1], self.now_ns)
        self.path.congestion.ack_told(self.path, self.now_ns)
        if lost and self.rfc is None:
            self.rfc = Pseudocode(self.path.ssthresh_bytes, flight * PACKET_BYTES)
        self.has_lost |= bool(lost)
        if self.rfc is not None and acknowledged:
            advanced = min(self.space.outstanding, default=self.space.next_number) > unacknowledged
            is_safe = advanced and not self.has_lost
            self.expected = self.rfc.on_ack(acknowledged * PACKET_BYTES, self.path.bytes_in_flight, is_safe)
            self.has_lost = False
        return self.send()


@pytest.mark.parametrize(
    ("window", "lost", "sent", "why"),
    [
        (20, 1, [1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0], "half of what is delivered, while more than half is out"),
        (20, 15, [1, 2, 2], "a heavy loss is made up for by one more than is delivered, not by ten at once"),
        (4, 1, [1, 0, 1], "down to the smallest window"),
    ],
)
def test_what_goes_out_for_each_packet_that_arrives(window, lost, sent, why):
    sender = Sender("newreno", window)
    assert sender.path.congestion._recovery_start_ns < 0
    first, *later = sent
    assert sender.on_ack(1, lost) == first, "what was lost is repeated at once"
    assert [sender.on_ack(1) for _ in later] == later, why


@given(
    controller=st.sampled_from(sorted(CONTROLLERS)),
    window=st.integers(4, 300),
    first=st.tuples(st.integers(1, 40), st.integers(1, 300)),
    events=st.lists(st.tuples(st.integers(0, 8), st.one_of(st.just(0), st.integers(1, 20))), max_size=80),
)
def test_the_window_is_what_the_pseudocode_says(controller, window, first, events):
    sender = Sender(controller, window)
    least_bytes = sender.path.minimum_window_bytes
    flight = sender.in_flight
    for acknowledged, lost in (first, *events):
        lost = min(lost, flight - acknowledged)
        flight -= lost + acknowledged  # recovery is over when something is acknowledged that was sent during it
        if flight <= 0 or lost < 0:
            break
        sender.on_ack(acknowledged, lost)
        if sender.rfc is None or not sender.rfc.prr_delivered:
            break
        if acknowledged:
            assert sender.path.cwnd_bytes == max(sender.expected, least_bytes)
        assert sender.rfc.prr_out <= 2 * sender.rfc.prr_delivered + PACKET_BYTES, "two for one at the most"


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("lost", [1, 5, 40])
def test_recovery_ends_at_the_threshold(controller, lost):
    """However much was lost; and what the window leads to is what the controller leaves of it."""
    sender = Sender(controller, 100)
    kept, of = CONTROLLERS[controller]
    sender.on_ack(1, lost)
    assert sender.path.ssthresh_bytes == 100 * PACKET_BYTES * kept // of
    for _ in range(100 - lost - 1):
        sender.on_ack(1)
    assert sender.path.congestion._reduction.is_active
    sender.on_ack(1)
    assert not sender.path.congestion._reduction.is_active
    # and the acknowledgement that ends it may grow the window, by less than a packet
    assert sender.path.ssthresh_bytes <= sender.path.cwnd_bytes < sender.path.ssthresh_bytes + PACKET_BYTES


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_without_it_the_window_is_cut_at_once(controller):
    [path] = paths_under(controller, 1, cwnd_bytes=100 * PACKET_BYTES)
    kept, of = CONTROLLERS[controller]
    lose(path, 1_000)
    assert path.cwnd_bytes == path.ssthresh_bytes == 100 * PACKET_BYTES * kept // of
    assert not path.follows_acks


def test_a_loss_that_no_acknowledgement_tells_of_lets_one_packet_out():
    sender = Sender("newreno", 20)
    sender.path.bytes_in_flight -= PACKET_BYTES
    del sender.space.outstanding[0]
    sender.path.congestion.congested(sender.path, PACKET_BYTES, 1_000, 2_000)
    assert sender.send() == 1
    assert sender.send() == 0


def test_a_packet_sent_in_spite_of_the_window_counts():
    sender = Sender("newreno", 40)
    sender.on_ack(1, 1)
    for _probe in range(4):
        sender.send_one()
    assert [sender.on_ack(1) for _ in range(11)] == [0] * 10 + [1], "12 delivered allow 6"


def test_the_window_never_falls_below_the_minimum():
    [path] = paths_under("newreno", 1, ssthresh_bytes=10 * PACKET_BYTES)
    path.bytes_in_flight = 0
    reduction = ProportionalRateReduction()
    assert reduction.begin(path, 20 * PACKET_BYTES) == path.minimum_window_bytes == 2 * PACKET_BYTES


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_persistent_congestion_puts_an_end_to_it(controller):
    sender = Sender(controller, 100)
    sender.on_ack(1, 3)
    sender.path.congestion.timed_out(sender.path, sender.now_ns)
    sender.path.congestion.ack_told(sender.path, sender.now_ns)
    assert packets(sender.path) == 2
    assert not sender.path.congestion._reduction.is_active


def test_siblings_see_the_window_that_a_reduction_leads_to():
    reducing = profile(**REDUCING, back_off=(17, 20))
    first, second = paths_under("olia", 2, reducing, cwnd_bytes=100 * PACKET_BYTES)
    first.bytes_in_flight = 20 * PACKET_BYTES
    lose(first, 1_000, lost_bytes=80 * PACKET_BYTES)
    assert packets(first) == 21
    assert first.congestion.load(first).window_bytes == 85 * PACKET_BYTES
    assert second.congestion.load(second).window_bytes == 100 * PACKET_BYTES
    lose(first, 2_000, sent_ns=1_500)
    assert first.ssthresh_bytes == 85 * PACKET_BYTES * 17 // 20, "a second cut starts from there, too"


def test_growth_goes_on_after_recovery():
    limited = SendingProcessState.CONGESTION_LIMITED
    [path] = paths_under("newreno", 1, profile(**REDUCING), cwnd_bytes=10 * PACKET_BYTES, sending_state=limited)
    lose(path, 1_000)
    for now_ns in range(2_000, 2_011):
        ack(path, now_ns)
    assert packets(path) == 7, "five from the cut, and two windows of acknowledgements"


# On a link


def recovery(control, kind):
    """Of a download's first loss: the longest silence of the sender in the round trip after it, the windows before and
    after, the round-trip time; times in milliseconds, windows in bytes.
    """
    events = []
    overrides = [
        f"quic.congestion_control={control}", f"quic.recovery={kind}", "links.bottleneck.drop_every=300",
        "links.bottleneck.queue.limit=10MB", "transfer.size=1300kB",
    ]  # fmt: skip
    trace(load("bulk_download", overrides), "default", 0, events.append)
    events = [event for event in events if getattr(event, "component", "") == "server"]
    lost_ns = min(event.time_ns for event in events if isinstance(event, PacketLost))
    metrics = [event for event in events if isinstance(event, MetricsUpdated)]
    before = [event for event in metrics if event.time_ns < lost_ns][-1]
    over_ns = lost_ns + before.latest_rtt_ns
    sent = [event.time_ns for event in events if isinstance(event, PacketSent) and lost_ns <= event.time_ns <= over_ns]
    after = next(event for event in metrics if event.time_ns > over_ns + before.latest_rtt_ns // 2)
    silence_ns = max(later - earlier for earlier, later in itertools.pairwise((lost_ns, *sent, over_ns)))
    return silence_ns / 1e6, before.congestion_window, after.congestion_window, before.latest_rtt_ns / 1e6


@pytest.mark.parametrize(("control", "kept"), [("newreno", 0.5), ("cubic", 0.7)])
def test_what_arrives_paces_what_is_sent_during_recovery(control, kept):
    """Cut at once, the sender falls silent until so much less is in flight; in proportion, it goes on, more slowly."""
    silence_ms, before, after, rtt_ms = recovery(control, "prr")
    cut_silence_ms, cut_before, cut_after, _ = recovery(control, "cut")
    assert before == cut_before
    assert after == pytest.approx(kept * before, abs=2_400)
    assert cut_after == pytest.approx(kept * before, abs=2_400)
    assert cut_silence_ms > (1 - kept) * rtt_ms * 0.8
    assert silence_ms < cut_silence_ms / 4


def test_bbr_has_a_recovery_of_its_own():
    with pytest.raises(ScenarioError, match=r"recovery.*bbr"):
        load("bulk_download", ["quic.congestion_control=bbr", "quic.recovery=prr"]).run()
