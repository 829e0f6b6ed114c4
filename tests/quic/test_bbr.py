"""BBR on a simulated link: does it find bandwidth and delay, keep queues short, and go through its states?"""

import itertools
from dataclasses import replace
from statistics import median

import pytest

from quicsim.events import MetricsUpdated
from quicsim.quic.congestion import CONTROLLERS
from quicsim.quic.congestion.bbr import Bbr, BbrState
from quicsim.quic.congestion.bbr_model import inflight_at_loss, is_too_high
from quicsim.quic.congestion.delivery_rate import Loss
from quicsim.scenario.load import load
from quicsim.scenario.run import trace
from tests.quic.controlled import PACKET_BYTES, lose, paths_under

STARTUP, DRAIN, DOWN, CRUISE, REFILL, UP, PROBE_RTT = BbrState
SECOND_NS = 1_000_000_000

TRANSITIONS = {
    (STARTUP, DRAIN), (DRAIN, DOWN), (DOWN, CRUISE), (DOWN, REFILL), (CRUISE, REFILL), (REFILL, UP), (UP, DOWN),
    (PROBE_RTT, DOWN), (PROBE_RTT, STARTUP), *((state, PROBE_RTT) for state in BbrState),
}  # fmt: skip
"""Section 5.1.1."""


class Watched(Bbr):
    """Keeps the states that it was in, each with its instant, and what was in flight at each acknowledgement."""

    def __init__(self, profile, paths):
        self.visits, self.flights, self.now_ns = [], [], 0
        super().__init__(profile, paths)

    def __setattr__(self, name, value):
        if name == "state":
            self.visits.append((self.now_ns, value))
        super().__setattr__(name, value)

    def ack_told(self, path, now_ns):
        self.now_ns = now_ns
        super().ack_told(path, now_ns)
        self.flights.append((self.state, path.bytes_in_flight))


class Run:
    """One download under BBR, with the sender's controller and its round-trip times."""

    def __init__(self, monkeypatch, *overrides):
        made = []

        def make(profile, paths):
            made.append(Watched(profile, paths))
            return made[-1]

        monkeypatch.setitem(CONTROLLERS, "bbr", make)
        self.round_trips_ms = []

        def note(event):
            if isinstance(event, MetricsUpdated) and event.component == "server":
                self.round_trips_ms.append(event.latest_rtt_ns / 1e6)

        scenario = load("bulk_download", ["quic.congestion_control=bbr", "time_limit=100s", *overrides])
        self.record = trace(scenario, "default", 0, note)
        self.bbr = max(made, key=lambda each: len(each.flights))

    @property
    def states(self):
        return [state for _, state in self.bbr.visits]


LONG = ("transfer.size=15MB",)  # twelve seconds


@pytest.fixture(scope="module")
def long_run():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Run(monkeypatch, *LONG)


def test_it_finds_the_bandwidth_and_the_delay(long_run):
    payload_rate = 10_000_000 / 8 * 1_200 / 1_228
    assert long_run.bbr._maximum_bandwidth == pytest.approx(payload_rate, rel=0.01)
    assert long_run.bbr._minimum_rtt.value_ns / 1e6 == pytest.approx(
        40 + 2 * 0.98, abs=1.5
    )  # and what serialising takes


def test_it_fills_the_link_without_filling_the_queue(long_run):
    assert long_run.record.counts["packets_lost"] == 0
    assert long_run.record.metrics["goodput_bps"] > 0.9 * 10_000_000
    assert median(long_run.round_trips_ms) < 1.25 * 41, "two bandwidth-delay products of buffer stay nearly empty"


def test_it_starts_drains_and_probes_in_order(long_run):
    assert long_run.states[:6] == [STARTUP, DRAIN, DOWN, CRUISE, REFILL, UP]
    assert set(itertools.pairwise(long_run.states)) <= TRANSITIONS


def test_it_probes_for_bandwidth_every_two_to_three_seconds_or_as_reno_would(long_run):
    """Section 5.3.3.8: a window of 34 packets takes Reno 34 round trips, about 1.4 s."""
    probes = [now_ns for now_ns, state in long_run.bbr.visits if state is UP]
    gaps_s = [(later - earlier) / SECOND_NS for earlier, later in itertools.pairwise(probes)]
    assert len(gaps_s) > 3
    assert 1 < median(gaps_s) < 3


def test_it_probes_for_the_round_trip_time_after_five_seconds_without_a_lower_one(long_run):
    visits = itertools.pairwise(long_run.bbr.visits)
    probes = [(now_ns, left_ns) for (now_ns, state), (left_ns, _) in visits if state is PROBE_RTT]
    assert probes
    for begun_ns, over_ns in probes:
        assert 0.2 < (over_ns - begun_ns) / SECOND_NS < 0.4
    for (_, over_ns), (begun_ns, _) in itertools.pairwise(probes):
        assert begun_ns - over_ns > 5 * SECOND_NS, "only where no lower sample has come for so long"
    product = long_run.bbr._maximum_bandwidth * long_run.bbr._minimum_rtt.value_ns // SECOND_NS
    flights = [flight for state, flight in long_run.bbr.flights if state is PROBE_RTT]
    assert min(flights) <= product / 2 + 2 * 1_200


@pytest.mark.parametrize(
    ("loss", "least"),
    [("1%", 0.75), ("0.1%", 0.85)],
)
def test_sparse_random_loss_does_not_stop_it(monkeypatch, loss, least):
    """Below two losses in a hundred a probe goes on (section 2.8); Reno would come to a third of the rate."""
    run = Run(monkeypatch, f"links.bottleneck.loss={loss}", "transfer.size=8MB", "links.bottleneck.delay=40ms")
    assert run.record.metrics["goodput_bps"] > least * 10_000_000
    assert set(itertools.pairwise(run.states)) <= TRANSITIONS


def test_a_shallow_buffer_bounds_what_is_in_flight(monkeypatch):
    run = Run(monkeypatch, "links.bottleneck.queue.limit=12500B", "transfer.size=8MB")
    assert run.bbr._inflight_longterm < 1 << 62, "losses of a probe set the long-term bound"
    assert run.record.counts["packets_lost"] < 0.05 * run.record.counts["packets_sent"]
    assert run.record.metrics["goodput_bps"] > 0.8 * 10_000_000
    assert set(itertools.pairwise(run.states)) <= TRANSITIONS


def test_chance_is_the_path_s_own(monkeypatch):
    one, same, other = (Run(monkeypatch, *LONG, f"seed={seed}") for seed in (1, 1, 2))
    assert one.record.digest == same.record.digest
    assert one.bbr.visits == same.bbr.visits != other.bbr.visits


@pytest.mark.parametrize("buffer", ["10kB", "30kB"])
def test_startup_ends_with_the_first_round_that_loses_too_much(monkeypatch, buffer):
    """Section 5.3.1.3, whether or not something was sent at the very instant at which the first loss was found."""
    rounds = []

    class Noting(Watched):
        def _check_startup(self, path, delivery):
            was, ranges = self.state, self._loss_ranges
            super()._check_startup(path, delivery)
            if was is STARTUP and ranges and self._shortterm.round_starts:
                rounds.append((ranges, self.state))

    made = []
    monkeypatch.setitem(CONTROLLERS, "bbr", lambda profile, paths: made.append(Noting(profile, paths)) or made[-1])
    load(
        "bulk_download",
        [
            "quic.congestion_control=bbr", "links.bottleneck.delay=100ms", "links.bottleneck.rate=20Mbps",
            f"links.bottleneck.queue.limit={buffer}", "transfer.size=4MB",
        ],
    ).run()  # fmt: skip
    [(ranges, state)] = rounds
    assert ranges >= 6
    assert state is DRAIN


@pytest.mark.parametrize("start_s", [0, 20])
def test_no_flow_begins_by_probing_for_the_round_trip_time(monkeypatch, start_s):
    """However late it begins: the ten and the five seconds of section 5.3.4.3 count from its first sample."""
    run = Run(monkeypatch, f"flows.all.start={start_s}s", "transfer.size=3MB")
    assert run.states[:3] == [STARTUP, DRAIN, DOWN]


@pytest.mark.parametrize("limit", ["max_data", "max_stream_data"])
def test_a_receiver_that_takes_little_is_a_bottleneck_like_any_other(monkeypatch, limit):
    """Section 4.1.1.3.1: what flow control stops is not the application's silence, so the pipe is found to be full."""
    run = Run(monkeypatch, f"hosts.client.{limit}=60kB", "links.bottleneck.delay=100ms", "transfer.size=2MB")
    assert run.states[:3] == [STARTUP, DRAIN, DOWN]
    assert run.bbr._maximum_bandwidth < 60_000 / 0.2, "a window a round trip, where the link has four times that"
    assert run.bbr._maximum_bandwidth == pytest.approx(run.record.metrics["goodput_bps"] / 8, rel=0.25)


def a_bbr(state, **model):
    """A path whose pipe is full, 100 packets in flight."""
    [path] = paths_under("bbr", 1, cwnd_bytes=100 * PACKET_BYTES)
    path.bytes_in_flight = 100 * PACKET_BYTES
    path.congestion.state = state
    path.congestion._pipe.was_full = True
    for name, value in model.items():
        setattr(path.congestion, f"_{name}", value)
    return path, path.congestion


def test_a_recovery_restores_the_window_of_its_beginning_and_no_older_one():
    """Section 5.6.4.4: SaveCwnd takes the window as it is, unless recovery or ProbeRTT has begun."""
    path, bbr = a_bbr(CRUISE, prior_window_bytes=500 * PACKET_BYTES)
    lose(path, SECOND_NS)
    path.cwnd_bytes = 70 * PACKET_BYTES
    bbr.acked(path, PACKET_BYTES, SECOND_NS + 1, 2 * SECOND_NS)
    assert path.cwnd_bytes == 100 * PACKET_BYTES


def test_losses_that_follow_the_one_that_ends_a_probe_count_in_its_round():
    """Section 5.5.10.2: each is noted, also after ProbeBW_DOWN has forgotten the congestion signals."""
    path, bbr = a_bbr(UP, is_probe_sample=True)
    first = Loss(number=7, size_bytes=1_200, lost_bytes=9_600, in_flight_bytes=120_000, is_application_limited=False)
    path.delivery.newly_lost = [first]
    lose(path, SECOND_NS)
    assert bbr.state is DOWN
    assert not bbr._shortterm.has_lost
    path, bbr = a_bbr(UP, is_probe_sample=True)
    path.delivery.newly_lost = [first, replace(first, number=8)]
    lose(path, SECOND_NS)
    assert bbr.state is DOWN
    assert bbr._shortterm.has_lost


@pytest.mark.parametrize(("lost", "in_flight", "too_high"), [(2, 100, False), (3, 100, True), (0, 0, False)])
def test_two_in_a_hundred_may_be_lost(lost, in_flight, too_high):
    assert is_too_high(lost, in_flight) is too_high


def test_how_much_was_in_flight_when_losses_became_too_many():
    """Section 5.5.10.2: of 100 kB before the packet 1 kB was lost; 2 % are reached 1.02 kB into it."""
    loss = Loss(number=9, size_bytes=5_000, lost_bytes=6_000, in_flight_bytes=105_000, is_application_limited=False)
    assert inflight_at_loss(loss) == pytest.approx(100_000 + (2_000 - 1_000) / 0.98, abs=1)
