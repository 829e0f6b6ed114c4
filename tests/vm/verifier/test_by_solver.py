"""The operators' own code on bit vectors of 64 bits: z3 finds no values that a result does not have."""

from __future__ import annotations

import pytest
import z3

from vm.verifier import words

MASK = (1 << 64) - 1
TRISTATES = {
    "add": (words.tristate_add, lambda x, y: x + y),
    "sub": (words.tristate_sub, lambda x, y: x - y),
    "and": (words.tristate_and, lambda x, y: x & y),
    "or": (words.tristate_or, lambda x, y: x | y),
    "xor": (words.tristate_xor, lambda x, y: x ^ y),
}


def proved(claim: z3.BoolRef, *given: z3.BoolRef) -> bool:
    solver = z3.Solver()
    solver.add(*given, z3.Not(claim))
    return solver.check() == z3.unsat


def has(tristate, value) -> z3.BoolRef:
    return (value & ~tristate[1]) == tristate[0]


def tristate(name: str):
    return z3.BitVec(f"{name} value", 64), z3.BitVec(f"{name} unknown", 64)


@pytest.mark.parametrize("name", TRISTATES)
def test_known_bits_at_64_bits(name):
    abstract, concrete = TRISTATES[name]
    a, b, x, y = tristate("a"), tristate("b"), *z3.BitVecs("x y", 64)
    result = abstract(a, b, MASK)
    given = (has(a, x), has(b, y), a[0] & a[1] == 0, b[0] & b[1] == 0)
    assert proved(has(result, concrete(x, y)), *given)
    assert proved(result[0] & result[1] == 0, *given)


def test_a_solver_finds_a_planted_bug():
    a, b, x, y = tristate("a"), tristate("b"), *z3.BitVecs("x y", 64)
    without_carries = ((a[0] + b[0]) & ~(a[1] | b[1]), a[1] | b[1])
    assert not proved(has(without_carries, x + y), has(a, x), has(b, y), a[0] & a[1] == 0, b[0] & b[1] == 0)


@pytest.mark.parametrize("lowest", [0, -(1 << 63)], ids=["unsigned", "signed"])
def test_intervals_are_cut_to_64_bits(lowest, monkeypatch):
    """Each way through the function is taken; on each, what it returns has every number of the interval."""
    first, last, exact = z3.BitVecs("first last exact", 72)
    within = [first <= exact, exact <= last, first >= -(1 << 68), last <= 1 << 68]
    for way in ((False, False), (False, True), (True,)):
        decisions = iter(way)
        conditions = list(within)

        def decide(self, decisions=decisions, conditions=conditions):
            chosen = next(decisions)
            conditions.append(self if chosen else z3.Not(self))
            return chosen

        with monkeypatch.context() as patch:
            patch.setattr(z3.BoolRef, "__bool__", decide)
            found = words.cut(first, last, lowest, 1 << 64)
        if found is not None:
            value = (exact - lowest & MASK) + lowest
            assert proved(z3.And(found[0] <= value, value <= found[1]), *conditions)


@pytest.mark.long
@pytest.mark.parametrize("constant", [3, 10, 48, 0x8000_0001])
def test_known_bits_of_a_product_with_a_constant(constant):
    """A product is a chain of sums that are each sound; here the whole chain at 16 bits."""
    mask = (1 << 16) - 1
    value, unknown, x = z3.BitVecs("value unknown x", 16)
    total = (z3.BitVecVal(0, 16), z3.BitVecVal(0, 16))
    for shift in range(16):
        if constant >> shift & 1:
            total = words.tristate_add(total, (value << shift, unknown << shift), mask)
    assert proved(has(total, x * (constant & mask)), has((value, unknown), x), value & unknown == 0)
