"""Are instructions, and faults, traced to the line of C that they come from?"""

import pickle
import struct

import pytest

import vm
from tests.vm.conftest import OBJECTS
from vm import elf
from vm.source import MAX_TEXT, LineTable

HELPERS = {"add_two": 8}
DEBUG = (OBJECTS / "linking_debug.o").read_bytes()
C = (OBJECTS / "linking.c").read_text().splitlines()


@pytest.fixture(scope="module")
def debug():
    return vm.load(DEBUG, source="linking_debug.o", helpers=HELPERS)


def test_every_instruction_has_its_line(debug):
    for pc in range(len(debug.instructions)):
        line = debug.line_at(pc)
        assert line.file == "linking.c"
        assert line.text == C[line.line - 1].strip()
        assert line.column <= len(C[line.line - 1])


@pytest.mark.parametrize(
    ("function", "lines"),
    [
        ("global_sum", [18, 21, 22, 23]),
        ("twice", [26]),
        ("zero", [34, 35, 36]),
        ("same_section", [42]),
        ("statics", [44]),
    ],
)
def test_the_lines_of_a_function(debug, function, lines):
    [found] = [each for each in debug.functions if each.name == function]
    assert sorted({debug.line_at(pc).line for pc in range(found.start, found.end)}) == lines


def test_an_object_without_lines():
    plain = vm.load((OBJECTS / "linking.o").read_bytes(), helpers=HELPERS)
    assert plain.lines is None
    assert {plain.line_at(pc) for pc in range(len(plain.instructions))} == {None}


def test_a_fault_names_the_line(engine, debug):
    with pytest.raises(vm.AccessViolation) as fault:
        engine(debug, vm.HelperTable(vm.Helper(n, f"h{n}", (), None, lambda context: None) for n in (7, 8))).run(
            "replace/Text", 77
        )
    number = next(number for number, text in enumerate(C, 1) if "greeting[index]" in text)
    column = C[number - 1].index("greeting[index]") + 1
    assert fault.value.line == vm.SourceLine("linking.c", number, column, C[number - 1])
    assert str(fault.value).endswith(f", which has 6 bytes; linking.c:{number}:{column}: {C[number - 1]}")
    assert pickle.loads(pickle.dumps(fault.value)).line == fault.value.line


def test_a_plain_object_takes_the_lines_of_its_twin(debug):
    plain = vm.load((OBJECTS / "linking.o").read_bytes(), source="linking.o", helpers=HELPERS)
    lined = plain.with_lines_of(debug)
    assert [lined.line_at(pc) for pc in range(78)] == [debug.line_at(pc) for pc in range(78)]
    assert (lined.source, lined.entries, lined.helper_calls) == ("linking.o", plain.entries, plain.helper_calls)
    assert plain.lines is None


@pytest.mark.parametrize(
    ("twin", "message"),
    [
        ("programs", r"programs.o: its instructions are not those of linking.o"),
        ("linking", r"linking.o: it has no source lines; build it with -g"),
    ],
)
def test_lines_of_something_else_are_refused(twin, message, compiled):
    plain = vm.load((OBJECTS / "linking.o").read_bytes(), source="linking.o", helpers=HELPERS)
    with pytest.raises(vm.LoadError, match=message):
        plain.with_lines_of(vm.load(compiled(twin), source=f"{twin}.o", helpers=HELPERS))


def test_a_twin_with_other_data_is_refused(debug):
    place = DEBUG.index(struct.pack("<QQQ", 2, 3, 5))
    changed = vm.load(DEBUG[:place] + b"\x07" + DEBUG[place + 1 :], source="x.o", helpers=HELPERS)
    with pytest.raises(vm.LoadError, match=r"its data are not those of linking_debug\.o"):
        debug.with_lines_of(changed)


# --------------------------------------------------------------------------------------------------------- the table

STRINGS = b"\0./a/../tlp.c\0  int x;\t\0" + b"y" * 2_000 + b"\0\xff\0"


def test_what_a_line_shows():
    long = STRINGS.index(b"yy")
    table = LineTable(
        (2, 4, 5, 7), ((1, 14, 3 << 10 | 7), (1, 0, 4 << 10), (1, long, 5 << 10 | 1), (len(STRINGS) - 2, 0, 9)), STRINGS
    )
    assert [str(table.at(pc, start=0)) for pc in (1, 2, 3, 4)] == ["None", *["tlp.c:3:7: int x;"] * 2, "tlp.c:4"]
    assert table.at(3, start=3) is None, "it is the line of the function before"
    assert table.at(6, start=2).text == "y" * MAX_TEXT + "..."
    assert table.at(7, start=2) is None, "line 0 is no line"


def place_of(name):
    """Where a section's bytes begin in the object."""
    start = struct.unpack_from("<Q", DEBUG, 40)[0]
    index = next(each.index for each in elf.read(DEBUG).sections.values() if each.name == name)
    return struct.unpack_from("<Q", DEBUG, start + 64 * index + 24)[0]


def patched(section, offset, layout, value):
    changed = bytearray(DEBUG)
    struct.pack_into("<" + layout, changed, place_of(section) + offset, value)
    return bytes(changed)


def lines_at():
    """Where in .BTF.ext the lines begin: the size of a record, the first section's header, its first record."""
    size, *_, offset, _ = struct.unpack_from("<4xI4I", DEBUG, place_of(".BTF.ext"))
    return size + offset


@pytest.mark.parametrize(
    ("section", "offset", "layout", "value", "message"),
    [
        (".BTF", 0, "H", 0x9FEB, r"'.BTF': magic 0x9feb, version 1, header of 24 bytes; they must be 0xeb9f, 1, 24 to"),
        (".BTF", 2, "B", 2, "version 2"),
        (".BTF", 4, "I", 8, "header of 8 bytes"),
        (".BTF", 4, "I", 2**31, "header of 2147483648 bytes"),
        (".BTF", 16, "I", 2**31, "are not inside it"),
        (".BTF", 20, "I", 2**32 - 1, "are not inside it"),
        (".BTF", 20, "I", 0, "begin and end with NUL"),
        (".BTF.ext", 0, "H", 0, "'.BTF.ext': magic 0x0"),
        (".BTF.ext", 16, "I", 2**32 - 1, "the lines end at"),
        (".BTF.ext", 20, "I", 2**32 - 1, "the lines end at"),
        (".BTF.ext", 20, "I", 3, "the size of a record is missing"),
        (".BTF.ext", 20, "I", 5, "section's header is truncated"),
        (".BTF.ext", lines_at(), "I", 12, "records of 12 bytes; they have at least 16"),
        (".BTF.ext", lines_at(), "I", 17, "records of 17 bytes"),
        (".BTF.ext", lines_at() + 4, "I", 0, "lines of section '', which is no code section"),
        (".BTF.ext", lines_at() + 4, "I", 2**31, "no name of at most 1024 bytes at 2147483648"),
        (".BTF.ext", lines_at() + 8, "I", 2**32 - 1, "4294967295 records end beyond the lines"),
        (".BTF.ext", lines_at() + 8, "I", 0, "lines of section"),
        (".BTF.ext", lines_at() + 12, "I", 4, "byte 4 of '.text' after one for -1; the section has 104 bytes"),
        (".BTF.ext", lines_at() + 12, "I", 104, "byte 104 of"),
        (".BTF.ext", lines_at() + 28, "I", 0, "byte 0 of '.text' after one for 0"),
        (".BTF.ext", lines_at() + 16, "I", 2**31, "string 2147483648 of '.text', but the strings have"),
        (".BTF.ext", lines_at() + 20, "I", 2**32 - 1, "string 4294967295 of"),
    ],
)
def test_damaged_lines_are_refused(section, offset, layout, value, message):
    with pytest.raises(vm.LoadError, match=message) as refused:
        vm.load(patched(section, offset, layout, value), source="x.o", helpers=HELPERS)
    assert str(refused.value).startswith("x.o: section '.BTF")


@pytest.mark.parametrize(
    ("name", "message"),
    [(".BTF", "there is no section '.BTF', which has its strings"), (".BTF.ext", None)],
)
def test_one_of_the_two_sections_is_missing(name, message):
    changed = DEBUG.replace(name.encode() + b"\0", b".XTF" + name[4:].encode() + b"\0")
    if message is None:
        assert vm.load(changed, helpers=HELPERS).lines is None
        return
    with pytest.raises(vm.LoadError, match=message):
        vm.load(changed, helpers=HELPERS)
