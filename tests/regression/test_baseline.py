"""Is what a baseline keeps what the runs gave, and is a broken file named with its place?"""

from __future__ import annotations

import json

import pytest

import quicsim
from quicsim.regression.baseline import BaselineError, baseline_of, read, with_traces, write
from quicsim.regression.parting import record


@pytest.fixture(scope="module")
def results():
    return quicsim.scenario("fig3_tlp", ["requests.count=2"]).run(["without", "with-tlp"], replications=2)


@pytest.fixture
def path(tmp_path, results):
    path = tmp_path / "deep" / "kept.json"
    write(path, with_traces(baseline_of(results), results))
    return path


def test_what_is_read_is_what_was_written(path, results):
    kept = read(path)
    assert kept.without_traces() == baseline_of(results)
    assert kept.digest == results.digest
    with_tlp = [run for run in results.runs if run.variant == "with-tlp"]
    variant = kept.variants["with-tlp"]
    assert variant.values("reaction_s") == {run.replication: run.metrics["reaction_s"] for run in with_tlp}
    assert variant.values("packets_sent") == {run.replication: run.counts["packets_sent"] for run in with_tlp}
    assert variant.digests == [run.digest for run in with_tlp]
    assert list(variant.plugins) == ["tlp"]
    assert kept.variants["without"].plugins == {}


def test_the_kept_traces_are_the_runs_own(path, results):
    for name, variant in read(path).variants.items():
        for replication in range(2):
            _data, recording = record(results, name, replication)
            kept = variant.recording(replication)
            assert (kept.components, kept.records) == (recording.components, recording.records)


def test_of_long_traces_the_beginning_is_kept(results, monkeypatch):
    traces = [record(results, "with-tlp", replication)[1].records for replication in range(2)]
    first, second = map(len, traces)
    for room, kept in ((10, [10]), (first, [first]), (first + 1, [first, 1]), (first + second + 1, [first, second])):
        monkeypatch.setattr("quicsim.regression.baseline.TRACE_RECORDS", room)
        variant = with_traces(baseline_of(results), results).variants["with-tlp"]
        recordings = [variant.recording(replication) for replication in range(len(variant.traces))]
        assert [len(each.records) for each in recordings] == kept
        for each, trace in zip(recordings, traces, strict=False):
            assert each.records == trace[: len(each.records)]
            assert each.is_whole is (len(each.records) == len(trace))


def test_the_file_reads_line_by_line(path, results):
    lines = path.read_text().splitlines()
    reactions = json.dumps([run.metrics["reaction_s"] for run in results.runs if run.variant == "without"])
    assert f'    "reaction_s": {reactions}' in [line.rstrip(",") for line in lines]
    assert json.loads(path.read_text())["scenario"] == "fig3_tlp"


def test_equal_runs_give_equal_files(path, tmp_path):
    again = quicsim.scenario("fig3_tlp", ["requests.count=2"]).run(["without", "with-tlp"], replications=2, jobs=1)
    write(tmp_path / "again.json", with_traces(baseline_of(again), again))
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def damaged(change):
    def damage(text):
        document = json.loads(text)
        change(document)
        return json.dumps(document)

    return damage


BROKEN = [  # how the file is broken, what the message says
    (lambda text: text[:40], "line 3 is not JSON"),
    (lambda text: "<<<<<<< HEAD\n" + text, "git left a conflict"),
    (lambda text: "[]", "the whole: "),
    (damaged(lambda kept: kept.update(format=99)), "format 99"),
    (damaged(lambda kept: kept.pop("seed")), "seed: "),
    (damaged(lambda kept: kept.update(more=1)), "more: "),
    (damaged(lambda kept: kept["variants"]["without"]["metrics"]["reaction_s"].append(1.0)), "reaction_s has 3 values"),
    (damaged(lambda kept: kept["variants"]["without"].update(digests=["xyz", "00"])), "variants.without.digests.0: "),
    (damaged(lambda kept: kept["variants"]["without"]["metrics"].update(reaction_s=["1", "2"])), "reaction_s.0"),
]


@pytest.mark.parametrize(("damage", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_a_broken_file_is_named_with_the_place(path, damage, said):
    path.write_text(damage(path.read_text()))
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert said in str(caught.value)


def test_a_directory_in_its_place_is_named(tmp_path):
    with pytest.raises(BaselineError, match="cannot be read"):
        read(tmp_path)


def test_where_nothing_can_be_written_that_is_said_and_nothing_left(tmp_path, results):
    (tmp_path / "file").write_text("")
    with pytest.raises(BaselineError, match="cannot be written"):
        write(tmp_path / "file" / "kept.json", baseline_of(results))
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_another_configuration_has_another_hash_and_another_place_has_not(tmp_path, results):
    from quicsim import locate

    def kept(overrides=(), plugin=None, seed=None):
        scenario = quicsim.scenario("fig3_tlp", ["requests.count=2", *overrides])
        return baseline_of(scenario.run(["with-tlp"], 1, seed, plugin=plugin)).variants["with-tlp"].configuration

    own = kept()
    assert own == baseline_of(results).variants["with-tlp"].configuration
    assert kept(["links.access.delay=6ms"]) != own
    assert kept(["links.access.delay=5ms"]) == own
    assert kept(seed=7) == own  # the seed is kept apart
    copy = tmp_path / "renamed.o"
    copy.write_bytes((locate.plugin("tlp") / "tlp.o").read_bytes())
    assert kept(plugin=str(copy)) == own
    assert kept(plugin="no_op") != own
