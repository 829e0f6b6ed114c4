"""Every word of a small width: the best one for each set of its values."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING

from vm.verifier import words

if TYPE_CHECKING:
    from vm.verifier.words import Word


def best(bits: int, values: list[int]) -> Word:
    """The smallest word that has all of these unsigned values."""
    known_ones, known_zeros = (1 << bits) - 1, (1 << bits) - 1
    for value in values:
        known_ones &= value
        known_zeros &= ~value
    unknown = ((1 << bits) - 1) & ~known_ones & ~known_zeros
    signed = [signed_of(bits, value) for value in values]
    word = words.reduced(bits, known_ones, unknown, min(values), max(values), min(signed), max(signed))
    assert word is not None
    return word


def signed_of(bits: int, value: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


@cache
def every_word(bits: int) -> tuple[tuple[Word, tuple[int, ...]], ...]:
    """All words that the best one of some set of values is, each with the values that it has."""
    found = {
        best(bits, [value for value, chosen in enumerate(choice) if chosen])
        for choice in product((0, 1), repeat=1 << bits)
        if any(choice)
    }
    return tuple((word, values_of(bits, word)) for word in sorted(found))


@cache
def some_words(bits: int) -> tuple[tuple[Word, tuple[int, ...]], ...]:
    """Words of intervals in either order, and of known bits."""
    size = 1 << bits
    found = set()
    for low, length in product(range(size), range(1, size + 1)):
        found.add(best(bits, [(low + step) % size for step in range(length)]))
    for value, unknown in product(range(size), repeat=2):
        if not value & unknown:
            found.add(best(bits, [each for each in range(size) if each & ~unknown == value]))
    return tuple((word, values_of(bits, word)) for word in sorted(found))


def values_of(bits: int, word: Word) -> tuple[int, ...]:
    return tuple(value for value in range(1 << bits) if words.contains(bits, word, value))
