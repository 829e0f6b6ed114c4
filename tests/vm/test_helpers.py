"""Does a helper get exactly what it declared, checked, and does its result come back as declared?"""

import pytest

import vm
from tests.vm.assembled import EXIT, constant, program
from vm.isa import make

ONES = 2**64 - 1
HOST = vm.address(vm.HOST_REGION)
CALL = program(make("call", imm=9), EXIT)


def machine_calling(engine, arguments, returns=vm.Scalar.U64, body=None, data=b"text\0rest", **region):
    """A machine that calls helper 9 with the arguments of the run; `seen` are what its body got."""
    seen = []

    def record(context, *values):
        seen.extend(bytes(value) if isinstance(value, memoryview) else value for value in values)
        return context

    helper = vm.Helper(9, "probe", arguments, returns, body or record)
    machine = engine(CALL, vm.HelperTable([helper]))
    machine.memory.map(vm.Region(vm.HOST_REGION, "host", bytearray(data), **region))
    return machine, seen


@pytest.mark.parametrize(
    ("arguments", "registers", "expected"),
    [
        ((), (1, 2, 3), []),
        ((vm.Scalar.U64,) * 5, (1, 2, 3, 4, ONES), [1, 2, 3, 4, ONES]),
        ((vm.Scalar.S64,), (ONES,), [-1]),
        ((vm.Scalar.U32,), (ONES - 1,), [2**32 - 2]),
        ((vm.Scalar.S32,), (2**32 - 2,), [-2]),
        ((vm.Scalar.S32,), (2**32 + 2,), [2]),
        ((vm.Scalar.BOOL, vm.Scalar.BOOL), (0, 1), [False, True]),
        ((vm.Buffer(),), (HOST, 4), [b"text"]),
        ((vm.Buffer(), vm.Scalar.U64), (HOST + 5, 4, 77), [b"rest", 77]),
        ((vm.Buffer(), vm.Buffer()), (HOST, 9, HOST, 1), [b"text\0rest", b"t"]),
        ((vm.Buffer(), vm.Scalar.U64), (0, 0, 77), [b"", 77]),
        ((vm.Buffer(size=2), vm.Scalar.U64), (HOST, 77), [b"te", 77]),
        ((vm.CString(limit=5),), (HOST,), [b"text"]),
        ((vm.CString(limit=100),), (HOST + 4,), [b""]),
    ],
)
def test_arguments(engine, arguments, registers, expected):
    machine, seen = machine_calling(engine, arguments)
    assert machine.run(0, *registers, context=5) == 5
    assert seen == expected
    assert machine.instructions == 2


@pytest.mark.parametrize(
    ("arguments", "registers", "kind", "message"),
    [
        ((vm.Scalar.BOOL,), (2,), vm.HelperError, "'probe': r1 is 0x2, but a bool is 0 or 1"),
        ((vm.Buffer(),), (0, 1), vm.AccessViolation, "NULL"),
        ((vm.Buffer(),), (HOST, 10), vm.AccessViolation, "which has 9 bytes"),
        ((vm.Buffer(),), (HOST + 9, 1), vm.AccessViolation, "which has 9 bytes"),
        ((vm.Buffer(),), (HOST, ONES), vm.AccessViolation, "access to 18446744073709551615 bytes"),
        ((vm.Buffer(),), (ONES, 8), vm.AccessViolation, "not mapped"),
        ((vm.Buffer(size=8),), (HOST + 2,), vm.AccessViolation, "which has 9 bytes"),
        ((vm.Buffer(writable=True),), (HOST, 1), vm.AccessViolation, "read-only"),
        ((vm.Buffer(size=1, writable=True),), (HOST,), vm.AccessViolation, "read-only"),
        ((vm.CString(limit=4),), (HOST,), vm.AccessViolation, "no NUL within 4 bytes"),
        ((vm.CString(limit=9),), (HOST + 5,), vm.AccessViolation, "no NUL within 4 bytes"),
        ((vm.CString(limit=9),), (0,), vm.AccessViolation, "NULL"),
    ],
)
def test_arguments_that_are_refused(engine, arguments, registers, kind, message):
    machine, seen = machine_calling(engine, arguments)
    with pytest.raises(kind, match=message) as fault:
        machine.run(0, *registers)
    assert (seen, fault.value.pc, machine.instructions) == ([], 0, 1)


@pytest.mark.parametrize(
    ("returns", "value", "r0"),
    [
        (None, 7, 0),
        (None, None, 0),
        (vm.Scalar.U64, -1, ONES),
        (vm.Scalar.U64, 2**64, 0),
        (vm.Scalar.S64, -2, ONES - 1),
        (vm.Scalar.U32, -1, 2**32 - 1),
        (vm.Scalar.S32, -1, ONES),
        (vm.Scalar.S32, 2**31, 2**64 - 2**31),
        (vm.Scalar.BOOL, True, 1),
        (vm.Scalar.BOOL, 2, 1),
    ],
)
def test_results(engine, returns, value, r0):
    machine, _ = machine_calling(engine, (), returns, lambda context: value)
    assert machine.run(0) == r0


def test_a_call_keeps_r6_to_r9_and_clears_r1_to_r5(engine):
    before = [make("mov", register, imm=register) for register in range(1, 10)]
    after = [make("add", 0, src=register) for register in range(1, 10)]
    helper = vm.Helper(9, "probe", (), vm.Scalar.U64, lambda context: 1000)
    machine = engine(program(*before, make("call", imm=9), *after, EXIT), vm.HelperTable([helper]))
    assert machine.run(0) == 1000 + 6 + 7 + 8 + 9


def test_writable_buffers_are_written_through_and_readable_ones_are_not(engine):
    def fill(context, view):
        view[:] = bytes(len(view))

    machine, _ = machine_calling(engine, (vm.Buffer(writable=True),), None, fill, writable=True)
    machine.run(0, HOST + 1, 3)
    assert machine.memory.unmap(vm.HOST_REGION).data == b"t\0\0\0\0rest"
    machine, _ = machine_calling(engine, (vm.Buffer(),), None, fill, writable=True)
    with pytest.raises(TypeError, match="read-only") as error:
        machine.run(0, HOST, 3)
    assert error.value.__notes__ == ["raised while instruction 0 of <memory> was executed"]


def test_hooks_are_asked_for_buffers_and_strings(engine):
    asked = []
    hooks = {
        "on_read": lambda offset, size: asked.append(("read", offset, size)),
        "on_write": lambda offset, size: asked.append(("write", offset, size)),
    }
    arguments = (vm.Buffer(size=3), vm.Buffer(size=2, writable=True), vm.CString(limit=6))
    machine, _ = machine_calling(engine, arguments, None, writable=True, **hooks)
    machine.run(0, HOST, HOST + 1, HOST + 2)
    assert asked == [("read", 0, 3), ("read", 1, 2), ("write", 1, 2), ("read", 2, 6)]


def test_a_body_may_refuse(engine):
    def refuse(context):
        raise vm.HelperError("no such path")

    machine, _ = machine_calling(engine, (), None, refuse)
    with pytest.raises(vm.HelperError, match="instruction 0 of 'main' in 'main': no such path"):
        machine.run(0)


def test_a_machine_is_not_entered_twice(engine):
    machine, _ = machine_calling(engine, (), vm.Scalar.U64, lambda context: machine.run(0))
    with pytest.raises(vm.VmError, match="already running"):
        machine.run(0)


def test_helpers_may_run_another_machine(engine):
    inner = engine(program(make("mov", 0, imm=3), EXIT))
    machine, _ = machine_calling(engine, (), vm.Scalar.U64, lambda context: inner.run(0))
    assert machine.run(0) == 3


def test_an_unknown_helper_is_refused_when_the_machine_is_made(engine):
    calling = program(constant(0, 1), make("call", imm=3), EXIT)
    known = vm.HelperTable([vm.Helper(9, "probe", (), None, lambda context: None)])
    with pytest.raises(vm.UnknownHelper, match=r"helper 3, .*it offers 9 \(probe\)") as refused:
        engine(calling, known)
    assert refused.value.pc == 2
    with pytest.raises(vm.UnknownHelper, match="it offers none"):
        engine(calling)


def nothing(context):
    return None


@pytest.mark.parametrize(
    "helpers",
    [
        [(1, "a", ()), (1, "b", ())],
        [(1, "a", ()), (2, "a", ())],
        [(-1, "a", ())],
        [(2**31, "a", ())],
        [(1, "a", (vm.Scalar.U64,) * 6)],
        [(1, "a", (vm.Buffer(), vm.Buffer(), vm.Buffer()))],
    ],
)
def test_unfit_tables(helpers):
    with pytest.raises(vm.VmError):
        vm.HelperTable([vm.Helper(number, name, kinds, None, nothing) for number, name, kinds in helpers])


def test_a_table_is_read_by_number_and_by_name():
    table = vm.HelperTable([vm.Helper(9, "probe", (), None, nothing)])
    assert table.by_number[9] is table.by_name["probe"]
    assert table.numbers() == {"probe": 9}
