"""How is a program run? A machine: its own data, the host's regions and helpers, a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.errors import BudgetExhausted, Fault, UnknownHelper, VmError
from vm.execution import EXITED, Execution
from vm.helpers import MAX_ARGUMENTS, BoundHelpers, HelperTable
from vm.interpreter import compiled
from vm.memory import MASK64, Memory, Region

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vm.execution import Registers
    from vm.interpreter import Step
    from vm.program import Program

DEFAULT_BUDGET = 1_000_000


class Machine:
    """One attachment of a program: what its functions share from one run to the next.

    `data` replaces the initial bytes of data sections by name, for instance of parameters. `budget` is the most
    instructions that a run may execute; a helper call counts as one. Set `on_step` to be called with pc and registers
    before each instruction; without it, tracing costs nothing. `instructions` is what the last run executed, an
    instruction that faulted included.

    Raises UnknownHelper if the program calls a helper that `helpers` does not have.
    """

    def __init__(
        self,
        program: Program,
        helpers: HelperTable | None = None,
        *,
        budget: int = DEFAULT_BUDGET,
        data: Mapping[str, bytes] | None = None,
    ) -> None:
        self.program = program
        self.budget = budget
        self.instructions = 0
        self.on_step: Callable[[int, Sequence[int]], None] | None = None
        self.memory = Memory()
        self._map_data(data or {})
        self._execution = Execution(self.memory, self._bind(helpers or HelperTable()), program.starts)
        self._steps = compiled(program)
        self._running = False

    def run(self, entry: str | int, *arguments: int, context: object = None, budget: int | None = None) -> int:
        """Run from an entry with r1, r2, ... = arguments; the unsigned 64-bit r0.

        `entry` is a code section's name, a global function's name or a function's pc. `context` is handed to helpers.
        Raises Fault; VmError for an unknown entry, too many arguments, or a run within a run. What else a helper's
        body or a region's hook raises passes through, with a note that says where.
        """
        pc = self.program.pc_of(entry)
        if len(arguments) > MAX_ARGUMENTS:
            raise VmError(f"{len(arguments)} arguments; a function takes at most {MAX_ARGUMENTS}")
        if self._running:
            raise VmError("this machine is already running: a helper or hook may not run it again")
        registers = [0] * 11
        registers[1 : 1 + len(arguments)] = [argument & MASK64 for argument in arguments]
        execution = self._execution
        execution.context = context
        limit = self.budget if budget is None else budget
        steps = self._steps if self.on_step is None else _Traced(self._steps, registers, self.on_step)
        executed = 0
        execution.enter(registers, EXITED)
        self._running = True
        try:
            for executed in range(1, limit + 1):  # noqa: B007 (read after the loop)
                pc = steps[pc](registers, execution)
                if pc < 0:
                    return registers[0]
            raise BudgetExhausted(f"the budget of {limit} instructions is exhausted")
        except Fault as fault:
            function = self.program.function_at(pc)
            fault.pc, fault.section, fault.function = pc, function.section, function.name
            fault.line = self.program.line_at(pc)
            fault.instructions = executed
            raise
        except Exception as error:
            error.add_note(f"raised while instruction {pc} of {self.program.source} was executed")
            raise
        finally:
            self.instructions = executed
            self._running = False
            execution.unwind()

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

    def _bind(self, helpers: HelperTable) -> BoundHelpers:
        for number, pc in self.program.helper_calls.items():
            if number not in helpers.by_number:
                raise self.program.illegal(pc, helpers.does_not_offer(number), UnknownHelper)
        return BoundHelpers(helpers, self.memory)


class _Traced:
    """The steps of a program, but looking one up reports it."""

    __slots__ = ("_on_step", "_registers", "_steps")

    def __init__(
        self, steps: Sequence[Step], registers: Registers, on_step: Callable[[int, Sequence[int]], None]
    ) -> None:
        self._steps = steps
        self._registers = registers
        self._on_step = on_step

    def __getitem__(self, pc: int) -> Step:
        self._on_step(pc, tuple(self._registers))
        return self._steps[pc]
