"""Is there an input that breaks a rule? The program is run in the interpreter, on inputs that the contract allows.

Helpers are stood in for: they return numbers that their declarations allow, and fill buffers with any bytes. What is
found is a run that happened, so that a refusal of a rule is never a guess.
"""

from __future__ import annotations

from hashlib import blake2b, shake_128
from typing import TYPE_CHECKING, Any

from vm.errors import Fault
from vm.helpers import Helper, HelperTable, Scalar
from vm.machine import Machine
from vm.memory import HOST_REGION, MASK64, Region, address
from vm.verifier.contract import PointerTo, Range, SizeOf, Terms

if TYPE_CHECKING:
    from vm.program import Program
    from vm.verifier.contract import Contract, RegionType, Rule

RUNS = 300  # assumed: enough where a branch or two compare with constants
INSTRUCTIONS = 200_000
"""Of all runs of one search together. Assumed: what 300 runs of any plugin of the paper take, and a second or two where
each calls a helper.
"""
CHOSEN_BYTES = 512  # assumed: what a program decides by stands in front; the rest of its memory is zeros
_RANGES = {Scalar.U32: 0xFFFF_FFFF, Scalar.S32: 0xFFFF_FFFF, Scalar.BOOL: 1}


class Draws:
    """Numbers by their place: the same on every machine and in every version of Python."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def below(self, bound: int) -> int:
        """The next number, less than `bound`, which is at most 2^64."""
        self._count += 1
        digest = blake2b(f"{self._name}:{self._count}".encode(), digest_size=16).digest()
        return int.from_bytes(digest, "little") % bound

    def bytes(self, count: int) -> bytes:
        """The next so many bytes."""
        self._count += 1
        return shake_128(f"{self._name}:{self._count}".encode()).digest(count)

    def of(self, numbers: list[int]) -> int:
        """One of these."""
        return numbers[self.below(len(numbers))]


def find(program: Program, entry: str, contract: Contract, rule: Rule) -> dict[str, int] | None:
    """The fields and the `result` of a run that breaks a rule, or None. The same for the same program."""
    ruled = contract.rule_region
    draws = Draws(f"{entry}: {rule.text}")
    numbers = _numbers(program)
    returned_by_host: set[int] = set()
    table = HelperTable(
        [_stand_in(each, contract.terms.get(each.number), returned_by_host) for each in contract.helpers]
    )
    left = INSTRUCTIONS
    for _ in range(RUNS):
        if left <= 0:
            break
        returned_by_host.clear()
        machine = Machine(program, table, budget=min(contract.limit, left), engine="interpreter")
        regions = {number: _bytes(region, draws, numbers) for number, region in contract.regions().items()}
        given = {} if ruled is None else _fields(ruled, regions[ruled.number])
        sizes: dict[int, int] = {}
        arguments = [_argument(each, draws, numbers, sizes) for each in contract.arguments]
        for number, region in contract.regions().items():
            data = regions[number][: sizes.get(number, region.size)]
            if number >= HOST_REGION:
                machine.memory.map(Region(number, region.name, data, writable=True))
        try:
            result = machine.run(entry, *arguments, context=(draws, numbers))
        except Fault:
            continue
        finally:
            left -= machine.instructions
        values = given | {"result": result}
        if result not in returned_by_host and rule.broken_by(values):
            return {name: value for name, value in values.items() if name in rule.names}
    return None


def _numbers(program: Program) -> list[int]:
    """Constants of the program and their neighbours: branches compare with them."""
    found = {0, 1, MASK64}
    for instruction in program.instructions:
        found |= {instruction.imm & MASK64, instruction.imm + 1 & MASK64, instruction.imm - 1 & MASK64}
    return sorted(found)


def _number(draws: Draws, numbers: list[int], low: int, high: int) -> int:
    fitting = [each for each in numbers if low <= each <= high]
    return draws.of(fitting) if fitting and draws.below(5) else low + draws.below(high - low + 1)


def _bytes(region: RegionType, draws: Draws, numbers: list[int]) -> bytearray:
    data = bytearray(region.size)
    if not region.fields and not region.arrays:
        for at in range(0, min(region.size - 7, CHOSEN_BYTES), 8):
            data[at : at + 8] = draws.of(numbers).to_bytes(8, "little")
    places = [(0, each) for each in region.fields]
    for array in region.arrays:
        places += [(array.offset + n * array.stride, each) for n in range(array.count) for each in array.fields]
    for base, field in places:
        most = min(field.maximum, (1 << 8 * field.size) - 1)
        value = _number(draws, numbers, field.minimum, most)
        at = base + field.offset
        data[at : at + field.size] = value.to_bytes(field.size, "little")
    return data


def _fields(region: RegionType, data: bytearray) -> dict[str, int]:
    return {each.name: int.from_bytes(data[each.offset : each.offset + each.size], "little") for each in region.fields}


def _argument(argument: object, draws: Draws, numbers: list[int], sizes: dict[int, int]) -> int:
    if isinstance(argument, PointerTo):
        return address(argument.region.number)
    if isinstance(argument, SizeOf):
        size = sizes[argument.region.number] = argument.minimum + draws.below(
            argument.region.size - argument.minimum + 1
        )
        return size
    assert isinstance(argument, Range)
    return _number(draws, numbers, argument.low, argument.high)


def _stand_in(helper: Helper, terms: Terms | None, returned_by_host: set[int]) -> Helper:
    """A helper of the same signature that returns what it may, and fills buffers with what may stand there."""
    terms = terms or Terms()

    def body(context: Any, *arguments: object) -> int:
        draws, numbers = context
        for each in arguments:
            if isinstance(each, memoryview) and not each.readonly:
                front = min(len(each), CHOSEN_BYTES)
                each[:] = draws.bytes(front) + bytes(len(each) - front)
        if isinstance(terms.result, PointerTo):
            return address(terms.result.region.number)
        kind = helper.returns
        low, high = (
            (terms.result.low, terms.result.high)
            if isinstance(terms.result, Range)
            else (
                0,
                MASK64 if kind is None else _RANGES.get(kind, MASK64),
            )
        )
        value = _number(draws, numbers, low, high)
        if terms.is_hosts_own:
            returned_by_host.add(value)
        return value

    return Helper(helper.number, helper.name, helper.arguments, helper.returns, body)
