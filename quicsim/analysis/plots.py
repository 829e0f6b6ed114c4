"""How do results look? Figures of plain numbers, with no global state and the same bytes for the same numbers."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quicsim.analysis.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito (2008): told apart with any colour vision, and by lightness in print."""
DASHES = ("-", "--", "-.", ":")

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "quicsim",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
}
_SIZE_INCHES = (6.4, 4.0)
_DOTS_PER_INCH = 150
_SUBTITLE_CHARACTERS = 95
_TITLE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """A published number: a vertical line with its label, in the colour of the series of that name."""

    series: str
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished figure. A notebook shows it; `save` writes it."""

    figure: Figure

    def png(self) -> bytes:
        """The figure as PNG."""
        return self._rendered("png", {"Software": None})

    def svg(self) -> bytes:
        """The figure as SVG, its text as outlines: the same picture on a machine with other fonts."""
        return self._rendered("svg", {"Date": None, "Creator": None})

    def save(self, directory: Path | str, name: str) -> tuple[Path, Path]:
        """Write NAME.png and NAME.svg; their paths."""
        paths = Path(directory) / f"{name}.png", Path(directory) / f"{name}.svg"
        for path, content in zip(paths, (self.png(), self.svg()), strict=True):
            write_atomically(path, content)
        return paths

    def _rendered(self, kind: str, metadata: dict[str, str | None]) -> bytes:
        import matplotlib as mpl

        buffer = io.BytesIO()
        with mpl.rc_context(_STYLE):
            self.figure.savefig(buffer, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)
        return buffer.getvalue()

    @property
    def alt(self) -> str:
        """What the picture is of, for who does not see it: its title and what its axes are."""
        axes = self.figure.axes[0]
        parts = (self.figure.get_suptitle(), axes.get_title(), axes.get_xlabel(), axes.get_ylabel())
        return "; ".join(" ".join(part.split()) for part in parts if part)

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self.png(), {"alt": self.alt}


def drawn(title: str, draw: Callable[[Axes], object]) -> Chart:
    """A figure of one set of axes with its title, and a legend below where more than one thing is named."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.set_title(_literal(textwrap.fill(title, _TITLE_CHARACTERS)))
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        if len(handles) > 1:
            figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return Chart(figure)


def ecdf(
    series: Mapping[str, Sequence[float]], label: str, title: str, marks: Sequence[Mark] = (), subtitle: str = ""
) -> Chart:
    """The share of samples at or below each value, a line a series; `label` names the values, with their unit.

    A subtitle stands small under the title.

    Raises ValueError without a series, or with an empty one.
    """
    if not series or not all(series.values()):
        raise ValueError("nothing to draw: a series has no samples")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        colour = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(series)}
        for index, (name, samples) in enumerate(series.items()):
            _draw_steps(axes, name, samples, colour[name], DASHES[index % len(DASHES)])
        for mark in marks:
            _draw_mark(axes, mark, colour.get(mark.series, "grey"))
        axes.set(xlabel=label, ylabel="share of samples", ylim=(0, 1.02))
        if subtitle:
            figure.suptitle(_literal(title))
            axes.set_title(_literal(textwrap.fill(subtitle, _SUBTITLE_CHARACTERS)), fontsize=8, color="#555555")
        else:
            axes.set_title(_literal(title))
        axes.margins(x=0.08)
        axes.grid(visible=True, color="#DDDDDD", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return Chart(figure)


def _literal(text: str) -> str:
    """A text without the meaning that matplotlib finds between two dollars."""
    return text.replace("$", r"\$")


def _draw_steps(axes: Axes, name: str, samples: Sequence[float], colour: str, dashes: str) -> None:
    deterministic = len(samples) > 1 and min(samples) == max(samples)
    axes.ecdf(
        samples,
        color=colour,
        linestyle=dashes,
        linewidth=1.8,
        label=f"{name} (n = {len(samples)}{', deterministic' if deterministic else ''})",
    )


def _draw_mark(axes: Axes, mark: Mark, colour: str) -> None:
    """Over the series, dark, so that it is seen where it lies on one; its label to the left, along the line."""
    axes.axvline(mark.value, color="#333333", linestyle=(0, (4, 3)), linewidth=1.0, zorder=3)
    axes.annotate(
        mark.label,
        (mark.value, 0.5),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        rotation=90,
        horizontalalignment="right",
        verticalalignment="center",
        color=colour,
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
