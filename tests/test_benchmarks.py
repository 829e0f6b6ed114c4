"""Do the benchmarks measure what they say? Not how fast: only the counts, the ratios, the refusals."""

import json
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import many, nspy, quic, sweep
from benchmarks.measure import Contestant, Fact, Measurement, Target, judge, measure
from benchmarks.three_hops import PACKET_HOPS


def contestant(name, log):
    return Contestant(name, "units", lambda: lambda: log.append(name) or 10)


def test_contestants_take_turns_after_a_round_that_is_not_counted():
    log = []
    measurements = measure([contestant("a", log), contestant("b", log)], rounds=5)
    assert log == ["a", "b"] * 6
    assert [len(measurement.per_second) for measurement in measurements] == [5, 5]


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    measurements = [
        Measurement(contestant("fast", []), (4.0, 40.0, 9.0)),
        Measurement(contestant("slow", []), (2.0, 10.0, 3.0)),
    ]
    targets = [Target("fast", "slow", 3.0), Target("fast", "slow", 3.5), Target("fast", "absent", 1.0)]
    assert [(verdict.measured, verdict.met) for verdict in judge(measurements, targets)] == [(3.0, True), (3.0, False)]


def test_a_target_may_be_units_a_second():
    measurements = [Measurement(contestant("fast", []), (4.0, 40.0, 9.0))]
    targets = [Target("fast", None, 9.0), Target("fast", None, 9.1), Target("absent", None, 0.0)]
    assert [(verdict.measured, verdict.met) for verdict in judge(measurements, targets)] == [(9.0, True), (9.0, False)]


@pytest.mark.parametrize("module", command.SUBJECTS.values(), ids=command.SUBJECTS)
def test_every_contestant_does_the_work_that_it_counts(module, monkeypatch):
    if module is nspy:
        pytest.importorskip("ns")
    if module is sweep:
        monkeypatch.setattr(sweep, "POINTS", 8)
        monkeypatch.setattr(sweep, "SIZE", "20kB")
    for each in module.CONTESTANTS:
        units = each.prepare()()
        assert units > 0
        if module is quic:  # the handshake, headers and limits take packets of their own
            assert PACKET_HOPS < units < 1.1 * PACKET_HOPS
        elif module is many:  # 1,200 bytes or less a datagram, handshakes and acknowledgements apart
            assert units > 20_000_000 / 1_200
        elif each.unit == "packet-hops":
            assert units == PACKET_HOPS


def test_targets_name_contestants():
    names = {each.name for module in command.SUBJECTS.values() for each in module.CONTESTANTS}
    for module in command.SUBJECTS.values():
        assert {name for target in module.TARGETS for name in (target.contestant, target.against)} <= names | {None}


def test_json_holds_figures_and_verdicts(monkeypatch, capsys):
    class Subject:
        CONTESTANTS = (contestant("a", []), contestant("b", []))
        TARGETS = (Target("a", "b", 0.0), Target("a", "b", 1e9))
        FACTS = (Fact("size", "bytes", lambda: 7.0),)

    monkeypatch.setattr(command, "SUBJECTS", {"one": Subject})
    assert command.main(["one", "--json"]) == 1
    written = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in written["measurements"]] == ["a", "b"]
    assert [each["met"] for each in written["targets"]] == [True, False]
    assert written["facts"] == [{"name": "size", "unit": "bytes", "measured": 7}]


def test_without_nspy_one_line_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ns.port.port", None)
    assert command.main(["nspy"]) == 2
    assert capsys.readouterr().err == (
        "ns.py is not installed; install quicsim's extra: pip install 'quicsim[benchmarks]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"), [(["warp"], "no subject 'warp'"), (["--repeat", "3"], "give 5 or more")]
)
def test_what_makes_no_sense_is_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert message in capsys.readouterr().err
