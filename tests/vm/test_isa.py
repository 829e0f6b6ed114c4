"""Is every encoding of RFC 9669 read as it should be, and every other one refused with its place?"""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vm
from tests.vm.assembled import EXIT, code
from vm.isa import BY_CODE, SLOT, TABLE, Form, Instruction, decode, encode, make


def slot(opcode, dst=0, src=0, offset=0, imm=0):
    return SLOT.pack(opcode, src << 4 | dst, offset, imm)


# Bytes as clang and the examples of RFC 9669 have them, not from the table under test.
@pytest.mark.parametrize(
    ("instruction", "encoded"),
    [
        (make("mov", 0, imm=42), "b7 00 0000 2a000000"),
        (make("mov32", 1, src=2), "bc 21 0000 00000000"),
        (make("add", 10 - 1, imm=-1), "07 09 0000 ffffffff"),
        (make("arsh32", 3, src=4), "cc 43 0000 00000000"),
        (make("neg", 5), "87 05 0000 00000000"),
        (make("be16", 1), "dc 01 0000 10000000"),
        (make("le64", 1), "d4 01 0000 40000000"),
        (make("ja", offset=-2), "05 00 feff 00000000"),
        (make("jsgt32", 1, imm=-5, offset=7), "66 01 0700 fbffffff"),
        (make("jset", 1, src=2, offset=7), "4d 21 0700 00000000"),
        (make("ldxb", 1, src=10, offset=-8), "71 a1 f8ff 00000000"),
        (make("ldxdw", 1, src=2), "79 21 0000 00000000"),
        (make("sth", 1, offset=2, imm=3), "6a 01 0200 03000000"),
        (make("stxw", 1, src=2, offset=4), "63 21 0400 00000000"),
        (make("lock_add", 1, src=2, offset=-8), "db 21 f8ff 00000000"),
        (make("lock_fetch_xor32", 3, src=0), "c3 03 0000 a1000000"),
        (make("lock_xchg", 1, src=2), "db 21 0000 e1000000"),
        (make("lock_cmpxchg32", 1, src=2, offset=8), "c3 21 0800 f1000000"),
        (make("lddw", 1, imm=0x1122334455667788), "18 01 0000 88776655 00000000 44332211"),
        (make("call", imm=7), "85 00 0000 07000000"),
        (make("call_local", imm=-3), "85 10 0000 fdffffff"),
        (make("exit"), "95 00 0000 00000000"),
        (make("sdiv", 1, imm=-3), "37 01 0100 fdffffff"),
        (make("smod32", 1, src=2), "9c 21 0100 00000000"),
        (make("movsx3264", 1, src=2), "bf 21 2000 00000000"),
        (make("movsx832", 1, src=2), "bc 21 0800 00000000"),
        (make("bswap32", 3), "d7 03 0000 20000000"),
        (make("ldxsw", 1, src=2, offset=-4), "81 21 fcff 00000000"),
        (make("ldxsh", 1, src=2), "89 21 0000 00000000"),
        (make("ldxsb", 1, src=2), "91 21 0000 00000000"),
        (make("ja32", imm=-70000), "06 00 0000 90eefeff"),
        (make("callx", 3), "8d 03 0000 00000000"),
        (make("load_acquire8", 5, src=3), "d3 35 0000 00010000"),
        (make("store_release16", 4, src=0, offset=2), "cb 04 0200 10010000"),
        (make("lddw_code_addr", 1, imm=2**32 - 2), "18 41 0000 feffffff 00000000 00000000"),
        (make("lddw_map_val_by_fd", 1, imm=2**32 * 8 + 7), "18 21 0000 07000000 00000000 08000000"),
    ],
)
def test_known_bytes(instruction, encoded):
    assert encode(instruction) == bytes.fromhex(encoded)
    assert decode(bytes.fromhex(encoded))[0] == instruction


def test_the_table_has_every_instruction():
    # RFC 9669 section 2.4: base32, base64, divmul32, divmul64, atomic32, atomic64; beside them callx, acquire, release.
    arithmetic = 2 * (14 * 2 + 1) + 3 * 3 + 3 + 2
    jumps = 2 * 11 * 2 + 2 + 3 + 1
    memory = 4 * 3 + 3 + 7
    atomic = 2 * (4 * 2 + 2) + 4 * 2
    assert len(TABLE) == arithmetic + jumps + memory + atomic


def test_no_two_rows_can_be_confused():
    for rows in BY_CODE.values():
        selectors = [tuple(row.fixed.items()) for row in rows]
        assert len(set(selectors)) == len(rows)
        assert len(rows) == 1 or all(selectors)


REGISTER = st.integers(0, 9)


@st.composite
def instructions(draw):
    row = draw(st.sampled_from(TABLE))
    ranges = {"dst": REGISTER, "src": REGISTER, "offset": st.integers(-(2**15), 2**15 - 1)}
    fields = {name: draw(values) if name in row.form.fields else 0 for name, values in ranges.items()}
    halves = row.operation == "lddw" or row.operation.startswith("map_val")
    unsigned = st.integers(0, 2 ** (64 if halves else 32) - 1)
    immediates = unsigned if row.form.is_wide else st.integers(-(2**31), 2**31 - 1)
    fields["imm"] = draw(immediates) if "imm" in row.form.fields else 0
    return Instruction(row, **(fields | dict(row.fixed)))


@given(st.lists(instructions(), max_size=8))
def test_what_is_encoded_is_decoded(program):
    decoded = decode(code(*program))
    assert [each for each in decoded if each.opcode.form is not Form.SECOND_HALF] == program
    assert code(*decoded) == code(*program)


@given(st.binary(max_size=64))
def test_any_bytes_are_decoded_or_refused(data):
    with contextlib.suppress(vm.IllegalInstruction):
        decoded = decode(data)
        assert decode(code(*decoded)) == decoded
        assert code(*decoded) == data or any(each.opcode.operation == "callx" for each in decoded)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (slot(0xFF), "opcode 0xff is not an instruction"),
        (slot(0x8D, dst=2, imm=3), "callx names two registers, r2 in dst and 3 in imm"),
        (slot(0x8D, imm=11), "callx: there is no register r11"),
        (slot(0x8D, imm=-1), "callx: there is no register r-1"),
        (slot(0x8D, src=1), "callx does not use its src field"),
        (slot(0x20, imm=4), "opcode 0x20 is an access to a packet"),
        (slot(0x50, src=1), "opcode 0x50 is an access to a packet"),
        (slot(0x0D, dst=1), "opcode 0x0d is gotox, a jump through a register"),
        (slot(0xE5, offset=1), "opcode 0xe5 is may_goto"),
        (slot(0xD3, dst=1, src=2), "load_acquire8 .* with imm = 0 is not supported; imm may be 256, 272"),
        (slot(0xDB, dst=10, src=2, imm=0x100), "load_acquire64 writes r10"),
        (slot(0xDB, dst=1, src=2, imm=2), "lock_add .* with imm = 2 is not supported; imm may be 0, 1, 64"),
        (slot(0xC3, dst=1, src=10, imm=1), "lock_fetch_add32 writes r10"),
        (slot(0xDB, dst=1, src=10, imm=0xE1), "lock_xchg writes r10"),
        (slot(0xD7, imm=8), "bswap16 .* with imm = 8 is not supported; imm may be 16, 32, 64"),
        (slot(0xDF, imm=16), "opcode 0xdf is not an instruction"),
        (slot(0x06, offset=1), "ja32 does not use its offset field"),
        (slot(0x37, dst=1, offset=2, imm=3), "div .* with offset = 2 is not supported; offset may be 0, 1"),
        (slot(0xB7, dst=1, offset=8, imm=3), "mov does not use its offset field, which is 8"),
        (slot(0xBF, dst=1, src=2, offset=7), "mov .* with offset = 7 is not supported; offset may be 0, 8, 16, 32"),
        (slot(0xBC, dst=1, src=2, offset=32), "mov32 .* with offset = 32 is not supported; offset may be 0, 8, 16"),
        (slot(0x99, dst=1, src=2), "opcode 0x99 is not an instruction"),
        (slot(0xBF, dst=10, src=2, offset=8), "movsx864 writes r10"),
        (slot(0x07, dst=1, src=2, imm=3), "add does not use its src field"),
        (slot(0x0F, dst=1, src=2, imm=3), "add does not use its imm field"),
        (slot(0x87, dst=1, src=2), "neg does not use its src field"),
        (slot(0x95, dst=1), "exit does not use its dst field"),
        (slot(0x05, imm=1), "ja does not use its imm field"),
        (slot(0x79, dst=1, src=2, imm=1), "ldxdw does not use its imm field"),
        (slot(0x7A, dst=1, src=2), "stdw does not use its src field"),
        (slot(0x85, dst=1, imm=1), "call does not use its dst field"),
        (slot(0x85, src=1, offset=1), "call_local does not use its offset field"),
        (slot(0x85, src=2, imm=1), "src = 2 is not supported; src may be 0, 1"),
        (slot(0xDC, dst=1, imm=8), "imm = 8 is not supported; imm may be 16, 32, 64"),
        (slot(0xB7, dst=11), "there is no register r11"),
        (slot(0xBF, dst=1, src=15), "there is no register r15"),
        (slot(0xB7, dst=10, imm=1), "mov writes r10"),
        (slot(0x79, dst=10, src=1), "ldxdw writes r10"),
        (slot(0xDC, dst=10, imm=16), "be16 writes r10"),
        (slot(0x18, dst=10) + slot(0), "lddw writes r10"),
        (slot(0x18, dst=1, src=7) + slot(0), "src = 7 is not supported; src may be 0, 1, 2, 3, 4, 5, 6"),
        (slot(0x18, dst=10, src=4) + slot(0), "lddw_code_addr writes r10"),
        (slot(0x18, dst=1), "lddw is truncated"),
        (b"\x95\0\0\0", "12 bytes of code"),
    ],
)
def test_illegal_encodings_are_refused_with_their_place(bad, message):
    with pytest.raises(vm.IllegalInstruction, match=message) as refused:
        decode(encode(EXIT) + bad, source="x.o", section="main", base=40)
    assert refused.value.pc == 41
    assert str(refused.value).startswith("x.o: section 'main' offset 0x8, instruction 41: ")


@pytest.mark.parametrize("second", [slot(1), slot(0, dst=1), slot(0, src=1), slot(0, offset=1), encode(EXIT)])
def test_the_second_slot_of_lddw_holds_only_an_immediate(second):
    with pytest.raises(vm.IllegalInstruction, match="second slot") as refused:
        decode(slot(0x18) + second)
    assert refused.value.pc == 1


@pytest.mark.parametrize("source", [1, 3, 4, 5])
def test_a_second_immediate_that_is_not_used_is_refused(source):
    with pytest.raises(vm.IllegalInstruction, match="second immediate, which is 1") as refused:
        decode(slot(0x18, src=source, imm=-1) + slot(0, imm=1))
    assert refused.value.pc == 1
    assert decode(slot(0x18, src=source, imm=-1) + slot(0))[0].halves == (-1, 0)


@pytest.mark.parametrize("register", [0, 1, 10])
def test_callx_names_its_register_in_dst_or_in_imm(register):
    old, new = slot(0x8D, imm=register), slot(0x8D, dst=register)
    assert decode(old) == decode(new) == [make("callx", register)]
    assert encode(make("callx", register)) == new


def test_lddw_joins_both_halves():
    first, second = decode(slot(0x18, imm=-1) + slot(0, imm=-2))
    assert first.imm == 0xFFFF_FFFE_FFFF_FFFF
    assert second.opcode.form is Form.SECOND_HALF
    assert encode(first) == slot(0x18, imm=-1) + struct.pack("<4xi", -2)
