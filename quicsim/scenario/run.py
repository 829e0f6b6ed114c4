"""What comes out of a scenario? Runs every replication of every variant, here or in worker processes.

A replication has the same seeds in every variant, so variants can be compared run by run. Records come in the order
(variant, replication), whichever worker was first.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeAlias

from quicsim.plugin.host import ENGINES
from quicsim.results import Results, RunRecord
from quicsim.scenario.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from quicsim.events import Event, Trace
    from quicsim.scenario.load import Scenario
    from quicsim.scenario.schema import ResolvedScenario

Progress: TypeAlias = "Callable[[int, int], None]"
"""Called as `progress(runs done, runs in all)` after each run."""

Simulate: TypeAlias = "Callable[[ResolvedScenario, str, int, Sequence[Callable[[Event], None]], str], RunRecord]"
"""quicsim.scenario.build.simulate: one replication (the third argument) of one variant."""


_WORKER_DIED = (
    "a worker process died. Workers import the script that starts them: put the call under "
    '`if __name__ == "__main__":`, or use one job, which also shows any other reason'
)


class SimulationFailed(RuntimeError):  # noqa: N818
    """A run came to no result; the text names its variant, replication and seed, and so replays it."""


class Observer(Protocol):
    """Sees every event of one run, where the run is, and says what it measured."""

    def __call__(self, event: Event) -> None:
        """Take note of an event."""

    def metrics(self) -> dict[str, float]:
        """What to add to the run's metrics, units last in the names."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What of a scenario is to run: None stands for what the scenario says.

    `plugin` is a name or the path of an ELF object, for the plugins of the variants that use any. `observer` makes what
    observes one run; it crosses to worker processes, so it is a class or a function of a module. `engine` is one of the
    virtual machine's.
    """

    scenario: Scenario
    variants: Sequence[str] | None = None
    replications: int | None = None
    seed: int | None = None
    plugin: str | None = None
    observer: Callable[[], Observer] | None = None
    engine: str = ENGINES[0]


@dataclass(frozen=True, slots=True)
class _Task:
    """One run. It crosses to a worker process, so it holds data and functions' names only."""

    simulate: Simulate
    setup: ResolvedScenario
    variant: str
    replication: int
    observer: Callable[[], Observer] | None = None
    engine: str = ENGINES[0]

    def __call__(self, subscribers: Sequence[Callable[[Event], None]] = ()) -> RunRecord:
        try:
            if self.observer is None:
                return self.simulate(self.setup, self.variant, self.replication, subscribers, self.engine)
            observer = self.observer()
            seen_by: list[Callable[[Event], None]] = [*subscribers, observer]
            record = self.simulate(self.setup, self.variant, self.replication, seen_by, self.engine)
            return replace(record, metrics=record.metrics | observer.metrics())
        except (ScenarioError, BrokenPipeError):  # of a subscriber that prints: its reader has gone
            raise
        except Exception as error:
            raise SimulationFailed(
                f"{self.setup.name}: variant {self.variant}, replication {self.replication}, seed {self.setup.seed}: "
                f"{type(error).__name__}: {error}"
            ) from error


def run(
    scenario: Scenario,
    variants: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
    jobs: int = 1,
    plugin: str | None = None,
    progress: Progress | None = None,
    engine: str = ENGINES[0],
) -> Results:
    """Simulate every replication of the chosen variants (all of them, unless named).

    `replications` and `seed` stand in for the scenario's own; `plugin`, a name or the path of an ELF object, for the
    plugins of the variants that use any. `jobs` worker processes give the same results as one, and so does every
    `engine` of the virtual machine.
    Raises ScenarioError for what cannot be asked for, SimulationFailed for a run that came to no result.
    """
    [results] = run_all([Plan(scenario, variants, replications, seed, plugin, engine=engine)], jobs, progress)
    return results


def run_all(plans: Sequence[Plan], jobs: int = 1, progress: Progress | None = None) -> list[Results]:
    """Simulate several plans, in their order, with one set of worker processes. Raises as `run` does."""
    if jobs < 1:
        raise ScenarioError(f"jobs is {jobs}; give 1 or more")
    prepared = [_tasks(plan) for plan in plans]
    tasks = [task for tasks in prepared for task in tasks]
    records: list[RunRecord] = []
    with closing(_in_workers(tasks, jobs) if jobs > 1 else _here(tasks)) as results:
        for record in results:
            records.append(record)
            if progress is not None:
                progress(len(records), len(tasks))
    rest = iter(records)
    return [_results(plan, own, tuple(islice(rest, len(own)))) for plan, own in zip(plans, prepared, strict=True)]


def _tasks(plan: Plan) -> list[_Task]:
    """The runs of a plan in the order of their records; ScenarioError for what cannot be asked for."""
    from quicsim.scenario.build import simulate

    scenario = plan.scenario
    replications = scenario.replications if plan.replications is None else plan.replications
    seed = scenario.seed if plan.seed is None else plan.seed
    for name, value, least in (("replications", replications, 1), ("seed", seed, 0)):
        if value < least:
            raise ScenarioError(f"{name} is {value}; give {least} or more")
    if plan.engine not in ENGINES:
        raise ScenarioError(f"engine is {plan.engine!r}; there are {', '.join(ENGINES)}")
    chosen = _chosen(scenario, plan.variants)
    replaced = scenario if plan.plugin is None else scenario.with_plugin(plan.plugin)
    setups = {variant: replaced.variant(variant).model_copy(update={"seed": seed}) for variant in chosen}
    return [
        _Task(simulate, setups[variant], variant, number, plan.observer, plan.engine)
        for variant in chosen
        for number in range(replications)
    ]


def _results(plan: Plan, tasks: Sequence[_Task], records: tuple[RunRecord, ...]) -> Results:
    scenario = plan.scenario
    setups = {task.variant: task.setup for task in tasks}
    # The paper's numbers are of the scenario's plugins: they say nothing of those that stand in for them.
    marks = tuple(
        mark
        for mark in scenario.marks
        if mark.variant in setups and _same_plugins(scenario.variant(mark.variant), setups[mark.variant])
    )
    seed = scenario.seed if plan.seed is None else plan.seed
    return Results(scenario.name, scenario.title, seed, scenario.overrides, plan.plugin, records, marks, setups)


def replicate(setup: ResolvedScenario, variant: str, replication: int) -> RunRecord:
    """Simulate one replication of one variant. Raises SimulationFailed where it came to no result."""
    from quicsim.scenario.build import simulate

    return _Task(simulate, setup, variant, replication)()


def trace(
    scenario: Scenario, variant: str, replication: int, subscriber: Callable[[Event], None], plugin: str | None = None
) -> RunRecord:
    """Simulate one run and hand each of its events to `subscriber`. Raises as `run` does."""
    from quicsim.scenario.build import simulate

    if replication < 0:
        raise ScenarioError(f"replication is {replication}; they are counted from 0")
    if plugin is not None:
        scenario = scenario.with_plugin(plugin)
    return _Task(simulate, scenario.variant(variant), variant, replication)([subscriber])


def run_again(results: Results, variant: str, replication: int, trace: Trace) -> RunRecord:
    """Simulate one run of results once more, into a trace of the caller's. Raises as `run` does.

    SimulationFailed where it comes out otherwise: an object was built anew meanwhile, or something is not determined.
    """
    from quicsim.scenario.build import simulate

    [before] = [run for run in results.runs if (run.variant, run.replication) == (variant, replication)]
    record = simulate(results.setups[variant], variant, replication, (), trace=trace)
    if record.digest != before.digest:
        raise SimulationFailed(
            f"{results.scenario}: variant {variant}, replication {replication}, seed {results.seed}: run again, its "
            f"digest is {record.digest} and was {before.digest}; was a plugin's object changed between the two?"
        )
    return record


def _same_plugins(one: ResolvedScenario, other: ResolvedScenario) -> bool:
    return set(one.plugin_objects.values()) == set(other.plugin_objects.values())


def _chosen(scenario: Scenario, variants: Sequence[str] | None) -> list[str]:
    """The variants asked for, in the scenario's order; ScenarioError if one is not there."""
    if variants is None:
        return list(scenario.variants)
    if isinstance(variants, str):
        raise ScenarioError(f"variants is {variants!r}; give a list, for instance [{variants!r}]")
    for name in variants:
        scenario.variant(name)
    return [name for name in scenario.variants if name in variants]


def _here(tasks: Sequence[_Task]) -> Generator[RunRecord]:
    for task in tasks:
        yield task()


def _in_workers(tasks: Sequence[_Task], jobs: int) -> Generator[RunRecord]:
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)  # a worker that imports an unguarded script; the process that started it says what to do
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    with ProcessPoolExecutor(
        min(jobs, len(tasks)),
        mp_context=multiprocessing.get_context(method),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_DFL),  # an interrupt ends a worker without a traceback
    ) as pool:
        try:
            yield from pool.map(_call, tasks)
        except (BrokenProcessPool, EOFError, ConnectionError):  # a worker is gone, or the server that forks them
            raise SimulationFailed(_WORKER_DIED) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _call(task: _Task) -> RunRecord:
    return task()
