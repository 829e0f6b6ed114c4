"""The abstract operators against the interpreter's, on every value of every word of a small width."""

from __future__ import annotations

import operator

import pytest

from tests.vm.verifier.abstraction import every_word, signed_of, some_words, values_of
from vm.interpreter import _arithmetic, _conditions, _swapped
from vm.verifier import words

WIDTH = 3
CONDITIONS = {**_conditions(WIDTH), "jclear": lambda a, b: not a & b}


def unsound_binary(bits: int, name: str, chosen: tuple) -> str:
    """The first result that the operator does not have, in words; empty: there is none."""
    concrete, mask = _arithmetic(bits)[name], (1 << bits) - 1
    for a, first in chosen:
        for b, second in chosen:
            result = words.BINARY[name](bits, a, b)
            for x in first:
                for y in second:
                    if not words.contains(bits, result, concrete(x, y) & mask):
                        return f"{name} of {x} in {a} and {y} in {b}: {concrete(x, y) & mask} is not in {result}"
    return ""


def unsound_condition(bits: int, name: str, chosen: tuple) -> str:
    concrete = {**_conditions(bits), "jclear": lambda a, b: not a & b}[name]
    for a, first in chosen:
        for b, second in chosen:
            pair = words.WHERE_TRUE[name](bits, a, b)
            for x in first:
                for y in second:
                    if concrete(x, y) and not (
                        pair and words.contains(bits, pair[0], x) and words.contains(bits, pair[1], y)
                    ):
                        return f"{name} of {x} in {a} and {y} in {b} holds, but is not in {pair}"
    return ""


@pytest.mark.parametrize("name", words.BINARY)
def test_a_binary_operator_has_every_result(name):
    assert not unsound_binary(WIDTH, name, every_word(WIDTH))


@pytest.mark.parametrize("name", words.WHERE_TRUE)
def test_a_condition_keeps_every_pair_that_meets_it(name):
    assert not unsound_condition(WIDTH, name, every_word(WIDTH))


@pytest.mark.long
@pytest.mark.parametrize("name", words.BINARY)
def test_a_binary_operator_has_every_result_of_intervals_of_four_bits(name):
    assert not unsound_binary(4, name, some_words(4))


@pytest.mark.long
@pytest.mark.parametrize("name", words.WHERE_TRUE)
def test_a_condition_keeps_every_pair_of_intervals_of_four_bits(name):
    assert not unsound_condition(4, name, some_words(4))


EXACT = {"add": 1.25, "sub": 1.25, "and": 1.25, "or": 1.25, "xor": 1.3, "mov": 1.0, "lsh": 1.6, "rsh": 1.5, "arsh": 1.3}


@pytest.mark.parametrize("name", EXACT)
def test_results_are_few_beyond_what_can_be(name):
    """The words of results have at most so many times the values that there are."""
    concrete, mask = _arithmetic(WIDTH)[name], (1 << WIDTH) - 1
    found = possible = 0
    for a, first in every_word(WIDTH):
        for b, second in every_word(WIDTH):
            found += len(values_of(WIDTH, words.BINARY[name](WIDTH, a, b)))
            possible += len({concrete(x, y) & mask for x in first for y in second})
    assert found <= EXACT[name] * possible


@pytest.mark.parametrize("to", [1, 2, 3, 5])
def test_a_word_is_cut_and_extended(to):
    for word, values in every_word(WIDTH):
        if to <= WIDTH:
            cut = words.truncated(WIDTH, word, to)
            assert all(words.contains(to, cut, value & (1 << to) - 1) for value in values)
        else:
            longer = words.zero_extended(word, to), words.sign_extended(WIDTH, word, to)
            for value in values:
                assert words.contains(to, longer[0], value)
                assert words.contains(to, longer[1], signed_of(WIDTH, value) & (1 << to) - 1)


def test_bytes_are_swapped():
    for low in (0, 1, 0x1234, 0xFF00):
        word = words.meet(16, words.interval(16, low, low + 0x80), words.anything(16))
        assert word is not None
        swapped = words.swapped(16, word)
        assert all(words.contains(16, swapped, _swapped(value, 16)) for value in range(low, min(low + 0x81, 1 << 16)))


def test_words_that_exclude_each_other_have_nothing_in_common():
    for a, first in every_word(WIDTH):
        for b, second in every_word(WIDTH):
            both = words.meet(WIDTH, a, b)
            common = set(first) & set(second)
            assert common <= set(values_of(WIDTH, both) if both else ())
            assert words.includes(a, b) <= (set(second) <= set(first))


def test_an_interval_may_wrap():
    assert words.interval(8, 250, 260) == words.interval(8, -6, 4)
    assert values_of(8, words.interval(8, -6, 4))[:1] == (0,)
    assert operator.itemgetter(4, 5)(words.interval(8, -6, 4)) == (-6, 4)
    assert words.interval(8, 0, 256) == words.anything(8)
