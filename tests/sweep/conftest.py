"""A small sweep, and ways to run it."""

import pyarrow.parquet as pq
import pytest

from quicsim.scenario import run as scenario_run
from quicsim.sweep.execute import Limits, LocalPool, batch_of
from quicsim.sweep.file import read
from quicsim.sweep.run import Options, run
from quicsim.sweep.work import Outcome
from quicsim.sweep.worker import make
from tests.sweep import deadly

SWEEP = """
title = "Transfers of several sizes"
scenario = "bulk_download"
replications = 3
[axes.size]
key = "transfer.size"
values = ["20kB", "40kB", "60kB", "80kB"]
[axes.delay]
key = "links.bottleneck.delay"
from = "5ms"
to = "20ms"
steps = 2
"""


@pytest.fixture
def sweep_file(tmp_path):
    path = tmp_path / "sizes.toml"
    path.write_text(SWEEP)
    return path


class Here:
    """Makes points in this process, three a batch: quick, where no worker is to misbehave."""

    def run(self, plan, points, store):
        for first in range(0, len(points), 3):
            done = make(batch_of(plan, store, tuple(points[first : first + 3])))
            yield Outcome(done.stored, done.failed, done.took_s)


class Runner:
    """Runs the sweep with a stand-in for the simulator, here or in worker processes."""

    def __init__(self, monkeypatch, path):
        self.monkeypatch = monkeypatch
        self.path = path

    def __call__(self, directory, replicate=deadly.quick, jobs=None, limits=None, **options):
        self.monkeypatch.setattr(scenario_run, "replicate", replicate)
        executor = Here() if jobs is None else LocalPool(jobs, limits or Limits(timeout_s=30.0))
        return run(read(self.path), directory, executor, Options(**options))


@pytest.fixture
def runner(monkeypatch, sweep_file):
    return Runner(monkeypatch, sweep_file)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The table of a run in which nothing goes wrong."""
    home = tmp_path_factory.mktemp("undisturbed")
    path = home / "sizes.toml"
    path.write_text(SWEEP)
    with pytest.MonkeyPatch.context() as monkeypatch:
        state = Runner(monkeypatch, path)(home / "out")
    assert (state.done, state.failed, state.left) == (24, 0, 0)
    return table(home / "out")


def table(directory):
    return pq.read_table(directory / "table.parquet")
