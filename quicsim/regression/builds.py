"""Is one build of a plugin as good as another? Both run in the same scenario with the same chance, and are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

from quicsim.regression.check import compare
from quicsim.regression.outcome import COLUMNS
from quicsim.regression.parting import DISTANCES_NS
from quicsim.regression.refusal import refusals
from quicsim.regression.report import as_text, change_texts, headline, in_order
from quicsim.regression.tolerance import Tolerance, Verdict, Worse
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.run import Plan, run_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quicsim.regression.check import Finding
    from quicsim.regression.parting import Parting, Place
    from quicsim.regression.refusal import Refusal
    from quicsim.regression.tolerance import Change
    from quicsim.results import Results
    from quicsim.scenario.load import Scenario
    from quicsim.scenario.run import Progress

__all__ = ["RELATIVE", "WORSE_BY_UNIT", "Comparison", "compare_builds", "tolerances_of", "variants_with_plugins"]

RELATIVE = 0.02
"""How much worse a metric may be where nothing else is asked for. assumed."""

WORSE_BY_UNIT: dict[str, Worse] = {"s": "higher", "bps": "lower"}
"""The unit that a metric's name ends with -> which way is worse: time, throughput. Others are only shown."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two builds in one scenario."""

    names: tuple[str, str]
    """As they were given."""
    results: tuple[Results, Results]
    finding: Finding
    c_lines: Mapping[str, str]
    """Section of the second build -> where its program begins, `tlp.c:38`."""

    @property
    def is_worse(self) -> bool:
        """Whether the second never ran, or any metric of it is worse than is tolerated."""
        return self.finding.failed

    @property
    def refused(self) -> dict[str, tuple[Refusal, ...]]:
        """By build, as it was given, what never ran of it; builds that ran are left out."""
        found = {name: refusals(results) for name, results in zip(self.names, self.results, strict=True)}
        return {name: each for name, each in found.items() if each}

    def refusal_lines(self) -> list[str]:
        """What to know before any number: which build never ran."""
        return [f"{name}: {refusal}" for name, found in self.refused.items() for refusal in found]

    @property
    def verdict(self) -> Verdict:
        """The worst of what metrics with a tolerance are; the same if there is nothing else to say of them."""
        if self.is_worse:
            return Verdict.WORSE
        found = {each.verdict for each in self.finding.changes}
        order = (Verdict.BETTER, Verdict.WITHIN)
        return next((each for each in order if each in found), Verdict.SAME)

    def heading(self) -> str:
        """What was compared."""
        before, now = self.results
        runs = len({run.replication for run in now.runs})
        return (
            f"{self.names[1]}, held against {self.names[0]}\n"
            f"scenario {now.scenario}, variants {', '.join(now.variants)}; replications: {runs}, seed {now.seed}; "
            f"digests {before.digest} and {now.digest}"
        )

    def __str__(self) -> str:
        parts = [
            self.heading(),
            "\n".join(self.refusal_lines()),
            as_text(self.finding, self.c_lines),
            f"verdict: {self.verdict.value}",
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "scenario": self.results[1].scenario,
            "seed": self.results[1].seed,
            "overrides": list(self.results[1].overrides),
            "verdict": self.verdict.value,
            "headline": headline(self.finding),
            "builds": [
                {
                    "name": name,
                    "digest": results.digest,
                    "refused": [each.to_json() for each in refusals(results)],
                    "notes": results.notes(),
                    "runs": [_run_json(run) for run in results.runs],
                }
                for name, results in zip(self.names, self.results, strict=True)
            ],
            "plugins": {name: list(hashes) for name, hashes in self.finding.plugins.items()},
            "changes": [_change_json(each) for each in in_order(self.finding)],
            "lost": [
                {"variant": each.variant, "metric": each.metric, "replications": list(each.replications)}
                for each in self.finding.lost
            ],
            "parted": {name: list(numbers) for name, numbers in self.finding.parted.items()},
            "partings": [self._parting_json(each) for each in self.finding.partings],
        }

    def _parting_json(self, parting: Parting) -> dict[str, Any]:
        return {
            "variant": parting.variant,
            "replication": parting.replication,
            "places": [self._place_json(parting, place) for place in parting.places],
        }

    def _place_json(self, parting: Parting, place: Place) -> dict[str, Any]:
        return {
            "apart": DISTANCES_NS[place.distance_ns],
            "apart_ns": place.distance_ns,
            "event_before": place.old,
            "event_now": place.new,
            "before": None if place.old is None else parting.before.text(place.old).strip(),
            "now": None if place.new is None else parting.after.text(place.new).strip(),
            "section": place.section or None,
            "c_line": self.c_lines.get(place.section),
        }

    def rows(self) -> tuple[tuple[str, ...], list[list[str]]]:
        """The table: its headings and a row for each change."""
        return COLUMNS, [change_texts(each) for each in in_order(self.finding)]


def _run_json(run: Any) -> dict[str, Any]:
    return {
        "variant": run.variant,
        "replication": run.replication,
        "metrics": run.metrics,
        "counts": run.counts,
        "digest": run.digest,
    }


def _change_json(change: Change) -> dict[str, Any]:
    tolerance, difference = change.tolerance, change.difference
    return {
        "variant": change.variant,
        "metric": change.metric,
        "verdict": change.verdict.value,
        "before": change.before,
        "now": change.after,
        "difference": difference.median,
        "relative": change.relative,
        "pairs": difference.count,
        "spread": difference.spread.value,
        "low": difference.low,
        "high": difference.high,
        "tolerance": None
        if tolerance is None
        else {"relative": tolerance.relative, "absolute": tolerance.absolute, "worse": tolerance.worse},
    }


def tolerances_of(texts: Sequence[str], metrics: Sequence[str]) -> dict[str, Tolerance]:
    """What is tolerated of which metric: "0.05" of all in WORSE_BY_UNIT's units, "delay_s=0.01:higher" of one.

    Raises ValueError, with what would be right.
    """
    relative = RELATIVE
    own: dict[str, Tolerance] = {}
    for text in texts:
        metric, equals, value = text.rpartition("=")
        share, _, worse = value.partition(":")
        try:
            number = float(share)
            if not equals and not worse:
                relative = Tolerance(number).relative
            else:
                own[metric] = Tolerance(number, _worse(metric, worse))
        except ValueError as error:
            raise ValueError(
                f"--tolerance {text}: {error}; write a share such as 0.05, or METRIC=SHARE:higher, :lower or :either"
            ) from None
    everywhere = {
        metric: Tolerance(relative, WORSE_BY_UNIT[unit])
        for metric in metrics
        if (unit := metric.rpartition("_")[2]) in WORSE_BY_UNIT
    }
    return everywhere | own


def _worse(metric: str, text: str) -> Worse:
    if not text:
        return WORSE_BY_UNIT.get(metric.rpartition("_")[2], "either")
    if text not in get_args(Worse):
        raise ValueError(f"{text!r} is no direction")
    return cast("Worse", text)


def variants_with_plugins(scenario: Scenario) -> list[str]:
    """The variants in which a plugin could stand in for another."""
    return [name for name, setup in scenario.setups.items() if any(flow.plugins for flow in setup.every_flow.values())]


def compare_builds(
    names: tuple[str, str],
    plugins: tuple[str, str],
    scenario: Scenario,
    *,
    variants: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
    jobs: int = 1,
    tolerances: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[tuple[Results, Results], Finding]:
    """Run a scenario with either of two plugins in the place of its own, and compare.

    Without `variants`, those that use a plugin. Raises as `quicsim.scenario.run.run` does, and ValueError for
    tolerances that say nothing, and where neither plugin ever ran.
    """
    chosen = variants or variants_with_plugins(scenario)
    if not chosen:
        raise ScenarioError(
            f"no variant of {scenario.name} uses a plugin that {names[0]} could stand in for; to give "
            'it a place, use the override --set \'plugins=[{name="no_op", from="client"}]\''
        )
    plans = [Plan(scenario, chosen, replications, seed, plugin) for plugin in plugins]
    before, now = run_all(plans, jobs, progress)
    if (first := refusals(before)) and (second := refusals(now)):
        both = zip(names, (first, second), strict=True)
        found = dict.fromkeys(f"{name}: {each}" for name, refused in both for each in refused)
        raise ValueError("\n".join(("neither build ever ran, so there is nothing to compare", *found)))
    metrics = list(dict.fromkeys(metric for run in (*before.runs, *now.runs) for metric in run.metrics))
    return (before, now), compare(before, now, tolerances_of(tolerances, metrics))
