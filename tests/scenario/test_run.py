"""Do runs come in order, the same ones with any number of workers, and fail with a name?"""

import subprocess
import sys

import pytest

from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load
from quicsim.scenario.run import Plan, SimulationFailed, run_all, trace
from tests.scenario import fake


@pytest.fixture
def path(monkeypatch, tmp_path):
    return fake.install(monkeypatch, tmp_path)


def test_records_come_by_variant_and_number(path):
    done = []
    results = load(path).run(progress=lambda *args: done.append(args))
    expected = [(variant, number) for variant in ("plain", "plugged", "slow") for number in range(8)]
    assert [(run.variant, run.replication) for run in results.runs] == expected
    assert done == [(number, 24) for number in range(1, 25)]


def test_variants_are_paired_and_run_in_the_scenario_s_order(path):
    results = load(path).run(variants=["slow", "plugged", "slow"], replications=2)
    assert results.variants == ("plugged", "slow")
    digests = {run.replication: run.digest for run in results.runs[:2]}
    assert all(digests[run.replication] == run.digest for run in results.runs)
    assert [mark.variant for mark in results.marks] == ["plugged"]
    assert load(path).run(variants=["slow"], replications=2).marks == ()


def test_workers_change_nothing(path):
    alone = load(path).run(seed=7)
    assert load(path).run(seed=7, jobs=2) == alone
    assert load(path).run(seed=8).digest != alone.digest


def test_a_plugin_stands_in(path, tmp_path):
    other = tmp_path / "other.o"
    other.write_bytes(b"")
    assert load(path).run(plugin=str(other), replications=1).plugin == str(other)


def test_the_paper_s_marks_are_of_its_own_plugins(path, tmp_path):
    text = path.read_text()
    plain = text[text.index("[[paper.marks]]") :].replace('"plugged"', '"plain"')
    path.write_text(text + plain)
    (tmp_path / "other.o").write_bytes(b"")

    def marked(plugin):
        return [mark.variant for mark in load(path).run(plugin=plugin, replications=1).marks]

    assert marked(None) == marked(str(tmp_path / "some.o")) == ["plugged", "plain"]
    assert marked(str(tmp_path / "other.o")) == ["plain"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_names_the_run(path, jobs):
    with pytest.raises(SimulationFailed) as caught:
        load(path, ["variants.plugged.time_limit=1ns"]).run(seed=5, jobs=jobs)
    assert str(caught.value) == "two: variant plugged, replication 0, seed 5: MisbehaviourError: as asked"


def test_a_worker_that_dies_is_reported(path):
    with pytest.raises(SimulationFailed, match="a worker process died"):
        load(path, ["variants.slow.time_limit=2ns"]).run(jobs=2)


def run_script(directory, *lines):
    script = directory / "script.py"
    script.write_text("\n".join(("import quicsim", "scenario = quicsim.scenario('bulk_download')", *lines)))
    return subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)


def test_a_script_whose_workers_would_start_it_again_is_told_what_to_do(tmp_path):
    done = run_script(tmp_path, "scenario.run(replications=2, jobs=2)")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert 'put the call under `if __name__ == "__main__":`, or use one job' in last
    assert done.stderr.count("Traceback") == 1
    assert "bootstrapping" not in done.stderr


def test_a_script_that_guards_its_call_has_workers(tmp_path):
    done = run_script(tmp_path, "if __name__ == '__main__':", "    print(len(scenario.run(None, 2, jobs=2).runs))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replications": 0}, "replications is 0; give 1 or more"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"jobs": 0}, "jobs is 0; give 1 or more"),
        ({"variants": "plain"}, r"variants is 'plain'; give a list, for instance \['plain'\]"),
        ({"variants": ["plian"]}, 'did you mean "plain"'),
        ({"plugin": "no/such.o"}, "there is no plugin object no/such.o"),
    ],
)
def test_what_cannot_be_asked_for_is_said_before_anything_runs(path, arguments, message):
    with pytest.raises(ScenarioError, match=message):
        load(path, ["time_limit=1ns"]).run(**arguments)


def test_a_trace_hands_on_every_event(path):
    events = []
    record = trace(load(path), "plugged", 3, events.append)
    assert [event.qlog_name for event in events] == ["quic:packet_sent", "quicsim:plugin_called"]
    assert record == load(path).run().runs[8 + 3]
    with pytest.raises(ScenarioError, match="counted from 0"):
        trace(load(path), "plain", -1, events.append)


class Sent:
    """Observes how often something was sent, and when last."""

    def __init__(self):
        self.times = []

    def __call__(self, event):
        if type(event).__name__ == "PacketSent":
            self.times.append(event.time_ns)

    def metrics(self):
        return {"sent_packets": float(len(self.times)), "last_s": self.times[-1] / 1e9}


@pytest.mark.parametrize("jobs", [1, 2])
def test_plans_run_together_as_they_do_alone(path, jobs):
    scenario, other = load(path), load(path, ["requests.count=5"])
    plans = [
        Plan(scenario, ["slow"], 2),
        Plan(other, seed=7, replications=3),
        Plan(scenario, ["plain"], 1, observer=Sent),
    ]
    done = []
    slow, five, observed = run_all(plans, jobs, lambda *args: done.append(args))
    assert slow == scenario.run(["slow"], 2)
    assert five == other.run(seed=7, replications=3)
    assert done == [(number, 12) for number in range(1, 13)]
    [alone] = scenario.run(["plain"], 1).runs
    assert observed.runs[0].metrics == alone.metrics | {"sent_packets": 1.0, "last_s": 0.001234567}
    assert observed.runs[0].digest == alone.digest
