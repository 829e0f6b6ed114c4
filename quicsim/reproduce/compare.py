"""How does ours compare? What several figures say of two variants, and of ours and the paper's curves."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from quicsim.analysis.metrics import natural_view
from quicsim.analysis.statistics import equivalence, quantiles
from quicsim.reproduce.curves import largest_gap, quantile_bands
from quicsim.reproduce.reproduction import Check, Claim, Table
from quicsim.reproduce.studies import values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quicsim.results import Results

__all__ = ["bands_data", "bands_table", "count_medians", "equal", "quartiles_in_order", "saved"]

QUARTILES = (0.25, 0.5, 0.75)


def saved(
    results: Results,
    metric: str,
    variants: tuple[str, str],
    paper: float,
    tolerance: float,
    source: str,
    *,
    absolute: bool = False,
) -> Claim:
    """The effect of a plugin: the median of the first variant less that of the second."""
    without, with_plugin = (median(values(results, variant, metric)) for variant in variants)
    view = natural_view(metric, paper)
    return Claim(
        name=f"{view.name} saved, {variants[1]}",
        variant=variants[1],
        statistic="difference of medians",
        view=view,
        ours=without - with_plugin,
        paper=paper,
        tolerance=tolerance,
        source=source,
        absolute=absolute,
        effect=True,
    )


def quartiles_in_order(results: Results, metric: str, curves: Mapping[str, Sequence[float]]) -> Check:
    """Whether the quartiles of all variants, put in a row by size, stand as the paper's do."""

    def ordered(samples: Mapping[str, Sequence[float]]) -> list[str]:
        found = [
            (value, f"{variant} {share:.0%}")
            for variant in curves
            for share, value in zip(QUARTILES, quantiles(samples[variant], QUARTILES), strict=True)
        ]
        return [name for _, name in sorted(found)]

    ours = ordered({variant: values(results, variant, metric) for variant in curves})
    papers = ordered(curves)
    evidence = f"ours, from the least: {', '.join(ours)}"
    if ours != papers:
        evidence += f"; the paper's: {', '.join(papers)}"
    return Check("The quartiles of both variants stand in the paper's order", ours == papers, evidence)


def bands_table(results: Results, metric: str, curves: Mapping[str, Sequence[float]], title: str) -> Table:
    """Quantiles of each variant, the paper's, ours and the ratio."""
    rows = []
    for variant, curve in curves.items():
        ours = values(results, variant, metric)
        view = natural_view(metric, median(curve))
        rows += [
            (variant, f"{band.share:.0%}", view.text(band.paper), view.text(band.ours), f"{band.ours / band.paper:.3f}")
            for band in quantile_bands(ours, curve)
        ]
        rows.append((variant, "largest gap of the two", "", f"{largest_gap(ours, curve):.2f}", ""))
    unit = natural_view(metric, median(next(iter(curves.values())))).unit
    headings = ("variant", "quantile", f"paper ({unit})", f"ours ({unit})", "ours / paper")
    words = "The gap is the largest vertical distance of the two distributions, 0 to 1."
    return Table(title, words, headings, tuple(rows), frozenset(headings[2:]))


def bands_data(results: Results, metric: str, curves: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        variant: {
            "quantiles": [
                {"share": band.share, "paper": band.paper, "ours": band.ours, "ratio": band.ours / band.paper}
                for band in quantile_bands(values(results, variant, metric), curve)
            ],
            "largest_gap": largest_gap(values(results, variant, metric), curve),
        }
        for variant, curve in curves.items()
    }


def count_medians(results: Results, count: str) -> dict[str, float]:
    """The median of a counter over the runs of each variant."""
    return {
        variant: median(run.counts[count] for run in results.runs if run.variant == variant)
        for variant in results.variants
    }


def equal(results: Results, metric: str, variants: tuple[str, str], margin: float, statement: str) -> Check | None:
    """Whether a test of equivalence rules out a difference as large as `margin`, in the metric's unit.

    None where there are fewer than two replications to test.
    """
    baseline, ours = (values(results, variant, metric) for variant in variants)
    if len(ours) < 2:
        return None
    test = equivalence(ours, baseline, margin)
    view = natural_view(metric, margin)
    verdict = "ruled out" if test.equivalent else "not ruled out"
    return Check(
        statement,
        test.equivalent,
        f"mean of {variants[1]} less {variants[0]}: {view.text(test.difference)} {view.unit}, with 90 % from "
        f"{view.text(test.low)} to {view.text(test.high)}; a difference of {view.text(margin)} {view.unit} is "
        f"{verdict}, p = {test.p_value:.2g}",
    )
