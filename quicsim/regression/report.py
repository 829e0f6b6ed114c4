"""How does a person read what came of a comparison? The same finding as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.analysis.report import quantity
from quicsim.analysis.statistics import Spread
from quicsim.regression.parting import DISTANCES_NS
from quicsim.regression.tolerance import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicsim.analysis.statistics import Estimate
    from quicsim.regression.check import Finding
    from quicsim.regression.tolerance import Change

__all__ = ["as_text", "change_texts", "headline", "in_order", "parting_lines"]


ORDER = (Verdict.WORSE, Verdict.BETTER, Verdict.WITHIN, Verdict.CHANGED, Verdict.SAME)
"""In which order changes are shown."""


def as_text(finding: Finding, c_lines: Mapping[str, str]) -> str:
    """All of a finding, the worst first. `c_lines` say where the program of a section is: `tlp.c:38`."""
    rows = [change_texts(each) for each in in_order(finding)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [str(each) for each in finding.lost]
    lines += [text for variant in finding.parted for text in parting_lines(finding, variant, c_lines)]
    lines += [f"plugin {name} is another one: {was} -> {is_}" for name, (was, is_) in finding.plugins.items()]
    was, is_ = finding.versions
    if was != is_:
        lines.append(f"quicsim was {was} and is {is_}")
    lines += finding.notes
    return "\n".join(lines)


def headline(finding: Finding) -> str:
    """What there is to say in a line: what never ran, then every metric that is worse, else better, and the digest."""
    refused = [str(each) for each in finding.refused]
    for verdict in (Verdict.WORSE, Verdict.BETTER):
        found = [
            f"{each.metric} of {each.variant} is {verdict.value} by {difference_text(each, with_interval=False)}"
            for each in finding.changes
            if each.verdict is verdict
        ]
        if verdict is Verdict.WORSE:
            found += [str(each) for each in finding.lost]
        if verdict is Verdict.BETTER and finding.parted:
            found.append(f"the traces of {', '.join(finding.parted)} are other ones")
        if found:
            return "; ".join([*refused, *found])
    return "; ".join(refused) or "the same"


def in_order(finding: Finding) -> list[Change]:
    """The changes, the worst first."""
    return sorted(finding.changes, key=lambda each: ORDER.index(each.verdict))


def change_texts(change: Change) -> list[str]:
    """One metric's change: verdict, variant, metric, before and after, paired difference with interval, tolerance."""
    before, after = quantity(change.metric, change.before), quantity(change.metric, change.after)
    return [
        change.verdict.value,
        change.variant,
        change.metric,
        f"{before} -> {after}",
        "" if change.verdict is Verdict.SAME else difference_text(change),
        "" if change.tolerance is None else str(change.tolerance),
    ]


def parting_lines(finding: Finding, variant: str, c_lines: Mapping[str, str]) -> list[str]:
    """Where the traces of a variant part: the events on either side, and the C of the program that ran last."""
    numbers = finding.parted[variant]
    found = next((each for each in finding.partings if each.variant == variant), None)
    if found is None:
        return [f"the traces of {variant} part in {_listed('replication', numbers)}, of which no trace was kept"]
    lines = [f"the traces of {variant} part in {_listed('replication', numbers)}; of replication {found.replication}"]
    if not found.places:
        last = len(found.before.records)
        lines += [
            f"  behind event {last}, the last that was kept; `quicsim compare` of both builds finds where",
            f"    now     {found.after.text(last + 1) if last < len(found.after.records) else NO_EVENT}",
        ]
    for place in found.places:
        where = c_lines.get(place.section)
        called = f', last program SEC("{place.section}")' if place.section else ""
        called += f" at {where}" if where else ""
        lines += [
            f"  {DISTANCES_NS[place.distance_ns]}, from event {place.new or place.old} on{called}:",
            f"    before  {found.before.text(place.old) if place.old else NO_EVENT}",
            f"    now     {found.after.text(place.new) if place.new else NO_EVENT}",
        ]
    return lines


NO_EVENT = "no such event"


def difference_text(change: Change, *, with_interval: bool = True) -> str:
    """The median paired difference, its share of what was before, and what is known of it."""
    share = "" if change.relative is None else f", {change.relative * 100:+.3g} %"
    text = f"{quantity(change.metric, change.difference.median, sign='+')}{share}"
    return f"{text} ({interval(change.metric, change.difference)})" if with_interval else text


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
