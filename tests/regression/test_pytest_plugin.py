"""What does somebody see who guards a plugin with pytest? Whole pytest runs in directories of their own."""

from __future__ import annotations

import json

import pytest

from quicsim.regression.guard import file_name

pytest_plugins = ["pytester"]

TEST = """
from quicsim.regression import Tolerance

def test_reaction(scenario, baseline):
    results = scenario("fig3_tlp", ["requests.count=2"], variants=["without"], replications=2)
    baseline.check(results, {"reaction_s": Tolerance(0.02, worse="higher")})
"""
KEPT = "baselines/test_guard/test_reaction.json"


@pytest.fixture
def guard(pytester):
    """A directory with one test, and a call of pytest in it."""
    pytester.makepyfile(test_guard=TEST)
    return pytester


def run(guard, *options):
    return guard.runpytest_inprocess("-p", "no:cacheprovider", *options)


def change(guard, path=KEPT, **values):
    """Let a baseline say that metrics of the variant were others; without values, that its trace was."""
    file = guard.path / path
    document = json.loads(file.read_text())
    variant = document["variants"]["without"]
    for metric, factor in values.items():
        variant["metrics"][metric] = [value * factor for value in variant["metrics"][metric]]
    variant["digests"] = ["00" * 16 for _ in variant["digests"]]
    file.write_text(json.dumps(document))


def test_a_missing_baseline_fails_with_the_command_that_makes_it(guard):
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"{KEPT}: there is no such baseline; make it with", "*--quicsim-update", "*commit*"])
    (command,) = [line.strip() for line in done.outlines if line.strip().startswith("pytest ")]
    assert run(guard, *command.split()[1:]).ret == 0
    assert run(guard).ret == 0


def test_an_update_writes_only_what_says_something_else(guard):
    run(guard, "--quicsim-update")
    file = guard.path / KEPT
    before = file.stat().st_mtime_ns, file.read_bytes()
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    assert (file.stat().st_mtime_ns, file.read_bytes()) == before
    change(guard, reaction_s=0.5)
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    assert file.read_bytes() == before[1]


def test_a_worse_metric_fails_with_before_after_and_the_difference(guard):
    run(guard, "--quicsim-update")
    change(guard, reaction_s=0.8)
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        ["*worse: without: reaction_s 40.00 ms -> 50.00 ms, *+10.000 ms, +25 %*at most 2 % higher"]
    )
    done.stdout.fnmatch_lines(["*--quicsim-update"])


def test_what_is_better_or_within_its_tolerance_passes(guard):
    run(guard, "--quicsim-update")
    change(guard, reaction_s=1.5)
    run(guard).assert_outcomes(passed=1)
    run(guard, "--quicsim-update")
    change(guard, reaction_s=0.99)
    run(guard).assert_outcomes(passed=1)


@pytest.mark.parametrize(("mode", "failed"), [("strict", 1), ("warn", 0), ("off", 0)])
def test_another_digest_is_what_the_option_says(guard, mode, failed):
    run(guard, "--quicsim-update")
    change(guard)
    run(guard, f"--quicsim-digest={mode}").assert_outcomes(failed=failed, passed=1 - failed)


def test_seeds_stand_in_for_replications(guard):
    run(guard, "--quicsim-update", "--quicsim-seeds=3")
    kept = json.loads((guard.path / KEPT).read_text())
    assert len(kept["variants"]["without"]["digests"]) == 3
    run(guard).assert_outcomes(passed=1)
    run(guard, "--quicsim-seeds=1").assert_outcomes(passed=1)
    done = run(guard, "--quicsim-seeds=4")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*3 replications of variant 'without', and 4 were run*"])


@pytest.mark.parametrize("seeds", ["0", "-1", "many", "1.5"])
def test_no_number_of_seeds_is_refused(guard, seeds):
    done = run(guard, f"--quicsim-seeds={seeds}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*--quicsim-seeds*{seeds}*give 1 or more*"])


OTHERS = [  # what is changed in the test, what the message says
    ('"fig3_tlp", ["requests.count=2"]', '"nagle", ["variants.without.messages.count=2"]', "scenario was 'fig3_tlp'"),
    ("requests.count=2", "requests.count=3", "overrides were ['requests.count=2'] and are ['requests.count=3']"),
    ("replications=2", "replications=2, seed=9", "seed was 1 and is 9"),
    ('["without"]', '["rfc9002"]', "variants was ['without'] and is ['rfc9002']"),
    ('["without"]', '["without", "rfc9002"]', "variants was ['without'] and is ['without', 'rfc9002']"),
]


@pytest.mark.parametrize(("was", "becomes", "said"), OTHERS, ids=[said for _, _, said in OTHERS])
def test_a_baseline_of_something_else_is_said_to_be_one(guard, was, becomes, said):
    run(guard, "--quicsim-update")
    changed = TEST.replace(was, becomes).replace("reaction_s", "delay_s" if "nagle" in becomes else "reaction_s")
    assert changed != TEST
    guard.makepyfile(test_guard=changed)
    done = run(guard)
    done.assert_outcomes(failed=1)
    assert said in done.stdout.str()
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    run(guard).assert_outcomes(passed=1)


def test_a_scenario_file_that_was_changed_is_another_configuration(guard):
    from quicsim import locate

    text = locate.scenario("fig3_tlp").read_text()
    (guard.path / "mine.toml").write_text(text)
    guard.makepyfile(test_guard=TEST.replace('"fig3_tlp"', '"mine.toml"'))
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    (guard.path / "mine.toml").write_text(text.replace("# given", "# a comment"))
    run(guard).assert_outcomes(passed=1)
    (guard.path / "mine.toml").write_text(text.replace('delay = "5ms"', 'delay = "7ms"'))
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*configuration of variant 'without' is another one*"])


def test_a_broken_baseline_is_named_with_the_command_that_makes_it_anew(guard):
    run(guard, "--quicsim-update")
    (guard.path / KEPT).write_text("{")
    done = run(guard)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"*{KEPT}, line 1: not JSON*", "*--quicsim-update"])
    run(guard, "--quicsim-update").assert_outcomes(passed=1)
    run(guard).assert_outcomes(passed=1)


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
