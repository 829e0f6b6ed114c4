"""Does the assembled packet go out now?

Paper section 2, figure 1 (fourth box). A plugin that returns 0 holds the packet back, as Nagle's algorithm does.
"""

from __future__ import annotations

from quicsim.operations.fields import NOW
from quicsim.operations.operation import Field, Operation, Output, Rule, u8, u16, u64
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
        Field("packet_number", u64, "packet.number", "the packet"),
        Field("size_bytes", u16, "packet.size_bytes", "its bytes, header and AEAD tag included"),
        Field("space", u8, "packet.space", "packet number space: 0 Initial, 1 Handshake, 2 application data"),
        Field("ack_eliciting", u8, "packet.ack_eliciting", "1: it asks for an acknowledgement"),
        Field("is_probe", u8, "packet.is_probe", "1: it repeats a packet that is still outstanding"),
    ),
    output=Output(
        u8, "1: sent; 0: held back; run_default() sends, without it the packet is held, whatever is returned"
    ),
    rules=(Rule("result <= 1"),),
)


send_packet.default()(transmit)
