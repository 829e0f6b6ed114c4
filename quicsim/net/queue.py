"""Is a datagram that comes to a busy link accepted, marked or dropped?

A discipline decides once, when the datagram arrives, from what then waits. The datagram in service does not wait: it
has left the queue, as in the paper's emulated links (tc-bfifo, tc-pfifo on Linux).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sized

    from quicsim.randomness import Stream

__all__ = ["ACCEPT", "DROP", "MARK", "Admission", "Backlog", "Discipline", "DropTail", "Verdict"]


class Verdict(Enum):
    """What becomes of a datagram that arrives at a queue."""

    ACCEPT = "accept"
    MARK = "mark"
    """Accept it with congestion marked on it (RFC 3168), where its ECN field allows that; drop it otherwise."""
    DROP = "drop"


ACCEPT: Final = Verdict.ACCEPT
MARK: Final = Verdict.MARK
DROP: Final = Verdict.DROP


class Backlog(Protocol):
    """What a discipline may see of the link direction that it guards, at the instant of an arrival."""

    @property
    def offered(self) -> int:
        """The arrival's index, counted from 1: what a random draw about it goes by."""

    @property
    def waiting(self) -> Sized:
        """One item for each datagram that waits; the one in service is not among them."""

    @property
    def waiting_bytes(self) -> int:
        """Their sizes together."""

    @property
    def departure_ns(self) -> int:
        """When the last datagram accepted so far leaves: the link is idle where that is not after now."""


Admission: TypeAlias = Callable[[Backlog, int, int], Verdict]
"""Called as `admit(backlog, now_ns, size_bytes)` for each arrival that it decides on; what becomes of it."""


class Discipline(Protocol):
    """How a link direction's queue is run: a value in a link's specification, shared freely."""

    @property
    def decides_when_idle(self) -> bool:
        """Whether it also decides on datagrams that find the link idle; otherwise those are accepted unasked."""

    def admission(self, rate_bps: int, chance: Stream) -> Admission:
        """A decider with a state of its own, for one link direction of this rate; `chance` is its random stream."""


@dataclass(frozen=True, slots=True)
class DropTail:
    """Accept while there is room: no limit, or a limit in bytes, in packets, or both.

    A datagram that finds the link idle goes straight into service and needs no room.

    Raises:
        ValueError: a limit is negative.
    """

    limit_bytes: int | None = None
    limit_packets: int | None = None
    decides_when_idle: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, limit in (("limit_bytes", self.limit_bytes), ("limit_packets", self.limit_packets)):
            if limit is not None and limit < 0:
                raise ValueError(f"{name} is {limit}; give 0 or more, or None for no limit")

    def admission(self, rate_bps: int, chance: Stream) -> Admission:
        """The decider; it keeps no state beyond what the link shows it, and leaves nothing to chance."""
        limit_bytes, limit_packets = self.limit_bytes, self.limit_packets
        if limit_packets is None:
            if limit_bytes is None:
                return _always

            def within_bytes(backlog: Backlog, now_ns: int, size_bytes: int) -> Verdict:
                return ACCEPT if backlog.waiting_bytes + size_bytes <= limit_bytes else DROP

            return within_bytes

        def within_packets(backlog: Backlog, now_ns: int, size_bytes: int) -> Verdict:
            fits = limit_bytes is None or backlog.waiting_bytes + size_bytes <= limit_bytes
            return ACCEPT if fits and len(backlog.waiting) < limit_packets else DROP

        return within_packets


def _always(backlog: Backlog, now_ns: int, size_bytes: int) -> Verdict:
    return ACCEPT
