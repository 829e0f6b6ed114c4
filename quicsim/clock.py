"""What happens next? A SimPy environment in integer nanoseconds whose heap also carries plain calls.

SimPy's `Environment` (simpy 4.1, core.py) is kept whole: processes, interrupts, conditions, `run(until=...)`. What is
added is a cheaper kind of entry. A packet or a timer is one tuple `(time_ns, order, number, function, argument)` and
one call `function(argument)`; no Event object is made for it.

Ties are ordered by contract. Entries at one instant run by `order`: departures from a link, then arrivals by link, then
timers by connection, then what a core has done, then SimPy's events; within one order by `number`. Hence a model gives
the same run whether it pushes one entry a packet or two.

`(time_ns, order, number)` must be unique among the entries in the heap, because a full tie would compare functions.
Each order has one owner of its numbers:

    DEPARTURE, ARRIVAL   direction number << 40 | index of the datagram in that direction   quicsim/net/link.py
    TIMER                number of the alarm; its entries are at distinct instants          `Alarm`
    WORK                 number of the core << 40 | index of the entry there                quicsim/cpu.py
    PROCESS + priority   the environment's own count of events                              `Clock.schedule`
"""

from __future__ import annotations

from heapq import heappop, heappush
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

from simpy.core import BoundClass, EmptySchedule, Environment, StopSimulation
from simpy.events import NORMAL, Event, EventPriority

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ARRIVAL", "DEPARTURE", "PROCESS", "TIMER", "WORK", "Alarm", "Clock", "Entry"]

# What must come before everything else at its instant: the end of `run(until=t)`, the rest of an interrupted event.
_FIRST = 0
DEPARTURE = 1
"""Order of a datagram that leaves a link's sender."""
ARRIVAL = 2
"""Order of a datagram that reaches the far end of a link."""
TIMER = 3
"""Order of an endpoint's deadline."""
WORK = 4
"""Order of what a host's core has done."""
PROCESS = 8
"""Order of SimPy's events: this plus SimPy's priority (urgent 0, normal 1)."""

Call: TypeAlias = "Callable[[Any], object]"
Entry: TypeAlias = "tuple[int, int, int, Call, Any]"


class Clock(Environment):
    """A SimPy environment whose time is integer nanoseconds, and whose heap carries events and plain calls.

    Everything of `simpy.Environment` is there. Time given as a float is refused with TypeError: `run(until=0.5)`,
    `timeout(1.5)`, `call_at(2.0, ...)`.

    A hot model may push for itself, and save a call: `heappush(clock.heap, (time_ns, ARRIVAL, number, function,
    argument))`, with time_ns not before `clock.now` and (time_ns, order, number) unique in the heap.
    """

    now: int = 0
    """The current simulation time, ns. A plain attribute, since every model reads it; only the clock writes it."""

    heap: list[Entry]
    """What is still to happen, a heapq of `(time_ns, order, number, function, argument)`. Always the same list."""

    def __init__(self, initial_time: int = 0) -> None:
        super().__init__(_whole(initial_time, "initial_time"))
        self.heap = []
        self._queue = self.heap  # type: ignore[assignment]  # SimPy's name for it, read by `peek` and by monitors
        self._until: object = None
        # SimPy binds early only what the object's own class declares, so a subclass loses 12 % on processes.
        for name, member in vars(Environment).items():
            if type(member) is BoundClass:
                setattr(self, name, getattr(self, name))

    @property
    def _now(self) -> int:
        """SimPy's name for the time."""
        return self.now

    @_now.setter
    def _now(self, time_ns: int) -> None:
        self.now = time_ns

    def call_at(self, time_ns: SupportsIndex, order: int, number: int, function: Call, argument: Any = None) -> None:
        """Have `function(argument)` called at `time_ns`, among that instant's entries by `order`, then `number`.

        (time_ns, order, number) must be unique in the heap; the module says who gives out which numbers.

        Raises:
            TypeError: time_ns is not an int.
            ValueError: time_ns lies before `now`.
        """
        if type(time_ns) is not int:
            time_ns = _whole(time_ns, "time_ns")
        if time_ns < self.now:
            raise ValueError(f"time_ns is {time_ns}, which has passed: it is {self.now} now; give that or later")
        heappush(self.heap, (time_ns, order, number, function, argument))

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: float = 0) -> None:
        """Have SimPy's `event` occur after `delay` ns; SimPy calls this for every event that it makes.

        Raises:
            TypeError: delay is not an int.
        """
        if type(delay) is not int:
            delay = _whole(delay, "delay")
        heappush(self.heap, (self.now + delay, PROCESS + priority, next(self._eid), _occur, event))

    def step(self) -> None:
        """Do the next entry.

        Raises:
            simpy.core.EmptySchedule: nothing is left to happen.
        """
        if not self.heap:
            raise EmptySchedule
        self.now, _, _, function, argument = heappop(self.heap)
        function(argument)

    def run(self, until: float | Event | None = None) -> Any:
        """Do one entry after another until nothing is left, or until `until`.

        Args:
            until: an instant in ns, and the run stops before anything that happens at it; or an event, and the run
                stops when that is triggered, before its other waiters hear of it, and returns its value.

        Raises:
            TypeError: the instant is not an int.
            ValueError: the instant is not after `now`.
            RuntimeError: nothing is left to happen, and the event was not triggered.
        """
        if isinstance(until, Event):
            if until.processed:
                return until.value
            until.callbacks.append(StopSimulation.callback)
        elif until is not None:
            at_ns = _whole(until, "until")
            if at_ns <= self.now:
                raise ValueError(f"until ({at_ns}) must be greater than the current simulation time ({self.now})")
            self._until = object()
            heappush(self.heap, (at_ns, _FIRST, next(self._eid), self._stop, self._until))

        heap, pop = self.heap, heappop
        try:
            while heap:
                self.now, _, _, function, argument = pop(heap)
                function(argument)
        except StopSimulation as stop:
            return stop.args[0]
        finally:
            self._until = None
        if until is not None:
            raise RuntimeError(f'No scheduled events left but "until" event was not triggered: {until}')
        return None

    def _stop(self, until: object) -> None:
        # An entry left behind by a run that an error ended must not stop a later one.
        if until is self._until:
            raise StopSimulation(None)


class Alarm:
    """One deadline that is moved often, as a connection's is: kept with few heap entries, armed lazily.

    A deadline that moves later pushes nothing: the entry on the heap wakes, sees the later deadline, and goes to
    sleep again. Only a deadline before every entry of this alarm pushes one. So its entries in the heap are at
    distinct instants, and its number alone makes (time_ns, TIMER, number) unique.

    Args:
        clock: the clock it is kept by.
        number: its place among the alarms of one instant, unique on this clock.
        function: called without arguments, once for each deadline that is reached.
    """

    __slots__ = ("_entries_ns", "clock", "deadline_ns", "function", "number")

    def __init__(self, clock: Clock, number: int, function: Callable[[], object]) -> None:
        self.clock = clock
        self.number = number
        self.function = function
        self.deadline_ns: int | None = None
        """When `function` will be called; None while disarmed."""
        self._entries_ns: list[int] = []  # instants of this alarm's entries in the heap, the earliest last

    def set(self, deadline_ns: int | None) -> None:
        """Move the deadline, ns on the clock: None disarms, one that has passed is reached now.

        Raises:
            TypeError: deadline_ns is neither an int nor None.
        """
        if deadline_ns is None:
            self.deadline_ns = None
            return
        if type(deadline_ns) is not int:
            deadline_ns = _whole(deadline_ns, "deadline_ns")
        now_ns = self.clock.now
        if deadline_ns < now_ns:
            deadline_ns = now_ns
        self.deadline_ns = deadline_ns
        entries_ns = self._entries_ns
        if not entries_ns or deadline_ns < entries_ns[-1]:
            entries_ns.append(deadline_ns)
            entry: Entry = (deadline_ns, TIMER, self.number, self._wake, None)
            heappush(self.clock.heap, entry)

    def _wake(self, _: None) -> None:
        self._entries_ns.pop()
        deadline_ns = self.deadline_ns
        if deadline_ns is None:
            return
        if deadline_ns > self.clock.now:
            self.set(deadline_ns)
            return
        self.deadline_ns = None
        self.function()


def _occur(event: Event) -> None:
    """Let a SimPy event occur: tell those who wait for it, as `simpy.Environment.step` does."""
    callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
    try:
        for callback in callbacks:
            callback(event)
    except StopSimulation:
        # Those who have not heard of it do so first of all when the simulation resumes.
        event.callbacks = callbacks[callbacks.index(callback) + 1 :]
        clock: Any = event.env
        heappush(clock.heap, (clock.now, _FIRST, next(clock._eid), _occur, event))
        raise
    if not event._ok and not hasattr(event, "_defused"):
        # Nobody took the failure on: end the run with a copy, so that its traceback is this one.
        failure = event._value
        error = type(failure)(*failure.args)
        error.__cause__ = failure
        raise error


def _whole(value: Any, name: str) -> int:
    """`value` as an int: numpy's integers and their like are, floats and text are not."""
    try:
        return index(value)
    except TypeError:
        raise TypeError(
            f"{name} is {value!r}, a {type(value).__name__}; time is an int, in nanoseconds: "
            f"round it where it is made, or read text such as '5ms' with quicsim.units.duration_ns"
        ) from None
