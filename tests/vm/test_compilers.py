"""Do the objects of every compiler load, and do their functions return what the C says?"""

import struct

import pytest

import vm
from tests.vm.conftest import OBJECTS
from tests.vm.objects import build

HELPERS = vm.HelperTable(
    vm.Helper(number, name, (vm.Scalar.U64,), vm.Scalar.U64, lambda context, value, more=more: value + more)
    for number, name, more in ((7, "add_one", 1), (8, "add_two", 2))
)
BYTES, NUMBERS, VALUES = (vm.address(vm.HOST_REGION + number) for number in range(3))
INPUTS = {BYTES: b"abc", NUMBERS: struct.pack("<bxhi", -3, -300, -70_000), VALUES: struct.pack("<4Q", 7, 20, 300, 5)}
MASK64 = 2**64 - 1

SWAPPED = 0x8877665544332211 ^ 0x88776655 ^ 0x8877
RESULTS = {
    "compilers": [
        ("rodata", (4,), 16),
        ("strings", (1,), ord("w") + 22),
        ("text", (2,), ord("s")),
        ("data", (10,), 13),
        ("globals", (), 41 + 41 + 39),
        ("bss", (3,), 7),
        ("bss", (2,), 0),
        ("global_bss", (1,), 3),
        ("global_bss", (0,), 0),
        ("limit", (1,), 2000),
        ("own", (1,), 15),
        ("local", (3,), 1001),
        ("main/calls", (5,), (5 * 3 + 1 + 105) + 15 + (5 ^ 0xFF)),
        ("main/section", (10,), 15 + 110),
        ("main/helpers", (10,), 11 * 100 + 12),
        ("recursion", (7,), 13),
        ("stack", (4,), 6 * 1000 + 14),
        ("constants", (1,), ((1 ^ 0x123456789ABCDEF0) + 0xFFFFFFFFF0000000) & MASK64),
        ("words", (7, 2**40 + 9), 63 + 2 + 1),
        ("bytes", (BYTES, 3), 0x1A47E90B),
        ("extended", (NUMBERS,), 3 * 300 - 70_000 & MASK64),
        ("divided", (17, 5), 3002),
        ("atomic", (2,), 2),
        ("choose", (2,), 40),
        ("choose", (9,), 12),
        ("choose", (7,), 99),
        ("swap", (0x1122334455667788,), SWAPPED),
    ],
    "pointers": [
        ("through_table", (0, 20), 10),
        ("through_table", (1, 20), 40),
        ("through_variable", (20,), 21),
        ("through_choice", (20,), 10),
        ("through_choice", (2,), 4),
        ("main/other", (20,), 41),
    ],
    "lines": [("main/lines", (VALUES, 4), 7 * (7 + 20 + 100 + 5))],
}
WITHOUT = {("compilers", "gcc-12"): {"swap"}, ("compilers", "gcc-14"): {"swap"}}
COMMITTED = [name for name in build.OBJECTS if name.split(".")[0] in RESULTS]


def results_of(source, compiler):
    missing = WITHOUT.get((source, compiler), set())
    return [each for each in RESULTS[source] if each[0] not in missing]


def run(engine, program, entry, arguments):
    machine = engine(program, HELPERS)
    for address, data in INPUTS.items():
        machine.memory.map(vm.Region(address >> 32, "input", data))
    return machine.run(entry, *arguments)


def loaded(data, source):
    return vm.load(data, source=source, helpers=HELPERS.numbers())


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_objects(engine, name):
    source, compiler, _ = build.OBJECTS[name]
    program = loaded((OBJECTS / f"{name}.o").read_bytes(), name)
    wanted = results_of(source.removesuffix(".c"), compiler)
    assert [run(engine, program, entry, arguments) for entry, arguments, _ in wanted] == [each[2] for each in wanted]


def test_every_compiler_has_an_object():
    assert {compiler for _, compiler, _ in build.OBJECTS.values()} | {"clang-15"} == set(build.COMPILERS)


@pytest.mark.parametrize("name", [name for name in build.OBJECTS if name.startswith("lines.")])
def test_lines_of_every_compiler(name):
    program = loaded((OBJECTS / f"{name}.o").read_bytes(), name)
    text = (OBJECTS / "lines.c").read_text().splitlines()
    shown = {line for pc in range(len(program.instructions)) if (line := program.line_at(pc)) is not None}
    assert all(line.file == "lines.c" and line.text == text[line.line - 1].strip() for line in shown)
    by_function = {
        function.name: {program.line_at(pc).line for pc in range(function.start, function.end)}
        for function in program.functions
    }
    assert {15, 16} <= by_function["total"] <= set(range(4, 19)), "the loop, and perhaps what is inlined into it"
    assert {22, 24} <= by_function["lines"] <= set(range(20, 26))


def test_what_binutils_stores_is_not_guessed():
    """An object says which gcc compiled it, but not which of the two kinds of binutils assembled it."""
    data = (OBJECTS / "compilers.gcc-12.o").read_bytes()
    assert data.count(b"GCC: (12.2.0-14+deb12u1+) 12.2.0") == 1
    with pytest.raises(vm.LoadError, match=r"x\.o: 'GCC: .* 13\.2\.0' may have used binutils before or after 2\.41"):
        loaded(data.replace(b") 12.2.0", b") 13.2.0"), "x.o")
    with pytest.raises(vm.LoadError, match=r"relocation type 12 is not supported in data; .* 2 in data"):
        loaded(data.replace(b") 12.2.0", b") 14.2.0"), "x.o")


@pytest.mark.long
@pytest.mark.parametrize("compiler", build.COMPILERS)
def test_every_cpu_and_optimisation(engine, compiler):
    """What the tests' machine has of the compilers; ziglang it always has."""
    if compiler == "ziglang":
        pytest.importorskip("ziglang", reason="the compiler comes with the extra `build`")
    elif not build.is_here(compiler):
        pytest.skip(f"{compiler} is not installed; objects of it are in tests/vm/objects")
    cpus = ["v3"] if "gcc" in compiler else ["v1", "v2", "v3"]
    cpus += ["v4"] if compiler in ("clang-19", "ziglang") else []
    wrong = []
    for source in RESULTS:
        if source == "pointers" and "gcc" in compiler:
            continue  # it refuses them
        for cpu in cpus:
            for level in ("-O0", "-O1", "-O2"):
                flags = (level, f"-mcpu={cpu}", *(build.LINES if source == "lines" and "gcc" not in compiler else ()))
                program = loaded(build.compiled(f"{source}.c", compiler, flags), f"{source}.c {' '.join(flags)}")
                for entry, arguments, result in results_of(source, compiler):
                    got = run(engine, program, entry, arguments)
                    if got != result:
                        wrong.append((program.source, entry, arguments, got, result))
    assert wrong == []


@pytest.mark.long
def test_the_committed_objects_are_what_their_sources_give(capsys):
    pytest.importorskip("ziglang", reason="the compiler comes with the extra `build`")
    assert build.main([name for name, row in build.OBJECTS.items() if row[1] == "ziglang"] + ["--check"]) == 0
    assert capsys.readouterr().out.count("as it was") == 6
