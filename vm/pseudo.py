"""What does an immediate stand for that is not a number? The pseudo sources of `lddw`.

RFC 9669 section 5.4. A program loads with each of them replaced by the 64-bit value, so that what runs or checks it
sees only numbers:

- `code_addr(imm)` is the address of a function. The RFC leaves open from where imm counts slots; libbpf and Linux
  (`BPF_PSEUDO_FUNC`) count from the second slot of `lddw`, as a local call does from its next: pc + 1 + imm.
- `map_by_idx(imm)` is the address of the program's data section of this index, `map_val(map_by_idx(imm)) + next_imm`
  that of a byte in it.
- `map_by_fd`, `map_val(map_by_fd)` and `var_addr` name things of the host: its `Resolver` says where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vm.isa import BY_MNEMONIC, SLOT_BYTES, Form, Instruction
from vm.memory import CODE_REGION, MASK64, address

if TYPE_CHECKING:
    from vm.program import Program


class Resolver(Protocol):
    """A host's answer to "map_by_fd", "map_val_by_fd" and "var_addr"."""

    def __call__(self, kind: str, imm: int, next_imm: int, /) -> int | None:
        """The 64-bit value to load, or None where the host has nothing of this number."""


def resolved(program: Program, resolver: Resolver | None) -> tuple[Instruction, ...]:
    """The program's instructions without pseudo sources. Raises IllegalInstruction for one that stands for nothing."""
    instructions = list(program.instructions)
    (lddw,) = BY_MNEMONIC["lddw"]
    for pc, instruction in enumerate(instructions):
        if instruction.opcode.form is Form.LOAD_PSEUDO:
            value = _value(program, pc, instruction, resolver) & MASK64
            instructions[pc] = Instruction(lddw, instruction.dst, imm=value)
            instructions[pc + 1] = instructions[pc + 1]._replace(imm=instructions[pc].halves[1])
    return tuple(instructions)


def _value(program: Program, pc: int, instruction: Instruction, resolver: Resolver | None) -> int:
    kind, (imm, next_imm) = instruction.opcode.operation, instruction.halves
    if kind == "code_addr":
        target = pc + 1 + imm
        if target not in program.starts:
            raise program.illegal(pc, f"code_addr of instruction {target}, which is not the start of a function")
        return address(CODE_REGION, SLOT_BYTES * target)
    if kind in ("map_by_idx", "map_val_by_idx"):
        if not 0 <= imm < len(program.data):
            known = ", ".join(f"{index} ({section.name})" for index, section in enumerate(program.data)) or "none"
            raise program.illegal(pc, f"{kind} of data section {imm}, which does not exist; there are {known}")
        return address(program.data[imm].region, next_imm & 0xFFFF_FFFF)
    value = None if resolver is None else resolver(kind, imm, next_imm)
    if value is None:
        offers = "gives no resolver for such sources" if resolver is None else "does not have it"
        raise program.illegal(pc, f"{kind} of {imm} is the host's to resolve, and it {offers}")
    return value
