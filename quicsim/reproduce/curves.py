"""What did the paper draw? Its curves, which come along in data/, and how far ours lies from one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from quicsim.analysis.statistics import quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Band", "PaperCurves", "largest_gap", "paper_curves", "quantile_bands"]

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles that are laid beside the paper's."""


@dataclass(frozen=True, slots=True)
class PaperCurves:
    """Curves by variant, in `unit`; `source` says where they were read."""

    source: str
    what: str
    unit: str
    curves: dict[str, Any]


def paper_curves(name: str) -> PaperCurves:
    """The curves of one figure, by the name of their file in data/."""
    content = json.loads((files("quicsim.reproduce") / "data" / f"{name}.json").read_text(encoding="utf-8"))
    about = {key: content.pop(key) for key in ("source", "what", "unit")}
    return PaperCurves(about["source"], about["what"], about["unit"], content)


@dataclass(frozen=True, slots=True)
class Band:
    """One quantile of a distribution, the paper's and ours."""

    share: float
    paper: float
    ours: float


def quantile_bands(ours: Sequence[float], paper: Sequence[float]) -> list[Band]:
    """The quantiles in SHARES, side by side."""
    rows = zip(SHARES, quantiles(paper, SHARES), quantiles(ours, SHARES), strict=True)
    return [Band(*row) for row in rows]


def largest_gap(ours: Sequence[float], paper: Sequence[float]) -> float:
    """The largest vertical distance of two empirical distributions, 0 to 1 (Kolmogorov and Smirnov)."""
    own, other = sorted(ours), sorted(paper)
    gap = 0.0
    for value in (*own, *other):
        gap = max(gap, abs(_share(own, value) - _share(other, value)))
    return gap


def _share(ordered: Sequence[float], value: float) -> float:
    from bisect import bisect_right

    return bisect_right(ordered, value) / len(ordered)
