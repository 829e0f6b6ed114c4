"""Which integers have been seen? Sets of packet numbers and stream offsets as sorted half-open ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RangeSet"]


class RangeSet:
    """A set of integers kept as disjoint, non-adjacent ranges `[start, stop)` in ascending order."""

    __slots__ = ("starts", "stops")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.stops: list[int] = []

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self.starts, self.stops, strict=True))

    def __contains__(self, value: int) -> bool:
        index = bisect_right(self.starts, value) - 1
        return index >= 0 and value < self.stops[index]

    def __repr__(self) -> str:
        return f"RangeSet({', '.join(f'{start}..{stop - 1}' for start, stop in self)})"

    def add(self, start: int, stop: int) -> None:
        """Add every integer of `[start, stop)`; nothing for an empty range."""
        if start >= stop:
            return
        starts, stops = self.starts, self.stops
        if stops and start >= starts[-1]:  # the usual case: the newest range grows
            if start <= stops[-1]:
                if stop > stops[-1]:
                    stops[-1] = stop
                return
            starts.append(start)
            stops.append(stop)
            return
        first = bisect_left(stops, start)
        last = bisect_right(starts, stop)
        if first < last:
            start = min(start, starts[first])
            stop = max(stop, stops[last - 1])
        starts[first:last] = [start]
        stops[first:last] = [stop]

    def covers(self, start: int, stop: int) -> bool:
        """Whether every integer of `[start, stop)` is in the set."""
        index = bisect_right(self.starts, start) - 1
        return start >= stop or (index >= 0 and stop <= self.stops[index])

    def discard_below(self, bound: int) -> None:
        """Forget every integer below `bound`."""
        keep = bisect_right(self.stops, bound)
        del self.starts[:keep], self.stops[:keep]
        if self.starts and self.starts[0] < bound:
            self.starts[0] = bound

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The ranges of `[start, stop)` that are not in the set, ascending."""
        gaps = []
        index = max(bisect_right(self.starts, start) - 1, 0)
        while start < stop and index < len(self.starts):
            if self.starts[index] >= stop:
                break
            if start < self.starts[index]:
                gaps.append((start, self.starts[index]))
            start = max(start, self.stops[index])
            index += 1
        if start < stop:
            gaps.append((start, stop))
        return gaps

    @property
    def contiguous_end(self) -> int:
        """Where the run of integers that begins at 0 ends: 0 when 0 is missing."""
        return self.stops[0] if self.starts and self.starts[0] == 0 else 0
