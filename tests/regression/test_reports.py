"""What do a CI service and a terminal show? JUnit properties, a Markdown summary, annotations, a word at the end."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from quicsim.regression.outcome import Outcome, annotation, as_markdown, terminal_lines
from tests.regression.guarded import HARDLY, KEPT, NEARER, TEST, as_if, guard, run

__all__ = ["guard"]

pytest_plugins = ["pytester"]

ROW = ["worse", "v", "m_s", "1 s -> 2 s", "+1 s, +100 % (one pair)", "at most 2 % higher"]


def outcome(state="failed", headline="m_s is worse", text="all\nof it", file="plugins/x.c", line=7, test="t.py::t"):
    return Outcome(test, "baselines/t/t.json", state, headline, text, file, line, [ROW])


def test_an_annotation_names_the_line_and_keeps_its_line_breaks():
    assert annotation(outcome()) == (
        "::error file=plugins/x.c,line=7,title=quicsim::t.py::t: m_s is worse%0Aall%0Aof it"
    )
    assert annotation(outcome("changed")).startswith("::warning file=")
    assert annotation(outcome(headline="50 %", file="a,b:c.c")) == (
        "::error file=a%2Cb%3Ac.c,line=7,title=quicsim::t.py::t: 50 %25%0Aall%0Aof it"
    )
    assert [annotation(outcome(state)) for state in ("same", "better", "written")] == [None] * 3


def test_the_markdown_has_a_row_a_metric_and_the_text_of_what_failed():
    text = as_markdown([outcome(), outcome("same", test="u.py::u[a|b]", text="quiet")])
    assert "2 checks, 1 failed" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[1] == "| t.py::t | " + " | ".join(ROW) + " |"
    assert rows[2].startswith("| u.py::u[a\\|b] | ")
    assert "~~~text\nall\nof it\n~~~" in text
    assert "quiet" not in text


def test_the_terminal_hears_of_what_did_not_fail():
    lines = terminal_lines([outcome(state, state) for state in ("failed", "changed", "better", "same", "written")])
    said = [line for line in lines if not line.startswith("  ")]
    assert said == [f"baselines/t/t.json: {state}" for state in ("changed", "better", "written")]


def test_junit_has_the_numbers_of_every_tolerance(guard):
    own, other = as_if(guard, NEARER)
    run(guard, "--junit-xml=junit.xml")
    properties = {
        each.get("name"): each.get("value")
        for each in ElementTree.parse(guard.path / "junit.xml").iterfind(".//testcase/properties/property")
    }
    was, is_ = (sum(each["variants"]["rfc9002"]["metrics"]["reaction_s"]) / 2 for each in (other, own))
    assert properties.keys() == {
        "quicsim.baseline",
        "quicsim.state",
        *(f"quicsim.rfc9002.reaction_s.{each}" for each in ("before", "now", "verdict")),
    }
    assert float(properties["quicsim.rfc9002.reaction_s.before"]) == pytest.approx(was)
    assert float(properties["quicsim.rfc9002.reaction_s.now"]) == pytest.approx(is_)
    assert (properties["quicsim.state"], properties["quicsim.rfc9002.reaction_s.verdict"]) == ("failed", "worse")


def test_the_summary_goes_to_the_file_and_is_added_to_github_s(guard, monkeypatch):
    step = guard.path / "step.md"
    step.write_text("of another step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    as_if(guard, NEARER)
    step.write_text("of another step\n")
    run(guard, "--quicsim-summary=deep/summary.md")
    summary = (guard.path / "deep/summary.md").read_text()
    assert step.read_text() == "of another step\n" + summary
    assert "1 checks, 1 failed" in summary
    assert "| test_guard.py::test_reaction | worse | rfc9002 | reaction_s |" in summary
    assert "from event 2 on" in summary


def test_a_summary_that_cannot_be_written_is_said(guard):
    run(guard, "--quicsim-update")
    (guard.path / "file").write_text("")
    done = run(guard, "--quicsim-summary=file/summary.md")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*the summary cannot be written*"])


@pytest.mark.parametrize("on_github", [True, False])
def test_annotations_are_for_github(guard, monkeypatch, on_github):
    as_if(guard, NEARER)
    monkeypatch.setenv("GITHUB_ACTIONS", str(on_github).lower())
    lines = [line for line in run(guard).outlines if line.startswith("::")]
    assert len(lines) == on_github
    for line in lines:  # no plugin in this variant, so the test is where to look
        assert line.startswith(
            "::error file=test_guard.py,line=3,title=quicsim::test_guard.py::test_reaction: reaction_s"
        )


def test_another_digest_within_the_tolerances_is_told_at_the_end(guard, monkeypatch):
    as_if(guard, HARDLY)
    done = run(guard)
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*= quicsim =*", f"{KEPT}: the traces of rfc9002 are other ones", "*from event * on*"])
    assert "= quicsim =" not in run(guard, "--quicsim-digest=off").stdout.str()


def test_what_was_written_is_told_with_what_that_accepts(guard):
    run(guard, "--quicsim-update").stdout.fnmatch_lines([f"{KEPT}: written; commit the file"])
    assert "= quicsim =" not in run(guard, "--quicsim-update").stdout.str()
    as_if(guard, NEARER)
    run(guard, "--quicsim-update").stdout.fnmatch_lines(
        [f"{KEPT}: written (reaction_s of rfc9002 is worse by +* ms, +* %); commit the file"]
    )
    (guard.path / "test_guard.py").write_text(TEST.replace("requests.count=2", "requests.count=3"))
    run(guard, "--quicsim-update").stdout.fnmatch_lines([f"{KEPT}: written (it is of something else: *); commit *"])


def test_a_check_that_fails_in_a_fixture_is_reported_once(guard):
    guard.makeconftest(
        """
        import pytest
        from quicsim.regression import Tolerance

        @pytest.fixture
        def results(scenario, baseline):
            results = scenario("fig3_tlp", ["requests.count=2"], variants=["rfc9002"], replications=1)
            baseline.check(results, {"reaction_s": Tolerance(0.02, worse="higher")})
        """
    )
    guard.makepyfile(test_guard="def test_reaction(results): pass")
    done = run(guard, "--quicsim-summary=summary.md")
    done.assert_outcomes(errors=1)
    assert "1 checks, 1 failed" in (guard.path / "summary.md").read_text()
    run(guard, "--quicsim-update")
    run(guard, "--quicsim-summary=summary.md").assert_outcomes(passed=1)
    assert "1 checks, 0 failed" in (guard.path / "summary.md").read_text()


@pytest.mark.long
def test_outcomes_of_several_processes_reach_the_one_that_reports(guard, monkeypatch):
    as_if(guard, NEARER)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = guard.runpytest_subprocess("-n", "2", "--quicsim-summary=summary.md", "--junit-xml=junit.xml")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["::error file=test_guard.py,line=3,*"])
    assert "1 checks, 1 failed" in (guard.path / "summary.md").read_text()
    assert "quicsim.rfc9002.reaction_s.before" in (guard.path / "junit.xml").read_text()
