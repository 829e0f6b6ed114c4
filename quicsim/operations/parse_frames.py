"""What do the packet's frames bring about?

Paper section 3.1.2 (ParseFrames, AfterParseFrames); RFC 9000 sections 12.4 and 19. With a type, as ParseFrames:0x1c00,
the operation is about one frame that only a plugin knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import ACK_ELICITING, NOW, PACKET_NUMBER, PACKET_SIZE, SPACE
from quicsim.operations.operation import Field, Operation, Output, Parameter, Rule, u8, u16
from quicsim.quic.frames import PLUGIN_FRAME_TYPES, PluginFrame
from quicsim.quic.receiving import process_frames

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["parse_frame", "parse_frames"]

parse_frames = Operation(
    number=0x11,
    name="ParseFrames",
    meaning="Parses the frames of a packet and processes each.",
    source="paper section 3.1.2; RFC 9000 sections 12.4, 19",
    arguments=("connection", "path", "space", "packet"),
    inputs=(
        NOW,
        PACKET_NUMBER,
        PACKET_SIZE,
        SPACE,
        ACK_ELICITING,
    ),
    output=Output(u16, "frames processed; for information"),
)

parse_frames.default()(process_frames)

parse_frame = Operation(
    number=parse_frames.number,
    name=parse_frames.name,
    meaning="Parses one frame of a type that only a plugin knows.",
    source="paper section 3.1.2; RFC 9000 section 12.4",
    arguments=("connection", "path", "space", "packet", "frame"),
    inputs=(
        NOW,
        PACKET_NUMBER,
        Field("frame_type", u16, "frame.frame_type", "the frame's type"),
        Field("frame_length", u16, "frame.length", "its bytes behind type and length, for read_frame()"),
        SPACE,
        ACK_ELICITING,
    ),
    output=Output(u8, "1: understood; 0: skipped; for information"),
    rules=(Rule("result <= 1"),),
    parameter=Parameter("frame type", PLUGIN_FRAME_TYPES, "parse_frame"),
)


@parse_frame.default()
def skip(connection: Connection, path: Path, space: PacketNumberSpace, packet: Packet, frame: PluginFrame) -> int:
    """Nothing: a frame that nobody knows is skipped."""
    return 0
