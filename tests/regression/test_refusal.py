"""Is a plugin that never ran judged by runs without it? A refusal is an error, and comes before every number."""

from __future__ import annotations

from dataclasses import replace

import pytest

import quicsim
from quicsim.regression.outcome import as_markdown, terminal_lines
from quicsim.regression.refusal import refusals
from tests.regression.guarded import KEPT, TEST, guard, run
from tests.regression.refused import LINE, REASON, REFUSED, put_tlp
from tests.regression.test_reports import outcome

__all__ = ["guard"]

pytest_plugins = ["pytester"]

GIVEN = TEST.replace('variants=["rfc9002"]', 'plugin="plugins/tlp.o", variants=["with-tlp"]')
OWN = TEST.replace(
    '"requests.count=2"], variants=["rfc9002"]',
    """'requests.count=2', 'plugins=[{name="plugins/tlp.o", from="server", to="client"}]'], variants=["without"]""",
)
CONTAINED = GIVEN.replace('"requests.count=2"', '"requests.count=2", "hosts.client.verify=false"')


def results_of(plugin, variants=("without", "with-tlp")):
    return quicsim.scenario("fig3_tlp", ["requests.count=2"]).run(variants, 2, plugin=str(plugin))


def test_the_record_of_a_run_says_which_plugin_never_attached(tmp_path):
    refused, good = (put_tlp(tmp_path / name, is_refused=name == "bad") for name in ("bad", "good"))
    assert [run.refused for run in results_of(refused).runs] == [{}, {}, *[{"tlp": f"plugin tlp: {REASON}"}] * 2]
    assert [run.refused for run in results_of(good).runs] == [{}] * 4


def test_what_attached_and_faulted_was_not_refused(tmp_path):
    scenario = quicsim.scenario("fig3_tlp", ["requests.count=2", "hosts.client.verify=false"])
    results = scenario.run(["with-tlp"], 1, plugin=str(put_tlp(tmp_path, is_refused=True)))
    assert [run.refused for run in results.runs] == [{}]
    assert any("faulted" in note for note in results.notes())
    assert refusals(results) == ()


def test_what_ran_once_ran(tmp_path):
    results = results_of(put_tlp(tmp_path, is_refused=True), ["with-tlp"])
    [refusal] = refusals(results)
    assert str(refusal).startswith(REFUSED)
    assert refusal.to_json()["at"]["line"] == LINE
    first, *others = results.runs
    assert refusals(replace(results, runs=(replace(first, refused={}), *others))) == ()


@pytest.mark.parametrize("options", [(), ("--quicsim-update",)], ids=["check", "update"])
def test_a_refused_plugin_is_no_baseline(guard, options):
    put_tlp(guard.path / "plugins", is_refused=True)
    guard.makepyfile(test_guard=GIVEN)
    done = run(guard, *options)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"{KEPT}: {REFUSED}*", "`quicsim plugin verify`*"])
    assert not any("--quicsim-update" in line for line in done.outlines)
    assert not (guard.path / "baselines").exists()


def test_where_a_good_plugin_becomes_refused_that_comes_first(guard, monkeypatch):
    put_tlp(guard.path / "plugins", is_refused=False)
    guard.makepyfile(test_guard=GIVEN)
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    before = (guard.path / KEPT).read_bytes()
    run(guard).assert_outcomes(passed=1)
    put_tlp(guard.path / "plugins", is_refused=True)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            f"{KEPT}: {REFUSED}*; *reaction_s of with-tlp is worse by *",
            "worse *reaction_s *",
            f"note, in 2 of 2 runs: client: plugin tlp was refused: plugin tlp: {REASON}",
            "`quicsim plugin verify`*",
            f"::error file=plugins/tlp.c,line={LINE},*",
        ]
    )
    run(guard, "--quicsim-update").assert_outcomes(failed=1)
    assert (guard.path / KEPT).read_bytes() == before


@pytest.mark.parametrize(
    ("test", "said"),
    [(OWN, "client: plugin tlp was refused: *"), (CONTAINED, "client: plugin tlp faulted: *")],
    ids=["the scenario's own", "faults"],
)
def test_what_a_scenario_may_mean_passes_and_its_notes_are_shown(guard, test, said):
    put_tlp(guard.path / "plugins", is_refused=True)
    guard.makepyfile(test_guard=test)
    for options in (("--quicsim-update",), ()):
        done = run(guard, *options)
        done.assert_outcomes(passed=1)
        done.stdout.fnmatch_lines(["*= quicsim =*", f"{KEPT}: *", f"  note, in 2 of 2 runs: {said}"])


@pytest.mark.parametrize("state", ["changed", "better", "same", "written"])
def test_notes_are_in_every_report_that_is_no_failure(state):
    noted = replace(outcome(state, text="all\nN"), notes=["N"])
    assert terminal_lines([noted]).count("  N") == 1
    assert "\nN\n" in as_markdown([noted])
    assert "  N" not in terminal_lines([replace(noted, state="failed")])
