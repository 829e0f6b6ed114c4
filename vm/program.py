"""What is loaded and ready to run? A Program: instructions, functions, entries, data; checked to be well formed.

Well formed means that every function ends in `exit` or `ja`, that its jumps stay inside it, and that local calls go to
the first instruction of a function. So running code can only leave a function by `exit`. Register and field checks
are made by `vm.isa.decode`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from vm.errors import IllegalInstruction, LoadError, VmError
from vm.isa import SLOT_BYTES, Form, Instruction, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vm.source import LineTable, SourceLine

MAX_INSTRUCTIONS = 65_536


@dataclass(frozen=True, slots=True)
class Function:
    """A range of pcs, [start, end), that is entered only at its start."""

    name: str
    section: str
    start: int
    end: int
    is_global: bool = False


@dataclass(frozen=True, slots=True)
class DataSection:
    """Initial bytes of a region that each machine maps: its own copy where writable, else shared."""

    name: str
    region: int
    data: bytes
    writable: bool


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Program:
    """A loaded object; immutable, shared by all machines that run it.

    `instructions` is indexed by pc. `entries` maps the name of a code section ("replace/SetTimer") to a pc.
    `sections` has the raw bytes of data sections with names of the host's own, for metadata. `lines` are those of the
    source, where the object has them. `helper_calls` maps each helper's number to the pc of its first call. Raises
    IllegalInstruction if the instructions are not well formed.
    """

    instructions: tuple[Instruction, ...]
    functions: tuple[Function, ...]
    entries: Mapping[str, int]
    data: tuple[DataSection, ...] = ()
    sections: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    source: str = "<memory>"
    lines: LineTable | None = None
    helper_calls: Mapping[int, int] = field(init=False)

    def __post_init__(self) -> None:
        if len(self.instructions) > MAX_INSTRUCTIONS:
            raise LoadError(
                f"{len(self.instructions)} instruction slots; at most {MAX_INSTRUCTIONS} are allowed",
                source=self.source,
            )
        starts = {function.start for function in self.functions}
        for function in self.functions:
            self._check_function(function, starts)
        calls: dict[int, int] = {}
        for pc, instruction in enumerate(self.instructions):
            if instruction.opcode.form is Form.CALL_HELPER:
                calls.setdefault(instruction.imm, pc)
        object.__setattr__(self, "helper_calls", MappingProxyType(calls))

    @classmethod
    def from_bytes(cls, code: bytes, *, source: str = "<memory>") -> Program:
        """One raw program without an object file; its entry "main" is pc 0, functions are found by their calls."""
        if not code:
            raise LoadError("the program is empty", source=source)
        instructions = decode(code, source=source)
        targets = {
            pc + 1 + instruction.imm
            for pc, instruction in enumerate(instructions)
            if instruction.opcode.form is Form.CALL_LOCAL
        }
        starts = sorted({0} | {pc for pc in targets if 0 < pc < len(instructions)})
        functions = tuple(
            Function("main" if start == 0 else f"function_{start}", "main", start, end, is_global=start == 0)
            for start, end in zip(starts, [*starts[1:], len(instructions)], strict=True)
        )
        return cls(tuple(instructions), functions, MappingProxyType({"main": 0}), source=source)

    def function_at(self, pc: int) -> Function:
        """The function that an instruction belongs to."""
        index = bisect_right(self.functions, pc, key=lambda function: function.start)
        return self.functions[max(index - 1, 0)]

    def line_at(self, pc: int) -> SourceLine | None:
        """The line of the source that an instruction comes from; None where the object does not say."""
        return None if self.lines is None else self.lines.at(pc, start=self.function_at(pc).start)

    def with_lines_of(self, twin: Program) -> Program:
        """This program with the source lines of another build of it, which has debugging information.

        Raises LoadError unless the twin's code and data are the same and it has lines.
        """
        for what in ("instructions", "functions", "entries", "data"):
            if getattr(self, what) != getattr(twin, what):
                reason = f"its {what} are not those of {self.source}; build both from the same source"
                raise LoadError(reason, source=twin.source)
        if twin.lines is None:
            raise LoadError("it has no source lines; build it with -g", source=twin.source)
        return replace(self, lines=twin.lines)

    def pc_of(self, entry: str | int) -> int:
        """Where an entry starts: a code section's name, a global function's name, or a function's pc itself.

        Raises VmError if there is none.
        """
        if isinstance(entry, int):
            if any(function.start == entry for function in self.functions):
                return entry
        elif entry in self.entries:
            return self.entries[entry]
        else:
            for function in self.functions:
                if function.is_global and function.name == entry:
                    return function.start
        known = ", ".join([*self.entries, *(each.name for each in self.functions if each.is_global)])
        raise VmError(f"{self.source}: no entry {entry!r}; the program has {known}")

    def illegal(self, pc: int, reason: str, kind: type[IllegalInstruction] = IllegalInstruction) -> IllegalInstruction:
        """A refusal of the instruction at `pc`, with its place."""
        function = self.function_at(pc)
        base = min(each.start for each in self.functions if each.section == function.section)
        return kind(reason, pc=pc, source=self.source, section=function.section, offset=(pc - base) * SLOT_BYTES)

    def _check_function(self, function: Function, starts: set[int]) -> None:
        last = function.start
        for pc in range(function.start, function.end):
            instruction = self.instructions[pc]
            form = instruction.opcode.form
            if form is not Form.SECOND_HALF:
                last = pc
            if form.jumps:
                self._check_jump(function, pc, pc + 1 + instruction.offset)
            elif form is Form.CALL_LOCAL and pc + 1 + instruction.imm not in starts:
                target = pc + 1 + instruction.imm
                raise self.illegal(pc, f"call to instruction {target}, which is not the start of a function")
        if self.instructions[last].opcode.form not in (Form.EXIT, Form.JUMP):
            reason = f"function {function.name!r} falls off its end; its last instruction must be exit or ja"
            raise self.illegal(last, reason)

    def _check_jump(self, function: Function, pc: int, target: int) -> None:
        if not function.start <= target < function.end:
            inside = f"instructions {function.start} to {function.end - 1}"
            raise self.illegal(pc, f"jump to instruction {target}, outside of function {function.name!r} ({inside})")
        if self.instructions[target].opcode.form is Form.SECOND_HALF:
            raise self.illegal(pc, f"jump to instruction {target}, the second half of lddw")
