"""What can a register hold? A number, known as 64 bits and as its low 32, or a pointer into a region.

An uninitialised register is None. Values are shared between states and never changed. Two values with the same
`identity`, other than 0, are equal at run time, so that what a branch says of one it says of the other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from vm.interpreter import ARITHMETIC
from vm.memory import MASK64
from vm.verifier import words

if TYPE_CHECKING:
    from vm.verifier.words import Word

MASK32 = 0xFFFF_FFFF
SMALL_REGION = 1 << 31
"""Addresses in regions below this are no negative numbers."""


class Number:
    """A number: `wide` at 64 bits, `low` its low half."""

    __slots__ = ("identity", "low", "wide")

    def __init__(self, wide: Word, low: Word, identity: int = 0) -> None:
        self.wide = wide
        self.low = low
        self.identity = identity

    @property
    def is_constant(self) -> bool:
        """Whether there is one value only."""
        return self.wide[1] == 0

    def identified(self, identity: int) -> Number:
        """The same, with an identity."""
        return Number(self.wide, self.low, identity)

    def includes(self, other: Number) -> bool:
        """Whether it has every value that the other has."""
        return words.includes(self.wide, other.wide) and words.includes(self.low, other.low)

    def contains(self, value: int) -> bool:
        """Whether a concrete 64-bit number is among the values."""
        return words.contains(64, self.wide, value) and words.contains(32, self.low, value & MASK32)

    def __repr__(self) -> str:
        return f"Number({shown(self)})"


class Pointer:
    """An address: the region's, plus an offset of 64 bits that may wrap. `is_nullable`: or the number 0."""

    __slots__ = ("identity", "is_nullable", "offset", "region")

    def __init__(self, region: int, offset: Number, identity: int = 0, is_nullable: bool = False) -> None:
        self.region = region
        self.offset = offset
        self.identity = identity
        self.is_nullable = is_nullable

    def identified(self, identity: int) -> Pointer:
        """The same, with an identity."""
        return Pointer(self.region, self.offset, identity, self.is_nullable)

    def includes(self, other: Pointer) -> bool:
        """Whether it has every value that the other has."""
        return (
            self.region == other.region
            and self.is_nullable >= other.is_nullable
            and (self.offset is other.offset or self.offset.includes(other.offset))
        )

    def contains(self, value: int) -> bool:
        """Whether a concrete address is among the values."""
        if value == 0 and self.is_nullable:
            return True
        return self.offset.contains(value - (self.region << 32) & MASK64)

    def __repr__(self) -> str:
        return f"Pointer(region {self.region}, {shown(self.offset)}{', or null' if self.is_nullable else ''})"


_ANY_WIDE, _ANY_LOW = words.anything(64), words.anything(32)
Value: TypeAlias = Number | Pointer | None


@lru_cache(maxsize=4096)
def constant(value: int) -> Number:
    """The number that is this unsigned 64-bit value."""
    return Number(words.constant(64, value), words.constant(32, value & MASK32))


ANYTHING = Number(_ANY_WIDE, _ANY_LOW)
ZERO = constant(0)


@lru_cache(maxsize=1024)
def between(low: int, high: int) -> Number:
    """A number from `low` to `high`: unsigned, or signed where `low` is negative."""
    number = linked(words.interval(64, low, high), words.anything(32))
    assert number is not None
    return number


def linked(wide: Word, low: Word, identity: int = 0) -> Number | None:
    """A number of which both halves tell what they know; None where they contradict."""
    if wide[1] == 0:
        value = wide[0]
        return (
            Number(wide, words.constant(32, value & MASK32), identity)
            if words.contains(32, low, value & MASK32)
            else None
        )
    for _ in range(2):
        if wide != _ANY_WIDE:
            cut = words.truncated(64, wide, 32)
            met = low if cut == low else words.meet(32, low, cut)
            if met is None:
                return None
            low = met
        if low == _ANY_LOW:
            break
        widened = _widened(wide, low)
        if widened is None:
            return None
        if widened == wide:
            break
        wide = widened
    return Number(wide, low, identity)


def _widened(wide: Word, low: Word) -> Word | None:
    """What the low half says of the whole."""
    value, unknown, least, most, sleast, smost = wide
    first, last = low[2], low[3]
    unknown &= ~MASK32 | low[1]
    value = value & ~MASK32 | low[0]
    if first != 0 or last != MASK32:
        least, most = _raised(least, first, last), _lowered(most, first, last)
        sleast, smost = _raised(sleast, first, last), _lowered(smost, first, last)
    if least > most or sleast > smost:
        return None
    return words.reduced(64, value, unknown, least, most, sleast, smost)


def _raised(least: int, first: int, last: int) -> int:
    """The smallest number from `least` on whose low half is in [first, last]."""
    half = least & MASK32
    if half < first:
        return least - half + first
    return least if half <= last else least - half + (1 << 32) + first


def _lowered(most: int, first: int, last: int) -> int:
    """The largest number up to `most` whose low half is in [first, last]."""
    half = most & MASK32
    if half > last:
        return most - half + last
    return most if half >= first else most - half - (1 << 32) + last


def _number(wide: Word, low: Word) -> Number:
    number = linked(wide, low)
    if number is None:
        raise AssertionError(f"no value at all: {wide}, low half {low}")
    return number


def arithmetic(operation: str, bits: int, a: Number, b: Number) -> Number:
    """The result of a binary operation of this width; one of 32 bits leaves zeros above."""
    if operation == "mov":
        return b if bits == 64 else zero_extended(b.low)
    if bits == 64:
        if a.wide[1] == 0 and b.wide[1] == 0:
            return constant(ARITHMETIC[64][operation](a.wide[0], b.wide[0]) & MASK64)
        wide = words.BINARY[operation](64, a.wide, b.wide)
        if operation in words.FROM_LOW_HALF:
            return _number(wide, words.BINARY[operation](32, a.low, b.low))
        return _number(wide, words.anything(32))
    if a.low[1] == 0 and b.low[1] == 0:
        return constant(ARITHMETIC[32][operation](a.low[0], b.low[0]) & MASK32)
    return zero_extended(words.BINARY[operation](32, a.low, b.low))


def zero_extended(low: Word) -> Number:
    """A number that is its low half."""
    if low[1] == 0:
        return constant(low[0])
    return Number(words.zero_extended(low, 64), low)


def fits_in_half(number: Number) -> bool:
    """Whether the number is its low half, so that a 32-bit move copies it."""
    return number.wide[3] <= MASK32


def sign_extended(source_bits: int, bits: int, a: Number) -> Number:
    """A move that extends the sign from the low `source_bits` to `bits`."""
    source = a.low if source_bits == 32 else words.truncated(32, a.low, source_bits)
    word = words.sign_extended(source_bits, source, bits)
    if bits == 32:
        return zero_extended(word)
    return _number(word, words.sign_extended(source_bits, source, 32))


def unary(operation: str, bits: int, a: Number) -> Number:
    """Negation, or a byte swap of the low `bits`."""
    if operation == "neg":
        return arithmetic("sub", bits, ZERO, a)
    word = a.wide if bits == 64 else words.truncated(32, a.low, bits)
    if operation != "le":  # the machine is little-endian: what is asked for stands there already
        word = words.swapped(bits, word)
    if bits == 64:
        return _number(word, words.anything(32))
    return _number(words.zero_extended(word, 64), words.anything(32))


def extracted(number: Number, at: int, size: int) -> Number:
    """The `size` bytes at byte `at` of a number in memory, as an unsigned number."""
    shifted = arithmetic("rsh", 64, number, constant(8 * at)) if at else number
    return shifted if size == 8 else arithmetic("and", 64, shifted, constant((1 << 8 * size) - 1))


def where(condition: str, bits: int, a: Number, b: Number) -> tuple[Number, Number] | None:
    """Both operands where a condition of this width holds; None: it never does."""
    if bits == 64:
        pair = words.WHERE_TRUE[condition](64, a.wide, b.wide)
        if pair is None:
            return None
        first = a if pair[0] == a.wide else linked(pair[0], a.low, a.identity)
        second = b if pair[1] == b.wide else linked(pair[1], b.low, b.identity)
    else:
        pair = words.WHERE_TRUE[condition](32, a.low, b.low)
        if pair is None:
            return None
        first = a if pair[0] == a.low else linked(a.wide, pair[0], a.identity)
        second = b if pair[1] == b.low else linked(b.wide, pair[1], b.identity)
    return None if first is None or second is None else (first, second)


def offsets_order_addresses(a: Pointer, b: Pointer) -> bool:
    """Whether the addresses of two pointers into one region compare as their offsets do."""
    return (
        a.region == b.region < SMALL_REGION
        and not a.is_nullable
        and not b.is_nullable
        and a.offset.wide[3] <= MASK32
        and b.offset.wide[3] <= MASK32
    )


def range_text(number: Number) -> str:
    """The range of a number as a message shows it: signed where that is the shorter."""
    _, _, low, high, slow, shigh = number.wide
    if shigh - slow < high - low:
        low, high = slow, shigh
    return f"{bound_text(low)}" if low == high else f"{bound_text(low)} to {bound_text(high)}"


def bound_text(value: int) -> str:
    """A number as a message shows it, by a power of two where it is at one."""
    for exponent in (63, 62, 32, 31):
        for base, sign in ((1 << exponent, ""), (-(1 << exponent), "-")):
            if value == base:
                return f"{sign}2^{exponent}"
            if value == base - 1 and not sign and exponent >= 31:
                return f"2^{exponent} - 1"
    return "2^64 - 1" if value == MASK64 else str(value)


def shown(value: Value) -> str:
    """A value as a message shows it."""
    if value is None:
        return "uninitialised"
    if isinstance(value, Pointer):
        return repr(value)
    known = (
        ""
        if value.is_constant or not value.wide[1] or value.wide[1] == MASK64
        else f", unknown bits {value.wide[1]:#x}"
    )
    return range_text(value) + known
