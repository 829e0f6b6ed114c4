"""Does each instruction do what RFC 9669 says to registers and memory? Small programs at the edges, one a row.

A program starts with r1 at the memory, which is writable, and r2 its length. Arithmetic and conditional jumps have
tables of their own, with every edge value in both forms, in test_arithmetic.py.
"""

from dataclasses import dataclass

import pytest

import vm
from tests.vm import test_arithmetic
from vm.isa import TABLE, Form

ONES = 2**64 - 1
BYTES = bytes.fromhex("88 77 66 55 44 33 22 11 f8 f7 f6 f5 f4 f3 f2 f1")


@dataclass(frozen=True)
class Case:
    text: str
    r0: int
    memory: bytes = BYTES
    after: bytes | None = None
    """What the memory holds at the end; None is what it held before."""


def replaced(offset, hexadecimal):
    """BYTES with other bytes from an offset on."""
    new = bytes.fromhex(hexadecimal)
    return BYTES[:offset] + new + BYTES[offset + len(new) :]


def stores(text, offset, hexadecimal):
    return Case(text, 0, after=replaced(offset, hexadecimal))


LOADS = [
    Case("ldxb %r0, [%r1+0]", 0x88),
    Case("ldxb %r0, [%r1+15]", 0xF1),
    Case("ldxh %r0, [%r1+0]", 0x7788),
    Case("ldxh %r0, [%r1+13]", 0xF2F3, memory=BYTES),  # unaligned
    Case("ldxw %r0, [%r1+8]", 0xF5F6F7F8),
    Case("ldxw %r0, [%r1+1]", 0x44556677),
    Case("ldxdw %r0, [%r1+0]", 0x1122334455667788),
    Case("ldxdw %r0, [%r1+3]", 0xF6F7F81122334455),
    Case("ldxsb %r0, [%r1+0]", ONES - 0x77),
    Case("ldxsb %r0, [%r1+7]", 0x11),
    Case("ldxsh %r0, [%r1+8]", ONES - 0x0807),
    Case("ldxsh %r0, [%r1+0]", 0x7788),
    Case("ldxsw %r0, [%r1+8]", 0xFFFFFFFF_F5F6F7F8),
    Case("ldxsw %r0, [%r1+0]", 0x55667788),
    Case("ldxdw %r1, [%r1+0]\nmov %r0, %r1", 0x1122334455667788),  # the address's own register
    Case("add %r1, 16\nldxb %r0, [%r1-16]", 0x88),
    Case("lddw %r0, 0xffffffff80000000", 0xFFFFFFFF80000000),
    Case("lddw %r0, 0x80000000", 0x80000000),
    Case("lddw %r0, 0x8000000000000000", 2**63),
]
STORES = [
    stores("stb [%r1+0], -1", 0, "ff"),
    stores("stb [%r1+15], 0x1ff", 15, "ff"),
    stores("sth [%r1+1], -2", 1, "fe ff"),
    stores("sth [%r1+0], 0x12345678", 0, "78 56"),
    stores("stw [%r1+4], -2", 4, "fe ff ff ff"),
    stores("stdw [%r1+8], -2", 8, "fe ff ff ff ff ff ff ff"),
    stores("stdw [%r1+8], 0x7fffffff", 8, "ff ff ff 7f 00 00 00 00"),
    stores("stdw [%r1+0], 0x80000000", 0, "00 00 00 80 ff ff ff ff"),
    stores("lddw %r3, 0x0102030405060708\nstxb [%r1+3], %r3", 3, "08"),
    stores("lddw %r3, 0x0102030405060708\nstxh [%r1+3], %r3", 3, "08 07"),
    stores("lddw %r3, 0x0102030405060708\nstxw [%r1+3], %r3", 3, "08 07 06 05"),
    stores("lddw %r3, 0x0102030405060708\nstxdw [%r1+3], %r3", 3, "08 07 06 05 04 03 02 01"),
    stores("stxdw [%r1+0], %r1", 0, "00 00 00 00 40 00 00 00"),  # a pointer, as the program sees it
    Case("stxdw [%r10-8], %r2\nldxdw %r0, [%r10-8]", 16),
    Case("stxdw [%r10-512], %r10\nldxdw %r0, [%r10-512]\nsub %r0, %r10", 0),
]
ORDERED = [
    Case("load_acquire8 %r0, [%r1+15]", 0xF1),
    Case("load_acquire16 %r0, [%r1+0]", 0x7788),
    Case("load_acquire32 %r0, [%r1+8]", 0xF5F6F7F8),
    Case("load_acquire64 %r0, [%r1+0]", 0x1122334455667788),
    stores("mov %r3, -2\nstore_release8 [%r1+3], %r3", 3, "fe"),
    stores("mov %r3, -2\nstore_release16 [%r1+2], %r3", 2, "fe ff"),
    stores("mov %r3, -2\nstore_release32 [%r1+4], %r3", 4, "fe ff ff ff"),
    stores("mov %r3, -2\nstore_release64 [%r1+8], %r3", 8, "fe ff ff ff ff ff ff ff"),
]
# r3 = 0x0f00ff0180000001 works on the 8 bytes at 0, 0x1122334455667788, or on the 4 at 0; r0 is then r3.
OPERAND = "lddw %r3, 0x0f00ff0180000001\n{}\nmov %r0, %r3"


def atomic(text, stored, register=0x0F00_FF01_8000_0001):
    return Case(OPERAND.format(text), register, after=replaced(0, stored))


OLD = 0x1122334455667788
ATOMICS = [
    atomic("lock add [%r1+0], %r3", "89 77 66 d5 45 32 23 20"),
    atomic("lock add32 [%r1+0], %r3", "89 77 66 d5"),
    atomic("lock fetch add [%r1+0], %r3", "89 77 66 d5 45 32 23 20", OLD),
    atomic("lock fetch add32 [%r1+0], %r3", "89 77 66 d5", 0x55667788),
    atomic("lock or [%r1+0], %r3", "89 77 66 d5 45 ff 22 1f"),
    atomic("lock or32 [%r1+0], %r3", "89 77 66 d5"),
    atomic("lock fetch or [%r1+0], %r3", "89 77 66 d5 45 ff 22 1f", OLD),
    atomic("lock fetch or32 [%r1+0], %r3", "89 77 66 d5", 0x55667788),
    atomic("lock and [%r1+0], %r3", "00 00 00 00 00 33 00 01"),
    atomic("lock and32 [%r1+0], %r3", "00 00 00 00"),
    atomic("lock fetch and [%r1+0], %r3", "00 00 00 00 00 33 00 01", OLD),
    atomic("lock fetch and32 [%r1+0], %r3", "00 00 00 00", 0x55667788),
    atomic("lock xor [%r1+0], %r3", "89 77 66 d5 45 cc 22 1e"),
    atomic("lock xor32 [%r1+0], %r3", "89 77 66 d5"),
    atomic("lock fetch xor [%r1+0], %r3", "89 77 66 d5 45 cc 22 1e", OLD),
    atomic("lock fetch xor32 [%r1+0], %r3", "89 77 66 d5", 0x55667788),
    atomic("lock xchg [%r1+0], %r3", "01 00 00 80 01 ff 00 0f", OLD),
    atomic("lock xchg32 [%r1+0], %r3", "01 00 00 80", 0x55667788),
    # The sum wraps around; only the 4 bytes change.
    Case("mov %r3, -1\nlock add32 [%r1+8], %r3\nmov %r0, 0", 0, after=replaced(8, "f7 f7 f6 f5")),
    Case("mov %r3, -1\nlock fetch add [%r1+8], %r3\nmov %r0, 0", 0, after=replaced(8, "f7")),
    # Equal: exchanged; r0 has what was there, of 32 bits with its upper half cleared.
    Case(
        "lddw %r0, 0x1122334455667788\nmov %r3, 5\nlock cmpxchg [%r1+0], %r3",
        OLD,
        after=replaced(0, "05 00 00 00 00 00 00 00"),
    ),
    Case("lddw %r0, 0x1122334455667789\nmov %r3, 5\nlock cmpxchg [%r1+0], %r3", OLD),
    Case("mov %r0, 0x55667788\nmov %r3, 5\nlock cmpxchg [%r1+0], %r3", OLD),
    Case(
        "mov %r0, 0x55667788\nmov %r3, 5\nlock cmpxchg32 [%r1+0], %r3",
        0x55667788,
        after=replaced(0, "05 00 00 00"),
    ),
    # Of r0 only the lower half is compared.
    Case(
        "lddw %r0, 0xffffffff55667788\nlddw %r3, 0xffffffff00000005\nlock cmpxchg32 [%r1+0], %r3",
        0x55667788,
        after=replaced(0, "05 00 00 00"),
    ),
    Case("lddw %r0, 0xffffffff55667789\nlock cmpxchg32 [%r1+0], %r3", 0x55667788),
    # r0 may be the operand: what is stored is its value from before.
    Case("mov32 %r0, 0x55667788\nlock cmpxchg32 [%r1+0], %r0", 0x55667788),
    # The address's register may be the operand.
    Case("lock fetch add [%r1+0], %r1\nmov %r0, %r1", OLD, after=replaced(0, "88 77 66 55 84 33 22 11")),
]
MOVES = [
    Case("mov %r0, -1", ONES),
    Case("mov32 %r0, -1", 2**32 - 1),
    Case("mov %r0, %r1\nmov32 %r0, %r0", 0),
    Case("mov32 %r0, %r2", 16),
    Case("lddw %r3, 0xffffffff00000080\nmovsx864 %r0, %r3", ONES - 0x7F),
    Case("lddw %r3, 0xffffffff00000080\nmovsx832 %r0, %r3", 2**32 - 0x80),
    Case("lddw %r3, 0x7fffffffffff8000\nmovsx1664 %r0, %r3", ONES - 0x7FFF),
    Case("lddw %r3, 0x7fffffffffff8000\nmovsx1632 %r0, %r3", 2**32 - 0x8000),
    Case("lddw %r3, 0x7fffffff80000000\nmovsx3264 %r0, %r3", ONES - 0x7FFFFFFF),
    Case("ldxdw %r0, [%r1+0]\nbe16 %r0", 0x8877),
    Case("ldxdw %r0, [%r1+0]\nbe32 %r0", 0x88776655),
    Case("ldxdw %r0, [%r1+0]\nbe64 %r0", 0x8877665544332211),
    Case("ldxdw %r0, [%r1+0]\nle16 %r0", 0x7788),
    Case("ldxdw %r0, [%r1+0]\nle32 %r0", 0x55667788),
    Case("ldxdw %r0, [%r1+0]\nle64 %r0", OLD),
    Case("ldxdw %r0, [%r1+0]\nbswap16 %r0", 0x8877),
    Case("ldxdw %r0, [%r1+0]\nbswap32 %r0", 0x88776655),
    Case("ldxdw %r0, [%r1+0]\nbswap64 %r0", 0x8877665544332211),
    Case("mov %r0, %r10\nmov %r3, 512\nsub %r0, %r3\nrsh %r0, 32", 1),
]
CONTROL = [
    Case("exit\nmov %r0, 1", 0),
    Case("ja +1\nmov %r0, 1", 0),
    Case("ja +0\nmov %r0, 1", 1),
    Case("ja32 +1\nmov %r0, 1", 0),
    Case("ja back\nthere: mov %r0, 7\nja end\nback: ja32 there\nend: mov %r3, 0", 7),
    # An immediate is extended with its sign, also where the comparison is unsigned.
    Case("mov %r3, -1\njgt %r3, -2, +1\nexit\nmov %r0, 1", 1),
    Case("mov32 %r3, -1\njgt %r3, -2, +1\nexit\nmov %r0, 1", 0),
    Case("mov32 %r3, -1\njgt32 %r3, -2, +1\nexit\nmov %r0, 1", 1),
    Case("lddw %r3, 0x8000000000000000\njset %r3, -0x80000000, +1\nexit\nmov %r0, 1", 1),
    Case("mov %r0, 100\nmov %r3, -1\ndiv %r3, -1\nmov %r0, %r3", 1),
    Case("mov %r3, -1\nmod %r3, -2\nmov %r0, %r3", 1),
    # A loop over the memory, and functions three deep.
    Case("mov %r3, %r1\nadd %r1, %r2\nagain: ldxb %r4, [%r3+0]\nadd %r0, %r4\nadd %r3, 1\njlt %r3, %r1, again", 2568),
    Case(
        "call local one\nexit\none: call local two\nadd %r0, 1\nexit\ntwo: mov %r0, 40\nadd %r0, 1\nexit",
        42,
    ),
    Case("lddw %r3, code_addr(f)\nmov %r1, 5\ncallx %r3\nexit\nf: mov %r0, %r1\nmul %r0, 3\nexit", 15),
    Case("mov %r1, 4\ncall 9", 1004),
    Case("mov %r1, 4\nmov %r6, 9\ncallx %r6", 1004),
]
CASES = [*LOADS, *STORES, *ORDERED, *ATOMICS, *MOVES, *CONTROL]
HELPERS = vm.HelperTable([vm.Helper(9, "more", (vm.Scalar.U64,), vm.Scalar.U64, lambda context, value: value + 1000)])


def loaded(case):
    return vm.Program.from_text(case.text + "\nexit")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text.replace("\n", "; "))
def test_what_it_does(engine, case):
    machine = engine(loaded(case), HELPERS)
    region = vm.Region(vm.HOST_REGION, "memory", bytearray(case.memory), writable=True)
    machine.memory.map(region)
    assert machine.run("main", vm.address(vm.HOST_REGION), len(case.memory)) == case.r0
    assert region.data == (case.memory if case.after is None else case.after)


def test_no_instruction_is_left_out():
    run = {instruction.opcode for case in CASES for instruction in loaded(case).instructions}
    tables = (test_arithmetic.ARITHMETIC, test_arithmetic.EXTENDED, test_arithmetic.UNARY, test_arithmetic.JUMPS)
    elsewhere = {row[0] for table in tables for row in table}
    missing = [row for row in TABLE if row not in run and row.mnemonic not in elsewhere]
    assert {row.form for row in missing} == {Form.LOAD_PSEUDO}  # resolved when a program is loaded: test_pseudo.py
