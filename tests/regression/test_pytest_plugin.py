"""What does somebody see who guards a plugin with pytest? Whole pytest runs in directories of their own."""

from __future__ import annotations

import json

import pytest

from quicsim import locate
from quicsim.regression.guard import file_name
from tests.regression.guarded import FARTHER, HARDLY, KEPT, NEARER, TEST, as_if, guard, run

__all__ = ["guard"]

pytest_plugins = ["pytester"]


def test_a_missing_baseline_fails_with_the_command_that_makes_it(guard):
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"{KEPT}: there is no such baseline", "make it with", "*--quicsim-update", "*commit*"])
    (command,) = {line.strip() for line in done.outlines if line.strip().startswith("pytest ")}  # in CI it comes twice
    assert run(guard, *command.split()[1:]).ret == 0
    assert run(guard).ret == 0


def test_an_update_writes_only_what_says_something_else(guard):
    run(guard, "--quicsim-update")
    file = guard.path / KEPT
    before = file.stat().st_mtime_ns, file.read_bytes()
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    assert (file.stat().st_mtime_ns, file.read_bytes()) == before
    as_if(guard, NEARER)
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    assert file.read_bytes() == before[1]


def test_an_update_mends_a_trace_that_is_not_its_run_s(guard):
    run(guard, "--quicsim-update")
    file = guard.path / KEPT
    before = file.read_bytes()
    kept = json.loads(before)
    kept["variants"]["rfc9002"]["traces"].reverse()
    file.write_text(json.dumps(kept))
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    assert file.read_bytes() == before


def test_a_worse_metric_fails_with_before_after_and_the_difference(guard):
    own, other = as_if(guard, NEARER)
    done = run(guard)
    done.assert_outcomes(failed=1)
    was, is_ = (each["variants"]["rfc9002"]["metrics"]["reaction_s"] for each in (other, own))
    more = sum(new - old for old, new in zip(was, is_, strict=True)) / 2 * 1000
    share = more / (sum(was) / 2 * 1000)
    done.stdout.fnmatch_lines(
        [
            f"{KEPT}: reaction_s of rfc9002 is worse by +{more:.3f} ms, +{share * 100:.3g} %",
            f"worse *rfc9002 *reaction_s *-> *{more:.3f} ms*in 2 pairs*at most 2 % higher",
            "changed *rfc9002 *completion_s *",
        ]
    )
    done.stdout.fnmatch_lines(["*--quicsim-update"])


def test_the_first_event_at_which_the_traces_part_is_shown_before_and_now(guard):
    as_if(guard, NEARER)
    lines = run(guard).outlines
    at = lines.index("  at all, from event 2 on:")
    assert lines[at - 1] == "the traces of rfc9002 part in replications 0, 1; of replication 0"
    before, now = lines[at + 1].split(), lines[at + 2].split()
    assert (before[0], now[0]) == ("before", "now")
    assert before[4:8] == now[4:8] == ["quic:packet_received", "space=initial", "number=0", "size_bytes=1200"]
    assert float(now[1]) - float(before[1]) == pytest.approx(1)  # the way is 1 ms longer, the jitter the same
    assert any(text.startswith("frames=[CryptoFrame(") for text in now)


def test_what_is_better_or_within_its_tolerance_passes(guard):
    as_if(guard, FARTHER)
    run(guard).assert_outcomes(passed=1)
    as_if(guard, HARDLY)
    run(guard).assert_outcomes(passed=1)


@pytest.mark.parametrize(("mode", "failed"), [("strict", 1), ("warn", 0), ("off", 0)])
def test_another_digest_is_what_the_option_says(guard, mode, failed):
    as_if(guard, HARDLY)
    done = run(guard, f"--quicsim-digest={mode}")
    done.assert_outcomes(failed=failed, passed=1 - failed)
    if failed:
        done.stdout.fnmatch_lines([f"{KEPT}: the traces of rfc9002 are other ones", "within *", "*from event * on*"])


def test_without_a_kept_trace_that_is_said(guard):
    _own, other = as_if(guard, NEARER)
    other["variants"]["rfc9002"]["traces"] = []
    (guard.path / KEPT).write_text(json.dumps(other))
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["the traces of rfc9002 part in replications 0, 1, of which no trace was kept"])


def test_behind_the_last_event_that_was_kept_that_is_said(guard, monkeypatch):
    monkeypatch.setattr("quicsim.regression.baseline.TRACE_RECORDS", 1)
    as_if(guard, NEARER)
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        ["  behind event 1, the last that was kept; `quicsim compare`*", "    now *server *packet_received *number=0 *"]
    )


def test_a_kept_trace_that_is_not_its_run_s_is_said_to_be_none(guard):
    _own, other = as_if(guard, NEARER)
    other["variants"]["rfc9002"]["traces"].reverse()
    (guard.path / KEPT).write_text(json.dumps(other))
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"{KEPT}: the trace of replication 0 is not the one of its digest*"])


@pytest.mark.long
def test_tlp_made_worse_fails_with_metric_size_and_event_and_made_equal_again_passes(guard):
    """The 1.5 round trips after which a single packet is probed for become 3."""
    pytest.importorskip("ziglang", reason="the compiler comes with the extra `build`")
    source = (locate.plugin("tlp") / "tlp.c").read_text()
    worse = source.replace("smoothed_rtt_ns * 3 / 2", "smoothed_rtt_ns * 3")
    assert worse != source
    plugin = guard.path / "plugins/tlp.c"
    plugin.parent.mkdir()
    plugin.write_text(source)
    guard.makepyfile(test_guard=TEST.replace('variants=["rfc9002"]', 'plugin="plugins/tlp.c", variants=["with-tlp"]'))
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    run(guard, "--quicsim-digest=strict").assert_outcomes(passed=1)
    plugin.write_text(worse)
    done = run(guard)
    done.assert_outcomes(failed=1)
    line = 1 + next(n for n, text in enumerate(source.splitlines()) if text.startswith('SEC("replace/SetTimer")'))
    done.stdout.fnmatch_lines(
        [
            f"{KEPT}: reaction_s of with-tlp is worse by +15.* ms, +* %",
            "worse *with-tlp *reaction_s *30.* ms -> 45.* ms *at most 2 % higher",
            "  at all, from event * on:",
            "    before *quicsim:plugin_offered *size_bytes=*",
            f'  by 1 us or more, from event * on, last program SEC("replace/SetTimer") at plugins/tlp.c:{line}:',
            "    before *client *quicsim:plugin_called *anchor=replace/SetTimer result=*ms",
            "    now *client *quicsim:plugin_called *anchor=replace/SetTimer result=*ms*",
            "plugin tlp is another one: *",
        ]
    )
    plugin.write_text(source)
    run(guard, "--quicsim-digest=strict").assert_outcomes(passed=1)


def test_seeds_stand_in_for_replications(guard):
    run(guard, "--quicsim-update", "--quicsim-seeds=3")
    kept = json.loads((guard.path / KEPT).read_text())
    assert len(kept["variants"]["rfc9002"]["digests"]) == 3
    run(guard).assert_outcomes(passed=1)
    run(guard, "--quicsim-seeds=1").assert_outcomes(passed=1)
    done = run(guard, "--quicsim-seeds=4")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*3 replications of variant 'rfc9002', and 4 were run*"])


@pytest.mark.parametrize("seeds", ["0", "-1", "many", "1.5"])
def test_no_number_of_seeds_is_refused(guard, seeds):
    done = run(guard, f"--quicsim-seeds={seeds}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*--quicsim-seeds*{seeds}*give 1 or more*"])


OTHERS = [  # what is changed in the test, what the message says
    ('"fig3_tlp"', '"mine.toml"', "scenario was 'fig3_tlp' and is 'mine'"),
    ("requests.count=2", "requests.count=3", "overrides were ['requests.count=2'] and are ['requests.count=3']"),
    ("replications=2", "replications=2, seed=9", "seed was 1 and is 9"),
    ('["rfc9002"]', '["without"]', "variants was ['rfc9002'] and is ['without']"),
    ('["rfc9002"]', '["without", "rfc9002"]', "variants was ['rfc9002'] and is ['without', 'rfc9002']"),
]


@pytest.mark.parametrize(("was", "becomes", "said"), OTHERS, ids=[said for _, _, said in OTHERS])
def test_a_baseline_of_something_else_is_said_to_be_one(guard, was, becomes, said):
    run(guard, "--quicsim-update")
    (guard.path / "mine.toml").write_text(locate.scenario("fig3_tlp").read_text())
    changed = TEST.replace(was, becomes)
    assert changed != TEST
    guard.makepyfile(test_guard=changed)
    done = run(guard)
    done.assert_outcomes(failed=1)
    assert said in done.stdout.str()
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    run(guard).assert_outcomes(passed=1)


def test_a_scenario_file_that_was_changed_is_another_configuration(guard):
    text = locate.scenario("fig3_tlp").read_text()
    (guard.path / "mine.toml").write_text(text)
    guard.makepyfile(test_guard=TEST.replace('"fig3_tlp"', '"mine.toml"'))
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    (guard.path / "mine.toml").write_text(text.replace("# given", "# a comment"))
    run(guard).assert_outcomes(passed=1)
    (guard.path / "mine.toml").write_text(text.replace('delay = "5ms"', 'delay = "7ms"'))
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*configuration of variant 'rfc9002' is another one*"])


WITHOUT_ONE = "from dataclasses import replace\n" + TEST.replace(
    "    baseline.check(results,",
    """    first, second = results.runs
    second = replace(second, metrics={"completion_s": second.metrics["completion_s"]})
    baseline.check(replace(results, runs=(first, second)),""",
)


def test_a_run_that_does_not_measure_any_more_what_a_tolerance_is_for_fails(guard):
    run(guard, "--quicsim-update")
    guard.makepyfile(test_guard=WITHOUT_ONE)
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"{KEPT}: reaction_s of rfc9002 was measured in replications 1, and is not any more"])
    guard.makepyfile(test_guard=WITHOUT_ONE.replace('"reaction_s"', '"completion_s"'))
    run(guard).assert_outcomes(passed=1)


def test_a_broken_baseline_is_named_with_the_command_that_makes_it_anew(guard):
    run(guard, "--quicsim-update")
    (guard.path / KEPT).write_text("{")
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"{KEPT}: line 1 is not JSON*", "*--quicsim-update"])
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    run(guard).assert_outcomes(passed=1)


def test_where_no_baseline_can_be_written_the_file_is_named(guard):
    (guard.path / "baselines").write_text("")
    done = run(guard, "--quicsim-update")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*baselines/test_guard/test_reaction.json cannot be written: *"])
    assert (guard.path / "baselines").read_text() == ""


WRONG = [  # what the test says wrongly, what is said of it
    ('{"reaction_s": Tolerance(0.02, worse="higher")}', '{"reaction": Tolerance()}', "*did you mean 'reaction_s'*"),
    ('{"reaction_s": Tolerance(0.02, worse="higher")}', "{}", "*nothing that could fail*"),
    ("Tolerance(0.02", "Tolerance(-1", "*relative is -1*"),
    ('"fig3_tlp"', '"fig33"', "*no scenario 'fig33'*"),
    ("replications=2", 'plugin="tlp.c"', "*tlp.c: there is no such file*"),
]


@pytest.mark.parametrize(("was", "becomes", "said"), WRONG, ids=[said for _, _, said in WRONG])
def test_what_a_test_says_wrongly_is_named(guard, was, becomes, said):
    guard.makepyfile(test_guard=TEST.replace(was, becomes))
    done = run(guard, "--quicsim-update")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([said])
    assert not (guard.path / "baselines").exists()


def test_two_checks_of_a_test_need_names(guard):
    twice = TEST + "    baseline.check(results, {'reaction_s': Tolerance()}{more})\n"
    guard.makepyfile(test_guard=twice.replace("{more}", ""))
    done = run(guard, "--quicsim-update")
    done.stdout.fnmatch_lines(["*give this check a name of its own*"])
    guard.makepyfile(test_guard=twice.replace("{more}", ", name='again'"))
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    assert (guard.path / "baselines/test_guard/test_reaction.again.json").is_file()


NAMES = [  # a test's names, a check's, the file's
    (["test_a"], "", "test_a"),
    (["test_a"], "more", "test_a.more"),
    (["TestOf", "test_a"], "", "TestOf.test_a"),
    (["test_a[x-1]"], "", "test_a.x-1"),
]


@pytest.mark.parametrize(("names", "check", "file"), NAMES)
def test_a_baseline_is_named_after_its_test(names, check, file):
    assert file_name(names, check) == file


def test_names_that_no_file_may_have_stay_apart():
    names = [file_name([f"test_a[{each}]"]) for each in ("a/b", "a:b", "a b", "../b", "ä", "x" * 300, "x" * 301, "a-b")]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and "/" not in name and len(name) < 120 for name in names)


@pytest.mark.long
def test_several_processes_write_and_check_the_same_baselines(guard):
    more = "import pytest\n" + TEST.replace("def test", "@pytest.mark.parametrize('n', range(6))\ndef test").replace(
        "(scenario", "(n, scenario"
    )
    guard.makepyfile(test_guard=more)
    guard.runpytest_subprocess("-n", "2", "--quicsim-update").assert_outcomes(passed=6)
    assert len(list((guard.path / "baselines/test_guard").iterdir())) == 6
    guard.runpytest_subprocess("-n", "2").assert_outcomes(passed=6)
    run(guard).assert_outcomes(passed=6)
