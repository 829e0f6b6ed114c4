"""How is each instruction written? One table of templates a look, made from the rows of `vm.isa.TABLE`.

Two looks: that of ubpf's assembler and the bpf_conformance suite (`add %r0, 1`), and that of llvm-objdump 22 with
`--no-print-imm-hex` (`r0 += 1`), but for two things: the numbers of `lddw`, mostly addresses, stay hexadecimal; and a
local call always has its sign, `call +4`, for without one it is a call of helper 4.

The first template of a row is how it is written; the others are read as well. In a template, `{...}` is an operand:

==========================  ================================================================
{rd} {rs}                   the register dst or src, `r1`
{wd} {ws}                   its lower half, `w1`
{r0} {w0}                   r0, which the instruction uses unasked
{imm}                       a signed 32-bit number
{number}                    an unsigned one
{imm64}                     a 64-bit number
{next}                      the second immediate of a wide instruction, `+ 4`
{offset}                    what is added to an address, `+ 4`; nothing is 0
{to}                        a target: `+3` from the next instruction on, or a label
==========================  ================================================================
"""

from __future__ import annotations

from enum import Enum

from vm.isa import TABLE, Form, Opcode


class Look(Enum):
    """The two ways to write a program."""

    LLVM = "llvm-objdump"
    UBPF = "ubpf"


_OPERATORS = {
    "add": "+=",
    "sub": "-=",
    "mul": "*=",
    "div": "/=",
    "sdiv": "s/=",
    "mod": "%=",
    "smod": "s%=",
    "or": "|=",
    "and": "&=",
    "xor": "^=",
    "lsh": "<<=",
    "rsh": ">>=",
    "arsh": "s>>=",
    "mov": "=",
}
_COMPARISONS = {
    "jeq": "==",
    "jgt": ">",
    "jge": ">=",
    "jset": "&",
    "jne": "!=",
    "jsgt": "s>",
    "jsge": "s>=",
    "jlt": "<",
    "jle": "<=",
    "jslt": "s<",
    "jsle": "s<=",
}


def _pseudo(kind: str) -> str:
    """What stands for the number of `lddw`, as RFC 9669 section 5.4 writes it."""
    if kind == "code_addr":
        return "code_addr({to})"
    if kind.startswith("map_val"):
        return f"map_val({kind.replace('_val', '')}({{imm}})){{next}}"
    return f"{kind}({{imm}})"


_UBPF: dict[Form, tuple[str, ...]] = {
    Form.ALU_IMMEDIATE: ("NAME {rd}, {imm}",),
    Form.ALU_REGISTER: ("NAME {rd}, {rs}",),
    Form.UNARY: ("NAME {rd}",),
    Form.JUMP: ("NAME {to}",),
    Form.JUMP_LONG: ("NAME {to}",),
    Form.JUMP_IMMEDIATE: ("NAME {rd}, {imm}, {to}",),
    Form.JUMP_REGISTER: ("NAME {rd}, {rs}, {to}",),
    Form.LOAD: ("NAME {rd}, [{rs}{offset}]",),
    Form.STORE_IMMEDIATE: ("NAME [{rd}{offset}], {imm}",),
    Form.STORE_REGISTER: ("NAME [{rd}{offset}], {rs}",),
    Form.ATOMIC: ("NAME [{rd}{offset}], {rs}",),
    Form.ATOMIC_FETCH: ("NAME [{rd}{offset}], {rs}",),
    Form.COMPARE_EXCHANGE: ("NAME [{rd}{offset}], {rs}",),
    Form.LOAD_IMMEDIATE: ("lddw {rd}, {imm64}",),
    Form.LOAD_PSEUDO: ("lddw {rd}, PSEUDO",),
    Form.CALL_HELPER: ("call {number}", "call helper {number}"),
    Form.CALL_LOCAL: ("call local {to}",),
    Form.CALL_REGISTER: ("callx {rd}", "call {rd}"),
    Form.EXIT: ("exit",),
}
_LLVM: dict[Form, tuple[str, ...]] = {
    Form.ALU_IMMEDIATE: ("{Rd} OPERATOR {imm}",),
    Form.ALU_REGISTER: ("{Rd} OPERATOR {Rs}",),
    Form.UNARY: ("{rd} = NAME {rd}",),
    Form.JUMP: ("goto {to}",),
    Form.JUMP_LONG: ("gotol {to}",),
    Form.JUMP_IMMEDIATE: ("if {Rd} COMPARISON {imm} goto {to}",),
    Form.JUMP_REGISTER: ("if {Rd} COMPARISON {Rs} goto {to}",),
    # Compiled for -mcpu=v1 or v2, 32 bits and fewer are whole registers as well.
    Form.LOAD: ("{Rd} = *(TYPE *)({rs}{offset})", "{rd} = *(TYPE *)({rs}{offset})"),
    Form.STORE_IMMEDIATE: ("*(TYPE *)({rd}{offset}) = {imm}",),
    Form.STORE_REGISTER: ("*(TYPE *)({rd}{offset}) = {Rs}", "*(TYPE *)({rd}{offset}) = {rs}"),
    Form.ATOMIC: ("lock *(TYPE *)({rd}{offset}) OPERATOR {Rs}", "lock *(TYPE *)({rd}{offset}) OPERATOR {rs}"),
    Form.ATOMIC_FETCH: ("{Rs} = FETCH((TYPE *)({rd}{offset}), {Rs})",),
    Form.COMPARE_EXCHANGE: ("{R0} = EXCHANGE({rd}{offset}, {R0}, {Rs})",),
    Form.LOAD_IMMEDIATE: ("{rd} = {imm64} ll",),
    Form.LOAD_PSEUDO: ("{rd} = PSEUDO ll",),
    Form.CALL_HELPER: ("call {number}",),
    Form.CALL_LOCAL: ("call {to}",),
    Form.CALL_REGISTER: ("callx {rd}",),
    Form.EXIT: ("exit",),
}


def _in_ubpf(row: Opcode) -> tuple[str, ...]:
    name = row.mnemonic.replace("lock_", "lock ").replace("fetch_", "fetch ")
    names = (name, name.replace("bswap", "swap")) if row.operation == "bswap" else (name,)
    pseudo = _pseudo(row.operation)
    return tuple(
        template.replace("NAME", each).replace("PSEUDO", pseudo) for template in _UBPF[row.form] for each in names
    )


def _in_llvm(row: Opcode) -> tuple[str, ...]:
    templates = _LLVM[row.form]
    operation = row.operation
    half = "32" if row.bits == 32 else ""
    if operation == "neg":
        templates = ("{Rd} = -{Rd}",)
    elif operation == "movsx":
        templates = (f"{{Rd}} = (s{row.source_bits}){{Rs}}",)
    elif row.mnemonic.startswith("load_acquire"):
        templates = ("{Rd} = load_acquire((TYPE *)({rs}{offset}))",)
    elif row.mnemonic.startswith("store_release"):
        templates = ("store_release((TYPE *)({rd}{offset}), {Rs})",)
    elif row.form is Form.ATOMIC_FETCH and operation == "mov":
        templates = (f"{{Rs}} = xchg{half}_{row.bits}({{rd}}{{offset}}, {{Rs}})",)
    words = {
        "NAME": row.mnemonic,
        "OPERATOR": _OPERATORS.get(operation, ""),
        "COMPARISON": _COMPARISONS.get(operation, ""),
        "TYPE": f"{'s' if operation == 'load_signed' else 'u'}{row.bits}",
        "FETCH": f"atomic_fetch_{operation}",
        "EXCHANGE": f"cmpxchg{half}_{row.bits}",
        "PSEUDO": _pseudo(operation),
        # A load extends the sign to all 64 bits, so that it is never a half.
        "{R": "{r" if row.bits == 64 or operation == "load_signed" else "{w",
    }
    for word, meaning in words.items():
        templates = tuple(template.replace(word, meaning) for template in templates)
    return tuple(dict.fromkeys(templates))


TEMPLATES: dict[Look, dict[Opcode, tuple[str, ...]]] = {
    Look.UBPF: {row: _in_ubpf(row) for row in TABLE},
    Look.LLVM: {row: _in_llvm(row) for row in TABLE},
}
