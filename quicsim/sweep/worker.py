"""How does a worker make points? It resolves, simulates and stores a batch itself, and returns keys only.

Whoever gives out the batches (execute.py on this machine, cluster.py on a Dask cluster) sees keys and reasons.
"""

from __future__ import annotations

import gc
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.run import SimulationFailed
from quicsim.sweep.identity import configuration_key, effective
from quicsim.sweep.parts import Row, write_rows
from quicsim.sweep.plan import Point, Resolver
from quicsim.sweep.stopwatch import seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from quicsim.results import RunRecord
    from quicsim.scenario.schema import ResolvedScenario

Replicate: TypeAlias = "Callable[[ResolvedScenario, str, int], RunRecord]"

__all__ = ["Batch", "Done", "NotStored", "Started", "make", "work"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Points for one worker, and where their results go."""

    directory: str
    simulator: str
    keep: tuple[str, ...]
    points: tuple[Point, ...]
    replicate: Replicate
    """quicsim.scenario.run.replicate; it crosses to the worker by its name."""


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has begun with this point of its batch."""

    number: int


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a batch: keys whose results are stored, keys and reasons of points that came to none.

    Points of the batch that are in neither were not begun.
    """

    stored: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    took_s: float


@dataclass(frozen=True, slots=True)
class NotStored:
    """There is no writing to the store: no later batch could be stored either."""

    reason: str


def make(batch: Batch, starts: Callable[[int], bool] = lambda number: True) -> Done:
    """Simulate the points of a batch and store their results.

    `starts` is told the place of each point before it begins, and says whether to go on. Raises OSError where the
    results cannot be stored, MemoryError where a point needs more memory than there is.
    """
    resolver = Resolver()
    rows: list[Row] = []
    failed: list[tuple[str, str]] = []
    began_s = seconds()
    for number, point in enumerate(batch.points):
        if not starts(number):
            break
        try:
            rows.append(_row(batch, point, resolver))
        except (ScenarioError, SimulationFailed) as error:
            if isinstance(error.__cause__, MemoryError):
                raise MemoryError from error
            failed.append((point.key, str(error)))
    if rows:
        write_rows(Path(batch.directory), rows, batch.keep)
    return Done(tuple(row.key for row in rows), tuple(failed), seconds() - began_s)


def _row(batch: Batch, point: Point, resolver: Resolver) -> Row:
    """One point, simulated. Raises ScenarioError and SimulationFailed where it comes to no result."""
    configuration, recipe = point.configuration, point.configuration.recipe
    setup = resolver.setup(recipe)
    if configuration_key(effective(setup)) != configuration.key:
        raise ScenarioError(
            f"{recipe.scenario}: the scenario, or a file that it names, has changed since the sweep was planned, or is "
            "not the same on this machine; run the sweep again"
        )
    record = batch.replicate(setup, recipe.variant, point.replication)
    return Row(point.key, configuration.key, point.replication, batch.simulator, record)


def work(connection: Connection, memory_bytes: int | None) -> None:
    """The life of a worker process: batches come over the connection, and what became of them goes back.

    An interrupt is not for it: who started it says when to stop, by sending None. It ends with that process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # modules are no garbage; going through them at a full collection takes time, and copies their pages
    Thread(target=_end_with_parent, daemon=True).start()
    if memory_bytes is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))

    def starts(number: int) -> bool:
        connection.send(Started(number))
        return not connection.poll()

    try:
        while (batch := connection.recv()) is not None:
            try:
                answer: Done | NotStored = make(batch, starts)
            except OSError as error:
                answer = NotStored(error.strerror or str(error))
            connection.send(answer)
    except (EOFError, ConnectionError):
        pass  # there is nobody to work for


OUT_OF_MEMORY = 77
"""The exit code of a worker that ran out of memory; assumed: one that nothing else ends with."""


def run_worker(connection: Connection, memory_bytes: int | None) -> None:
    """`work`, with an exit code of its own where memory runs out: such a process is not to be trusted any more."""
    try:
        work(connection, memory_bytes)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, whatever it is simulating."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
