"""How fast may a path send, and how much may it have in flight, under BBR? Version 3, draft-ietf-ccwg-bbr-06.

A model of the path, its bandwidth and its least round-trip time, sets a pacing rate and a window; a state machine sends
faster and slower in turn to keep the model true. All in integers: rates in bytes a second, sizes in bytes, times in
nanoseconds. Section numbers are the draft's. A mark counts as a loss (section 3.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicsim.quic.congestion.base import CongestionController
from quicsim.quic.congestion.bbr_model import (
    BETA,
    INFINITY,
    Aggregation,
    FullPipe,
    MinimumRtt,
    ShortTermModel,
    inflight_at_loss,
    is_too_high,
)
from quicsim.quic.congestion.bbr_states import ACCELERATING, GAINS, PROBE_BW, AckPhase, BbrState
from quicsim.quic.congestion.delivery_rate import SECOND_NS
from quicsim.quic.states import SendingProcessState

if TYPE_CHECKING:
    from quicsim.quic.congestion.delivery_rate import DeliveryRate
    from quicsim.quic.path import Path
    from quicsim.quic.profiles import Profile

__all__ = ["Bbr", "BbrState"]

MILLISECOND_NS = 1_000_000


PACING_MARGIN_PERCENT = 1  # section 2.5
HEADROOM = (15, 100)  # section 2.8
MINIMUM_WINDOW_DATAGRAMS = 4  # section 2.8: MinPipeCwnd
STARTUP_LOSS_RANGES = 6  # section 5.3.1.3
DRAIN_ROUNDS = 3  # section 5.3.2
PROBE_RTT_LASTS_NS = 200 * MILLISECOND_NS  # section 2.16.2
SHORTEST_PROBE_WAIT_NS = 2 * SECOND_NS  # section 5.3.3.8
RENO_ROUNDS = 63  # section 5.3.3.8
LARGEST_QUANTUM_BYTES = 64 << 10  # section 5.6.3
MOST_UP_ROUNDS = 30  # section 5.3.3.9


class Before(NamedTuple):
    """The model before a loss (section 5.5.11.1)."""

    bandwidth_shortterm: int
    inflight_shortterm: int
    inflight_longterm: int


class Bbr(CongestionController):
    """One path's model and state machine."""

    samples_delivery = True
    undoes_by_itself = True

    def __init__(self, profile: Profile, paths: list[Path]) -> None:
        super().__init__(profile, paths)
        self.state = BbrState.STARTUP
        self._initial_window_bytes = 0
        self._draws = 0
        # Rounds, section 5.5.1
        self._round = 0
        self._round_starts = False
        self._round_ends_bytes = 0
        self._window_limited = self._window_was_limited = False
        # The long-term model: bandwidth of this and of the last probing cycle, sections 5.5.3 to 5.5.6
        self._cycle_bandwidths = [0, 0]
        self._minimum_rtt = MinimumRtt()
        self._inflight_longterm = INFINITY
        self._shortterm = ShortTermModel()
        self._loss_ranges = 0
        self._last_lost_number = -2
        self._recovery_start_ns = -1
        self._recovering = False
        self._has_recovered = False
        """With the present ACK."""
        self._prior_window_bytes = 0
        self._before = Before(0, 0, 0)
        self._left_state: BbrState | None = None
        """The accelerating state that these losses have ended; None: they have ended none."""
        self._pipe = FullPipe()
        self._drain_start_round = 0
        self._aggregation = Aggregation()
        # Probing for bandwidth, section 5.3.3
        self._phase = AckPhase.INIT
        self._is_probe_sample = False
        self._probe_too_high = False
        self._probe_precautionary = False
        self._probe_acked = 0
        self._probe_acked_per_step = INFINITY
        self._probe_up_rounds = 0
        self._rounds_since_probe = 0
        self._cycle_start_ns = 0
        self._probe_wait_ns = 0
        # Probing for the round-trip time, section 5.3.4
        self._probe_rtt_done_ns = 0
        self._probe_rtt_round_done = False
        self._idle_restart = False

    # What the path tells

    def rtt_sampled(self, path: Path, sent_ns: int, now_ns: int) -> None:
        """The first round-trip time gives the first pacing rate (section 5.6.2)."""
        if not path.pacing_rate:
            self._initial_window_bytes = path.cwnd_bytes
            startup = GAINS[BbrState.STARTUP].pacing
            path.pacing_rate = startup * path.cwnd_bytes * SECOND_NS // (100 * path.rtt.smoothed_ns)
            self._set_send_quantum(path)

    def congested(self, path: Path, lost_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Packets were lost, or marked (sections 5.5.10.2, 3.7)."""
        delivery, shortterm = path.delivery, self._shortterm
        recovery_begins = sent_ns > self._recovery_start_ns and not self._recovering
        if recovery_begins or not shortterm.has_lost:
            self._save_state(path)
        if recovery_begins:
            self._recovering = True
            self._recovery_start_ns = now_ns
        shortterm.lost(delivery.delivered_bytes)
        losses, delivery.newly_lost = delivery.newly_lost, []
        for loss in losses:
            shortterm.lost(delivery.delivered_bytes)  # again where the one before has ended a probe
            if loss.number != self._last_lost_number + 1:
                self._loss_ranges += 1
            self._last_lost_number = loss.number
            if self._is_probe_sample and is_too_high(loss.lost_bytes, loss.in_flight_bytes):
                self._inflight_too_high(path, inflight_at_loss(loss), loss.is_application_limited, now_ns)

    def acked(self, path: Path, size_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Recovery ends with a packet sent after it began (RFC 9002 section 7.3.2; here section 5.6.4.4)."""
        if self._recovering and sent_ns > self._recovery_start_ns:
            self._recovering = False
            self._has_recovered = True
            self._restore_window(path)

    def ack_told(self, path: Path, now_ns: int) -> None:
        """Update the model, the state, then rate and window (section 5.2.3)."""
        delivery = path.delivery
        if delivery.sample(path):
            if path.sending_state is SendingProcessState.CONGESTION_LIMITED:
                self._window_limited = True
            self._update_model(path, delivery, now_ns)
            self._set_pacing_rate(path, GAINS[self.state].pacing)
            self._set_send_quantum(path)
            self._set_window(path, delivery)
        delivery.done()
        self._has_recovered = False

    def resumed(self, path: Path, now_ns: int) -> None:
        """The application's silence is over (section 5.4.1)."""
        if not path.delivery.limited_until_bytes:
            return
        self._idle_restart = True
        self._aggregation.restart(now_ns)
        if self.state in PROBE_BW:
            self._set_pacing_rate(path, 100)
        elif self.state is BbrState.PROBE_RTT:
            self._end_probe_rtt_if_done(path, now_ns)

    def timed_out(self, path: Path, now_ns: int) -> None:
        """Persistent congestion: room for one datagram more than is in flight (section 5.6.4.4)."""
        self._save_state(path)
        path.cwnd_bytes = max(path.bytes_in_flight + path.datagram_bytes, path.minimum_window_bytes)

    def undo(self, path: Path, now_ns: int) -> None:
        """The recovery was for nothing (section 5.5.11.2)."""
        self._recovering = False
        self._recovery_start_ns = -1
        self._restore_window(path)
        self._pipe.reset()
        before, left_state, shortterm = self._before, self._left_state, self._shortterm
        shortterm.has_lost = False
        shortterm.bandwidth = max(shortterm.bandwidth, before.bandwidth_shortterm)
        shortterm.inflight = max(shortterm.inflight, before.inflight_shortterm)
        self._inflight_longterm = max(self._inflight_longterm, before.inflight_longterm)
        self._left_state = None
        if left_state is BbrState.STARTUP and self.state is not BbrState.STARTUP:
            self._pipe.was_full = False
            if self.state is not BbrState.PROBE_RTT:
                self.state = BbrState.STARTUP
        elif left_state is BbrState.UP and self.state not in (BbrState.UP, BbrState.PROBE_RTT):
            self._start_refill(path.delivery)

    def _save_state(self, path: Path) -> None:
        """Section 5.5.11.1, SaveStateUponLoss."""
        self._save_window(path)
        self._left_state = None
        self._before = Before(self._shortterm.bandwidth, self._shortterm.inflight, self._inflight_longterm)

    # The model

    @property
    def _maximum_bandwidth(self) -> int:
        return max(self._cycle_bandwidths)

    @property
    def _bandwidth(self) -> int:
        return min(self._maximum_bandwidth, self._shortterm.bandwidth)

    def _update_model(self, path: Path, delivery: DeliveryRate, now_ns: int) -> None:
        self._shortterm.sampled(delivery)
        self._update_congestion_signals(path, delivery)
        self._aggregation.sampled(
            delivery, self._bandwidth, path.cwnd_bytes, now_ns, self._round, remembers=self._pipe.was_full
        )
        if self._round_starts and not delivery.of.is_application_limited:
            self._pipe.round_ended(delivery.rate)
        self._check_startup(path, delivery)
        if self.state is BbrState.DRAIN and (
            path.bytes_in_flight <= self._inflight(path, self._bandwidth)
            or self._round > self._drain_start_round + DRAIN_ROUNDS
        ):
            self._start_down(path, now_ns)
        self._update_probe_bandwidth(path, delivery, now_ns)
        self._minimum_rtt.sampled(delivery.rtt_ns, now_ns)
        self._check_probe_rtt(path, delivery, now_ns)
        self._shortterm.advance(delivery)

    def _update_congestion_signals(self, path: Path, delivery: DeliveryRate) -> None:
        """Sections 5.5.1, 5.5.5, 5.5.10.3: count rounds, take the bandwidth sample, and once a round heed losses."""
        self._round_starts = delivery.of.delivered_bytes >= self._round_ends_bytes
        if self._round_starts:
            self._start_round(delivery)
            self._round += 1
            self._rounds_since_probe += 1
            self._window_was_limited, self._window_limited = self._window_limited, False
        if delivery.rate and (delivery.rate >= self._maximum_bandwidth or not delivery.of.is_application_limited):
            self._cycle_bandwidths[1] = max(self._cycle_bandwidths[1], delivery.rate)
        if self._shortterm.round_starts:
            if self._shortterm.has_lost and self.state not in ACCELERATING:
                self._shortterm.adapt(self._maximum_bandwidth, path.cwnd_bytes)
            self._shortterm.has_lost = False

    def _start_round(self, delivery: DeliveryRate) -> None:
        self._round_ends_bytes = delivery.delivered_bytes

    # Startup and Drain

    def _check_startup(self, path: Path, delivery: DeliveryRate) -> None:
        """Leave Startup when the pipe is full or too much is lost (section 5.3.1.3).

        What ends a round of losses, the first packet sent during it, also ends QUIC's recovery.
        """
        round_starts = self._shortterm.round_starts
        if self.state is BbrState.STARTUP and round_starts and not self._pipe.was_full:
            lost_bytes = delivery.lost_bytes - delivery.of.lost_bytes
            if (
                (self._recovering or self._has_recovered)
                and self._loss_ranges >= STARTUP_LOSS_RANGES
                and is_too_high(lost_bytes, delivery.of.in_flight_bytes)
            ):
                self._left_state = BbrState.STARTUP
                self._pipe.was_full = True
                product = self._product(path, self._bandwidth, 100)
                self._inflight_longterm = max(product, self._shortterm.inflight_latest)
        if round_starts:
            self._loss_ranges = 0
        if self.state is BbrState.STARTUP and self._pipe.was_full:
            self.state = BbrState.DRAIN
            self._drain_start_round = self._round

    # Probing for bandwidth

    def _update_probe_bandwidth(self, path: Path, delivery: DeliveryRate, now_ns: int) -> None:
        """The cycle of section 5.3.3.9."""
        if not self._pipe.was_full or self._adapt_long_term_model(path, delivery, now_ns):
            return
        if self.state in (BbrState.DOWN, BbrState.CRUISE):
            if self._is_time_to_probe(path, now_ns):
                self._start_refill(delivery)
            elif self.state is BbrState.DOWN and path.bytes_in_flight <= min(
                self._inflight_with_headroom(path), self._inflight(path, self._maximum_bandwidth)
            ):
                self.state = BbrState.CRUISE
        elif self.state is BbrState.REFILL and self._round_starts:
            self._is_probe_sample = True
            self._start_up(path, delivery)
        elif self.state is BbrState.UP and self._is_time_to_go_down(path, delivery):
            self._probe_too_high = False
            self._start_down(path, now_ns)

    def _adapt_long_term_model(self, path: Path, delivery: DeliveryRate, now_ns: int) -> bool:
        """Section 5.3.3.9, AdaptLongTermModel; whether it chose the next state."""
        if self._phase is AckPhase.PROBE_STARTING and self._round_starts:
            self._phase = AckPhase.PROBE_FEEDBACK
        if self._phase is AckPhase.PROBE_STOPPING and self._round_starts:
            self._is_probe_sample = False
            self._phase = AckPhase.INIT
            if self.state in PROBE_BW:
                if not delivery.of.is_application_limited and self._cycle_bandwidths[1]:
                    self._cycle_bandwidths = [self._cycle_bandwidths[1], 0]
                if self._probe_precautionary and not self._probe_too_high:
                    self._start_refill(delivery)
                    return True
        lost_bytes = delivery.lost_bytes - delivery.of.lost_bytes
        if is_too_high(lost_bytes, delivery.of.in_flight_bytes) or self._inflight_longterm == INFINITY:
            return False
        self._inflight_longterm = max(self._inflight_longterm, delivery.of.in_flight_bytes)
        if self.state is BbrState.UP:
            self._probe_upward(path, delivery)
        return False

    def _inflight_too_high(self, path: Path, inflight_bytes: int, application_limited: bool, now_ns: int) -> None:
        """A probe lost too much: remember how much was in flight (section 5.5.10.2)."""
        self._probe_too_high = True
        self._is_probe_sample = False
        if not application_limited:
            kept, of = BETA
            self._inflight_longterm = max(inflight_bytes, self._target_inflight(path) * kept // of)
        if self.state is BbrState.UP:
            self._left_state = BbrState.UP
            self._start_down(path, now_ns)

    def _start_down(self, path: Path, now_ns: int) -> None:
        self._shortterm.forget()
        self._probe_acked_per_step = INFINITY
        self._rounds_since_probe = self._draw(path, 2)
        self._probe_wait_ns = SHORTEST_PROBE_WAIT_NS + self._draw(path, SECOND_NS)
        self._cycle_start_ns = now_ns
        self._phase = AckPhase.PROBE_STOPPING
        self._start_round(path.delivery)
        self.state = BbrState.DOWN

    def _start_refill(self, delivery: DeliveryRate) -> None:
        self._shortterm.reset()
        self._probe_up_rounds = self._probe_acked = 0
        self._probe_precautionary = False
        self._phase = AckPhase.REFILLING
        self._start_round(delivery)
        self.state = BbrState.REFILL

    def _start_up(self, path: Path, delivery: DeliveryRate) -> None:
        self._phase = AckPhase.PROBE_STARTING
        self._start_round(delivery)
        self._pipe.reset(delivery.rate)
        self.state = BbrState.UP
        self._raise_slope(path)

    def _is_time_to_probe(self, path: Path, now_ns: int) -> bool:
        """Section 5.3.3.8: after two to three seconds, or as many rounds as Reno would take to get there."""
        rounds = min(self._target_inflight(path) // path.datagram_bytes, RENO_ROUNDS)
        return now_ns > self._cycle_start_ns + self._probe_wait_ns or self._rounds_since_probe >= rounds

    def _is_time_to_go_down(self, path: Path, delivery: DeliveryRate) -> bool:
        """Section 5.3.3.7."""
        if self._probe_too_high and path.bytes_in_flight >= self._inflight_longterm:
            self._probe_precautionary = True
            return True
        if self._is_window_limited and path.cwnd_bytes >= self._inflight_longterm:
            self._pipe.reset(delivery.rate)  # the bound, not the path, holds the bandwidth
            return False
        return self._pipe.is_full

    @property
    def _is_window_limited(self) -> bool:
        return self._window_limited or self._window_was_limited

    def _raise_slope(self, path: Path) -> None:
        self._probe_acked_per_step = max(path.cwnd_bytes >> self._probe_up_rounds, path.datagram_bytes)
        self._probe_up_rounds = min(self._probe_up_rounds + 1, MOST_UP_ROUNDS)

    def _probe_upward(self, path: Path, delivery: DeliveryRate) -> None:
        """Raise the bound by 1, 2, 4, ... datagrams a round (section 5.3.3.5)."""
        if not self._is_window_limited or path.cwnd_bytes < self._inflight_longterm:
            return
        self._probe_acked += delivery.newly_acknowledged_bytes
        steps, self._probe_acked = divmod(self._probe_acked, self._probe_acked_per_step)
        self._inflight_longterm += steps * path.datagram_bytes
        if self._round_starts:
            self._raise_slope(path)

    def _draw(self, path: Path, bound: int) -> int:
        self._draws += 1
        return path.chance.below(self._draws - 1, bound)

    # Probing for the round-trip time

    def _check_probe_rtt(self, path: Path, delivery: DeliveryRate, now_ns: int) -> None:
        """Section 5.3.4.3."""
        if self.state is not BbrState.PROBE_RTT and self._minimum_rtt.is_due and not self._idle_restart:
            self.state = BbrState.PROBE_RTT
            self._save_window(path)
            self._probe_rtt_done_ns = 0
            self._phase = AckPhase.PROBE_STOPPING
            self._start_round(delivery)
        if self.state is BbrState.PROBE_RTT:
            delivery.ran_dry(path)  # the low rates of now say nothing
            if not self._probe_rtt_done_ns:
                if path.bytes_in_flight <= self._probe_rtt_window(path):
                    self._probe_rtt_done_ns = now_ns + PROBE_RTT_LASTS_NS
                    self._probe_rtt_round_done = False
                    self._start_round(delivery)
            else:
                self._probe_rtt_round_done = self._probe_rtt_round_done or self._round_starts
                if self._probe_rtt_round_done:
                    self._end_probe_rtt_if_done(path, now_ns)
        if delivery.sample_bytes:
            self._idle_restart = False

    def _end_probe_rtt_if_done(self, path: Path, now_ns: int) -> None:
        """Sections 5.3.4.3 and 5.3.4.4."""
        if not self._probe_rtt_done_ns or now_ns <= self._probe_rtt_done_ns:
            return
        self._minimum_rtt.probed(now_ns)
        self._restore_window(path)
        self._shortterm.reset()
        if self._pipe.was_full:
            self._start_down(path, now_ns)
            self.state = BbrState.CRUISE
        else:
            self.state = BbrState.STARTUP

    # Rate and window

    def _product(self, path: Path, bandwidth: int, percent: int) -> int:
        """A part of the bandwidth-delay product, the initial window before there is one (section 5.6.4.2)."""
        if self._minimum_rtt.value_ns == INFINITY:
            return self._initial_window_bytes
        return bandwidth * self._minimum_rtt.value_ns * percent // (100 * SECOND_NS)

    def _with_budget(self, path: Path, inflight_bytes: int) -> int:
        bounded = max(inflight_bytes, path.send_quantum_bytes, MINIMUM_WINDOW_DATAGRAMS * path.datagram_bytes)
        return bounded + 2 * path.datagram_bytes if self.state is BbrState.UP else bounded

    def _inflight(self, path: Path, bandwidth: int) -> int:
        return self._with_budget(path, self._product(path, bandwidth, 100))

    def _target_inflight(self, path: Path) -> int:
        return min(self._product(path, self._bandwidth, 100), path.cwnd_bytes)

    def _inflight_with_headroom(self, path: Path) -> int:
        if self._inflight_longterm == INFINITY:
            return INFINITY
        left, of = HEADROOM
        headroom = max(path.datagram_bytes, self._inflight_longterm * left // of)
        return max(self._inflight_longterm - headroom, MINIMUM_WINDOW_DATAGRAMS * path.datagram_bytes)

    def _probe_rtt_window(self, path: Path) -> int:
        product = self._product(path, self._bandwidth, GAINS[BbrState.PROBE_RTT].window)
        return max(product, MINIMUM_WINDOW_DATAGRAMS * path.datagram_bytes)

    def _set_pacing_rate(self, path: Path, percent: int) -> None:
        """Section 5.6.2: a little below the bandwidth; until the pipe was full, only ever faster."""
        rate = percent * self._bandwidth * (100 - PACING_MARGIN_PERCENT) // 10_000
        if rate and (self._pipe.was_full or rate > path.pacing_rate):
            path.pacing_rate = rate

    def _set_send_quantum(self, path: Path) -> None:
        """Section 5.6.3: what leaves in a millisecond."""
        quantum = min(path.pacing_rate * MILLISECOND_NS // SECOND_NS, LARGEST_QUANTUM_BYTES)
        path.send_quantum_bytes = max(quantum, 2 * path.datagram_bytes)

    def _save_window(self, path: Path) -> None:
        if self.state is BbrState.PROBE_RTT or self._recovering:
            self._prior_window_bytes = max(self._prior_window_bytes, path.cwnd_bytes)
        else:
            self._prior_window_bytes = path.cwnd_bytes

    def _restore_window(self, path: Path) -> None:
        path.cwnd_bytes = max(path.cwnd_bytes, self._prior_window_bytes)

    def _set_window(self, path: Path, delivery: DeliveryRate) -> None:
        """Sections 5.6.4.6 and 5.6.4.7."""
        product = self._product(path, self._bandwidth, GAINS[self.state].window)
        maximum_bytes = self._with_budget(path, product + self._aggregation.extra_bytes)
        window_bytes = path.cwnd_bytes
        if self._pipe.was_full:
            window_bytes = min(window_bytes + delivery.newly_acknowledged_bytes, maximum_bytes)
        elif window_bytes < maximum_bytes or delivery.delivered_bytes < self._initial_window_bytes:
            window_bytes += delivery.newly_acknowledged_bytes
        least_bytes = MINIMUM_WINDOW_DATAGRAMS * path.datagram_bytes
        window_bytes = max(window_bytes, least_bytes)
        cap = INFINITY
        if self.state is BbrState.PROBE_RTT:
            window_bytes = min(window_bytes, self._probe_rtt_window(path))
        if self.state in (BbrState.PROBE_RTT, BbrState.CRUISE):
            cap = self._inflight_with_headroom(path)
        elif self.state in PROBE_BW:
            cap = self._inflight_longterm
        path.cwnd_bytes = min(window_bytes, max(min(cap, self._shortterm.inflight), least_bytes))
