"""What will a sweep take? Time and disk, as a few of its points tell, made for that only."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from quicsim.sweep.store import Store

if TYPE_CHECKING:
    from quicsim.sweep.execute import LocalPool
    from quicsim.sweep.plan import Plan

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will take, as far as the pilots tell."""

    pilots: int
    failed: tuple[str, ...]
    """Reasons of pilots that came to no result."""
    point_s: float
    """Mean of one point on one core."""
    point_bytes: float

    def total_s(self, points: int, jobs: int) -> float:
        """All points, with this many workers at work."""
        return self.point_s * points / jobs

    def total_bytes(self, points: int) -> float:
        """All points, before compaction."""
        return self.point_bytes * points


def estimate(plan: Plan, pilots: int, pool: LocalPool) -> Estimate:
    """Make this many points, from the first to the last in equal steps, and look what they took."""
    points = list(plan.points())
    count = min(pilots, len(points))
    chosen = [points[number * (len(points) - 1) // max(1, count - 1)] for number in range(count)]
    took_s: list[float] = []
    failed: list[str] = []
    with TemporaryDirectory(prefix="quicsim-pilots-") as home:
        store = Store(Path(home))
        with closing(pool.run(plan, chosen, store)) as outcomes:
            for outcome in outcomes:
                took_s += [outcome.took_s / max(1, len(outcome.stored) + len(outcome.failed))]
                failed += [reason for _, reason in outcome.failed]
        alone_bytes = max((path.stat().st_size for path in store.parts()), default=0)
        store.compact()
        weight_bytes = sum(path.stat().st_size for path in Path(home).rglob("*.parquet"))
    stored = count - len(failed)
    # The first point of a worker pays for what it imports; the first row of a part for the part's own frame.
    point_s = fmean(took_s[1:] or took_s)
    point_bytes = (weight_bytes - alone_bytes) / (stored - 1) if stored > 1 else weight_bytes
    return Estimate(count, tuple(failed), point_s, point_bytes)
