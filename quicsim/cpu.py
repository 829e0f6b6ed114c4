"""When has a host done its work? One core on the clock, which does one piece of work after another.

It knows nothing of what the work is. Durations are integer picoseconds and kept exactly: a piece of work ends at its
exact instant rounded up to the nanosecond, and the next one begins at the exact instant, so a long train of short
pieces does not drift.
"""

from __future__ import annotations

from collections import deque
from heapq import heappush
from typing import TYPE_CHECKING, Any

from quicsim.clock import WORK

if TYPE_CHECKING:
    from quicsim.clock import Call, Clock

__all__ = ["PICOSECONDS_PER_NANOSECOND", "Cpu"]

PICOSECONDS_PER_NANOSECOND = 1_000
INDEX_BITS = 40
"""An entry's number in the clock's heap is its core's number << INDEX_BITS | its index there."""


class Cpu:
    """One core.

    Args:
        clock: the clock that it works by.
        number: unique among the clock's cores; it orders what ends at one instant.

    Attributes:
        given_ps: all the work that it was given so far.
        free_ps: the exact instant at which it will have done that.
    """

    __slots__ = ("_clock", "_index", "_is_calling", "_number_base", "_pieces", "free_ps", "given_ps")

    def __init__(self, clock: Clock, number: int) -> None:
        self._clock = clock
        self._number_base = number << INDEX_BITS
        self._index = 0
        self._pieces: deque[tuple[int, Call, Any]] = deque()
        """What is not done yet, in order: when it will be, ns, and what is called then."""
        self._is_calling = False
        self.given_ps = 0
        self.free_ps = 0

    def work(self, duration_ps: int, function: Call, argument: Any = None) -> None:
        """Have `function(argument)` called once all earlier work is done and this has taken its time.

        It is called at once where there is no other work and this takes none.

        Raises:
            ValueError: the duration is negative.
        """
        if duration_ps < 0:
            raise ValueError(f"duration_ps is {duration_ps}; give 0 or more")
        now_ns = self._clock.now
        # Work that is given in the nanosecond in which the last was done goes on from its exact end.
        if self.free_ps <= (now_ns - 1) * PICOSECONDS_PER_NANOSECOND:
            self.free_ps = now_ns * PICOSECONDS_PER_NANOSECOND
        self.given_ps += duration_ps
        self.free_ps += duration_ps
        pieces = self._pieces
        is_first = not pieces
        pieces.append((-(-self.free_ps // PICOSECONDS_PER_NANOSECOND), function, argument))
        if is_first and not self._is_calling:
            self._call()

    def _call(self, _: None = None) -> None:
        """Call what is done by now, and come back when the next piece is."""
        pieces = self._pieces
        now_ns = self._clock.now
        self._is_calling = True
        try:
            while pieces and pieces[0][0] <= now_ns:
                piece = pieces.popleft()
                piece[1](piece[2])
        finally:
            self._is_calling = False
        if pieces:
            self._index = index = self._index + 1
            heappush(self._clock.heap, (pieces[0][0], WORK, self._number_base + index, self._call, None))

    def busy_ps(self) -> int:
        """How long it has worked so far."""
        return self.given_ps - max(self.free_ps - self._clock.now * PICOSECONDS_PER_NANOSECOND, 0)
