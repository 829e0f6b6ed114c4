"""Do the paper's figures and tables come out as this project says they do? The quick form of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicsim.reproduce.c_lines import code_lines, function_lines
from quicsim.reproduce.catalogue import REPRODUCTIONS, chosen
from quicsim.reproduce.document import document
from quicsim.reproduce.figure3 import formulas
from quicsim.reproduce.run import Report, reproduce
from quicsim.scenario.errors import ScenarioError


def test_the_catalogue_is_in_order_and_names_are_checked():
    assert [each.name for each in chosen()] == list(REPRODUCTIONS)
    assert [each.name for each in chosen(["table2", "fig3"])] == ["fig3", "table2"]
    with pytest.raises(ScenarioError, match='no figure or table "fig9"; known: fig3, '):
        chosen(["fig3", "fig9"])


@pytest.mark.parametrize("reproduction", chosen(), ids=lambda each: each.name)
def test_studies_have_names_of_their_own_and_scenarios_that_load(reproduction):
    from quicsim.scenario.load import load

    names = [study.name for study in reproduction.studies]
    assert len(names) == len(set(names))
    assert reproduction.main is None or reproduction.main in names
    for study in reproduction.studies:
        assert study.quick <= study.full
        assert set(study.variants or ()) <= set(load(study.scenario, study.overrides).variants)


def test_figure_3():
    [part] = reproduce(chosen(["fig3"]), "x", quick=True).parts
    assert [claim.name for claim in part.outcome.claims] == [
        "reaction, without",
        "reaction, with-tlp",
        "reaction saved, with-tlp",
    ]
    assert all(claim.within for claim in part.outcome.claims)
    assert all(check.holds for check in part.outcome.checks)
    assert part.outcome.claims[2].above_jitter
    for name, own in (("round trip", 15.0), ("max ack delay", None)):
        for point in part.outcome.data["sweeps"][name]["points"]:
            arguments = (own, point["at"]) if own else (point["at"], 10.0)
            for variant, seconds in zip(("without", "with-tlp"), formulas(*arguments), strict=True):
                assert point["samples"][variant] == pytest.approx([seconds] * 2, rel=0.03), (name, point["text"])


@pytest.mark.long
def test_figure_4():
    [part] = reproduce(chosen(["fig4"]), "x", quick=True, jobs=2).parts
    assert [claim.name for claim in part.outcome.claims if not claim.within] == []
    assert [check.statement for check in part.outcome.checks if not check.holds] == [
        "With the plugin packets wait less in the queues: the mean wait"
    ]
    [gains, mechanism] = [part.outcome.claims[-1], part.outcome.tables[0]]
    assert gains.ours > 0.5
    rows = {row[0]: row[1:] for row in mechanism.rows}
    assert int(rows["cuts of the window"][0]) > 4 > int(rows["cuts of the window"][1])


@pytest.mark.long
def test_figure_5():
    [part] = reproduce(chosen(["fig5"]), "x", quick=True, jobs=2).parts
    assert [claim.name for claim in part.outcome.claims if not claim.within] == []
    assert all(check.holds for check in part.outcome.checks)
    for variant, band in part.outcome.data["bands"].items():
        assert band["largest_gap"] < 0.7, variant
        assert [0.75 < each["ratio"] < 1.25 for each in band["quantiles"] if 0.2 < each["share"] < 0.8] == [True] * 3


@pytest.mark.long
def test_figure_6():
    [part] = reproduce(chosen(["fig6"]), "x", quick=True, jobs=2).parts
    assert [claim.name for claim in part.outcome.claims if not claim.within] == []
    assert all(check.holds for check in part.outcome.checks)
    [points, _] = document(Report(True, "x", (part,)))["reproductions"]["fig6"]["series"]["without"][
        "throughput_path1_Bps"
    ]
    assert points[-1][0] == pytest.approx(8, abs=0.1)


@pytest.mark.long
def test_table_1():
    [part] = reproduce(chosen(["table1"]), "x", quick=True, jobs=2).parts
    assert all(claim.within for claim in part.outcome.claims)
    assert all(check.holds for check in part.outcome.checks)
    data = part.outcome.data
    assert data["prediction"]["simulated"] == pytest.approx(data["prediction"]["throughput_change"], abs=0.005)
    assert list(data["allocated_share"].values()) == sorted(data["allocated_share"].values())
    assert {run["plugin_instructions"] for name, run in data["counts"].items() if name == "native"} == {0}


def test_table_2():
    [part] = reproduce(chosen(["table2"]), "x", quick=True).parts
    tlp = part.outcome.data["sizes"]["tlp"]
    assert tlp["text_bytes"] < tlp["elf_bytes"] < 2600
    times = [part.outcome.data["push_s"]["tlp"][rate][0] for rate in ("64kbps", "1Mbps", "100Mbps")]
    assert times == sorted(times, reverse=True)
    assert times[0] > tlp["elf_bytes"] * 8 / 64_000, "no faster than the link"
    assert times[2] > 0.005, "no faster than the delay"


def test_the_reference_names_every_key_of_the_document():
    page = (Path(__file__).parents[2] / "docs/reproduce.md").read_text()
    for part in document(reproduce(chosen(["fig3", "table2"]), "x", quick=True))["reproductions"].values():
        records = [part, *part["claims"], *part["checks"], *part["studies"].values(), *part["deviations"]]
        assert {key for record in records for key in record if f"`{key}`" not in page} == set()


C = """
/* A comment
   of two lines. */
#include "quicsim.h"

struct state { int a; };

static int one(int a)   // beside
{
    /* only this */
    if (a) {
        return 1;
    }
    return 2;
}
struct other {
    int b;
};
"""


def test_lines_of_c_are_counted_by_what_they_hold():
    assert code_lines(C) == 12
    assert function_lines(C) == 3
