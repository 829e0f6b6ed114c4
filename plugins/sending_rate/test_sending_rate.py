"""Does it report the rates that the trace's own packets give?"""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.events import PacketSent, PluginAttached, PluginLogged
from quicsim.plugin.package import PluginError, load_plugin
from tests.plugin.pipe import MILLISECOND, Pipe, plugin, word

RATE = load_plugin((locate.plugin("sending_rate") / "sending_rate.o").read_bytes(), source="sending_rate.o")
BYTES, LAST = 1, 2
"""Words of its memory."""
SECOND = 1_000 * MILLISECOND


def rates(side, window_ns):
    """What was sent in each window that another one followed, in bytes a second, from the packets themselves."""
    [attached] = side.of(PluginAttached)
    sent = [event for event in side.events[side.events.index(attached) :] if isinstance(event, PacketSent)]
    windows = Counter()
    for packet in sent:
        windows[(packet.time_ns - sent[0].time_ns) // window_ns] += packet.size_bytes
    return [windows[number] * SECOND // window_ns for number in sorted(windows)[:-1]]


def driven(profile, window_ns, sizes, pauses_ms, lost=frozenset()):
    pipe = Pipe(profile, drops=lambda sender, index, datagram: (sender, index) in lost)
    pipe.connect()
    pipe.client.plugins.attach(RATE, {"window": window_ns})
    for size, pause_ms in zip(sizes, pauses_ms, strict=True):
        pipe.send(size)
        pipe.run_for(pause_ms * MILLISECOND)
    pipe.settle()
    return pipe.client


@pytest.mark.parametrize("profile", ["rfc9002", "picoquic", "mp-quic"])
@settings(max_examples=60, deadline=None)
@given(
    window_ms=st.integers(1, 500),
    sends=st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 400)), min_size=1, max_size=6),
    lost=st.sets(st.tuples(st.just("client"), st.integers(3, 30)), max_size=4),
)
def test_it_reports_what_the_trace_says(profile, window_ms, sends, lost):
    client = driven(profile, window_ms * MILLISECOND, *zip(*sends, strict=True), lost)
    expected = rates(client, window_ms * MILLISECOND)
    assert client.logged == expected
    [attachment] = client.plugins.attachments
    assert word(attachment, LAST) == (expected[-1] if expected else 0)
    assert client.connection.counts.plugin_faults == 0


@pytest.mark.parametrize(("window_ms", "packets"), [(100, 3), (81, 3), (80, 2), (50, 2), (40, 1)])
def test_a_rate_worked_out_by_hand(window_ms, packets):
    """Requests of one packet each, 40 ms apart: how many lie in the first window?"""
    client = driven("picoquic", window_ms * MILLISECOND, [500, 500, 500, 500], [40, 40, 40, 0])
    requests = [event.size_bytes for event in client.of(PacketSent)[-4:]]
    assert client.logged[0] == sum(requests[:packets]) * 1_000 // window_ms
    assert client.of(PluginLogged)[0].anchor == "after/SendPacket"


def test_the_default_window_is_a_tenth_of_a_second():
    pipe = Pipe()
    pipe.connect()
    pipe.client.attach(RATE)
    for _ in range(8):
        pipe.send(300)
        pipe.run_for(30 * MILLISECOND)
    assert pipe.client.logged == rates(pipe.client, 100 * MILLISECOND)
    assert len(pipe.client.logged) == 2


def test_what_another_plugin_holds_back_was_not_sent():
    hold_back = 60  # hostile's mode
    pipe = Pipe()
    pipe.connect()
    pipe.client.attach(plugin("hostile"), word0=hold_back)
    attachment = pipe.client.attach(RATE)
    pipe.send(5_000)
    pipe.run_for(500 * MILLISECOND)
    assert word(attachment, BYTES) == 0
    assert pipe.client.logged == []


@pytest.mark.parametrize("window", ["999us", "11s"])
def test_a_window_out_of_range_is_refused(window):
    pipe = Pipe()
    with pytest.raises(PluginError, match=r"sending_rate: parameter window = .* out of range"):
        pipe.client.plugins.attach(RATE, {"window": window})
