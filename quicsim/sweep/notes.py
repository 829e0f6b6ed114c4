"""What went otherwise in runs that came to an end? Their notes, counted by arm: a refused plugin is seen nowhere else.

A run whose plugin was refused or removed still has its metrics; they are then those of another arm's protocol.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quicsim.sweep.table import arm_name, places_of

if TYPE_CHECKING:
    from quicsim.sweep.plan import Plan
    from quicsim.sweep.store import Store

__all__ = ["Noted", "lines", "noted"]

_SHOWN = 5
"""Notes of an arm that are listed, the most frequent first; the table has all."""
_CHARACTERS = 300
"""Of a note in a line of text. assumed: the reason of a refusal is in its first sentence."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The notes of one arm: how many of its points that are done have any, and how many each."""

    arm: str
    done: int
    points: int
    notes: dict[str, int]

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return asdict(self)

    def listed(self) -> list[tuple[int, str]]:
        """The first few, in a line each, with how many points carry them; then how many more there are."""
        shown = [(count, _line(note)) for note, count in list(self.notes.items())[:_SHOWN]]
        rest = list(self.notes.values())[_SHOWN:]
        return [*shown, (sum(rest), f"{len(rest)} other notes; see the column notes of the table")] if rest else shown


def noted(store: Store, plan: Plan, *, mixed: bool) -> list[Noted]:
    """The arms that have notes, in the order of the plan."""
    import pyarrow as pa

    parts = list(store.rows())
    if not parts:
        return []
    results = pa.concat_tables(parts)
    places = places_of(results, plan, mixed=mixed)
    texts = results["notes"].to_pylist()
    done: Counter[str] = Counter()
    points: Counter[str] = Counter()
    notes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for point in plan.points():
        if point.key in places:
            recipe = point.configuration.recipe
            arm = arm_name(recipe.variant, recipe.plugin and Path(recipe.plugin).stem)
            own = set(texts[places[point.key]] or ())
            done[arm] += 1
            points[arm] += bool(own)
            notes[arm].update(sorted(own))
    return [Noted(arm, done[arm], points[arm], dict(notes[arm].most_common())) for arm in done if points[arm]]


def lines(found: list[Noted]) -> list[str]:
    """The same as text: a line for each arm, and one for each note."""
    texts = []
    for each in found:
        texts.append(f"noted in {each.points} of {each.done} points of {each.arm}:")
        texts += [f"  {count}: {note}" for count, note in each.listed()]
    return texts


def _line(note: str) -> str:
    text = " ".join(note.split())
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}..."
