"""Is a program refused unless control can only leave a function by exit?"""

import pickle

import pytest

import vm
from tests.vm.assembled import EXIT, code, constant, program
from vm.isa import encode, make
from vm.program import MAX_INSTRUCTIONS

JUMP = make("jeq", 1, imm=0, offset=1)


@pytest.mark.parametrize(
    ("instructions", "pc", "message"),
    [
        ([make("ja", offset=1), EXIT], 0, "jump to instruction 2, outside of function 'main' "),
        ([EXIT, make("ja", offset=-3)], 1, "jump to instruction -1, outside"),
        ([make("jeq32", 1, imm=0, offset=100), EXIT], 0, "jump to instruction 101"),
        ([make("jne", 1, src=2, offset=2**15 - 1), EXIT], 0, "jump to instruction 32768"),
        ([JUMP, constant(0, 1), EXIT], 0, "jump to instruction 2, the second half of lddw"),
        ([constant(0, 1), make("ja", offset=-2)], 2, "jump to instruction 1, the second half"),
        ([make("mov", 0, imm=1)], 0, "function 'main' falls off its end"),
        ([EXIT, make("jeq", 1, imm=0, offset=-1)], 1, "falls off"),
        ([EXIT, make("call", imm=1)], 1, "falls off"),
        ([EXIT, constant(0, 1)], 1, "falls off"),
        ([make("call_local", imm=5), EXIT], 0, "call to instruction 6, which is not the start of a function"),
        ([make("call_local", imm=-2), EXIT], 0, "call to instruction -1"),
        ([make("call_local", imm=2), EXIT, constant(0, 1), EXIT], 2, "function 'main' falls off"),
        ([make("call_local", imm=1), make("mov", 0, imm=1), EXIT], 1, "function 'main' falls off"),
        ([make("call_local", imm=2), make("ja", offset=0), EXIT, EXIT], 1, None),
        ([make("call_local", imm=1), EXIT, make("ja", offset=-2)], 2, "outside of function 'function_2'"),
    ],
)
def test_what_is_not_well_formed(instructions, pc, message):
    if message is None:
        assert len(program(*instructions).functions) == 2
        return
    with pytest.raises(vm.IllegalInstruction, match=message) as refused:
        program(*instructions)
    assert refused.value.pc == pc
    assert f"offset {8 * pc:#x}, instruction {pc}: " in str(refused.value)


def test_an_empty_program():
    with pytest.raises(vm.LoadError, match="empty"):
        vm.Program.from_bytes(b"")


def test_the_longest_program():
    longest = encode(EXIT) * MAX_INSTRUCTIONS
    assert len(vm.Program.from_bytes(longest).instructions) == MAX_INSTRUCTIONS
    with pytest.raises(vm.LoadError, match="65537 instruction slots; at most 65536 are allowed"):
        vm.Program.from_bytes(longest + encode(EXIT))


def test_functions_are_found_by_their_calls():
    called = program(make("call_local", imm=2), make("call", imm=7), EXIT, constant(0, 1), make("call", imm=7), EXIT)
    assert [(each.name, each.start, each.end) for each in called.functions] == [("main", 0, 3), ("function_3", 3, 7)]
    assert [called.function_at(pc).start for pc in range(7)] == [0, 0, 0, 3, 3, 3, 3]
    assert called.helper_calls == {7: 1}


def test_a_program_cannot_be_changed():
    loaded = program(EXIT)
    with pytest.raises(TypeError):
        loaded.entries["other"] = 0
    with pytest.raises(AttributeError):
        loaded.source = "other"


@pytest.mark.parametrize("budget", [0, 1])
def test_faults_travel_between_processes(budget):
    with pytest.raises(vm.Fault) as fault:
        vm.Machine(program(make("ldxb", 0, src=1), EXIT), budget=budget).run("main", 5)
    travelled = pickle.loads(pickle.dumps(fault.value))
    assert (type(travelled), str(travelled), vars(travelled)) == (
        type(fault.value),
        str(fault.value),
        vars(fault.value),
    )


@pytest.mark.parametrize("bad", [b"", b"\xff" * 8, code(make("ja", offset=9)), code(make("call", imm=4), EXIT)])
def test_refusals_travel_between_processes(bad):
    with pytest.raises(vm.LoadError) as refused:
        vm.Machine(vm.Program.from_bytes(bad, source="x.o"))
    travelled = pickle.loads(pickle.dumps(refused.value))
    assert (type(travelled), str(travelled)) == (type(refused.value), str(refused.value))
