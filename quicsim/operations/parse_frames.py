"""What do the packet's frames bring about?

Paper section 3.1.2 (ParseFrames, AfterParseFrames); RFC 9000 sections 12.4 and 19.
"""

from __future__ import annotations

from quicsim.operations.fields import ACK_ELICITING, NOW, PACKET_NUMBER, PACKET_SIZE, SPACE
from quicsim.operations.operation import Operation, Output, u16
from quicsim.quic.receiving import process_frames

__all__ = ["parse_frames"]

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
