"""Is the verifier right? Accepted programs are run, and must neither fault nor leave what was known of them.

At each instruction the registers, and what the frames hold, lie in one of the states that were recorded there; equal
identities are equal numbers; a run takes no more instructions than the worst case, and touches no field that is not
among the effects. "Never faults" alone finds few bugs: most programs have more room than they need.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from vm.errors import Fault, LoadError
from vm.fuzz.outcome import Outcome
from vm.fuzz.programs import BSS, BSS_BYTES, MEMORY_BYTES, PACKET_BYTES, RODATA, RODATA_BYTES, Generator, interesting
from vm.helpers import Buffer, Helper, HelperTable, Scalar
from vm.isa import Instruction, encode
from vm.machine import Machine
from vm.memory import HOST_REGION, MASK64, MAX_CALL_DEPTH, STACK_REGION, Region, address
from vm.program import DataSection, Program
from vm.verifier import Array, Contract, Field, PointerTo, Range, RegionType, Rejected, SizeOf, Terms, verify
from vm.verifier.values import Number, Pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vm.verifier.proof import Proof
    from vm.verifier.state import State

RUNS = 6
LIMIT = 20_000

MEMORY = RegionType(HOST_REGION, "memory", MEMORY_BYTES, is_writable=True)
FIELDS = RegionType(
    HOST_REGION + 1,
    "fields",
    32 + 2 * 16,
    fields=(
        Field("value", 0, 8),
        Field("small", 8, 4, maximum=40),
        Field("spread", 12, 4, minimum=5, maximum=0x8000_0001),
        Field("half", 16, 2, is_writable=True),
        Field("flag", 18, 1, maximum=1),
        Field("index", 19, 1, maximum=7),
    ),
    arrays=(Array("pairs", 32, 16, 2, (Field("first", 0, 8), Field("second", 8, 8, is_writable=True))),),
)
PACKET = RegionType(HOST_REGION + 2, "packet", PACKET_BYTES)
FOUND = RegionType(HOST_REGION + 3, "found", 16, is_writable=True)


DATA = (
    DataSection(".rodata", RODATA, bytes(range(RODATA_BYTES)), writable=False),
    DataSection(".bss", BSS, bytes(BSS_BYTES), writable=True),
)


def _helpers() -> HelperTable:
    def fill(rng: Random, target: memoryview) -> None:
        target[:] = bytes(rng.getrandbits(8) for _ in range(len(target)))

    return HelperTable(
        (
            Helper(1, "number", (), Scalar.U64, lambda rng: interesting(rng)),
            Helper(2, "signed", (), Scalar.S32, lambda rng: interesting(rng)),
            Helper(3, "fill", (Buffer(writable=True),), Scalar.BOOL, fill),
            Helper(4, "look", (Buffer(),), Scalar.U32, lambda rng, data: sum(data)),
            Helper(5, "find", (), Scalar.U64, lambda rng: rng.choice((0, address(FOUND.number)))),
        )
    )


@dataclass(frozen=True, slots=True)
class FieldRule:
    """A rule on the result and fields of the structure."""

    text: str
    names: frozenset[str]
    when: str = ""

    def broken_by(self, values: Mapping[str, int]) -> bool:
        """Whether concrete numbers break it."""
        return bool(eval(self.when or "1", {}, dict(values))) and not eval(self.text, {}, dict(values))


RULES = (
    FieldRule("result >= index", frozenset({"result", "index"})),
    FieldRule("result != small or result == value", frozenset({"result", "small", "value"})),
    FieldRule("result < 1 << 40 or not spread", frozenset({"result", "spread", "flag"}), when="flag > 0"),
)
CONTRACT = Contract(
    arguments=(PointerTo(MEMORY), PointerTo(FIELDS), PointerTo(PACKET), SizeOf(PACKET), Range()),
    helpers=_helpers(),
    terms={5: Terms(result=PointerTo(FOUND, is_nullable=True))},
    limit=LIMIT,
)
RULED = replace(CONTRACT, rules=RULES, ruled=FIELDS)
"""The same with rules: what they are about is followed more closely, and a rule that is proved must hold."""


def attempt(seed: int, number: int) -> Outcome:
    """Make the `number`-th program of a seed, verify it, and run it where it was accepted."""
    outcome = Outcome(Counter({"accepted": 0, "runs": 0, "refused": 0}))
    rng = Random(f"{seed}:{number}")
    code = Generator(rng).program()
    try:
        name = f"program {number} of seed {seed}"
        program = Program.from_bytes(b"".join(encode(each) for each in code), source=name, data=DATA)
        proof = verify(program, "main", RULED if number % 2 else CONTRACT, keep_states=True)
    except LoadError as refusal:
        if not isinstance(refusal, Rejected):
            raise
        outcome.counts["refused"] = 1
        return outcome
    except AssertionError as error:
        outcome.violation = _told(code, f"the verifier contradicts itself: {error}")
        return outcome
    outcome.counts["accepted"] = 1
    for run in range(RUNS):
        outcome.counts["runs"] += 1
        violation = run_once(program, proof, rng)
        if violation:
            outcome.violation = _told(code, f"run {run}: {violation}")
            break
    return outcome


def _told(code: list[Instruction], what: str) -> str:
    listing = "\n".join(
        f"  {pc:4} {each.opcode.mnemonic} dst={each.dst} src={each.src} offset={each.offset} imm={each.imm:#x}"
        for pc, each in _by_pc(code)
    )
    return f"{what}\n{listing}"


def _by_pc(code: list[Instruction]) -> list[tuple[int, Instruction]]:
    found, pc = [], 0
    for each in code:
        found.append((pc, each))
        pc += len(encode(each)) // 8
    return found


def random_fields(rng: Random) -> bytearray:
    """A structure whose fields keep their ranges."""
    data = bytearray(FIELDS.size)
    for place in FIELDS.fields:
        most = min(place.maximum, (1 << 8 * place.size) - 1)
        value = rng.choice((place.minimum, most, place.minimum + interesting(rng) % (most - place.minimum + 1)))
        data[place.offset : place.offset + place.size] = value.to_bytes(place.size, "little")
    for at in range(32, FIELDS.size, 8):
        data[at : at + 8] = interesting(rng).to_bytes(8, "little")
    return data


def run_once(program: Program, proof: Proof, rng: Random) -> str:
    """Run a program on random inputs; what it did that it should not, or nothing.

    Where the proof kept no states, only faults, counts and effects are looked at.
    """
    machine = Machine(program, CONTRACT.helpers, budget=LIMIT)
    size = rng.choice((0, 1, PACKET_BYTES, rng.randint(0, PACKET_BYTES)))
    memory = bytearray(b"".join(interesting(rng).to_bytes(8, "little") for _ in range(MEMORY_BYTES // 8)))
    fields = random_fields(rng)
    given = {
        each.name: int.from_bytes(fields[each.offset : each.offset + each.size], "little") for each in FIELDS.fields
    }
    touched: set[tuple[str, str]] = set()
    for region, data, writable in (
        (MEMORY, memory, True),
        (FIELDS, fields, True),
        (PACKET, rng.randbytes(size), False),
        (FOUND, bytearray(rng.randbytes(FOUND.size)), True),
    ):
        on_read, on_write = _watch(region, touched) if region is FIELDS else (None, None)
        machine.memory.map(Region(region.number, region.name, data, writable, on_read, on_write))
    problems: list[str] = []

    def on_step(pc: int, registers: Sequence[int]) -> None:
        if not problems and (problem := outside(machine, proof.states.get(pc, []), registers, {PACKET.number: size})):
            problems.append(f"instruction {pc}: {problem}")

    if proof.states:
        machine.on_step = on_step
    arguments = (*(address(each.number) for each in (MEMORY, FIELDS, PACKET)), size, interesting(rng))
    try:
        result = machine.run("main", *arguments, context=rng)
    except Fault as fault:
        return problems[0] if problems else f"a fault: {fault}"
    if problems:
        return problems[0]
    if machine.instructions > proof.worst_case_instructions:
        return f"{machine.instructions} instructions; the worst case is {proof.worst_case_instructions}"
    for rule, judged in zip(RULES, proof.rules, strict=False):
        if judged.is_proved and rule.broken_by(given | {"result": result}):
            return f"the rule {rule.text} was proved; the result {result} breaks it with {given}"
    allowed = {("read", str(each)) for each in proof.reads} | {("write", str(each)) for each in proof.writes}
    if more := touched - allowed:
        return f"{', '.join(f'{kind} of {name}' for kind, name in sorted(more))}, which is not among the effects"
    return ""


Hook: TypeAlias = "Callable[[int, int], None]"


def _watch(region: RegionType, touched: set[tuple[str, str]]) -> tuple[Hook, Hook]:
    """Hooks of a region that note which fields are read and written."""
    (array,) = region.arrays
    places = [(each.offset, each.size, f"{region.name}.{each.name}") for each in region.fields]
    for index in range(array.count):
        base = array.offset + index * array.stride
        places += [
            (base + each.offset, each.size, f"{region.name}.{array.name}[].{each.name}") for each in array.fields
        ]

    def hook(kind: str, offset: int, size: int) -> None:
        touched.update((kind, name) for at, length, name in places if at < offset + size and offset < at + length)

    return lambda offset, size: hook("read", offset, size), lambda offset, size: hook("write", offset, size)


def outside(machine: Machine, states: list[State], registers: Sequence[int], sizes: dict[int, int]) -> str:
    """Why concrete registers and frames lie in none of the states recorded at an instruction, or nothing."""
    reason = "it was never reached in the verifier"
    for state in states:
        problem = _excluded(machine, state, registers, sizes)
        if not problem:
            return ""
        reason = f"{problem} (the last of {len(states)} states)"
    return reason


def _excluded(machine: Machine, state: State, registers: Sequence[int], sizes: dict[int, int]) -> str:
    equal: dict[int, int] = {}
    for register, (value, concrete) in enumerate(zip(state.registers, registers, strict=True)):
        if value is None:
            continue
        if not value.contains(concrete):
            return f"r{register} is {concrete:#x}, which is not in {value!r}"
        if value.identity and equal.setdefault(value.identity, concrete) != concrete:
            return f"r{register} is {concrete:#x}, but something that it equals is {equal[value.identity]:#x}"
    for region, least in state.sizes.items():
        if sizes[region] < least:
            return f"region {region} has {sizes[region]} bytes, and is said to have {least}"
    for depth in range(MAX_CALL_DEPTH):
        is_mapped = _frame_bytes(machine, depth) is not None
        if is_mapped != (depth < len(state.frames)):
            return f"there are not {len(state.frames)} frames"
    for depth, frame in enumerate(state.frames):
        data = _frame_bytes(machine, depth)
        assert data is not None
        for at, (size, slot) in frame.slots.items():
            concrete = int.from_bytes(data[at : at + size], "little")
            if isinstance(slot, (Number, Pointer)):
                if not slot.contains(concrete):
                    return f"stack {depth}, offset {at}: {concrete:#x} is not in {slot!r}"
                if slot.identity and equal.setdefault(slot.identity, concrete) != concrete:
                    return f"stack {depth}, offset {at} is {concrete:#x}, not {equal[slot.identity]:#x}"
    return ""


def _frame_bytes(machine: Machine, depth: int) -> bytearray | bytes | None:
    try:
        return machine.memory.locate(address(STACK_REGION + depth) & MASK64, 1).data
    except Fault:
        return None
