"""How many events a second does the clock pass, beside SimPy itself?

With 32 events pending, which is what a few connections keep in the heap.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

import simpy

from benchmarks.measure import Contestant, Target
from quicsim.clock import TIMER, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from simpy.events import ProcessGenerator

PENDING = 32
EACH = 5_000
UNITS = PENDING * EACH
STEPS_NS = tuple(100 + 7 * number for number in range(PENDING))  # no two in step with each other


def processes(environment: type[simpy.Environment]) -> Callable[[], int]:
    env = environment()

    def process(step: int) -> ProcessGenerator:
        for _ in range(EACH):
            yield env.timeout(step)

    for step in STEPS_NS:
        env.process(process(step))
    return lambda: env.run() or UNITS


def timeouts() -> Callable[[], int]:
    env = simpy.Environment()

    def again(event: simpy.Event) -> None:
        state: tuple[int, int] = event._value
        number, left = state
        if left:
            env.timeout(STEPS_NS[number], (number, left - 1)).callbacks.append(again)

    for number in range(PENDING):
        env.timeout(number, (number, EACH - 1)).callbacks.append(again)
    return lambda: env.run() or UNITS


def calls() -> Callable[[], int]:
    clock, left = Clock(), [EACH - 1] * PENDING

    def again(number: int) -> None:
        if left[number]:
            left[number] -= 1
            clock.call_at(clock.now + STEPS_NS[number], TIMER, number, again, number)

    for number in range(PENDING):
        clock.call_at(number, TIMER, number, again, number)
    return lambda: clock.run() or UNITS


def pushed_calls() -> Callable[[], int]:
    clock, left = Clock(), [EACH - 1] * PENDING
    heap = clock.heap

    def again(number: int) -> None:
        if left[number]:
            left[number] -= 1
            heappush(heap, (clock.now + STEPS_NS[number], TIMER, number, again, number))

    for number in range(PENDING):
        clock.call_at(number, TIMER, number, again, number)
    return lambda: clock.run() or UNITS


CONTESTANTS = (
    Contestant("SimPy, process and timeout", "events", lambda: processes(simpy.Environment)),
    Contestant("SimPy, timeout with callback", "events", timeouts),
    Contestant("clock, process and timeout", "events", lambda: processes(Clock)),
    Contestant("clock, call_at", "events", calls),
    Contestant("clock, pushed by the model", "events", pushed_calls),
)
TARGETS = (
    Target("clock, process and timeout", "SimPy, process and timeout", 0.9),
    Target("clock, call_at", "SimPy, timeout with callback", 1.3),
    Target("clock, pushed by the model", "SimPy, timeout with callback", 1.8),
)
