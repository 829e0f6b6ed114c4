"""Do frames that only plugins know, and ECN settings, come, go and go back with a fault? Anchors with a type."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.events import Event, PacketSent, PluginDetached, PluginFaulted
from quicsim.plugin.attachment import MAXIMUM_PACKETS_ALONE
from quicsim.quic.frames import FRAMES, AckFrame, PluginFrame, StreamFrame, encode_frame
from quicsim.quic.profiles import PROFILES
from quicsim.quic.settings import Settings
from tests.plugin.pipe import MILLISECOND, Pipe, plugin, set_word, word

(
    WITH_EACH_ACK, THEN_LOOP, DEFAULT_THEN_FRAME_THEN_LOOP, FRAME_THEN_DEFAULT_THEN_LOOP, ONLY_FRAMES, BAD_TYPE, LARGE,
    ASKS_FOR_ACK, ROOM_IS_FRESH, WINDOW_THEN_FRAME_THEN_LOOP, LOG_PACKET,
    BYTES_AND_FRAME, TELLS_PATH,
) = range(1, 14)  # fmt: skip
(
    SET,
    SET_THEN_LOOP,
    SET_THEN_DEFAULT_THEN_LOOP,
    APPEND_ELSEWHERE,
    READ_NO_FRAME,
    READ_NO_PACKET,
    DRAW,
    DRAW_THEN_LOOP,
) = range(1, 9)
SEEN, GOT, LENGTH, ANSWER = 2, 3, 4, 5  # words of framing's memory
QUIET, ASKING = 0x1C01, 0x1C02


@pytest.fixture
def pipe():
    pipe = Pipe()
    pipe.connect()
    return pipe


def attach(side, **words):
    """Attach `framing` at an end whose peer has confirmed that it runs it, and has been told of this end's."""
    side.plugins.negotiation.at_peer.append("framing")
    side.plugins.negotiation.came = lambda attachment: None
    return side.attach(plugin("framing"), **words)


def frames_sent(side, kind=PluginFrame):
    return [frame for event in side.of(PacketSent) for frame in event.frames if isinstance(frame, kind)]


# ---------------------------------------------------------------------------------------------------- frames that go


def test_a_frame_arrives_and_is_read_by_the_program_of_its_type(pipe):
    reader = attach(pipe.client)
    writer = attach(pipe.server, word0=WITH_EACH_ACK, word1=0x1122334455667788)
    pipe.send(20_000)
    pipe.settle()
    sent = frames_sent(pipe.server)
    assert sent
    assert set(sent) == {PluginFrame(QUIET, (0x1122334455667788).to_bytes(8, "little"))}
    assert (word(reader, SEEN), word(reader, GOT), word(reader, LENGTH)) == (len(sent), 0x1122334455667788, 8)
    assert word(writer, ANSWER) == 1
    assert pipe.server.delivered == {0: 20_000}


def test_a_frame_of_an_odd_type_asks_for_nothing(pipe):
    """Each goes with an ACK: were they to elicit ACKs, the two ends would never come to rest."""
    for side in (pipe.client, pipe.server):
        attach(side, word0=WITH_EACH_ACK)
    pipe.send(3_000)
    pipe.settle()
    with_ack_only = [e for e in pipe.server.of(PacketSent) if [type(f) for f in e.frames] == [AckFrame, PluginFrame]]
    assert with_ack_only
    assert pipe.server.connection.path.bytes_in_flight == 0


def test_a_frame_of_an_even_type_is_acknowledged(pipe):
    attach(pipe.client)
    attachment = attach(pipe.server, word0=ASKS_FOR_ACK, word1=2**63 + 5)
    pipe.send(500)
    pipe.step()  # the request arrives, its ACK goes out with the frame
    assert (word(attachment, ANSWER), len(frames_sent(pipe.server))) == (1, 1)
    assert pipe.server.connection.path.bytes_in_flight > 0
    pipe.step()
    pipe.settle()
    assert pipe.server.connection.path.bytes_in_flight == 0
    # read from byte 4 on (four bytes are left of eight), from byte 8 on, and from far behind the end
    assert pipe.client.logged[:3] == [4, 0, 0]


def test_a_frame_that_asks_for_an_ack_waits_for_the_window(pipe):
    attachment = attach(pipe.server, word0=ASKS_FOR_ACK)
    pipe.server.connection.path.cwnd_bytes = 1_000  # less than a datagram: the window is closed
    pipe.send(500)
    pipe.step()
    assert (word(attachment, ANSWER), frames_sent(pipe.server)) == (0, [])
    set_word(attachment, 0, WITH_EACH_ACK)  # one that does not may go
    pipe.send(500)
    pipe.step()
    pipe.step()
    assert len(frames_sent(pipe.server)) == 1


def test_unknown_frames_are_skipped_and_harm_nothing(pipe):
    attach(pipe.server, word0=ASKS_FOR_ACK)
    pipe.send(20_000)
    pipe.settle()
    assert frames_sent(pipe.server)
    assert pipe.server.delivered == {0: 20_000}
    assert pipe.client.connection.operations.parse_frame == {}


def test_no_frame_goes_before_the_peer_has_confirmed_the_plugin_or_after_it_gave_it_up(pipe):
    server, client = pipe.server, pipe.client
    attachment = server.attach(plugin("framing"), word0=ASKS_FOR_ACK)
    pipe.send(500)
    pipe.settle()
    assert (word(attachment, ANSWER), frames_sent(server)) == (0, [])
    server.plugins.detach(attachment, "to begin anew")
    server.plugins.push(plugin("framing"), both=True)
    pipe.settle()
    there, here = client.plugins.attachments[-1], server.plugins.attachments[-1]
    for each in (there, here):
        set_word(each, 0, WITH_EACH_ACK)
    pipe.send(500)
    pipe.send(500, "server")
    pipe.settle()
    assert frames_sent(server)
    assert frames_sent(client)
    client.plugins.detach(there, "enough")
    pipe.send(500)
    pipe.settle()
    count = len(frames_sent(server))
    pipe.send(500)
    pipe.settle()
    assert len(frames_sent(server)) == count
    assert server.delivered == {0: 500, 4: 500, 8: 500, 12: 500}


@pytest.mark.parametrize(("wanted", "fitting"), [(2, 2), (9, 3)])
def test_a_packet_takes_what_it_has_room_for(wanted, fitting, pipe):
    attachment = attach(pipe.server, word0=LARGE, word1=wanted)
    pipe.server.events.clear()
    pipe.send(2_000, "server")
    pipe.settle()
    packets = pipe.server.of(PacketSent)
    assert max(packet.size_bytes for packet in packets) <= pipe.server.connection.path.datagram_bytes
    for packet in packets[:3]:
        assert [len(frame.data) for frame in packet.frames if isinstance(frame, PluginFrame)] == fitting * [400]
        assert sum(len(encode_frame(frame)) for frame in packet.frames) < packet.size_bytes
    assert word(attachment, ANSWER) >= len(frames_sent(pipe.server))  # what a fault takes back was counted as well
    assert pipe.client.delivered == {1: 2_000}


@pytest.mark.parametrize("mode", [WITH_EACH_ACK, ASKS_FOR_ACK, ROOM_IS_FRESH])
def test_a_receiver_can_tell_from_the_frames_whether_an_ack_is_asked_for(mode, pipe):
    noted = []
    transmit = pipe.server.connection.operations.send_packet
    pipe.server.connection.operations.send_packet = lambda c, p, packet: noted.append(packet) or transmit(c, p, packet)
    attach(pipe.server, word0=mode)
    pipe.send(9_000)
    pipe.send(3_000, "server")
    pipe.run_for(100 * MILLISECOND)
    for packet in noted:
        asks = [f.ack_eliciting if isinstance(f, PluginFrame) else FRAMES[type(f)].ack_eliciting for f in packet.frames]
        assert packet.ack_eliciting == packet.in_flight == any(asks)
    assert len({packet.ack_eliciting for packet in noted}) == 1 + (mode == WITH_EACH_ACK)


losses = st.frozensets(st.tuples(st.sampled_from(["client", "server"]), st.integers(3, 40)), max_size=10)


@settings(max_examples=20, deadline=None)
@given(
    mode=st.integers(0, TELLS_PATH),
    end=st.sampled_from(["client", "server"]),
    profile=st.sampled_from(sorted(PROFILES)),
    dropped=losses,
)
def test_whatever_a_plugin_with_frames_does_costs_no_byte(mode, end, profile, dropped):
    """Faults in the middle of a transfer included: each mode that loops is one."""
    pipe = Pipe(
        profile,
        client=Settings(address_count=2 if PROFILES[profile].is_multipath else 1),
        watched=False,
        drops=lambda sender, index, _: (sender, index) in dropped,
    )
    pipe.connect()
    attach(pipe.sides[end], word0=mode, word1=QUIET)
    pipe.send(30_000)
    pipe.send(30_000, "server")
    pipe.run_for(3_000 * MILLISECOND)
    assert (pipe.server.delivered, pipe.client.delivered) == ({0: 30_000}, {1: 30_000})
    for side in (pipe.client, pipe.server):
        for path in side.connection.paths:
            assert path.bytes_in_flight == sum(packet.size_bytes for packet in path.application.outstanding.values())


def test_a_lost_frame_is_not_repeated(pipe):
    attachment = attach(pipe.server, word0=ASKS_FOR_ACK, word1=7)
    pipe.send(500)
    pipe.step()
    set_word(attachment, 0, 0)
    pipe._wire.clear()
    pipe.settle()
    assert len(frames_sent(pipe.server)) == 1
    assert pipe.server.connection.path.bytes_in_flight == 0


def test_frames_go_on_every_path_and_each_call_knows_its_own():
    pipe = Pipe("mp-quic", client=Settings(address_count=2))
    reader = attach(pipe.client)
    attach(pipe.server, word0=TELLS_PATH)
    pipe.connect()
    pipe.send(200_000, "server")
    pipe.run_for(2_000 * MILLISECOND)
    told = {(event.path_id, f.data) for event in pipe.server.of(PacketSent) for f in event.frames
            if isinstance(f, PluginFrame)}  # fmt: skip
    assert told == {(path, path.to_bytes(8, "little")) for path in (0, 1, 2)}  # 0 until the others are open
    assert word(reader, SEEN) == len(frames_sent(pipe.server))
    assert pipe.client.delivered == {1: 200_000}


def test_a_helper_shows_what_it_changed(pipe):
    attach(pipe.server, word0=ROOM_IS_FRESH)
    pipe.send(500)
    pipe.step()
    before, answer, after, ack_eliciting = pipe.server.logged[:4]
    assert (answer, before - after, ack_eliciting) == (1, 2 + 1 + 8, 1)


def test_a_program_sees_the_packet_s_bytes_and_its_codepoint(pipe):
    attach(pipe.server, word0=LOG_PACKET)
    pipe.client.connection.path.ecn_codepoint = 2
    pipe.send(500)
    pipe.step()
    [packet] = [event for event in pipe.client.of(PacketSent) if any(isinstance(f, StreamFrame) for f in event.frames)]
    assert pipe.server.logged == [2, 1, encode_frame(packet.frames[0])[0]]


def test_the_packet_s_bytes_are_those_of_the_moment(pipe):
    """After a helper appended a frame, and in the next packet."""
    attach(pipe.server, word0=BYTES_AND_FRAME)
    pipe.server.events.clear()
    for size_bytes in (100, 200):
        pipe.send(size_bytes, "server")
    packets = [event for event in pipe.server.of(PacketSent) if PluginFrame in map(type, event.frames)]
    expected = []
    for packet in packets:
        sizes = [len(encode_frame(frame)) for frame in packet.frames]
        expected += [sum(sizes[:-1]), 1, sum(sizes)]
    assert pipe.server.logged == expected
    assert len(set(expected)) == 5


# ------------------------------------------------------------------------------------------------- faults and undoing


@pytest.mark.parametrize("mode", [THEN_LOOP, DEFAULT_THEN_FRAME_THEN_LOOP, WINDOW_THEN_FRAME_THEN_LOOP])
def test_a_fault_takes_frames_back(mode, pipe):
    attachment = attach(pipe.server, word0=mode)
    window = pipe.server.connection.path.cwnd_bytes
    pipe.send(500)
    pipe.step()
    assert attachment.faults == 1
    assert frames_sent(pipe.server) == []
    assert len(frames_sent(pipe.server, AckFrame)) > 0
    assert pipe.server.connection.path.bytes_in_flight == 0  # the packet asks for no ACK any more
    assert pipe.server.connection.path.cwnd_bytes == window
    if mode == WINDOW_THEN_FRAME_THEN_LOOP:
        assert pipe.server.logged == [777_777]  # written back before the helper acted, and undone
    set_word(attachment, 0, 0)
    pipe.settle()
    assert pipe.server.delivered == {0: 500}


def test_a_frame_before_run_default_is_committed_by_it(pipe):
    attachment = attach(pipe.server, word0=FRAME_THEN_DEFAULT_THEN_LOOP)
    pipe.send(500)
    pipe.step()
    assert attachment.faults == 1
    [packet] = [event for event in pipe.server.of(PacketSent) if PluginFrame in map(type, event.frames)]
    assert [type(frame) for frame in packet.frames] == [PluginFrame, AckFrame]


@pytest.mark.parametrize("frame_type", [0, 0x02, 0x1BFF, 0x1D00, 0x5C00])
def test_only_plugins_types_can_be_sent(frame_type, pipe):
    attach(pipe.server, word0=BAD_TYPE, word1=frame_type)
    pipe.send(500)
    pipe.step()
    [fault] = pipe.server.of(PluginFaulted)
    assert f"append_frame: {frame_type:#x} is no plugin's frame type; these are 0x1c00 to 0x1cff" in fault.reason


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("frame_type", [QUIET, ASKING])
@pytest.mark.parametrize("sends", [True, False])
def test_a_plugin_that_sends_nothing_but_its_frames_does_not_stop_the_clock(frame_type, sends, profile):
    pipe = Pipe(profile)
    pipe.connect()
    attachment = attach(pipe.server, word0=ONLY_FRAMES, word1=frame_type)
    pipe.send(500)
    if sends:
        pipe.send(5_000, "server")
    pipe.step()
    assert len(pipe.server.of(PacketSent)) < 10 * MAXIMUM_PACKETS_ALONE
    pipe.run_for(2_000 * MILLISECOND)
    assert "carry plugins' frames only" in pipe.server.of(PluginFaulted)[0].reason
    assert attachment.enabled is not sends  # each of the packets that are then due is a fault
    assert bool(pipe.server.of(PluginDetached)) is sends
    assert pipe.server.delivered == {0: 500}
    assert pipe.client.delivered == ({1: 5_000} if sends else {})


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (APPEND_ELSEWHERE, "append_frame is for programs of GenerateFrames; this is replace/SetTimer"),
        (READ_NO_FRAME, "SetTimer is about no frame"),
        (READ_NO_PACKET, "SetTimer is about no packet"),
    ],
)
def test_helpers_say_where_they_can_be_used(mode, reason, pipe):
    pipe.server.attach(plugin("marking"), word0=mode)
    connection = pipe.server.connection
    connection.operations.set_timer(connection, connection.path)
    assert reason in pipe.server.of(PluginFaulted)[0].reason


def test_without_subscribers_nothing_is_different():
    """The same exchange twice, one of them traced: the same digest."""

    def run(watched):
        pipe = Pipe(watched=watched)
        pipe.connect()
        for side in (pipe.client, pipe.server):
            attach(side, word0=WITH_EACH_ACK, word1=9)
            side.attach(plugin("marking"), word0=SET, word1=1)
        pipe.send(30_000)
        pipe.settle()
        assert pipe.server.delivered == {0: 30_000}
        return pipe.trace.digest(), pipe.events

    (first, events), (second, none) = run(True), run(False)
    assert first == second
    assert events
    assert all(isinstance(event, Event) for event in events)
    assert none == []
