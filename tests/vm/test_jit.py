"""Is machine code made once, kept safely, entered rightly, and as strict as the interpreter?"""

import gc
import os
import subprocess
import sys
import weakref
from collections import Counter

import pytest

import vm
from tests.vm.assembled import EXIT, code, constant, program
from vm.engine import InterpreterEngine
from vm.fuzz import unchecked
from vm.fuzz.differential import attempt
from vm.isa import SECOND_HALF, TABLE, Form, Instruction, make
from vm.jit import compiler
from vm.jit.facts import NOTHING
from vm.jit.lowering import lower
from vm.jit.runtime import function_at
from vm.verifier import Contract, PointerTo, RegionType, verify

HOST = vm.address(vm.HOST_REGION)


@pytest.mark.parametrize("number", range(40))
def test_the_engines_agree_on_random_programs(number):
    assert attempt(20261, number).violation == ""


def test_machine_code_without_needless_checks_agrees():
    outcomes = [unchecked.attempt(20263, number) for number in range(30)]
    assert [outcome.violation for outcome in outcomes if outcome.violation] == []
    counts = sum((outcome.counts for outcome in outcomes), Counter())
    assert counts["left_out"] > counts["accesses"] / 2 > 50


@pytest.mark.long
def test_the_engines_agree_on_many_random_programs():
    violations = [outcome.violation for number in range(1_500) if (outcome := attempt(20262, number)).violation]
    assert violations == []


READING = [row for row in TABLE if "dst" in row.form.fields and row.form is not Form.LOAD_PSEUDO and not row.form.jumps]


@pytest.mark.parametrize(
    "row", [row for row in READING if row.form is not Form.CALL_REGISTER], ids=lambda row: row.mnemonic
)
def test_an_instruction_where_the_budget_is_short_has_what_it_reads(row):
    """The interpreter goes on in the middle of a block: with the registers of machine code, all that it may read."""
    is_load, is_memory = row.form is Form.LOAD, not row.form.writes_dst and row.form is not Form.UNARY
    operands = {"dst": 9 if is_memory else 3, "src": 9 if is_load else 1, "imm": 5} | dict(row.fixed)
    instruction = Instruction(
        row, **{name: operands[name] for name in operands if name in (*row.form.fields, *row.fixed)}
    )
    before = [constant(0, 7), constant(1, 11), constant(3, 13), constant(8, HOST + 16), constant(9, HOST), make("ja")]
    after = [make("stxdw", 8, src=3), *[make("mov", 2, imm=0)] * 5, EXIT]
    block = [instruction, Instruction(SECOND_HALF)] if row.form.is_wide else [instruction]
    code = program(*before, *block, *after)
    seen = []
    for engine in vm.ENGINES:
        machine = vm.Machine(code, engine=engine, budget=len(before) + 3)
        data = bytearray([7, *[0] * 31])
        machine.memory.map(vm.Region(vm.HOST_REGION, "host", data, True))
        with pytest.raises(vm.BudgetExhausted):
            machine.run("main")
        seen.append(data)
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("slots", "nests", "fits"), [(8_192, True, True), (8_193, True, False), (65_536, False, True)])
def test_calls_that_nest_deeper_than_the_native_stack_are_interpreted(slots, nests, fits):
    """As machine code, recursion in a function of 65,536 slots ended the process."""
    call = make("call_local", imm=1 - slots) if nests else make("mov", 0, imm=7)
    code = program(*[make("mov", 1, imm=0)] * (slots - 2), call, EXIT)
    assert compiler.fits_the_stack(code) is fits
    assert isinstance(vm.Machine(code)._engine, InterpreterEngine) is not fits


def test_calls_through_registers_are_lowered_in_proportion():
    """Not each to every function."""

    def length(number):
        ways = [3 * number - index for index in range(number)]  # from each call to its function
        calls = [each for way in ways for each in (make("lddw_code_addr", 3, imm=way), make("callx", 3))]
        code = program(*calls, EXIT, *[make("mov", 0, imm=1), EXIT] * number)
        assert len(code.functions) == number + 1
        assert vm.Machine(code).run("main") == 1
        return len(lower(code, NOTHING) + function_at(code.starts))

    assert length(40) < 2.2 * length(20)


def test_a_large_program_is_compiled_in_a_time_that_grows_with_it(monkeypatch):
    """At the level of code generation that does: how long it took is for benchmarks."""
    levels = []
    original = compiler._compile
    monkeypatch.setattr(compiler, "_compile", lambda text, level: levels.append(level) or original(text, level))
    for slots in (compiler.LARGE, compiler.LARGE + 1):
        code = program(*[make("add", 0, imm=slots)] * (slots - 1), EXIT)
        assert vm.Machine(code).run("main") == slots * (slots - 1)
    assert levels == [1, 0]


def test_an_unknown_engine():
    with pytest.raises(vm.VmError, match="no engine 'llvm'; there are jit, interpreter"):
        vm.Machine(program(EXIT), engine="llvm")


# Entries


ADDER = program(make("mov", 0, src=1), make("add", 0, src=2), make("mul", 0, imm=10), make("add", 0, src=3), EXIT)
LOADER = program(make("ldxdw", 0, src=1), make("ldxw", 2, src=1, offset=8), make("add", 0, src=2), EXIT)


def test_an_entry_takes_numbers_into_registers(engine):
    machine = engine(ADDER)
    assert machine.entry("main", (1, 2, 3))(None) == 33
    assert machine.entry("main", (1, 2, 3), takes=(2,))(None, 5) == 63
    assert machine.entry("main", takes=(3, 1, 2))(None, 7, 4, 2) == 67
    assert machine.entry("main", takes=(1, 2, 3))(None, -1, 0, 2**64 + 1) == 2**64 - 9


def test_an_entry_takes_numbers_into_memory(engine):
    machine = engine(LOADER)
    region = vm.Region(vm.HOST_REGION, "host", bytearray(b"\xff" * 16))
    machine.memory.map(region)
    takes = tuple(vm.Place(vm.HOST_REGION, *where) for where in ((0, 4), (4, 2), (6, 1), (7, 1), (8, 8)))
    enter = machine.entry("main", (HOST,), takes)
    assert enter(None, 1, 2, 3, 2**8 + 4, -1) == 0x0403_0002_0000_0001 + 0xFFFF_FFFF
    assert region.data == bytes([1, 0, 0, 0, 2, 0, 3, 4]) + b"\xff" * 8


@pytest.mark.parametrize(
    ("takes", "kind", "message"),
    [
        ((0,), vm.VmError, "cannot take r0"),
        ((6,), vm.VmError, "cannot take r6"),
        ((vm.Place(vm.HOST_REGION, 0, 3),), vm.VmError, "cannot take 3 bytes"),
        ((vm.Place(vm.HOST_REGION, 1 << 32, 8),), vm.VmError, "no region reaches there"),
        ((vm.Place(vm.HOST_REGION + 1, -8, 8),), vm.VmError, "no region reaches there"),
        ((vm.Place(vm.HOST_REGION, 9, 8),), vm.AccessViolation, "which has 16 bytes"),
        ((vm.Place(vm.HOST_REGION + 2, 0, 8),), vm.AccessViolation, "which is not mapped"),
        ((vm.Place(vm.HOST_REGION + 1, 0, 8),), vm.VmError, "its bytes are immutable"),
    ],
)
def test_entries_that_are_refused(engine, takes, kind, message):
    machine = engine(LOADER)
    machine.memory.map(vm.Region(vm.HOST_REGION, "host", bytearray(16)))
    machine.memory.map(vm.Region(vm.HOST_REGION + 1, "constant", bytes(16)))
    with pytest.raises(kind, match=message):
        machine.entry("main", takes=takes)


def test_a_call_with_too_few_numbers_or_no_numbers(engine):
    machine = engine(ADDER)
    enter = machine.entry("main", takes=(1, 2))
    for wrong in ((), (1,), (1, 2, 3)):
        with pytest.raises(TypeError, match=f"a context and 2 numbers, not {len(wrong)}"):
            enter(None, *wrong)
    with pytest.raises(TypeError):
        enter()
    for wrong in ("one", 1.5, None):
        with pytest.raises(TypeError):
            enter(None, 1, wrong)
    assert enter(None, 1, 2) == 30


class Seven:
    def __index__(self):
        return 7


def test_numbers_are_what_python_takes_for_indices(engine):
    helpers = vm.HelperTable([vm.Helper(1, "seven", (), vm.Scalar.S32, lambda context: Seven())])
    machine = engine(program(make("mov", 6, src=1), make("call", imm=1), make("add", 0, src=6), EXIT), helpers)
    assert machine.run("main", Seven()) == machine.entry("main", (Seven(),))(None) == 14


def test_the_numbers_before_one_that_is_refused_are_stored(engine):
    machine = engine(LOADER)
    data = bytearray(16)
    machine.memory.map(vm.Region(vm.HOST_REGION, "host", data))
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        machine.entry("main", takes=[vm.Place(vm.HOST_REGION, at, 1) for at in range(3)])(None, 1, "two", 3)
    assert data[:3] == b"\1\0\0"


@pytest.mark.parametrize("number", [vm.HOST_REGION, 5_000])
def test_an_entry_holds_the_places_that_it_stores_to(engine, number):
    """A region that is unmapped too early must not become somebody else's memory."""
    machine = engine(program(EXIT))
    machine.memory.map(vm.Region(number, "host", bytearray(1 << 24)))
    enter = machine.entry("main", takes=(vm.Place(number, 1 << 20, 8),))
    data = machine.memory.unmap(number).data
    enter(None, 5)
    assert data[1 << 20] == 5


def test_an_entry_outlives_its_machine(engine):
    machine = engine(program(make("ldxdw", 0, src=1), make("add", 0, imm=1), make("stxdw", 1, src=0), EXIT))
    machine.memory.map(vm.Region(vm.HOST_REGION, "host", bytearray(8), True))
    enter, memory = machine.entry("main", (HOST,)), weakref.ref(machine)
    del machine
    gc.collect()
    assert memory() is None
    assert [enter(None), enter(None)] == [1, 2]


# Exceptions


def test_what_a_helper_raises_keeps_its_traceback_and_gets_a_note(engine):
    def fail(context):
        raise ZeroDivisionError("in the host")

    helpers = vm.HelperTable([vm.Helper(1, "fail", (), None, fail)])
    machine = engine(program(constant(1, 2), make("call", imm=1), EXIT), helpers)
    with pytest.raises(ZeroDivisionError, match="in the host") as error:
        machine.run("main")
    assert error.value.__notes__ == ["raised while instruction 2 of <memory> was executed"]
    assert error.traceback[-1].name == "fail"
    assert machine.instructions == 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_error_of_a_program_passes_as_it_is(engine, kind):
    def fail(context):
        raise kind

    helpers = vm.HelperTable([vm.Helper(1, "fail", (), None, fail)])
    machine = engine(program(constant(1, 2), make("call", imm=1), EXIT), helpers)
    with pytest.raises(kind) as error:
        machine.run("main")
    assert (getattr(error.value, "__notes__", []), machine.instructions) == ([], 2)
    with pytest.raises(kind):
        machine.run("main")


def test_an_exception_that_takes_no_note_is_let_go(engine):
    """What noting the place raises is raised instead, and nothing is kept of the first."""

    class OddError(ValueError):
        pass

    def fail(context):
        error = OddError()
        error.__notes__ = "no list"
        freed.append(weakref.ref(error))
        raise error

    freed = []
    machine = engine(program(make("call", imm=1), EXIT), vm.HelperTable([vm.Helper(1, "fail", (), None, fail)]))
    with pytest.raises(TypeError, match="__notes__"):
        machine.run("main")
    gc.collect()
    assert freed[0]() is None


@pytest.mark.parametrize("returned", ["text", 1.5, object()])
def test_a_helper_that_returns_no_number(engine, returned):
    helpers = vm.HelperTable([vm.Helper(1, "odd", (), vm.Scalar.U64, lambda context: returned)])
    machine = engine(program(make("call", imm=1), EXIT), helpers)
    with pytest.raises(TypeError):
        machine.run("main")
    assert machine.instructions == 1


def test_frames_below_are_seen_by_helpers_and_frames_above_are_not(engine):
    """A helper is given the caller's frame from within a call, and the dead frame of a call that is over."""
    seen = []
    helper = vm.Helper(1, "look", (vm.Buffer(size=8),), None, lambda context, view: seen.append(bytes(view)))
    machine = engine(
        program(
            *(make("stdw", 10, offset=-8, imm=7), make("mov", 1, src=10), make("add", 1, imm=-8)),
            *(make("call_local", imm=4), make("mov", 1, src=0), make("add", 1, imm=-8), make("call", imm=1), EXIT),
            *(make("call", imm=1), make("mov", 0, src=10), EXIT),
        ),
        vm.HelperTable([helper]),
    )
    with pytest.raises(vm.AccessViolation, match="region 2, which is not mapped") as fault:
        machine.run("main")
    assert (seen, fault.value.pc) == ([(7).to_bytes(8, "little")], 6)


# Proofs


CONTRACT = Contract((PointerTo(RegionType(vm.HOST_REGION, "table", 64, is_writable=True)),))
SUM_CODE = code(
    *(make("mov", 0, imm=0), make("mov", 2, imm=0), make("mov", 3, src=1), make("add", 3, src=2)),
    *(make("ldxb", 4, src=3), make("add", 0, src=4), make("stxb", 3, src=0), make("add", 2, imm=1)),
    *(make("jlt", 2, imm=64, offset=-7), EXIT),
)
SUM = vm.Program.from_bytes(SUM_CODE)


def run_on_table(budget, proofs):
    """Result or fault, count, and what the table holds afterwards."""
    machine = vm.Machine(SUM, budget=budget, proofs=proofs)
    table = vm.Region(vm.HOST_REGION, "table", bytearray(range(64)), True)
    machine.memory.map(table)
    try:
        result = machine.entry("main", (HOST,))(None)
    except vm.BudgetExhausted as fault:
        result = str(fault)
    return result, machine.instructions, bytes(table.data)


@pytest.mark.parametrize("budget", [10_000, 451, 450, 100, 7])
def test_a_proof_changes_nothing_but_speed(budget):
    proof = verify(SUM, "main", CONTRACT)
    assert proof.worst_case_instructions == 451
    assert run_on_table(budget, [proof]) == run_on_table(budget, [])


def test_the_budget_of_a_single_run_is_held_whatever_is_proved():
    machine = vm.Machine(SUM, proofs=[verify(SUM, "main", CONTRACT)])
    machine.memory.map(vm.Region(vm.HOST_REGION, "table", bytearray(64), True))
    assert machine.run("main", HOST) == 0
    with pytest.raises(vm.BudgetExhausted):
        machine.run("main", HOST, budget=450)
    assert (machine.run("main", HOST), machine.instructions) == (0, 451)


def test_a_region_that_machine_code_enters_unchecked_stays_mapped():
    machine = vm.Machine(SUM, proofs=[verify(SUM, "main", CONTRACT)])
    machine.memory.map(vm.Region(vm.HOST_REGION, "table", bytearray(64), True))
    machine.entry("main", (HOST,))
    with pytest.raises(vm.VmError, match="stays mapped"):
        machine.memory.unmap(vm.HOST_REGION)


def test_a_proof_of_another_program_is_refused():
    proof = verify(SUM, "main", CONTRACT)
    for other in (loop(5), vm.Program.from_bytes(SUM_CODE)):
        with pytest.raises(vm.VmError, match="the proof of 'main' is about another program"):
            vm.Machine(other, proofs=[proof])


@pytest.mark.parametrize(
    ("registers", "takes", "numbers"),
    [((HOST + 0x7000_0000,), (), ()), ((HOST + 1,), (), ()), ((5,), (), ()), ((HOST,), (1,), (HOST + (1 << 30),))],
)
def test_a_proof_does_not_hold_for_arguments_that_it_is_not_about(registers, takes, numbers):
    machine = vm.Machine(SUM, proofs=[verify(SUM, "main", CONTRACT)])
    machine.memory.map(vm.Region(vm.HOST_REGION, "table", bytearray(64), True))
    with pytest.raises(vm.AccessViolation):
        machine.entry("main", registers, takes)(None, *numbers)


@pytest.mark.parametrize(
    "region",
    [
        vm.Region(vm.HOST_REGION, "short", bytearray(63), True),
        vm.Region(vm.HOST_REGION, "read-only", bytearray(64)),
        vm.Region(vm.HOST_REGION, "watched", bytearray(64), True, on_write=lambda offset, size: None),
    ],
)
def test_a_proof_that_does_not_fit_the_memory_is_not_relied_on(region):
    """It was made for another host: every access keeps its check."""
    machine = vm.Machine(SUM, proofs=(verify(SUM, "main", CONTRACT),))
    machine.memory.map(region)
    if region.on_write is None:
        with pytest.raises(vm.AccessViolation):
            machine.run("main", HOST)
    else:
        machine.run("main", HOST)
    machine.memory.unmap(vm.HOST_REGION)


# The disk


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(compiler.CACHE_VARIABLE, str(tmp_path / "cache"))
    compiler.cache_directory.cache_clear()
    yield tmp_path / "cache"
    compiler.cache_directory.cache_clear()


def loop(times):
    return program(make("mov", 0, imm=times), make("sub", 0, imm=1), make("jne", 0, imm=0, offset=-2), EXIT)


def compilations(monkeypatch, *programs):
    """How many of these programs LLVM had to compile."""
    compiled = []
    original = compiler._compile
    monkeypatch.setattr(compiler, "_compile", lambda *how: compiled.append(how) or original(*how))
    for each in programs:
        assert vm.Machine(each).run("main") == 0
    return len(compiled)


def test_a_program_is_compiled_once_and_then_read(cache, monkeypatch):
    assert compilations(monkeypatch, loop(1001), loop(1001), loop(1002)) == 2
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + b"!" + data[41:]]
)
def test_a_damaged_object_is_compiled_anew(cache, monkeypatch, damage):
    vm.Machine(loop(1003)).run("main")
    [kept] = cache.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert compilations(monkeypatch, loop(1003)) == 1
    assert kept.read_bytes() == whole


def test_a_directory_that_others_may_write_to_is_not_used(cache, monkeypatch):
    cache.mkdir()
    cache.chmod(0o777)
    assert compilations(monkeypatch, loop(1004)) == 1
    assert list(cache.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_done_without(tmp_path, cache, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    assert compilations(monkeypatch, loop(1005)) == 1


def test_without_a_home_nothing_is_kept(monkeypatch, cache):
    monkeypatch.delenv(compiler.CACHE_VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does for a user that the system has not
    assert compilations(monkeypatch, loop(1007)) == 1
    assert compiler.cache_directory() is None


def test_an_empty_variable_keeps_nothing(cache, monkeypatch):
    monkeypatch.setenv(compiler.CACHE_VARIABLE, "")
    compiler.cache_directory.cache_clear()
    assert compilations(monkeypatch, loop(1006)) == 1
    assert not cache.exists()


WITHOUT = """
import sys, warnings
sys.modules["llvmlite"] = None
import vm
from vm.isa import encode, make
program = vm.Program.from_bytes(encode(make("mov", 0, imm=5)) + encode(make("exit")))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(vm.Machine(program).run("main"), vm.Machine(program, engine="jit").run("main"))
print(len(caught), caught[0].message)
"""


def test_without_llvmlite_the_interpreter_runs_and_says_so_once():
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True, env=os.environ)
    assert ran.stdout.startswith("5 5\n1 llvmlite is not installed")
