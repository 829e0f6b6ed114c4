"""Does the assembled packet go out now?

Paper section 2, figure 1 (fourth box). A plugin that returns 0 holds the packet back, as Nagle's algorithm does.
"""

from __future__ import annotations

from quicsim.operations.fields import ACK_ELICITING, NOW, PACKET_NUMBER, PACKET_SIZE, PACKET_SPACE
from quicsim.operations.operation import Field, Operation, Output, Rule, u8
from quicsim.quic.sending import transmit

__all__ = ["send_packet"]

send_packet = Operation(
    number=0x04,
    name="SendPacket",
    meaning="Hands the protected packet to the network and registers it as sent.",
    source="paper section 2, figure 1; RFC 9002 appendix A.5",
    arguments=("connection", "path", "packet"),
    inputs=(
        NOW,
        PACKET_NUMBER,
        PACKET_SIZE,
        PACKET_SPACE,
        ACK_ELICITING,
        Field("is_probe", u8, "packet.is_probe", "1: it repeats a packet that is still outstanding"),
    ),
    output=Output(
        u8, "1: sent; 0: held back; run_default() sends, without it the packet is held, whatever is returned"
    ),
    rules=(Rule("result <= 1"),),
)


send_packet.default()(transmit)
