"""Does the scheduler in bytecode choose as the one built in: the same packets, on one path and on several?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.operations.select_path import lowest_latency
from quicsim.plugin.package import load_plugin
from quicsim.quic.settings import Settings
from tests.plugin.pipe import MILLISECOND, Pipe
from tests.plugin.twins import in_scenario, same_packets

SCHEDULER = load_plugin((locate.plugin("lowest_latency") / "lowest_latency.o").read_bytes(), source="lowest_latency.o")

TWO_PATHS = """
title = "Two paths of different length, both of them lossy"
source = "a test"

[hosts.client]
profile = "mp-quic"
paths = ["wifi", "lte"]

[hosts.server]
profile = "mp-quic"

[links.wifi]
between = ["client", "server"]
rate = "10Mbps"
delay = "5ms"
queue = { kind = "drop-tail", limit = "64KiB" }

[links.lte]
between = ["client", "server"]
rate = "10Mbps"
delay = "15ms"
queue = { kind = "drop-tail", limit = "64KiB" }

[transfer]
size = "200kB"
request_size = "100B"

[variants.default]

[variants.plugged]
plugins = [{ name = "lowest_latency", from = "server" }, { name = "lowest_latency", from = "client" }]
"""


@pytest.fixture(scope="module")
def two_paths(tmp_path_factory):
    file = tmp_path_factory.mktemp("scenarios") / "two_paths.toml"
    file.write_text(TWO_PATHS)
    return str(file)


def both(file, overrides):
    """The same packets with the bytecode and without; what the bytecode's run counted."""
    built_in, plugged = (in_scenario(file, overrides, variant) for variant in ("default", "plugged"))
    same_packets(built_in, plugged)
    assert plugged.of.counts["plugin_faults"] == 0 < plugged.of.counts["plugin_calls"]
    return plugged


NOW_NS = 10_000 * MILLISECOND
PATH = st.fixed_dictionaries(
    {
        "is_open": st.sampled_from([True, True, True, False]),
        "is_potentially_failed": st.sampled_from([False, False, True]),
        "packets_sent": st.integers(0, 3),
        "bytes_in_flight": st.sampled_from([0, 40_000, 60_000]),
        "cwnd_bytes": st.sampled_from([40_000, 41_349, 41_350, 80_000]),
        "paced_until_ns": st.sampled_from([0, NOW_NS, NOW_NS + 1]),
        "smoothed_ns": st.integers(1, 3),
        "has_sample": st.booleans(),
    }
)


@pytest.fixture(scope="module", params=["picoquic", "mp-quic"])
def scheduled(request):
    """A connection with the scheduler, on which a test sets the paths as it likes."""
    pipe = Pipe(request.param, client=Settings(address_count=4), watched=False)
    pipe.connect()
    pipe.client.attach(SCHEDULER)
    return pipe.client.connection


@given(data=st.data(), retransmits=st.booleans())
def test_it_chooses_as_the_one_built_in_whatever_the_paths_are_like(scheduled, data, retransmits):
    connection = scheduled
    connection.now_ns = NOW_NS
    for path in connection.paths:
        for name, value in data.draw(PATH).items():
            setattr(path.rtt if name in ("smoothed_ns", "has_sample") else path, name, value)
    origin = data.draw(st.sampled_from(connection.paths))
    chosen = connection.operations.select_path(connection, origin, retransmits)
    assert chosen == lowest_latency(connection, origin, retransmits)
    assert connection.counts.plugin_faults == 0


@settings(max_examples=600, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    loss=st.tuples(*4 * [st.sampled_from([0, 0.01, 0.05, 0.2])]),
    delay_ms=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    rate_mbps=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    sender=st.sampled_from(["client", "server"]),
)
def test_two_paths_with_loss(two_paths, seed, loss, delay_ms, rate_mbps, sender):
    overrides = [f"seed={seed}", f"transfer.from={sender}"]
    for index, link in enumerate(("wifi", "lte")):
        overrides += [
            f"links.{link}.loss={{client={loss[2 * index]}, server={loss[2 * index + 1]}}}",
            f"links.{link}.delay={delay_ms[index]}ms",
            f"links.{link}.rate={rate_mbps[index]}Mbps",
        ]
    both(two_paths, overrides)


def test_a_path_whose_timer_runs_out_is_left_out(two_paths):
    seen = both(two_paths, ["links.lte.loss=0.6", "seed=5"])
    assert seen.of.counts["timeouts"] > 0


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    loss=st.sampled_from([0, 0.01, 0.03, 0.06]),
    profile=st.sampled_from(["mp-quic", "picoquic", "rfc9002"]),
    sender=st.sampled_from(["client", "server"]),
)
def test_a_single_path_with_loss(two_paths, seed, loss, profile, sender):
    hosts = [f"hosts.{host}.profile={profile}" for host in ("client", "server")]
    overrides = [*hosts, 'hosts.client.paths=["lte"]', f"links.lte.loss={loss}", f"seed={seed}"]
    both(two_paths, [*overrides, f"transfer.from={sender}"])
