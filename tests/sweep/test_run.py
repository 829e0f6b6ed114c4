"""Does a sweep that was broken off, split or repeated give the table of an undisturbed one, and run nothing twice?"""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from quicsim import locate
from quicsim.analysis.files import write_atomically
from quicsim.cli import app
from quicsim.sweep import run as sweep_run
from quicsim.sweep import store as sweep_store
from quicsim.sweep.file import SweepError
from quicsim.sweep.identity import point_key
from quicsim.sweep.parts import schemas, write_part
from quicsim.sweep.run import Shard, merge, stored, write_tidy
from quicsim.sweep.store import Store
from quicsim.sweep.table import tidy
from tests.sweep import deadly
from tests.sweep.conftest import table

POINTS = 24


def merged(home, sources):
    store, plan, _ = stored(home)
    for source in sources:
        merge(store, source)
    store.compact()
    write_tidy(store, plan, mixed=False)
    return table(home)


@pytest.mark.parametrize("jobs", [1, 2])
def test_worker_processes_give_the_same_table(runner, tmp_path, undisturbed, jobs):
    runner(tmp_path / "out", jobs=jobs)
    assert table(tmp_path / "out").equals(undisturbed)


def test_a_finished_sweep_runs_nothing_again(runner, tmp_path):
    runner(tmp_path / "out")
    before = (tmp_path / "out" / "table.parquet").read_bytes()
    states = []
    runner(tmp_path / "out", deadly.never, progress=states.append)
    assert [(state.done, state.failed) for state in states] == [(POINTS, 0)]
    assert (tmp_path / "out" / "table.parquet").read_bytes() == before


@pytest.mark.parametrize("together", [False, True], ids=["apart", "in one directory"])
def test_three_shards_make_the_whole(runner, tmp_path, undisturbed, together):
    homes = [tmp_path / ("out" if together else f"out{number}") for number in (1, 2, 3)]
    for number, home in enumerate(homes, start=1):
        state = runner(home, shard=Shard.parse(f"{number}/3"), cache=False)
        assert (state.total, state.done) == (POINTS // 3, POINTS // 3)
    assert merged(homes[0], [] if together else homes[1:]).equals(undisturbed)


def test_shards_bring_their_failed_points(runner, tmp_path):
    runner(tmp_path / "whole", deadly.fails, cache=False)
    homes = [tmp_path / f"out{number}" for number in (1, 2)]
    for number, home in enumerate(homes, start=1):
        runner(home, deadly.fails, shard=Shard(number, 2), cache=False)
    whole = table(tmp_path / "whole")
    assert whole["status"].to_pylist().count("failed") == 2
    assert merged(homes[0], homes[1:]).equals(whole)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", ""])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(SweepError, match="write K/N with K from 1 to N"):
        Shard.parse(text)


def test_results_of_a_sweep_beside_are_taken(runner, tmp_path, undisturbed):
    runner(tmp_path / "first")
    state = runner(tmp_path / "second", deadly.never)
    assert (state.cached, state.done, state.failed) == (POINTS, POINTS, 0)
    assert table(tmp_path / "second").equals(undisturbed)
    assert runner(tmp_path / "third", cache=False).cached == 0


def test_another_sweep_takes_what_it_shares(runner, tmp_path, sweep_file):
    runner(tmp_path / "first")
    text = sweep_file.read_text().replace('["20kB", "40kB", "60kB", "80kB"]', '["60kB", "100kB"]')
    sweep_file.write_text(text.replace("replications = 3", "replications = 4"))
    state = runner(tmp_path / "second")
    assert (state.total, state.cached) == (16, 6), "60 kB, two delays, three replications"


def test_a_store_of_another_plan_is_refused(runner, tmp_path, sweep_file):
    runner(tmp_path / "out")
    sweep_file.write_text(sweep_file.read_text().replace("80kB", "90kB"))
    with pytest.raises(SweepError, match=r"out holds the results of another plan \(Transfers of several sizes"):
        runner(tmp_path / "out")


def test_a_sweep_said_otherwise_is_the_same_plan(runner, tmp_path, sweep_file):
    runner(tmp_path / "out")
    text = sweep_file.read_text().replace("Transfers", "Downloads").replace('from = "5ms"', 'from = "5000us"')
    sweep_file.write_text(text)
    state = runner(tmp_path / "out", deadly.never)
    assert (state.done, state.failed) == (POINTS, 0)


def test_another_simulator_is_refused_unless_versions_may_mix(runner, tmp_path):
    runner(tmp_path / "out", shard=Shard(1, 2))
    manifest = tmp_path / "out" / "sweep.json"
    said = json.loads(manifest.read_text())
    current = said["simulators"][0]
    # As if an older simulator had made it all.
    old = "0.0.9+0123456789abcdef"
    for path in sorted((tmp_path / "out" / "parts").iterdir()):
        rows = pq.read_table(path)
        path.unlink()
        changed = rows.set_column(3, "simulator", [[old] * len(rows)])
        rows = changed.set_column(0, "key", [[f"old-{key}" for key in rows["key"].to_pylist()]])
        write_part(tmp_path / "out", {"parts": rows.cast(schemas()["parts"])})
    manifest.write_text(json.dumps({**said, "simulators": [old]}))
    with pytest.raises(SweepError, match=r"was made by quicsim 0\.0\.9\+\w+, and this is .*: give another --output"):
        runner(tmp_path / "out")
    state = runner(tmp_path / "out", mix_versions=True)
    assert (state.done, state.left) == (POINTS, 0)
    made_by = table(tmp_path / "out")["simulator"].to_pylist()
    assert sorted(made_by) == sorted([old] * (POINTS // 2) + [current] * (POINTS // 2))
    assert runner(tmp_path / "out", deadly.never, mix_versions=True).failed == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "another's"])
def test_a_damaged_part_is_named_and_its_points_run_again(runner, tmp_path, undisturbed, damage):
    runner(tmp_path / "out")
    part = sorted((tmp_path / "out" / "parts").iterdir())[0]
    content = part.read_bytes()
    place = len(content) // 3
    part.write_bytes(
        {
            "cut": content[:-40],
            "flipped": content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :],
            "emptied": b"",
            "another's": (tmp_path / "out" / "plan.parquet").read_bytes(),
        }[damage]
    )
    (tmp_path / "out" / "table.parquet").unlink()
    told = []
    state = runner(tmp_path / "out", on_corrupt=lambda path, why: told.append((path, why)))
    assert (state.done, state.left) == (POINTS, 0)
    [(aside, why)] = told
    assert aside == tmp_path / "out" / "corrupt" / f"parts-{part.name}"
    assert aside.exists()
    assert why
    assert table(tmp_path / "out").equals(undisturbed)


def test_what_a_killed_run_left_half_written_is_swept_up(runner, tmp_path, undisturbed):
    runner(tmp_path / "out")
    left = tmp_path / "out" / "parts" / ".0123.parquet.abcd"
    left.write_bytes(b"half")
    runner(tmp_path / "out")
    assert not left.exists()
    assert table(tmp_path / "out").equals(undisturbed)


def test_compaction_keeps_every_row(runner, tmp_path, undisturbed):
    runner(tmp_path / "out")
    store = Store(tmp_path / "out")
    assert len(store.parts()) > 2
    assert store.compact() == 1
    runner(tmp_path / "out", deadly.never)
    assert table(tmp_path / "out").equals(undisturbed)


def test_a_compaction_killed_halfway_loses_and_doubles_nothing(runner, tmp_path, undisturbed, monkeypatch):
    runner(tmp_path / "out")
    store = Store(tmp_path / "out")
    unlink, calls = Path.unlink, []

    def dies(self, missing_ok=False):
        calls.append(self)
        if len(calls) > 4:
            raise KeyboardInterrupt
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", dies)
    with pytest.raises(KeyboardInterrupt):
        store.compact()
    monkeypatch.undo()
    assert runner(tmp_path / "out", deadly.never).failed == 0
    assert table(tmp_path / "out").equals(undisturbed)
    assert store.compact() == 1
    assert runner(tmp_path / "out", deadly.never).failed == 0
    assert table(tmp_path / "out").equals(undisturbed)


def test_who_reads_while_another_compacts_misses_no_row(runner, tmp_path, monkeypatch):
    runner(tmp_path / "out")
    reader, other = Store(tmp_path / "out"), Store(tmp_path / "out")
    parts = reader.parts()
    looks = []

    def look():
        looks.append(other.parts())
        if len(looks) == 1:
            other.compact()
        return looks[-1]

    monkeypatch.setattr(reader, "parts", look)
    assert len({key for table in reader.rows() for key in table["key"].to_pylist()}) == POINTS
    assert len(looks[0]) == len(parts) > len(other.parts()) == 1


def test_who_comes_while_another_is_alone_waits_and_holds_the_store_then(runner, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="a system without such locks")
    runner(tmp_path / "out")
    store, held = Store(tmp_path / "out"), []
    asks, flock = Event(), fcntl.flock

    def asked(file, how):
        asks.set()
        flock(file, how)

    def share():
        with store.locked(alone=False) as is_held:
            held.append(is_held)

    with store.locked(alone=True) as alone:
        assert alone
        monkeypatch.setattr(fcntl, "flock", asked)
        other = Thread(target=share)
        other.start()
        assert asks.wait(30)
    other.join(30)
    assert held == [True]


def test_what_is_being_written_is_swept_up_by_nobody(runner, tmp_path, monkeypatch):
    pytest.importorskip("fcntl", reason="a system without such locks")
    written = {}

    def write(path, content):
        with Store(tmp_path / "out").locked(alone=True) as alone:
            written[path.name] = alone
        write_atomically(path, content)

    for module in (sweep_run, sweep_store):
        monkeypatch.setattr(module, "write_atomically", write)
    runner(tmp_path / "out")
    assert written == {"plan.parquet": False, "sweep.json": False, "table.parquet": False}


@pytest.mark.parametrize("wrong", [["--jobs", "0"], ["--pilots", "-1"]])
def test_an_estimate_for_nobody_is_refused(sweep_file, wrong):
    done = CliRunner().invoke(app, ["sweep", "plan", str(sweep_file), *wrong])
    assert done.exit_code == 2
    assert "give 1 job or more, and 0 pilots or more" in done.stderr


def test_shards_of_mixed_versions_are_merged_whole(runner, tmp_path):
    homes = [tmp_path / f"out{number}" for number in (1, 2)]
    for number, home in enumerate(homes, start=1):
        runner(home, shard=Shard(number, 2), cache=False)
        made_by_another(home, "0.0.9+0")
        runner(home, deadly.never, shard=Shard(number, 2), cache=False, mix_versions=True)
    store, plan, _ = stored(homes[0])
    assert merge(store, homes[1]) == POINTS // 2
    write_tidy(store, plan, mixed=True)
    assert set(table(homes[0])["simulator"].to_pylist()) == {"0.0.9+0"}
    assert len(table(homes[0])) == POINTS


def made_by_another(home, version):
    """Let a store be one that another version of quicsim made."""
    store = Store(home)
    for path, rows in zip(store.parts(), list(store.rows()), strict=True):
        asked = zip(rows["configuration"].to_pylist(), rows["replication"].to_pylist(), strict=True)
        new = {
            "key": [point_key(*row, version) for row in asked],
            "simulator": [version] * len(rows),
        }
        for name, values in new.items():
            rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values))
        path.unlink()
        write_part(home, {"parts": rows})
    manifest = json.loads((home / "sweep.json").read_text())
    (home / "sweep.json").write_text(json.dumps({**manifest, "simulators": [version]}))


def test_compacting_names_a_damaged_part_and_keeps_the_rest(runner, tmp_path, undisturbed):
    runner(tmp_path / "out")
    part = Store(tmp_path / "out").parts()[0]
    lost = pq.read_metadata(part).num_rows
    part.write_bytes(part.read_bytes()[:-40])
    done = CliRunner().invoke(app, ["sweep", "compact", str(tmp_path / "out"), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["left"]) == (0, lost)
    assert f"corrupt/parts-{part.name}" in done.stderr
    assert runner(tmp_path / "out").left == 0
    assert table(tmp_path / "out").equals(undisturbed)


def test_a_store_of_damaged_parts_only_can_be_looked_at(runner, tmp_path):
    runner(tmp_path / "out")
    store = Store(tmp_path / "out")
    for part in store.parts():
        part.write_bytes(b"")
    assert store.compact() == len(store.parts())
    _, plan, _ = stored(tmp_path / "out")
    assert len(tidy(store, plan)) == 0


@pytest.mark.parametrize("wrong", [["--timeout", "0"], ["--jobs", "0"], ["--memory", "much"]])
def test_a_retry_that_is_refused_forgives_nothing(runner, tmp_path, sweep_file, wrong):
    runner(tmp_path / "out", deadly.fails)
    before = Store(tmp_path / "out").failures()
    done = CliRunner().invoke(app, ["sweep", "retry", str(sweep_file), "--output", str(tmp_path / "out"), *wrong])
    assert done.exit_code == 2
    assert len(before) == 2
    assert Store(tmp_path / "out").failures() == before


@pytest.mark.parametrize(("ask", "blocked"), [("compact", ".lock"), ("report", "report.html")])
def test_where_a_command_cannot_write_that_is_one_message(runner, tmp_path, ask, blocked):
    runner(tmp_path / "out")
    (tmp_path / "out" / blocked).unlink(missing_ok=True)
    (tmp_path / "out" / blocked).mkdir()
    done = CliRunner().invoke(app, ["sweep", ask, str(tmp_path / "out")])
    assert done.exit_code == 2
    assert f"{tmp_path / 'out'}: Is a directory; what is stored stays" in done.stderr


def test_series_and_samples_lie_beside_where_asked_for(runner, tmp_path, sweep_file):
    runner(tmp_path / "without")
    assert {path.name for path in (tmp_path / "without").iterdir() if path.is_dir()} == {"parts", "failed"}
    sweep_file.write_text('keep = ["series", "samples"]\n' + sweep_file.read_text())
    state = runner(tmp_path / "with")
    assert state.cached == 0, "what the other kept is not enough"
    [series, samples] = (pq.read_table(tmp_path / "with" / kind) for kind in ("series", "samples"))
    rows = {row["key"]: row for row in table(tmp_path / "with").to_pylist()}
    assert len(series) == 2 * POINTS
    assert len(samples) == POINTS
    assert all(row["value"] == rows[row["key"]]["completion_s"] for row in samples.to_pylist())
    store = Store(tmp_path / "with")
    assert store.compact() == 1
    assert len(pq.read_table(tmp_path / "with" / "series")) == 2 * POINTS
    assert runner(tmp_path / "copy", deadly.never).cached == POINTS
    assert len(pq.read_table(tmp_path / "copy" / "series")) == 2 * POINTS


def test_two_results_of_one_point_that_differ_are_an_error(runner, tmp_path):
    runner(tmp_path / "out")
    part = sorted((tmp_path / "out" / "parts").iterdir())[0]
    rows = pq.read_table(part)
    other = rows.set_column(4, "digest", [["other"] * len(rows)])
    write_part(tmp_path / "out", {"parts": other.cast(schemas()["parts"])})
    with pytest.raises(SweepError, match=r"point \w+ has two results that differ, digests .* the simulator was"):
        runner(tmp_path / "out")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda home: home.write_text(""), "out is no directory; give another --output"),
        (lambda home: (home.mkdir(), (home / "sweep.json").write_text("{")), "is no manifest of a sweep"),
        (lambda home: (home.mkdir(), (home / "sweep.json").write_text('{"format": 0}')), "another version of quicsim"),
    ],
)
def test_what_is_no_store_is_refused_and_left_alone(runner, tmp_path, spoil, message):
    spoil(tmp_path / "out")
    with pytest.raises(SweepError, match=message):
        runner(tmp_path / "out")
    assert not (tmp_path / "out" / "parts").exists()


def test_a_directory_that_cannot_be_written_is_refused(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write everywhere
    with pytest.raises(SweepError, match="cannot be written; give another --output"):
        runner(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("call", range(1, 9))
def test_a_full_disk_ends_the_run_whole_and_it_goes_on_later(runner, tmp_path, undisturbed, monkeypatch, call):
    """At any file that is written: plan, manifest, parts, a failed point, the table."""
    calls = []
    fsync = os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) >= call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SweepError, match="out: No space left on device; "):
            runner(tmp_path / "out")
    assert [path for path in tmp_path.rglob(".*") if path.name != ".lock"] == [], "nothing is half-written"
    assert runner(tmp_path / "out").done == POINTS
    assert table(tmp_path / "out").equals(undisturbed)


def test_a_scenario_that_changes_under_the_sweep_is_noticed(runner, tmp_path, sweep_file):
    scenario = tmp_path / "download.toml"
    scenario.write_text(locate.scenario("bulk_download").read_text())
    sweep_file.write_text(sweep_file.read_text().replace('"bulk_download"', '"./download.toml"'))

    def progress(state):
        scenario.write_text(scenario.read_text().replace('rate = "10Mbps"', 'rate = "11Mbps"'))

    state = runner(tmp_path / "out", progress=progress)
    assert state.failed == POINTS
    assert all("has changed since the sweep was planned" in reason for reason in state.failures)
    with pytest.raises(SweepError, match="another plan"):
        runner(tmp_path / "out")


def command(*arguments):
    return [sys.executable, "-m", "quicsim", "sweep", *map(str, arguments)]


SWEEP = Path(__file__).parents[2] / "scenarios" / "sweeps" / "tlp_wsp.toml"


@pytest.mark.long
def test_by_command_shards_and_a_deadly_point_leave_the_other_rows_as_they_are(tmp_path):
    sweep = tmp_path / "tlp_wsp.toml"
    sweep.write_text(SWEEP.read_text().replace("replications = 9", "replications = 1"))
    homes = {name: tmp_path / name / "out" for name in ("whole", "one", "two", "three", "deadly")}
    subprocess.run(command("run", sweep, "--output", homes["whole"]), check=True)
    for number, name in enumerate(("one", "two", "three"), start=1):
        subprocess.run(command("run", sweep, "--output", homes[name], "--shard", f"{number}/3"), check=True)
    more = [part for name in ("two", "three") for part in ("--from", homes[name])]
    subprocess.run(command("compact", homes["one"], *more), check=True)
    whole, shards = (pq.read_table(homes[name] / "table.parquet") for name in ("whole", "one"))
    assert len(whole) == 278
    assert shards.equals(whole)

    deadly = [sys.executable, "-m", "tests.sweep.deadly", *command("run", sweep, "--output", homes["deadly"])[3:]]
    ended = subprocess.run(deadly, check=False, capture_output=True, text=True, cwd=SWEEP.parents[2])
    assert ended.returncode == 1
    assert "failed, 1: its worker was killed by SIGKILL, 2 times" in ended.stdout
    rows = pq.read_table(homes["deadly"] / "table.parquet").to_pylist()
    [failed] = [row for row in rows if row["status"] == "failed"]
    place = rows.index(failed)
    assert [*rows[:place], *rows[place + 1 :]] == [row for n, row in enumerate(whole.to_pylist()) if n != place]
    assert failed["key"] == whole["key"][place].as_py()


@pytest.mark.long
def test_killed_at_twenty_random_moments_and_resumed_it_is_the_same_row_for_row(tmp_path):
    """A store that is whole before the last kill, on a fast machine, is compared, and another begun."""
    chance = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    undisturbed = tmp_path / "a" / "undisturbed"
    subprocess.run(command("run", SWEEP, "--output", undisturbed), check=True)
    theirs = pq.read_table(undisturbed / "table.parquet")
    assert len(theirs) == len(list(stored(undisturbed)[1].points())) == 2502
    assert set(theirs["status"].to_pylist()) == {"done"}
    stores = [tmp_path / "0" / "disturbed"]
    kills = 0
    while kills < 20:
        run = subprocess.Popen(command("run", SWEEP, "--output", stores[-1], "--json"), start_new_session=True)
        time.sleep(chance.uniform(0.2, 4.0))
        if run.poll() is not None:
            assert run.returncode == 0
            stores.append(tmp_path / str(len(stores)) / "disturbed")
            continue
        if chance.random() < 0.5:
            os.killpg(run.pid, signal.SIGKILL)  # everything, as the kernel or a batch system does
        else:
            run.kill()  # the driver only: its workers must notice
        run.wait()
        kills += 1
    subprocess.run(command("run", SWEEP, "--output", stores[-1]), check=True)
    for home in stores:
        assert pq.read_table(home / "table.parquet").equals(theirs)
