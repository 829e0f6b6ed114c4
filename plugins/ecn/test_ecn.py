"""Does ecn do what the paper says: report marks, cut the window for them once a round trip, and mark in time?"""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.events import PacketSent, PluginAccepted, PluginAttached
from quicsim.net.datagram import CE, ECT_0, NOT_ECT
from quicsim.plugin.package import load_plugin
from quicsim.quic.frames import PluginFrame
from quicsim.quic.profiles import PROFILES
from quicsim.quic.settings import Settings
from tests.plugin.pipe import MILLISECOND, Pipe, state_of
from tests.plugin.twins import on_pipe, same_run

ECN = load_plugin((locate.plugin("ecn") / "ecn.o").read_bytes(), source="ecn.o")
PATH_BYTES = 40
"""Of `struct ecn_path`: ect, ce, peer_ce, settled_ce, 32 bits each, and three words more."""


def counts(side, path_id=0):
    """ect, ce, peer_ce and settled_ce of an end's plugin."""
    raw = state_of(side.plugins.attachments[-1])[path_id * PATH_BYTES :]
    return tuple(int.from_bytes(raw[4 * index : 4 * index + 4], "little") for index in range(4))


def reports(side):
    """When the end sent the plugin's frames."""
    return [
        event.time_ns
        for event in side.of(PacketSent)
        if any(isinstance(frame, PluginFrame) and frame.frame_type == 0x1C0D for frame in event.frames)
    ]


class Wire:
    """Notes what it carries, and marks what it is told to."""

    def __init__(self, marked=frozenset(), lost=frozenset()):
        self.marked, self.lost = marked, lost
        self.codepoints = {"client": [], "server": []}
        self.every = False

    def __call__(self, sender, index, datagram):
        self.codepoints[sender].append(datagram.ecn)
        if datagram.ecn == ECT_0 and ((sender, index) in self.marked or self.every):
            datagram.ecn = CE
        return (sender, index) in self.lost


def pushed(profile="picoquic", wire=None, addresses=1, **parameters):
    """The server has pushed ecn to both ends, and nothing is under way."""
    pipe = Pipe(profile, client=Settings(address_count=addresses), drops=wire or Wire())
    pipe.server.plugins.push(ECN, parameters, both=True)
    pipe.connect()
    assert all(side.plugins.attachments for side in pipe.sides.values())
    return pipe


def marked_download(pipe, marks, size=30_000):
    """Let the server send, and the wire mark the next so many of its packets."""
    first = pipe.offered["server"]
    pipe.drops = Wire({("server", first + number) for number in range(marks)})
    pipe.send(size, "server")
    pipe.settle()


# ---------------------------------------------------------------------------------------------------- who marks, when


@pytest.mark.parametrize("profile", ["picoquic", "rfc9002"])
def test_the_server_marks_once_the_client_has_confirmed(profile):
    wire = Wire()
    pipe = pushed(profile, wire)
    [accepted] = pipe.server.of(PluginAccepted)
    before = sum(event.time_ns < accepted.time_ns for event in pipe.server.of(PacketSent))
    assert before
    pipe.send(20_000, "server")
    pipe.settle()
    first = wire.codepoints["server"].index(ECT_0)
    assert set(wire.codepoints["server"][:first]) == {NOT_ECT}
    assert set(wire.codepoints["server"][first:]) == {ECT_0}
    assert first >= len(wire.codepoints["server"]) - 20_000 // 1_000 - 3


def test_neither_end_marks_for_a_peer_that_does_not_count():
    wire = Wire()
    pipe = Pipe("picoquic", drops=wire)
    pipe.server.attach(ECN)
    pipe.connect()
    pipe.send(50_000, "server")
    pipe.settle()
    assert set(wire.codepoints["server"]) == {NOT_ECT}
    assert reports(pipe.server) == []


def test_both_ends_stop_when_the_plugin_goes():
    wire = Wire()
    pipe = pushed(wire=wire)
    pipe.send(5_000, "server")
    pipe.send(5_000, "client")
    pipe.settle()
    assert wire.codepoints["server"][-1] == wire.codepoints["client"][-1] == ECT_0
    pipe.server.plugins.remove("ecn")
    pipe.settle()
    pipe.send(5_000, "server")
    pipe.send(5_000, "client")
    pipe.settle()
    assert wire.codepoints["server"][-1] == wire.codepoints["client"][-1] == NOT_ECT


def first_marked_ns(negotiate, push):
    wire = Wire()
    pipe = Pipe("picoquic", drops=wire)
    if push:
        pipe.server.plugins.push(ECN, {"negotiate": negotiate}, both=True)
    else:
        for side in pipe.sides.values():
            side.plugins.attach(ECN, {"negotiate": negotiate})
    pipe.client.connection.connect(0)
    pipe.flush()
    asked = False
    while ECT_0 not in wire.codepoints["server"]:
        assert pipe.step()
        if pipe.client.connection.is_confirmed and not asked:
            pipe.send(100_000, "server")
            asked = True
    return pipe.now_ns


def test_a_negotiation_takes_a_round_trip_which_a_push_saves():
    """The wire's round trip is 10 ms; pacing adds some of one."""
    with_code, from_the_start = (first_marked_ns(negotiate=0, push=push) for push in (True, False))
    assert abs(with_code - from_the_start) < 2 * MILLISECOND
    for push, without in ((True, with_code), (False, from_the_start)):
        assert 10 * MILLISECOND <= first_marked_ns(negotiate=1, push=push) - without <= 12 * MILLISECOND


# -------------------------------------------------------------------------------------------------------- the counts


def test_marks_are_counted_reported_and_heard():
    pipe = pushed()
    before, sent = counts(pipe.client), len(reports(pipe.client))
    marked_download(pipe, 3)
    ect, ce, _, _ = counts(pipe.client)
    assert ce == before[1] + 3
    assert ect > before[0]
    assert counts(pipe.server)[2:] == (ce, ce)  # heard, and settled
    assert 1 <= len(reports(pipe.client)) - sent <= 3  # news only: not with every ACK
    assert counts(pipe.server)[1] == 0


def test_without_marks_nothing_is_reported_and_no_window_is_cut():
    pipe = pushed()
    window, sent = pipe.server.connection.path.cwnd_bytes, len(reports(pipe.client))
    marked_download(pipe, 0, 200_000)
    assert len(reports(pipe.client)) == sent
    assert pipe.server.connection.path.cwnd_bytes > window
    assert pipe.server.connection.path.ssthresh_bytes == 1 << 62


def test_a_packet_that_arrives_twice_is_counted_once():
    pipe = pushed()
    pipe.send(1_000, "server")
    [(*_, datagram)] = pipe._wire
    datagram.ecn = CE
    before = counts(pipe.client)[1]
    for _ in range(2):
        pipe.client.connection.receive(datagram, pipe.now_ns)
    assert counts(pipe.client)[1] == before + 1


def test_a_report_that_is_overtaken_takes_nothing_back():
    pipe = pushed()
    marked_download(pipe, 5)
    heard = counts(pipe.server)[2:]
    assert heard == (5, 5)
    deliver(pipe, bytes(12))
    assert counts(pipe.server)[2:] == heard


@pytest.mark.parametrize("data", [b"", bytes(11), b"\xff" * 200])
def test_a_report_of_another_shape_harms_nothing(data):
    pipe = pushed()
    deliver(pipe, data)
    marked_download(pipe, 2)
    assert pipe.client.delivered == {1: 30_000}
    assert pipe.server.connection.counts.plugin_faults == 0
    assert pipe.server.connection.path.cwnd_bytes >= pipe.server.connection.path.minimum_window_bytes


def deliver(pipe, data):
    """Let the server parse a packet with this report."""
    pipe.send(10, "client")
    *_, datagram = pipe._wire[0]
    [packet] = datagram.packets
    packet.frames.append(PluginFrame(0x1C0D, data))
    pipe.settle()


# -------------------------------------------------------------------------------------------------------- the window


@pytest.mark.parametrize("kept", [50, 80, 10])
def test_a_mark_leaves_what_was_chosen_of_the_window(kept):
    pipe = pushed(kept=kept)
    path = pipe.server.connection.path
    pipe.drops = Wire({("server", pipe.offered["server"] + 20)})
    pipe.send(100_000, "server")
    before = path.cwnd_bytes
    while path.ssthresh_bytes == 1 << 62:
        before = path.cwnd_bytes
        assert pipe.step()
    assert path.ssthresh_bytes == path.cwnd_bytes
    grown = before + 2 * path.datagram_bytes  # by the ACK that the report comes with
    low, high = (max(window * kept // 100, path.minimum_window_bytes) for window in (before, grown))
    assert low <= path.cwnd_bytes <= high


def cuts_of_a_marked_transfer(**parameters):
    pipe = pushed(**parameters)
    pipe.drops.every = True
    path = pipe.server.connection.path
    pipe.send(400_000, "server")
    cuts, threshold = [], path.ssthresh_bytes
    while pipe.client.delivered == {}:
        assert pipe.step()
        if path.ssthresh_bytes != threshold:
            threshold = path.ssthresh_bytes
            cuts.append(pipe.now_ns)
    return pipe, cuts


def test_marks_cut_the_window_once_a_round_trip():
    """Every packet is marked; the round trip is 10 ms or a little more."""
    pipe, cuts = cuts_of_a_marked_transfer(kept=90)
    gaps = [later - earlier for earlier, later in pairwise(cuts)]
    assert len(cuts) > 5
    assert min(gaps) >= 10 * MILLISECOND
    assert max(gaps) <= 25 * MILLISECOND
    assert pipe.server.connection.counts.packets_lost == 0


def test_the_window_never_falls_below_the_minimum():
    pipe, cuts = cuts_of_a_marked_transfer(kept=10)
    path = pipe.server.connection.path
    assert cuts
    assert path.ssthresh_bytes == path.minimum_window_bytes
    assert path.cwnd_bytes >= path.minimum_window_bytes
    assert pipe.server.connection.counts.plugin_faults == 0


def test_a_loss_and_a_mark_of_one_round_trip_cut_once():
    """Half the window is lost to the controller; the mark right after it takes nothing more."""
    pipe = pushed("rfc9002")
    path = pipe.server.connection.path
    first = pipe.offered["server"]
    pipe.drops = Wire({("server", first + 5)}, {("server", first + 2)})
    pipe.send(60_000, "server")
    thresholds = [path.ssthresh_bytes]
    while pipe.step():
        if path.ssthresh_bytes != thresholds[-1]:
            thresholds.append(path.ssthresh_bytes)
    assert len(thresholds) == 2
    assert counts(pipe.server)[3] == counts(pipe.client)[1] == 1
    assert pipe.client.delivered == {1: 60_000}


# ----------------------------------------------------------------------------------------------------- a native twin

INDEXES = st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(2, 80)), max_size=25)


@settings(max_examples=40, deadline=None)
@given(
    marked=INDEXES,
    lost=st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(2, 80)), max_size=4),
    profile=st.sampled_from(list(PROFILES)),
    negotiate=st.integers(0, 1),
    kept=st.integers(10, 90),
    push=st.booleans(),
)
def test_the_bytecode_and_its_native_twin_send_the_same_packets(marked, lost, profile, negotiate, kept, push):
    def drive():
        parameters = {"negotiate": negotiate, "kept": kept}
        addresses = 2 if PROFILES[profile].is_multipath else 1
        pipe = Pipe(profile, client=Settings(address_count=addresses), drops=Wire(marked, lost))
        if push:
            pipe.server.plugins.push(ECN, parameters, both=True)
        else:
            for side in pipe.sides.values():
                side.plugins.attach(ECN, parameters)
        pipe.connect()
        for size in (60_000, 300):
            pipe.send(size, "server")
            pipe.send(size // 3, "client")
            pipe.run_for(300 * MILLISECOND)
        pipe.run_for(15_000 * MILLISECOND)
        assert sum(pipe.client.delivered.values()) == 60_300
        assert sum(pipe.server.delivered.values()) == 20_100
        return on_pipe(pipe)

    seen = same_run(drive, "ecn")
    assert all(side.connection.counts.plugin_faults == 0 for side in seen.of.sides.values())


def test_marks_make_another_run():
    """So that the twins cannot agree on doing nothing."""

    def run(marks):
        pipe = pushed()
        marked_download(pipe, marks, 100_000)
        return on_pipe(pipe).packets

    assert run(4) != run(0)


def test_five_anchors_as_the_paper_s():
    pipe = pushed()
    [attached] = pipe.client.of(PluginAttached)
    assert set(attached.anchors) == {
        "replace/InitOpaqueData",
        "after/ReadPacket",
        "replace/GenerateFrames",
        "replace/ParseFrames:0x1C0D",
        "after/ParseFrames",
    }


@pytest.mark.parametrize("addresses", [1, 2])
def test_on_several_paths_each_has_its_own_counts(addresses):
    pipe = pushed("mp-quic", addresses=addresses)
    pipe.drops = Wire()
    pipe.drops.every = True
    pipe.send(100_000, "server")
    pipe.settle()
    used = range(1, 3) if addresses == 2 else range(1)
    for path_id in used:
        assert counts(pipe.client, path_id)[1] > 0
        assert counts(pipe.server, path_id)[2] == counts(pipe.client, path_id)[1]
    assert pipe.client.delivered == {1: 100_000}
