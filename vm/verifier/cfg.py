"""Where does control go, and what still matters there? Successors, join points, registers, the graph of local calls."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache, reduce
from operator import or_
from typing import TYPE_CHECKING

from vm.isa import FRAME_POINTER, Form

if TYPE_CHECKING:
    from collections.abc import Callable

    from vm.isa import Instruction
    from vm.program import Program

ARGUMENTS = 0b111110
CALL_CLOBBERS = 0b111111
JUMPS = frozenset({Form.JUMP_IMMEDIATE, Form.JUMP_REGISTER})
ARITHMETIC = frozenset({Form.ALU_IMMEDIATE, Form.ALU_REGISTER, Form.UNARY})
CALLS = frozenset({Form.CALL_HELPER, Form.CALL_LOCAL, Form.CALL_REGISTER})
_READS_DST = frozenset(
    {Form.STORE_IMMEDIATE, Form.STORE_REGISTER, Form.ATOMIC, Form.ATOMIC_FETCH, Form.COMPARE_EXCHANGE}
)


def successors(program: Program, pc: int) -> tuple[int, ...]:
    """Where the instruction at `pc` may go on within its function."""
    instruction = program.instructions[pc]
    form = instruction.opcode.form
    if form is Form.EXIT:
        return ()
    if form.jumps:
        target = instruction.target(pc)
        return (pc + 1, target) if form in JUMPS else (target,)
    return (pc + 2,) if form.is_wide else (pc + 1,)


class Flow:
    """What is known of a program before anything is run: made once a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        edges: Counter[int] = Counter(function.start for function in program.functions)
        backward: set[int] = set()
        for pc, instruction in enumerate(program.instructions):
            if instruction.opcode.form is Form.SECOND_HALF:
                continue
            for after in successors(program, pc):
                edges[after] += 1
                if after <= pc:
                    backward.add(after)
        self.joins = frozenset(pc for pc, count in edges.items() if count > 1) | backward
        """Where paths meet, and where loops begin: states are compared here."""
        self.live = self._backward(live_before)
        """By pc: a bit for each register whose value may still be read."""
        self._deciding: dict[int | None, list[int]] = {}

    def deciding(self, entry: int | None) -> list[int]:
        """By pc: a bit for each register whose number may still decide where control goes, which memory is touched, or
        what a call gets. What the function that begins at `entry` returns decides nothing; that of others may.
        """
        if entry not in self._deciding:
            end = -1 if entry is None else self.program.function_at(entry).end
            start = -1 if entry is None else entry

            def before(pc: int, instruction: Instruction, after: int) -> int:
                if instruction.opcode.form is Form.EXIT:
                    return 0 if start <= pc < end else 1
                return deciding_before(instruction, after)

            self._deciding[entry] = self._backward(before)
        return self._deciding[entry]

    def _backward(self, before: Callable[[int, Instruction, int], int]) -> list[int]:
        """By pc, the registers that `before` says of an instruction and those behind it, until nothing changes."""
        instructions = self.program.instructions
        following: list[tuple[int, ...]] = [()] * len(instructions)
        preceding: list[list[int]] = [[] for _ in range(len(instructions) + 2)]
        for pc, instruction in enumerate(instructions):
            if instruction.opcode.form is not Form.SECOND_HALF:
                following[pc] = successors(self.program, pc)
                for after in following[pc]:
                    preceding[after].append(pc)
        found = [0] * (len(instructions) + 2)
        # Only what a change can concern is looked at again: code may be laid out so that passes over all would be many.
        waiting = [pc for pc, each in enumerate(instructions) if each.opcode.form is not Form.SECOND_HALF]
        while waiting:
            pc = waiting.pop()
            registers = before(pc, instructions[pc], reduce(or_, [found[after] for after in following[pc]], 0))
            if registers != found[pc]:
                found[pc] = registers
                waiting += preceding[pc]
        return found


@lru_cache(maxsize=64)
def flow_of(program: Program) -> Flow:
    """The flow of a program."""
    return Flow(program)


def uses_and_sets(instruction: Instruction) -> tuple[int, int]:
    """A bit for each register that an instruction reads, and for each whose old value it ends."""
    opcode, dst, src, _, _ = instruction
    form = opcode.form
    if form is Form.EXIT:
        return 1, 0
    if form in CALLS:
        return ARGUMENTS | (1 << dst if form is Form.CALL_REGISTER else 0), CALL_CLOBBERS
    uses = 1 << src if "src" in form.fields else 0
    if form in JUMPS or form in _READS_DST:
        uses |= 1 << dst
    if form is Form.COMPARE_EXCHANGE:
        return uses | 1, 1
    if form is Form.ATOMIC_FETCH:
        return uses, 1 << src
    if not form.writes_dst:
        return uses, 0
    if form in ARITHMETIC and opcode.operation not in ("mov", "movsx"):
        uses |= 1 << dst
    return uses, 1 << dst


def live_before(pc: int, instruction: Instruction, after: int) -> int:
    """The registers that may still be read before an instruction, given those after it."""
    uses, sets = uses_and_sets(instruction)
    return uses | (after & ~sets) | 1 << FRAME_POINTER


def deciding_before(instruction: Instruction, after: int) -> int:
    """The registers that may decide something before an instruction, given those after it."""
    opcode, dst, src, _, _ = instruction
    form = opcode.form
    if form not in ARITHMETIC:
        uses, sets = uses_and_sets(instruction)
        return uses | (after & ~sets)
    if not after >> dst & 1:
        return after
    if opcode.operation in ("mov", "movsx"):
        after &= ~(1 << dst)
    return after | 1 << src if form is Form.ALU_REGISTER else after


def recursion(program: Program, entry: int) -> tuple[int, list[str]] | None:
    """A chain of local calls that comes back to where it was: the pc of the closing call, and the functions' names."""
    calls: dict[int, list[tuple[int, int]]] = {}
    for pc, instruction in enumerate(program.instructions):
        if instruction.opcode.form is Form.CALL_LOCAL:
            caller = program.function_at(pc).start
            calls.setdefault(caller, []).append((pc, instruction.target(pc)))
    chain: list[int] = [entry]
    pending = [iter(calls.get(entry, ()))]
    done: set[int] = set()
    while pending:
        for pc, callee in pending[-1]:
            if callee in chain:
                circle = [*chain[chain.index(callee) :], callee]
                return pc, [program.function_at(each).name for each in circle]
            if callee not in done:
                chain.append(callee)
                pending.append(iter(calls.get(callee, ())))
                break
        else:
            pending.pop()
            done.add(chain.pop())
    return None
