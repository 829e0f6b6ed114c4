"""How fast do receive windows grow under each profile's rule?"""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.quic.flow import FlowControl, consume
from quicsim.quic.frames import MaxDataFrame, MaxStreamDataFrame
from quicsim.quic.profiles import PROFILES
from quicsim.quic.streams import ReceivingStream

WINDOW = 1_000


class Reader:
    """A connection with one stream whose application reads in order, and what it announces."""

    def __init__(self, profile, stream_window=WINDOW):
        self.profile = PROFILES[profile]
        self.flow = FlowControl(2 * WINDOW, self.profile.largest_max_data_bytes)
        self.now_ns = 0
        self.paths = [SimpleNamespace(peer_rtt_ns=0)]
        self.path = SimpleNamespace(rtt=SimpleNamespace(has_sample=True, smoothed_ns=10))
        self.stream = ReceivingStream(0, stream_window)
        self.announced = []
        self.announce = self.announced.append

    def read(self, count):
        self.stream.delivered += count
        consume(self, self.stream, count)

    def limits(self, kind):
        return [frame.maximum for frame in self.announced if isinstance(frame, kind)]


def test_limits_of_picoquic_rise_by_twice_what_was_read():
    reader = Reader("picoquic")
    reader.read(500)
    assert reader.announced == []  # twice 500 is the limit, not beyond it
    reader.read(1)
    assert reader.limits(MaxStreamDataFrame) == [1_000 + 2 * 501]
    reader.read(500)
    assert reader.limits(MaxStreamDataFrame) == [2_002]
    assert reader.limits(MaxDataFrame) == [2_000 + 2 * 1_001]
    reader.read(1)
    assert reader.limits(MaxStreamDataFrame) == [2_002, 2_002 + 2 * 1_002]


def test_limits_of_rfc9002_keep_their_distance():
    reader = Reader("rfc9002")
    reader.read(499)
    assert reader.announced == []
    reader.read(1)
    assert reader.limits(MaxStreamDataFrame) == [1_500]
    reader.read(500)
    assert reader.limits(MaxStreamDataFrame) == [1_500, 2_000]
    assert reader.limits(MaxDataFrame) == [3_000]


@given(st.lists(st.integers(1, 400), max_size=200))
def test_the_window_of_picoquic_is_never_less_than_what_was_read(counts):
    reader = Reader("picoquic")
    for count in counts:
        reader.read(count)
        assert reader.stream.limit >= 2 * reader.stream.delivered
        assert reader.flow.limit >= 2 * reader.flow.consumed
    for kind in (MaxDataFrame, MaxStreamDataFrame):
        assert sorted(set(reader.limits(kind))) == reader.limits(kind)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_stream_whose_end_is_known_announces_nothing(profile):
    reader = Reader(profile)
    reader.stream.final_size = 5_000
    reader.read(900)
    assert reader.limits(MaxStreamDataFrame) == []
