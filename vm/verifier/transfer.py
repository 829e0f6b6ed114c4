"""How does an instruction change what is known? Arithmetic, branches, loads and stores, with what each asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.interpreter import CONDITIONS
from vm.isa import Form
from vm.memory import MASK64
from vm.verifier import access
from vm.verifier.access import STACK_REGIONS, uninitialised
from vm.verifier.report import Category, Violation
from vm.verifier.state import UNKNOWN_BYTES
from vm.verifier.values import (
    MASK32,
    ZERO,
    Number,
    Pointer,
    Value,
    arithmetic,
    constant,
    extracted,
    fits_in_half,
    offsets_order_addresses,
    sign_extended,
    unary,
    where,
    zero_extended,
)
from vm.verifier.words import OPPOSITE

if TYPE_CHECKING:
    from vm.isa import Instruction
    from vm.verifier.check import Exploration
    from vm.verifier.state import State


def read(state: State, register: int) -> Number | Pointer:
    """A register that must have a value."""
    value = state.registers[register]
    if value is None:
        raise uninitialised(register)
    return value


def immediate(imm: int, bits: int) -> Number:
    """An immediate as an operand of this width: extended by its sign to 64, or its 32 bits."""
    return constant(imm & (MASK64 if bits == 64 else MASK32))


# Arithmetic


def alu(exploration: Exploration, state: State, instruction: Instruction) -> None:
    """A binary operation or a move."""
    opcode, dst, src, _, imm = instruction
    operation, bits = opcode.operation, opcode.bits
    is_register = opcode.form is Form.ALU_REGISTER
    if operation == "mov" and not is_register:
        state.registers[dst] = immediate(imm, bits)
        return
    second = read(state, src) if is_register else immediate(imm, bits)
    if operation in ("mov", "movsx"):
        state.registers[dst] = _moved(exploration, state, instruction, second)
        return
    first = read(state, dst)
    if isinstance(first, Number) and isinstance(second, Number):
        if is_register and dst == src and operation in ("sub", "xor"):
            state.registers[dst] = ZERO
        else:
            state.registers[dst] = arithmetic(operation, bits, first, second)
        return
    state.registers[dst] = _pointer_arithmetic(exploration, instruction, first, second)


def _moved(exploration: Exploration, state: State, instruction: Instruction, value: Number | Pointer) -> Value:
    opcode, src = instruction.opcode, instruction.src
    if isinstance(value, Pointer):
        if opcode.operation == "mov" and opcode.bits == 64:
            return value
        raise pointer_arithmetic(exploration, f"a move of {opcode.bits} bits cuts", src, value)
    if opcode.operation == "movsx":
        return sign_extended(opcode.source_bits, opcode.bits, value)
    if opcode.bits == 64 or fits_in_half(value):
        return exploration.shared(state, src, value)
    return zero_extended(value.low)


def _pointer_arithmetic(
    exploration: Exploration, instruction: Instruction, first: Number | Pointer, second: Number | Pointer
) -> Number | Pointer:
    opcode, dst, src, _, _ = instruction
    operation = opcode.operation
    if opcode.bits == 64:
        for pointer, number, register in ((first, second, dst), (second, first, src)):
            if not isinstance(pointer, Pointer) or not isinstance(number, Number):
                continue
            if operation == "add" or (operation == "sub" and pointer is first):
                if pointer.is_nullable:
                    raise may_be_null(exploration, register, pointer)
                return Pointer(pointer.region, _moved_offset(operation, pointer.offset, number))
        if isinstance(first, Pointer) and isinstance(second, Pointer) and operation == "sub":
            for register, pointer in ((dst, first), (src, second)):
                if pointer.is_nullable:
                    raise may_be_null(exploration, register, pointer)
            if first.region == second.region:
                return arithmetic("sub", 64, first.offset, second.offset)
    register, pointer = (dst, first) if isinstance(first, Pointer) else (src, second)
    assert isinstance(pointer, Pointer)
    raise pointer_arithmetic(exploration, f"{opcode.mnemonic} with", register, pointer)


def _moved_offset(operation: str, offset: Number, number: Number) -> Number:
    if operation == "add" and offset.is_constant and offset.wide[0] == 0:
        return number  # itself, so that what is known of it, as being a region's size, stays known
    return arithmetic(operation, 64, offset, number)


def pointer_arithmetic(exploration: Exploration, what: str, register: int, pointer: Pointer) -> Violation:
    """Something is computed with an address that does not give one."""
    name = exploration.regions.name(pointer.region)
    return Violation(
        Category.POINTER_ARITHMETIC,
        f"{what} r{register}, a pointer into {name}",
        subject=f"r{register}",
        region=name,
        allowed="pointer + number, pointer - number, and the difference of two pointers into one region, 64 bits wide",
        suggestion="compute the offset as a number, and add it to the pointer last",
    )


def may_be_null(exploration: Exploration, register: int, pointer: Pointer) -> Violation:
    """A pointer that was not compared with 0 yet."""
    name = exploration.regions.name(pointer.region)
    return Violation(
        Category.MAY_BE_NULL,
        f"r{register}, a pointer into {name}, is computed with and may be null",
        subject=f"r{register}",
        region=name,
        suggestion=f"compare r{register} with 0 first",
    )


def unary_alu(exploration: Exploration, state: State, instruction: Instruction) -> None:
    """Negation and byte swaps."""
    opcode, dst = instruction.opcode, instruction.dst
    value = read(state, dst)
    if isinstance(value, Pointer):
        raise pointer_arithmetic(exploration, f"{opcode.mnemonic} of", dst, value)
    state.registers[dst] = unary(opcode.operation, opcode.bits, value)


# Branches


def branch(state: State, instruction: Instruction) -> tuple[State | None, State | None]:
    """The states where a conditional jump is taken and where it is not; None: that cannot be.

    `state` itself becomes one of them.
    """
    opcode, dst, src, _, imm = instruction
    condition, bits = opcode.operation, opcode.bits
    first = read(state, dst)
    is_register = opcode.form is Form.JUMP_REGISTER
    second = read(state, src) if is_register else immediate(imm, bits)
    if isinstance(first, Number) and isinstance(second, Number):
        if first.wide[1] == 0 and second.wide[1] == 0:
            mask = MASK64 if bits == 64 else MASK32
            is_taken = CONDITIONS[bits][condition](first.wide[0] & mask, second.wide[0] & mask)
            return (state, None) if is_taken else (None, state)
        taken = _where(condition, bits, first, second, is_same=is_register and dst == src)
        not_taken = _where(OPPOSITE[condition], bits, first, second, is_same=is_register and dst == src)
    elif bits == 32:
        return state.copy(), state
    else:
        taken = _where_pointers(condition, first, second)
        not_taken = _where_pointers(OPPOSITE[condition], first, second)
    registers = (dst, src) if is_register and dst != src else (dst,)
    if taken is None:
        return None, _refined(state, registers, not_taken)
    if not_taken is None:
        return _refined(state, registers, taken), None
    other = state.copy()
    return _refined(other, registers, taken), _refined(state, registers, not_taken)


Pair = tuple[Number | Pointer, Number | Pointer] | None


def _where(condition: str, bits: int, first: Number, second: Number, *, is_same: bool) -> Pair:
    if is_same:
        if condition in ("jne", "jlt", "jgt", "jslt", "jsgt"):
            return None
        if condition == "jclear":
            return where("jeq", bits, first, ZERO)
        return where("jne", bits, first, ZERO) if condition == "jset" else (first, second)
    return where(condition, bits, first, second)


def _where_pointers(condition: str, first: Number | Pointer, second: Number | Pointer) -> Pair:
    """What a 64-bit comparison tells of pointers: null or not, and offsets within one region."""
    if isinstance(first, Pointer) and isinstance(second, Pointer):
        if condition in ("jset", "jclear") or not offsets_order_addresses(first, second):
            return first, second
        pair = where(condition, 64, first.offset, second.offset)
        if pair is None:
            return None
        return _with_offset(first, pair[0]), _with_offset(second, pair[1])
    flipped = isinstance(second, Pointer)
    pointer, number = (second, first) if flipped else (first, second)
    assert isinstance(pointer, Pointer)
    assert isinstance(number, Number)
    if number.wide[3] != 0 or condition not in ("jeq", "jne", "jgt", "jle"):
        return first, second
    if flipped and condition in ("jgt", "jle"):
        return first, second
    is_null = condition in ("jeq", "jle")
    known: Number | Pointer
    if pointer.is_nullable:
        known = constant(0) if is_null else Pointer(pointer.region, pointer.offset, pointer.identity)
    elif pointer.offset.wide[3] <= MASK32:  # so the address is in the region, and no region is the first
        if is_null:
            return None
        known = pointer
    else:
        return first, second
    return (first, known) if flipped else (known, second)


def _with_offset(pointer: Pointer, offset: Number) -> Pointer:
    return pointer if offset is pointer.offset else Pointer(pointer.region, offset, pointer.identity)


def _refined(state: State, registers: tuple[int, ...], pair: Pair) -> State | None:
    if pair is None:
        return None
    for register, new in zip(registers, pair, strict=False):  # an immediate learns nothing
        if new is not state.registers[register]:
            state.learn(register, new)
            if isinstance(new, Pointer) and new.offset.identity < 0:
                state.know_size(-new.offset.identity, new.offset.wide[2])
    return state


# Memory


def _place(exploration: Exploration, state: State, register: int, displacement: int, verb: str) -> Pointer:
    """The address that a memory instruction is about."""
    pointer = exploration.regions.pointer(state.registers[register], register, verb)
    if not displacement:
        return pointer
    return Pointer(pointer.region, arithmetic("add", 64, pointer.offset, constant(displacement & MASK64)))


def load(exploration: Exploration, state: State, instruction: Instruction) -> None:
    """A load; `load_signed` extends what it gives."""
    opcode, dst, src, displacement, _ = instruction
    size = opcode.bits // 8
    pointer = _place(exploration, state, src, displacement, "read through")
    value = loaded(exploration, state, pointer, size, src)
    if opcode.operation == "load_signed":
        value = sign_extended(opcode.bits, 64, value) if isinstance(value, Number) else value
    if isinstance(value, Number) and pointer.region in STACK_REGIONS and not value.is_constant and size == 8:
        value = exploration.shared_slot(state, pointer, value)
    state.registers[dst] = value


def loaded(exploration: Exploration, state: State, pointer: Pointer, size: int, register: int) -> Number | Pointer:
    """What a load of `size` bytes gives. Raises Violation."""
    regions, recorder = exploration.regions, exploration.recorder
    low, high = regions.check_bounds(state, pointer, size, "read", register)
    exploration.touched(pointer.region, is_safe=True)
    if pointer.region in STACK_REGIONS:
        access.check_stack_read(state, pointer, low, high, size)
        recorder.uses_stack(pointer.region, low)
        value = state.frame(pointer.region).load(low, size) if low == high else None
        return UNKNOWN_BYTES[size] if value is None else value
    region = regions.by_number[pointer.region]
    if region.number in regions.known:
        known = access.read_constant(regions.known[region.number], pointer.offset, size)
        recorder.reads_bytes(region, pointer.offset, size)
    else:
        known = access.check_read(region, pointer.offset, size, recorder)
        name = exploration.judge.field_at(region, pointer.offset, size)
        if name is not None:
            return state.load_field(name, (known or UNKNOWN_BYTES[size]).identified(exploration.fresh_identity()))
    return known or UNKNOWN_BYTES[size]


def store(exploration: Exploration, state: State, instruction: Instruction) -> None:
    """A store of a register or an immediate."""
    opcode, dst, src, displacement, imm = instruction
    size = opcode.bits // 8
    value = read(state, src) if opcode.form is Form.STORE_REGISTER else immediate(imm, 64)
    pointer = _place(exploration, state, dst, displacement, "written through")
    if isinstance(value, Number) and not value.is_constant and size == 8 and pointer.region in STACK_REGIONS:
        value = exploration.shared(state, src, value)
    stored(exploration, state, pointer, size, value, dst, src)


def stored(
    exploration: Exploration, state: State, pointer: Pointer, size: int, value: Number | Pointer, dst: int, src: int
) -> None:
    """Put a value into memory. Raises Violation."""
    regions, recorder = exploration.regions, exploration.recorder
    low, high = regions.check_bounds(state, pointer, size, "write", dst)
    if pointer.region in STACK_REGIONS:
        exploration.touched(pointer.region, is_safe=True)
        recorder.uses_stack(pointer.region, low)
        if isinstance(value, Pointer) and (low != high or size != 8):
            how = f"a store of {size} bytes cuts" if size != 8 else "a store at a place that is not known, of"
            raise pointer_arithmetic(exploration, how, src, value)
        frame = state.own_frame(pointer.region)
        if low != high:
            frame.blur(low, high - low + size)
        else:
            frame.store(low, size, _kept(value, size))
        return
    if isinstance(value, Pointer):
        raise leak(exploration, value, f"r{src}", f"is stored in {regions.name(pointer.region)}")
    is_safe = access.check_write(regions.by_number[pointer.region], pointer.offset, size, recorder, dst)
    exploration.touched(pointer.region, is_safe=is_safe)


def _kept(value: Number | Pointer, size: int) -> Value:
    """A stored value as a slot keeps it; None where nothing is known of it."""
    if isinstance(value, Pointer) or size == 8:
        return value
    cut = extracted(value, 0, size)
    return None if cut.wide == UNKNOWN_BYTES[size].wide else cut


def leak(exploration: Exploration, pointer: Pointer, subject: str, how: str) -> Violation:
    """A pointer goes where numbers go."""
    name = exploration.regions.name(pointer.region)
    return Violation(
        Category.POINTER_LEAK,
        f"{subject}, a pointer into {name}, {how}",
        subject=subject,
        region=name,
        suggestion="give a number; pointers may be kept in registers and on the stack only",
    )


def atomic(exploration: Exploration, state: State, instruction: Instruction) -> None:
    """A load and a store in one; what was there may come back in a register."""
    opcode, dst, src, displacement, _ = instruction
    size, form = opcode.bits // 8, opcode.form
    operand = read(state, src)
    pointer = _place(exploration, state, dst, displacement, "written through")
    operands = [(src, operand)]
    if form is Form.COMPARE_EXCHANGE:
        operands.append((0, read(state, 0)))
    for register, value in operands:
        if isinstance(value, Pointer):
            raise leak(exploration, value, f"r{register}", "is the operand of an atomic operation")
    old = loaded(exploration, state, pointer, size, dst)
    if isinstance(old, Pointer):
        raise leak(exploration, old, f"[r{dst}{displacement:+d}]", "is changed by an atomic operation")
    assert isinstance(operand, Number)
    new = UNKNOWN_BYTES[size]
    if form is not Form.COMPARE_EXCHANGE:
        new = arithmetic(opcode.operation, opcode.bits, old, operand)
    stored(exploration, state, pointer, size, new, dst, src)
    if form is Form.ATOMIC_FETCH:
        state.registers[src] = old
    elif form is Form.COMPARE_EXCHANGE:
        state.registers[0] = old
