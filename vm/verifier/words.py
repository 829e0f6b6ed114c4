"""Which values can a word of some width have after an operation? Known bits and intervals, unsigned and signed.

Known bits are tristate numbers (Vishwanathan, Shachnai, Narayana, Nagarakatte: Sound, Precise, and Fast Abstract
Interpretation with Tristate Numbers, CGO 2022). Every function takes the width in bits, so that what holds at 64 can be
tried exhaustively at 4. A word is six integers; None stands for "no value at all".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Word: TypeAlias = tuple[int, int, int, int, int, int]
"""(value, unknown, low, high, signed low, signed high): bits that are not set in `unknown` are those of `value`."""
Tristate: TypeAlias = tuple[int, int]

MAXIMUM_PRODUCTS = 8
"""Of a product's two factors, the one with known bits may have this many that are set, for its known bits to count."""


def constant(bits: int, value: int) -> Word:
    """The word that is `value`, given as an unsigned number."""
    signed = value - (1 << bits) if value >> bits - 1 else value
    return value, 0, value, value, signed, signed


def anything(bits: int) -> Word:
    """The word of which nothing is known."""
    mask = (1 << bits) - 1
    return 0, mask, 0, mask, -(1 << bits - 1), mask >> 1


def reduced(bits: int, value: int, unknown: int, low: int, high: int, slow: int, shigh: int) -> Word | None:
    """What the three views know, told to one another; None where they contradict."""
    size = 1 << bits
    sign = size >> 1
    before = None
    while before != (before := (unknown, low, high, slow, shigh)):
        # Known bits bound both intervals.
        if value > low:
            low = value
        if (value | unknown) < high:
            high = value | unknown
        if unknown & sign:
            sleast, smost = value - sign, (value | unknown) ^ sign
        else:
            shift = size if value & sign else 0
            sleast, smost = value - shift, (value | unknown) - shift
        if sleast > slow:
            slow = sleast
        if smost < shigh:
            shigh = smost
        if low > high or slow > shigh:
            return None
        # An interval that does not cross the other order's seam is one in the other order.
        if not (low ^ high) & sign:
            shift = size if low & sign else 0
            if low - shift > slow:
                slow = low - shift
            if high - shift < shigh:
                shigh = high - shift
        if slow >= 0 or shigh < 0:
            shift = size if shigh < 0 else 0
            if slow + shift > low:
                low = slow + shift
            if shigh + shift < high:
                high = shigh + shift
        else:  # there is a gap between the two halves: [0, shigh] and [slow + size, size - 1]
            if low > shigh and slow + size > low:
                low = slow + size
            if high < slow + size and shigh < high:
                high = shigh
        if low > high or slow > shigh:
            return None
        # What both ends of the interval have in front, all between have.
        differing = (1 << (low ^ high).bit_length()) - 1
        if (value ^ low) & ~unknown & ~differing:
            return None
        value |= low & ~differing & unknown
        unknown &= differing
    return value, unknown, low, high, slow, shigh


def meet(bits: int, a: Word, b: Word) -> Word | None:
    """The values that are in both."""
    if (a[0] ^ b[0]) & ~a[1] & ~b[1]:
        return None
    unknown = a[1] & b[1]
    value = (a[0] | b[0]) & ~unknown
    return reduced(bits, value, unknown, max(a[2], b[2]), min(a[3], b[3]), max(a[4], b[4]), min(a[5], b[5]))


def includes(a: Word, b: Word) -> bool:
    """Whether `a` has every value that `b` has."""
    return (
        a[2] <= b[2]
        and a[3] >= b[3]
        and a[4] <= b[4]
        and a[5] >= b[5]
        and not b[1] & ~a[1]
        and not (a[0] ^ b[0]) & ~a[1]
    )


def contains(bits: int, a: Word, value: int) -> bool:
    """Whether a concrete number is among its values."""
    signed = value - (1 << bits) if value >> bits - 1 else value
    return not (value ^ a[0]) & ~a[1] and a[2] <= value <= a[3] and a[4] <= signed <= a[5]


def interval(bits: int, low: int, high: int) -> Word:
    """What is left in a word of the whole numbers from `low` to `high`, which may be negative or too large for it."""
    return _built(bits, (0, (1 << bits) - 1), (low, high))


def cut(first: int, last: int, low: int, size: int) -> tuple[int, int] | None:
    """The numbers from `first` to `last` as they are modulo `size`, between `low` and `low + size - 1`: an interval.

    None where they wrap around, or are all there are.
    """
    a, b = (first - low & size - 1) + low, (last - low & size - 1) + low
    return None if last - first >= size or a > b else (a, b)


def _built(bits: int, known: Tristate, *ranges: tuple[int, int]) -> Word:
    """A result of these known bits whose exact value, before it is cut to the width, lies in each of the ranges."""
    size = 1 << bits
    half = size >> 1
    low, high, slow, shigh = 0, size - 1, -half, half - 1
    for first, last in ranges:
        if (found := cut(first, last, 0, size)) is not None:
            low, high = max(low, found[0]), min(high, found[1])
        if (found := cut(first, last, -half, size)) is not None:
            slow, shigh = max(slow, found[0]), min(shigh, found[1])
    word = reduced(bits, known[0], known[1], low, high, slow, shigh)
    if word is None:
        raise AssertionError(f"no value at all: bits {known}, ranges {ranges} at width {bits}")
    return word


# Known bits alone, without a branch, so that a solver can run the same code on bit vectors.


def tristate_add(a: Tristate, b: Tristate, mask: int) -> Tristate:
    """A bit of a sum is known where no carry into it can differ and both bits are known."""
    least = a[0] + b[0]
    unknown = (least + a[1] + b[1]) ^ least | a[1] | b[1]
    return least & ~unknown & mask, unknown & mask


def tristate_sub(a: Tristate, b: Tristate, mask: int) -> Tristate:
    """The same of borrows."""
    middle = a[0] - b[0]
    unknown = (middle + a[1]) ^ (middle - b[1]) | a[1] | b[1]
    return middle & ~unknown & mask, unknown & mask


def tristate_and(a: Tristate, b: Tristate, mask: int) -> Tristate:
    """A bit is known where one is known to be 0, or both are known."""
    ones = a[0] & b[0]
    return ones, (a[0] | a[1]) & (b[0] | b[1]) & ~ones & mask


def tristate_or(a: Tristate, b: Tristate, mask: int) -> Tristate:
    """A bit is known where one is known to be 1, or both are known."""
    ones = a[0] | b[0]
    return ones, (a[1] | b[1]) & ~ones & mask


def tristate_xor(a: Tristate, b: Tristate, mask: int) -> Tristate:
    """A bit is known where both are."""
    unknown = a[1] | b[1]
    return (a[0] ^ b[0]) & ~unknown & mask, unknown


def _known(word: Word) -> Tristate:
    return word[0], word[1]


def add(bits: int, a: Word, b: Word) -> Word:
    """The sum."""
    known = tristate_add(_known(a), _known(b), (1 << bits) - 1)
    return _built(bits, known, (a[2] + b[2], a[3] + b[3]), (a[4] + b[4], a[5] + b[5]))


def sub(bits: int, a: Word, b: Word) -> Word:
    """The difference."""
    known = tristate_sub(_known(a), _known(b), (1 << bits) - 1)
    return _built(bits, known, (a[2] - b[3], a[3] - b[2]), (a[4] - b[5], a[5] - b[4]))


def mul(bits: int, a: Word, b: Word) -> Word:
    """The product, cut to the width."""
    products = (a[4] * b[4], a[4] * b[5], a[5] * b[4], a[5] * b[5])
    known = _product(bits, a, b)
    return _built(bits, known, (a[2] * b[2], a[3] * b[3]), (min(products), max(products)))


def _product(bits: int, a: Word, b: Word) -> Tristate:
    """Known bits of a product: shifted sums where a factor is known and has few bits, else the zeros at the end."""
    mask = (1 << bits) - 1
    for factor, other in ((a, b), (b, a)):
        if factor[1] == 0 and factor[0].bit_count() <= MAXIMUM_PRODUCTS:
            sum_ = 0, 0
            for shift in range(factor[0].bit_length()):
                if factor[0] >> shift & 1:
                    sum_ = tristate_add(sum_, (other[0] << shift & mask, other[1] << shift & mask), mask)
            return sum_
    zeros = _trailing_zeros(bits, a) + _trailing_zeros(bits, b)
    return 0, mask & ~((1 << min(zeros, bits)) - 1)


def _trailing_zeros(bits: int, a: Word) -> int:
    possible = a[0] | a[1]
    return (possible & -possible).bit_length() - 1 if possible else bits


def div(bits: int, a: Word, b: Word) -> Word:
    """The unsigned quotient; a division by zero gives zero (RFC 9669 section 4.1)."""
    if b[3] == 0:
        return constant(bits, 0)
    low = a[2] // b[3] if b[2] else 0
    return _built(bits, (0, (1 << bits) - 1), (low, a[3] // max(b[2], 1)))


def mod(bits: int, a: Word, b: Word) -> Word:
    """The unsigned remainder; by zero it is what was divided."""
    if a[3] < b[2] or b[3] == 0:
        return a
    if b[1] == 0 and b[0] & b[0] - 1 == 0:
        return and_(bits, a, constant(bits, b[0] - 1))
    return _built(bits, (0, (1 << bits) - 1), (0, min(a[3], b[3] - 1) if b[2] else a[3]))


def sdiv(bits: int, a: Word, b: Word) -> Word:
    """The signed quotient, truncated; by zero it is zero, and the lowest number by -1 is itself."""
    divisors = [each for each in (b[4], b[5], -1, 1) if each and b[4] <= each <= b[5]]
    quotients = [_truncated(dividend, divisor) for dividend in (a[4], a[5]) for divisor in divisors]
    if b[4] <= 0 <= b[5] or a[4] < 0 < a[5]:
        quotients.append(0)
    return _built(bits, (0, (1 << bits) - 1), (min(quotients), max(quotients)))


def _truncated(dividend: int, divisor: int) -> int:
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def smod(bits: int, a: Word, b: Word) -> Word:
    """The signed remainder, of the sign of what is divided; by zero it is what was divided."""
    low, high = min(a[4], 0), max(a[5], 0)
    if not b[4] <= 0 <= b[5]:
        most = max(abs(b[4]), abs(b[5])) - 1
        low, high = max(low, -most), min(high, most)
    return _built(bits, (0, (1 << bits) - 1), (low, high))


def and_(bits: int, a: Word, b: Word) -> Word:
    """Bits that are set in both."""
    return _built(bits, tristate_and(_known(a), _known(b), (1 << bits) - 1), (0, min(a[3], b[3])))


def or_(bits: int, a: Word, b: Word) -> Word:
    """Bits that are set in either."""
    mask = (1 << bits) - 1
    return _built(bits, tristate_or(_known(a), _known(b), mask), (max(a[2], b[2]), mask))


def xor(bits: int, a: Word, b: Word) -> Word:
    """Bits that are set in one."""
    return _built(bits, tristate_xor(_known(a), _known(b), (1 << bits) - 1))


def _amounts(bits: int, b: Word) -> tuple[int, int]:
    """The least and the most that a shift by `b` shifts: its amount is cut to the width."""
    amount = and_(bits, b, constant(bits, bits - 1))
    return amount[2], amount[3]


def lsh(bits: int, a: Word, b: Word) -> Word:
    """Shifted to the left."""
    mask = (1 << bits) - 1
    least, most = _amounts(bits, b)
    if least == most:
        known = a[0] << least & mask, a[1] << least & mask
        return _built(bits, known, (a[2] << least, a[3] << least), (a[4] << least, a[5] << least))
    zeros = min(_trailing_zeros(bits, a) + least, bits)
    return _built(bits, (0, mask & ~((1 << zeros) - 1)), (a[2] << least, a[3] << most))


def rsh(bits: int, a: Word, b: Word) -> Word:
    """Shifted to the right, with zeros."""
    least, most = _amounts(bits, b)
    known = (a[0] >> least, a[1] >> least) if least == most else (0, (1 << bits) - 1)
    return _built(bits, known, (a[2] >> most, a[3] >> least))


def arsh(bits: int, a: Word, b: Word) -> Word:
    """Shifted to the right, with copies of the sign."""
    mask, sign = (1 << bits) - 1, 1 << bits - 1
    least, most = _amounts(bits, b)
    known = (0, mask)
    if least == most:
        value, unknown = ((each ^ sign) - sign >> least & mask for each in a[:2])
        known = value & ~unknown, unknown
    return _built(bits, known, (min(a[4] >> least, a[4] >> most), max(a[5] >> least, a[5] >> most)))


def mov(bits: int, a: Word, b: Word) -> Word:
    """The second operand."""
    return b


BINARY: dict[str, Callable[[int, Word, Word], Word]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "div": div,
    "mod": mod,
    "sdiv": sdiv,
    "smod": smod,
    "and": and_,
    "or": or_,
    "xor": xor,
    "lsh": lsh,
    "rsh": rsh,
    "arsh": arsh,
    "mov": mov,
}
FROM_LOW_HALF = frozenset({"add", "sub", "mul", "and", "or", "xor", "mov"})
"""Operations whose low bits depend on the operands' low bits alone."""


def truncated(bits: int, a: Word, to: int) -> Word:
    """The low `to` bits."""
    if bits == to:
        return a
    mask = (1 << to) - 1
    return _built(to, (a[0] & mask, a[1] & mask), (a[2], a[3]), (a[4], a[5]))


def zero_extended(a: Word, to: int) -> Word:
    """The same unsigned number in more bits."""
    return _built(to, (a[0], a[1]), (a[2], a[3]))


def sign_extended(bits: int, a: Word, to: int) -> Word:
    """The same signed number in more bits."""
    if bits == to:
        return a
    mask, sign = (1 << to) - 1, 1 << bits - 1
    value, unknown = (((each ^ sign) - sign) & mask for each in a[:2])
    return _built(to, (value & ~unknown, unknown), (a[4], a[5]))


def swapped(bits: int, a: Word) -> Word:
    """Its bytes in the other order."""
    value, unknown = (int.from_bytes(each.to_bytes(bits // 8, "little"), "big") for each in a[:2])
    return _built(bits, (value, unknown))


Pair: TypeAlias = tuple[Word, Word] | None


def _equal(bits: int, a: Word, b: Word) -> Pair:
    both = meet(bits, a, b)
    return both and (both, both)


def _unequal(bits: int, a: Word, b: Word) -> Pair:
    if a[2] == a[3] and b[2] == b[3]:
        return None if a[2] == b[2] else (a, b)
    if b[2] == b[3]:
        without = _without(bits, a, b)
        return without and (without, b)
    if a[2] == a[3]:
        without = _without(bits, b, a)
        return without and (a, without)
    return a, b


def _without(bits: int, a: Word, b: Word) -> Word | None:
    """`a` without the constant `b`, which only the ends of its intervals can express."""
    value, unknown, low, high, slow, shigh = a
    return reduced(
        bits, value, unknown, low + (low == b[2]), high - (high == b[2]), slow + (slow == b[4]), shigh - (shigh == b[4])
    )


def _below(bits: int, a: Word, b: Word, least: int) -> Pair:
    """a + least <= b, unsigned."""
    first = reduced(bits, a[0], a[1], a[2], min(a[3], b[3] - least), a[4], a[5])
    second = reduced(bits, b[0], b[1], max(b[2], a[2] + least), b[3], b[4], b[5])
    return None if first is None or second is None else (first, second)


def _signed_below(bits: int, a: Word, b: Word, least: int) -> Pair:
    """a + least <= b, signed."""
    first = reduced(bits, a[0], a[1], a[2], a[3], a[4], min(a[5], b[5] - least))
    second = reduced(bits, b[0], b[1], b[2], b[3], max(b[4], a[4] + least), b[5])
    return None if first is None or second is None else (first, second)


def _some_bit(bits: int, a: Word, b: Word) -> Pair:
    """a & b is not zero."""
    if not (a[0] | a[1]) & (b[0] | b[1]):
        return None
    for mine, other, flipped in ((a, b, False), (b, a, True)):
        if other[1] == 0 and other[0].bit_count() == 1:
            known = reduced(bits, mine[0] | other[0], mine[1] & ~other[0], *mine[2:])
            return known and ((other, known) if flipped else (known, other))
    return a, b


def _no_bit(bits: int, a: Word, b: Word) -> Pair:
    """a & b is zero."""
    if a[0] & b[0]:
        return None
    first = reduced(bits, a[0], a[1] & ~b[0], *a[2:])
    second = reduced(bits, b[0], b[1] & ~a[0], *b[2:])
    return None if first is None or second is None else (first, second)


def _swap(pair: Pair) -> Pair:
    return pair and (pair[1], pair[0])


WHERE_TRUE: dict[str, Callable[[int, Word, Word], Pair]] = {
    "jeq": _equal,
    "jne": _unequal,
    "jlt": lambda bits, a, b: _below(bits, a, b, 1),
    "jle": lambda bits, a, b: _below(bits, a, b, 0),
    "jgt": lambda bits, a, b: _swap(_below(bits, b, a, 1)),
    "jge": lambda bits, a, b: _swap(_below(bits, b, a, 0)),
    "jslt": lambda bits, a, b: _signed_below(bits, a, b, 1),
    "jsle": lambda bits, a, b: _signed_below(bits, a, b, 0),
    "jsgt": lambda bits, a, b: _swap(_signed_below(bits, b, a, 1)),
    "jsge": lambda bits, a, b: _swap(_signed_below(bits, b, a, 0)),
    "jset": _some_bit,
    "jclear": _no_bit,
}
"""Both operands where the condition holds; None: it never does. `jclear` is what `jset` is not."""
OPPOSITE = {
    "jeq": "jne",
    "jne": "jeq",
    "jlt": "jge",
    "jge": "jlt",
    "jle": "jgt",
    "jgt": "jle",
    "jslt": "jsge",
    "jsge": "jslt",
    "jsle": "jsgt",
    "jsgt": "jsle",
    "jset": "jclear",
}
