"""What does `quicsim reproduce --json` print? Everything that a reader needs to grade the reproduction anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quicsim.reproduce.reproduction import Claim
    from quicsim.reproduce.run import Report, Reproduced
    from quicsim.results import Results

__all__ = ["document", "samples", "series"]


def document(report: Report) -> dict[str, Any]:
    """The report as plain data, with neither date nor machine in it."""
    return {
        "paper": "The Case for Protocol Plugins (De Coninck and Bonaventure, 2019)",
        "quicsim": report.version,
        "quick": report.quick,
        "reproductions": {part.reproduction.name: _part(part) for part in report.parts},
    }


def _part(part: Reproduced) -> dict[str, Any]:
    reproduction, outcome, main = part.reproduction, part.outcome, part.main
    return {
        "title": reproduction.title,
        "section": reproduction.section,
        "says": reproduction.paper,
        "scenario": None if main is None else main.scenario,
        "seed": None if main is None else main.seed,
        "digest": None if main is None else main.digest,
        "claims": [_claim(claim) for claim in outcome.claims],
        "checks": [
            {"statement": check.statement, "holds": check.holds, "evidence": check.evidence} for check in outcome.checks
        ],
        "samples": {} if main is None else samples(main),
        "series": {} if main is None else series(main),
        **outcome.data,
        "studies": {
            study.name: {
                "scenario": study.scenario,
                "overrides": list(results.overrides),
                "variants": list(results.variants),
                "replications": 1 + max(run.replication for run in results.runs),
                "seed": results.seed,
                "digest": results.digest,
            }
            for study, results in part.studies
        },
        "parameters": {
            source.name: [
                {
                    "key": each.key,
                    "value": each.value,
                    "origin": None if each.origin is None else each.origin.value,
                    "reason": each.reason,
                }
                for each in source.parameters
            ]
            for source in part.sources
        },
        "deviations": [{"title": remark.title, "text": remark.text} for remark in outcome.remarks],
    }


def samples(results: Results) -> dict[str, dict[str, list[float]]]:
    """Every metric of every run: variant, metric, one number a replication."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in results.runs:
        for metric, value in run.metrics.items():
            found.setdefault(run.variant, {}).setdefault(metric, []).append(value)
    return found


def series(results: Results) -> dict[str, dict[str, list[list[list[float]]]]]:
    """What every run followed over time: variant, name, then for each replication pairs of seconds and value."""
    found: dict[str, dict[str, list[list[list[float]]]]] = {}
    for run in results.runs:
        for name, points in run.series.items():
            pairs = [[at, value] for at, value in points]
            found.setdefault(run.variant, {}).setdefault(name, []).append(pairs)
    return found


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "name": claim.name,
        "variant": claim.variant,
        "metric": claim.view.metric,
        "statistic": claim.statistic,
        "paper": claim.paper,
        "ours": claim.ours,
        "ratio": claim.ratio,
        "tolerance": claim.tolerance,
        "tolerance_is": "absolute" if claim.absolute else "relative",
        "within": claim.within,
        "jitter": None if claim.jitter is None else list(claim.jitter),
        "effect": claim.effect,
        "above_jitter": claim.above_jitter,
        "source": claim.source,
    }
