"""Does each instruction compute what RFC 9669 says? Sections 4.1 to 4.3, on values at the edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vm
from tests.vm.assembled import EXIT, constant, program
from vm.isa import TABLE, Form, make

ONES = 2**64 - 1
MIN64, MIN32 = 2**63, 2**31
LOW = 2**32 - 1
PATTERN = 0x1122334455667788

# mnemonic, dst, src, result; src also as an immediate where it is one when sign-extended from 32 bits.
ARITHMETIC = [
    ("add", ONES, 1, 0),
    ("add", 1, ONES, 0),
    ("add", MIN64, MIN64, 0),
    ("add32", LOW, 1, 0),
    ("add32", PATTERN, ONES, 0x55667787),
    ("sub", 0, 1, ONES),
    ("sub", 5, ONES, 6),
    ("sub32", 0, 1, LOW),
    ("mul", 2**63, 2, 0),
    ("mul", ONES, ONES, 1),
    ("mul32", LOW, LOW, 1),
    ("mul32", PATTERN, 16, 0x56677880),
    ("div", 7, 2, 3),
    ("div", 7, 0, 0),
    ("div", ONES, ONES, 1),
    ("div", 10, ONES, 0),
    ("div", MIN64, ONES, 0),
    ("div32", 0xFFFF_FFFF_0000_0007, 2, 3),
    ("div32", PATTERN, 0, 0),
    ("div32", PATTERN, 2**32, 0),
    ("div32", LOW, ONES, 1),
    ("mod", 7, 4, 3),
    ("mod", PATTERN, 0, PATTERN),
    ("mod", 10, ONES, 10),
    ("mod32", 0xFFFF_FFFF_0000_0007, 4, 3),
    ("mod32", PATTERN, 0, 0x55667788),
    ("mod32", PATTERN, 2**32, 0x55667788),
    ("sdiv", 7, ONES - 1, 2**64 - 3),
    ("sdiv", 2**64 - 7, 2, 2**64 - 3),
    ("sdiv", 2**64 - 7, ONES - 1, 3),
    ("sdiv", 7, 0, 0),
    ("sdiv", MIN64, ONES, MIN64),
    ("sdiv", MIN64, 1, MIN64),
    ("sdiv32", LOW - 6, 2, LOW - 2),
    ("sdiv32", 0xFFFF_FFFF_0000_0007, ONES - 1, LOW - 2),
    ("sdiv32", PATTERN, 0, 0),
    ("sdiv32", PATTERN, 2**32, 0),
    ("sdiv32", MIN32, ONES, MIN32),
    ("sdiv32", MIN64, ONES, 0),
    ("smod", 7, 2**64 - 4, 3),
    ("smod", 2**64 - 7, 4, 2**64 - 3),
    ("smod", 2**64 - 7, 2**64 - 4, 2**64 - 3),
    ("smod", MIN64, 0, MIN64),
    ("smod", MIN64, ONES, 0),
    ("smod32", LOW - 6, 4, LOW - 2),
    ("smod32", 0xFFFF_FFFF_0000_0007, 4, 3),
    ("smod32", PATTERN, 0, 0x55667788),
    ("smod32", ONES, 2**32, LOW),
    ("smod32", MIN32, ONES, 0),
    ("or", 0xF0, 0x0F, 0xFF),
    ("or", 0, ONES, ONES),
    ("or32", PATTERN, 0x7F, 0x556677FF),
    ("and", PATTERN, 0xFF, 0x88),
    ("and", PATTERN, ONES, PATTERN),
    ("and32", PATTERN, ONES, 0x55667788),
    ("xor", PATTERN, PATTERN, 0),
    ("xor", 0, ONES, ONES),
    ("xor32", PATTERN, ONES, 0x55667788 ^ LOW),
    ("mov", 0, PATTERN, PATTERN),
    ("mov", 0, ONES, ONES),
    ("mov32", ONES, PATTERN, 0x55667788),
    ("mov32", ONES, ONES, LOW),
    ("lsh", 1, 63, MIN64),
    ("lsh", 1, 64, 1),
    ("lsh", 1, 65, 2),
    ("lsh", 1, ONES, MIN64),
    ("lsh", MIN64, 1, 0),
    ("lsh32", 1, 31, MIN32),
    ("lsh32", ONES, 32, LOW),
    ("lsh32", 1, 33, 2),
    ("lsh32", MIN32, 1, 0),
    ("rsh", ONES, 63, 1),
    ("rsh", ONES, 64, ONES),
    ("rsh32", ONES, 31, 1),
    ("rsh32", ONES, 32, LOW),
    ("rsh32", 2**32, 1, 0),
    ("arsh", MIN64, 63, ONES),
    ("arsh", MIN64, 64, MIN64),
    ("arsh", 2**62, 61, 2),
    ("arsh32", MIN32, 31, LOW),
    ("arsh32", MIN32, 32, MIN32),
    ("arsh32", MIN64, 1, 0),
    ("arsh32", 2**32 + 2**30, 29, 2),
]
# mnemonic, src, result
EXTENDED = [
    ("movsx864", 0x80, 2**64 - 0x80),
    ("movsx864", 0x17F, 0x7F),
    ("movsx1664", 0x8000, 2**64 - 0x8000),
    ("movsx1664", 0x17FFF, 0x7FFF),
    ("movsx3264", MIN32, 2**64 - MIN32),
    ("movsx3264", PATTERN, 0x55667788),
    ("movsx3264", ONES, ONES),
    ("movsx832", 0x80, 2**32 - 0x80),
    ("movsx832", 0x17F, 0x7F),
    ("movsx1632", 0x8000, 2**32 - 0x8000),
    ("movsx1632", ONES, LOW),
    ("movsx1632", PATTERN, 0x7788),
]
UNARY = [
    ("neg", 1, ONES),
    ("neg", 0, 0),
    ("neg", MIN64, MIN64),
    ("neg32", 1, LOW),
    ("neg32", 2**32, 0),
    ("neg32", ONES, 1),
    ("le16", PATTERN, 0x7788),
    ("le32", PATTERN, 0x55667788),
    ("le64", PATTERN, PATTERN),
    ("be16", PATTERN, 0x8877),
    ("be32", PATTERN, 0x88776655),
    ("be64", PATTERN, 0x8877665544332211),
    ("be64", 1, 2**56),
    ("bswap16", PATTERN, 0x8877),
    ("bswap32", PATTERN, 0x88776655),
    ("bswap64", PATTERN, 0x8877665544332211),
]
# mnemonic, dst, src, taken?
JUMPS = [
    ("jeq", 5, 5, True),
    ("jeq", 5, 2**32 + 5, False),
    ("jeq", ONES, ONES, True),
    ("jeq32", 5, 2**32 + 5, True),
    ("jeq32", 5, 6, False),
    ("jne", 5, 2**32 + 5, True),
    ("jne", 5, 5, False),
    ("jne32", 5, 2**32 + 5, False),
    ("jne32", 5, 6, True),
    ("jgt", ONES, 1, True),
    ("jgt", 1, 1, False),
    ("jgt", 1, ONES, False),
    ("jgt32", 2**32, 1, False),
    ("jgt32", LOW, 1, True),
    ("jge", 1, 1, True),
    ("jge", 1, ONES, False),
    ("jge32", 2**32, 1, False),
    ("jge32", ONES, LOW, True),
    ("jlt", 1, ONES, True),
    ("jlt", 1, 1, False),
    ("jlt32", 2**32, 1, True),
    ("jlt32", LOW, 1, False),
    ("jle", 1, 1, True),
    ("jle", ONES, 1, False),
    ("jle32", 2**32, 0, True),
    ("jle32", 2, 1, False),
    ("jset", 6, 2, True),
    ("jset", 6, 1, False),
    ("jset", MIN64, ONES, True),
    ("jset32", MIN64, ONES, False),
    ("jset32", 1, ONES, True),
    ("jsgt", 1, ONES, True),
    ("jsgt", ONES, 1, False),
    ("jsgt", MIN64, MIN64 - 1, False),
    ("jsgt32", 1, LOW, True),
    ("jsgt32", LOW, 1, False),
    ("jsgt32", MIN32, 0, False),
    ("jsge", ONES, ONES, True),
    ("jsge", MIN64, 0, False),
    ("jsge32", LOW, ONES, True),
    ("jsge32", MIN32, 0, False),
    ("jslt", MIN64, 0, True),
    ("jslt", 0, MIN64, False),
    ("jslt", ONES, 0, True),
    ("jslt32", LOW, 0, True),
    ("jslt32", 0, LOW, False),
    ("jslt32", 2**32 - 1 + 2**32, 1, True),
    ("jsle", ONES, ONES, True),
    ("jsle", 1, ONES, False),
    ("jsle32", MIN32, 0, True),
    ("jsle32", 1, LOW, False),
]


def as_immediate(value):
    """The signed 32-bit immediate that is extended to this 64-bit value, if there is one."""
    signed = value - 2**64 if value >> 63 else value
    return signed if -(2**31) <= signed < 2**31 else None


def run(engine, *instructions):
    return engine(program(*instructions, EXIT)).run("main")


@pytest.mark.parametrize(("mnemonic", "dst", "src", "result"), ARITHMETIC)
def test_arithmetic(engine, mnemonic, dst, src, result):
    assert run(engine, constant(0, dst), constant(1, src), make(mnemonic, 0, src=1)) == result
    if as_immediate(src) is not None:
        assert run(engine, constant(0, dst), make(mnemonic, 0, imm=as_immediate(src))) == result


@pytest.mark.parametrize(("mnemonic", "src", "result"), EXTENDED)
def test_moves_that_extend_the_sign(engine, mnemonic, src, result):
    assert run(engine, constant(0, ONES), constant(1, src), make(mnemonic, 0, src=1)) == result


@pytest.mark.parametrize(("mnemonic", "dst", "result"), UNARY)
def test_unary(engine, mnemonic, dst, result):
    assert run(engine, constant(0, dst), make(mnemonic, 0)) == result


@pytest.mark.parametrize(("mnemonic", "dst", "src", "taken"), JUMPS)
def test_jumps(engine, mnemonic, dst, src, taken):
    tail = [make("mov", 0, imm=0), EXIT, make("mov", 0, imm=1)]
    assert run(engine, constant(3, dst), constant(4, src), make(mnemonic, 3, src=4, offset=2), *tail) == taken
    if as_immediate(src) is not None:
        jump = make(mnemonic, 3, imm=as_immediate(src), offset=2)
        assert run(engine, constant(3, dst), jump, *tail) == taken


def test_no_instruction_is_left_out():
    cases = {case[0] for case in (*ARITHMETIC, *EXTENDED, *UNARY, *JUMPS)}
    forms = {Form.ALU_IMMEDIATE, Form.ALU_REGISTER, Form.UNARY, Form.JUMP_IMMEDIATE, Form.JUMP_REGISTER}
    assert cases == {row.mnemonic for row in TABLE if row.form in forms}
    by_immediate = {case[0] for case in (*ARITHMETIC, *JUMPS) if as_immediate(case[2]) is not None}
    assert by_immediate == cases - {case[0] for case in (*EXTENDED, *UNARY)}


def test_the_operands_may_be_one_register(engine):
    assert run(engine, constant(0, 7), make("add", 0, src=0)) == 14
    assert run(engine, constant(0, 7), make("div", 0, src=0)) == 1


def test_an_immediate_is_sign_extended(engine):
    assert run(engine, make("mov", 0, imm=-1)) == ONES
    assert run(engine, make("mov32", 0, imm=-1)) == LOW


def test_a_jump_backwards(engine):
    loop = [make("mov", 1, imm=5), make("add", 0, src=1), make("sub", 1, imm=1), make("jne", 1, imm=0, offset=-3)]
    assert run(engine, *loop) == 15
    assert run(engine, make("ja", offset=1), EXIT, make("mov", 0, imm=3), make("ja", offset=-3)) == 3


def signed(value, bits):
    value &= 2**bits - 1
    return value - 2**bits if value >> bits - 1 else value


# Laws that tie instructions together, so that no second implementation of them is needed.
WORD = st.integers(0, ONES) | st.sampled_from([0, 1, LOW, 2**32, MIN32, MIN64, ONES])


@given(WORD, WORD)
def test_division_and_remainder_belong_together(dst, src):
    machine = vm.Machine(
        program(
            *(make("mov", 3, src=1), make("mov", 4, src=1), make("div", 3, src=2), make("mod", 4, src=2)),
            *(make("mul", 3, src=2), make("add", 3, src=4), make("mov", 0, src=3), EXIT),
        )
    )
    assert machine.run("main", dst, src) == dst


@given(WORD, WORD, st.sampled_from([32, 64]))
def test_signed_division_and_remainder_belong_together(dst, src, bits):
    suffix = "32" if bits == 32 else ""
    rest = program(make("mov", 0, src=1), make("smod" + suffix, 0, src=2), EXIT)
    remainder = signed(vm.Machine(rest).run("main", dst, src), bits)
    assert remainder == 0 or (remainder < 0) == (signed(dst, bits) < 0)
    assert signed(src, bits) == 0 or abs(remainder) < abs(signed(src, bits))
    division = program(make("mov", 0, src=1), make("sdiv" + suffix, 0, src=2), EXIT)
    quotient = vm.Machine(division).run("main", dst, src)
    assert (quotient * src + remainder - dst) % 2**bits == 0
    assert quotient < 2**bits


@given(WORD, WORD, st.sampled_from([32, 64]))
def test_signed_order(left, right, bits):
    suffix = "32" if bits == 32 else ""
    jump = make("jslt" + suffix, 1, src=2, offset=1)
    machine = vm.Machine(program(make("mov", 0, imm=1), jump, make("mov", 0, imm=0), EXIT))
    assert machine.run("main", left, right) == (signed(left, bits) < signed(right, bits))


@given(WORD, WORD)
def test_arithmetic_shift_divides_by_a_power_of_two(value, count):
    machine = vm.Machine(program(make("mov", 0, src=1), make("arsh", 0, src=2), EXIT))
    assert machine.run("main", value, count) == signed(value, 64) // 2 ** (count % 64) % 2**64
    machine = vm.Machine(program(make("mov", 0, src=1), make("arsh32", 0, src=2), EXIT))
    assert machine.run("main", value, count) == signed(value, 32) // 2 ** (count % 32) % 2**32


@given(WORD, st.sampled_from([16, 32, 64]))
def test_swapping_twice_truncates(value, bits):
    machine = vm.Machine(program(make("mov", 0, src=1), make(f"be{bits}", 0), make(f"be{bits}", 0), EXIT))
    assert machine.run("main", value) == value % 2**bits
