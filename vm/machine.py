"""How is a program run? A machine: its own data, the host's regions and helpers, a budget, an engine."""

from __future__ import annotations

import operator
import warnings
from functools import cache
from typing import TYPE_CHECKING

from vm.engine import Entry, InterpreterEngine
from vm.errors import UnknownHelper, VmError
from vm.helpers import MAX_ARGUMENTS, BoundHelpers, HelperTable
from vm.memory import MASK64, MAX_CALL_DEPTH, Memory, Region

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vm.engine import Engine, OnStep, Place
    from vm.program import Program
    from vm.verifier import Proof

DEFAULT_BUDGET = 1_000_000
ENGINES = ("jit", "interpreter")
"""Machine code, and the reference for it; both give the same result, memory, count, fault and place."""


class Machine:
    """One attachment of a program: what its functions share from one run to the next.

    `data` replaces the initial bytes of data sections by name, for instance of parameters. `budget` is the most
    instructions that a run may execute; a helper call counts as one. `engine` is one of `ENGINES`; where llvmlite is
    not installed, the interpreter runs, and a warning says so once. `proofs` of
    the entries that will be run tell the JIT which checks to leave out.

    Set `on_step` to be called with pc and registers before each instruction of `run`, which then interprets; without
    it, tracing costs nothing.

    Raises UnknownHelper if the program calls a helper that `helpers` does not have; VmError for an unknown engine, a
    budget that cannot be counted down in 64 bits, or a proof of another program.
    """

    def __init__(
        self,
        program: Program,
        helpers: HelperTable | None = None,
        *,
        budget: int = DEFAULT_BUDGET,
        data: Mapping[str, bytes] | None = None,
        engine: str = "jit",
        proofs: Sequence[Proof] = (),
    ) -> None:
        self.program = program
        self.on_step: OnStep | None = None
        self._proofs = proofs
        table = helpers or HelperTable()
        for number, pc in program.helper_calls.items():
            if number not in table.by_number:
                raise program.illegal(pc, table.does_not_offer(number), UnknownHelper)
        for proof in proofs:
            if proof.program is not program:
                raise VmError(f"the proof of {proof.entry!r} is about another program, {proof.program.source}")
        self._engine = _engine(engine, program, table, _countable(budget), proofs)
        self._calls: dict[tuple[str | int, int], Callable[..., int]] = {}
        self.memory = self._engine.memory
        self._map_data(data or {})

    @property
    def budget(self) -> int:
        """The most instructions that a run may execute."""
        return self._engine.budget

    @budget.setter
    def budget(self, budget: int) -> None:
        if budget != self._engine.budget:
            self._engine.budget = _countable(budget)
            if self._proofs:  # machine code may have been chosen because the budget sufficed
                self._calls.clear()

    @property
    def instructions(self) -> int:
        """What the last run executed, an instruction that faulted included."""
        return self._engine.instructions

    def run(self, entry: str | int, *arguments: int, context: object = None, budget: int | None = None) -> int:
        """Run from an entry with r1, r2, ... = arguments; the unsigned 64-bit r0.

        `entry` is a code section's name, a global function's name or a function's pc. `context` is handed to helpers.
        Raises Fault; VmError for an unknown entry, too many arguments, or a run within a run. What else a helper's
        body or a region's hook raises passes through, with a note that says where.
        """
        if budget is not None and budget != self.budget:
            usual, self.budget = self.budget, budget
            try:
                return self.run(entry, *arguments, context=context)
            finally:
                self.budget = usual
        if self.on_step is not None:
            traced = Entry(self.program.pc_of(entry), arguments)
            return self._engine.trace(traced, context, self.on_step)
        count = len(arguments)
        if count > MAX_ARGUMENTS:
            raise VmError(f"{count} arguments; a function takes at most {MAX_ARGUMENTS}")
        call = self._calls.get((entry, count))
        if call is None:
            call = self._calls[entry, count] = self.entry(entry, takes=range(1, count + 1))
        return call(context, *arguments)

    def entry(
        self, entry: str | int, registers: Sequence[int] = (), takes: Sequence[int | Place] = ()
    ) -> Callable[..., int]:
        """A function `call(context, number, ...)` that runs from an entry, at the least cost there is.

        It starts with `registers` in r1, r2, ...; each number of a call goes where `takes` says: to a register, or to a
        place in memory. It holds while the budget is not lowered and the regions of its places are mapped. Raises
        VmError for an unknown entry or an argument that does not exist, AccessViolation for a place outside of memory.
        """
        return self._engine.entry(Entry(self.program.pc_of(entry), tuple(registers), tuple(takes)))

    def _map_data(self, replaced: Mapping[str, bytes]) -> None:
        sizes = {section.name: len(section.data) for section in self.program.data}
        for name, data in replaced.items():
            if sizes.get(name) != len(data):
                known = ", ".join(f"{each} ({size} bytes)" for each, size in sizes.items())
                raise VmError(f"no data section {name!r} of {len(data)} bytes to replace; there are {known or 'none'}")
        for section in self.program.data:
            data = replaced.get(section.name, section.data)
            initial = bytearray(data) if section.writable else data
            self.memory.map(Region(section.region, section.name, initial, section.writable))


def _countable(budget: int) -> int:
    if not 0 <= budget <= MASK64:
        raise VmError(f"a budget of {budget} instructions; it is a number from 0 to 2^64 - 1")
    return operator.index(budget)


def _engine(name: str, program: Program, table: HelperTable, budget: int, proofs: Sequence[Proof]) -> Engine:
    if name not in ENGINES:
        raise VmError(f"no engine {name!r}; there are {', '.join(ENGINES)}")
    if name == "jit" and _can_compile(program):
        from vm.jit.engine import NativeEngine  # here, because LLVM takes longer to import than all of vm

        return NativeEngine(program, table, budget, proofs)
    memory = Memory(MAX_CALL_DEPTH)
    return InterpreterEngine(program, memory, BoundHelpers(table, memory), budget)


def _can_compile(program: Program) -> bool:
    """Whether there is a JIT, and the program's calls have room on the native stack."""
    if not _has_jit():
        return False
    from vm.jit.compiler import fits_the_stack

    return fits_the_stack(program)


@cache
def _has_jit() -> bool:
    """Whether there is a JIT; where there is none, say so, once."""
    from vm.jit.compiler import is_available

    if not is_available():
        warnings.warn(
            "llvmlite is not installed (or this is no 64-bit little-endian machine): programs are interpreted, with "
            "the same results, more slowly; pip install llvmlite",
            RuntimeWarning,
            stacklevel=5,
        )
        return False
    return True
