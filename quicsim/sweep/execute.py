"""Who makes the points on this machine? Worker processes, supervised: one that dies or hangs costs no other point.

Pools of the standard library, loky and joblib give up all that is under way once a worker dies, and pebble's workers
share a lock that a killed one may hold (docs/decisions/0011). Here each worker has a pipe of its own.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Protocol

from quicsim.scenario import run as runs
from quicsim.scenario.run import SimulationFailed
from quicsim.sweep.file import SweepError
from quicsim.sweep.stopwatch import seconds
from quicsim.sweep.work import Outcome, Work
from quicsim.sweep.worker import OUT_OF_MEMORY, Batch, Done, NotStored, Started, run_worker

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

    from quicsim.sweep.plan import Plan, Point
    from quicsim.sweep.store import Store

__all__ = ["Executor", "Limits", "LocalPool", "batch_of"]

_GRACE_S = 10.0
"""How long workers may finish their points after an interrupt. assumed."""
_LOOK_S = 0.5
"""How often hung workers are looked for."""
_PRELOADED = ("__main__", "quicsim.sweep.worker", "quicsim.scenario.build", "pyarrow.parquet", "pandas")
"""What workers of a fork server find imported. pyarrow imports pandas itself at the first list that it converts, which
costs a worker as much time as four of its points."""
_STILLBORN = 3
"""So many workers in a row that die before their first point will always die."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a point may take."""

    timeout_s: float = 600.0
    """A point that takes longer hangs. assumed: a hundred times what the longest of the paper's runs takes."""
    retries: int = 1
    """How often a point is tried again whose worker died or hung."""
    memory_bytes: int | None = None
    """Address space of a worker; None: no limit of ours."""


class Executor(Protocol):
    """Makes points somewhere."""

    def run(self, plan: Plan, points: Iterable[Point], store: Store) -> Generator[Outcome]:
        """Make these points; each outcome is told once. Closing the iterator stops the work cleanly."""
        ...


def batch_of(plan: Plan, store: Store, points: tuple[Point, ...]) -> Batch:
    """What a worker is to make."""
    return Batch(str(store.directory.absolute()), plan.simulator, plan.keep, points, runs.replicate)


@dataclass(slots=True)
class _Worker:
    """One worker process and what it is doing."""

    process: BaseProcess
    connection: Connection
    points: tuple[Point, ...] = ()
    at: int | None = None
    """The place in `points` of the one that it is making."""
    since_s: float = 0.0


class LocalPool:
    """Worker processes of this machine."""

    def __init__(self, jobs: int, limits: Limits) -> None:
        if jobs < 1:
            raise SweepError(f"jobs is {jobs}; give 1 or more")
        self.jobs = jobs
        self.limits = limits
        self._workers: list[_Worker] = []
        self._stillborn = 0
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            sys.exit(1)  # a worker that imports an unguarded script; the process that started it says what to do
        _make_ready()

    def run(self, plan: Plan, points: Iterable[Point], store: Store) -> Generator[Outcome]:
        """See Executor. Raises SweepError where the store takes nothing, SimulationFailed where no worker can start."""
        todo = list(points)
        work = Work(iter(todo), len(todo))
        try:
            while True:
                self._give_out(work, plan, store)
                busy = [worker for worker in self._workers if worker.points]
                if not busy:
                    return
                ready = set(
                    wait([place for each in busy for place in (each.connection, each.process.sentinel)], _LOOK_S)
                )
                for worker in busy:
                    if ready & {worker.connection, worker.process.sentinel}:
                        yield from self._hear(worker, work, store)
                    elif seconds() - worker.since_s > self.limits.timeout_s:
                        yield from self._lose(worker, work, f"took longer than {self.limits.timeout_s:g} s")
        finally:
            self._stop()

    def _give_out(self, work: Work, plan: Plan, store: Store) -> None:
        """See that every worker has something to do."""
        while len(self._workers) < min(self.jobs, work.left + sum(bool(each.points) for each in self._workers)):
            self._workers.append(_started(self.limits.memory_bytes))
        for worker in self._workers:
            if not worker.points and (batch := work.take(self.jobs)):
                worker.points, worker.at, worker.since_s = batch, None, seconds()
                try:
                    worker.connection.send(batch_of(plan, store, batch))
                except ConnectionError:
                    continue  # it is dead, which its sentinel tells

    def _hear(self, worker: _Worker, work: Work, store: Store) -> Iterator[Outcome]:
        """Take what a worker says; or its death, once it has nothing more to say."""
        try:
            while worker.connection.poll():
                message = worker.connection.recv()
                match message:
                    case Started(number=number):
                        worker.at, worker.since_s = number, seconds()
                        self._stillborn = 0
                    case Done():
                        size = len(worker.points)
                        known = {*message.stored, *(key for key, _ in message.failed)}
                        work.give_back([point for point in worker.points if point.key not in known])
                        worker.points, worker.at = (), None
                        work.learn(message, size)
                        yield Outcome(message.stored, message.failed, message.took_s)
                    case NotStored(reason=reason):
                        raise SweepError(
                            f"{store.directory}: {reason}; what is stored stays, and a later run goes on from there"
                        )
        except (EOFError, ConnectionError):
            worker.process.join()
        if not worker.process.is_alive() and worker.points:
            worker.process.join()
            yield from self._lose(worker, work, _death(worker.process.exitcode, self.limits.memory_bytes))
        elif not worker.process.is_alive():
            self._drop(worker)

    def _lose(self, worker: _Worker, work: Work, reason: str) -> Iterator[Outcome]:
        """A worker is dead or hangs: its point is tried again, or set aside; the rest of the batch is not at fault."""
        points, at = worker.points, worker.at
        self._drop(worker)
        if at is None:
            self._stillborn += 1
            if self._stillborn >= _STILLBORN:
                raise SimulationFailed(f"no worker process comes to work: the last one {reason}")
            work.give_back(points)
            return
        work.give_back([point for point in points if point.key != points[at].key])
        yield from work.blame(points[at], f"its worker {reason}", self.limits.retries)

    def _drop(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)

    def _stop(self) -> None:
        """Let workers finish the points that they are at, and store them; end those that do not come to an end."""
        for worker in self._workers:
            try:
                worker.connection.send(None)
            except ConnectionError:
                continue
        deadline_s = seconds() + _GRACE_S
        for worker in list(self._workers):
            worker.process.join(max(0.0, deadline_s - seconds()))
            self._drop(worker)


def _death(code: int | None, memory_bytes: int | None) -> str:
    """How a worker process ended, in words."""
    if code == OUT_OF_MEMORY:
        return "ran out of memory" + (f", of which it may have {memory_bytes} bytes" if memory_bytes else "")
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _context() -> ForkServerContext | SpawnContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _make_ready() -> None:
    """Let the fork server import what workers need while the sweep is being planned."""
    if _context().get_start_method() == "forkserver":
        from multiprocessing import forkserver

        forkserver.ensure_running()


def _started(memory_bytes: int | None) -> _Worker:
    context = _context()
    ours, theirs = context.Pipe()
    process = context.Process(target=run_worker, args=(theirs, memory_bytes), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)
