"""OLIA in whole connections of mp-quic, over two paths that share nothing but the two hosts."""

from collections import defaultdict
from statistics import fmean

import pytest

from quicsim.events import MetricsUpdated
from quicsim.scenario.build import simulate
from quicsim.scenario.load import load

SCENARIO = """
title = "Two paths"
source = "none"
time_limit = "100s"

[hosts.client]
profile = "mp-quic"
paths = ["first", "second"]

[hosts.server]
profile = "mp-quic"

[links.first]
between = ["client", "server"]
rate = "10Mbps"
delay = "10ms"
queue = { kind = "drop-tail", limit = "20 packets" }

[links.second]
between = ["client", "server"]
rate = "10Mbps"
delay = "10ms"
queue = { kind = "drop-tail", limit = "20 packets" }

[transfer]
size = "20MB"
request_size = "100B"

[variants.default]
"""


def run(tmp_path, *overrides):
    """The metrics, and the server's windows by path: {path: [(instant in s, window in packets)]}."""
    file = tmp_path / "two_paths.toml"
    file.write_text(SCENARIO)
    windows = defaultdict(list)

    def note(event):
        if isinstance(event, MetricsUpdated) and event.component == "server":
            windows[event.path_id].append((event.time_ns / 1e9, event.congestion_window / 1_460))

    record = simulate(load(str(file), overrides=overrides).setups["default"], "default", 0, [note])
    return record.metrics, windows


def mean(windows, start_s, end_s):
    return fmean(window for instant_s, window in windows if start_s <= instant_s < end_s)


def test_a_path_that_had_a_bad_start_comes_to_carry_as_much(tmp_path):
    """Each path holds 18 packets on its link, one in service and 20 in its queue; OLIA's sawtooth stays below that."""
    early = ", ".join(str(number) for number in range(40, 700, 20))
    metrics, windows = run(tmp_path, f"links.second.faults=[{{ drop = 'datagrams {early} and 700', from = 'server' }}]")
    duration_s = metrics["completion_s"]
    assert min(window for instant_s, window in windows[2] if instant_s < 2) < 39 / 3
    late = [mean(windows[path], duration_s * 3 / 4, duration_s) for path in (1, 2)]
    assert late[0] == pytest.approx(late[1], rel=0.15)
    assert all(0.75 * 39 < window < 39 for window in late)
