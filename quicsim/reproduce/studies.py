"""What if? Sweeps of a scenario's keys, and the rerun under host jitter that every claim must stand.

Both are studies beside the main one, with fewer replications of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from quicsim.analysis.inline import Reference, swept_lines
from quicsim.analysis.metrics import natural_view
from quicsim.reproduce.reproduction import Claim, Drawing, Study, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quicsim.reproduce.reproduction import Findings
    from quicsim.results import Results

__all__ = ["Jitter", "Point", "Sweep", "claims_of_marks", "first_replications", "medians", "values"]


def values(results: Results, variant: str, metric: str) -> list[float]:
    """A metric of every run of a variant, by replication; runs without it are left out."""
    return [run.metrics[metric] for run in results.runs if run.variant == variant and metric in run.metrics]


def medians(results: Results, metric: str) -> dict[str, float]:
    """The median of a metric by variant; variants without it are left out."""
    return {name: median(found) for name in results.variants if (found := values(results, name, metric))}


def first_replications(results: Results, count: int) -> Results:
    """The same results with only so many replications of each variant."""
    return replace(results, runs=tuple(run for run in results.runs if run.replication < count))


def claims_of_marks(results: Results) -> list[Claim]:
    """A claim for each mark of the scenario's file: our median beside the paper's number."""
    claims = []
    for mark in results.marks:
        view = natural_view(mark.metric, mark.value)
        ours = median(values(results, mark.variant, mark.metric))
        name = f"{view.name}, {mark.variant}"
        claims.append(Claim(name, mark.variant, "median", view, ours, mark.value, mark.tolerance, mark.source))
    return claims


@dataclass(frozen=True, slots=True)
class Point:
    """One value of what is swept: `at` on the axis, `text` in a table, and what it overrides.

    Without overrides it is the scenario itself, and stands for the main study.
    """

    at: float
    text: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sweep:
    """The main scenario at several values of some keys; `label` names the axis."""

    name: str
    scenario: str
    label: str
    metric: str
    points: tuple[Point, ...]
    variants: tuple[str, ...]
    full: int
    quick: int
    doubling: bool = False
    """Whether the points double from one to the next, and are drawn so."""

    @property
    def studies(self) -> tuple[Study, ...]:
        """A study for each point."""
        return tuple(
            Study(self._study(point), self.scenario, self.full, self.quick, point.overrides, self.variants)
            for point in self.points
            if point.overrides
        )

    @property
    def own(self) -> float | None:
        """Where on the axis the scenario itself stands."""
        return next((point.at for point in self.points if not point.overrides), None)

    def _study(self, point: Point) -> str:
        return f"{self.name} {point.text}" if point.overrides else "main"

    def found(self, findings: Findings) -> list[tuple[Point, Results]]:
        """The points that ran, each with its results; none where only the scenario itself did."""
        if not any(study.name in findings for study in self.studies):
            return []
        count = self.quick if findings.quick else self.full
        return [
            (point, first_replications(findings[self._study(point)], count))
            for point in self.points
            if self._study(point) in findings
        ]

    def drawing(
        self, findings: Findings, title: str, caption: str, references: Sequence[Reference] = ()
    ) -> Drawing | None:
        """Median by variant over the points; None where fewer than two ran."""
        found = self.found(findings)
        if len(found) < 2:
            return None
        top = max(value for _, results in found for value in medians(results, self.metric).values())
        view = natural_view(self.metric, top)
        lines = {
            variant: [
                (point.at, medians(results, self.metric)[variant] * view.factor)
                for point, results in found
                if variant in medians(results, self.metric)
            ]
            for variant in self.variants
        }
        scaled = [replace(line, points=[(x, y * view.factor) for x, y in line.points]) for line in references]
        return Drawing(title, caption, self._svg(title, lines, view.label, scaled))

    def gain_drawing(
        self, findings: Findings, title: str, caption: str, baseline: str, variants: Sequence[str]
    ) -> Drawing | None:
        """How much less than the baseline the variants take, in percent of it, over the points."""
        found = self.found(findings)
        if len(found) < 2:
            return None
        names = [name for name in self.variants if name == baseline or name in variants]  # each keeps its colour
        lines: dict[str, list[tuple[float, float]]] = {variant: [] for variant in names}
        for point, results in found:
            of = medians(results, self.metric)
            for variant in names:
                lines[variant].append((point.at, 100 * (1 - of[variant] / of[baseline])))
        y_label = f"less than {baseline} (%)"
        return Drawing(title, caption, self._svg(title, lines, y_label))

    def _svg(
        self,
        title: str,
        lines: Mapping[str, Sequence[tuple[float, float]]],
        y_label: str,
        references: Sequence[Reference] = (),
    ) -> str:
        return swept_lines(title, lines, self.label, y_label, references, self.own, doubling=self.doubling)

    def table(self, findings: Findings, title: str, caption: str = "") -> Table:
        """Median and range by variant at each point."""
        rows = []
        for point, results in self.found(findings):
            cells = [point.text]
            for variant in self.variants:
                found = values(results, variant, self.metric)
                if not found:
                    cells.append("none")
                    continue
                view = natural_view(self.metric, median(found))
                text = f"{view.text(median(found))} {view.unit}"
                if min(found) != max(found):
                    text += f" ({view.text(min(found))} to {view.text(max(found))})"
                cells.append(text)
            rows.append(tuple(cells))
        counts = {len(values(results, self.variants[0], self.metric)) for _, results in self.found(findings)}
        runs = " or ".join(map(str, sorted(counts)))
        words = f"Median (least to most) of {runs} runs each. {caption}".strip()
        return Table(title, words, (self.label, *self.variants), tuple(rows), frozenset(self.variants))

    def data(self, findings: Findings) -> dict[str, Any]:
        """The sweep as plain data: overrides, digest and every run's metric by variant at each point."""
        return {
            "label": self.label,
            "metric": self.metric,
            "points": [
                {
                    "at": point.at,
                    "text": point.text,
                    "overrides": list(point.overrides),
                    "digest": results.digest,
                    "samples": {variant: values(results, variant, self.metric) for variant in self.variants},
                }
                for point, results in self.found(findings)
            ],
        }


@dataclass(frozen=True, slots=True)
class Jitter:
    """The main scenario with other sub-packet delays at the hosts: which digits of a number does chance decide?

    Each level overrides `hosts.*.receive_jitter`; the main study, at the scenario's own, is a level too.
    """

    scenario: str
    full: int
    quick: int
    levels: tuple[str, ...] = ("0", "50us")
    variants: tuple[str, ...] | None = None
    quick_overrides: tuple[str, ...] = ()

    @property
    def studies(self) -> tuple[Study, ...]:
        """A study for each level."""
        return tuple(
            Study(
                f"jitter {level}",
                self.scenario,
                self.full,
                self.quick,
                tuple(f"hosts.{host}.receive_jitter={level}" for host in ("client", "server")),
                self.variants,
                quick_overrides=self.quick_overrides,
            )
            for level in self.levels
        )

    def beside(
        self, findings: Findings, claims: Callable[[Results], Sequence[Claim]], main: str = "main"
    ) -> tuple[Claim, ...]:
        """The main study's claims, each with how far the levels move it over the same replications."""
        levels = [findings[study.name] for study in self.studies if study.name in findings]
        made = list(claims(findings[main]))
        if not levels:
            return tuple(made)
        count = 1 + max(run.replication for run in levels[0].runs)
        others = [claims(results) for results in (first_replications(findings[main], count), *levels)]
        spreads: dict[tuple[str, str, str], tuple[float, float]] = {}
        for claim in made:
            key = claim.name, claim.variant, claim.statistic
            found = [
                each.ours for every in others for each in every if key == (each.name, each.variant, each.statistic)
            ]
            if len(found) == len(others):
                spreads[key] = min(found) - found[0], max(found) - found[0]
        return tuple(replace(claim, jitter=spreads.get((claim.name, claim.variant, claim.statistic))) for claim in made)
