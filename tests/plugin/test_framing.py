"""Do frames that only plugins know, and ECN settings, come, go and go back with a fault? Anchors with a type."""

import pytest

from quicsim.events import Event, PacketSent, PluginDetached, PluginFaulted
from quicsim.operations import PARAMETRISED, OperationTable, Slot, operation_named
from quicsim.plugin.attachment import MAXIMUM_PACKETS_ALONE
from quicsim.plugin.host import ConnectionPlugins
from quicsim.plugin.package import PluginError, load_plugin
from quicsim.quic.congestion.base import LOST
from quicsim.quic.frames import PLUGIN_FRAME_TYPES, AckFrame, PluginFrame, StreamFrame, encode_frame
from quicsim.quic.packet import APPLICATION
from quicsim.randomness import Streams
from tests.plugin.pipe import Pipe, compiled, is_default, plugin, set_word, word

(
    WITH_EACH_ACK, THEN_LOOP, DEFAULT_THEN_FRAME_THEN_LOOP, FRAME_THEN_DEFAULT_THEN_LOOP, ONLY_FRAMES, BAD_TYPE, LARGE,
    ASKS_FOR_ACK, ROOM_IS_FRESH, WINDOW_THEN_FRAME_THEN_LOOP, LOG_PACKET,
) = range(1, 12)  # fmt: skip
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


def test_a_lost_frame_is_not_repeated(pipe):
    attachment = attach(pipe.server, word0=ASKS_FOR_ACK, word1=7)
    pipe.send(500)
    pipe.step()
    set_word(attachment, 0, 0)
    pipe._wire.clear()
    pipe.settle()
    assert len(frames_sent(pipe.server)) == 1
    assert pipe.server.connection.path.bytes_in_flight == 0


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


@pytest.mark.parametrize("frame_type", [QUIET, ASKING])
@pytest.mark.parametrize("sends", [True, False])
def test_a_plugin_that_sends_nothing_but_its_frames_does_not_stop_the_clock(frame_type, sends, pipe):
    attachment = attach(pipe.server, word0=ONLY_FRAMES, word1=frame_type)
    pipe.send(500)
    if sends:
        pipe.send(5_000, "server")
    pipe.step()
    assert len(pipe.server.of(PacketSent)) < 10 * MAXIMUM_PACKETS_ALONE
    pipe.settle()
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


# -------------------------------------------------------------------------------------------------------------- ECN


def test_a_socket_option_is_set_and_goes_with_the_plugin(pipe):
    path = pipe.client.connection.path
    attachment = pipe.client.attach(plugin("marking"))
    assert path.ecn_codepoint == 2  # set when the plugin was initialised
    pipe.send(100)
    assert [datagram.ecn for *_, datagram in pipe._wire] == [2]
    pipe.client.plugins.detach(attachment, "enough")
    assert path.ecn_codepoint == 0
    again = pipe.client.attach(plugin("marking"))
    path.ecn_codepoint = 1  # somebody else's
    pipe.client.plugins.detach(again, "enough")
    assert path.ecn_codepoint == 1


@pytest.mark.parametrize(("mode", "after"), [(SET, 1), (SET_THEN_LOOP, 2), (SET_THEN_DEFAULT_THEN_LOOP, 1)])
def test_a_fault_takes_the_codepoint_back_to_the_commit_point(mode, after, pipe):
    connection = pipe.client.connection
    attachment = pipe.client.attach(plugin("marking"), word0=mode, word1=1)
    connection.operations.set_timer(connection, connection.path)
    assert pipe.client.logged == [1, 1]
    assert connection.path.ecn_codepoint == after
    assert attachment.faults == (mode != SET)
    pipe.client.plugins.detach(attachment, "enough")
    assert connection.path.ecn_codepoint == 0


@pytest.mark.parametrize("codepoint", [3, 4, 2**32 - 1])
def test_a_sender_does_not_claim_congestion(codepoint, pipe):
    connection = pipe.client.connection
    pipe.client.attach(plugin("marking"), word0=SET, word1=codepoint)
    connection.operations.set_timer(connection, connection.path)
    assert "set_ecn: a sender's codepoint is 0" in pipe.client.of(PluginFaulted)[0].reason
    assert connection.path.ecn_codepoint == 2


def test_each_packet_shows_the_codepoint_that_it_arrived_with(pipe):
    seen = []
    read = pipe.server.connection.operations.read_packet
    pipe.server.connection.operations.read_packet = lambda c, p, packet: seen.append(packet.ecn) or read(c, p, packet)
    for codepoint in (3, 0, 1):
        pipe.send(100)
        [(*_, datagram)] = pipe._wire
        datagram.ecn = codepoint
        pipe.settle()
    assert seen == [3, 0, 1]


def test_a_window_lowered_after_parse_frames_is_the_controller_s(pipe):
    """NewReno goes on from there: it has left slow start, and the next loss halves this window."""
    connection = pipe.client.connection
    attachment = pipe.client.attach(plugin("marking"), word2=9_000)
    path = connection.path
    pipe.send(60_000)
    while path.ssthresh_bytes > 9_000:
        assert pipe.step()
    assert path.ssthresh_bytes == 9_000
    assert path.cwnd_bytes == 9_000
    set_word(attachment, 2, 0)
    pipe.step()
    assert 9_000 <= path.cwnd_bytes <= 9_000 + path.datagram_bytes
    window = path.cwnd_bytes
    connection.operations.congestion_control(connection, path, LOST, 1_200, pipe.now_ns)
    assert path.cwnd_bytes == window // 2
    set_word(attachment, 2, 100)  # below the minimum: the rules hold here as well
    pipe.settle()
    assert any("cwnd_bytes >= minimum_window_bytes" in fault.reason for fault in pipe.client.of(PluginFaulted))
    assert path.cwnd_bytes >= path.minimum_window_bytes
    assert pipe.server.delivered == {0: 60_000}


# ----------------------------------------------------------------------------------------------------------- chance


def drawn(side, times, mode=DRAW):
    attachment = side.attach(plugin("marking"), word0=mode)
    connection = side.connection
    side.events.clear()
    for _ in range(times):
        connection.operations.set_timer(connection, connection.path)
    if attachment.enabled:
        side.plugins.detach(attachment, "enough")
    return side.logged


def test_a_plugin_s_chance_is_its_own():
    pipe, other = Pipe(), Pipe()
    five = drawn(pipe.client, 5)
    assert len(set(five)) == 5
    assert max(five) > 2**32
    assert set(drawn(pipe.server, 5)).isdisjoint(five)
    drawn(other.server, 2)
    # Neither the other end's draws, nor a fault, nor being attached anew moves the next one.
    assert drawn(other.client, 2) + drawn(other.client, 1, DRAW_THEN_LOOP) + drawn(other.client, 2) == five


def test_chance_is_the_replication_s():
    pipe = Pipe()
    drawn_by = []
    for seed, replication in ((0, 0), (0, 1), (1, 0)):
        pipe.client.plugins = ConnectionPlugins(pipe.client.connection, Streams(seed, replication))
        drawn_by.append(drawn(pipe.client, 3))
    assert drawn_by[0] == drawn(Pipe().client, 3)
    assert len({number for numbers in drawn_by for number in numbers}) == 9


# ---------------------------------------------------------------------------------------------- anchors with a type

FRAMING = compiled("framing")


def test_a_type_makes_an_anchor_of_its_own():
    numbers = {anchor.section: anchor.number for anchor in plugin("framing").anchors}
    assert numbers["replace/ParseFrames:0x1C01"] == 0x1C01_0011
    assert operation_named("ParseFrames:0x1C01") is operation_named("ParseFrames:0x1c01")
    assert operation_named("ParseFrames:0x1c01").anchor(Slot.AFTER) == 0x1C01_8011
    assert operation_named("ParseFrames").number == 0x11
    every = {
        operation.with_value(value).anchor(slot)
        for operation in PARAMETRISED for value in operation.parameter.values for slot in Slot
    }  # fmt: skip
    assert len(every) == 3 * len(PLUGIN_FRAME_TYPES)
    assert OperationTable("rfc9002").parse_frame == {}


def renamed(**types):
    """`framing` with other types: the sections' names have the same length."""
    data = FRAMING.replace(b"replace/GenerateFrames", b"replace/GenerateHeader")
    for old, new in types.items():
        data = data.replace(b"ParseFrames:" + old.encode(), b"ParseFrames:" + new.encode())
    return load_plugin(data, source="renamed")


def test_two_plugins_with_types_of_their_own_live_together(pipe):
    side = pipe.client
    first = attach(side)
    second = side.attach(renamed(**{"0x1C01": "0x1C03", "0x1C02": "0x1Cff"}))
    assert sorted(side.connection.operations.parse_frame) == [0x1C01, 0x1C02, 0x1C03, 0x1CFF]
    packet_frames = [PluginFrame(0x1C03, b"12345678"), PluginFrame(0x1C01, b"abc"), PluginFrame(0x1C77, b"x")]
    deliver(pipe, packet_frames)
    assert (word(first, SEEN), word(first, LENGTH)) == (1, 3)
    assert (word(second, SEEN), word(second, LENGTH)) == (1, 8)
    side.plugins.detach(first, "enough")
    assert sorted(side.connection.operations.parse_frame) == [0x1C03, 0x1CFF]
    deliver(pipe, packet_frames)
    assert (word(first, SEEN), word(second, SEEN)) == (1, 2)
    side.plugins.detach(second, "enough")
    assert side.connection.operations.parse_frame == {}
    assert is_default(side, "ParseFrames")


def deliver(pipe, frames):
    """Let the client parse a packet with these frames."""
    connection = pipe.client.connection
    pipe.send(10, "server")
    *_, datagram = pipe._wire[0]
    [packet] = datagram.packets
    assert packet.space is APPLICATION
    packet.frames += frames
    pipe.settle()
    assert connection.counts.plugin_faults == 0


def test_a_type_that_is_taken_is_refused_with_the_holder_s_name(pipe):
    attach(pipe.client)
    with pytest.raises(
        PluginError, match="plugin framing: replace/ParseFrames:0x1c02 is held by plugin framing; detach that first"
    ):
        pipe.client.plugins.attach(renamed(**{"0x1C01": "0x1C03", "0x1C02": "0x1c02"}))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"ParseFrames:0x1C02", b"ParseFrames:0x1D02", "0x1d02 is no frame type of ParseFrames; it takes 0x1c00 to"),
        (b"ParseFrames:0x1C02", b"ParseFrames:0x5C02", "0x5c02 is no frame type of ParseFrames"),
        (b"ParseFrames:0x1C02", b"ParseFrames:7170\0\0", "'7170' is no frame type in hexadecimal; one is 0x1c00"),
        (b"ParseFrames:0x1C02", b"ParseFrames:\0\0\0\0\0\0", "'' is no frame type in hexadecimal"),
        (b"ParseFrames:0x1C02", b"DecideAck:0x1C02\0\0", "operation DecideAck takes no parameter"),
        (b"ParseFrames:0x1C02", b"ParseFrame:0x1C02\0", "no operation 'ParseFrame'; there are Select"),
        (b"ParseFrames:0x1C02", b"ParseFrames:0x1c01", "are the same anchor"),
    ],
)  # fmt: skip
def test_an_anchor_with_a_type_that_is_none_is_refused(old, new, words):
    with pytest.raises(PluginError, match="section") as refusal:
        load_plugin(FRAMING.replace(old, new), source="patched")
    assert words in str(refusal.value)


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
