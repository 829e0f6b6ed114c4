"""How do the axes of a sweep change what was measured? Effects, interactions, heat maps, distributions; drawn anywhere.

A picture is drawn once and shown as a chart of its own (a notebook, a file) or inside a page, in the page's colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicsim.analysis import inline, plots
from quicsim.analysis.statistics import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes

    from quicsim.analysis.inference import Mean

__all__ = ["Level", "Picture", "effect", "heat_map", "shares"]

_DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = "os^Dv"
_LETTERS_BESIDE = 36
"""So many letters stand side by side below a picture of a page (4.2 inches); more stand slanted."""
_TICKS = 5
"""At most, between numbers along an axis: so many fit below a picture of a page."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of an axis: where it stands (None: as a word, in its order), what it is called, and the mean there."""

    name: str
    place: float | None
    estimate: Mean


@dataclass(frozen=True, slots=True)
class Picture:
    """Something drawn: `chart` for a notebook or a file, `svg` for a page."""

    title: str
    draw: Callable[[Axes, Sequence[str]], object]
    """With the colours that tell series apart."""
    remark: str = ""
    """What is not in it, and why."""

    def chart(self) -> plots.Chart:
        """As a figure of its own."""
        return plots.drawn(self.title, lambda axes: self.draw(axes, plots.COLOURS))

    def svg(self) -> str:
        """As a part of a page."""
        return inline.drawn(self.title, lambda axes: self.draw(axes, inline.SERIES))


def effect(
    title: str, lines: Mapping[str, Sequence[Level]], x_label: str, y_label: str, *, log: bool = False
) -> Picture:
    """A mean at each level, with its 95 % interval where there is one; a line for each series, points for words.

    A series without levels is not drawn and keeps its colour, so that pictures of the same series agree.
    """

    def draw(axes: Axes, colours: Sequence[str]) -> None:
        words = any(level.place is None for levels in lines.values() for level in levels)
        names = list(dict.fromkeys(level.name for levels in lines.values() for level in levels))
        for index, (series, levels) in enumerate(lines.items()):
            if not levels:
                continue
            shift = 0.08 * (index - (len(lines) - 1) / 2) if words else 0.0
            x = [names.index(level.name) + shift if level.place is None else level.place for level in levels]
            y = [level.estimate.mean for level in levels]
            reach = [_reach(level.estimate) for level in levels]
            axes.errorbar(
                x, y, yerr=([low for low, _ in reach], [high for _, high in reach]), label=series,
                color=colours[index % len(colours)], linestyle="none" if words else _own(_DASHES, index, len(colours)),
                linewidth=1.5, marker=_own(_MARKERS, index, len(colours)), markersize=4.5, capsize=2.5, elinewidth=1.0,
            )  # fmt: skip
        if words:
            axes.set_xticks(range(len(names)), labels=names, rotation=_slant(names))
            axes.set_xlim(-0.5, len(names) - 0.5)
        elif log:
            axes.set_xscale("log")
        else:
            axes.locator_params(axis="x", nbins=_TICKS)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.grid(visible=True, linewidth=0.5, alpha=0.5)

    return Picture(title, draw, _without_interval([level for levels in lines.values() for level in levels]))


def _without_interval(levels: Sequence[Level]) -> str:
    """Why some means have no interval."""
    few = [level.estimate.count for level in levels if level.estimate.spread is Spread.TOO_FEW]
    same = any(level.estimate.spread is Spread.DETERMINISTIC for level in levels)
    reasons = [f"{min(few)} settings or runs are too few for one (5 are needed)"] if few else []
    reasons += ["all samples at a level are one number"] if same else []
    some = any(level.estimate.spread is Spread.INTERVAL for level in levels)
    return f"{'Some have no interval' if some else 'No intervals'}: {'; or '.join(reasons)}." if reasons else ""


def _own(kinds: Sequence[Any], index: int, colours: int) -> Any:
    """The dashes or the marker of a series: others than those of the one before it with the same colour."""
    return kinds[(index + index // colours) % len(kinds)]


def _slant(names: Sequence[str]) -> int:
    """Degrees by which names along an axis stand slanted, so that they do not run into each other."""
    return 30 if len(names) * (max(map(len, names), default=0) + 1) > _LETTERS_BESIDE else 0


def _reach(estimate: Mean) -> tuple[float, float]:
    if estimate.spread is not Spread.INTERVAL:
        return 0.0, 0.0
    return max(0.0, estimate.mean - estimate.low), max(0.0, estimate.high - estimate.mean)


def heat_map(
    title: str,
    columns: Sequence[str],
    rows: Sequence[str],
    values: Sequence[Sequence[float | None]],
    labels: tuple[str, str, str],
    *,
    signed: bool = False,
) -> Picture:
    """A colour for each pair of levels, its number written in it; None where there is nothing. `labels`: x, y, colour.

    With `signed`, colours part at 0.
    """

    def draw(axes: Axes, colours: Sequence[str]) -> None:
        import numpy as np

        grid = np.array([[np.nan if value is None else value for value in row] for row in values], dtype=float)
        known = grid[~np.isnan(grid)]
        reach = max(float(np.abs(known).max()), 1e-300) if known.size else 1.0
        limits = (-reach, reach) if signed else (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        colour_map = "RdBu_r" if signed else "viridis"
        image = axes.imshow(grid, aspect="auto", origin="lower", cmap=colour_map, vmin=limits[0], vmax=limits[1])
        for (row, column), value in np.ndenumerate(grid):
            if not np.isnan(value):
                red, green, blue, _ = image.cmap(image.norm(value))
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
                axes.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=8,
                          color="white" if dark else "black")  # fmt: skip
        turned = _slant([*columns, *columns])  # half the width is the colours' bar, and the names of rows
        axes.set_xticks(range(len(columns)), labels=columns, rotation=turned)
        axes.set_yticks(range(len(rows)), labels=rows)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        axes.grid(visible=False)
        bar = axes.figure.colorbar(image, ax=axes, label=labels[2])
        bar.outline.set_visible(False)

    return Picture(title, draw)


def shares(title: str, series: Mapping[str, Sequence[float]], label: str, reach: tuple[float, float]) -> Picture:
    """The share of samples at or below each value, a line for each series that has any.

    `reach`, the least and the greatest value shown, is one for all pictures that are to be compared.
    """

    def draw(axes: Axes, colours: Sequence[str]) -> None:
        for index, (name, samples) in enumerate(series.items()):
            if samples:
                axes.ecdf(
                    list(samples), color=colours[index % len(colours)], linestyle=_own(_DASHES, index, len(colours)),
                    linewidth=1.6, label=f"{name} (n = {len(samples)})",
                )  # fmt: skip
        axes.set(xlabel=label, ylabel="share of points", ylim=(0, 1.02))
        axes.grid(visible=True, linewidth=0.5, alpha=0.5)
        low, high = reach
        margin = 0.06 * (high - low) or abs(high) * 0.06 or 1.0
        axes.set_xlim(low - margin, high + margin)
        axes.locator_params(axis="x", nbins=_TICKS)

    return Picture(title, draw)
