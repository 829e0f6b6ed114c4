"""What the verifier accepts keeps to what it knew; and where the verifier is made wrong on purpose, this notices."""

from __future__ import annotations

import pytest

from vm.fuzz.__main__ import main
from vm.fuzz.soundness import attempt
from vm.verifier import access, state, transfer, values, words
from vm.verifier.state import Frame
from vm.verifier.words import Word, constant

SEED = 2
PROGRAMS = 120
MOST_PROGRAMS = 1_500
"""How many programs a planted bug may survive; most are found among the first hundred."""


def test_accepted_programs_stay_within_what_was_known_of_them():
    outcomes = [attempt(SEED, number) for number in range(PROGRAMS)]
    assert not [outcome.violation for outcome in outcomes if outcome.violation]
    assert sum(outcome.counts["accepted"] for outcome in outcomes) > PROGRAMS // 2


@pytest.mark.long
def test_many_accepted_programs_stay_within_what_was_known_of_them():
    assert not [found.violation for found in (attempt(SEED + 1, number) for number in range(5_000)) if found.violation]


def test_the_command_counts_and_names_its_seed(capsys):
    assert main(["verifier", "--programs", "20", "--seed", "9"]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed.startswith("verifier: programs 20, accepted ")
    assert printed.endswith("violations 0, seed 9")


def wide_from_narrow(patch):
    """A 32-bit comparison that is believed of all 64 bits."""
    right = values.where

    def wrong(condition, bits, a, b):
        if bits == 32 and not a.is_constant and values.fits_in_half(b):
            return right(condition, 64, a, b)
        return right(condition, bits, a, b)

    patch.setattr(transfer, "where", wrong)


def operator(name, wrong):
    def plant(patch):
        patch.setitem(words.BINARY, name, wrong)

    return plant


def add_that_never_wraps(bits: int, a: Word, b: Word) -> Word:
    most = (1 << bits) - 1
    return words._built(bits, (0, most), (min(a[2] + b[2], most), min(a[3] + b[3], most)))


def or_below_the_larger(bits: int, a: Word, b: Word) -> Word:
    return words._built(bits, (0, (1 << bits) - 1), (max(a[2], b[2]), max(a[3], b[3])))


def and_without_the_other(bits: int, a: Word, b: Word) -> Word:
    """The mask's own bits are taken for set."""
    return b if b[1] == 0 else words.and_(bits, a, b)


def and_one_bit_short(bits: int, a: Word, b: Word) -> Word:
    return words.and_(bits, a, constant(bits, b[0] >> 1) if b[1] == 0 else b)


def mod_by_zero_is_zero(bits: int, a: Word, b: Word) -> Word:
    return words._built(bits, (0, (1 << bits) - 1), (0, max(b[3] - 1, 0)))


def div_by_zero_is_no_result(bits: int, a: Word, b: Word) -> Word:
    if b[3] == 0:
        return a
    return words._built(bits, (0, (1 << bits) - 1), (a[2] // b[3], a[3] // max(b[2], 1)))


def signed_shift_as_unsigned(bits: int, a: Word, b: Word) -> Word:
    return words.rsh(bits, a, b)


def shift_that_is_not_cut(bits: int, a: Word, b: Word) -> Word:
    return constant(bits, 0) if b[1] == 0 and b[0] >= bits else words.lsh(bits, a, b)


def move_that_keeps_the_upper_half(patch):
    right = values.arithmetic

    def wrong(operation, bits, a, b):
        return right(operation, 64 if operation == "mov" else bits, a, b)

    patch.setattr(values, "arithmetic", wrong)
    patch.setattr(transfer, "fits_in_half", lambda value: True)


def bounds_off_by_one(patch):
    right = access.Regions.size
    patch.setattr(access.Regions, "size", lambda self, state, number: right(self, state, number) + 1)


def less_is_less_or_equal(patch):
    def wrong(bits: int, a: Word, b: Word):
        pair = words._below(bits, a, b, 1)
        return pair and words._below(bits, *pair, 2)

    patch.setitem(words.WHERE_TRUE, "jlt", wrong)


def signed_as_unsigned(patch):
    for name in ("jsgt", "jsge", "jslt", "jsle"):
        patch.setitem(words.WHERE_TRUE, name, words.WHERE_TRUE["j" + name[2:]])


def sign_is_not_extended(patch):
    for module in (transfer, values):
        patch.setattr(module, "sign_extended", lambda source_bits, bits, a: values.extracted(a, 0, source_bits // 8))


def stores_do_not_overlap(patch):
    patch.setattr(Frame, "overlapping", lambda self, offset, size: [offset] if offset in self.slots else [])


def unknown_stores_change_nothing(patch):
    patch.setattr(Frame, "blur", lambda self, offset, size: None)


def pruning_that_ignores_registers(patch):
    right = state._value_covers

    def wrong(old, new, identities):
        if isinstance(old, values.Number) and isinstance(new, values.Number) and not old.is_constant:
            return True
        return right(old, new, identities)

    patch.setattr(state, "_value_covers", wrong)


def identities_that_outlive_a_change(patch):
    right = values.arithmetic

    def wrong(operation, bits, a, b):
        return right(operation, bits, a, b).identified(a.identity)

    patch.setattr(transfer, "arithmetic", wrong)


PLANTED = {
    "JMP32 refines 64 bits": wide_from_narrow,
    "an addition never wraps": operator("add", add_that_never_wraps),
    "OR stays below its larger operand": operator("or", or_below_the_larger),
    "MOV32 keeps the upper half": move_that_keeps_the_upper_half,
    "MOD by zero is zero": operator("mod", mod_by_zero_is_zero),
    "DIV by zero is forgotten": operator("div", div_by_zero_is_no_result),
    "AND takes its mask for the value": operator("and", and_without_the_other),
    "AND with a mask one bit short": operator("and", and_one_bit_short),
    "bounds are off by one": bounds_off_by_one,
    "less than is off by one": less_is_less_or_equal,
    "signed comparisons are unsigned": signed_as_unsigned,
    "ARSH shifts zeros in": operator("arsh", signed_shift_as_unsigned),
    "a shift is not cut to the width": operator("lsh", shift_that_is_not_cut),
    "the sign is not extended": sign_is_not_extended,
    "stack stores do not overlap": stores_do_not_overlap,
    "a store at an unknown offset changes nothing": unknown_stores_change_nothing,
    "pruning ignores ranges": pruning_that_ignores_registers,
    "a changed number equals its copies": identities_that_outlive_a_change,
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug, monkeypatch):
    """The seed is one by which each of them is found soon: others need a few hundred programs for some."""
    PLANTED[bug](monkeypatch)
    caught = next((number for number in range(MOST_PROGRAMS) if attempt(SEED, number).violation), None)
    assert caught is not None, f"{MOST_PROGRAMS} programs of seed {SEED} did not show it"
