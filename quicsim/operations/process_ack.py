"""What does an ACK frame settle?

Paper section 2 (the sending process starts with a processed packet); RFC 9002 appendix A.7.
"""

from __future__ import annotations

from quicsim.operations.fields import NOW, SPACE
from quicsim.operations.operation import Field, Operation, Output, u32, u64
from quicsim.quic.receiving import process_ack as settle

__all__ = ["process_ack"]

process_ack = Operation(
    number=0x12,
    name="ProcessAck",
    meaning="Takes newly acknowledged packets out of flight, then looks for lost ones.",
    source="RFC 9000 section 19.3; RFC 9002 appendix A.7",
    arguments=("connection", "path", "space", "frame"),
    inputs=(
        NOW,
        Field("largest_acknowledged", u64, "space.largest_acknowledged_or_zero", "before this frame; 0 also for none"),
        Field("ack_delay", u64, "frame.delay", "the frame's ACK delay in units of 8 microseconds"),
        Field("bytes_in_flight", u64, "path.bytes_in_flight", "before this frame"),
        Field("range_count", u32, "frame.range_count", "ACK ranges in the frame"),
        SPACE,
    ),
    output=Output(u32, "packets newly acknowledged; for information"),
)

process_ack.default()(settle)
