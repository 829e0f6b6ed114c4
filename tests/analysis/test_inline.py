"""Do a page's figures hold what they are given, in colours that are the page's?"""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from quicsim.analysis.inline import COLOURS, Mark, Reference, bars, distributions, over_time, swept_lines

LINES = {"without": [(1.0, 5.0), (2.0, 6.0), (4.0, 9.0)], "with": [(1.0, 4.0), (2.0, 4.5), (4.0, 5.0)]}

FIGURES = {
    "distributions": lambda: distributions(
        "Dis & tribution", {"a": [1.0, 2.0], "b": [3.0]}, "x (s)", {"a": [1.5, 2.5]}, [Mark("b", 3.0, "paper")]
    ),
    "swept": lambda: swept_lines("Swept", LINES, "x", "y", [Reference("formula", [(1, 1), (4, 4)], "with")], 2.0),
    "doubling": lambda: swept_lines("Doubling", LINES, "x", "y", doubling=True),
    "time": lambda: over_time("Time", LINES, "MB/s", [Reference("paper", [(1, 1), (4, 4)])], [(2.0, "push")]),
    "bars": lambda: bars("Bars", ["one", "two-and-something-long"], {"a": [1.0, -2.0], "b": [3.0, 4.0]}, "kB"),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_a_figure_is_xml_with_a_name_and_no_colour_of_its_own(make):
    svg = make()
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"]
    assert "viewBox" in root.attrib
    assert not {"width", "height"} & set(root.attrib), "the page says how large"
    used = set(re.findall(r"var\(--([\w-]+)\)", svg))
    assert {"ink", "series-1"} <= used <= set(COLOURS.values())
    assert re.findall(r"#[0-9a-f]{3,8}\b(?=[;\"])", svg) == []


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_a_figure_is_the_same_each_time(make):
    assert make() == make()


def test_names_inside_are_one_figure_s_own():
    first, second = FIGURES["swept"](), FIGURES["doubling"]()
    names = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, second)]
    assert names[0].isdisjoint(names[1])
    for svg, own in zip((first, second), names, strict=True):
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= own


def test_what_is_drawn_depends_on_the_numbers():
    other = {**LINES, "with": [(1.0, 4.0), (2.0, 4.5), (4.0, 8.0)]}
    assert swept_lines("Swept", LINES, "x", "y") != swept_lines("Swept", other, "x", "y")
