"""What does a congestion controller react to? Paper section 2; RFC 9002 section 7.

A controller's window lives in `path.cwnd_bytes`, so that a plugin that sets it is not undone behind its back.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quicsim.quic.path import Path

__all__ = ["ACKED", "IDLE", "LOST", "MARKED", "RTT", "TIMEOUT", "CongestionController", "CongestionEvent"]


class CongestionEvent(enum.IntEnum):
    """What the CongestionControl operation is told."""

    ACKED = 1
    """A packet in flight was acknowledged."""
    LOST = 2
    """Packets in flight were lost; the packet named is the last-sent of them."""
    MARKED = 3
    """The peer reports packets marked Congestion Experienced."""
    RTT = 4
    """A new round-trip time sample."""
    IDLE = 5
    """Nothing was in flight and something is about to be sent."""
    TIMEOUT = 6
    """Persistent congestion (RFC 9002 section 7.6), or a retransmission timeout that cuts the window."""


ACKED, LOST, MARKED, RTT, IDLE, TIMEOUT = CongestionEvent
"""The members by themselves: looking one up in its class costs more than a call."""


class CongestionController(Protocol):
    """One algorithm on one path. Sizes are bytes, instants nanoseconds."""

    def acked(self, path: Path, size_bytes: int, sent_ns: int, now_ns: int) -> None:
        """A packet in flight was acknowledged."""

    def congested(self, path: Path, lost_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Packets were lost, together this large, the last of them sent at `sent_ns`; or marked: nothing was lost."""

    def rtt_sampled(self, path: Path, sent_ns: int, now_ns: int) -> None:
        """The path's round-trip time was measured anew by a packet sent at `sent_ns`."""

    def timed_out(self, path: Path, now_ns: int) -> None:
        """Nothing got through for so long that the window must collapse; `congested` was told of the loss before."""
