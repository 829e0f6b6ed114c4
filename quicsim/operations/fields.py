"""Inputs that several operations share, declared once."""

from __future__ import annotations

from quicsim.operations.operation import Field, u8, u64

__all__ = ["NOW", "SPACE", "TIMER_EXPIRED"]

NOW = Field("now_ns", u64, "connection.now_ns", "the simulation clock")
SPACE = Field("space", u8, "space.kind", "packet number space: 0 Initial, 1 Handshake, 2 application data")
TIMER_EXPIRED = Field("timer_expired", u8, "path.timer_expired", "1: the retransmission timer triggered this run")
