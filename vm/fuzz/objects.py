"""Is every damaged object file refused with a LoadError, or loaded and run without harm?

Objects of real compilers are damaged at random: bits, bytes and numbers in their tables, pieces of one in another, a
section in the place of another, a file cut short. What loads is also run, for a few instructions, and asked for its
lines; nothing but a Fault may come of it.
"""

from __future__ import annotations

import struct
import traceback
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from vm.elf import MAX_LOADED_BYTES
from vm.errors import Fault, LoadError, UnknownHelper, VmError
from vm.fuzz.outcome import Outcome
from vm.helpers import Helper, HelperTable, Scalar
from vm.linker import load
from vm.machine import Machine
from vm.program import MAX_INSTRUCTIONS, Program

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).parents[2] / "tests" / "vm" / "objects"
BUDGET = 200
MOST_DAMAGES = 5

HELPERS = HelperTable(
    Helper(number, name, (Scalar.U64,), Scalar.U64, lambda context, value: value)
    for number, name in ((7, "add_one"), (8, "add_two"), (9, "report"))
)

_HEADER_BYTES, _ENTRY_BYTES = 64, 64
_SECTION_TABLE = struct.Struct("<40xQ10xHH")  # its offset; bytes of an entry, number of entries
_EXTENT = struct.Struct("<24xQQ")  # of a section: offset, bytes
_EDGES = (0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 24, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


@cache
def corpus() -> tuple[tuple[str, bytes], ...]:
    """The objects to begin with, by name. Raises VmError where there are none."""
    found = tuple((path.name, path.read_bytes()) for path in sorted(CORPUS.glob("*.o")))
    if not found:
        raise VmError(f"{CORPUS} has no objects to begin with; fuzz in a checkout of the project")
    return found


def attempt(seed: int, number: int) -> Outcome:
    """Damage an object, and load it: the `number`-th try of a seed."""
    rng = Random(f"{seed}:{number}")
    name, data = rng.choice(corpus())
    damaged, how = bytearray(data), []
    for _ in range(rng.randint(1, MOST_DAMAGES)):
        damage = rng.choice(DAMAGES)
        damage(rng, damaged)
        how.append(damage.__name__)
    outcome = Outcome(Counter({"loaded": 0, "refused": 0, "runs": 0}))
    try:
        outcome.counts.update(tried(bytes(damaged)))
    except Exception:
        what = f"{name} of try {number} of seed {seed}, after {', '.join(how)}"
        outcome.violation = f"{what}\n{traceback.format_exc()}"
    return outcome


def tried(data: bytes) -> Counter[str]:
    """Load bytes, and run what comes of it. What it raises is a violation."""
    try:
        program = load(data, helpers=HELPERS.numbers())
    except LoadError as refusal:
        str(refusal)
        return Counter({"refused": 1})
    if len(program.instructions) > MAX_INSTRUCTIONS or sum(len(each.data) for each in program.data) > MAX_LOADED_BYTES:
        raise AssertionError("it is larger than the limits allow")
    for pc in range(len(program.instructions)):
        str(program.line_at(pc))
    return Counter({"loaded": 1, "runs": sum(ran(program, entry) for entry in program.entries)})


def ran(program: Program, entry: str) -> bool:
    """Whether an entry could be started at all, with numbers for pointers."""
    try:
        machine = Machine(program, HELPERS, budget=BUDGET, engine="interpreter")
    except UnknownHelper:
        return False
    try:
        machine.run(entry, 1, 2, 3)
    except Fault as fault:
        str(fault)
    return True


# ----------------------------------------------------------------------------------------------------------- damages


def bits(rng: Random, data: bytearray) -> None:
    """Flip a few bits."""
    for _ in range(rng.randint(1, 8) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def number(rng: Random, data: bytearray) -> None:
    """Put an interesting number of 1, 2, 4 or 8 bytes somewhere."""
    _put(rng, data, rng.randrange(len(data)) if data else 0)


def header(rng: Random, data: bytearray) -> None:
    """Put an interesting number into the file's header."""
    _put(rng, data, rng.randrange(_HEADER_BYTES))


def section_header(rng: Random, data: bytearray) -> None:
    """Put an interesting number into the table of sections."""
    table, count = _sections(data)
    _put(rng, data, table + rng.randrange(count * _ENTRY_BYTES))


def entry(rng: Random, data: bytearray) -> None:
    """Put an interesting number into a section, at a multiple of 4: symbols, relocations, lines, code."""
    start, size = _extent(rng, data)
    _put(rng, data, start + 4 * rng.randrange(max(size // 4, 1)))


def exchange(rng: Random, data: bytearray) -> None:
    """Let two sections change places, or one be as long, or of the kind, of the other."""
    table, count = _sections(data)
    one, other = (table + _ENTRY_BYTES * rng.randrange(count) for _ in range(2))
    first = rng.randrange(0, _ENTRY_BYTES, 4)
    last = rng.choice((first + 4, first + 8, _ENTRY_BYTES))
    data[one + first : one + last], data[other + first : other + last] = (
        data[other + first : other + last],
        data[one + first : one + last],
    )


def splice(rng: Random, data: bytearray) -> None:
    """Put a piece of another object over a piece of this one."""
    _, other = rng.choice(corpus())
    size = rng.choice((8, 16, 24, 64, 256))
    start, target = rng.randrange(len(other)), rng.randrange(len(data) + 1)
    data[target : target + size] = other[start : start + size]


def section_splice(rng: Random, data: bytearray) -> None:
    """Let a section be one of another object, which is put behind the end."""
    _, other = rng.choice(corpus())
    start, size = _extent(rng, other)
    table, count = _sections(data)
    at = table + _ENTRY_BYTES * rng.randrange(count)
    if at + _ENTRY_BYTES <= len(data):
        struct.pack_into("<QQ", data, at + 24, len(data), size)
        data += other[start : start + size]


def cut(rng: Random, data: bytearray) -> None:
    """Cut the file short, or take a piece out of it."""
    start = rng.randrange(len(data) + 1)
    del data[start : rng.choice((start + 1, start + 8, start + 64, len(data)))]


DAMAGES: tuple[Callable[[Random, bytearray], None], ...] = (
    bits,
    number,
    header,
    section_header,
    section_header,
    entry,
    entry,
    exchange,
    splice,
    section_splice,
    cut,
)
"""What leaves most of an object whole stands twice: it comes further than the first checks."""


def _put(rng: Random, data: bytearray, at: int) -> None:
    size = rng.choice((1, 2, 4, 8))
    if at + size > len(data):
        return
    if rng.random() < 0.5:
        value = rng.choice(_EDGES)
    else:  # a little more or less than it was, or than the file has
        was = int.from_bytes(data[at : at + size], "little")
        value = rng.choice((was, len(data))) + rng.choice((-24, -16, -8, -1, 1, 8, 16, 24))
    data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def _sections(data: bytes | bytearray) -> tuple[int, int]:
    """Where the table of sections is, and how many it has, as far as the file still says so."""
    if len(data) < _HEADER_BYTES:
        return 0, 1
    table, _, count = _SECTION_TABLE.unpack_from(data)
    return min(table, len(data)), max(min(count, (len(data) - table) // _ENTRY_BYTES), 1)


def _extent(rng: Random, data: bytes | bytearray) -> tuple[int, int]:
    """Where some section's bytes are."""
    table, count = _sections(data)
    at = table + _ENTRY_BYTES * rng.randrange(count)
    if at + _ENTRY_BYTES > len(data):
        return 0, len(data)
    start, size = _EXTENT.unpack_from(data, at)
    return min(start, len(data)), min(size, len(data))
