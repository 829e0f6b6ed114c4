"""Do atomic instructions change memory and registers as RFC 9669 section 5.3 says, and stay inside their memory?"""

import pytest

import vm
from tests.vm.assembled import EXIT, constant, program
from vm.isa import TABLE, Form, make

OLD, VALUE = 0xF0F0_F0F0_1234_5678, 0x0FF0_0FF0_F000_0001
LOW = 2**32 - 1
RESULTS = {
    "add": OLD + VALUE,
    "or": OLD | VALUE,
    "and": OLD & VALUE,
    "xor": OLD ^ VALUE,
    "mov": VALUE,
}


def word(engine, *instructions, writable=True, r0=0):
    """The machine, and a region that holds OLD; r1 points there, r2 is VALUE."""
    steps = [constant(0, r0), constant(2, VALUE), *instructions, EXIT]
    machine = engine(program(*steps))
    region = vm.Region(vm.HOST_REGION, "word", bytearray(OLD.to_bytes(8, "little")), writable)
    machine.memory.map(region)
    return machine, region


def content(region):
    return int.from_bytes(region.data, "little")


def expected(result, bits):
    """Of a 32-bit access the other half stays."""
    return result % 2**64 if bits == 64 else OLD & ~LOW | result & LOW


ROWS = [row for row in TABLE if row.form in (Form.ATOMIC, Form.ATOMIC_FETCH)]


@pytest.mark.parametrize("row", ROWS, ids=[row.mnemonic for row in ROWS])
def test_memory_takes_the_result_and_the_register_what_was_there(engine, row):
    machine, region = word(engine, make(row.mnemonic, 1, src=2), make("mov", 0, src=2))
    register = machine.run("main", vm.address(vm.HOST_REGION))
    assert content(region) == expected(RESULTS[row.operation], row.bits)
    if row.form is Form.ATOMIC:
        assert register == VALUE
    else:
        assert register == (OLD if row.bits == 64 else OLD & LOW)  # the upper half is cleared


@pytest.mark.parametrize(
    ("mnemonic", "compared", "stored", "register"),
    [
        ("lock_cmpxchg", OLD, VALUE, OLD),
        ("lock_cmpxchg", OLD + 1, OLD, OLD),
        ("lock_cmpxchg32", OLD, expected(VALUE, 32), OLD & LOW),
        ("lock_cmpxchg32", OLD & LOW, expected(VALUE, 32), OLD & LOW),
        ("lock_cmpxchg32", OLD + 1, OLD, OLD & LOW),
    ],
)
def test_what_is_equal_is_exchanged(engine, mnemonic, compared, stored, register):
    machine, region = word(engine, make(mnemonic, 1, src=2), r0=compared)
    assert machine.run("main", vm.address(vm.HOST_REGION)) == register
    assert content(region) == stored


@pytest.mark.parametrize("mnemonic", ["lock_add", "lock_fetch_add32", "lock_xchg", "lock_cmpxchg"])
def test_what_may_not_be_written_is_not_even_compared(engine, mnemonic):
    machine, region = word(engine, make(mnemonic, 1, src=2), writable=False)
    with pytest.raises(vm.AccessViolation, match="which is read-only"):
        machine.run("main", vm.address(vm.HOST_REGION))
    assert content(region) == OLD
    with pytest.raises(vm.AccessViolation, match="which has 8 bytes"):
        machine.run("main", vm.address(vm.HOST_REGION, 6))
