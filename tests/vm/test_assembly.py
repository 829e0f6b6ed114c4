"""Is text what its instructions are, both ways, in both looks, and is other text refused with its place?

llvm_objdump.txt has an instruction of every row but the pseudo sources: its bytes, and what llvm-objdump 22 prints for
them (`-d --mcpu=v4 --no-print-imm-hex`; for `lddw` without the last).
"""

import contextlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vm
from tests.vm.assembled import code
from tests.vm.test_isa import instructions
from vm.assembly import assemble, disassemble, listing
from vm.isa import TABLE, Form, decode, make
from vm.syntax import TEMPLATES, Look

LLVM = [line.split("\t") for line in (Path(__file__).parent / "llvm_objdump.txt").read_text().splitlines()]


def slots(program):
    """The instructions as `decode` has them, with the second halves of wide ones."""
    return decode(code(*program))


@pytest.mark.parametrize(("encoded", "text"), LLVM, ids=[text for _, text in LLVM])
def test_llvm_objdump_s_look(encoded, text):
    instruction = bytes.fromhex(encoded)
    assert disassemble(decode(instruction)) == text + "\n"
    assert code(*assemble(text)) == instruction


def test_every_row_is_compared_with_llvm():
    compared = {decode(bytes.fromhex(encoded))[0].opcode for encoded, _ in LLVM}
    assert compared == {row for row in TABLE if row.form is not Form.LOAD_PSEUDO}


@pytest.mark.parametrize("look", Look)
@given(program=st.lists(instructions(), max_size=8))
def test_what_is_written_is_read(look, program):
    assert assemble(disassemble(program, look)) == slots(program)


@given(st.lists(instructions(), min_size=1, max_size=4), st.lists(st.sampled_from(Look), min_size=4, max_size=4))
def test_looks_may_be_mixed(program, looks):
    text = "".join(disassemble([each], look) for each, look in zip(program, looks, strict=False))
    assert assemble(text) == slots(program)


def test_no_two_instructions_are_written_alike():
    for templates in TEMPLATES.values():
        written = [row for each in set(templates.values()) for row in each]
        assert len(written) == len(set(written))
    both = {template: row for templates in TEMPLATES.values() for row, each in templates.items() for template in each}
    for templates in TEMPLATES.values():
        for row, each in templates.items():
            assert {both[template] for template in each} == {row}


# The dialect of ubpf's assembler and of the bpf_conformance suite, with what each line means.
@pytest.mark.parametrize(
    ("text", "instruction"),
    [
        ("mov %r0, 1", make("mov", 0, imm=1)),
        ("mov r0, r1", make("mov", 0, src=1)),
        ("mov32 %r1, 0x9abcdef0", make("mov32", 1, imm=0x9ABCDEF0 - 2**32)),
        ("mov %r1, -0x8", make("mov", 1, imm=-8)),
        ("add32 %r1,%r2", make("add32", 1, src=2)),
        ("  neg  %r1  # minus", make("neg", 1)),
        ("be16 %r0", make("be16", 0)),
        ("swap32 %r0", make("bswap32", 0)),
        ("bswap32 %r0", make("bswap32", 0)),
        ("movsx1632 %r0, %r1", make("movsx1632", 0, src=1)),
        ("sdiv %r0, -3", make("sdiv", 0, imm=-3)),
        ("ldxw %r0, [%r1+4]", make("ldxw", 0, src=1, offset=4)),
        ("ldxw %r0, [%r1 - 0x10]", make("ldxw", 0, src=1, offset=-16)),
        ("ldxsb %r0, [%r1]", make("ldxsb", 0, src=1)),
        ("stdw [%r10-8], 5", make("stdw", 10, offset=-8, imm=5)),
        ("stxb [%r1+0], %r2", make("stxb", 1, src=2)),
        ("jeq %r1, 0, +3", make("jeq", 1, imm=0, offset=3)),
        ("jsgt32 %r1, %r2, -3", make("jsgt32", 1, src=2, offset=-3)),
        ("ja +0", make("ja")),
        ("ja32 -70000", make("ja32", imm=-70000)),
        ("lddw %r0, 0xffffffffffffffff", make("lddw", 0, imm=2**64 - 1)),
        ("lddw %r0, -1", make("lddw", 0, imm=2**64 - 1)),
        ("lddw %r0, 2147483648", make("lddw", 0, imm=2**31)),
        ("lddw %r0, map_by_fd(7)", make("lddw_map_by_fd", 0, imm=7)),
        ("lddw %r0, map_val(map_by_idx(1)) + 8", make("lddw_map_val_by_idx", 0, imm=8 << 32 | 1)),
        ("lddw %r0, var_addr(-1)", make("lddw_var_addr", 0, imm=2**32 - 1)),
        ("lddw %r0, code_addr(+5)", make("lddw_code_addr", 0, imm=5)),
        ("call 1", make("call", imm=1)),
        ("call helper 1", make("call", imm=1)),
        ("call local +3", make("call_local", imm=3)),
        ("call %r2", make("callx", 2)),
        ("callx %r2", make("callx", 2)),
        ("lock add [%r1+0], %r2", make("lock_add", 1, src=2)),
        ("lock fetch xor32 [%r1-4], %r2", make("lock_fetch_xor32", 1, src=2, offset=-4)),
        ("lock xchg [%r1], %r2", make("lock_xchg", 1, src=2)),
        ("lock cmpxchg32 [%r1+8], %r2", make("lock_cmpxchg32", 1, src=2, offset=8)),
        ("exit", make("exit")),
        # As objects for -mcpu=v1 and v2 are printed.
        ("r0 = *(u8 *)(r1 + 4)", make("ldxb", 0, src=1, offset=4)),
        ("*(u16 *)(r1 - 4) = r2", make("stxh", 1, src=2, offset=-4)),
        ("lock *(u32 *)(r1 + 0) += r2", make("lock_add32", 1, src=2)),
        ("if r1 == 0x10 goto +3 <f+0x20>", make("jeq", 1, imm=16, offset=3)),
    ],
)
def test_what_is_read(text, instruction):
    assert assemble(text) == slots([instruction])


def test_labels():
    text = """
    # The sum of 1 to r1; a function, and an address.
    main:   mov %r6, 0
    again:
            jeq %r1, 0, out
            add %r6, %r1
            sub %r1, 1
            if r1 != 0 goto again
    out:    mov r1, r6
            lddw r2, code_addr(double)
            callx r2
            call local double
            ja32 end
            exit
    end:    exit
    double: r0 = r1     ; twice
            r0 += r1
            exit
    """
    read = assemble(text)
    assert [(pc, each.target(pc)) for pc, each in enumerate(read) if each.opcode.form.jumps] == [
        (1, 5),
        (4, 1),
        (10, 12),
    ]
    assert read[9].target(9) == 13
    assert read[6].halves[0] + 7 == 13
    assert vm.Program.from_text(text).starts == {0, 13}


def test_the_first_exit_is_a_label_where_none_is_named_so():
    assert assemble("ja exit\nmov %r0, 1\nexit\nexit")[0].offset == 1
    assert assemble("ja exit\nmov %r0, 1\nexit\nexit: exit")[0].offset == 2


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("mvo %r0, 1", "1:1", "no instruction begins with 'mvo'; did you mean 'mov'"),
        ("exit\n  @", "2:3", "no instruction begins with '@'"),
        ("mov", "1:4", "the line ends too soon; expected a register, r0 to r10"),
        ("mov %r0,   # nothing", "1:9", "ends too soon; expected a number, a number with its sign or a register"),
        ("mov %r0, %r1, 2", "1:13", "',' is out of place; expected the end of the line"),
        ("mov %r11, 1", "1:5", "there is no register %r11; they are r0 to r10"),
        ("w11 = 1", "1:1", "there is no register w11"),
        ("exit\nmov %r10, 1", "2:1", "mov writes r10, which is the frame pointer"),
        ("mov %r0, " + "1" * 5000, "1:10", "'1' is out of place"),
        ("mov %r0, 4294967296", "1:10", "4294967296 is out of range, which is -2147483648 to 4294967295"),
        ("mov %r0, -2147483649", "1:10", "-2147483649 is out of range"),
        ("lddw %r0, 0x10000000000000000", "1:11", "is out of range, which is -9223372036854775808 to 184467"),
        ("ldxw %r0, [%r1+32768]", "1:15", "[+]32768 is out of range, which is -32768 to 32767"),
        ("ldxw %r0, %r1", "1:11", "'%r1' is out of place; expected '\\['"),
        ("ja 5", "1:4", "'5' is out of place; expected a number with its sign or a label"),
        ("ja +40000", "1:4", r"\+40000 is 40000 instructions away, which does not fit 16 bits; ja32 \(gotol\)"),
        ("ja out\nou: exit", "1:4", "no label 'out'; did you mean 'ou'"),
        ("ja there", "1:4", "no label 'there'$"),
        ("a: exit\n b: a: exit", "2:5", "label 'a' is already defined, at instruction 0"),
        ("1: exit", "1:1", "this is instruction 0, not 1"),
        ("exit exit", "1:6", "'exit' is out of place; expected the end of the line"),
        ("r1 = -r2", "1:7", "r2 stands where r1 must be repeated"),
        ("r2 = atomic_fetch_add((u64 *)(r1 + 0), r3)", "1:40", "r3 stands where r2 must be repeated"),
        ("r1 = cmpxchg_64(r1 + 0, r0, r2)", "1:1", "r1 stands where only r0 may"),
        ("w1 = be16 w1", "1:6", "'be16' is out of place"),
        ("call 4294967296", "1:6", "out of range, which is 0 to 4294967295"),
    ],
)
def test_what_is_refused(text, place, message):
    with pytest.raises(vm.AssemblyError, match=message) as refused:
        assemble(text, source="x.s")
    assert str(refused.value).startswith(f"x.s:{place}: ")
    assert f"{refused.value.line}:{refused.value.column}" == place


def test_a_target_that_is_too_far():
    far = "ja{} there\n" + "mov %r0, 1\n" * 32768 + "there: exit"
    with pytest.raises(vm.AssemblyError, match=r"^<assembly>:1:4: there is 32768 instructions away, .*; ja32"):
        assemble(far.format(""))
    assert assemble(far.format("32"))[0].imm == 32768


@given(st.text(alphabet=st.characters(codec="ascii") | st.sampled_from("rw%[]()+-=*:,0189 \n"), max_size=40))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(vm.AssemblyError):
        read = assemble(text)
        assert assemble(disassemble(read)) == read


@pytest.fixture(params=["programs", "linking", "linking_debug"])
def loaded(request, compiled):
    helpers = {"add_two": 1, "multiply": 2}
    return vm.load(compiled(request.param), source=request.param, helpers=helpers)


@pytest.mark.parametrize("look", Look)
def test_a_listing_is_read_again(loaded, look):
    text = listing(loaded, look)
    assert assemble(text) == list(loaded.instructions)
    for function in loaded.functions:
        assert f"\n{8 * function.start:016x} <{function.name}>:\n" in text
    for section in {function.section for function in loaded.functions}:
        assert text.count(f"Disassembly of section {section}:\n") == 1


def test_a_listing_says_where_jumps_go_and_what_addresses_are():
    text = """
    main: if r1 == 0 goto +3
        call local twice
        lddw r2, code_addr(twice)
        exit
    twice: lddw r3, map_val(map_by_idx(0)) + 4
        ja -3
    """
    data = [vm.DataSection(".rodata", 16, bytes(8), False)]
    program = vm.Program.from_text(text.replace("ja -3", "exit"), data=data)
    assert listing(program) == (
        "Disassembly of section main:\n\n"
        "0000000000000000 <main>:\n"
        "       0:\tif r1 == 0 goto +3 <main+0x20>\n"
        "       1:\tcall +3 <function_5>\n"
        "       2:\tr2 = 0xf00000028 ll <function_5>\n"
        "       4:\texit\n\n"
        "0000000000000028 <function_5>:\n"
        "       5:\tr3 = 0x1000000004 ll <.rodata+0x4>\n"
        "       7:\texit\n"
    )


def test_a_listing_has_the_lines_of_c(compiled):
    helpers = {"add_two": 1, "multiply": 2}
    text = listing(vm.load(compiled("linking_debug"), helpers=helpers)).splitlines()
    without = listing(vm.load(compiled("linking"), helpers=helpers)).splitlines()
    comments = [line for line in text if line.startswith(";")]
    assert [line for line in text if not line.startswith(";")] == without
    assert comments
    assert all(line.startswith("; linking.c:") for line in comments)
    assert all(this != following for this, following in pairwise(comments))


def test_names_of_an_object_stay_on_their_line():
    function = vm.Function("a\nb", "se\rction", 0, 1)
    odd = vm.Program((make("exit"),), (function,), {})
    assert listing(odd) == "Disassembly of section se?ction:\n\n0000000000000000 <a?b>:\n       0:\texit\n"
