"""Do claims, sweeps and jitter say what the runs say?"""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.analysis.metrics import View
from quicsim.reproduce.curves import largest_gap, paper_curves, quantile_bands
from quicsim.reproduce.reproduction import Claim, Findings
from quicsim.reproduce.studies import Jitter, Point, Sweep, claims_of_marks, first_replications, medians, values
from quicsim.results import Results, RunRecord
from quicsim.scenario.schema import PaperMark

VIEW = View("completion_s", 1.0, "s")


def results(series, marks=()):
    """Results of runs whose metric these are, by variant."""
    runs = [
        RunRecord(variant, number, {} if value is None else {"completion_s": value}, {}, {}, f"{variant}{number}")
        for variant, found in series.items()
        for number, value in enumerate(found)
    ]
    return Results("made", "Made up", 1, (), None, tuple(runs), tuple(marks))


def claim(ours, paper=10.0, tolerance=0.1, **more):
    return Claim("completion", "with", "median", VIEW, ours, paper, tolerance, "here", **more)


@pytest.mark.parametrize(
    ("made", "within", "above"),
    [
        (claim(11.0), True, None),
        (claim(11.01), False, None),
        (claim(8.99), False, None),
        (claim(-9.5, -10.0), True, None),
        (claim(-26.0, -25.0, 2.0, absolute=True), True, None),
        (claim(-27.5, -25.0, 2.0, absolute=True), False, None),
        (claim(10.0, effect=True, jitter=(9.0, 12.0)), True, True),
        (claim(10.0, effect=True, jitter=(1.0, 12.0)), True, False),
        (claim(10.0, jitter=(1.0, 12.0)), True, None),
    ],
)
def test_a_claim_is_judged_by_its_tolerance_and_its_jitter(made, within, above):
    assert (made.within, made.above_jitter) == (within, above)


def test_a_claim_is_made_of_each_mark():
    mark = PaperMark(variant="with", metric="completion_s", value="4s", tolerance=0.15, source="figure 5")
    [made] = claims_of_marks(results({"with": [3.0, 5.0, 4.5]}, [mark]))
    assert (made.ours, made.paper, made.ratio, made.within) == (4.5, 4.0, 1.125, True)
    assert made.source == "figure 5"


def test_jitter_is_the_reach_over_the_same_replications():
    jitter = Jitter("made", full=2, quick=1, levels=("0", "20us"))
    main = results({"with": [1.0, 2.0, 9.0]})
    found = Findings(
        {
            "main": main,
            "jitter 0": results({"with": [1.0, 1.0]}),
            "jitter 20us": results({"with": [3.0, 4.0]}),
        },
        quick=False,
    )

    def claims(of):
        return [claim(medians(of, "completion_s")["with"])]

    [made] = jitter.beside(found, claims)
    assert made.ours == 2.0
    assert made.jitter == (-0.5, 2.0), "from 1.5, without the 9.0 of a replication that the levels have not"
    [alone] = jitter.beside(Findings({"main": main}, quick=True), claims)
    assert alone.jitter is None


def test_jitter_overrides_both_hosts_at_every_level():
    overrides = [study.overrides for study in Jitter("made", 2, 1).studies]
    assert overrides == [
        tuple(f"hosts.{host}.receive_jitter={level}" for host in ("client", "server")) for level in ("0", "50us")
    ]


@pytest.fixture
def sweep():
    points = tuple(Point(at, f"{at} ms", (f"links.x.delay={at}ms",) if at != 2 else ()) for at in (1, 2, 3))
    return Sweep("delay", "made", "delay (ms)", "completion_s", points, ("without", "with"), 2, 1)


def test_a_sweep_shows_the_points_that_ran(sweep):
    found = Findings(
        {
            "main": results({"without": [4.0, 3.0, 9.0], "with": [2.0, 3.0, 9.0]}),
            "delay 1 ms": results({"without": [2.0, 4.0], "with": [1.0, 1.0]}),
            "delay 3 ms": results({"without": [5.0, 5.0], "with": [None, None]}),
        },
        quick=False,
    )
    assert [study.name for study in sweep.studies] == ["delay 1 ms", "delay 3 ms"]
    assert sweep.own == 2
    assert sweep.table(found, "Swept").rows == (
        ("1 ms", "3.000 s (2.000 to 4.000)", "1.000 s"),
        ("2 ms", "3.500 s (3.000 to 4.000)", "2.500 s (2.000 to 3.000)"),
        ("3 ms", "5.000 s", "none"),
    )
    assert [point["samples"] for point in sweep.data(found)["points"]] == [
        {"without": [2.0, 4.0], "with": [1.0, 1.0]},
        {"without": [4.0, 3.0], "with": [2.0, 3.0]},
        {"without": [5.0, 5.0], "with": []},
    ]
    drawing = sweep.drawing(found, "Swept", "All of it.")
    assert drawing is not None
    assert drawing.svg.startswith("<svg")


def test_the_scenario_alone_is_no_sweep(sweep):
    found = Findings({"main": results({"without": [2.0], "with": [1.0]})}, quick=True)
    assert sweep.found(found) == []
    assert sweep.drawing(found, "Swept", "") is None
    assert sweep.gain_drawing(found, "Gain", "", "without", ["with"]) is None


def test_a_gain_is_a_share_of_the_baseline(sweep, monkeypatch):
    found = Findings(
        {
            "main": results({"without": [4.0, 4.0], "with": [3.0, 3.0]}),
            "delay 1 ms": results({"without": [2.0, 2.0], "with": [1.0, 1.0]}),
        },
        quick=False,
    )
    drawn = []
    monkeypatch.setattr("quicsim.reproduce.studies.swept_lines", lambda *args, **more: drawn.append(args[1]) or "<svg>")
    sweep.gain_drawing(found, "Gain", "", "without", ["with"])
    assert drawn == [{"without": [(1, 0.0), (2, 0.0)], "with": [(1, 50.0), (2, 25.0)]}]


def test_replications_are_cut_and_missing_metrics_left_out():
    made = results({"with": [1.0, None, 3.0]})
    assert values(made, "with", "completion_s") == [1.0, 3.0]
    assert values(first_replications(made, 2), "with", "completion_s") == [1.0]
    assert medians(made, "goodput_bps") == {}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.lists(st.floats(0, 100), min_size=1, max_size=40))
def test_the_gap_of_two_distributions_is_a_share_and_symmetric(one, other):
    assert 0 <= largest_gap(one, other) <= 1
    assert largest_gap(one, other) == largest_gap(other, one)
    assert largest_gap(one, one) == 0


def test_the_gap_is_found():
    assert largest_gap([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5
    assert largest_gap([1, 2], [3, 4]) == 1


def test_quantiles_are_laid_side_by_side():
    [low, *_, high] = quantile_bands([0.0, 100.0], [float(n) for n in range(101)])
    assert (low.share, low.paper, low.ours) == (0.05, 5.0, 5.0)
    assert (high.share, high.paper, high.ours) == (0.95, 95.0, 95.0)


@pytest.mark.parametrize(
    ("name", "variant", "median"), [("fig5_cdf", "without", 7.0825), ("fig5_cdf", "with-ack-path", 4.668)]
)
def test_the_paper_s_curves_come_along(name, variant, median):
    curves = paper_curves(name)
    assert "thesis" in curves.source
    assert quantile_bands([1.0], curves.curves[variant])[2].paper == pytest.approx(median, rel=2e-3)


def test_the_trace_of_figure_6_holds_its_three_stages():
    curve = paper_curves("fig6_trace").curves["with-rate-limit"]
    for start, end, rate in ((1.0, 2.8, 3.0), (6.6, 7.9, 1.0)):
        found = [value for at, value in curve if start < at < end]
        assert statistics.median(found) == pytest.approx(rate, rel=0.02)
