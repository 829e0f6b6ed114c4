"""Are rules data: comparisons and arithmetic over names, and nothing else?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.operations import Rule

small = st.integers(0, 100)


@pytest.mark.parametrize(
    "text",
    [
        "f(result)", "result.real", "'text'", "result == 'x'", "1.5 < result", "[result]", "result if x else y", "x[0]",
        "lambda: 1", "(result := 1)", "result in (1, 2)", "result is None", "None", "result ** 2", "result / 2", "-1",
        "~result", "f'{result}'", "{1: 2}", "*result", "b''", "...", "result and __import__('os')", "x for x in y",
        "result >=", "", "result = 1", "import os", "1 2",
    ],
)  # fmt: skip
def test_what_is_no_comparison_is_refused(text):
    with pytest.raises(ValueError, match="rule"):
        Rule(text)
    if text:
        with pytest.raises(ValueError, match="rule"):
            Rule("result > 0", when=text)


@pytest.mark.parametrize(
    ("text", "when", "values", "broken"),
    [
        ("result >= now_ns", "", {"result": 5, "now_ns": 5}, False),
        ("result >= now_ns", "", {"result": 4, "now_ns": 5}, True),
        ("result != 0", "x > 0", {"result": 0, "x": 0}, False),
        ("result != 0", "x > 0", {"result": 0, "x": 1}, True),
        ("result == 0 or not (result + x * 2 - 1 < 8 // 3)", "", {"result": 1, "x": 0}, True),
        ("result == 0 or not (result + x * 2 - 1 < 8 // 3)", "", {"result": 1, "x": 1}, False),
        ("x <= 1 << 62", "", {"x": 1 << 62}, False),
        ("x <= 1 << 62", "", {"x": (1 << 62) + 1}, True),
    ],
)
def test_what_a_rule_says(text, when, values, broken):
    assert Rule(text, when=when).broken_by(values) is broken


@given(small, small, small)
def test_a_rule_is_its_expression(result, low, high):
    rule = Rule("low <= result and result <= high", when="low < high")
    assert rule.names == {"result", "low", "high"}
    expected = low < high and not low <= result <= high
    assert rule.broken_by({"result": result, "low": low, "high": high}) == expected
