"""Does the scheduler in bytecode choose as the one built in: the same packets, on one path and on several?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugin.twins import in_scenario, same_packets

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


@settings(max_examples=25, deadline=None)
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


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    loss=st.sampled_from([0, 0.01, 0.05, 0.2]),
    profile=st.sampled_from(["mp-quic", "picoquic", "rfc9002"]),
    sender=st.sampled_from(["client", "server"]),
)
def test_a_single_path_with_loss(two_paths, seed, loss, profile, sender):
    hosts = [f"hosts.{host}.profile={profile}" for host in ("client", "server")]
    overrides = [*hosts, 'hosts.client.paths=["lte"]', f"links.lte.loss={loss}", f"seed={seed}"]
    both(two_paths, [*overrides, f"transfer.from={sender}"])
