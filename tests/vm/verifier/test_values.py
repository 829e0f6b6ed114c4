"""Numbers of 64 bits and their low halves, against the interpreter's own arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.verifier.abstraction import signed_of
from vm.interpreter import ARITHMETIC, CONDITIONS, UNARY
from vm.memory import MASK64
from vm.verifier import values, words
from vm.verifier.values import Number, Pointer, between, constant

NEAR_SEAMS = st.sampled_from([0, 1 << 7, 1 << 15, 1 << 31, 1 << 32, 1 << 48, 1 << 63, 1 << 64])
VALUES = st.one_of(
    st.integers(0, MASK64), st.builds(lambda seam, step: (seam + step) & MASK64, NEAR_SEAMS, st.integers(-3, 3))
)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[Number, int]:
    """What is known of a number, and one that it may be."""
    value, other = draw(VALUES), draw(VALUES)
    kind = draw(st.sampled_from(["constant", "unsigned", "signed", "bits", "half", "both"]))
    if kind == "constant":
        return constant(value), value
    if kind == "unsigned":
        return between(min(value, other), max(value, other)), value
    if kind == "signed":
        low, high = sorted((signed_of(64, value), signed_of(64, other)))
        return between(low, high), value
    if kind == "half":
        return values.zero_extended(words.interval(32, *sorted((value & 0xFFFF_FFFF, other & 0xFFFF_FFFF)))), (
            value & 0xFFFF_FFFF
        )
    known = words.reduced(64, value & ~other, other, 0, MASK64, -(1 << 63), (1 << 63) - 1)
    assert known is not None
    low = words.anything(32) if kind == "bits" else words.constant(32, value & 0xFFFF_FFFF)
    number = values.linked(known, low)
    assert number is not None
    return number, value


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("name", words.BINARY)
@settings(max_examples=60)
@given(first=numbers(), second=numbers())
def test_arithmetic_has_the_result(name, bits, first, second):
    (a, x), (b, y) = first, second
    mask = (1 << bits) - 1
    result = ARITHMETIC[bits][name](x & mask, y & mask) & mask
    assert values.arithmetic(name, bits, a, b).contains(result)


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("name", CONDITIONS[64])
@settings(max_examples=60)
@given(first=numbers(), second=numbers())
def test_a_branch_keeps_the_numbers_that_take_it(name, bits, first, second):
    (a, x), (b, y) = first, second
    mask = (1 << bits) - 1
    taken = name if CONDITIONS[bits][name](x & mask, y & mask) else words.OPPOSITE[name]
    pair = values.where(taken, bits, a, b)
    assert pair is not None
    assert pair[0].contains(x)
    assert pair[1].contains(y)
    assert a.includes(pair[0])
    assert b.includes(pair[1])


@given(known=numbers())
def test_unary_operations_extensions_and_parts(known):
    number, value = known
    for bits in (64, 32):
        assert values.unary("neg", bits, number).contains(UNARY["neg"](value & (1 << bits) - 1, bits))
    for bits in (16, 32, 64):
        for name in ("le", "be", "bswap"):
            assert values.unary(name, bits, number).contains(UNARY[name](value & (1 << bits) - 1, bits))
    for bits in (64, 32):
        for source_bits in (8, 16, 32):
            if source_bits < bits:
                extended = signed_of(source_bits, value & (1 << source_bits) - 1) & (1 << bits) - 1
                assert values.sign_extended(source_bits, bits, number).contains(extended)
    for at, size in ((0, 8), (0, 4), (4, 4), (3, 1), (6, 2)):
        assert values.extracted(number, at, size).contains(value >> 8 * at & (1 << 8 * size) - 1)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (constant(5), "5"),
        (between(0, 63), "0 to 63"),
        (between(-8, 7), "-8 to 7"),
        (values.ANYTHING, "0 to 2^64 - 1"),
        (between(-(1 << 63), 56), "-2^63 to 56"),
        (between(0, (1 << 32) - 1), "0 to 2^32 - 1"),
    ],
)
def test_a_range_reads_well(number, text):
    assert values.range_text(number) == text


def test_a_32_bit_comparison_says_something_of_a_number_that_fits_in_32_bits_only():
    narrow, wide = between(0, 0xFFFF_FFFF), values.ANYTHING
    for number, most in ((narrow, 9), (wide, MASK64 - (0xFFFF_FFFF - 9))):
        pair = values.where("jlt", 32, number, constant(10))
        assert pair is not None
        assert pair[0].wide[3] == most


def test_pointers():
    here = Pointer(64, between(0, 7))
    assert here.contains(64 << 32 | 7)
    assert not here.contains(64 << 32 | 8)
    assert not here.contains(0)
    assert Pointer(64, between(0, 7), is_nullable=True).contains(0)
    assert here.includes(Pointer(64, constant(3)))
    assert not here.includes(Pointer(65, constant(3)))
    assert not here.includes(Pointer(64, constant(3), is_nullable=True))
