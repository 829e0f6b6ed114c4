"""Does `lddw` load what its pseudo source stands for, and is it refused with its place where that is nothing?"""

import struct

import pytest

import vm
from tests.vm.assembled import EXIT, code, constant, program
from vm.isa import Form, make
from vm.memory import DATA_REGION

LOW = 2**32
DATA = [
    vm.DataSection(".rodata", DATA_REGION, struct.pack("<QQ", 11, 12), False),
    vm.DataSection(".data", DATA_REGION + 1, struct.pack("<QQ", 21, 22), True),
]


def loaded(*instructions, **options):
    return vm.Program.from_bytes(code(*instructions, EXIT), source="x", data=DATA, **options)


@pytest.mark.parametrize(
    ("source", "imm", "value"),
    [
        ("map_by_idx", 0, vm.address(DATA_REGION)),
        ("map_by_idx", 1, vm.address(DATA_REGION + 1)),
        ("map_val_by_idx", 8 * LOW + 1, vm.address(DATA_REGION + 1, 8)),
        ("map_val_by_idx", (LOW - 1) * LOW, vm.address(DATA_REGION, LOW - 1)),
        ("code_addr", 3, vm.address(vm.CODE_REGION, 32)),
        ("code_addr", LOW - 1, vm.address(vm.CODE_REGION, 0)),
        ("map_by_fd", 7, 700),
        ("map_val_by_fd", 3 * LOW + 7, 703),
        ("var_addr", LOW - 1, 2**64 - 1),
    ],
)
def test_what_is_loaded(engine, source, imm, value):
    known = {("map_by_fd", 7, 0): 700, ("map_val_by_fd", 7, 3): 703, ("var_addr", -1, 0): -1}
    ending = [make("ja32", imm=0), EXIT, EXIT] if source == "code_addr" else []
    linked = loaded(make(f"lddw_{source}", 0, imm=imm), *ending, resolver=lambda *asked: known.get(asked))
    assert engine(linked).run("main") == value
    assert linked.instructions[0] == make("lddw", 0, imm=value)
    assert code(*linked.instructions[:2]) == code(make("lddw", 0, imm=value))
    assert {each.opcode.form for each in linked.instructions[1:]} <= {Form.SECOND_HALF, Form.EXIT, Form.JUMP_LONG}


def test_what_a_data_section_holds_is_reached(engine):
    assert engine(loaded(make("lddw_map_val_by_idx", 1, imm=8 * LOW), make("ldxdw", 0, src=1))).run("main") == 12


@pytest.mark.parametrize(
    ("source", "imm", "message"),
    [
        ("map_by_idx", 2, r"map_by_idx of data section 2, which does not exist; there are 0 \(.rodata\), 1 \(.data\)"),
        ("map_val_by_idx", LOW - 1, "data section -1, which does not exist"),
        ("code_addr", 10, "code_addr of instruction 12, which is not the start of a function"),
        ("code_addr", LOW - 5, "code_addr of instruction -3"),
        ("map_by_fd", 7, "map_by_fd of 7 is the host's to resolve, and it gives no resolver"),
        ("map_val_by_fd", 7, "gives no resolver"),
        ("var_addr", 7, "gives no resolver"),
    ],
)
def test_what_stands_for_nothing(source, imm, message):
    with pytest.raises(vm.IllegalInstruction, match=message) as refused:
        loaded(make("mov", 1, imm=0), make(f"lddw_{source}", 0, imm=imm))
    assert str(refused.value).startswith("x: section 'main' offset 0x8, instruction 1: ")


def test_a_host_that_does_not_know():
    with pytest.raises(vm.IllegalInstruction, match=r"instruction 0: var_addr of 7 .* and it does not have it"):
        loaded(make("lddw_var_addr", 0, imm=7), resolver=lambda kind, imm, next_imm: None)


@pytest.mark.parametrize("pc", [1, 3])
def test_the_address_of_what_is_no_function(pc):
    """A second half of lddw begins no function: the one before it would run into it."""
    with pytest.raises(vm.IllegalInstruction, match=r"function '.*' falls off its end"):
        program(constant(0, 1), make("lddw_code_addr", 1, imm=(pc - 3) % LOW), EXIT)
