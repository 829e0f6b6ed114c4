"""Is the packet that arrived to be processed?

Paper section 2 (packet reception) and 3.1.2 (AfterPacketRead is `after ReadPacket`); RFC 9000 section 12.3.
"""

from __future__ import annotations

from quicsim.operations.fields import ACK_ELICITING, ECN, NOW, PACKET_NUMBER, PACKET_SIZE, PACKET_SPACE
from quicsim.operations.operation import Operation, Output, Rule, u8
from quicsim.quic.receiving import is_new

__all__ = ["read_packet"]

read_packet = Operation(
    number=0x10,
    name="ReadPacket",
    meaning="Lets an unprotected packet in, or drops it: only what is let in is acknowledged and processed.",
    source="paper sections 2 and 3.1.2; RFC 9000 sections 12.2, 12.3",
    arguments=("connection", "path", "packet"),
    inputs=(
        NOW,
        PACKET_NUMBER,
        PACKET_SIZE,
        PACKET_SPACE,
        ACK_ELICITING,
        ECN,
    ),
    output=Output(u8, "1: let it in; 0: drop it"),
    rules=(Rule("result <= 1"),),
)

read_packet.default()(is_new)
