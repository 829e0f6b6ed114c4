"""Which points of a design space are simulated? Every combination, a low-discrepancy sample, or well-spaced points.

Sobol sequences and Latin hypercubes are scipy.stats.qmc's. WSP: Santiago, Claeys-Bruno and Sergent (2012), Construction
of space-filling designs using WSP algorithm for high dimensional spaces, Chemometrics 113, section 2.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from quicsim.scenario.values import Count, PositiveCount, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy import ndarray

__all__ = ["Design", "shares"]

_CANDIDATES_A_POINT = 10
"""WSP chooses among this many candidates for each point asked for. assumed: more change the spacing by little."""


class Design(Table):
    """How the axes are combined."""

    kind: Literal["grid", "sobol", "latin-hypercube", "wsp"] = "grid"
    points: PositiveCount | None = None
    """How many settings are sampled; a grid has all."""
    seed: Count = 1
    """Of the sample; the simulations have a seed of their own."""

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        if self.kind == "grid":
            if self.model_fields_set & {"points", "seed"}:
                raise ValueError("a grid has every combination; points and seed are for the other kinds")
            return self
        if self.points is None:
            raise ValueError(f"a design of kind {self.kind} needs points, the number of settings")
        if self.kind == "sobol" and self.points & (self.points - 1):
            below = 1 << (self.points.bit_length() - 1)
            raise ValueError(
                f"points = {self.points}: a Sobol sequence is balanced only at powers of 2 (Owen 2020); "
                f"write {below} or {below * 2}"
            )
        return self


def shares(design: Design, dimensions: int) -> Iterator[tuple[Decimal, ...]]:
    """The settings of a sampled design, each as the share (0 to 1) of every axis. Same design, same shares."""
    assert design.points is not None  # of a design that is no grid
    for row in _SAMPLES[design.kind](design.points, dimensions, design.seed):
        yield tuple(Decimal(float(share)) for share in row)


def _sobol(points: int, dimensions: int, seed: int) -> ndarray:
    from scipy.stats.qmc import Sobol

    sample: ndarray = Sobol(dimensions, seed=seed).random_base2(points.bit_length() - 1)
    return sample


def _latin_hypercube(points: int, dimensions: int, seed: int) -> ndarray:
    from scipy.stats.qmc import LatinHypercube

    sample: ndarray = LatinHypercube(dimensions, seed=seed).random(points)
    return sample


def _wsp(points: int, dimensions: int, seed: int) -> ndarray:
    """The points that the largest distance leaves, of which enough are left."""
    import numpy as np

    candidates = _sobol(1 << (points * _CANDIDATES_A_POINT - 1).bit_length(), dimensions, seed)
    centre = int(np.argmin(((candidates - 0.5) ** 2).sum(axis=1)))
    low, high = 0.0, float(dimensions) ** 0.5
    best = _spaced(candidates, centre, low)
    while high - low > 1e-6:  # a millionth of an axis: nearer than that, no design looks another
        distance = (low + high) / 2
        chosen = _spaced(candidates, centre, distance)
        if len(chosen) >= points:
            low, best = distance, chosen
        else:
            high = distance
    spaced: ndarray = candidates[best[:points]]
    return spaced


def _spaced(candidates: ndarray, first: int, distance: float) -> list[int]:
    """The walk of WSP: take a candidate, drop all that are nearer to it than `distance`, go on to the nearest left."""
    import numpy as np

    left = np.ones(len(candidates), dtype=bool)
    chosen = [first]
    while True:
        squares = ((candidates - candidates[chosen[-1]]) ** 2).sum(axis=1)
        left &= squares >= distance * distance
        left[chosen[-1]] = False
        if not left.any():
            return chosen
        chosen.append(int(np.argmin(np.where(left, squares, np.inf))))


_SAMPLES: dict[str, Callable[[int, int, int], ndarray]] = {
    "sobol": _sobol,
    "latin-hypercube": _latin_hypercube,
    "wsp": _wsp,
}
