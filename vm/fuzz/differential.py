"""Do the engines agree? Random programs, valid and mostly wrong, run on both: result, memory, count, fault and place.

A program is some functions over every row of the opcode table: jumps anywhere in the function, local calls, calls
through registers, helpers, atomics, accesses to regions that exist, that a hook watches, that are read-only, or that
are not there. The budget ends many runs somewhere in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

import vm
import vm.helpers
import vm.isa
from vm.fuzz.outcome import Outcome
from vm.isa import FRAME_POINTER, TABLE, Form, Instruction, Opcode
from vm.memory import CODE_REGION, MASK64

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["attempt"]

MAX_FUNCTIONS = 4
REGION_BYTES = 48
PLAIN, WATCHED, READ_ONLY, FAR, ABSENT = range(vm.HOST_REGION, vm.HOST_REGION + 5)
FAR_NUMBER = 5_000
"""A region that stands too high for the table that machine code looks into."""
_FUNCTION = CODE_REGION << 32
"""Stands for the address of some function until those are known."""
BUDGETS = (0, 1, 3, 10, 30, 100, 1_000, 1_000, 1_000, 1_000)
_INTERESTING = (0, 1, 2, 7, 8, 31, 32, 63, 64, 255, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 63, MASK64, MASK64 - 1)
_FORMS = [form for form in Form if form not in (Form.SECOND_HALF, Form.LOAD_PSEUDO)]
_ROWS = {form: [row for row in TABLE if row.form is form] for form in _FORMS}
_STORES = (Form.STORE_IMMEDIATE, Form.STORE_REGISTER, Form.ATOMIC, Form.ATOMIC_FETCH, Form.COMPARE_EXCHANGE)
_WEIGHTS = {Form.ALU_REGISTER: 6, Form.ALU_IMMEDIATE: 6, Form.LOAD: 3, Form.STORE_REGISTER: 3, Form.EXIT: 0}


@dataclass(slots=True)
class Seen:
    """What a run did, as far as its host can tell."""

    result: int | None = None
    fault: tuple[object, ...] = ()
    instructions: int = 0
    memory: list[bytes] = field(default_factory=list)
    calls: list[tuple[object, ...]] = field(default_factory=list)


def attempt(seed: int, number: int) -> Outcome:
    """Make the program of this number, and run each of its functions on every engine."""
    rng = Random(f"differential/{seed}/{number}")
    program = random_program(rng)
    machines = {engine: _Host(program, engine) for engine in vm.ENGINES}
    outcome = Outcome()
    for function in program.functions:
        for _ in range(3):
            arguments = [_number(rng) for _ in range(5)]
            budget = rng.choice(BUDGETS)
            content = rng.randbytes(REGION_BYTES)
            seen = {engine: host.run(function.start, arguments, budget, content) for engine, host in machines.items()}
            first, *others = seen.values()
            outcome.counts.update(runs=1, faults=int(bool(first.fault)), instructions=first.instructions)
            for engine, other in zip(list(seen)[1:], others, strict=True):
                if other != first:
                    outcome.violation = _report(seed, number, function.start, arguments, budget, seen, engine)
                    return outcome
    return outcome


def random_program(rng: Random) -> vm.Program:
    """Functions of random instructions, each ending in exit."""
    bodies = [
        [each for _ in range(rng.randint(1, 20)) for each in _phrase(rng)] for _ in range(rng.randint(1, MAX_FUNCTIONS))
    ]
    starts, at = [], 0
    for body in bodies:
        starts.append(at)
        at += _slots(body) + 1
    exit_row = _ROWS[Form.EXIT][0]
    placed: list[Instruction] = []
    for start, body in zip(starts, bodies, strict=True):
        places = [start + _slots(body[:index]) for index in range(len(body) + 1)]
        for pc, each in zip(places, body, strict=False):
            instruction = _aimed(rng, each, pc, places, starts)
            placed.append(instruction)
            if each.opcode.form is Form.LOAD_IMMEDIATE:
                placed.append(Instruction(vm.isa.SECOND_HALF, imm=_signed32(instruction.imm >> 32)))
        placed.append(Instruction(exit_row))
    ends = [*starts[1:], at]
    functions = tuple(
        vm.Function(f"function_{start}", "main", start, end, is_global=True)
        for start, end in zip(starts, ends, strict=True)
    )
    return vm.Program(tuple(placed), functions, MappingProxyType({"main": 0}))


def _phrase(rng: Random) -> list[Instruction]:
    """An instruction, mostly after others that give it an address or a number that makes sense."""
    instruction = _instruction(rng)
    form = instruction.opcode.form
    if rng.random() < 0.1:
        return [instruction]
    if form in (Form.LOAD, *_STORES):
        base = instruction.src if form is Form.LOAD else instruction.dst
        size = instruction.opcode.bits // 8
        if base == FRAME_POINTER:
            return [instruction._replace(offset=-rng.randint(size, 40))]
        region = rng.choice((PLAIN, PLAIN, WATCHED, FAR_NUMBER, READ_ONLY if form is Form.LOAD else PLAIN))
        at = rng.randint(0, REGION_BYTES - size)
        return [
            _set(base, vm.address(region, at)),
            instruction._replace(offset=rng.randint(-at, REGION_BYTES - size - at)),
        ]
    if form is Form.CALL_HELPER:
        kinds = HELPERS.by_number[instruction.imm].arguments
        setting = []
        for register, kind in enumerate(kinds, 1):
            setting.append(_set(register, _sensible(rng, kind)))
        if kinds and kinds[-1] == vm.Buffer():
            setting.append(_set(len(kinds) + 1, rng.randint(0, 16)))
        return [*setting, instruction]
    if form is Form.CALL_REGISTER:
        return [_set(instruction.dst, rng.choice((1, 2, _FUNCTION))), instruction]
    return [instruction]


def _sensible(rng: Random, kind: object) -> int:
    if isinstance(kind, vm.Scalar):
        return rng.randint(0, 1) if kind is vm.Scalar.BOOL else _number(rng)
    return vm.address(PLAIN, rng.randint(0, REGION_BYTES - 16))


def _set(register: int, value: int) -> Instruction:
    return Instruction(_ROWS[Form.LOAD_IMMEDIATE][0], register, imm=value)


def _instruction(rng: Random) -> Instruction:
    """Any row with any operands that it may have; where it jumps to is settled later."""
    form = rng.choices(_FORMS, [_WEIGHTS.get(each, 1) for each in _FORMS])[0]
    row: Opcode = rng.choice(_ROWS[form])
    fields = dict(row.fixed)
    written = row.form.writes_dst or row.form is Form.UNARY
    if "dst" in form.fields and "dst" not in fields:
        fields["dst"] = rng.randrange(FRAME_POINTER if written else FRAME_POINTER + 1)
    if "src" in form.fields and "src" not in fields:
        fields["src"] = rng.randrange(FRAME_POINTER if row.form.writes_src else FRAME_POINTER + 1)
    if "offset" in form.fields and not form.jumps and "offset" not in fields:
        fields["offset"] = rng.choice((0, 0, 0, 1, 8, -8, -16, REGION_BYTES - 8, -512, -520, 1 << 14))
    if "imm" in form.fields and "imm" not in fields:
        fields["imm"] = _signed32(rng.choice(_INTERESTING) if rng.random() < 0.5 else rng.getrandbits(32))
    if form is Form.LOAD_IMMEDIATE:
        fields["imm"] = _number(rng)
    if form is Form.CALL_HELPER:
        fields["imm"] = rng.choice([helper.number for helper in HELPERS])
    return Instruction(row, **fields)


def _aimed(rng: Random, instruction: Instruction, pc: int, places: list[int], starts: list[int]) -> Instruction:
    """The instruction with somewhere to go, if it goes anywhere; loops are as likely as not."""
    form = instruction.opcode.form
    if form is Form.CALL_LOCAL:
        return instruction._replace(imm=rng.choice(starts) - pc - 1)
    if form is Form.LOAD_IMMEDIATE and instruction.imm == _FUNCTION:
        return instruction._replace(imm=(CODE_REGION << 32) + 8 * rng.choice(starts))
    if not form.jumps:
        return instruction
    later = [place for place in places if place > pc]
    target = rng.choice(later if rng.random() < 0.75 else places)
    distance = target - pc - 1
    return instruction._replace(imm=distance) if form is Form.JUMP_LONG else instruction._replace(offset=distance)


def _number(rng: Random) -> int:
    """A number for a register: often an address, or at a seam of widths and signs."""
    kind = rng.random()
    if kind < 0.5:
        region = rng.choice((PLAIN, PLAIN, PLAIN, WATCHED, READ_ONLY, FAR_NUMBER, ABSENT, 1, 2))
        return vm.address(region, rng.choice((0, 0, 8, rng.randrange(REGION_BYTES + 8))))
    if kind < 0.55:
        return _FUNCTION
    if kind < 0.75:
        return (rng.choice(_INTERESTING) + rng.choice((0, 0, 1, -1))) & MASK64
    return rng.getrandbits(rng.choice((8, 16, 32, 64)))


def _slots(body: list[Instruction]) -> int:
    return sum(2 if each.opcode.form is Form.LOAD_IMMEDIATE else 1 for each in body)


def _signed32(value: int) -> int:
    return (value & 0xFFFF_FFFF ^ 1 << 31) - (1 << 31)


class _Host:
    """A machine on one engine, whose helpers and hooks note what they are called with."""

    def __init__(self, program: vm.Program, engine: str) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.machine = vm.Machine(program, HELPERS, engine=engine)
        self.regions = [
            vm.Region(PLAIN, "plain", bytearray(REGION_BYTES), True),
            vm.Region(WATCHED, "watched", bytearray(REGION_BYTES), True, self._watch("read"), self._watch("write")),
            vm.Region(READ_ONLY, "read-only", bytearray(REGION_BYTES)),
            vm.Region(FAR_NUMBER, "far", bytearray(REGION_BYTES), True),
        ]
        for region in self.regions:
            self.machine.memory.map(region)

    def _watch(self, what: str) -> Callable[[int, int], None]:
        def watch(offset: int, size: int) -> None:
            self.calls.append((what, offset, size))
            if offset == REGION_BYTES // 2:
                raise vm.AccessViolation("the middle is not to be touched")

        return watch

    def run(self, start: int, arguments: list[int], budget: int, content: bytes) -> Seen:
        seen = Seen()
        self.calls.clear()
        for region in self.regions:
            region.data[:] = content  # type: ignore[index]
        try:
            seen.result = self.machine.run(start, *arguments, context=self.calls, budget=budget)
        except vm.Fault as fault:
            seen.fault = (type(fault), str(fault), fault.pc, fault.function, fault.instructions)
        seen.instructions = self.machine.instructions
        seen.memory = [bytes(region.data) for region in self.regions]
        seen.calls = list(self.calls)
        return seen


def _note(context: list[tuple[object, ...]], *values: object) -> int:
    """The body of all helpers: note the arguments, fill what can be filled, give a number that depends on them."""
    noted = [bytes(value) if isinstance(value, memoryview) else value for value in values]
    context.append(("helper", *noted))
    for value in values:
        if isinstance(value, memoryview) and not value.readonly:
            value[:] = bytes(index & 0xFF for index in range(len(value)))
    total = sum(int(value) for value in values if isinstance(value, int))
    if total & 0xFF == 0x55:
        raise vm.HelperError("not this number")
    return total * 3 - 1


_SIGNATURES: tuple[tuple[tuple[vm.helpers.ArgType, ...], vm.Scalar | None], ...] = (
    ((), vm.Scalar.U64),
    ((vm.Scalar.U64, vm.Scalar.S64), vm.Scalar.S64),
    ((vm.Scalar.U32, vm.Scalar.S32), vm.Scalar.U32),
    ((vm.Scalar.S32,), vm.Scalar.S32),
    ((vm.Scalar.U64,) * 5, vm.Scalar.BOOL),
    ((vm.Scalar.BOOL,), None),
    ((vm.Buffer(size=8, writable=True), vm.Scalar.U32), vm.Scalar.U64),
    ((vm.Buffer(),), vm.Scalar.U64),
    ((vm.CString(limit=16),), None),
)
HELPERS = vm.HelperTable(
    vm.Helper(number, f"helper_{number}", kinds, returns, _note)
    for number, (kinds, returns) in enumerate(_SIGNATURES, 1)
)


def _report(
    seed: int, number: int, start: int, arguments: list[int], budget: int, seen: dict[str, Seen], engine: str
) -> str:
    lines = [
        f"seed {seed}, program {number}: from pc {start} with r1 to r5 = {', '.join(map(hex, arguments))} and a budget "
        f"of {budget}, {engine} differs from {vm.ENGINES[0]}:",
        *(f"  {name}: {each}" for name, each in seen.items()),
    ]
    return "\n".join(lines)
