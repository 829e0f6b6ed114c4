"""How much may be sent on the whole connection, and how much have we allowed? RFC 9000 section 4."""

from __future__ import annotations

__all__ = ["FlowControl", "grown"]


class FlowControl:
    """The connection's two limits, in bytes of stream data over all streams."""

    __slots__ = ("consumed", "largest", "limit", "peer_limit", "received", "sent", "updated_ns", "window")

    def __init__(self, window: int, largest: int) -> None:
        self.window = window
        self.largest = largest
        """How far the window may grow; 0: it is fixed."""
        self.updated_ns = -1
        """When our limit was raised last; -1: never."""
        self.limit = window
        """What we allow: our MAX_DATA."""
        self.received = 0
        self.consumed = 0
        self.peer_limit = 0
        """What the peer allows: its MAX_DATA."""
        self.sent = 0

    @property
    def credit(self) -> int:
        """The bytes of new stream data that may still be sent."""
        return self.peer_limit - self.sent


def grown(window: int, largest: int, updated_ns: int, now_ns: int, rtt_ns: int) -> int:
    """A receive window, doubled when half of it was used up in less than two round trips since the last update.

    quic-go of 2017; what RFC 9000 section 4.2 calls basing the limit on the round-trip time and the application's rate.
    """
    if updated_ns < 0 or not rtt_ns or now_ns - updated_ns >= 2 * rtt_ns:
        return window
    return max(window, min(2 * window, largest))
