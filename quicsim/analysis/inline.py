"""How does a figure look inside a page? SVG in the page's own colours, light or dark, at sizes that stay readable.

Each colour is drawn as a placeholder that becomes a CSS variable of the page, so that one picture serves both schemes.
The drawing is small, with letters of a size that a telephone's width leaves readable; it is scaled up where there is
room.
"""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import TYPE_CHECKING, Any

from quicsim.analysis.plots import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SERIES", "Mark", "Reference", "bars", "distributions", "drawn", "over_time", "swept_lines"]

_INK, _GRID, _PAPER = "#010a01", "#010a02", "#010a03"
SERIES = ("#010b01", "#010b02", "#010b03", "#010b04", "#010b05")
"""Placeholders of the colours that tell series apart, in their order."""
COLOURS = {_INK: "ink", _GRID: "grid", _PAPER: "paper", **{c: f"series-{n}" for n, c in enumerate(SERIES, start=1)}}
"""Placeholder -> the CSS variable, `--ink` and so on, that the page must define."""

_DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "quicsim",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.fontsize": 8.8,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
}
_INCHES = (4.2, 3.2)
_NAME_CHARACTERS, _NAMES_CHARACTERS = 12, 42
"""Of a group's name in a line, and of all of them side by side below bars."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A line that is not measured: a formula, or the paper's curve; in the colour of the series of that name."""

    label: str
    points: Sequence[tuple[float, float]]
    series: str = ""


def distributions(
    title: str,
    series: Mapping[str, Sequence[float]],
    label: str,
    curves: Mapping[str, Sequence[float]] | None = None,
    marks: Sequence[Mark] = (),
) -> str:
    """The share of samples at or below each value: ours as lines, `curves` of the same names dotted, marks upright."""

    def draw(axes: Axes) -> None:
        for index, (name, samples) in enumerate(series.items()):
            colour = SERIES[index % len(SERIES)]
            axes.ecdf(list(samples), color=colour, linestyle=_DASHES[index % len(_DASHES)], linewidth=1.6, label=name)
            if curves and name in curves:
                axes.ecdf(list(curves[name]), color=colour, linewidth=3.2, alpha=0.35, label=f"{name}, paper")
        names = list(series)
        for mark in marks:
            colour = SERIES[names.index(mark.series) % len(SERIES)] if mark.series in names else _PAPER
            axes.axvline(mark.value, color=colour, linewidth=3.2, alpha=0.35, label=mark.label)
        axes.set(xlabel=label, ylabel="share of samples", ylim=(0, 1.02))
        axes.locator_params(axis="x", nbins=5)
        axes.margins(x=0.06)

    return drawn(title, draw)


def swept_lines(
    title: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    x_label: str,
    y_label: str,
    references: Sequence[Reference] = (),
    own: float | None = None,
    *,
    doubling: bool = False,
) -> str:
    """A point for each value of what is swept, joined by variant; `own` is the scenario's value, an upright line.

    With `doubling`, each doubling of what is swept takes the same width.
    """

    def draw(axes: Axes) -> None:
        names = list(lines)
        for line in references:
            colour = SERIES[names.index(line.series) % len(SERIES)] if line.series in names else _PAPER
            axes.plot(*_columns(line.points), color=colour, linewidth=3.2, alpha=0.35, label=line.label)
        for index, (name, points) in enumerate(lines.items()):
            colour, dashes = SERIES[index % len(SERIES)], _DASHES[index % len(_DASHES)]
            axes.plot(
                *_columns(points), color=colour, linestyle=dashes, linewidth=1.4, marker="os^Dv"[index % 5],
                markersize=4, label=name,
            )  # fmt: skip
        if own is not None:
            axes.axvline(own, color=_INK, linewidth=0.8, linestyle=(0, (2, 3)), label="the scenario's own")
        if doubling:
            places = sorted({x for points in lines.values() for x, _ in points})
            axes.set_xscale("log", base=2)
            axes.set_xticks(places, labels=[f"{place:g}" for place in places])
            axes.minorticks_off()
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))

    return drawn(title, draw)


def over_time(
    title: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    y_label: str,
    references: Sequence[Reference] = (),
    instants: Sequence[tuple[float, str]] = (),
) -> str:
    """Values over seconds; references lie behind as broad lines, instants are upright with a label on top."""

    def draw(axes: Axes) -> None:
        names = list(lines)
        for line in references:
            colour = SERIES[names.index(line.series) % len(SERIES)] if line.series in names else _PAPER
            axes.plot(*_columns(line.points), color=colour, linewidth=2.4, alpha=0.35, label=line.label)
        for index, (name, points) in enumerate(lines.items()):
            colour, dashes = SERIES[index % len(SERIES)], _DASHES[index % len(_DASHES)]
            axes.plot(*_columns(points), color=colour, linestyle=dashes, linewidth=1.2, label=name)
        for at, text in instants:
            axes.axvline(at, color=_INK, linewidth=0.7, linestyle=(0, (2, 3)))
            axes.annotate(text, (at, 1), xycoords=("data", "axes fraction"), xytext=(2, 1), fontsize=7,
                          textcoords="offset points", verticalalignment="bottom")  # fmt: skip
        axes.set(xlabel="time (s)", ylabel=y_label)
        axes.set_ylim(bottom=0)

    return drawn(title, draw)


def bars(title: str, groups: Sequence[str], series: Mapping[str, Sequence[float]], y_label: str) -> str:
    """A bar for each group and series, side by side; lying down where the groups' names would not fit below."""
    lying = sum(min(len(group), _NAME_CHARACTERS) for group in groups) > _NAMES_CHARACTERS

    def draw(axes: Axes) -> None:
        width = 0.8 / len(series)
        for index, (name, heights) in enumerate(series.items()):
            places = [group + (index - (len(series) - 1) / 2) * width for group in range(len(groups))]
            draw_bars = axes.barh if lying else axes.bar
            draw_bars(places, list(heights), width * 0.92, color=SERIES[index % len(SERIES)], label=name)
        names = [textwrap.fill(group, _NAME_CHARACTERS * 3 // 2 if lying else _NAME_CHARACTERS) for group in groups]
        if lying:
            axes.set_yticks(range(len(groups)), labels=names, fontsize=8.5)
            axes.invert_yaxis()
            axes.axvline(0, color=_INK, linewidth=0.7)
            axes.set(xlabel=y_label)
        else:
            axes.set_xticks(range(len(groups)), labels=names)
            axes.axhline(0, color=_INK, linewidth=0.7)
            axes.set(ylabel=y_label)
        axes.grid(visible=False, axis="y" if lying else "x")

    return drawn(title, draw)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def drawn(title: str, draw: Callable[[Axes], object]) -> str:
    """A figure of one set of axes with a legend below, as SVG for a page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        handles, labels = axes.get_legend_handles_labels()
        if len(handles) > 1:
            columns = 1 if max(map(len, labels)) > 30 else 2
            figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        return _svg(figure, title)


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg [^>]*?) width="[^"]*pt" height="[^"]*pt"| width="[^"]*pt"| height="[^"]*pt"', r"\1", text)
    for placeholder, variable in COLOURS.items():
        text = text.replace(placeholder, f"var(--{variable})")
    text = _own_names(text, re.sub(r"\W+", "-", title.lower()).strip("-"))
    head, _, rest = text.partition(">")
    return f'{head} role="img" aria-label="{escape(title)}">{rest}'.strip()


def _own_names(svg: str, prefix: str) -> str:
    """The SVG with ids that no other picture of the page has: `prefix-1` and so on."""
    numbers = count(1)
    names = {name: f"{prefix}-{next(numbers)}" for name in dict.fromkeys(re.findall(r' id="([^"]+)"', svg))}
    svg = re.sub(r' id="([^"]+)"', lambda match: f' id="{names[match[1]]}"', svg)
    svg = re.sub(r'href="#([^"]+)"', lambda match: f'href="#{names.get(match[1], match[1])}"', svg)
    return re.sub(r"url\(#([^)]+)\)", lambda match: f"url(#{names.get(match[1], match[1])})", svg)
