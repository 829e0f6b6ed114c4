"""Who makes the points on many machines? The workers of a Dask cluster, which store results themselves.

Only batches go out and only keys come back, so the scheduler carries no results. A worker that is lost has its batch
made elsewhere by Dask. Where workers die again and again, Dask cannot tell which of their batches was at fault: the
points of all of them are made one by one, with nothing else on the cluster, until it is found.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicsim.scenario.run import SimulationFailed
from quicsim.sweep.execute import Limits, batch_of
from quicsim.sweep.file import SweepError
from quicsim.sweep.identity import simulator
from quicsim.sweep.stopwatch import seconds
from quicsim.sweep.work import Outcome, Work
from quicsim.sweep.worker import Batch, Done, make

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from quicsim.sweep.plan import Plan, Point
    from quicsim.sweep.store import Store

__all__ = ["DaskCluster"]

_BATCHES_A_THREAD = 2
"""Given out at once: one at work, and one that waits, so that no worker waits for the driver."""
_LOOK_S = 1.0
"""How often late joiners and hung workers are looked for."""


class OtherSimulator(RuntimeError):  # noqa: N818
    """A worker has another quicsim than the driver, and would store its results under the driver's keys."""


@dataclass(slots=True)
class _Given:
    """A batch that is out."""

    points: tuple[Point, ...]
    alone: bool = False
    """One point, and nothing else is out: if its worker dies, it is at fault."""
    since_s: float | None = None
    """When it was first seen on a worker."""


def make_there(batch: Batch) -> Done:
    """Make a batch on a worker of the cluster."""
    if simulator() != batch.simulator:
        raise OtherSimulator(
            f"a worker has quicsim {simulator()}, and this is {batch.simulator}; install one everywhere"
        )
    return make(batch)


class DaskCluster:
    """The workers of a Dask scheduler."""

    def __init__(self, address: str, limits: Limits) -> None:
        self.address = address
        self.limits = limits

    def run(self, plan: Plan, points: Iterable[Point], store: Store) -> Generator[Outcome]:
        """See Executor. Raises SweepError without Dask, its scheduler, or a place to store; SimulationFailed."""
        try:
            from distributed import Client
        except ImportError:
            raise SweepError("--dask needs Dask: pip install 'quicsim[dask]'") from None
        try:
            client = Client(self.address, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SweepError(f"there is no Dask scheduler at {self.address}: {error}") from None
        todo = list(points)
        work = Work(iter(todo), len(todo))
        given: dict[Any, _Given] = {}
        with client:
            try:
                while True:
                    self._give_out(client, work, given, plan, store)
                    if not given:
                        return
                    yield from self._hear(client, work, given, store)
                    yield from self._end_hung(client, work, given)
            finally:
                client.cancel(list(given))

    def _give_out(self, client: Any, work: Work, given: dict[Any, _Given], plan: Plan, store: Store) -> None:
        """See that every thread of every worker that is there now has something to do."""
        threads = max(1, sum(client.nthreads().values()))
        alone = bool(work.alone)
        most = 1 if alone else threads * _BATCHES_A_THREAD
        while len(given) < most and (points := work.take(threads)):
            future = client.submit(make_there, batch_of(plan, store, points), pure=False)
            given[future] = _Given(points, alone)

    def _hear(self, client: Any, work: Work, given: dict[Any, _Given], store: Store) -> Iterator[Outcome]:
        """Take what workers answer."""
        from distributed import CancelledError, wait
        from distributed import TimeoutError as NothingYet

        try:
            with client.as_current():
                done = wait(list(given), timeout=_LOOK_S, return_when="FIRST_COMPLETED").done
        except NothingYet:
            return
        except CancelledError:
            raise SimulationFailed(f"the Dask scheduler at {self.address} is gone; run again to go on") from None
        for future in done:
            batch = given.pop(future)
            points = batch.points
            if future.status == "error":
                yield from self._lose(batch, future.exception(), work, store)
                continue
            answer: Done = future.result()
            known = {*answer.stored, *(key for key, _ in answer.failed)}
            work.give_back([point for point in points if point.key not in known])
            work.learn(answer, len(points))
            yield Outcome(answer.stored, answer.failed, answer.took_s)

    def _lose(self, batch: _Given, error: BaseException | None, work: Work, store: Store) -> Iterator[Outcome]:
        """A batch came to nothing."""
        from distributed import KilledWorker

        match error:
            case KilledWorker():
                yield from self._blame(batch, "each Dask worker that it was tried on died", work, sure=batch.alone)
            case MemoryError():
                yield from self._blame(batch, "its Dask worker ran out of memory", work)
            case OSError():
                raise SweepError(f"{store.directory}, on a Dask worker: {error.strerror or error}; what is there stays")
            case _:
                raise SimulationFailed(f"a Dask worker failed: {type(error).__name__}: {error}")

    def _blame(self, batch: _Given, reason: str, work: Work, *, sure: bool = True) -> Iterator[Outcome]:
        if sure and len(batch.points) == 1:
            yield from work.blame(batch.points[0], reason, self.limits.retries)
        else:  # nobody knows which one it was
            work.try_alone(batch.points)

    def _end_hung(self, client: Any, work: Work, given: dict[Any, _Given]) -> Iterator[Outcome]:
        """Restart the workers whose batches take longer than all of their points may."""
        where = {key: address for address, keys in client.processing().items() for key in keys}
        for future, batch in list(given.items()):
            address = where.get(future.key)
            if address is None or batch.since_s is None:
                batch.since_s = None if address is None else seconds()
            elif seconds() - batch.since_s > self.limits.timeout_s * len(batch.points):
                del given[future]
                future.cancel()
                with suppress(KeyError):  # what Dask raises for a worker that has gone meanwhile, as it should
                    client.restart_workers([address], raise_for_error=False)
                yield from self._blame(batch, f"took longer than {self.limits.timeout_s:g} s", work)
