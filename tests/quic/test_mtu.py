"""Is a larger datagram tried, taken when it arrives, and its loss no sign of congestion?"""

import pytest

from quicsim.quic.frames import PaddingFrame, PingFrame
from tests.quic.pipe import Pipe, both_confirmed, request_answers, settled

PROBE_BYTES = 1_440
RESPONSE_BYTES = 100_000


class Losing(Pipe):
    """A pipe that looks at each datagram, and may lose the probes."""

    def __init__(self, profile="picoquic", *, loses_probes=False, **settings):
        super().__init__(profile, **settings)
        self.loses_probes = loses_probes
        self.probes = []

    def _send(self, name, datagram):
        is_probe = any(isinstance(frame, PaddingFrame) for frame in datagram.packets[-1].frames) and (
            datagram.size_bytes == PROBE_BYTES
        )
        if is_probe:
            self.probes.append(datagram)
        before = self.drops
        if is_probe and self.loses_probes:
            self.drops = lambda sent: True
        super()._send(name, datagram)
        self.drops = before


def downloaded(pipe):
    request_answers(pipe, response_bytes=RESPONSE_BYTES)
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.run(settled(1))
    assert set(pipe.sides["client"].delivered.values()) == {RESPONSE_BYTES}
    return pipe


def test_both_ends_of_picoquic_come_to_larger_datagrams():
    pipe = downloaded(Losing())
    assert len(pipe.probes) == 2
    assert pipe.client.path.datagram_bytes == pipe.server.path.datagram_bytes == PROBE_BYTES
    before = len(pipe.sides["server"].sizes)
    pipe.client.send(pipe.client.open_stream(), 100, fin=True)
    pipe.flush("client")
    pipe.run(settled(2))
    assert pipe.sides["server"].sizes[before:].count(PROBE_BYTES) > RESPONSE_BYTES // PROBE_BYTES


def test_a_probe_is_a_ping_and_padding():
    for datagram in downloaded(Losing()).probes:
        [packet] = datagram.packets
        assert [type(frame) for frame in packet.frames] == [PingFrame, PaddingFrame]


@pytest.mark.parametrize(("profile", "settings"), [("picoquic", {"datagram_bytes": 1_300}), ("rfc9002", {})])
def test_what_the_owner_chose_is_not_probed_beyond_and_no_other_stack_probes(profile, settings):
    pipe = downloaded(Losing(profile, **settings))
    assert pipe.probes == []
    assert pipe.server.path.datagram_bytes == settings.get("datagram_bytes", 1_200)


def test_a_lost_probe_leaves_size_and_window_and_is_not_repeated():
    pipe = downloaded(Losing(loses_probes=True))
    assert len(pipe.probes) == 2
    assert pipe.server.path.datagram_bytes == 1_252
    assert pipe.server.counts.packets_lost == 1, "the probe"
    assert pipe.server.path.ssthresh_bytes == 1 << 62, "no window was cut for it"
