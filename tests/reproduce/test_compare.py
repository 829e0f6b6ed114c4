"""Do the statements about two variants, and about ours and the paper's curves, say what the runs say?"""

from __future__ import annotations

import pytest

from quicsim.reproduce.compare import bands_data, bands_table, count_medians, equal, quartiles_in_order, saved
from quicsim.results import Results, RunRecord


def results(series):
    runs = [
        RunRecord(variant, number, {"completion_s": value}, {"packets_lost": int(value)}, {}, f"{variant}{number}")
        for variant, found in series.items()
        for number, value in enumerate(found)
    ]
    return Results("made", "Made up", 1, (), None, tuple(runs))


@pytest.mark.parametrize(
    ("tolerance", "absolute", "within"),
    [(0.5, True, True), (0.3, True, False), (0.5, False, True), (0.3, False, False)],
)
def test_what_a_plugin_saves_is_the_difference_of_the_medians(tolerance, absolute, within):
    made = results({"without": [10.0, 12.0, 11.0], "with": [9.0, 10.4, 9.6]})
    claim = saved(made, "completion_s", ("without", "with"), 1.0, tolerance, "somewhere", absolute=absolute)
    assert (claim.name, claim.effect, claim.ours) == ("completion saved, with", True, pytest.approx(1.4))
    assert claim.within is within


CURVES = {"without": [5.0, 6.0, 7.0, 8.0, 9.0], "with": [1.0, 2.0, 3.0, 4.0, 5.5]}


@pytest.mark.parametrize(
    ("without", "with_plugin", "holds"),
    [
        ([50.0, 60.0, 70.0], [1.0, 2.0, 3.0], True),
        ([5.0, 6.0, 7.0], [1.0, 2.0, 30.0], False),  # its upper quartile comes last
        ([1.0, 2.0, 3.0], [5.0, 6.0, 7.0], False),
    ],
)
def test_quartiles_are_put_in_a_row(without, with_plugin, holds):
    check = quartiles_in_order(results({"without": without, "with": with_plugin}), "completion_s", CURVES)
    assert check.holds is holds
    assert ("the paper's" in check.evidence) is not holds
    assert check.evidence.count("%") == (6 if holds else 12)


def test_bands_are_laid_beside_the_curve():
    made = results({"without": [2 * value for value in CURVES["without"]], "with": CURVES["with"]})
    data = bands_data(made, "completion_s", CURVES)
    assert [band["ratio"] for band in data["without"]["quantiles"]] == [pytest.approx(2.0)] * 5
    assert (data["without"]["largest_gap"], data["with"]["largest_gap"]) == (1.0, 0.0)
    table = bands_table(made, "completion_s", CURVES, "Bands")
    assert len(table.rows) == 12
    assert table.rows[2] == ("without", "50%", "7.000", "14.00", "2.000")
    assert table.rows[-1][3] == "0.00"


def test_counters_are_shown_by_their_medians():
    made = results({"without": [1.0, 5.0, 3.0], "with": [2.0, 4.0]})
    assert count_medians(made, "packets_lost") == {"without": 3, "with": 3.0}


@pytest.mark.parametrize(("margin", "holds"), [(0.5, True), (0.05, False)])
def test_two_variants_are_equal_where_a_difference_is_ruled_out(margin, holds):
    made = results({"without": [10.0, 11.0, 12.0, 13.0], "with": [10.1, 11.0, 12.2, 13.1]})
    check = equal(made, "completion_s", ("without", "with"), margin, "They are the same")
    assert check.holds is holds
    assert ("not ruled out" in check.evidence) is not holds
    assert equal(results({"without": [1.0], "with": [1.0]}), "completion_s", ("without", "with"), 1.0, "") is None
