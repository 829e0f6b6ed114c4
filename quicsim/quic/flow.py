"""How much may be sent on the whole connection, and how much have we allowed? RFC 9000 section 4."""

from __future__ import annotations

__all__ = ["FlowControl"]


class FlowControl:
    """The connection's two limits, in bytes of stream data over all streams."""

    __slots__ = ("consumed", "limit", "peer_limit", "received", "sent", "window")

    def __init__(self, window: int) -> None:
        self.window = window
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
