"""How does a person read what came of a comparison? The same finding as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.analysis.report import quantity
from quicsim.analysis.statistics import Spread
from quicsim.regression.tolerance import Verdict

if TYPE_CHECKING:
    from quicsim.analysis.statistics import Estimate
    from quicsim.regression.check import Finding
    from quicsim.regression.tolerance import Change

__all__ = ["as_text"]


def as_text(finding: Finding) -> str:
    """All of a finding, a line for each thing; the worst first."""
    order = [Verdict.WORSE, Verdict.BETTER, Verdict.WITHIN, Verdict.CHANGED, Verdict.SAME]
    lines = [change_text(each) for each in sorted(finding.changes, key=lambda each: order.index(each.verdict))]
    lines += [
        f"the trace of variant {variant} is another one in {_listed('replication', numbers)}"
        for variant, numbers in finding.parted.items()
    ]
    lines += [f"plugin {name} is another one: {was} -> {is_}" for name, (was, is_) in finding.plugins.items()]
    was, is_ = finding.versions
    if was != is_:
        lines.append(f"quicsim was {was} and is {is_}")
    return "\n".join(lines)


def change_text(change: Change) -> str:
    """One metric's change in a line: before, after, the paired difference with its interval, and the verdict."""
    before, after = quantity(change.metric, change.before), quantity(change.metric, change.after)
    line = f"{change.verdict.value}: {change.variant}: {change.metric} {before} -> {after}"
    if change.verdict is not Verdict.SAME:
        line += f", paired difference {difference_text(change)}"
    return f"{line}; {change.tolerance}" if change.tolerance is not None else line


def difference_text(change: Change) -> str:
    """The median paired difference, its share of what was before, and its 95 % interval."""
    share = "" if change.relative is None else f", {change.relative * 100:+.3g} %"
    median = quantity(change.metric, change.difference.median, sign="+")
    return f"{median}{share} ({interval(change.metric, change.difference)})"


def interval(metric: str, estimate: Estimate) -> str:
    """What is known of how the pairs vary."""
    match estimate.spread:
        case Spread.DETERMINISTIC:
            return f"the same in all {estimate.count} pairs"
        case Spread.TOO_FEW if estimate.count == 1:
            return "one pair"
        case Spread.TOO_FEW:
            low, high = quantity(metric, estimate.low, "+"), quantity(metric, estimate.high, "+")
            return f"{low} to {high} in {estimate.count} pairs, too few for an interval"
        case Spread.INTERVAL:
            low, high = quantity(metric, estimate.low, "+"), quantity(metric, estimate.high, "+")
            return f"95 % interval {low} to {high}"


def _listed(what: str, numbers: tuple[int, ...]) -> str:
    """The numbers in a few words: `replication 3`, `replications 0, 1, 2 and 17 more`."""
    if len(numbers) == 1:
        return f"{what} {numbers[0]}"
    shown = ", ".join(map(str, numbers[:3]))
    return f"{what}s {shown}" + (f" and {len(numbers) - 3} more" if len(numbers) > 3 else "")
