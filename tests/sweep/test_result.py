"""What do the rows of a sweep say? Held against a table whose answers are known."""

import json
from html.parser import HTMLParser
from statistics import fmean

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import quicsim
from quicsim.analysis.statistics import Spread
from quicsim.sweep.execute import Limits, LocalPool
from quicsim.sweep.file import SweepError
from quicsim.sweep.report import page
from quicsim.sweep.study import Study
from quicsim.sweep.table import ROLES

DELAYS = [0.001 * (number + 1) for number in range(20)]
LIMITS = ["few", "many"]


def value(delay, limit, variant, replication):
    """The plugin saves a tenth, and 1 ms more where many may wait; chance is the seed's, in both arms alike."""
    chance = 0.002 * ((replication * 7) % 5)
    full = 10 * delay + chance
    return full if variant == "without" else 0.9 * full - (0.001 if limit == "many" else 0)


def rows():
    for setting, (delay, limit) in enumerate((delay, limit) for delay in DELAYS for limit in LIMITS):
        for variant in ("without", "with"):
            for replication in range(5):
                yield {
                    "setting": setting, "delay_s": delay, "limit": limit, "variant": variant, "status": "done",
                    "replication": replication, "completion_s": value(delay, limit, variant, replication),
                }  # fmt: skip


@pytest.fixture(scope="module")
def study():
    table = pa.Table.from_pylist([*rows(), {"setting": 0, "variant": "with", "replication": 9, "status": "failed"}])
    roles = {"axes": ["delay_s", "limit"], "metrics": ["completion_s"]}
    return Study(table.replace_schema_metadata({ROLES: json.dumps(roles)}))


def test_arms_are_compared_seed_by_seed(study):
    found = study.comparison("completion_s", "with", "without")
    expected = [row for row in rows() if row["variant"] == "without"]
    differences = [
        value(row["delay_s"], row["limit"], "with", row["replication"]) - row["completion_s"] for row in expected
    ]
    assert found.difference.mean == pytest.approx(fmean(differences))
    assert (found.difference.count, found.difference.spread) == (len(DELAYS) * len(LIMITS), Spread.INTERVAL)
    assert found.wilcoxon_p < 1e-6 < found.distributions.p_value


def test_a_setting_is_a_sample_and_in_a_single_one_a_replication_is(study):
    assert len(study.samples("completion_s", "without")) == 40
    assert len(study.samples("completion_s", "without", {3})) == 5
    assert len(study.values("completion_s", "without")) == 200


def test_each_configuration_has_an_interval_of_its_own(study):
    rows = study.configurations("completion_s")
    assert len(rows) == 80
    for row in rows:
        runs = [value(row["delay_s"], row["limit"], row["arm"], replication) for replication in range(5)]
        assert (row["n"], row["spread"], row["mean"]) == (5, "interval", pytest.approx(fmean(runs)))
        assert min(runs) <= row["low"] < row["mean"] < row["high"] <= max(runs)


def test_a_level_is_compared_with_the_first_where_all_else_is_equal(study):
    few, many = study.groups("limit")
    found = study.change("completion_s", "with", "limit", few, many)
    assert (found.count, found.mean, found.spread) == (20, pytest.approx(-0.001), Spread.DETERMINISTIC)
    assert study.change("completion_s", "without", "limit", few, many).mean == 0
    bins = study.groups("delay_s")
    assert study.change("completion_s", "with", "delay_s", bins[0], bins[1]) is None, "a bin is no level"


def test_settings_of_a_sample_have_no_other_to_be_compared_with():
    found = [row for row in rows() if (row["setting"] % 4 < 2) == (row["limit"] == "few")]
    roles = {"axes": ["delay_s", "limit"], "metrics": ["completion_s"]}
    study = Study(pa.Table.from_pylist(found).replace_schema_metadata({ROLES: json.dumps(roles)}))
    assert study.change("completion_s", "with", "limit", *study.groups("limit")) is None


def test_an_arm_has_one_colour_in_all_pictures_and_all_one_scale(study):
    def colours(picture):
        [axes] = picture.chart().figure.axes
        return {each.get_label(): each.lines[0].get_color() for each in axes.containers}

    both = colours(study.main_effect("completion_s", "limit"))
    assert len(set(both.values())) == 2
    assert colours(study.main_effect("completion_s", "limit", "without")) == {"with": both["with"]}
    scales = {
        study.distribution("completion_s", axis, arm).chart().figure.axes[0].get_xlim()
        for axis in study.axes
        for arm in study.arms
    }
    assert len(scales) == 1


def test_many_values_of_an_axis_are_put_into_bins_of_equal_size(study):
    groups = study.groups("delay_s")
    assert [group.name for group in groups] == ["1 to 4", "5 to 8", "9 to 12", "13 to 16", "17 to 20"]
    assert [len(group.settings) for group in groups] == [8] * 5
    assert [group.place for group in groups] == pytest.approx([2.5, 6.5, 10.5, 14.5, 18.5])
    assert [(group.name, len(group.settings)) for group in study.groups("limit")] == [("few", 20), ("many", 20)]


def test_a_level_of_a_grid_stands_in_one_bin():
    found = [row for row in rows() if row["delay_s"] < 0.0085]
    roles = {"axes": ["delay_s", "limit"], "metrics": ["completion_s"]}
    study = Study(pa.Table.from_pylist(found).replace_schema_metadata({ROLES: json.dumps(roles)}))
    groups = study.groups("delay_s")
    assert [(group.name, len(group.settings)) for group in groups] == [
        ("1 to 2", 4), ("3", 2), ("4 to 5", 4), ("6", 2), ("7 to 8", 4),
    ]  # fmt: skip


def test_pictures_show_the_means_that_are_there(study):
    axes = study.main_effect("completion_s", "limit", "without").chart().figure.axes[0]
    [container] = axes.containers
    few, many = container.lines[0].get_ydata()
    assert few - many == pytest.approx(1.0), "in milliseconds"
    assert axes.get_ylabel() == "difference (ms)"
    image = study.heat("completion_s", "delay_s", "limit", "with", "without").chart().figure.axes[0].images[0]
    assert image.get_array().shape == (2, 5)
    assert image.norm.vmin == -image.norm.vmax
    lines = study.interaction("completion_s", "delay_s", "limit", "with").chart().figure.axes[0].containers
    assert [line.get_label() for line in lines] == ["limit few", "limit many"]
    shares = study.distribution("completion_s", "limit", "with").chart().figure.axes[0].lines
    assert [line.get_label() for line in shares] == ["limit few (n = 100)", "limit many (n = 100)"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda study: study.values("completion", "with"),
            "no metric 'completion' here; did you mean \"completion_s\"",
        ),
        (lambda study: study.groups("delays"), "no axis 'delays' here; did you mean \"delay_s\""),
    ],
)
def test_what_is_not_there_is_named(study, ask, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        ask(study)


class Ids(HTMLParser):
    """Every id of a page, and every place in it that one refers to."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.targets = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, text in attributes:
            if name == "id":
                self.ids.append(text)
            elif name in ("href", "xlink:href") and text.startswith("#") and len(text) > 1:
                self.targets.add(text[1:])


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    home = tmp_path_factory.mktemp("results")
    return quicsim.sweep(
        scenario="fig3_tlp",
        variants=["without", "with-tlp"],
        replications=5,
        set={"requests.count": 2, "time_limit": "1.9s"},
        axes={"links.access.delay": ["5ms", "20ms", "800ms"], "hosts.client.start_phase": ["5ms", "10ms"]},
        output=home / "out",
        jobs=1,
        bar=False,
    )


def test_a_sweep_in_python_gives_frame_and_summary(result):
    assert (result.state.done, result.state.failed) == (40, 20), "with 800 ms no run comes to its end"
    assert result.frame.shape[0] == 60
    assert list(result.frame.columns[:3]) == ["setting", "delay_s", "start_phase_s"]
    assert set(result.frame[result.frame.status == "failed"].delay_s) == {0.8}
    text = str(result.summary())
    assert text.splitlines()[0].split() == [
        "metric", "arm", "runs", "n", "mean", "95", "%", "interval", "difference", "its", "interval", "relative",
        "Wilcoxon", "p", "KS", "p",
    ]  # fmt: skip
    said = {(row["metric"], row["arm"]): row for row in result.summary().to_json()}
    assert said["reaction_s", "without"]["against_the_first"] is None
    assert said["reaction_s", "with-tlp"]["against_the_first"]["difference"]["mean"] < -0.01
    assert "with-tlp" in result._repr_html_()
    each = result.intervals("reaction_s")
    assert list(each.columns) == ["setting", "delay_s", "start_phase_s", "arm", "n", "mean", "low", "high", "spread"]
    assert set(each.n) == {5}
    assert repr(result) == "<SweepResult A sweep of fig3_tlp: 40 of 60 done, 20 failed>"


def test_the_table_is_read_by_pandas_polars_and_duckdb(result):
    path = result.directory / "table.parquet"
    assert pd.read_parquet(path).equals(result.frame)
    assert pl.read_parquet(path).to_arrow().to_pylist() == result.table.to_pylist()
    assert len(duckdb.sql(f"select * from '{path}' where status = 'done'")) == 40


def test_the_report_is_one_page_with_every_picture(result):
    text = page(result)
    found = Ids(text)
    assert len(found.ids) == len(set(found.ids)), "two pictures would share their letters"
    assert found.targets <= set(found.ids)
    assert text.count("<svg") == 2 * (2 + 2 + 1 + 1 + 4)
    assert "src=" not in text
    assert "<summary>Each level of each axis, by arm</summary>" in text
    assert "the application had not finished after time_limit = 1.9 s" in text


def test_pictures_of_a_result_name_what_there_is(result):
    with pytest.raises(ValueError, match="no arm 'with' here; did you mean"):
        result.plot.ecdf("reaction_s", by="delay_s", arm="with")
    assert result.plot.heat_map("reaction_s", "delay_s", "start_phase_s", versus="without").png().startswith(b"\x89PNG")


def test_what_python_says_is_checked_as_a_file_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SweepError, match=r"quicsim\.sweep: axes\.x: "):
        quicsim.sweep(scenario="fig3_tlp", axes={"x": {"key": "links.access.delai", "values": [1]}}, bar=False)
    with pytest.raises(SweepError, match="scenario: is missing"):
        quicsim.sweep(bar=False)
    with pytest.raises(TypeError, match="replications: write it in tlp_wsp"):
        quicsim.sweep("tlp_wsp", replications=3)
    assert list(tmp_path.iterdir()) == []


def test_floats_are_what_they_look_like(tmp_path):
    result = quicsim.sweep(
        scenario="bulk_download",
        set={"transfer.size": "20kB"},
        axes={"links.bottleneck.loss.server": [0.0, 0.01]},
        output=tmp_path / "out",
        executor=LocalPool(1, Limits()),
        bar=False,
    )
    assert list(result.frame["config.links.bottleneck.loss.server"]) == [0.0, 0.01]


def test_the_bar_shows_what_is_done_and_what_failed(tmp_path, capsys):
    quicsim.sweep(scenario="bulk_download", set={"time_limit": "100ms"}, output=tmp_path / "out", jobs=1)
    shown = capsys.readouterr().err
    assert "1/1" in shown
    assert "failed=1" in shown
