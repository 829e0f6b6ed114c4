"""How does a sweep look as a whole? One HTML file: what was simulated, what came out, how each axis changes it."""

from __future__ import annotations

from collections import Counter
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING

from quicsim.analysis.page import html_page, html_table
from quicsim.analysis.statistics import Spread
from quicsim.sweep.identity import simulator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quicsim.analysis.effects import Picture
    from quicsim.analysis.metrics import View
    from quicsim.analysis.report import TextTable
    from quicsim.sweep.result import LevelSummary, SweepResult
    from quicsim.sweep.study import Study

__all__ = ["page"]

_CONFIGURATIONS = 500
"""Configurations that are listed; the table has all."""
_SHOWN = 20
"""Failed points that are listed."""


def page(result: SweepResult) -> str:
    """The report as HTML."""
    study, state, plan = result.study, result.state, result.plan
    sections = [("overview", "summary", _overview(result))]
    sections += [(study.view(metric).name, metric, _metric(study, metric)) for metric in study.metrics]
    if state.failed:
        sections.append(("failed points", "failed", _failed(result)))
    body = "\n".join(
        f'<section id="{target}"><h2>{escape(name)}</h2>{html}</section>' for name, target, html in sections
    )
    made_by = ", ".join(dict.fromkeys(result.table["simulator"].drop_null().to_pylist())) or simulator()
    axes = ", ".join(study.axis_view(axis).name for axis in study.axes)
    introduction = (
        f"<p>{plan.settings} settings{f' of {escape(axes)}' if axes else ''}, "
        f"{len(plan.configurations)} configurations of the scenario {escape(plan.scenario)}, {plan.replications} "
        f"replications each, with the same seeds in every configuration. {state.done} of {state.total} points are "
        f"done, {state.failed} failed, {state.left} are left.</p>"
    )
    table = escape(str(result.directory / "table.parquet"))
    footer = f"Simulated by quicsim {escape(made_by)}. Every row: <code>{table}</code>."
    return html_page(plan.title, introduction, [(name, target) for name, target, _ in sections], body, footer)


def _overview(result: SweepResult) -> str:
    summary, levels = result.summary(), result.levels()
    if not summary.rows:
        return "<p>No point is done yet.</p>"
    told = (
        "Means with 95 % bootstrap intervals (BCa). Where there are several settings, n counts settings, each the "
        "mean of its replications. Of fewer than five there is no interval."
    )
    if any(row.comparison is not None for row in summary.rows):
        told += (
            f" Differences are to <em>{escape(result.study.arms[0])}</em>, pair by pair with the same seed and "
            "setting; p values are of Wilcoxon's signed-rank test on the pairs, and of Kolmogorov's and Smirnov's test "
            "on the distributions."
        )
    return _noted(result) + f"<p>{told}</p>{_table(summary)}" + _by_axis(levels)


def _noted(result: SweepResult) -> str:
    """What went otherwise in runs that count in the means."""
    if not result.notes:
        return ""
    rows = [[each.arm, f"{count} of {each.done}", note] for each in result.notes for count, note in each.listed()]
    headings = [("arm", False), ("points", True), ("note", False)]
    return f"<h3>Noted in runs</h3><p>These points count in every mean here.</p>{html_table(headings, rows)}"


def _by_axis(levels: LevelSummary) -> str:
    """Each axis by itself; folded up where its lines are many, for each arm has all of them."""
    if not levels.rows:
        return ""
    told = "The mean at each level of an axis, over all other axes."
    if any(row.difference is not None for row in levels.rows):
        told += " Differences are to the axis's first level, pair by pair: all other axes and the seed are equal."
    table = _table(levels)
    if len({row.arm for row in levels.rows}) > 1:
        table = f"<details><summary>Each level of each axis, by arm</summary>{table}</details>"
    return f"<h3>By axis</h3><p>{told}</p>{table}"


def _table(table: TextTable) -> str:
    columns = table.columns()
    rows = list(zip(*(texts for _, _, texts in columns), strict=True))
    return html_table([(heading, numeric) for heading, numeric, _ in columns], rows)


def _metric(study: Study, metric: str) -> str:
    """All pictures of one metric."""
    arms = [arm for arm in study.arms if study.values(metric, arm)]
    if not arms:
        return "<p>No point that is done has it.</p>"
    first, others = arms[0], arms[1:]
    parts = [
        ("Main effects", "The mean at each level, over all other axes, with its 95 % interval.",
         (study.main_effect(metric, axis) for axis in study.axes)),
        ("Differences", f"To {first}, pair by pair: below 0, the other is lower.",
         (study.main_effect(metric, axis, first) for axis in study.axes if others)),
        ("Interactions", "Where series are not equally far apart at each level, one axis's effect hangs on the other.",
         (study.interaction(metric, axis, by, arm, first if others else None)
          for axis, by in combinations(study.axes, 2) for arm in others or [first])),
        ("Maps", "The mean in each pair of levels.",
         (study.heat(metric, axis, by, arm, first if others else None)
          for axis, by in combinations(study.axes, 2) for arm in others or [first])),
        ("Distributions", "Of all runs.",
         (study.distribution(metric, axis, arm) for axis in study.axes for arm in arms)),
    ]  # fmt: skip
    return "".join(_pictures(heading, says, pictures) for heading, says, pictures in parts) + _each(study, metric)


def _each(study: Study, metric: str) -> str:
    """The configurations one by one, folded up."""
    rows = study.configurations(metric)
    view = study.view(metric)
    headings = [(study.axis_view(axis).label, True) for axis in study.axes]
    headings += [("arm", False), ("n", True), (view.label, True), ("95 % interval", True)]
    cells = []
    for row in rows[:_CONFIGURATIONS]:
        axes = [_place(study.axis_view(axis), row[axis]) for axis in study.axes]
        interval = row["spread"]
        if interval == Spread.INTERVAL.value:
            interval = f"{view.text(row['low'])} to {view.text(row['high'])}"
        cells.append([*axes, row["arm"], str(row["n"]), view.text(row["mean"]), interval])
    more = f"<p>The first {_CONFIGURATIONS} of {len(rows)}.</p>" if len(rows) > _CONFIGURATIONS else ""
    return f"<details><summary>Each configuration</summary>{more}{html_table(headings, cells)}</details>"


def _place(view: View, value: float | str | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, (str, bool)) else f"{value * view.factor:g}"


def _pictures(heading: str, says: str, pictures: Iterable[Picture]) -> str:
    figures = "".join(
        f"<figure>{picture.svg()}<figcaption>{escape(_caption(picture))}</figcaption></figure>" for picture in pictures
    )
    return (
        f'<h3>{heading}</h3><p class="muted">{escape(says)}</p><div class="figures">{figures}</div>' if figures else ""
    )


def _caption(picture: Picture) -> str:
    return f"{picture.title}. {picture.remark}" if picture.remark else picture.title


def _failed(result: SweepResult) -> str:
    failures = result.failures()
    reasons = html_table(
        [("reason", False), ("points", True)], [[r, str(n)] for r, n in Counter(result.state.failures).items()]
    )
    rows = [["" if value is None else str(value) for value in row.values()] for row in failures[:_SHOWN]]
    listed = html_table([(name, False) for name in failures[0]], rows) if failures else ""
    return reasons + (f"<p>The first {len(rows)} of them:</p>{listed}" if rows else "")
