"""Does it hold one path's window to rate * RTT, leave the others alone, and refuse what is no rate?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.events import PluginAttached, PluginReplaced
from quicsim.plugin.package import PluginError, load_plugin
from quicsim.quic.congestion.base import ACKED, LOST, RTT, TIMEOUT
from quicsim.quic.profiles import PROFILES
from quicsim.quic.settings import Settings
from tests.plugin.pipe import MILLISECOND, Pipe

RATE_LIMIT = load_plugin((locate.plugin("rate_limit") / "rate_limit.o").read_bytes(), source="rate_limit.o")
SECOND = 1_000 * MILLISECOND


def attached(profile="mp-quic", addresses=2, **parameters):
    """A server that runs it."""
    pipe = Pipe(profile, client=Settings(address_count=addresses), watched=False)
    pipe.connect()
    pipe.send(5_000)  # the server knows the paths by what arrives on them
    pipe.settle()
    pipe.server.plugins.attach(RATE_LIMIT, parameters)
    return pipe


def told(pipe, path, event, packet_bytes=1_350):
    """Tell the server's controller of an event; what it makes of the window."""
    connection = pipe.server.connection
    connection.now_ns = pipe.now_ns
    return connection.operations.congestion_control(connection, path, event, packet_bytes, pipe.now_ns)


@settings(max_examples=100, deadline=None)
@given(
    rate=st.integers(1_000, 10_000_000_000),
    rtt_ns=st.integers(1, 5 * SECOND),
    window=st.integers(2_920, 1 << 40),
    event=st.sampled_from([ACKED, LOST, RTT, TIMEOUT]),
    limited=st.sampled_from([1, 2]),
)
def test_the_window_is_the_controller_s_or_the_limit_if_that_is_less(rate, rtt_ns, window, event, limited):
    windows = {}
    for name, parameters in {"plain": {"path": 7}, "limited": {"path": limited, "rate": rate}}.items():
        pipe = attached(**parameters)
        paths = pipe.server.connection.paths[1:]
        for path in paths:
            path.rtt.smoothed_ns, path.cwnd_bytes, path.ssthresh_bytes = rtt_ns, window, window
        told_windows = [told(pipe, path, event) for path in paths]
        assert told_windows == [path.cwnd_bytes for path in paths]
        windows[name] = dict(zip((1, 2), told_windows, strict=True))
        assert pipe.server.connection.counts.plugin_faults == 0
    limit = max(rate * min(rtt_ns, SECOND) // SECOND, 2_920)
    other = 3 - limited
    assert windows["limited"][limited] == min(windows["plain"][limited], limit)
    assert windows["limited"][other] == windows["plain"][other]


def test_by_default_the_second_path_is_held_to_three_megabytes_a_second():
    pipe = attached()
    first, second = pipe.server.connection.paths[1:]
    for path in (first, second):
        path.rtt.smoothed_ns = 50 * MILLISECOND
        path.cwnd_bytes = 700_000
    assert told(pipe, first, RTT) == 150_000  # derived in PAPER: 3 MB/s times 50 ms
    assert told(pipe, second, RTT) == 700_000


@pytest.mark.parametrize("profile", PROFILES)
def test_a_rate_below_the_smallest_window_still_moves_data(profile):
    path = int(PROFILES[profile].is_multipath)
    pipe = attached(profile, addresses=1 + path, path=path, rate="1kB/s")
    pipe.send(30_000, "server")
    pipe.run_for(20 * SECOND)
    assert pipe.client.delivered == {1: 30_000}
    assert pipe.server.connection.counts.plugin_faults == 0


def test_each_version_replaces_the_one_before_in_one_step():
    """As figure 6 has it, with the client's push; no acknowledgement meets two or none."""
    pipe = Pipe("mp-quic", client=Settings(address_count=2))
    pipe.connect()
    pipe.client.plugins.push(RATE_LIMIT, {"path": 1, "rate": "3MB/s"})
    pipe.settle()
    pipe.client.plugins.push(RATE_LIMIT, {"path": 1, "rate": "1MB/s"}, replaces="rate_limit")
    pipe.settle()
    server = pipe.server
    [replaced], [old, new] = server.of(PluginReplaced), server.of(PluginAttached)
    assert (old.parameters, new.parameters) == (("path=1", "rate=3000000"), ("path=1", "rate=1000000"))
    assert old.time_ns < new.time_ns == replaced.time_ns
    assert len(server.plugins.attachments) == 1


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("rate", 999, "1000 to 10000000000 (bytes a second)"),
        ("rate", 10_000_000_001, "1000 to 10000000000 (bytes a second)"),
        ("rate", "11GB/s", "1000 to 10000000000 (bytes a second)"),
        ("rate", "3 bananas", "bananas"),
        ("rate", "3Mbps", "B/s"),
        ("path", 8, "0 to 7"),
        ("path", -1, "0 to 7"),
        ("path", "1", "give a whole number"),
        ("speed", 3, "there is no parameter 'speed'; there are path, 0 to 7 (path); rate, 1000 to"),
    ],
)
def test_parameters_out_of_range_are_refused_in_one_line(name, value, why):
    pipe = Pipe("mp-quic")
    with pytest.raises(PluginError) as refused:
        pipe.server.plugins.attach(RATE_LIMIT, {name: value})
    message = str(refused.value)
    assert message.startswith("plugin rate_limit: ")
    assert why in message
    assert "\n" not in message
    assert not pipe.server.plugins.attachments
