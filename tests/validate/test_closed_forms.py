"""Do windows, losses and shares come out as the closed forms of the literature say?

Mathis, Semke, Mahdavi, Ott (1997); Padhye, Firoiu, Towsley, Kurose (1998); RFC 9438 section 5; Jain, Chiu, Hawe (1984).
"""

from __future__ import annotations

from math import ceil, log2, sqrt
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.scenario.load import load

PAYLOAD_BYTES = 1_165  # of stream data in a full datagram of 1,200 bytes
RUNS = 20


def runs(*overrides, replications=1):
    wide = ("links.bottleneck.queue.limit=10MB", "time_limit=5000s")
    return load("bulk_download", [*wide, *overrides]).run(replications=replications).runs


def mean_window(*overrides, rtt_s, megabytes, control, replications=1):
    """In packets: what gets through in a round trip of the second half of a download, over all runs.

    That half is what a download of twice the size takes more, for the start is the same for both.
    """
    half_s, whole_s = (
        mean(
            run.metrics["completion_s"]
            for run in runs(
                f"quic.congestion_control={control}",
                f"links.bottleneck.delay={rtt_s * 500}ms",
                "links.bottleneck.rate=1Gbps",
                f"transfer.size={size}MB",
                *overrides,
                replications=replications,
            )
        )
        for size in (megabytes, 2 * megabytes)
    )
    return megabytes * 1_000_000 / PAYLOAD_BYTES * rtt_s / (whole_s - half_s)


@pytest.mark.parametrize("size_bytes", [10_000, 30_000, 100_000, 500_000])
@pytest.mark.parametrize("control", ["newreno", "cubic"])
def test_slow_start_takes_the_logarithm_of_the_size(control, size_bytes):
    """A round trip for the handshake, and R = ceil(log2(N / 10 + 1)) for N packets, none of them waiting in a queue."""
    rtt_s = 0.2
    [run] = runs(
        f"quic.congestion_control={control}", "links.bottleneck.delay=100ms", "links.bottleneck.rate=1Gbps",
        f"transfer.size={size_bytes}B",
    )  # fmt: skip
    rounds = ceil(log2(size_bytes / PAYLOAD_BYTES / 10 + 1))
    # Pacing spreads the first window over four fifths of a round trip, later ones over half: what the last is late by.
    late = 0.8 if rounds == 1 else 0.5
    assert (rounds + 1) * rtt_s <= run.metrics["completion_s"] <= (rounds + 1 + late) * rtt_s


@pytest.mark.long
@pytest.mark.parametrize("percent", [0.5, 1])
def test_newreno_under_random_loss_is_mathis_s(percent):
    """W = sqrt(3 / 2p)."""
    window = mean_window(
        f"links.bottleneck.loss={percent}%", rtt_s=0.05, megabytes=6, control="newreno", replications=RUNS
    )
    assert window == pytest.approx(sqrt(1.5 / (percent / 100)), rel=0.1)


@pytest.mark.long
@pytest.mark.parametrize("percent", [1, 2, 4])
def test_newreno_under_heavier_loss_is_pftk_s(percent):
    """One acknowledged packet adds to the window whether acknowledged alone or not (b = 1); T0 is the probe timeout."""
    loss, timeout = percent / 100, 1.5  # in round trips: srtt + 4 rttvar, and the granularity
    window = mean_window(
        f"links.bottleneck.loss={percent}%", rtt_s=0.05, megabytes=2, control="newreno", replications=RUNS
    )
    expected = 1 / (sqrt(2 * loss / 3) + timeout * min(1, 3 * sqrt(3 * loss / 8)) * loss * (1 + 32 * loss**2))
    assert window == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("period", [100, 200, 400])
def test_newreno_under_periodic_loss_is_a_sawtooth(period):
    """From W / 2 to W = sqrt(8 P / 3), on average three quarters of it; recovery adds a round trip to each tooth."""
    window = mean_window(f"links.bottleneck.drop_every={period}", rtt_s=0.05, megabytes=8, control="newreno")
    tooth = sqrt(8 * period / 3)
    assert window == pytest.approx(0.75 * tooth * (tooth / 2) / (tooth / 2 + 1), rel=0.1)


@pytest.mark.parametrize("period", [50, 100, 200])
def test_cubic_in_its_friendly_region_is_as_fast_as_reno(period):
    """sqrt(alpha (1 + beta) / (2 (1 - beta) p)), RFC 9438 section 4.3, where round trips are short.

    A tooth from beta W to W takes (1 - beta) W / alpha round trips, and recovery adds one.
    """
    window = mean_window(f"links.bottleneck.drop_every={period}", rtt_s=0.01, megabytes=8, control="cubic")
    alpha, beta = 9 / 17, 0.7
    expected = sqrt(alpha * (1 + beta) / (2 * (1 - beta)) * period)
    rising = (1 - beta) / alpha * expected / ((1 + beta) / 2)
    assert window == pytest.approx(expected * rising / (rising + 1), rel=0.1)


@pytest.mark.long
@pytest.mark.parametrize(("period", "rtt_s", "megabytes"), [(1_000, 0.2, 12), (2_000, 0.3, 20)])
def test_cubic_beyond_its_friendly_region_is_as_its_equation_says(period, rtt_s, megabytes):
    """(C (3 + beta) / (4 (1 - beta)))^(1/4) RTT^(3/4) / p^(3/4), RFC 9438 section 5.1; Reno's share is well below."""
    window = mean_window(f"links.bottleneck.drop_every={period}", rtt_s=rtt_s, megabytes=megabytes, control="cubic")
    expected = (0.4 * 3.7 / 1.2) ** 0.25 * (rtt_s * period) ** 0.75
    assert window == pytest.approx(expected, rel=0.1)
    assert expected > 1.3 * sqrt(9 / 17 * 1.7 / 0.6 * period)


@pytest.mark.long
@pytest.mark.parametrize("control", ["newreno", "cubic", "bbr"])
@pytest.mark.parametrize("variant", ["two", "eight"])
def test_equal_flows_share_equally(control, variant):
    """On average over the scenario's own number of runs: how soon one of two leaves slow start is chance."""
    found = load("sharing", [f"quic.congestion_control={control}"]).run([variant]).runs
    assert mean(run.metrics["fairness_jain"] for run in found) > 0.95


@settings(max_examples=12)
@given(
    control=st.sampled_from(["newreno", "cubic", "bbr"]),
    rate_mbps=st.integers(1, 50),
    delay_ms=st.integers(1, 60),
    buffer_packets=st.integers(2, 200),
    drop_every=st.sampled_from([0, 0, 7, 50, 333]),
)
def test_no_goodput_is_above_the_rate(control, rate_mbps, delay_ms, buffer_packets, drop_every):
    [run] = load(
        "bulk_download",
        [
            f"quic.congestion_control={control}", f"links.bottleneck.rate={rate_mbps}Mbps",
            f"links.bottleneck.delay={delay_ms}ms", f"links.bottleneck.queue.limit={1_228 * buffer_packets}B",
            f"links.bottleneck.drop_every={drop_every}", "transfer.size=200kB", "time_limit=2000s",
        ],
    ).run().runs  # fmt: skip
    assert run.metrics["goodput_bps"] <= rate_mbps * 1_000_000
