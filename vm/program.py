"""What is loaded and ready to run? A Program: instructions, functions, entries, data; checked to be well formed.

Well formed means that every function ends in `exit` or `ja`, that its jumps stay inside it, and that local calls go to
the first instruction of a function. So running code can only leave a function by `exit`. Register and field checks
are made by `vm.isa.decode`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import InitVar, dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from vm.errors import IllegalInstruction, LoadError, VmError
from vm.isa import SLOT_BYTES, Form, Instruction, decode, encode
from vm.pseudo import Resolver, resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    source, where the object has them. `helper_calls` maps each helper's number to the pc of its first call; if
    `calls_through_registers`, others may be, too. It `nests_calls` if it may use more than one frame. `starts` has the
    first pc of each function. `resolver` answers for pseudo sources of `lddw` that are the host's.

    Raises IllegalInstruction if the instructions are not well formed, or a pseudo source stands for nothing.
    """

    instructions: tuple[Instruction, ...]
    functions: tuple[Function, ...]
    entries: Mapping[str, int]
    data: tuple[DataSection, ...] = ()
    sections: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    source: str = "<memory>"
    lines: LineTable | None = None
    resolver: InitVar[Resolver | None] = None
    helper_calls: Mapping[int, int] = field(init=False)
    calls_through_registers: bool = field(init=False)
    nests_calls: bool = field(init=False)
    starts: frozenset[int] = field(init=False)

    def __post_init__(self, resolver: Resolver | None) -> None:
        if len(self.instructions) > MAX_INSTRUCTIONS:
            raise LoadError(
                f"{len(self.instructions)} instruction slots; at most {MAX_INSTRUCTIONS} are allowed",
                source=self.source,
            )
        object.__setattr__(self, "starts", frozenset(function.start for function in self.functions))
        for function in self.functions:
            self._check_function(function)
        object.__setattr__(self, "instructions", resolved(self, resolver))
        calls: dict[int, int] = {}
        for pc, instruction in enumerate(self.instructions):
            if instruction.opcode.form is Form.CALL_HELPER:
                calls.setdefault(instruction.imm, pc)
        through = any(each.opcode.form is Form.CALL_REGISTER for each in self.instructions)
        object.__setattr__(self, "calls_through_registers", through)
        nests = through or any(each.opcode.form is Form.CALL_LOCAL for each in self.instructions)
        object.__setattr__(self, "nests_calls", nests)
        object.__setattr__(self, "helper_calls", MappingProxyType(calls))

    @classmethod
    def from_bytes(
        cls,
        code: bytes,
        *,
        source: str = "<memory>",
        data: Sequence[DataSection] = (),
        resolver: Resolver | None = None,
    ) -> Program:
        """One raw program without an object file.

        Its entry "main" is pc 0; functions are found by their calls, and where their address is taken.
        """
        if not code:
            raise LoadError("the program is empty", source=source)
        instructions = decode(code, source=source)
        targets = {
            pc + 1 + instruction.halves[0]
            for pc, instruction in enumerate(instructions)
            if instruction.opcode.operation in ("call_local", "code_addr")
        }
        starts = sorted({0} | {pc for pc in targets if 0 < pc < len(instructions)})
        functions = tuple(
            Function("main" if start == 0 else f"function_{start}", "main", start, end, is_global=start == 0)
            for start, end in zip(starts, [*starts[1:], len(instructions)], strict=True)
        )
        entries = MappingProxyType({"main": 0})
        return cls(tuple(instructions), functions, entries, tuple(data), source=source, resolver=resolver)

    @classmethod
    def from_text(
        cls,
        text: str,
        *,
        source: str = "<assembly>",
        data: Sequence[DataSection] = (),
        resolver: Resolver | None = None,
    ) -> Program:
        """One program of assembly text (`vm.assembly`), otherwise as `from_bytes`."""
        from vm.assembly import assemble  # here, because few who import vm read text

        code = b"".join(encode(each) for each in assemble(text, source=source))
        return cls.from_bytes(code, source=source, data=data, resolver=resolver)

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

    def _check_function(self, function: Function) -> None:
        last = function.start
        for pc in range(function.start, function.end):
            instruction = self.instructions[pc]
            form = instruction.opcode.form
            if form is not Form.SECOND_HALF:
                last = pc
            if form.jumps:
                self._check_jump(function, pc, instruction.target(pc))
            elif form is Form.CALL_LOCAL and instruction.target(pc) not in self.starts:
                target = instruction.target(pc)
                raise self.illegal(pc, f"call to instruction {target}, which is not the start of a function")
        if self.instructions[last].opcode.operation not in ("exit", "ja"):
            reason = f"function {function.name!r} falls off its end; its last instruction must be exit or ja"
            raise self.illegal(last, reason)

    def _check_jump(self, function: Function, pc: int, target: int) -> None:
        if not function.start <= target < function.end:
            inside = f"instructions {function.start} to {function.end - 1}"
            raise self.illegal(pc, f"jump to instruction {target}, outside of function {function.name!r} ({inside})")
        if self.instructions[target].opcode.form is Form.SECOND_HALF:
            raise self.illegal(pc, f"jump to instruction {target}, the second half of lddw")
