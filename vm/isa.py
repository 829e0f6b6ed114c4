"""What instructions are there, and how are they encoded? RFC 9669, the one opcode table.

`TABLE` has one row an instruction; decoder, interpreter and message texts read it. The mnemonics are those of the
bpf_conformance suite: `add`, `add32`, `ldxdw`, `jsgt32`, ... An immediate and a register form share a mnemonic.

A program is a sequence of 8-byte slots; a slot's index is its `pc`. `lddw` takes two slots, and the second decodes
to the row `SECOND_HALF`, so that instructions can be indexed by pc.

Two kinds of rows are outside of the RFC, because compilers emit them. `callx` is a call through a register: old clang
names the register in imm, new clang in dst; either is read, it is then in `dst`, and `encode` writes the later
form. `load_acquire*` and `store_release*` (clang 22 at -mcpu=v4) are loads and stores: nothing runs beside a program.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from vm.errors import IllegalInstruction

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOT_BYTES = 8
FRAME_POINTER = 10
SLOT = struct.Struct("<BBhi")

# Instruction classes, RFC 9669 section 3.1.
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)
CLASS_MASK = 0x07
SOURCE_REGISTER = 0x08
MODE_MEM = 0x60
MODE_MEMSX = 0x80
MODE_ATOMIC = 0xC0
FETCH = 0x01
LDDW_CODE = 0x18
CALLX_CODE = JMP | SOURCE_REGISTER | 0x80


class Form(Enum):
    """The operands of an instruction, as written; a field that does not occur must be zero."""

    ALU_IMMEDIATE = "dst, imm"
    ALU_REGISTER = "dst, src"
    UNARY = "dst"
    JUMP = "+offset"
    JUMP_LONG = "+imm"
    JUMP_IMMEDIATE = "dst, imm, +offset"
    JUMP_REGISTER = "dst, src, +offset"
    LOAD = "dst, [src + offset]"
    STORE_IMMEDIATE = "[dst + offset], imm"
    STORE_REGISTER = "[dst + offset], src"
    ATOMIC = "lock [dst + offset], src"
    ATOMIC_FETCH = "src = lock [dst + offset], src"
    COMPARE_EXCHANGE = "r0 = lock [dst + offset], r0, src"
    LOAD_IMMEDIATE = "dst, imm64"
    LOAD_PSEUDO = "dst, what imm64 stands for"
    CALL_HELPER = "imm"
    CALL_LOCAL = "function +imm"
    CALL_REGISTER = "function at dst"
    EXIT = ""
    SECOND_HALF = "(imm)"

    def __init__(self, operands: str) -> None:
        self.fields = frozenset(name for name in ("dst", "src", "offset", "imm") if name in operands)
        self.jumps = operands.endswith("+offset") or operands == "+imm"
        self.is_wide = "imm64" in operands
        self.writes_dst = operands.startswith("dst") and not self.jumps
        self.writes_src = operands.startswith("src =")


@dataclass(frozen=True, slots=True)
class Opcode:
    """One row: what it does (`operation`), at what width (`bits`), and the fields that select it beside `code`.

    `source_bits` is the width that `movsx` extends from.
    """

    code: int
    mnemonic: str
    form: Form
    operation: str
    bits: int = 64
    source_bits: int = 0
    fixed: Mapping[str, int] = field(default_factory=dict, hash=False)


class Instruction(NamedTuple):
    """A decoded slot. `imm` is signed 32-bit; where the form is wide (`lddw`) it is unsigned and has both halves."""

    opcode: Opcode
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0

    @property
    def halves(self) -> tuple[int, int]:
        """The signed immediates of both slots of a wide instruction: imm and next_imm."""
        return _signed32(self.imm), _signed32(self.imm >> 32)

    def target(self, pc: int) -> int:
        """Where a jump or a local call goes that stands at `pc`."""
        return pc + 1 + (self.offset if "offset" in self.opcode.form.fields else self.imm)


# RFC 9669 section 4.1. NEG and END are not among them: they have no second operand.
_ALU_OPERATIONS = {
    0x00: "add",
    0x10: "sub",
    0x20: "mul",
    0x30: "div",
    0x40: "or",
    0x50: "and",
    0x60: "lsh",
    0x70: "rsh",
    0x90: "mod",
    0xA0: "xor",
    0xB0: "mov",
    0xC0: "arsh",
}
# RFC 9669 section 4.1: with offset 1 a division is signed.
_SIGNED_DIVISIONS = {0x30: "sdiv", 0x90: "smod"}
# RFC 9669 section 4.1: from how many bits a move of 64 or 32 extends the sign, as its offset says.
_SIGN_EXTENSIONS = {64: (8, 16, 32), 32: (8, 16)}
# RFC 9669 section 4.3.
_CONDITIONS = {
    0x10: "jeq",
    0x20: "jgt",
    0x30: "jge",
    0x40: "jset",
    0x50: "jne",
    0x60: "jsgt",
    0x70: "jsge",
    0xA0: "jlt",
    0xB0: "jle",
    0xC0: "jslt",
    0xD0: "jsle",
}
# RFC 9669 section 5.3: the immediate says which; with FETCH the old value comes back.
_ATOMICS = {0x00: "add", 0x40: "or", 0x50: "and", 0xA0: "xor"}
_EXCHANGE, _COMPARE_EXCHANGE = 0xE0 | FETCH, 0xF0 | FETCH
_LOAD_ACQUIRE, _STORE_RELEASE = 0x100, 0x110  # Linux, Documentation/bpf/standardization/instruction-set.rst
# RFC 9669 section 5.
_SIZES = {0x10: ("b", 8), 0x08: ("h", 16), 0x00: ("w", 32), 0x18: ("dw", 64)}
# RFC 9669 section 5.4: what the immediate of `lddw` stands for, by its source register; 0 is the number itself.
# Only `map_val_*` use both halves.
_PSEUDO = {1: "map_by_fd", 2: "map_val_by_fd", 3: "var_addr", 4: "code_addr", 5: "map_by_idx", 6: "map_val_by_idx"}


def _arithmetic() -> list[Opcode]:
    rows = []
    for kind, bits, suffix in ((ALU64, 64, ""), (ALU, 32, "32")):
        for code, name in _ALU_OPERATIONS.items():
            rows += _with_both_sources(kind | code, name, bits, 0)
        for code, name in _SIGNED_DIVISIONS.items():
            rows += _with_both_sources(kind | code, name, bits, 1)
        rows.append(Opcode(kind | 0x80, "neg" + suffix, Form.UNARY, "neg", bits))
        for source_bits in _SIGN_EXTENSIONS[bits]:
            name, fixed = f"movsx{source_bits}{bits}", {"offset": source_bits}
            code = kind | 0xB0 | SOURCE_REGISTER
            rows.append(Opcode(code, name, Form.ALU_REGISTER, "movsx", bits, source_bits, fixed))
    for bits in (16, 32, 64):
        for code, name in ((ALU, "le"), (ALU | SOURCE_REGISTER, "be"), (ALU64, "bswap")):
            rows.append(Opcode(code | 0xD0, f"{name}{bits}", Form.UNARY, name, bits, fixed={"imm": bits}))
    return rows


def _with_both_sources(code: int, name: str, bits: int, offset: int) -> list[Opcode]:
    rows = []
    for source, form in ((0, Form.ALU_IMMEDIATE), (SOURCE_REGISTER, Form.ALU_REGISTER)):
        # Where one code has several rows, the offset selects among them: is a division signed, does a move extend?
        chosen = name.endswith(("div", "mod")) or (name == "mov" and form is Form.ALU_REGISTER)
        fixed = {"offset": offset} if chosen else {}
        rows.append(Opcode(code | source, name + ("32" if bits == 32 else ""), form, name, bits, fixed=fixed))
    return rows


def _jumps() -> list[Opcode]:
    rows = [Opcode(JMP, "ja", Form.JUMP, "ja"), Opcode(JMP32, "ja32", Form.JUMP_LONG, "ja")]
    for kind, bits, suffix in ((JMP, 64, ""), (JMP32, 32, "32")):
        for code, name in _CONDITIONS.items():
            rows.append(Opcode(kind | code, name + suffix, Form.JUMP_IMMEDIATE, name, bits))
            rows.append(Opcode(kind | code | SOURCE_REGISTER, name + suffix, Form.JUMP_REGISTER, name, bits))
    rows.append(Opcode(JMP | 0x80, "call", Form.CALL_HELPER, "call", fixed={"src": 0}))
    rows.append(Opcode(JMP | 0x80, "call_local", Form.CALL_LOCAL, "call_local", fixed={"src": 1}))
    rows.append(Opcode(CALLX_CODE, "callx", Form.CALL_REGISTER, "callx"))
    rows.append(Opcode(JMP | 0x90, "exit", Form.EXIT, "exit"))
    return rows


def _memory() -> list[Opcode]:
    rows = []
    for code, (letter, bits) in _SIZES.items():
        rows.append(Opcode(LDX | MODE_MEM | code, f"ldx{letter}", Form.LOAD, "load", bits))
        if bits < 64:
            rows.append(Opcode(LDX | MODE_MEMSX | code, f"ldxs{letter}", Form.LOAD, "load_signed", bits))
        rows.append(Opcode(ST | MODE_MEM | code, f"st{letter}", Form.STORE_IMMEDIATE, "store", bits))
        rows.append(Opcode(STX | MODE_MEM | code, f"stx{letter}", Form.STORE_REGISTER, "store", bits))
    rows.append(Opcode(LDDW_CODE, "lddw", Form.LOAD_IMMEDIATE, "lddw", fixed={"src": 0}))
    for src, name in _PSEUDO.items():
        rows.append(Opcode(LDDW_CODE, f"lddw_{name}", Form.LOAD_PSEUDO, name, fixed={"src": src}))
    return rows


def _atomic() -> list[Opcode]:
    rows = []
    for size, bits, suffix in ((0x18, 64, ""), (0x00, 32, "32")):
        code = STX | MODE_ATOMIC | size
        for imm, name in _ATOMICS.items():
            rows.append(Opcode(code, f"lock_{name}{suffix}", Form.ATOMIC, name, bits, fixed={"imm": imm}))
            fetching = f"lock_fetch_{name}{suffix}"
            rows.append(Opcode(code, fetching, Form.ATOMIC_FETCH, name, bits, fixed={"imm": imm | FETCH}))
        rows.append(Opcode(code, f"lock_xchg{suffix}", Form.ATOMIC_FETCH, "mov", bits, fixed={"imm": _EXCHANGE}))
        compared = f"lock_cmpxchg{suffix}"
        rows.append(Opcode(code, compared, Form.COMPARE_EXCHANGE, "cmpxchg", bits, fixed={"imm": _COMPARE_EXCHANGE}))
    for size, (_, bits) in _SIZES.items():
        code, load, store = STX | MODE_ATOMIC | size, f"load_acquire{bits}", f"store_release{bits}"
        rows.append(Opcode(code, load, Form.LOAD, "load", bits, fixed={"imm": _LOAD_ACQUIRE}))
        rows.append(Opcode(code, store, Form.STORE_REGISTER, "store", bits, fixed={"imm": _STORE_RELEASE}))
    return rows


TABLE: tuple[Opcode, ...] = (*_arithmetic(), *_jumps(), *_memory(), *_atomic())
SECOND_HALF = Opcode(0x00, "second half of lddw", Form.SECOND_HALF, "second half")

BY_CODE: dict[int, list[Opcode]] = {}
BY_MNEMONIC: dict[str, list[Opcode]] = {}
for _row in TABLE:
    BY_CODE.setdefault(_row.code, []).append(_row)
    BY_MNEMONIC.setdefault(_row.mnemonic, []).append(_row)


# Encodings that mean something elsewhere, and what to do about them.
_PACKET = "an access to a packet (RFC 9669 section 5.5), which the RFC deprecates and this machine does not have"
_REFUSED = {
    **{LD | mode | size: _PACKET for mode in (0x20, 0x40) for size in (0x00, 0x08, 0x10)},
    0x0D: "gotox, a jump through a register, which is not supported; compile without the addresses of labels",
    0xE5: "may_goto, which is not supported; the budget bounds loops",
}


def decode(code: bytes, *, source: str | None = None, section: str | None = None, base: int = 0) -> list[Instruction]:
    """Slots of `code`, one Instruction each; `base` is the pc of the first, for messages.

    Raises IllegalInstruction for anything that is not an encoding of a row of the table.
    """

    def refuse(slot: int, reason: str) -> IllegalInstruction:
        offset = slot * SLOT_BYTES
        return IllegalInstruction(reason, pc=base + slot, source=source, section=section, offset=offset)

    if len(code) % SLOT_BYTES:
        raise refuse(len(code) // SLOT_BYTES, f"{len(code)} bytes of code are not a whole number of 8-byte slots")
    instructions: list[Instruction] = []
    slots = list(SLOT.iter_unpack(code))
    for slot, (opcode, registers, offset, imm) in enumerate(slots):
        if len(instructions) > slot:
            continue
        dst, src = registers & 0xF, registers >> 4
        if opcode == CALLX_CODE and imm:
            if dst:
                raise refuse(slot, f"callx names two registers, r{dst} in dst and {imm} in imm; one must be zero")
            dst, imm = imm, 0
        row = _row_of(opcode, dst, src, offset, imm)
        if isinstance(row, str):
            raise refuse(slot, row)
        if not row.form.is_wide:
            instructions.append(Instruction(row, dst, src, offset, imm))
            continue
        if slot + 1 == len(slots):
            raise refuse(slot, "lddw is truncated: its second slot is missing")
        if slots[slot + 1][:3] != (0, 0, 0):
            raise refuse(slot + 1, "the second slot of lddw may hold only an immediate; its other fields must be zero")
        high = slots[slot + 1][3]
        if high and row.form is Form.LOAD_PSEUDO and not row.operation.startswith("map_val"):
            raise refuse(
                slot + 1, f"{row.mnemonic} does not use its second immediate, which is {high}; it must be zero"
            )
        instructions.append(Instruction(row, dst, src, 0, (high & 0xFFFF_FFFF) << 32 | imm & 0xFFFF_FFFF))
        instructions.append(Instruction(SECOND_HALF, imm=high))
    return instructions


def _row_of(code: int, dst: int, src: int, offset: int, imm: int) -> Opcode | str:
    """The table's row for these fields, or why there is none."""
    rows = BY_CODE.get(code)
    if rows is None:
        return f"opcode {code:#04x} is {_REFUSED.get(code, 'not an instruction')}"
    fields = {"dst": dst, "src": src, "offset": offset, "imm": imm}
    for row in rows:
        if all(fields[name] == value for name, value in row.fixed.items()):
            break
    else:
        name, value = next((name, fields[name]) for name in row.fixed if fields[name] != row.fixed[name])
        known = ", ".join(str(row.fixed[name]) for row in rows)
        return f"{rows[0].mnemonic} (opcode {code:#04x}) with {name} = {value} is not supported; {name} may be {known}"
    for name, value in fields.items():
        if value and name not in row.form.fields and name not in row.fixed:
            return f"{row.mnemonic} does not use its {name} field, which is {value}; it must be zero"
    for name in ("dst", "src"):
        if name in row.form.fields and not 0 <= fields[name] <= FRAME_POINTER:
            return f"{row.mnemonic}: there is no register r{fields[name]}; they are r0 to r10"
    if (row.form.writes_dst and dst == FRAME_POINTER) or (row.form.writes_src and src == FRAME_POINTER):
        return f"{row.mnemonic} writes r10, which is the frame pointer and read-only"
    return row


def make(mnemonic: str, dst: int = 0, src: int | None = None, offset: int = 0, imm: int = 0) -> Instruction:
    """An instruction by name; a given `src` selects the register form where there are two."""
    rows = BY_MNEMONIC[mnemonic]
    row = next((row for row in rows if ("src" in row.form.fields) == (src is not None)), rows[0])
    fields = {"dst": dst, "src": src or 0, "offset": offset, "imm": imm} | dict(row.fixed)
    return Instruction(row, **fields)


def encode(instruction: Instruction) -> bytes:
    """The bytes of an instruction: a slot, two for `lddw`, none for its second half. The inverse of `decode`."""
    row, dst, src, offset, _ = instruction
    if row.form is Form.SECOND_HALF:
        return b""
    low, high = instruction.halves
    first = SLOT.pack(row.code, src << 4 | dst, offset, low)
    return first + SLOT.pack(0, 0, 0, high) if row.form.is_wide else first


def _signed32(value: int) -> int:
    return (value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000
