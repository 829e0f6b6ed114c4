"""Does the table say what the samples say, in units a person reads?"""

import pytest

from quicsim.analysis.metrics import View, natural_view, view
from quicsim.analysis.report import Reference, summarise

SAME = dict.fromkeys(range(11), 0.05)
VARIED = {number: 0.03 + number / 1e5 for number in range(11)}


def test_the_table_stands_beside_the_paper():
    references = {("b", "reaction_s"): Reference(0.03, 0.1, "here"), ("a", "reaction_s"): Reference(0.04, 0.1, "here")}
    summary = summarise({("a", "reaction_s"): SAME, ("b", "reaction_s"): VARIED}, references)
    assert str(summary) == (
        "variant  metric     n    median   95 % interval  paper        ours / paper             paired difference\n"
        "a        reaction  11  50.00 ms   deterministic  40 ms  1.250, outside 10%\n"
        "b        reaction  11  30.05 ms  30.01 to 30.09  30 ms   1.002, within 10%"
        "  -19.95 ms (-19.99 to -19.91)"
    )
    assert [row.within for row in summary.rows] == [False, True]


def test_columns_that_say_nothing_are_left_out():
    summary = summarise({("a", "packets"): {0: 3.0}}, {})
    assert str(summary) == "variant  metric   n  median  95 % interval\na        packets  1       3        one run"
    summary = summarise({("a", "packets"): {0: 3.0, 1: 4.0}}, {})
    assert str(summary).endswith("too few runs")


def test_two_metrics_of_one_name_are_told_apart():
    table = str(summarise({("a", "abandoned"): SAME, ("a", "abandoned_bytes"): SAME, ("a", "x_s"): SAME}, {}))
    assert [line[9:24].rstrip() for line in table.splitlines()] == ["metric", "abandoned", "abandoned bytes", "x"]


def test_a_median_of_0_has_the_unit_of_its_interval():
    few = {number: 60_631.0 if number > 6 else 0.0 for number in range(11)}
    table = str(summarise({("a", "x_bytes"): few}, {}))
    assert "0 kB" in table
    assert "0 to 60.63" in table
    even = {number: 0.05 + 1e-7 * (number - 5) for number in range(11)}
    difference = str(summarise({("a", "x_s"): SAME, ("b", "x_s"): even}, {})).splitlines()[-1]
    assert difference.endswith("  0 ns (-400.00 to 400.00)")


def test_only_replications_that_both_have_are_paired():
    summary = summarise({("a", "x_s"): {0: 1.0, 1: 2.0}, ("b", "x_s"): {1: 5.0, 2: 9.0}}, {})
    assert summary.rows[1].difference.median == 3.0
    assert summary.rows[1].difference.count == 1


def test_a_notebook_gets_a_table_with_its_text_escaped():
    html = summarise({("<a>", "x_s"): SAME}, {})._repr_html_()
    assert html.startswith("<table><tr><th>variant</th>")
    assert "<td>&lt;a&gt;</td>" in html
    assert html.count("<tr>") == 2


@pytest.mark.parametrize(
    ("metric", "value", "text", "label"),
    [
        ("reaction_s", 0.05, "50.00", "reaction (ms)"),
        ("completion_s", 4.357, "4.357", "completion (s)"),
        ("completion_s", 0.0, "0", "completion (s)"),
        ("jitter_s", 2e-5, "20.00", "jitter (us)"),
        ("jitter_s", -2e-9, "-2.000", "jitter (ns)"),
        ("jitter_s", -1e-17, "0", "jitter (s)"),
        ("abandoned_bytes", 403.0, "403", "abandoned (B)"),
        ("goodput_bps", 9.2e6, "9.200", "goodput (Mbps)"),
        ("plugin_bytes", 2600, "2.600", "plugin (kB)"),
        ("lost_packets", 3, "3", "lost packets"),
    ],
)
def test_a_metric_is_shown_in_a_unit_that_suits_it(metric, value, text, label):
    seen = natural_view(metric, value)
    assert (seen.text(value), seen.label) == (text, label)


def test_a_view_may_ask_for_another_unit():
    assert view("completion_ms", ["completion_s"]) == View("completion_s", 1e3, "ms")
    assert view("completion_s", ["completion_s"]) == View("completion_s", 1.0, "s")
    assert view("goodput_Mbps", ["goodput_bps"]) == View("goodput_bps", 1e-6, "Mbps")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("reaction", "did you mean 'reaction_ms'? known"),
        ("raection_us", "did you mean 'reaction_us'? known"),
        ("reaction_Mbps", "did you mean 'reaction_ms'? known"),
        ("goodput", "did you mean 'goodput_Mbps'? known"),
        ("packets_lost", "did you mean 'packets_sent'? known"),
        ("speed", "known"),
    ],
)
def test_an_unknown_metric_is_told_the_nearest(name, nearest):
    known = ["reaction_s", "goodput_bps", "packets_sent"]
    with pytest.raises(ValueError, match="no metric") as caught:
        view(name, known)
    assert str(caught.value) == f"no metric {name!r}; {nearest}: {', '.join(known)}, and each in other units"
