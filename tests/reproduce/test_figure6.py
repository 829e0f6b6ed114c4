"""Are plateaus, stages and the other path read from a series as a person reads them from the figure?"""

from __future__ import annotations

import pytest

from quicsim.reproduce.figure6 import LIMITED, OTHER, SECOND, WITH, WITHOUT, Stage, other_path, plateaus, stage_rates
from quicsim.results import Results, RunRecord

WHOLE = Stage("whole", WITH, 0.0, 100.0)


def points(*values):
    return [(float(at), value) for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([9.7, 9.7, 9.69, 8.7, 8.71, 7.4, 7.4], [9.7, 8.705, 7.4]),
        ([9.7, 9.7, 9.0, 7.4, 7.4], [9.7, 7.4]),  # 9.0 is a moment on the way
        ([9.7, 9.6, 9.5, 9.4], [9.55]),  # no fall is larger than a step
        ([1.0, 1.0, 3.0, 3.0], [2.0]),  # a rise begins none
        ([], []),
    ],
)
def test_plateaus_are_where_the_rate_stays(values, expected):
    assert plateaus(points(*values), WHOLE) == pytest.approx(expected)


def results(others):
    """Runs whose other path has these rates, by variant."""
    runs = [
        RunRecord(
            variant, number, {}, {}, {}, "", (), {LIMITED: ((3.0, 9.0), (4.0, 1.0), (5.0, 3.0)), OTHER: ((3.0, rate),)}
        )
        for variant, rates in others.items()
        for number, rate in enumerate(rates)
    ]
    return Results("made", "Made up", 1, (), None, tuple(runs))


def test_a_stage_is_the_mean_of_what_lies_inside():
    assert stage_rates(results({WITH: [1.0, 1.0]}), SECOND) == [2.0, 2.0]


@pytest.mark.parametrize(
    ("with_plugin", "equal"),
    [([100.0, 101.0, 99.5], True), ([103.0, 104.0, 102.0], False), ([80.0, 120.0, 100.0], False)],
)
def test_the_other_path_is_tested_run_by_run(with_plugin, equal):
    test = other_path(results({WITHOUT: [100.0, 101.0, 99.0], WITH: with_plugin}))
    assert test is not None
    assert test.equivalent is equal
    assert other_path(results({WITHOUT: [100.0], WITH: [100.0]})) is None
