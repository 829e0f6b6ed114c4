"""Prices of plugins, and the arithmetic that takes table 1 apart."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.plugin.cost import Lines, Native, PluginPrices, extra_time, loss, parts_of
from quicsim.quic.interface import Counts

SHARES = st.fractions(0, 1)
LOSSES = st.fractions(0, Fraction(99, 100))


@given(*3 * [st.integers(0, 10**9)], *3 * [st.integers(0, 10**7)])
def test_what_plugins_take_is_the_sum_over_what_they_did(call, byte, instruction, calls, marshalled, executed):
    counts = Counts(plugin_calls=calls, plugin_bytes_marshalled=marshalled, plugin_instructions=executed)
    total = PluginPrices(call, byte, instruction).total_ps(counts)
    assert total == call * calls + byte * marshalled + instruction * executed


@given(LOSSES)
def test_loss_and_extra_time_are_inverse(lost):
    assert loss(extra_time(lost)) == lost
    assert extra_time(lost) >= lost


def test_a_quarter_less_throughput_is_a_third_more_time():
    assert extra_time(Fraction(1, 4)) == Fraction(1, 3)


@given(st.tuples(LOSSES, LOSSES, LOSSES, LOSSES), SHARES)
def test_the_parts_add_up_to_every_line_whatever_the_share(losses, share):
    lines = Lines(*losses)
    parts = parts_of(lines, share)
    assert loss(parts.bridge) == lines.cgo_no_op
    assert loss(parts.bridge + parts.vm) == lines.bpf_no_op
    assert loss(parts.allocated + parts.filled) == lines.preparing
    assert loss(parts.bridge + parts.vm + parts.allocated + parts.passed) == lines.empty_structure
    # What overlaps is the allocation, and adding the lines counts it twice.
    assert parts.whole == extra_time(lines.preparing) + extra_time(lines.empty_structure) - parts.allocated


@pytest.mark.parametrize("scale", [1, 7])
def test_prices_give_the_parts_back(scale):
    lines = Lines(Fraction("0.049"), Fraction("0.061"), Fraction("0.089"), Fraction("0.217"))
    native = Native(busy_ps=scale * 10**12, calls=1_000, bytes_marshalled=2_000_000)
    parts = parts_of(lines, Fraction(1, 2))
    assert parts.call_price_ps(parts.bridge, native) * native.calls / native.busy_ps == pytest.approx(parts.bridge)
    assert parts.byte_price_ps(parts.passed, native) * 2_000_000 / native.busy_ps == pytest.approx(
        parts.passed, rel=1e-3
    )
