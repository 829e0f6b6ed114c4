"""Does a worker that dies, hangs or runs out of memory lose only its own point?"""

import os
import signal
import threading
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.scenario import run as scenario_run
from quicsim.scenario.run import SimulationFailed
from quicsim.sweep.execute import Limits, LocalPool
from quicsim.sweep.file import SweepError, read
from quicsim.sweep.run import run, stored
from quicsim.sweep.work import next_size
from tests.sweep import deadly
from tests.sweep.conftest import table

POINTS = 24
AWAY = "its worker {}, 2 times"


@pytest.mark.parametrize(
    ("replicate", "limits", "reason"),
    [
        (deadly.killed, Limits(), AWAY.format("was killed by SIGKILL")),
        (deadly.leaves, Limits(), AWAY.format("ended with exit code 3")),
        (deadly.greedy, Limits(), AWAY.format("ran out of memory")),
        (deadly.hangs, Limits(timeout_s=3.0, retries=0), "its worker took longer than 3 s"),
        (deadly.stops, Limits(timeout_s=3.0, retries=0), "its worker took longer than 3 s"),
        (deadly.killed, Limits(retries=0), "its worker was killed by SIGKILL"),
    ],
    ids=["killed", "leaves", "greedy", "hangs", "stopped", "no second try"],
)
def test_only_its_own_point_is_lost(runner, tmp_path, undisturbed, replicate, limits, reason):
    state = runner(tmp_path / "out", replicate, jobs=2, limits=limits)
    assert (state.done, state.failed, set(state.failures)) == (POINTS - 2, 2, {reason}), "one point for each delay"
    for row, other in zip(table(tmp_path / "out").to_pylist(), undisturbed.to_pylist(), strict=True):
        if (row["config.transfer.size_bytes"], row["replication"]) == (deadly.BAD, 1):
            assert (row["status"], row["reason"], row["completion_s"], row["digest"]) == ("failed", reason, None, None)
            assert row["key"] == other["key"]
        else:
            assert row == other


def test_a_second_try_may_succeed(runner, tmp_path):
    state = runner(tmp_path / "out", partial(deadly.once, tmp_path / "once"), jobs=1)
    assert (state.done, state.failed, (tmp_path / "once").exists()) == (POINTS, 0, True)


def test_points_set_aside_stay_so_until_they_are_forgiven(runner, tmp_path):
    runner(tmp_path / "out", deadly.killed, jobs=1, limits=Limits(retries=0))
    assert runner(tmp_path / "out", deadly.quick).failed == 2, "a resumed run does not try them"
    store, _, _ = stored(tmp_path / "out")
    store.forgive(store.failures())
    again = runner(tmp_path / "out", deadly.quick)
    assert (again.done, again.failed) == (POINTS, 0)


def test_a_point_that_comes_to_no_result_is_set_aside_at_once(sweep_file, tmp_path):
    text = sweep_file.read_text().replace("[axes.size]", '[set]\ntime_limit = "100ms"\n[axes.size]')
    sweep_file.write_text(text)
    state = run(read(sweep_file), tmp_path / "out", LocalPool(1, Limits()))
    assert 0 < state.failed < POINTS
    assert state.done + state.failed == POINTS
    assert all("the application had not finished after time_limit = 0.1 s" in reason for reason in state.failures)


def test_an_interrupt_keeps_what_is_done(runner, tmp_path):
    class InterruptedHereError(Exception):
        """What an interrupt of the driver does to it."""

    def progress(state):
        if state.done >= 5:
            raise InterruptedHereError

    with pytest.raises(InterruptedHereError):
        runner(tmp_path / "out", deadly.slow, jobs=2, progress=progress)
    states = []
    end = runner(tmp_path / "out", deadly.quick, progress=states.append)
    assert 5 <= states[0].done < POINTS
    assert end.done == POINTS


def test_a_store_that_takes_nothing_ends_the_run_and_says_so(runner, tmp_path):
    def progress(state):
        if state.done:
            home = tmp_path / "out" / "parts"
            if home.is_dir():
                home.rename(tmp_path / "away")
                home.write_text("in the way")

    with pytest.raises(SweepError, match=r"out: .*; what is stored stays, and a later run goes on from there"):
        runner(tmp_path / "out", jobs=1, progress=progress)


def test_workers_that_never_come_to_work_are_given_up(runner, tmp_path, monkeypatch):
    monkeypatch.setattr("quicsim.sweep.execute.run_worker", os._exit)
    with pytest.raises(SimulationFailed, match="no worker process comes to work"):
        runner(tmp_path / "out", jobs=1)


def test_no_jobs_are_refused():
    with pytest.raises(SweepError, match="jobs is 0; give 1 or more"):
        LocalPool(0, Limits())


@given(
    st.none() | st.floats(1e-7, 1e4),
    st.integers(1, 500),
    st.integers(0, 100_000),
    st.integers(1, 64),
)
def test_a_batch_is_about_a_second_of_work(per_point_s, last, left, workers):
    size = next_size(per_point_s, last, left, workers)
    assert 1 <= size <= max(1, min(4 * last, left // (2 * workers)))
    if size > 1:
        assert size * per_point_s <= 1.0


def test_batches_grow_to_a_second_of_work():
    sizes = [1]
    for _ in range(5):
        sizes.append(next_size(0.05, sizes[-1], 10_000, 2))
    assert sizes == [1, 4, 16, 20, 20, 20]


def test_a_worker_killed_from_outside_costs_nothing(runner, tmp_path, monkeypatch):
    """Whoever else is on the machine: the kernel that is out of memory, or an impatient person."""
    processes = []
    monkeypatch.setattr("quicsim.sweep.execute._started", _spied("quicsim.sweep.execute._started", processes))
    kills = iter([True])

    def progress(state):
        if state.done >= 3 and next(kills, False):
            os.kill(processes[-1].pid, signal.SIGKILL)

    state = runner(tmp_path / "out", deadly.slow, jobs=2, progress=progress)
    assert (state.done, state.failed) == (POINTS, 0)
    assert len(processes) >= 3, "others came in the place of those that were killed"


def _spied(name, processes):
    from quicsim.sweep import execute

    start = getattr(execute, name.rpartition(".")[2])

    def started(memory_bytes):
        worker = start(memory_bytes)
        processes.append(worker.process)
        return worker

    return started


def test_nobody_is_left_behind(runner, tmp_path, monkeypatch):
    processes = []
    monkeypatch.setattr("quicsim.sweep.execute._started", _spied("quicsim.sweep.execute._started", processes))
    before = threading.active_count()
    runner(tmp_path / "out", jobs=2)
    assert processes
    assert not any(process.is_alive() for process in processes)
    assert threading.active_count() == before


def test_the_simulator_is_the_one_that_is_meant():
    assert scenario_run.replicate.__module__ == "quicsim.scenario.run"
