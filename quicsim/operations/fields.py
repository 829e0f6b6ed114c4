"""Inputs that several operations share, declared once."""

from __future__ import annotations

from quicsim.operations.operation import Field, u8, u16, u64

__all__ = ["ACK_ELICITING", "ECN", "NOW", "PACKET_NUMBER", "PACKET_SIZE", "PACKET_SPACE", "SPACE", "TIMER_EXPIRED"]

NOW = Field("now_ns", u64, "connection.now_ns", "the simulation clock")
SPACE = Field("space", u8, "space.kind", "packet number space: 0 Initial, 1 Handshake, 2 application data")
TIMER_EXPIRED = Field("timer_expired", u8, "path.timer_expired", "1: the retransmission timer triggered this run")

PACKET_NUMBER = Field("packet_number", u64, "packet.number", "the packet")
PACKET_SIZE = Field("size_bytes", u16, "packet.size_bytes", "its bytes, header and AEAD tag included")
PACKET_SPACE = Field("space", u8, "packet.space", SPACE.meaning)
ECN = Field("ecn", u8, "packet.ecn", "the codepoint that it arrived with: 0 not ECT, 1 ECT(1), 2 ECT(0), 3 CE", since=1)
ACK_ELICITING = Field("ack_eliciting", u8, "packet.ack_eliciting", "1: it asks for an acknowledgement")
