"""How does a machine run machine code? Its context, its entries, and what happens when a run does not end well."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from vm.engine import Entry, InterpreterEngine, bytes_of, entered_twice, locate
from vm.errors import illegal_call, too_deep
from vm.helpers import BoundHelpers
from vm.jit.compiler import compile_program, entry_function
from vm.jit.facts import NOTHING, applies, facts_of
from vm.jit.native import Callback, Context, NativeMemory, Status, entry_record, pinned, python_objects
from vm.memory import MAX_CALL_DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vm.engine import OnStep
    from vm.helpers import HelperTable
    from vm.program import Program
    from vm.verifier import Proof


class _Record(int):
    """The address of an entry's record, as the object that its function carries; it keeps alive what is there."""

    kept: tuple[object, ...]


class NativeEngine:
    """Runs a program as machine code; a traced run and the last instructions of a budget are interpreted."""

    def __init__(self, program: Program, table: HelperTable, budget: int, proofs: Sequence[Proof]) -> None:
        self._program = program
        self._context = Context()
        self._context.budget = budget
        self.memory = NativeMemory(self._context, MAX_CALL_DEPTH if program.nests_calls else 1)
        self._helpers = BoundHelpers(table, self.memory)
        self._interpreter = InterpreterEngine(program, self.memory, self._helpers, budget)
        self._proofs = proofs
        self._called = [table.by_number[number] for number in program.helper_calls]
        objects = [
            helper.body if helper.takes_numbers_only else self._helpers[helper.number] for helper in self._called
        ]
        callbacks = {
            Callback.LOAD: self.memory.load,
            Callback.STORE: self.memory.store,
            Callback.CALL_ANY: self._call_any,
            Callback.EXPLAIN: self._explain,
        }
        self._objects = python_objects([*(callbacks[each] for each in Callback), *objects])
        self._context.objects = ctypes.addressof(self._objects)

    @property
    def budget(self) -> int:
        """The most instructions that a run executes."""
        return int(self._context.budget)

    @budget.setter
    def budget(self, budget: int) -> None:
        self._context.budget = self._interpreter.budget = budget

    @property
    def instructions(self) -> int:
        """How many instructions the last run executed."""
        return int(self._context.limit - self._context.remaining)

    def entry(self, entry: Entry) -> Callable[..., int]:
        """A function of (context, number, ...) that runs from there; the unsigned 64-bit r0.

        What it assumes of the budget, because of a proof, holds while the budget is not lowered.
        """
        proof = next((proof for proof in self._proofs if applies(proof, entry)), None)
        facts = NOTHING if proof is None else facts_of(self._proofs, proof, self.memory, self.budget)
        self.memory.rely_on(facts.regions.values())
        compiled = compile_program(self._program, self._called, facts)
        registers = entry.initial_registers()[1:6]
        pins: list[object] = []
        targets: list[int | tuple[int, int]] = []
        for each in entry.takes:
            if isinstance(each, int):
                targets.append(each)
            else:
                pins.append(pin := pinned(bytes_of(self.memory, each)))
                targets.append((ctypes.addressof(pin) + each.offset, each.size))
        record = entry_record(self._context, compiled.functions[entry.pc], registers, targets)
        bind = entry_function()
        handle = _Record(ctypes.addressof(record))
        handle.kept = (self, compiled, record, pins, bind)
        return bind(handle)

    def trace(self, entry: Entry, context: object, on_step: OnStep) -> int:
        """Run interpreted, each step reported."""
        native = self._context
        if native.running:
            raise entered_twice()
        native.running = 1
        self.memory.synchronise()  # a helper may have looked at frames that are gone since
        try:
            return self._interpreter.trace(entry, context, on_step)
        finally:
            native.running = 0
            native.limit = native.budget
            native.remaining = native.limit - self._interpreter.instructions

    def _call_any(self, context: object, number: int, *registers: int) -> int:
        """What `callx` does with a helper's number."""
        return self._helpers[number](context, *registers)

    def _explain(self, status: int, what: object) -> None:
        """Called by machine code when a run does not end well: locate the exception `what`, or raise one."""
        native = self._context
        limit, remaining, pc = native.limit, native.remaining, native.pc
        if status == Status.ENTERED_TWICE:
            raise entered_twice()
        if status == Status.BUDGET_SHORT:
            try:
                self._interpreter.finish(pc, list(native.registers), remaining, limit, what)
            finally:
                native.remaining = limit - self._interpreter.instructions
            return
        executed = limit - remaining
        if status == Status.RAISED:
            if isinstance(what, Exception):
                locate(what, self._program, pc, executed)
            return
        error = (
            too_deep()
            if status == Status.TOO_DEEP
            else illegal_call(self._program.instructions[pc].dst, native.registers[0])
        )
        locate(error, self._program, pc, executed)
        raise error
