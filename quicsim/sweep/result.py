"""What does a sweep give to who asked for it? The table as a frame, a summary, and pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quicsim.analysis.report import TextTable
from quicsim.analysis.statistics import Spread
from quicsim.scenario.errors import suggestion
from quicsim.sweep.notes import Noted, noted
from quicsim.sweep.study import Study
from quicsim.sweep.table import tidy

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from quicsim.analysis.inference import Comparison, Mean
    from quicsim.analysis.metrics import View
    from quicsim.analysis.plots import Chart
    from quicsim.sweep.plan import Plan
    from quicsim.sweep.run import State
    from quicsim.sweep.store import Store

__all__ = ["LevelRow", "LevelSummary", "Row", "SweepPlots", "SweepResult", "SweepSummary"]


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one arm over the whole sweep, and against the first arm."""

    metric: str
    view: View
    arm: str
    runs: int
    estimate: Mean
    comparison: Comparison | None
    """None for the first arm itself."""
    noted: int
    """Of the arm's points that are done, those in which something was noted, such as a refused plugin."""

    @property
    def difference(self) -> Mean | None:
        """To the first arm, pair by pair."""
        return None if self.comparison is None else self.comparison.difference

    def to_json(self) -> dict[str, object]:
        """The row as plain data."""
        mean = _mean_json(self.estimate)
        compared: dict[str, object] | None = None
        if self.comparison is not None:
            compared = {
                "difference": _mean_json(self.comparison.difference),
                "relative": self.comparison.relative,
                "wilcoxon_p": self.comparison.wilcoxon_p,
                "kolmogorov_smirnov": asdict(self.comparison.distributions),
            }
        own = {"metric": self.metric, "arm": self.arm, "runs": self.runs, "noted": self.noted}
        return {**own, **mean, "against_the_first": compared}


def _mean_json(estimate: Mean) -> dict[str, object]:
    interval = [estimate.low, estimate.high] if estimate.spread is Spread.INTERVAL else estimate.spread.value
    return {"n": estimate.count, "mean": estimate.mean, "interval": interval}


@dataclass(frozen=True, slots=True, repr=False)
class SweepSummary(TextTable):
    """Mean, interval and paired difference of each metric and arm. `str()` and a notebook show it."""

    rows: tuple[Row, ...]

    def columns(self) -> list[tuple[str, bool, list[str]]]:
        """See TextTable; without what is empty."""
        columns: list[tuple[str, bool, list[str]]] = [
            ("metric", False, [row.view.label for row in self.rows]),
            ("arm", False, [row.arm for row in self.rows]),
            ("runs", True, [str(row.runs) for row in self.rows]),
            ("noted", True, [str(row.noted) if any(each.noted for each in self.rows) else "" for row in self.rows]),
            ("n", True, [str(row.estimate.count) for row in self.rows]),
            ("mean", True, [row.view.text(row.estimate.mean) for row in self.rows]),
            ("95 % interval", True, [_interval(row.view, row.estimate) for row in self.rows]),
            ("difference", True, [_difference(row.view, row.difference) for row in self.rows]),
            ("its interval", True, [_its_interval(row.view, row.difference) for row in self.rows]),
            ("relative", True, [_relative(row) for row in self.rows]),
            ("Wilcoxon p", True, [_p(row.comparison.wilcoxon_p if row.comparison else None) for row in self.rows]),
            ("KS p", True, [_p(row.comparison.distributions.p_value if row.comparison else None) for row in self.rows]),
        ]  # fmt: skip
        return [column for column in columns if any(column[2])]

    def to_json(self) -> list[dict[str, object]]:
        """The rows as plain data."""
        return [row.to_json() for row in self.rows]


def _interval(view: View, estimate: Mean) -> str:
    match estimate.spread:
        case Spread.DETERMINISTIC:
            return "deterministic"
        case Spread.TOO_FEW:
            return "too few"
        case Spread.INTERVAL:
            return f"{view.text(estimate.low)} to {view.text(estimate.high)}"


def _difference(view: View, difference: Mean | None) -> str:
    return "" if difference is None else f"{difference.mean * view.factor:+,.3f}"


def _its_interval(view: View, difference: Mean | None) -> str:
    return "" if difference is None else _interval(view, difference)


def _relative(row: Row) -> str:
    relative = None if row.comparison is None else row.comparison.relative
    return "" if relative is None else f"{relative:+.1%}"


def _p(value: float | None) -> str:
    return "" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


@dataclass(frozen=True, slots=True)
class LevelRow:
    """One metric of one arm at one level of an axis, over all other axes; and against the axis's first level."""

    metric: str
    view: View
    arm: str
    axis: str
    axis_label: str
    level: str
    estimate: Mean
    difference: Mean | None
    """To the first level, over equal other axes and seeds; None for the first, and where there is no such pair."""

    def to_json(self) -> dict[str, object]:
        """The row as plain data."""
        difference = None if self.difference is None else _mean_json(self.difference)
        where = {"metric": self.metric, "arm": self.arm, "axis": self.axis, "axis_label": self.axis_label}
        return {**where, "level": self.level, **_mean_json(self.estimate), "against_the_first_level": difference}


@dataclass(frozen=True, slots=True, repr=False)
class LevelSummary(TextTable):
    """Mean and interval of each metric at each level of each axis, with the paired difference to the first level."""

    rows: tuple[LevelRow, ...]

    def columns(self) -> list[tuple[str, bool, list[str]]]:
        """See TextTable; without what is empty, and without the arm where there is but one."""
        several = len({row.arm for row in self.rows}) > 1
        columns: list[tuple[str, bool, list[str]]] = [
            ("metric", False, [row.view.label for row in self.rows]),
            ("arm", False, [row.arm if several else "" for row in self.rows]),
            ("axis", False, [row.axis_label for row in self.rows]),
            ("level", True, [row.level for row in self.rows]),
            ("n", True, [str(row.estimate.count) for row in self.rows]),
            ("mean", True, [row.view.text(row.estimate.mean) for row in self.rows]),
            ("95 % interval", True, [_interval(row.view, row.estimate) for row in self.rows]),
            ("to first level", True, [_difference(row.view, row.difference) for row in self.rows]),
            ("its interval", True, [_its_interval(row.view, row.difference) for row in self.rows]),
        ]
        return [column for column in columns if any(column[2])]

    def to_json(self) -> list[dict[str, object]]:
        """The rows as plain data."""
        return [row.to_json() for row in self.rows]


@dataclass(frozen=True, slots=True)
class SweepPlots:
    """The pictures of a sweep. Each names metrics, axes and arms as the frame does; ValueError names what there is."""

    study: Study

    def main_effects(self, metric: str, axis: str, versus: str | None = None) -> Chart:
        """The metric's mean by level of an axis; or, with `versus`, its paired difference to that arm."""
        return self.study.main_effect(metric, axis, self._arm(versus)).chart()

    def interaction(self, metric: str, axis: str, by: str, arm: str | None = None, versus: str | None = None) -> Chart:
        """The same of one arm (the last, unless named), a line for each level of another axis."""
        return self.study.interaction(
            metric, axis, by, self._arm(arm) or self.study.arms[-1], self._arm(versus)
        ).chart()

    def ecdf(self, metric: str, by: str, arm: str | None = None) -> Chart:
        """The distribution of one arm's runs, a line for each level of an axis."""
        return self.study.distribution(metric, by, self._arm(arm) or self.study.arms[-1]).chart()

    def heat_map(self, metric: str, axis: str, by: str, arm: str | None = None, versus: str | None = None) -> Chart:
        """The metric's mean, or its paired difference to an arm, by the levels of two axes."""
        return self.study.heat(metric, axis, by, self._arm(arm) or self.study.arms[-1], self._arm(versus)).chart()

    def _arm(self, name: str | None) -> str | None:
        if name is not None and name not in self.study.arms:
            raise ValueError(f"there is no arm {name!r} here; {suggestion(name, self.study.arms)}")
        return name


class SweepResult:
    """A sweep that has run, or as much of it as has."""

    def __init__(self, store: Store, plan: Plan, state: State, *, mixed: bool) -> None:
        self.store = store
        self.plan = plan
        self.state = state
        self._mixed = mixed

    @property
    def directory(self) -> Path:
        """Where it is stored."""
        return self.store.directory

    @cached_property
    def table(self) -> pa.Table:
        """A row for each point that is done or set aside."""
        return tidy(self.store, self.plan, mixed=self._mixed)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The same for pandas."""
        return self.table.to_pandas()

    @cached_property
    def study(self) -> Study:
        """The rows by arm, setting and replication."""
        return Study(self.table)

    @cached_property
    def notes(self) -> list[Noted]:
        """What was noted in runs that are done, by arm."""
        return noted(self.store, self.plan, mixed=self._mixed)

    @property
    def plot(self) -> SweepPlots:
        """The pictures."""
        return SweepPlots(self.study)

    def summary(self) -> SweepSummary:
        """Each metric of each arm, with 95 % BCa interval, and the paired difference to the first arm."""
        study = self.study
        points = {each.arm: each.points for each in self.notes}
        rows = []
        for metric in study.metrics:
            view = study.view(metric)
            for arm in study.arms:
                estimate = study.estimate(metric, arm)
                if estimate is not None:
                    first = study.arms[0]
                    compared = None if arm == first else study.comparison(metric, arm, first)
                    runs = len(study.values(metric, arm))
                    rows.append(Row(metric, view, arm, runs, estimate, compared, points.get(arm, 0)))
        return SweepSummary(tuple(rows))

    def levels(self) -> LevelSummary:
        """Each metric of each arm at each level of each axis, over all other axes, and the difference to the first."""
        study = self.study
        rows = []
        for metric in study.metrics:
            for axis in study.axes:
                groups, shown = study.groups(axis), study.axis_view(axis)
                for arm in study.arms:
                    for group in groups:
                        estimate = study.estimate(metric, arm, group.settings)
                        if estimate is not None:
                            change = None if group is groups[0] else study.change(metric, arm, axis, groups[0], group)
                            where = metric, study.view(metric), arm, axis, shown.label
                            rows.append(LevelRow(*where, group.name, estimate, change))
        return LevelSummary(tuple(rows))

    def intervals(self, metric: str) -> pd.DataFrame:
        """Mean and 95 % BCa interval of each configuration over its replications.

        `spread` says what `low` and `high` are: "interval"; "deterministic", where all replications gave one number; or
        "too few", and then they are the least and the greatest value.
        """
        import pandas as pd

        return pd.DataFrame(self.study.configurations(metric))

    def failures(self) -> list[dict[str, Any]]:
        """The points that were set aside: where they stand, and why."""
        kept = ["setting", *self.plan.columns, "variant", "replication", "reason"]
        return [{name: row[name] for name in kept} for row in self.table.to_pylist() if row["status"] == "failed"]

    def __repr__(self) -> str:
        state = self.state
        return f"<SweepResult {self.plan.title}: {state.done} of {state.total} done, {state.failed} failed>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self)[1:-1])}</p>{self.summary()._repr_html_()}"
