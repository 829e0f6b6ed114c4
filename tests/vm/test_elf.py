"""Are the objects of a real compiler linked as meant, and is every other sequence of bytes one LoadError?"""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import vm
from tests.vm.conftest import OBJECTS
from vm import elf, linker
from vm.fuzz.objects import tried

LINKING = (OBJECTS / "linking.o").read_bytes()
NAMED = {"add_two": 8}
HELPERS = vm.HelperTable(
    vm.Helper(number, name, (vm.Scalar.U64,), vm.Scalar.U64, lambda context, value, more=more: value + more)
    for number, name, more in ((7, "add_one", 1), (8, "add_two", 2))
)


@pytest.fixture
def linked():
    return vm.load(LINKING, source="linking.o", helpers=HELPERS.numbers())


# ------------------------------------------------------------------------------------------------- compiled objects


@pytest.mark.parametrize(
    ("entry", "arguments", "result"),
    [
        ("replace/Sum", (4,), 2 + 3 + 5 + 7),
        ("replace/Table", (5,), 13),
        ("replace/Text", (1,), ord("e")),
        ("after/Count", (), 41),
        ("after/Zeroed", (1, 5), 5),
        ("after/Zeroed", (2, 5), 0),
        ("before/Helpers", (10,), 11 + 12),
        ("before/Static", (10,), 21 + 20),
        ("before/Parameter", (), 1000),
        ("statics", (10,), 41),
    ],
)
def test_relocations(engine, linked, entry, arguments, result):
    assert engine(linked, HELPERS).run(entry, *arguments) == result


@pytest.mark.parametrize(
    ("entry", "arguments", "result"),
    [
        ("main/sieve", (100,), 25),
        ("main/checksum", (vm.address(64), 3), 0x1A47E90B),
        ("main/frames", (6,), sum(range(6, 14))),
        ("main/fibonacci", (7,), 13),
        ("main/network", (vm.address(64),), 0x6162630000000000 ^ 0x61626300),
        ("main/pointer", (10,), 13),
        ("main/switch", (3,), 49),
        ("main/switch", (2**40 + 3,), 99),
    ],
)
def test_compiled_programs(engine, compiled, entry, arguments, result):
    machine = engine(vm.load(compiled("programs")))
    machine.memory.map(vm.Region(64, "input", b"abc\0\0\0\0\0"))
    assert machine.run(entry, *arguments) == result


def test_what_is_in_a_program(linked):
    assert list(linked.entries)[:2] == ["replace/Sum", "replace/Table"]
    assert linked.sections["host.manifest"] == b"linking\0" + struct.pack("<Q", 3)
    assert sorted(linked.sections) == ["host.manifest", "host.parameters"]
    data = {each.name: (each.writable, len(each.data)) for each in linked.data}
    assert data[".rodata"] == (False, 64)
    assert data[".data"] == (True, 16)
    assert data[".bss"] == (True, 40)
    assert [each.region for each in linked.data] == list(range(16, 16 + len(data)))
    assert sorted(linked.helper_calls) == [7, 8]


def test_debug_information_changes_nothing(linked, compiled):
    debug = vm.load(compiled("linking_debug"), helpers=NAMED)
    assert (debug.instructions, debug.functions, debug.entries) == (
        linked.instructions,
        linked.functions,
        linked.entries,
    )


def test_read_only_data_is_shared_and_cannot_be_written(linked):
    region = next(each.region for each in linked.data if each.name == ".rodata")
    first, second = (vm.Machine(linked, HELPERS).memory.locate(vm.address(region), 64) for _ in range(2))
    assert first.data is second.data
    with pytest.raises(vm.AccessViolation, match="read-only"):
        vm.Machine(linked, HELPERS).memory.store(vm.address(region), 8, 0)


def test_a_fault_names_section_and_function(linked):
    with pytest.raises(vm.AccessViolation, match=r"of 'text' in 'replace/Text': access to 1 byte at offset 77 of"):
        vm.Machine(linked, HELPERS).run("replace/Text", 77)


def test_an_undefined_function_is_named():
    with pytest.raises(vm.LoadError, match="'add_two' is not a helper; helpers known by name: add_three") as refused:
        vm.load(LINKING, source="linking.o", helpers={"add_three": 3})
    assert (refused.value.section, refused.value.offset) == ("before/Helpers", 0x20)


# -------------------------------------------------------------------------------------------------- damaged objects


def header(data, index):
    """Where the section header of this index starts."""
    return struct.unpack_from("<Q", data, 40)[0] + 64 * index


def index_of(name, file=LINKING):
    return next(each.index for each in elf.read(file).sections.values() if each.name == name)


def patched(offset, layout, *values, data=LINKING):
    changed = bytearray(data)
    struct.pack_into("<" + layout, changed, offset, *values)
    return bytes(changed)


def section_patched(name, field, value):
    offset, layout = {"type": (4, "I"), "flags": (8, "Q"), "offset": (24, "Q"), "size": (32, "Q")}[field]
    return patched(header(LINKING, index_of(name)) + offset, layout, value)


def relocation_patched(code_section, layout, value, at=8):
    """The first relocation of a section changed; its kind is at 8, its symbol at 12, its offset at 0."""
    target = index_of(code_section)
    place = next(
        struct.unpack_from("<Q", LINKING, header(LINKING, index) + 24)[0]
        for index in range(struct.unpack_from("<H", LINKING, 60)[0])
        if struct.unpack_from("<I", LINKING, header(LINKING, index) + 4) == (9,)
        and struct.unpack_from("<I", LINKING, header(LINKING, index) + 44) == (target,)
    )
    return patched(place + at, layout, value)


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"", "0 bytes are too few for an ELF header"),
        (b"PK" + LINKING[2:], "not an ELF file: it starts with 504b"),
        (patched(4, "B", 1), "must be 020101"),
        (patched(5, "B", 2), "must be 020101"),
        (patched(16, "H", 2), "ELF type is 2; it must be 1"),
        (patched(18, "H", 62), "machine is 62; it must be 247"),
        (patched(40, "Q", 2**63), "truncated"),
        (patched(58, "H", 32), "not usable"),
        (patched(60, "H", 0), "not usable"),
        (patched(60, "H", 0xFFFF), "not usable"),
        (patched(62, "H", 500), "not usable"),
        (patched(62, "H", 2), "not a string table"),
        (LINKING[:-1], "truncated"),
        (LINKING[:64], "truncated"),
        (LINKING + bytes(elf.MAX_OBJECT_BYTES), "at most 1048576 are allowed"),
        (section_patched(".text", "size", 2**63), "truncated"),
        (section_patched(".text", "size", 12), "'.text': 12 bytes of code are not a whole number of slots"),
        (section_patched(".text", "size", 8), "function 'twice' is not at an instruction"),
        (section_patched(".bss", "size", 2**40), "'.bss': the data sections up to here have"),
        (section_patched(".rodata", "flags", 0x802), "compressed"),
        (section_patched("replace/Sum", "flags", 2), "relocation type 1 is not supported in data; .* 2 in data"),
        (
            relocation_patched("replace/Sum", "I", 3),
            "offset 0x10: relocation type 3 is not supported in code",
        ),
        (relocation_patched(".data", "I", 1), "offset 0x8: relocation outside of the section, which has 16 bytes"),
        (relocation_patched("replace/Sum", "I", 999, at=12), "symbol 999, but there are only 34"),
        (relocation_patched("replace/Sum", "I", 29, at=12), "undefined symbol 'add_two': external data"),
        (relocation_patched("replace/Sum", "I", 1, at=12), "'linking.c' is in section SHN_ABS, which is not loaded"),
        (
            section_patched(".rodata.str1.1", "flags", 0).replace(b".rodata.str1.1\0", b".jumptables\0.1\0"),
            r"is in section '\.jumptables', which is not loaded: .* compile with -fno-jump-tables",
        ),
        (relocation_patched("replace/Sum", "Q", 0x12, at=0), "relocation inside an instruction"),
        (relocation_patched("replace/Sum", "Q", 0x28, at=0), "relocation outside of the section"),
        (relocation_patched("replace/Sum", "Q", 0x00, at=0), "only taken by lddw"),
        (relocation_patched("before/Helpers", "Q", 0x00, at=0), "not on a local call"),
        (relocation_patched("before/Helpers", "I", 25, at=12), "call of 'counter', which is not in a code section"),
    ],
)
def test_damaged_objects_are_refused(damaged, message):
    with pytest.raises(vm.LoadError, match=message) as refused:
        vm.load(damaged, source="x.o", helpers=NAMED)
    assert str(refused.value).startswith("x.o: ")


def test_code_is_checked_in_its_section():
    place = struct.unpack_from("<Q", LINKING, header(LINKING, index_of("after/Count")) + 24)[0]
    with pytest.raises(vm.IllegalInstruction, match="section 'after/Count' offset 0x10, instruction 36: opcode 0xff"):
        vm.load(patched(place + 16, "B", 0xFF), helpers=NAMED)


def symbol_patched(name, field, value):
    """A symbol changed, found by its name."""
    names = [each.name for each in elf.read(LINKING).symbols]
    table = next(
        struct.unpack_from("<Q", LINKING, header(LINKING, index) + 24)[0]
        for index in range(struct.unpack_from("<H", LINKING, 60)[0])
        if struct.unpack_from("<I", LINKING, header(LINKING, index) + 4) == (2,)
    )
    offset, layout = {"name": (0, "I"), "info": (4, "B"), "section": (6, "H"), "value": (8, "Q")}[field]
    return patched(table + 24 * names.index(name) + offset, layout, value)


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (
            symbol_patched("same_section", "info", 0x12),
            "one global function, its entry, but has statics, same_section",
        ),
        (symbol_patched("statics", "info", 0x02), "exactly one global function, its entry, but has none"),
        (symbol_patched("statics", "value", 4), "function 'statics' is not at an instruction"),
        (symbol_patched("statics", "value", 16), "no function symbol at the start"),
        (symbol_patched("statics", "name", 2**31), "no name of at most"),
        (symbol_patched("twice", "value", 88), "instruction 10: function 'global_sum' falls off its end"),
    ],
)
def test_symbols_that_leave_it_open_what_an_entry_is(damaged, message):
    with pytest.raises(vm.LoadError, match=message):
        vm.load(damaged, helpers=NAMED)


# ------------------------------------------------------------------- fuzzing: tried() fails for all but a LoadError


@given(st.binary(max_size=400))
@example(LINKING[:64] + bytes(400))
def test_random_bytes(data):
    tried(data)
    tried(LINKING[:64] + data)


@given(st.integers(0, len(LINKING)))
def test_truncated_objects(length):
    tried(LINKING[:length])


def test_overlapping_sections_cannot_multiply_what_is_loaded():
    count, size = 400, 8192
    content = b"\x95" + bytes(7)
    body = content * (size // 8)
    names = b"\0code\0"
    sections = [struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 64 + size, len(names), 0, 0, 1, 0)]
    sections += [struct.pack("<IIQQQQIIQQ", 1, 1, 6, 0, 64, size, 0, 0, 8, 0)] * count
    start = 64 + size + len(names)
    identity = b"\x7fELF\2\1\1".ljust(16, b"\0")
    first = struct.pack("<16sHHIQQQIHHHHHH", identity, 1, 247, 1, 0, 0, start, 0, 64, 0, 0, 64, count + 1, 0)
    with pytest.raises(vm.LoadError, match="code sections up to here have"):
        linker.load(first + body + names + b"".join(sections))
