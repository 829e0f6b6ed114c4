"""Is there room for a datagram that comes to a busy link?

A discipline decides once, when the datagram arrives, from what then waits. The datagram in service does not wait: it
has left the queue, as in the paper's emulated links (tc-bfifo, tc-pfifo on Linux).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sized

__all__ = ["Admission", "Backlog", "Discipline", "DropTail"]


class Backlog(Protocol):
    """What a discipline may see of the link direction that it guards, at the instant of an arrival."""

    @property
    def waiting(self) -> Sized:
        """One item for each datagram that waits; the one in service is not among them."""

    @property
    def waiting_bytes(self) -> int:
        """Their sizes together."""

    @property
    def departure_ns(self) -> int:
        """When the last datagram accepted so far leaves: the link is idle where that is not after now."""


Admission: TypeAlias = Callable[[Backlog, int, int], bool]
"""Called as `admit(backlog, now_ns, size_bytes)` for an arrival; whether the datagram is accepted."""


class Discipline(Protocol):
    """How a link direction's queue is run: a value in a link's specification, shared freely."""

    @property
    def decides_when_idle(self) -> bool:
        """Whether it also decides on datagrams that find the link idle; otherwise those are accepted unasked."""

    def admission(self) -> Admission:
        """A decider with a state of its own, for one link direction."""


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

    def admission(self) -> Admission:
        """The decider; it keeps no state beyond what the link shows it."""
        limit_bytes, limit_packets = self.limit_bytes, self.limit_packets
        if limit_packets is None:
            if limit_bytes is None:
                return _always

            def within_bytes(backlog: Backlog, now_ns: int, size_bytes: int) -> bool:
                return backlog.waiting_bytes + size_bytes <= limit_bytes

            return within_bytes

        def within_packets(backlog: Backlog, now_ns: int, size_bytes: int) -> bool:
            return len(backlog.waiting) < limit_packets and (
                limit_bytes is None or backlog.waiting_bytes + size_bytes <= limit_bytes
            )

        return within_packets


def _always(backlog: Backlog, now_ns: int, size_bytes: int) -> bool:
    return True
