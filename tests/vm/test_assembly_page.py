"""Does docs/assembly.md say what is so? Its program, its listing, its table and its commands are run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vm import Program
from vm.assembly import assemble, disassemble, listing
from vm.isa import BY_MNEMONIC, TABLE
from vm.syntax import Look

PAGE = (Path(__file__).parents[2] / "docs" / "assembly.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


ROWS = re.findall(r"^\| `(.*?)` \| `(.*?)` \|(.*)\|$", PAGE, re.MULTILINE)[1:]  # below the heading


@pytest.mark.parametrize(("ubpf", "llvm", "also"), ROWS, ids=[row[0] for row in ROWS])
def test_both_looks_of_the_table_are_one_instruction(ubpf, llvm, also):
    program = assemble(ubpf)
    assert assemble(llvm) == program
    assert (disassemble(program, Look.UBPF), disassemble(program)) == (f"{ubpf}\n", f"{llvm}\n")


def test_the_table_names_every_form_and_operation():
    shown = {assemble(ubpf)[0].opcode for ubpf, _, _ in ROWS}
    assert {row.form for row in shown} == {row.form for row in TABLE}
    words = re.findall(r"\w+", " ".join(also for _, _, also in ROWS))
    named = {row for word in words for row in (*BY_MNEMONIC.get(word, ()), *BY_MNEMONIC.get(f"lddw_{word}", ()))}
    missing = {row.operation for row in TABLE} - {row.operation for row in shown | named}
    assert missing == {"map_val_by_fd"}  # shown for map_by_idx


def test_the_program_gives_what_it_says_and_looks_as_listed(capsys):
    [code], [listed] = blocks("python"), blocks("text")
    names = {}
    exec(compile(code, "docs/assembly.md", "exec"), names)
    [promised] = re.findall(r"# (\d+)$", code, re.MULTILINE)
    assert capsys.readouterr().out == f"{promised}\n"
    program = names["program"]
    assert isinstance(program, Program)
    assert listing(program) == listed


@pytest.mark.parametrize("block", blocks("console"), ids=["one", "batch"])
def test_the_commands_print_what_is_shown(block):
    for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, output = shown.partition("\n")
        printf, run = line.split(" | ")
        stdin = subprocess.run(shlex.split(printf), capture_output=True, check=True).stdout
        command = [sys.executable, *shlex.split(run)[1:]]
        done = subprocess.run(command, input=stdin, capture_output=True, check=True)
        assert done.stdout.decode() == output
