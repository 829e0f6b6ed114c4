"""Do our downloads take as long as those of real QUIC stacks over the same link? `quicsim validate --stacks`.

Each row of the reference is the scenario bulk_download with that row's link, losses and size.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from quicsim.analysis.plots import COLOURS, drawn
from quicsim.analysis.report import TextTable
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
BESIDE = ("picoquic", "quicly")
"""Stacks whose times the table shows, though no tolerance is about them: each does what RFC 9002 does not say."""
WORDS = ("row", "control", "within", "tolerance")
"""The columns of the table that hold no numbers."""
MARKERS = ("o", "s", "^", "D")
LANE = 0.3
"""How far apart the controllers of one row are drawn; the rows themselves are 1 apart."""
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
        """The row of the table, by heading; the tolerance is about aioquic, the two others stand beside it."""
        beside: dict[str, str] = {}
        for stack in BESIDE:
            time_s = self.row.completion_s.get(stack)
            beside[stack] = "-" if time_s is None else f"{time_s:.4g} s"
            beside[f"ours/{stack}"] = "-" if time_s is None else f"{self.ours_s / time_s:.3f}"
        return {
            "row": self.row.name,
            "control": self.row.congestion_control,
            "ours": f"{self.ours_s:.4g} s",
            "aioquic": f"{self.bounds.reference_s:.4g} s",
            "ours/aioquic": f"{self.ratio:.3f}",
            "within": "yes" if self.within else "NO",
            "tolerance": self.bounds.rule,
            **beside,
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


@dataclass(frozen=True, slots=True, repr=False)
class StackTable(TextTable):
    """The table of all rows. `str()` and a notebook show it."""

    compared: tuple[Compared, ...]

    def columns(self) -> list[tuple[str, bool, list[str]]]:
        """The columns, without those of stacks that none of these rows has."""
        absent = [stack for stack in BESIDE if not any(stack in each.row.completion_s for each in self.compared)]
        unsaid = {*absent, *(f"ours/{stack}" for stack in absent)}
        rows = [each.texts() for each in self.compared]
        return [(name, name not in WORDS, [row[name] for row in rows]) for name in rows[0] if name not in unsaid]


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

    @property
    def table(self) -> StackTable:
        """What each row came to, beside what the stacks took."""
        return StackTable(self.compared)

    def scatter(self) -> Chart:
        """Ours over aioquic's, a line for each link and size; bars are the tolerances."""
        return drawn("Ours over aioquic's time; bars are the tolerances", self._draw)

    def _draw(self, axes: Axes) -> None:
        names = list(dict.fromkeys(each.row.name for each in self.compared))
        lane = dict(zip(names, range(len(names)), strict=True))
        axes.axvline(1, color="#999999", linewidth=0.8)
        controls = dict.fromkeys(each.row.congestion_control for each in self.compared)
        for index, (control, marker) in enumerate(zip(controls, MARKERS, strict=False)):
            rows = [each for each in self.compared if each.row.congestion_control == control]
            places = [lane[each.row.name] + LANE * (index - (len(controls) - 1) / 2) for each in rows]
            below = [1 - each.bounds.low_s / each.bounds.reference_s for each in rows]
            above = [each.bounds.high_s / each.bounds.reference_s - 1 for each in rows]
            axes.errorbar(
                [1] * len(rows), places, xerr=(below, above), fmt="none", ecolor=COLOURS[index], alpha=0.4, capsize=3
            )
            axes.scatter(
                [each.ratio for each in rows], places, color=COLOURS[index], marker=marker, label=control, zorder=3
            )
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel("completion time, ours / aioquic")

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
