"""What does a congestion controller react to? Paper section 2; RFC 9002 section 7.

A controller's window lives in `path.cwnd_bytes`, so that a plugin that sets it is not undone behind its back. One that
paces by a rate of its own says so in `path.pacing_rate` and `path.send_quantum_bytes`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from quicsim.quic.path import Path
    from quicsim.quic.profiles import Profile

__all__ = ["ACKED", "ACK_TOLD", "IDLE", "LOST", "MARKED", "RTT", "SPURIOUS", "TIMEOUT", "CongestionController",
           "CongestionEvent"]  # fmt: skip


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
    """Nothing was in flight and something is about to be sent; only where delivery is sampled."""
    TIMEOUT = 6
    """Persistent congestion (RFC 9002 section 7.6), or a retransmission timeout that cuts the window."""
    ACK_TOLD = 7
    """All that an ACK frame acknowledged and revealed to be lost has been told; only to who follows ACKs whole."""
    SPURIOUS = 8
    """All that was declared lost since the last congestion event has been acknowledged; only to who undoes."""


ACKED, LOST, MARKED, RTT, IDLE, TIMEOUT, ACK_TOLD, SPURIOUS = CongestionEvent
"""The members by themselves: looking one up in its class costs more than a call."""


class CongestionController:
    """One algorithm on one path. Sizes are bytes, instants nanoseconds. What it does not care for does nothing."""

    __slots__ = ("undoes",)

    samples_delivery: ClassVar[bool] = False
    """Whether `path.delivery` is kept for it, and `resumed` called."""

    undoes: bool
    """Whether `undo` is called."""

    @property
    def follows_acks(self) -> bool:
        """Whether `ack_told` is called."""
        return self.samples_delivery

    undoes_by_itself: ClassVar[bool] = False
    """Whether it undoes where the profile does not say: where the document that describes it says so."""

    def __init__(self, profile: Profile, paths: list[Path]) -> None:
        """For a path of a connection whose other paths are, or will be, in the list."""
        chosen = profile.undoes_spurious_losses
        self.undoes = self.undoes_by_itself if chosen is None else chosen

    def acked(self, path: Path, size_bytes: int, sent_ns: int, now_ns: int) -> None:
        """A packet in flight was acknowledged."""

    def congested(self, path: Path, lost_bytes: int, sent_ns: int, now_ns: int) -> None:
        """Packets were lost, together this large, the last of them sent at `sent_ns`; or marked: nothing was lost."""

    def rtt_sampled(self, path: Path, sent_ns: int, now_ns: int) -> None:
        """The path's round-trip time was measured anew by a packet sent at `sent_ns`."""

    def ack_told(self, path: Path, now_ns: int) -> None:
        """An ACK frame was told whole, packet by packet, and the losses that it revealed."""

    def resumed(self, path: Path, now_ns: int) -> None:
        """Nothing was in flight and something is about to be sent."""

    def undo(self, path: Path, now_ns: int) -> None:
        """Nothing was lost: take back what the last congestion event changed."""

    def timed_out(self, path: Path, now_ns: int) -> None:
        """Nothing got through for so long that the window must collapse; `congested` was told of the loss before."""
