"""Does the report stand alone, hold every number, and come out the same however it is run?"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from quicsim.analysis.inline import COLOURS, distributions
from quicsim.analysis.metrics import View
from quicsim.reproduce.document import document
from quicsim.reproduce.page import page
from quicsim.reproduce.reproduction import (
    Check,
    Claim,
    Drawing,
    Findings,
    Outcome,
    Remark,
    Reproduction,
    Study,
    Table,
)
from quicsim.reproduce.run import reproduce
from quicsim.reproduce.studies import Jitter, claims_of_marks, values
from tests.scenario import fake

VOID = {"meta", "link", "br", "img", "path", "use", "rect", "line", "circle"}


def reproduction_of(path):
    """A reproduction of the stand-in scenario, with a piece of every kind."""
    jitter = Jitter(str(path), full=4, quick=0, variants=("plain", "plugged"))

    def evaluate(findings: Findings) -> Outcome:
        main = findings["main"]
        effect = Claim(
            "saved", "plugged", "difference", View("reaction_s", 1e3, "ms"), 0.02, -0.04, 0.1, "it", effect=True
        )
        drawn = {name: values(main, name, "reaction_s") for name in main.variants}
        return Outcome(
            claims=(*jitter.beside(findings, claims_of_marks), replace(effect, jitter=(0.0, 0.03))),
            checks=(Check("One is <less>", False, "3 & 4"),),
            drawings=(
                Drawing("First", "It <shows>.", distributions("First", drawn, "s")),
                Drawing("Second", "Again.", distributions("Second", drawn, "s")),
            ),
            tables=(Table("Rows", "Of it.", ("a", "b"), (("1", "<2>"),), frozenset("b")),),
            remarks=(Remark("Why", "Because."),),
            data={"sizes": {"tlp": 7}},
        )

    return Reproduction(
        name="two",
        title="Two variants",
        section="9",
        paper="Less than <that>.",
        studies=(Study("main", str(path), full=8, quick=2), *jitter.studies),
        evaluate=evaluate,
    )


@pytest.fixture
def reproduction(monkeypatch, tmp_path):
    return reproduction_of(fake.install(monkeypatch, tmp_path))


class Reader(HTMLParser):
    """Checks that every tag is closed where it should be, and collects ids, links and what is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self._note(tag, dict(attrs))

    def handle_startendtag(self, tag, attrs):
        self._note(tag, dict(attrs))

    def _note(self, tag, attributes):
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in ("href", "xlink:href"):
            if name in attributes:
                place = attributes[name]
                (self.targets if place.startswith("#") else self.fetched).append(place)
        if "src" in attributes:
            self.fetched.append(attributes["src"])

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def read(html):
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_fetches_nothing(reproduction):
    html = page(reproduce([reproduction], "1.2.3"))
    reader = read(html)
    assert len(reader.ids) == len(set(reader.ids)), "two pictures must not share a name"
    assert {target.removeprefix("#") for target in reader.targets} <= set(reader.ids)
    assert [place for place in reader.fetched if not place.startswith("data:")] == []
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"@import|url\((?!#)", style)
    assert re.findall(r"https?://(?!www\.w3\.org/)", html) == []


def test_every_colour_of_a_picture_is_the_page_s(reproduction):
    html = page(reproduce([reproduction], "1.2.3"))
    light, dark = re.findall(r":root \{(.*?)\}", html, re.DOTALL)
    for name in COLOURS.values():
        assert f"--{name}: #" in light
        assert f"--{name}: #" in dark
    svg = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []


def test_what_is_said_is_escaped_and_shown(reproduction):
    html = page(reproduce([reproduction], "1.2.3"))
    for text in (
        "Less than &lt;that&gt;.",
        "One is &lt;less&gt;",
        "3 &amp; 4",
        "It &lt;shows&gt;.",
        "&lt;2&gt;",
        "Because.",
    ):
        assert text in html
    assert "below the jitter: not claimed" in html
    assert "1 of 2 numbers lie within their tolerance; 0 of 1 statements hold" in html


def test_the_document_holds_what_it_takes_to_grade_it_anew(reproduction):
    report = reproduce([reproduction], "1.2.3")
    data = json.loads(json.dumps(document(report), allow_nan=False))
    part = data["reproductions"]["two"]
    [mark, effect] = part["claims"]
    samples = part["samples"]["plugged"]["reaction_s"]
    assert len(samples) == 8
    assert mark["ours"] == pytest.approx(sum(sorted(samples)[3:5]) / 2)
    assert mark["paper"] == 0.03
    assert mark["ratio"] == pytest.approx(mark["ours"] / 0.03)
    assert mark["within"] is (abs(mark["ratio"] - 1) <= mark["tolerance"])
    assert mark["jitter"][0] <= mark["jitter"][1]
    assert (effect["above_jitter"], effect["within"]) == (False, False)
    assert part["sizes"] == {"tlp": 7}
    assert part["studies"]["main"]["digest"] == part["digest"]
    assert part["studies"]["jitter 50us"]["overrides"][0] == "hosts.client.receive_jitter=50us"
    assert {each["origin"] for each in part["parameters"]["two"]} == {None}
    assert (data["quick"], data["quicsim"], part["seed"]) == (False, "1.2.3", 1)


def test_the_quick_form_is_smaller_and_says_so(reproduction):
    report = reproduce([reproduction], "1.2.3", quick=True)
    data = document(report)
    assert data["quick"] is True
    assert list(data["reproductions"]["two"]["studies"]) == ["main"]
    assert data["reproductions"]["two"]["studies"]["main"]["replications"] == 2
    assert "This is the quick form" in page(report)
    assert "This is the quick form" not in page(reproduce([reproduction], "1.2.3"))


def test_workers_and_repetition_change_no_byte(reproduction):
    reports = [reproduce([reproduction], "1.2.3", jobs=jobs) for jobs in (1, 2)]
    assert page(reports[0]) == page(reports[1])
    assert document(reports[0]) == document(reports[1])


def test_progress_names_the_figure_and_counts_all_runs(reproduction):
    seen = []
    first, second = replace(reproduction, name="first"), replace(reproduction, name="second")
    reproduce([first, second], "1", quick=True, progress=lambda *args: seen.append(args))
    assert seen == [("first" if done <= 6 else "second", done, 12) for done in range(1, 13)]
