"""Is a build worse that lets a metric go missing? Fewer downloads that end are no better mean of those that do."""

from __future__ import annotations

from dataclasses import replace

import pytest

import quicsim
from quicsim.regression.builds import Comparison
from quicsim.regression.check import compare
from quicsim.regression.tolerance import Tolerance, Verdict

TOLERANCES = {"reaction_s": Tolerance(0.02, "higher")}


@pytest.fixture(scope="module")
def results():
    return quicsim.scenario("fig3_tlp", ["requests.count=2"]).run(["rfc9002"], 3)


def without(results, metric, replications):
    runs = [
        replace(run, metrics={name: value for name, value in run.metrics.items() if name != metric})
        if run.replication in replications
        else run
        for run in results.runs
    ]
    return replace(results, runs=tuple(runs))


@pytest.mark.parametrize("gone", [(1,), (0, 1, 2)])
def test_what_is_not_measured_any_more_is_worse(results, gone):
    now = without(results, "reaction_s", gone)
    finding = compare(results, now, TOLERANCES)
    comparison = Comparison(("a", "b"), (results, now), finding, {})
    assert [(each.metric, each.replications) for each in finding.lost] == [("reaction_s", gone)]
    assert (finding.failed, comparison.is_worse, comparison.verdict) == (True, True, Verdict.WORSE)
    assert f"measured in replications {', '.join(map(str, gone))}, and is not any more" in str(comparison)
    assert comparison.to_json()["lost"] == [{"variant": "rfc9002", "metric": "reaction_s", "replications": list(gone)}]


def test_what_is_measured_for_the_first_time_is_not_worse(results):
    finding = compare(without(results, "reaction_s", (1,)), results, TOLERANCES)
    assert (finding.lost, finding.failed) == ((), False)


def test_what_no_tolerance_names_may_go(results):
    assert not compare(results, without(results, "completion_s", (1,)), TOLERANCES).failed
