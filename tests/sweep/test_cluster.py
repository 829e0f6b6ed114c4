"""Does a Dask cluster that loses workers, and gains others, give the table of an undisturbed run?"""

import os
import signal
import socket

import dask
import pytest
from distributed import LocalCluster

from quicsim.scenario import run as scenario_run
from quicsim.sweep import cluster as sweep_cluster
from quicsim.sweep.cluster import DaskCluster
from quicsim.sweep.execute import Limits
from quicsim.sweep.file import SweepError, read
from quicsim.sweep.run import Options, run
from tests.sweep import deadly
from tests.sweep.conftest import table

POINTS = 24

pytestmark = [
    pytest.mark.long,
    # Killed workers leave sockets and processes to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def dask_cluster():
    """Two workers in processes of their own; one that says nothing for 3 s is given up."""
    settings = {
        "distributed.scheduler.worker-ttl": "3s",
        "distributed.scheduler.allowed-failures": 1,
        "distributed.comm.timeouts.connect": "5s",
        "distributed.worker.multiprocessing-method": "forkserver",
    }
    with dask.config.set(settings):
        cluster = LocalCluster(2, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
        try:
            yield cluster
        finally:
            for worker in cluster.workers.values():
                if worker.process is not None and worker.process.pid:
                    os.kill(worker.process.pid, signal.SIGCONT)
            cluster.close(timeout=10)


def made(sweep_file, home, dask_cluster, monkeypatch, replicate, progress=None, limits=None):
    monkeypatch.setattr(scenario_run, "replicate", replicate)
    executor = DaskCluster(dask_cluster.scheduler_address, limits or Limits(timeout_s=60.0))
    return run(read(sweep_file), home, executor, Options(progress=progress))


def test_one_worker_killed_one_stopped_and_one_that_comes_late(
    sweep_file, tmp_path, dask_cluster, monkeypatch, undisturbed
):
    acts = iter([(3, "kill"), (6, "join"), (8, "stop")])
    due = [next(acts)]
    done = []

    def progress(state):
        if due[0] is None or state.done < due[0][0]:
            return
        act = due[0][1]
        first, second = list(dask_cluster.workers.values())[:2]
        if act == "kill":
            os.kill(first.process.pid, signal.SIGKILL)
        elif act == "join":
            dask_cluster.scale(3)
        else:
            os.kill(second.process.pid, signal.SIGSTOP)
        done.append(act)
        due[0] = next(acts, None)

    state = made(sweep_file, tmp_path / "out", dask_cluster, monkeypatch, deadly.slow, progress)
    assert done == ["kill", "join", "stop"]
    assert (state.done, state.failed) == (POINTS, 0)
    assert table(tmp_path / "out").equals(undisturbed)


def test_a_point_that_kills_its_workers_is_found_and_set_aside(
    sweep_file, tmp_path, dask_cluster, monkeypatch, undisturbed
):
    limits = Limits(retries=0)
    state = made(sweep_file, tmp_path / "out", dask_cluster, monkeypatch, deadly.killed, limits=limits)
    assert (state.done, state.failed) == (POINTS - 2, 2)
    assert set(state.failures) == {"each Dask worker that it was tried on died"}
    rows = table(tmp_path / "out").to_pylist()
    assert [row for row in rows if row["status"] == "done"] == [
        row
        for row in undisturbed.to_pylist()
        if (row["config.transfer.size_bytes"], row["replication"]) != (deadly.BAD, 1)
    ]


def test_a_point_that_hangs_is_given_up(sweep_file, tmp_path, dask_cluster, monkeypatch):
    limits = Limits(timeout_s=2.0, retries=0)
    state = made(sweep_file, tmp_path / "out", dask_cluster, monkeypatch, deadly.hangs, limits=limits)
    assert (state.done, state.failed) == (POINTS - 2, 2)
    assert set(state.failures) == {"took longer than 2 s"}


def test_workers_with_another_simulator_are_refused(sweep_file, tmp_path, dask_cluster, monkeypatch):
    monkeypatch.setattr(sweep_cluster, "batch_of", _of_another(sweep_cluster.batch_of))
    with pytest.raises(scenario_run.SimulationFailed, match=r"has quicsim .*, and this is another; install one ever"):
        made(sweep_file, tmp_path / "out", dask_cluster, monkeypatch, deadly.quick)


def _of_another(batch_of):
    from dataclasses import replace

    return lambda *arguments: replace(batch_of(*arguments), simulator="another")


def test_where_no_scheduler_is_that_is_said(sweep_file, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
            pytest.raises(SweepError, match=f"there is no Dask scheduler at {address}"),
        ):
            run(read(sweep_file), tmp_path / "out", DaskCluster(address, Limits()))
