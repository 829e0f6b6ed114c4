"""How does a machine run its program? By an engine; the one here interprets.

An engine runs from a pc with registers, or makes an *entry*: a function that stores the numbers of each call where the
host said, and runs. `vm.jit.engine` has the other one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from vm.errors import BudgetExhausted, Fault, VmError
from vm.execution import EXITED, Execution
from vm.helpers import MAX_ARGUMENTS
from vm.interpreter import compiled
from vm.memory import MASK64

if TYPE_CHECKING:
    from vm.execution import Registers
    from vm.helpers import BoundHelpers
    from vm.interpreter import Step
    from vm.memory import Memory
    from vm.program import Program

OnStep: TypeAlias = Callable[[int, Sequence[int]], None]
"""Called with pc and registers before each instruction."""
Steps: TypeAlias = "Sequence[Step] | _Traced"
_PACK = {1: struct.Struct("<B"), 2: struct.Struct("<H"), 4: struct.Struct("<I"), 8: struct.Struct("<Q")}


@dataclass(frozen=True, slots=True)
class Place:
    """1, 2, 4 or 8 bytes of a mapped region, for a number that is stored there when an entry is called."""

    region: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Where to start, with which r1 to r5, and what becomes of the numbers of a call.

    `takes` has for each number of a call a register (1 to 5) or a place. A number is cut to the size of where it goes.
    """

    pc: int
    registers: tuple[int, ...] = ()
    takes: tuple[int | Place, ...] = ()

    def __post_init__(self) -> None:
        if len(self.registers) > MAX_ARGUMENTS:
            raise VmError(f"{len(self.registers)} arguments; a function takes at most {MAX_ARGUMENTS}")
        for each in self.takes:
            if isinstance(each, int) and not 1 <= each <= MAX_ARGUMENTS:
                raise VmError(f"an entry cannot take r{each}: arguments are r1 to r{MAX_ARGUMENTS}")
            if isinstance(each, Place) and each.size not in _PACK:
                raise VmError(f"an entry cannot take {each.size} bytes: a number has 1, 2, 4 or 8")

    def initial_registers(self) -> Registers:
        """r0 to r10 before the numbers of a call are known."""
        registers = [0] * 11
        registers[1 : 1 + len(self.registers)] = [value & MASK64 for value in self.registers]
        return registers


class Engine(Protocol):
    """What a machine asks of an engine."""

    budget: int

    @property
    def memory(self) -> Memory:
        """What the program can reach."""

    @property
    def instructions(self) -> int:
        """How many instructions the last run executed."""

    def entry(self, entry: Entry) -> Callable[..., int]:
        """A function of (context, number, ...) that runs from there; the unsigned 64-bit r0."""

    def trace(self, entry: Entry, context: object, on_step: OnStep) -> int:
        """Run from there, interpreted, with each step reported; r0."""


class InterpreterEngine:
    """Runs a program step by step, in the given memory."""

    def __init__(self, program: Program, memory: Memory, helpers: BoundHelpers, budget: int) -> None:
        self.memory = memory
        self.budget = budget
        self.instructions = 0
        self._program = program
        self._execution = Execution(memory, helpers, program.starts)
        self._steps = compiled(program)
        self._running = False

    def entry(self, entry: Entry) -> Callable[..., int]:
        """A function of (context, number, ...) that runs from there; the unsigned 64-bit r0."""
        pc, initial, count = entry.pc, entry.initial_registers(), len(entry.takes)
        to_register = [(n, each) for n, each in enumerate(entry.takes) if isinstance(each, int)]
        to_memory = [
            (n, _PACK[each.size].pack_into, bytes_of(self.memory, each), each.offset, (1 << 8 * each.size) - 1)
            for n, each in enumerate(entry.takes)
            if isinstance(each, Place)
        ]

        def call(context: object, *numbers: int) -> int:
            if len(numbers) != count:
                raise TypeError(f"this entry takes a context and {count} numbers, not {len(numbers)}")
            if self._running:
                raise entered_twice()
            registers = initial.copy()
            for n, register in to_register:
                registers[register] = numbers[n] & MASK64
            for n, pack_into, data, offset, mask in to_memory:
                pack_into(data, offset, numbers[n] & mask)
            return self._run(pc, registers, context, self._steps)

        return call

    def trace(self, entry: Entry, context: object, on_step: OnStep) -> int:
        """Run from there with each step reported; r0."""
        if self._running:
            raise entered_twice()
        registers = entry.initial_registers()
        return self._run(entry.pc, registers, context, _Traced(self._steps, registers, on_step))

    def finish(self, pc: int, registers: Registers, remaining: int, budget: int, context: object) -> None:
        """Go on in the frame that there is, to the end of a budget that does not last: it ends in a fault."""
        self._execution.context = context
        try:
            self._go_on(pc, registers, self._steps, budget - remaining, budget)
        finally:
            self._execution.context = None

    def _run(self, pc: int, registers: Registers, context: object, steps: Steps) -> int:
        execution = self._execution
        execution.context = context
        execution.enter(registers, EXITED)
        self._running = True
        try:
            return self._go_on(pc, registers, steps, 0, self.budget)
        finally:
            self._running = False
            execution.unwind()

    def _go_on(self, pc: int, registers: Registers, steps: Steps, executed: int, budget: int) -> int:
        execution = self._execution
        try:
            for executed in range(executed + 1, budget + 1):  # noqa: B007, B020 (read after the loop)
                pc = steps[pc](registers, execution)
                if pc < 0:
                    return registers[0]
            raise BudgetExhausted(f"the budget of {budget} instructions is exhausted")
        except Exception as error:
            locate(error, self._program, pc, executed)
            raise
        finally:
            self.instructions = executed


def bytes_of(memory: Memory, place: Place) -> bytearray:
    """What a place's number is stored into. Raises AccessViolation where it is not in memory, VmError for constants."""
    data = memory.locate((place.region << 32) + place.offset, place.size).data
    if not isinstance(data, bytearray):
        raise VmError(f"an entry cannot store into region {place.region}: its bytes are immutable")
    return data


def locate(error: Exception, program: Program, pc: int, executed: int) -> None:
    """Say in an exception where it was raised: in a fault's fields, in a note of any other."""
    if not isinstance(error, Fault):
        error.add_note(f"raised while instruction {pc} of {program.source} was executed")
        return
    function = program.function_at(pc)
    error.pc, error.section, error.function = pc, function.section, function.name
    error.line = program.line_at(pc)
    error.instructions = executed


def entered_twice() -> VmError:
    """The error of a run within a run."""
    return VmError("this machine is already running: a helper or hook may not run it again")


class _Traced:
    """The steps of a program, but looking one up reports it."""

    __slots__ = ("_on_step", "_registers", "_steps")

    def __init__(self, steps: Sequence[Step], registers: Registers, on_step: OnStep) -> None:
        self._steps = steps
        self._registers = registers
        self._on_step = on_step

    def __getitem__(self, pc: int) -> Step:
        self._on_step(pc, tuple(self._registers))
        return self._steps[pc]
