"""What does each instruction do? RFC 9669, exactly, metered and traceable: the reference for any other engine.

Every operation is one small function in a dictionary. Before the first run each instruction of a program becomes a
`Step`: a closure over its operands that performs it and returns the pc to go on at. The machine's loop does nothing
else than call them (`vm.machine`).

A register holds an unsigned 64-bit number, so that only operands of 32 bits are cut, by a step of their own: a mask
less in most steps makes a loop a quarter faster.

Choices that RFC 9669 leaves open: registers start as zero, and a local call changes only r10; a frame is zeroed when it
is entered; r1 to r5 are zero after any call returns; unaligned accesses are allowed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from vm.errors import illegal_call
from vm.execution import NO_ARGUMENTS, Execution, Registers
from vm.isa import SLOT_BYTES, Form, Instruction
from vm.memory import CODE_REGION, MASK64, OFFSET_MASK

if TYPE_CHECKING:
    from vm.program import Program

Step: TypeAlias = Callable[[Registers, Execution], int]
Operation: TypeAlias = Callable[[int, int], int]


def _arithmetic(bits: int) -> dict[str, Operation]:
    """RFC 9669 section 4.1: (dst, src), both of `bits`, to a result that the step truncates to `bits`."""
    shift = bits - 1
    sign = 1 << shift
    return {
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": lambda dst, src: dst // src if src else 0,
        "mod": lambda dst, src: dst % src if src else dst,
        "sdiv": lambda dst, src: _truncated_quotient((dst ^ sign) - sign, (src ^ sign) - sign) if src else 0,
        "smod": lambda dst, src: _truncated_remainder((dst ^ sign) - sign, (src ^ sign) - sign) if src else dst,
        "or": operator.or_,
        "and": operator.and_,
        "xor": operator.xor,
        "lsh": lambda dst, src: dst << (src & shift),
        "rsh": lambda dst, src: dst >> (src & shift),
        "arsh": lambda dst, src: ((dst ^ sign) - sign) >> (src & shift),
        "mov": lambda dst, src: src,
    }


def _truncated_quotient(dst: int, src: int) -> int:
    """RFC 9669 section 4.1: signed division truncates toward zero; Python's rounds down."""
    quotient = abs(dst) // abs(src)
    return quotient if (dst < 0) == (src < 0) else -quotient


def _truncated_remainder(dst: int, src: int) -> int:
    """The remainder has the sign of what is divided."""
    remainder = abs(dst) % abs(src)
    return -remainder if dst < 0 else remainder


def _conditions(bits: int) -> dict[str, Operation]:
    """RFC 9669 section 4.3: is the jump taken? Flipping the sign bit orders signed numbers as unsigned ones."""
    sign = 1 << bits - 1
    return {
        "jeq": operator.eq,
        "jne": operator.ne,
        "jgt": operator.gt,
        "jge": operator.ge,
        "jlt": operator.lt,
        "jle": operator.le,
        "jset": operator.and_,
        "jsgt": lambda dst, src: dst ^ sign > src ^ sign,
        "jsge": lambda dst, src: dst ^ sign >= src ^ sign,
        "jslt": lambda dst, src: dst ^ sign < src ^ sign,
        "jsle": lambda dst, src: dst ^ sign <= src ^ sign,
    }


def _swapped(value: int, bits: int) -> int:
    size = bits // 8
    return int.from_bytes((value & (1 << bits) - 1).to_bytes(size, "little"), "big")


ARITHMETIC = {bits: _arithmetic(bits) for bits in (32, 64)}
CONDITIONS = {bits: _conditions(bits) for bits in (32, 64)}
# RFC 9669 sections 4.1 (neg) and 4.2 (byte swap; the machine is little-endian): (dst, bits) to a result.
UNARY: dict[str, Operation] = {
    "neg": lambda dst, bits: -dst & (1 << bits) - 1,
    "le": lambda dst, bits: dst & (1 << bits) - 1,
    "be": _swapped,
    "bswap": _swapped,
}


def _alu_immediate(instruction: Instruction, pc: int) -> Step:
    opcode, dst, _, _, imm = instruction
    operation = ARITHMETIC[opcode.bits][opcode.operation]
    mask = (1 << opcode.bits) - 1
    value = imm & mask
    following = pc + 1

    def move(registers: Registers, execution: Execution) -> int:
        registers[dst] = value
        return following

    def step(registers: Registers, execution: Execution) -> int:
        registers[dst] = operation(registers[dst] & mask, value) & mask
        return following

    def wide(registers: Registers, execution: Execution) -> int:
        registers[dst] = operation(registers[dst], value) & MASK64
        return following

    if opcode.operation == "mov":
        return move
    return wide if opcode.bits == 64 else step


def _alu_register(instruction: Instruction, pc: int) -> Step:
    opcode, dst, src, _, _ = instruction
    if opcode.operation == "movsx":
        return _move_extended(instruction, pc)
    operation = ARITHMETIC[opcode.bits][opcode.operation]
    mask = (1 << opcode.bits) - 1
    following = pc + 1

    def move(registers: Registers, execution: Execution) -> int:
        registers[dst] = registers[src] & mask
        return following

    def step(registers: Registers, execution: Execution) -> int:
        registers[dst] = operation(registers[dst] & mask, registers[src] & mask) & mask
        return following

    def wide(registers: Registers, execution: Execution) -> int:
        registers[dst] = operation(registers[dst], registers[src]) & MASK64
        return following

    if opcode.operation == "mov":
        return move
    return wide if opcode.bits == 64 else step


def _move_extended(instruction: Instruction, pc: int) -> Step:
    opcode, dst, src, _, _ = instruction
    mask, source_mask, sign = (1 << opcode.bits) - 1, (1 << opcode.source_bits) - 1, 1 << opcode.source_bits - 1
    following = pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        registers[dst] = ((registers[src] & source_mask ^ sign) - sign) & mask
        return following

    return step


def _unary(instruction: Instruction, pc: int) -> Step:
    opcode, dst, _, _, _ = instruction
    operation, bits, following = UNARY[opcode.operation], opcode.bits, pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        registers[dst] = operation(registers[dst], bits)
        return following

    return step


def _jump(instruction: Instruction, pc: int) -> Step:
    target = instruction.target(pc)
    return lambda registers, execution: target


def _jump_immediate(instruction: Instruction, pc: int) -> Step:
    opcode, dst, _, _, imm = instruction
    condition = CONDITIONS[opcode.bits][opcode.operation]
    mask = (1 << opcode.bits) - 1
    value, taken, following = imm & mask, instruction.target(pc), pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        return taken if condition(registers[dst] & mask, value) else following

    def wide(registers: Registers, execution: Execution) -> int:
        return taken if condition(registers[dst], value) else following

    return wide if opcode.bits == 64 else step


def _jump_register(instruction: Instruction, pc: int) -> Step:
    opcode, dst, src, _, _ = instruction
    condition = CONDITIONS[opcode.bits][opcode.operation]
    mask = (1 << opcode.bits) - 1
    taken, following = instruction.target(pc), pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        return taken if condition(registers[dst] & mask, registers[src] & mask) else following

    def wide(registers: Registers, execution: Execution) -> int:
        return taken if condition(registers[dst], registers[src]) else following

    return wide if opcode.bits == 64 else step


def _load(instruction: Instruction, pc: int) -> Step:
    opcode, dst, src, offset, _ = instruction
    size, sign, following = opcode.bits // 8, 1 << opcode.bits - 1, pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        registers[dst] = execution.load((registers[src] + offset) & MASK64, size)
        return following

    def extended(registers: Registers, execution: Execution) -> int:
        registers[dst] = ((execution.load((registers[src] + offset) & MASK64, size) ^ sign) - sign) & MASK64
        return following

    return extended if opcode.operation == "load_signed" else step


def _store_immediate(instruction: Instruction, pc: int) -> Step:
    opcode, dst, _, offset, imm = instruction
    size, following = opcode.bits // 8, pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        execution.store((registers[dst] + offset) & MASK64, size, imm)
        return following

    return step


def _store_register(instruction: Instruction, pc: int) -> Step:
    opcode, dst, src, offset, _ = instruction
    size, following = opcode.bits // 8, pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        execution.store((registers[dst] + offset) & MASK64, size, registers[src])
        return following

    return step


def _atomic(instruction: Instruction, pc: int) -> Step:
    opcode, dst, src, offset, _ = instruction
    operation = ARITHMETIC[opcode.bits][opcode.operation]
    size, following = opcode.bits // 8, pc + 1
    fetches = opcode.form is Form.ATOMIC_FETCH

    def step(registers: Registers, execution: Execution) -> int:
        address = (registers[dst] + offset) & MASK64
        old = execution.load(address, size)
        execution.store(address, size, operation(old, registers[src]))
        if fetches:
            registers[src] = old
        return following

    return step


def _compare_exchange(instruction: Instruction, pc: int) -> Step:
    """What is not exchanged is stored as it was: whether memory may be written does not hang on what is in it."""
    opcode, dst, src, offset, _ = instruction
    size, mask, following = opcode.bits // 8, (1 << opcode.bits) - 1, pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        address = (registers[dst] + offset) & MASK64
        old = execution.load(address, size)
        execution.store(address, size, registers[src] if old == registers[0] & mask else old)
        registers[0] = old
        return following

    return step


def _load_immediate(instruction: Instruction, pc: int) -> Step:
    _, dst, _, _, value = instruction
    following = pc + 2

    def step(registers: Registers, execution: Execution) -> int:
        registers[dst] = value
        return following

    return step


def _call_helper(instruction: Instruction, pc: int) -> Step:
    number, following = instruction.imm, pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        registers[0] = execution.helpers[number](execution.context, *registers[1:6])
        registers[1:6] = NO_ARGUMENTS
        return following

    return step


def _call_local(instruction: Instruction, pc: int) -> Step:
    following, target = pc + 1, instruction.target(pc)

    def step(registers: Registers, execution: Execution) -> int:
        execution.enter(registers, following)
        return target

    return step


def _call_register(instruction: Instruction, pc: int) -> Step:
    """What is called is known only now: a helper by its number, or a function by its address."""
    dst, following = instruction.dst, pc + 1

    def step(registers: Registers, execution: Execution) -> int:
        value = registers[dst]
        region, offset = value >> 32, value & OFFSET_MASK
        if region == 0:
            registers[0] = execution.helpers[value](execution.context, *registers[1:6])
            registers[1:6] = NO_ARGUMENTS
            return following
        if region != CODE_REGION or offset % SLOT_BYTES or offset // SLOT_BYTES not in execution.starts:
            raise illegal_call(dst, value)
        execution.enter(registers, following)
        return offset // SLOT_BYTES

    return step


def _exit(instruction: Instruction, pc: int) -> Step:
    return lambda registers, execution: execution.leave(registers)


def _never(instruction: Instruction, pc: int) -> Step:
    def step(registers: Registers, execution: Execution) -> int:
        raise AssertionError(f"instruction {pc} is {instruction.opcode.mnemonic}; a loaded program never gets there")

    return step


STEPS: dict[Form, Callable[[Instruction, int], Step]] = {
    Form.ALU_IMMEDIATE: _alu_immediate,
    Form.ALU_REGISTER: _alu_register,
    Form.UNARY: _unary,
    Form.JUMP: _jump,
    Form.JUMP_LONG: _jump,
    Form.JUMP_IMMEDIATE: _jump_immediate,
    Form.JUMP_REGISTER: _jump_register,
    Form.LOAD: _load,
    Form.STORE_IMMEDIATE: _store_immediate,
    Form.STORE_REGISTER: _store_register,
    Form.ATOMIC: _atomic,
    Form.ATOMIC_FETCH: _atomic,
    Form.COMPARE_EXCHANGE: _compare_exchange,
    Form.LOAD_IMMEDIATE: _load_immediate,
    Form.LOAD_PSEUDO: _never,
    Form.CALL_HELPER: _call_helper,
    Form.CALL_LOCAL: _call_local,
    Form.CALL_REGISTER: _call_register,
    Form.EXIT: _exit,
    Form.SECOND_HALF: _never,
}

_compiled: WeakKeyDictionary[Program, Sequence[Step]] = WeakKeyDictionary()


def compiled(program: Program) -> Sequence[Step]:
    """The program's steps by pc, made once for all machines that run it."""
    steps = _compiled.get(program)
    if steps is None:
        steps = tuple(STEPS[each.opcode.form](each, pc) for pc, each in enumerate(program.instructions))
        _compiled[program] = steps
    return steps
