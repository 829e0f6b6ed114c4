"""Are runs bounded, counted, isolated and repeatable? Calls, frames, the budget, tracing, the machine's own data."""

import doctest
import gc
import subprocess
import sys
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vm
from tests.vm.assembled import EXIT, constant, program
from vm.isa import make
from vm.memory import FRAME_BYTES, MAX_CALL_DEPTH

ENDLESS = program(make("ja", offset=-1))


def test_arguments_arrive_and_the_rest_is_zero(engine):
    def passed(register):
        return engine(program(make("mov", 0, src=register), EXIT)).run("main", 11, 12, 13, 14, 15)

    assert [passed(register) for register in range(10)] == [0, 11, 12, 13, 14, 15, 0, 0, 0, 0]
    assert passed(10) == vm.address(1, FRAME_BYTES)
    assert engine(program(make("mov", 0, src=1), EXIT)).run("main", -1) == 2**64 - 1


def test_what_cannot_be_run(engine):
    machine = engine(program(make("mov", 0, imm=1), EXIT))
    with pytest.raises(vm.VmError, match="no entry 'other'; the program has main"):
        machine.run("other")
    with pytest.raises(vm.VmError, match="no entry 1"):
        machine.run(1)
    with pytest.raises(vm.VmError, match="6 arguments"):
        machine.run("main", 1, 2, 3, 4, 5, 6)
    assert machine.run(0) == 1


@pytest.mark.parametrize("budget", [-1, 2**64])
def test_a_budget_that_cannot_be_counted(engine, budget):
    with pytest.raises(vm.VmError, match="from 0 to"):
        engine(ENDLESS, budget=budget)
    machine = engine(ENDLESS, budget=5)
    with pytest.raises(vm.VmError, match="from 0 to"):
        machine.run("main", budget=budget)
    with pytest.raises(vm.BudgetExhausted, match="budget of 5 instructions"):
        machine.run("main")


def test_a_traced_run_may_have_a_budget_of_its_own(engine):
    machine, seen = engine(ENDLESS, budget=9), []
    machine.on_step = lambda pc, registers: seen.append(pc)
    with pytest.raises(vm.BudgetExhausted, match="budget of 3 instructions"):
        machine.run("main", budget=3)
    assert seen == [0, 0, 0]
    assert machine.budget == 9


def test_a_run_and_a_traced_run_have_the_same_frames(engine):
    """Also where a helper looked at the frames of the run before."""
    helpers = vm.HelperTable([vm.Helper(1, "look", (vm.Buffer(size=8),), None, lambda context, view: None)])
    looks = (make("mov", 1, src=10), make("add", 1, imm=-8), make("call", imm=1), make("mov", 0, src=10), EXIT)
    machine = engine(program(*looks), helpers)
    frame = machine.run("main")
    machine.on_step = lambda pc, registers: None
    assert machine.run("main") == frame == vm.address(1, FRAME_BYTES)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("hold", [True, False])
def test_a_run_within_a_run_by_its_entry(engine, traced, hold):
    """The context of the run before is gone when the entry is refused."""
    helpers = vm.HelperTable([vm.Helper(1, "again", (), vm.Scalar.U64, lambda context: context[0](None))])
    machine = engine(program(make("jeq", 1, imm=0, offset=1), make("call", imm=1), EXIT), helpers)
    enter = machine.entry("main", (1,))
    if not hold:
        assert machine.entry("main")([bytes(1000)]) == 0
    machine.on_step = (lambda pc, registers: None) if traced else None
    with pytest.raises(vm.VmError, match="already running"):
        machine.run("main", 1, context=[enter])


@pytest.mark.parametrize("budget", [0, 1, 2, 1000])
def test_an_endless_loop_is_stopped_at_the_budget(engine, budget):
    machine = engine(ENDLESS, budget=budget)
    with pytest.raises(vm.BudgetExhausted, match=f"budget of {budget} instructions") as stopped:
        machine.run("main")
    assert machine.instructions == stopped.value.instructions == budget


@given(st.integers(0, 30))
def test_the_budget_is_exact(budget):
    # 3 instructions a turn, 5 turns, then exit: 1 + 3 * 5 + 1.
    turn = [make("add", 0, imm=1), make("sub", 1, imm=1), make("jne", 1, imm=0, offset=-3)]
    machine = vm.Machine(program(make("mov", 1, imm=5), *turn, EXIT))
    if budget >= 17:
        assert machine.run("main", budget=budget) == 5
        assert machine.instructions == 17
        return
    with pytest.raises(vm.BudgetExhausted) as stopped:
        machine.run("main", budget=budget)
    assert machine.instructions == budget
    assert stopped.value.pc == ([0] + [1, 2, 3] * 5 + [4])[budget]


def test_a_machine_runs_on_after_a_fault(engine):
    machine = engine(program(make("jeq", 1, imm=0, offset=1), make("ldxb", 0, src=1), EXIT))
    for _ in range(2):
        with pytest.raises(vm.AccessViolation):
            machine.run("main", 1)
        assert machine.instructions == 2
        assert machine.run("main", 0) == 0
        assert machine.instructions == 2


def test_a_local_call_keeps_r6_to_r9_and_clears_r1_to_r5(engine):
    saved = [make("mov", register, imm=register) for register in range(1, 10)]
    add = [make("add", 0, src=register) for register in range(1, 10)]
    callee = [make("mov", register, imm=-100) for register in range(1, 10)]
    main = [*saved, make("call_local", imm=len(add) + 1), *add, EXIT]
    assert engine(program(*main, *callee, make("mov", 0, imm=1000), EXIT)).run("main") == 1000 + 6 + 7 + 8 + 9


def recursion():
    """A function that calls itself r1 times."""
    return program(
        *(make("call_local", imm=1), EXIT),
        *(make("jeq", 1, imm=0, offset=2), make("sub", 1, imm=1), make("call_local", imm=-3), EXIT),
    )


def test_calls_are_nested_as_deep_as_there_are_frames(engine):
    machine = engine(recursion())
    deepest = MAX_CALL_DEPTH - 2
    assert machine.run("main", deepest) == 0
    with pytest.raises(vm.CallDepthExceeded, match="8 frames") as fault:
        machine.run("main", deepest + 1)
    assert (fault.value.pc, fault.value.function) == (4, "function_2")
    assert machine.run("main", deepest) == 0


def frames(*callee):
    """Store 7 at the top of a frame, call with r1 at it and r2 at the callee's argument, then load it again."""
    main = [
        *(make("stdw", 10, offset=-8, imm=7), make("mov", 1, src=10), make("add", 1, imm=-8)),
        *(make("call_local", imm=2), make("ldxdw", 0, src=10, offset=-8), EXIT),
    ]
    return program(*main, *callee, EXIT)


def test_a_pointer_to_the_callers_frame_works(engine):
    assert engine(frames(make("stdw", 1, imm=9))).run("main") == 9


@pytest.mark.parametrize("offset", [0, 504, -520])
def test_r10_does_not_reach_other_frames(engine, offset):
    with pytest.raises(vm.AccessViolation):
        engine(frames(make("stdw", 10, offset=offset, imm=9))).run("main")


def test_frames_have_512_bytes(engine):
    assert engine(frames(make("stdw", 10, offset=-512, imm=9))).run("main") == 7
    with pytest.raises(vm.AccessViolation):
        engine(frames(make("stdw", 10, offset=-513, imm=9))).run("main")


def test_a_frame_starts_zeroed_and_ends_with_its_call(engine):
    leak = [make("ldxdw", 0, src=10, offset=-8), make("stdw", 10, offset=-8, imm=9), EXIT]
    machine = engine(program(make("call_local", imm=2), make("call_local", imm=1), EXIT, *leak))
    assert machine.run("main") == 0
    dangling = program(make("call_local", imm=2), make("ldxb", 0, src=0, offset=-1), EXIT, make("mov", 0, src=10), EXIT)
    with pytest.raises(vm.AccessViolation, match="region 2, which is not mapped"):
        engine(dangling).run("main")


def test_every_step_is_reported(engine):
    machine = engine(program(constant(0, 5), make("call_local", imm=1), EXIT, make("add", 0, imm=1), EXIT))
    steps = []
    machine.on_step = lambda pc, registers: steps.append((pc, registers[0]))
    assert machine.run("main") == 6
    assert steps == [(0, 0), (2, 5), (4, 5), (5, 6), (3, 6)]
    machine.on_step = None
    machine.run("main")
    assert len(steps) == machine.instructions == 5


def test_a_program_is_released_with_its_last_machine(engine):
    machine = engine(program(EXIT))
    machine.run("main")
    released = weakref.ref(machine.program)
    del machine
    gc.collect()
    assert released() is None


def test_machines_do_not_share_what_they_write(engine, compiled):
    linked = vm.load(compiled("programs"))
    first, second = engine(linked), engine(linked)
    assert [first.run("main/count"), first.run("main/count"), second.run("main/count")] == [41, 42, 41]


def test_initial_data_may_be_replaced(engine, compiled):
    linked = vm.load(compiled("programs"))
    machine = engine(linked, data={"host.parameters": (77).to_bytes(8, "little")})
    assert (machine.run("main/parameter"), engine(linked).run("main/parameter")) == (77, 1000)
    for wrong in ({"host.parameters": b""}, {"parameters": bytes(8)}):
        with pytest.raises(vm.VmError, match=r"to replace; there are .*host.parameters \(8 bytes\)"):
            engine(linked, data=wrong)


def test_importing_is_light():
    script = "import sys, vm; print(sorted({'numpy', 'elftools', 'llvmlite', 'quicsim'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_example_of_the_package_runs():
    assert doctest.testmod(vm) == (0, 11)
