"""What does a sweep add to its points? Two workers against one, one against none, and 10,000 points of no time."""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measure import Contestant, Fact, Target
from quicsim.results import RunRecord
from quicsim.scenario import run as runs
from quicsim.scenario.load import load
from quicsim.sweep.execute import Limits, LocalPool
from quicsim.sweep.file import Sweep, from_document
from quicsim.sweep.run import Options, State, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quicsim.scenario.schema import ResolvedScenario

POINTS = 200
"""Enough that workers' start is a small part."""
SIZE = "1500kB"
"""Of a download that takes some 50 ms of one core."""
TRIVIAL = 10_000


def trivial(setup: ResolvedScenario, variant: str, replication: int) -> RunRecord:
    """A point that takes no time."""
    return RunRecord(variant, replication, {"completion_s": 1.0 + replication}, {"packets_sent": 1}, {}, "0" * 32)


def downloads(count: int) -> Sweep:
    document = {"title": "t", "scenario": "bulk_download", "replications": count, "set": {"transfer.size": SIZE}}
    return from_document(document, "downloads", "benchmark", Path())


def alone() -> Callable[[], int]:
    setup = load("bulk_download", [f"transfer.size={SIZE}"]).variant("default")
    count = POINTS

    def work() -> int:
        for number in range(count):
            runs.replicate(setup, "default", number)
        return count

    return work


def swept(jobs: int) -> Callable[[], int]:
    sweep, count = downloads(POINTS), POINTS

    def work() -> int:
        with TemporaryDirectory(prefix="quicsim-benchmark-") as home:
            state = run(sweep, Path(home) / "out", LocalPool(jobs, Limits()))
        if state.done != count:
            raise AssertionError(f"{state.done} points of {count} are done")
        return count

    return work


@contextmanager
def in_the_place_of_the_simulator() -> Iterator[None]:
    simulate = runs.replicate
    runs.replicate = trivial
    try:
        yield
    finally:
        runs.replicate = simulate


class Trivial(NamedTuple):
    """What 10,000 trivial points, each a configuration of its own, took."""

    first_s: float
    again_s: float
    growth_bytes: float


@cache
def trivial_points() -> Trivial:
    """Run them, and ask again; watched in a second run, for watching memory takes time."""
    axis = {"key": "links.bottleneck.delay", "from": "1ms", "to": "100ms", "steps": TRIVIAL}
    document = {"title": "t", "scenario": "bulk_download", "axes": {"delay": axis}}
    sweep = from_document(document, "trivial", "benchmark", Path())
    with TemporaryDirectory(prefix="quicsim-benchmark-") as home, in_the_place_of_the_simulator():
        pool = LocalPool(2, Limits())
        took = []
        for _ in range(2):
            start_s = perf_counter()
            if run(sweep, Path(home) / "out", pool).done != TRIVIAL:
                raise AssertionError("not every point is done")
            took.append(perf_counter() - start_s)
        held: list[int] = []
        watch = partial(_watch, held)
        tracemalloc.start()
        try:
            run(sweep, Path(home) / "other", pool, Options(cache=False, progress=watch))
        finally:
            tracemalloc.stop()
    return Trivial(took[0], took[1], held[-1] - held[0])


def _watch(held: list[int], state: State) -> None:
    if state.done >= TRIVIAL // 10:
        held.append(tracemalloc.get_traced_memory()[0])


CONTESTANTS = (
    Contestant("quicsim, a sweep with 2 workers", "points", partial(swept, 2)),
    Contestant("quicsim, a sweep with 1 worker", "points", partial(swept, 1)),
    Contestant("quicsim, its points alone", "points", alone),
)
TARGETS = (
    Target("quicsim, a sweep with 2 workers", "quicsim, a sweep with 1 worker", 1.9),
    Target("quicsim, a sweep with 1 worker", "quicsim, its points alone", 0.95),
)
FACTS = (
    Fact("10,000 trivial points, 10,000 configurations: 30 s at most", "s", lambda: trivial_points().first_s),
    Fact("the same sweep again, finished: 5 s at most", "s", lambda: trivial_points().again_s),
    Fact("what the driver held more at the end than after a tenth", "bytes", lambda: trivial_points().growth_bytes),
)
