"""What is a reproduction? The runs that it asks for, and what it makes of them: numbers beside the paper's.

A module a figure or table builds one `Reproduction`; everything here is plain data that document.py and page.py show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quicsim.analysis.metrics import View
    from quicsim.results import Results
    from quicsim.scenario.run import Observer

__all__ = ["Check", "Claim", "Drawing", "Findings", "Outcome", "Remark", "Reproduction", "Study", "Table"]


@dataclass(frozen=True, slots=True)
class Study:
    """Runs of one scenario under one name.

    In the quick form `quick` replications stand in for `full` ones, 0: none, and `quick_overrides` are laid on top.
    """

    name: str
    scenario: str
    full: int
    quick: int
    overrides: tuple[str, ...] = ()
    variants: tuple[str, ...] | None = None
    observer: Callable[[], Observer] | None = None
    quick_overrides: tuple[str, ...] = ()

    def overridden(self, *, quick: bool) -> tuple[str, ...]:
        """What the scenario is loaded with."""
        return (*self.overrides, *(self.quick_overrides if quick else ()))

    def replications(self, *, quick: bool) -> int:
        """Runs of each variant."""
        return self.quick if quick else self.full


@dataclass(frozen=True, slots=True)
class Claim:
    """A number of the paper, and ours.

    `paper` and `ours` are in the metric's own unit, which `view` shows in another. `tolerance` is relative, unless
    `absolute` says that it is a difference in the metric's own unit. `jitter` is how far below and above, at most, the
    same runs come out under sub-packet jitter of the hosts. An effect is a difference between variants: it is claimed
    only where it is larger than that spread.
    """

    name: str
    variant: str
    statistic: str
    view: View
    ours: float
    paper: float
    tolerance: float
    source: str
    absolute: bool = False
    effect: bool = False
    jitter: tuple[float, float] | None = None

    @property
    def ratio(self) -> float:
        """Ours to the paper's."""
        return self.ours / self.paper

    @property
    def within(self) -> bool:
        """Whether ours is as near as the tolerance asks."""
        distance = abs(self.ours - self.paper)
        return distance <= (self.tolerance if self.absolute else self.tolerance * abs(self.paper))

    @property
    def spread(self) -> float | None:
        """How far host jitter alone moves ours, from the lowest to the highest."""
        return None if self.jitter is None else self.jitter[1] - self.jitter[0]

    @property
    def above_jitter(self) -> bool | None:
        """Whether an effect is larger than what host jitter does to it; None where that was not asked."""
        return None if self.spread is None or not self.effect else abs(self.ours) > self.spread


@dataclass(frozen=True, slots=True)
class Check:
    """A statement that holds or does not, with the evidence."""

    statement: str
    holds: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: SVG whose colours are the page's, and what it shows."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the columns named in `numeric` are set to the right."""

    title: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Remark:
    """A paragraph about how ours differs from the paper's, and why."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reproduction found. `data` holds what else anyone needs to grade it anew, as plain data."""

    claims: tuple[Claim, ...] = ()
    checks: tuple[Check, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    remarks: tuple[Remark, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """The results of a reproduction's studies, by name; those that the quick form leaves out are not there."""

    results: Mapping[str, Results]
    quick: bool

    def __getitem__(self, study: str) -> Results:
        return self.results[study]

    def __contains__(self, study: str) -> bool:
        return study in self.results


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A figure or a table of the paper. `main` is the study that stands beside it, if it takes runs."""

    name: str
    title: str
    section: str
    paper: str
    """What the paper shows there, in a sentence or two."""
    studies: Sequence[Study]
    evaluate: Callable[[Findings], Outcome]
    main: str | None = "main"
