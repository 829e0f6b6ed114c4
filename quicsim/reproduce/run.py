"""How is the paper reproduced? All runs of all figures and tables, in one set of worker processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from quicsim.reproduce.parameters import Parameter, parameters
from quicsim.reproduce.reproduction import Findings, Outcome, Reproduction, Study
from quicsim.scenario.load import load
from quicsim.scenario.run import Plan, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicsim.results import Results

    Progress: TypeAlias = Callable[[str, int, int], None]

__all__ = ["Report", "Reproduced", "Source", "reproduce"]


@dataclass(frozen=True, slots=True)
class Source:
    """A scenario that a reproduction runs: what it is called, and where its numbers come from."""

    name: str
    title: str
    seed: int
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A reproduction with the results of its studies, by name, and what came of them."""

    reproduction: Reproduction
    sources: tuple[Source, ...]
    studies: tuple[tuple[Study, Results], ...]
    outcome: Outcome

    @property
    def main(self) -> Results | None:
        """The results that stand beside the paper; None where no runs do."""
        named = {study.name: results for study, results in self.studies}
        return None if self.reproduction.main is None else named[self.reproduction.main]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was reproduced."""

    quick: bool
    version: str
    parts: tuple[Reproduced, ...]


def reproduce(
    reproductions: Sequence[Reproduction],
    version: str,
    *,
    quick: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Run every study of these reproductions and evaluate them; `jobs` changes nothing but the time it takes.

    `progress` is called as `progress(name, runs done, runs in all)` after each run, with the reproduction's name.
    Raises ScenarioError, SimulationFailed.
    """
    planned = [
        (reproduction, study)
        for reproduction in reproductions
        for study in reproduction.studies
        if study.replications(quick=quick)
    ]
    plans = [
        Plan(
            load(study.scenario, study.overridden(quick=quick)),
            study.variants,
            study.replications(quick=quick),
            observer=study.observer,
        )
        for _, study in planned
    ]
    ends = []
    total = 0
    for plan, (reproduction, _) in zip(plans, planned, strict=True):
        total += len(plan.variants or plan.scenario.variants) * (plan.replications or 0)
        ends.append((total, reproduction.name))

    def advanced(done: int, _: int) -> None:
        if progress is not None:
            progress(next(name for end, name in ends if done <= end), done, total)

    results = run_all(plans, jobs, advanced)
    parts = []
    for reproduction in reproductions:
        own = [(study, each) for (of, study), each in zip(planned, results, strict=True) if of is reproduction]
        findings = Findings({study.name: each for study, each in own}, quick)
        parts.append(Reproduced(reproduction, _sources(own), tuple(own), reproduction.evaluate(findings)))
    return Report(quick, version, tuple(parts))


def _sources(studies: Sequence[tuple[Study, Results]]) -> tuple[Source, ...]:
    """The scenarios of these studies, each once."""
    found = {}
    for study, results in studies:
        if study.scenario not in found:
            scenario = load(study.scenario)
            text = scenario.path.read_text(encoding="utf-8")
            found[study.scenario] = Source(scenario.name, scenario.title, results.seed, tuple(parameters(text)))
    return tuple(found.values())
