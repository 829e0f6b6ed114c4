"""Does `quicsim compare` say which of two builds is worse, by how much, and from where on?"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from quicsim import locate
from quicsim.cli import app
from tests.regression.refused import LINE, REASON, REFUSED, put_tlp

SHORT = ("--scenario", "fig3_tlp", "--set", "requests.count=2", "--replications", "2")


def compare(*arguments):
    return CliRunner().invoke(app, ["compare", *arguments])


VERDICTS = [("tlp", "tlp", 0, "same"), ("no_op", "tlp", 0, "better"), ("tlp", "no_op", 1, "worse")]


@pytest.mark.parametrize(("before", "now", "code", "verdict"), VERDICTS)
def test_the_exit_code_is_the_verdict(before, now, code, verdict):
    done = compare(before, now, *SHORT)
    assert (done.exit_code, done.stderr) == (code, "")
    assert done.stdout.splitlines()[-1] == f"verdict: {verdict}"
    assert f"{now}, held against {before}" in done.stdout
    assert ("part in" in done.stdout) is (before != now)


def test_the_same_object_by_name_and_by_path_is_the_same():
    path = locate.plugin("tlp") / "tlp.o"
    assert "verdict: same" in compare("tlp", str(path), *SHORT).stdout


def test_json_has_the_numbers_of_the_runs_and_where_they_part():
    done = compare("tlp", "no_op", *SHORT, "--json")
    assert done.exit_code == 1
    data = json.loads(done.stdout)
    assert (data["verdict"], data["scenario"], data["overrides"]) == ("worse", "fig3_tlp", ["requests.count=2"])
    before, now = (
        [run["metrics"]["reaction_s"] for run in build["runs"] if run["variant"] == "with-tlp"]
        for build in data["builds"]
    )
    [change] = [each for each in data["changes"] if each["metric"] == "reaction_s"]
    differences = sorted(new - old for old, new in zip(before, now, strict=True))
    assert change["difference"] == pytest.approx(sum(differences) / 2)
    assert (change["pairs"], change["verdict"]) == (2, "worse")
    assert change["tolerance"] == {"relative": 0.02, "absolute": 0.0, "worse": "higher"}
    [parting] = data["partings"]
    first = parting["places"][0]
    assert first["event_before"] == first["event_now"] > 1
    assert first["before"] != first["now"]
    assert "plugin=tlp" in first["before"]
    assert "plugin=no_op" in first["now"]


TOLERATED = [  # what is tolerated, the exit code
    ((), 1),
    (("0.05",), 1),
    (("9",), 0),
    (("9", "reaction_s=0.05:higher"), 1),
    (("9", "reaction_s=0.05:lower"), 0),
    (("9", "packets_sent=0:either"), 1),
    (("9", "plugin_calls=0:lower"), 1),
]


@pytest.mark.parametrize(("texts", "code"), TOLERATED)
def test_more_may_be_tolerated_of_all_metrics_or_of_one(texts, code):
    options = [part for text in texts for part in ("--tolerance", text)]
    assert compare("tlp", "no_op", *SHORT, *options).exit_code == code


class Tags(HTMLParser):
    """The tags of a page, and what it fetches."""

    def __init__(self):
        super().__init__()
        self.seen, self.fetched = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href") and not value.startswith("#")]


def test_the_page_needs_no_other_file_and_shows_table_events_and_distributions(tmp_path):
    path = tmp_path / "deep/page.html"
    done = compare("tlp", "no_op", *SHORT, "--html", str(path))
    assert done.exit_code == 1
    text = path.read_text()
    tags = Tags()
    tags.feed(text)
    assert tags.fetched == []
    assert {"table", "pre", "svg"} <= set(tags.seen)
    assert tags.seen.count("svg") == 2  # one for each metric that has a tolerance
    assert "reaction_s of with-tlp is worse" in text
    assert "plugin_offered" in text
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    assert used <= set(re.findall(r"(--[\w-]+):", text)), "every colour that a picture asks for is defined"


WRONG = [  # arguments, what the one line says
    (("tlp", "nope", *SHORT), "no plugin 'nope'"),
    (("tlp", "./nope.o", *SHORT), "no plugin object"),
    (("tlp", "./nope.c", *SHORT), "no such file"),
    (("tlp", "tlp", "--scenario", "fig33"), "no scenario 'fig33'"),
    (("tlp", "tlp", "--scenario", "bulk_download"), "no variant of bulk_download uses a plugin"),
    (("tlp", "tlp", *SHORT, "--variant", "most"), 'no variant "most"'),
    (("tlp", "tlp", *SHORT, "--tolerance", "much"), "--tolerance much: "),
    (("tlp", "tlp", *SHORT, "--tolerance", "-1"), "--tolerance -1: "),
    (("tlp", "tlp", *SHORT, "--tolerance", "reaction_s=1:up"), "'up' is no direction"),
    (("tlp", "tlp", *SHORT, "--tolerance", "reaction=1"), "no metric 'reaction'; did you mean 'reaction_s'?"),
    (("tlp", "tlp", *SHORT, "--replications", "0"), "replications is 0"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[said for _, said in WRONG])
def test_wrong_input_is_one_line_and_exit_code_2(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = compare(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.startswith("quicsim: ")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def builds(tmp_path):
    return {name: str(put_tlp(tmp_path / name, is_refused=name == "bad")) for name in ("good", "bad")}


def test_a_build_that_is_refused_is_worse_and_the_refusal_comes_first(builds, tmp_path):
    page = tmp_path / "page.html"
    generous = ("--tolerance", "9")  # so that no metric alone makes it worse
    done = compare(builds["good"], builds["bad"], *SHORT, *generous, "--html", str(page))
    assert (done.exit_code, done.stderr) == (1, "")
    paragraphs = done.stdout.split("\n\n")
    assert paragraphs[1].startswith(f"{builds['bad']}: {REFUSED}")
    assert done.stdout.endswith("verdict: worse\n")
    assert f"now: note, in 2 of 2 runs: client: plugin tlp was refused: plugin tlp: {REASON}" in done.stdout
    assert REFUSED in page.read_text()
    assert f">worse: {REFUSED}" in page.read_text()
    data = json.loads(compare(builds["good"], builds["bad"], *SHORT, *generous, "--json").stdout)
    assert data["verdict"] == "worse"
    assert data["headline"].startswith(REFUSED)
    before, now = data["builds"]
    assert (before["refused"], before["notes"]) == ([], [])
    [refused] = now["refused"]
    assert (refused["plugin"], refused["reason"], refused["at"]["line"]) == ("tlp", REASON, LINE)
    assert len(now["notes"]) == 2


def test_what_was_held_against_a_refused_build_is_said(builds):
    done = compare(builds["bad"], builds["good"], *SHORT)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"\n{builds['bad']}: {REFUSED}" in done.stdout


def test_two_builds_that_never_ran_cannot_be_compared(builds, tmp_path):
    done = compare(builds["bad"], builds["bad"], *SHORT, "--html", str(tmp_path / "page.html"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"neither build ever ran, so there is nothing to compare\n{builds['bad']}: {REFUSED}" in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_page_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = compare("tlp", "tlp", *SHORT, "--html", str(tmp_path / "file/page.html"))
    assert done.exit_code == 2
    assert "file/page.html: " in done.stderr


@pytest.mark.long
def test_two_c_sources_are_built_and_the_line_named(tmp_path):
    pytest.importorskip("ziglang", reason="the compiler comes with the extra `build`")
    source = (locate.plugin("tlp") / "tlp.c").read_text()
    worse = tmp_path / "worse.c"
    worse.write_text(source.replace("smoothed_rtt_ns * 3 / 2", "smoothed_rtt_ns * 3"))
    done = compare(str(locate.plugin("tlp") / "tlp.c"), str(worse), *SHORT)
    assert done.exit_code == 1
    line = 1 + next(n for n, text in enumerate(source.splitlines()) if text.startswith('SEC("replace/SetTimer")'))
    assert f'last program SEC("replace/SetTimer") at {worse}:{line}:' in done.stdout
