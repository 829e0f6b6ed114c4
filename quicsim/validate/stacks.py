"""Do our downloads take as long as those of real QUIC stacks over the same link? `quicsim validate --stacks`.

Each row of the reference is the scenario bulk_download with that row's link, losses and size.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from quicsim.analysis.plots import COLOURS, drawn
from quicsim.scenario.load import load
from quicsim.scenario.run import Plan, run_all
from quicsim.validate.reference import Bounds, Row, bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from quicsim.analysis.plots import Chart
    from quicsim.results import Results
    from quicsim.scenario.run import Progress

__all__ = ["ASKED", "Compared", "StackReport", "validate_stacks"]

SCENARIO = "bulk_download"
ASKED = 0.95
"""The share of rows that must be within."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One row, and what ours took for it."""

    row: Row
    bounds: Bounds
    samples_s: tuple[float, ...]
    digest: str

    @property
    def ours_s(self) -> float:
        """The completion time: the median of all runs."""
        return median(self.samples_s)

    @property
    def ratio(self) -> float:
        """Ours to the reference's."""
        return self.ours_s / self.bounds.reference_s

    @property
    def within(self) -> bool:
        """Whether it lies within the tolerance."""
        return self.bounds.holds(self.ours_s)

    def texts(self) -> dict[str, str]:
        """The row of the table, by heading."""
        return {
            "row": self.row.name,
            "control": self.row.congestion_control,
            "reference": f"{self.bounds.reference_s:.4g} s",
            "ours": f"{self.ours_s:.4g} s",
            "ratio": f"{self.ratio:.3f}",
            "within": "yes" if self.within else "NO",
            "tolerance": self.bounds.rule,
        }

    def to_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return {
            "row": self.row.name,
            "congestion_control": self.row.congestion_control,
            "reference_s": self.bounds.reference_s,
            "ours_s": self.ours_s,
            "ratio": self.ratio,
            "within": self.within,
            "low_s": self.bounds.low_s,
            "high_s": self.bounds.high_s,
            "tolerance": self.bounds.rule,
            "stacks_s": self.row.completion_s,
            "samples_s": list(self.samples_s),
            "overrides": list(self.row.overrides),
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class StackReport:
    """All rows, compared."""

    compared: tuple[Compared, ...]

    @property
    def within(self) -> int:
        """How many rows are within."""
        return sum(each.within for each in self.compared)

    @property
    def share(self) -> float:
        """Which part of them."""
        return self.within / len(self.compared)

    @property
    def holds(self) -> bool:
        """Whether enough rows are within."""
        return self.share >= ASKED

    @property
    def verdict(self) -> str:
        """The last line of the table."""
        words = "as asked" if self.holds else "too few"
        return f"{self.within} of {len(self.compared)} rows within, {self.share:.1%}; {ASKED:.0%} are asked: {words}"

    def scatter(self) -> Chart:
        """Ours over the reference's, by how long the reference took; bars are the tolerances."""
        return drawn("Ours over aioquic's completion time; bars are the tolerances", self._draw)

    def _draw(self, axes: Axes) -> None:
        axes.axhline(1, color="#999999", linewidth=0.8)
        for index, control in enumerate(dict.fromkeys(each.row.congestion_control for each in self.compared)):
            rows = [each for each in self.compared if each.row.congestion_control == control]
            shift = 1 + 0.05 * index  # rows of one name would hide each other
            places = [each.bounds.reference_s * shift for each in rows]
            ratios = [each.ratio for each in rows]
            below = [1 - each.bounds.low_s / each.bounds.reference_s for each in rows]
            above = [each.bounds.high_s / each.bounds.reference_s - 1 for each in rows]
            axes.errorbar(places, [1] * len(rows), (below, above), fmt="none", ecolor=COLOURS[index], alpha=0.4)
            axes.scatter(places, ratios, color=COLOURS[index], label=control, zorder=3)
        axes.set(xscale="log", xlabel="completion time of the reference (s)", ylabel="ours / reference")

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "rows": [each.to_json() for each in self.compared],
            "within": self.within,
            "of": len(self.compared),
            "share": self.share,
            "asked": ASKED,
            "holds": self.holds,
        }


def validate_stacks(rows: Sequence[Row], jobs: int = 1, progress: Progress | None = None) -> StackReport:
    """Run every row and compare. Raises WrongReference, ScenarioError, SimulationFailed."""
    limits = [bounds(row, rows) for row in rows]
    plans = [Plan(load(SCENARIO, row.overrides), replications=row.runs) for row in rows]
    results = run_all(plans, jobs, progress)
    return StackReport(tuple(map(_compared, rows, limits, results)))


def _compared(row: Row, limit: Bounds, results: Results) -> Compared:
    samples_s = tuple(run.metrics["completion_s"] for run in results.runs)
    return Compared(row, limit, samples_s, results.digest)
