"""What is kept of the runs: tables, files, digests."""

import csv
import json
from dataclasses import replace
from html import escape

import pytest

from quicsim.analysis.files import write_atomically
from quicsim.scenario.load import load
from tests.scenario import fake


@pytest.fixture
def results(monkeypatch, tmp_path):
    return load(fake.install(monkeypatch, tmp_path)).run()


def test_json_holds_every_run_and_is_json(results):
    data = json.loads(json.dumps(results.to_json(), allow_nan=False))
    assert list(data) == ["scenario", "title", "seed", "overrides", "plugin", "digest", "runs", "summary", "marks"]
    assert (data["scenario"], data["seed"], len(data["runs"])) == ("two", 1, 24)
    run = data["runs"][0]
    keys = ["variant", "replication", "metrics", "counts", "samples", "digest", "notes", "series", "refused"]
    assert list(run) == keys
    assert (run["variant"], run["metrics"]["reaction_s"], len(run["samples"]["reaction_s"])) == ("plain", 0.05, 3)
    assert data["marks"] == [
        {"variant": "plugged", "metric": "reaction_s", "value": 0.03, "tolerance": 0.1, "source": "this test"}
    ]


def test_the_digest_depends_on_every_run(results):
    seen = {results.digest}
    for index, run in enumerate(results.runs):
        changed = replace(run, digest="0" * 32)
        seen.add(replace(results, runs=(*results.runs[:index], changed, *results.runs[index + 1 :])).digest)
    seen.add(replace(results, runs=results.runs[:8]).digest)
    seen.add(replace(results, runs=results.runs[8:16]).digest)  # the same run digests, of another variant
    assert len(seen) == 3 + len(results.runs)


def test_the_summary_pairs_variants_and_knows_the_paper(results):
    rows = {(row.variant, row.metric): row for row in results.summary().rows}
    plugged = rows["plugged", "reaction_s"]
    assert plugged.within
    assert plugged.difference.median == pytest.approx(-0.0195, abs=0.0005)
    assert rows["plain", "reaction_s"].difference is None
    assert "deterministic" in str(results)
    assert "<table>" in results._repr_html_()


def test_files_hold_what_the_runs_gave(results, tmp_path):
    paths = results.save(tmp_path / "out")
    assert [path.name for path in paths] == ["result.json", "runs.csv", "samples.csv"]
    assert json.loads(paths[0].read_text())["digest"] == results.digest
    with paths[1].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert float(rows[9]["reaction_s"]) == results.runs[9].metrics["reaction_s"]
    with paths[2].open() as file:
        samples = list(csv.DictReader(file))
    assert [row["index"] for row in samples[:4]] == ["0", "1", "2", "0"]
    assert float(samples[-1]["reaction_s"]) == results.runs[-1].samples["reaction_s"][-1]
    before = {path: path.read_bytes() for path in paths}
    results.save(tmp_path / "out")
    assert {path: path.read_bytes() for path in paths} == before


def test_runs_without_samples_have_no_file_for_them(results, tmp_path):
    bare = replace(results, runs=tuple(replace(run, samples={}) for run in results.runs))
    assert [path.name for path in bare.save(tmp_path / "out")] == ["result.json", "runs.csv"]
    assert bare.plot.metrics() == ["reaction_s", "completion_s"]


def test_a_metric_is_drawn_in_the_unit_asked_for(results):
    axes = results.plot.ecdf("reaction_ms", by="variant").figure.axes[0]
    assert axes.get_xlabel() == "reaction (ms)"
    assert axes.lines[0].get_xdata()[-1] == pytest.approx(50)
    assert [text.get_text() for text in axes.texts] == ["paper, plugged: 30 ms"]
    assert len(results.plot.ecdf("reaction_s", by="replication").figure.axes[0].lines) == 8 + 1
    with pytest.raises(ValueError, match="no metric 'speed_ms'; known: reaction_s"):
        results.plot.ecdf("speed_ms")


def test_pictures_are_written_for_what_was_sampled(results, tmp_path):
    names = [path.name for path in results.plot.save(tmp_path)]
    assert names == ["ecdf_reaction_s.png", "ecdf_reaction_s.svg"]


def test_what_was_changed_is_said_wherever_results_are_shown(results):
    assert "changed" not in f"{results}{results._repr_html_()}"
    assert results.plot.ecdf("reaction_ms").figure.get_suptitle() == ""
    changed = replace(results, overrides=("requests.count=3", "seed=1"), plugin="./<o>.o")
    words = "requests.count=3; seed=1; plugin ./<o>.o in place of the variants' own"
    assert str(changed).splitlines()[:3] == [
        "Two variants",
        f"scenario two; seed 1, digest {results.digest}",
        f"changed: {words}",
    ]
    assert f"<br>changed: {escape(words)}</p>" in changed._repr_html_()
    figure = changed.plot.ecdf("reaction_ms").figure
    assert (figure.get_suptitle(), figure.axes[0].get_title()) == ("Two variants", words)


def test_results_and_records_are_shown_short(results):
    assert repr(results) == str(results)
    assert repr(results.runs[0]) == "<RunRecord plain 0: reaction_s=0.05, completion_s=0.15>"


def test_files_of_earlier_results_do_not_stay_beside_the_new(results, tmp_path):
    home = tmp_path / "out"
    home.mkdir()
    for name in ("ecdf_other_s.png", "ecdf_other_s.svg", "ecdf_mine.txt", "mine.png"):
        (home / name).write_text("earlier")
    results.plot.save(home)
    results.save(home)
    kept = {"ecdf_mine.txt", "mine.png", "result.json", "runs.csv"}
    drawn = {"ecdf_reaction_s.png", "ecdf_reaction_s.svg"}
    assert {path.name for path in home.iterdir()} == kept | drawn | {"samples.csv"}
    replace(results, runs=tuple(replace(run, samples={}, metrics={}) for run in results.runs)).save(home)
    assert {path.name for path in home.iterdir()} == kept


def test_one_sample_is_no_distribution(results, tmp_path):
    home = tmp_path / "out"
    home.mkdir()
    alone = replace(results, runs=tuple(replace(run, samples={}) for run in results.runs[::8]))
    assert [run.variant for run in alone.runs] == ["plain", "plugged", "slow"]
    assert alone.plot.save(home) == []
    assert list(home.iterdir()) == []


def test_a_figure_by_anything_else_is_refused(results):
    with pytest.raises(ValueError, match='by is \'variante\'; write "variant" or "replication"'):
        results.plot.ecdf("reaction_ms", by="variante")


def test_a_file_is_written_whole_or_not_at_all(monkeypatch, tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        write_atomically(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]
