"""Do our downloads take as long as those of real stacks, and does the report say so when they do not?"""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from quicsim.scenario.load import load
from quicsim.validate.reference import PACKAGED, Bounds, Row, WrongReference, bounds, read_rows, rows_named
from quicsim.validate.stacks import ASKED, Compared, StackReport, validate_stacks

ROWS = read_rows()


def identity(row):
    return f"{row.name}-{row.congestion_control}"


@pytest.mark.parametrize("row", [row for row in ROWS if not row.loss], ids=identity)
def test_a_download_takes_as_long(row):
    limits = bounds(row, ROWS)
    [run] = load("bulk_download", row.overrides).run().runs
    completion_s = run.metrics["completion_s"]
    print(f"{identity(row)}: {completion_s} s, {limits}")
    assert limits.holds(completion_s)


@pytest.mark.long
@pytest.mark.parametrize("row", [row for row in ROWS if row.loss], ids=identity)
def test_a_download_under_random_loss_takes_as_long(row):
    report = validate_stacks([row, *(other for other in ROWS if other.name == row.name and other != row)])
    print(report.to_json())
    assert all(each.within for each in report.compared)


def test_the_packaged_rows_have_no_more_nor_less_than_their_file():
    document = json.loads(PACKAGED.read_text())
    assert len(ROWS) == len(document["rows"]) == 24
    written = {key for row in document["rows"] for key in row if not key.startswith("aioquic_rfc_")}
    assert written == {
        "name", "congestion_control", "rate_mbps", "one_way_delay_ms", "buffer_bytes", "download_bytes", "loss",
        "drop_every_nth_server_datagram", "completion_s",
    }  # fmt: skip


def a_row(**changes):
    row = Row("row", "newreno", 10_000_000, 20_000_000, 50_000, 5_000_000, Fraction(0), 0, {"aioquic_rfc": 100.0})
    return replace(row, **changes)


@pytest.mark.parametrize(
    ("changes", "low_s", "high_s"),
    [
        ({}, 98, 102),  # a buffer of one bandwidth-delay product
        ({"buffer_bytes": 49_999}, 94, 106),
        ({"download_bytes": 1_000_000}, 95, 105),
        ({"download_bytes": 1_000_000, "rate_bps": 1_000_000}, 98, 102),  # 1 Mbps is not more than 1 Mbps
        ({"drop_every": 100}, 95, 105),
        ({"drop_every": 400}, 85, 115),
        ({"loss": Fraction(1, 200)}, 90, 110),
        ({"congestion_control": "cubic"}, 98, 102),
    ],
)
def test_each_kind_of_row_has_the_tolerance_that_the_reference_gives_it(changes, low_s, high_s):
    row = a_row(**changes)
    limits = bounds(row, [row])
    assert (limits.reference_s, limits.low_s, limits.high_s) == (100, pytest.approx(low_s), pytest.approx(high_s))


def test_cubic_under_loss_lies_between_the_stacks_and_aioquic_s_reno():
    times = {"aioquic_rfc": 100.0, "aioquic_stock": 110.0, "quicly": 80.0, "picoquic": 10.0}
    cubic = a_row(congestion_control="cubic", drop_every=100, completion_s=times)
    reno = a_row(drop_every=100, completion_s={"aioquic_rfc": 120.0})
    limits = bounds(cubic, [cubic, reno])
    assert (limits.low_s, limits.high_s) == (pytest.approx(0.85 * 80), pytest.approx(1.15 * 120))
    assert bounds(cubic, [cubic]).high_s == pytest.approx(1.15 * 110), "without a row of Reno's, its own stacks"
    assert bounds(replace(cubic, drop_every=0), [cubic, reno]).high_s == pytest.approx(102)


def compared(*ours_s):
    return StackReport(tuple(Compared(a_row(), Bounds(100, 98, 102, "rule"), (ours,), "d") for ours in ours_s))


def test_the_report_holds_from_95_percent_on():
    assert ASKED == 0.95
    assert compared(*[100] * 19, 103).holds
    assert not compared(*[100] * 18, 103, 97).holds
    assert compared(100, 103).verdict == "1 of 2 rows within, 50.0%; 95% are asked: too few"


def test_ours_is_the_median_of_the_samples():
    each = Compared(a_row(), Bounds(100, 98, 102, "rule"), (101.0, 99.0, 300.0), "d")
    assert (each.ours_s, each.ratio, each.within) == (101.0, 1.01, True)
    assert each.texts()["within"] == "yes"
    assert replace(each, samples_s=(103.0,)).texts()["within"] == "NO"


def test_the_picture_has_each_row_at_its_own_ratio_and_line():
    rows = [a_row(name=name, congestion_control=control) for name in ("one", "two") for control in ("newreno", "cubic")]
    report = StackReport(
        tuple(Compared(row, Bounds(100, 98, 102, "rule"), (99.0 + n,), "d") for n, row in enumerate(rows))
    )
    [axes] = report.scatter().figure.axes
    drawn = [points for points in axes.collections if points.get_label() in ("newreno", "cubic")]
    assert [points.get_offsets()[:, 0].tolist() for points in drawn] == [[0.99, 1.01], [1.0, 1.02]]
    assert [[round(y) for y in points.get_offsets()[:, 1]] for points in drawn] == [[0, 1], [0, 1]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["one", "two"]
    assert len({points.get_paths()[0].vertices.tobytes() for points in drawn}) == 2, "a marker for each controller"


def test_a_row_becomes_the_scenario():
    row = a_row(drop_every=100, congestion_control="cubic", buffer_bytes=25_000)
    setup = load("bulk_download", row.overrides).variant("default")
    link = setup.links["bottleneck"]
    assert {host.congestion_control for host in (setup.hosts.client, setup.hosts.server)} == {"cubic"}
    assert (link.rate_bps["server"], link.delay_ns["client"]) == (row.rate_bps, row.one_way_delay_ns)
    assert (link.queue.limit_of("server").amount, link.queue.limit_of("client").amount) == (25_000, 100_000)
    assert (link.drop_every, link.loss) == ({"server": 100}, {"server": 0})


WRONG = [
    ("{", "is not JSON"),
    ("[]", 'needs a list "rows"'),
    ('{"rows": []}', 'needs a list "rows"'),
    ('{"rows": [7]}', "rows[0] is no object"),
    ('{"rows": [{"rate_mbps": 1}]}', "rows[0]: name is None; give a text"),
    ({"rate_mbps": "1"}, "rows[0]: rate_mbps is '1'; give a number that is not negative"),
    ({"buffer_bytes": 1.5}, "rows[0]: buffer_bytes is 1.5, which comes to no whole number"),
    ({"completion_s": None}, "rows[0]: completion_s is None; give a time for each stack"),
    ({"completion_s": {"aioquic_rfc": -1}}, "rows[0]: completion_s.aioquic_rfc is -1; give seconds"),
]


@pytest.mark.parametrize(("content", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "rows.json"
    if isinstance(content, dict):
        content = json.dumps({"rows": [json.loads(PACKAGED.read_text())["rows"][0] | content]})
    path.write_text(content)
    with pytest.raises(WrongReference) as refused:
        read_rows(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_what_is_not_there_is_said():
    with pytest.raises(WrongReference, match=r"there is no file .*nowhere\.json"):
        read_rows(PACKAGED.with_name("nowhere.json"))
    with pytest.raises(WrongReference, match="no row's name has large in it; the rows are small-10K"):
        rows_named(ROWS, ["large"])
    with pytest.raises(WrongReference, match="completion_s has no aioquic_rfc"):
        bounds(a_row(completion_s={"quicly": 1.0}), [])
