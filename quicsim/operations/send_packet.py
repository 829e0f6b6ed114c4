"""Does the assembled packet go out now?

Paper section 2, figure 1 (fourth box). A plugin that returns 0 holds the packet back, as Nagle's algorithm does. Its
content then waits at the head of the queue, its number is free again, and an ACK that is due goes out alone. The next
run of the sending process asks anew, with what was written meanwhile in the same packet. Replaced by plugins/nagle.
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
        Field("data_only", u8, "packet.data_only", "1: it carries stream data and, ACKs apart, nothing else", since=3),
        Field("ends_stream", u8, "packet.ends_stream", "1: it carries the last byte of a stream", since=3),
    ),
    output=Output(
        u8, "1: sent; 0: held back; run_default() sends, without it the packet is held, whatever is returned"
    ),
    rules=(Rule("result <= 1"),),
)


send_packet.default()(transmit)
