"""Has each frame type anchors of its own, so that plugins with different types live together and no two share one?"""

import pytest

from quicsim.operations import PARAMETRISED, OperationTable, Slot, operation_named
from quicsim.plugin.package import PluginError, load_plugin
from quicsim.quic.frames import PLUGIN_FRAME_TYPES, PluginFrame
from quicsim.quic.packet import APPLICATION
from tests.plugin.pipe import Pipe, compiled, is_default, plugin, word
from tests.plugin.test_framing import LENGTH, SEEN, attach

FRAMING = compiled("framing")


@pytest.fixture
def pipe():
    pipe = Pipe()
    pipe.connect()
    return pipe


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
