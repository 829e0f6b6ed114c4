"""Does a call through a register reach helpers by number and functions by address, and nothing else?"""

import pytest

import vm
from tests.vm.assembled import EXIT, constant, program
from vm.isa import make
from vm.memory import MAX_CALL_DEPTH

ANSWER = vm.Helper(9, "answer", (vm.Scalar.U64,), vm.Scalar.U64, lambda context, value: value + 1000)
REFUSING = vm.Helper(10, "refusing", (vm.Scalar.BOOL,), None, lambda context, value: None)
HELPERS = vm.HelperTable([ANSWER, REFUSING])
FIVE = vm.address(vm.CODE_REGION, 8 * 5)


def through(register=2):
    """Call what r2 says, by way of `register`; beside it, a function at pc 5 that doubles r1."""
    main = [make("mov", register, src=2), make("callx", register), EXIT]
    return program(*main, make("call_local", imm=1), EXIT, make("mov", 0, src=1), make("add", 0, src=1), EXIT)


@pytest.mark.parametrize("register", [0, 2, 5, 9])
def test_a_function_by_its_address(engine, register):
    machine = engine(through(register))
    assert machine.run("main", 21, FIVE) == 42
    assert machine.instructions == 6


@pytest.mark.parametrize("register", [0, 2, 5, 9])
def test_a_helper_by_its_number(engine, register):
    machine = engine(through(register), HELPERS)
    assert machine.run("main", 21, 9) == 1021
    assert machine.instructions == 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, r"call of helper 0, which the host does not offer; it offers 9 \(answer\), 10 \(refusing\)"),
        (11, "call of helper 11, which"),
        (2**32 - 1, "call of helper 4294967295"),
        (FIVE + 8, "r2 is 0xf00000030, neither a helper's number nor the address of a function"),
        (FIVE + 1, "neither"),
        (FIVE - 8, "neither"),
        (vm.address(vm.CODE_REGION, 8 * 8), "neither"),
        (vm.address(vm.CODE_REGION, 2**32 - 8), "neither"),
        (vm.address(vm.CODE_REGION - 1, 0), "neither"),
        (vm.address(vm.CODE_REGION + 1, 0), "neither"),
        (2**63 | 9, "neither"),
        (2**64 - 1, "neither"),
    ],
)
def test_what_is_not_called(engine, value, message):
    machine = engine(through(), HELPERS)
    with pytest.raises(vm.IllegalCall, match=message) as fault:
        machine.run("main", 1, value)
    assert (fault.value.pc, fault.value.function, machine.instructions) == (1, "main", 2)
    assert machine.run("main", 21, FIVE) == 42


def test_the_helper_s_own_refusal_passes_through(engine):
    with pytest.raises(vm.HelperError, match=r"instruction 1 of 'main' .* a bool is 0 or 1"):
        engine(through(), HELPERS).run("main", 2, 10)


def test_a_call_keeps_r6_to_r9_and_clears_r1_to_r5(engine):
    saved = [make("mov", register, imm=register) for register in range(1, 10)]
    add = [make("add", 0, src=register) for register in range(1, 10)]
    target = 2 + len(saved) + 1 + len(add) + 1
    callee = [make("mov", register, imm=-100) for register in range(1, 10)]
    address = make("lddw_code_addr", 0, imm=target - 1)
    called = program(address, *saved, make("callx", 0), *add, EXIT, *callee, make("mov", 0, imm=1000), EXIT)
    assert engine(called).run("main") == 1000 + 6 + 7 + 8 + 9
    by_number = program(make("mov", 0, imm=9), *saved, make("callx", 0), *add, EXIT)
    assert engine(by_number, HELPERS).run("main") == 1001 + 6 + 7 + 8 + 9


def test_calls_are_nested_as_deep_as_there_are_frames(engine):
    """A function that calls the entry again, r1 times."""
    recursive = program(
        *(make("jeq", 1, imm=0, offset=4), make("sub", 1, imm=1), make("lddw_code_addr", 2, imm=2**32 - 3)),
        *(make("callx", 2), EXIT),
    )
    machine = engine(recursive)
    assert machine.run("main", MAX_CALL_DEPTH - 1) == 0
    with pytest.raises(vm.CallDepthExceeded) as fault:
        machine.run("main", MAX_CALL_DEPTH)
    assert fault.value.pc == 4
    assert machine.run("main", MAX_CALL_DEPTH - 1) == 0


@pytest.mark.parametrize("access", [make("ldxb", 0, src=1), make("stb", 1, imm=0), make("lock_add", 1, src=2)])
def test_code_is_neither_read_nor_written(engine, access):
    machine = engine(program(access, EXIT))
    with pytest.raises(vm.AccessViolation, match="region 15, which is not mapped"):
        machine.run("main", vm.address(vm.CODE_REGION))
    with pytest.raises(vm.VmError, match="region number 15 of 'mine' is the code's; it is never mapped"):
        machine.memory.map(vm.Region(vm.CODE_REGION, "mine", b"x"))


def test_a_long_jump(engine):
    far = 40_000
    jump = [make("ja32", imm=far), *[make("mov", 0, imm=1)] * far, make("add", 0, imm=7), EXIT]
    assert engine(program(*jump)).run("main") == 7
    back = program(make("ja", offset=1), EXIT, make("mov", 0, imm=3), make("ja32", imm=-3))
    assert engine(back).run("main") == 3


@pytest.mark.parametrize("call", [constant(0, 9), make("mov", 0, imm=9)])
def test_helpers_that_are_called_through_registers_are_not_needed_to_load(engine, call):
    called = program(call, make("callx", 0), EXIT)
    assert called.helper_calls == {}
    with pytest.raises(vm.IllegalCall, match="it offers none"):
        engine(called).run("main")
