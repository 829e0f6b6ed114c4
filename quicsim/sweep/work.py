"""Which points are to be given out next, how many at a time, and which of them are at fault when a worker is lost?"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quicsim.sweep.plan import Point
    from quicsim.sweep.worker import Done

__all__ = ["Outcome", "Work", "next_size"]

_BATCH_S = 1.0
"""What a batch should take. Storing one takes some 10 ms with its fsync, 1 % of it; a kill costs a second's work."""
_LARGEST_BATCH = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some points: stored keys, and reasons of those that came to no result."""

    stored: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    took_s: float = 0.0
    """Seconds of one worker."""


def next_size(per_point_s: float | None, last: int, left: int, workers: int) -> int:
    """How many points the next batch should have: a second's work, growing by steps, and a share of what is left."""
    if per_point_s is None:
        return 1
    wanted = min(int(_BATCH_S / max(per_point_s, 1e-6)), last * 4, _LARGEST_BATCH)
    return max(1, min(wanted, left // (2 * workers)))


@dataclass(slots=True)
class Work:
    """What is still to be given out."""

    points: Iterator[Point]
    left: int
    again: deque[Point] = field(default_factory=deque)
    """Points of a batch that broke off, which had no part in it."""
    alone: deque[Point] = field(default_factory=deque)
    """Points to be tried again, each in a batch of its own."""
    deaths: dict[str, int] = field(default_factory=dict)
    """By key: how often a point's worker died or hung."""
    per_point_s: float | None = None
    last_size: int = 1

    def take(self, workers: int) -> tuple[Point, ...]:
        """The next batch; empty when there is nothing to give out."""
        if self.alone:
            batch: tuple[Point, ...] = (self.alone.popleft(),)
        else:
            size = next_size(self.per_point_s, self.last_size, self.left, workers)
            batch = tuple(point for _ in range(size) if (point := self._next()) is not None)
        self.left -= len(batch)
        return batch

    def _next(self) -> Point | None:
        return self.again.popleft() if self.again else next(self.points, None)

    def give_back(self, points: Sequence[Point]) -> None:
        """Take back points that were not made."""
        self.again.extendleft(reversed(points))
        self.left += len(points)

    def learn(self, done: Done, size: int) -> None:
        """Note how long points take: the mean of the last batches, the latest counting half."""
        made = len(done.stored) + len(done.failed)
        if made:
            now_s = done.took_s / made
            self.per_point_s = now_s if self.per_point_s is None else (self.per_point_s + now_s) / 2
            self.last_size = size

    def blame(self, point: Point, reason: str, retries: int) -> Iterator[Outcome]:
        """A point cost a worker: try it again, alone; or, once that was done so often, tell that it is set aside."""
        tries = self.deaths[point.key] = self.deaths.get(point.key, 0) + 1
        if tries <= retries:
            self.try_alone([point])
        else:
            yield Outcome(failed=((point.key, f"{reason}{f', {tries} times' if tries > 1 else ''}"),))

    def try_alone(self, points: Sequence[Point]) -> None:
        """Take back points of which one may be at fault."""
        self.alone.extend(points)
        self.left += len(points)
