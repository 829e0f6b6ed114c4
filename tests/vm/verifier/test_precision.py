"""Small programs that must be accepted, and small ones that must be refused with these words: `cases/*.txt`.

A case is `== name`, then a line with `+` (accepted) or `-` (refused), the program in the look of llvm-objdump with `;`
between instructions, and below a refused one its first line. The contract is the fuzzer's (`vm.fuzz.soundness`), with
32 bytes of read-only data in region 16, each its own number, and 16 of writable data in region 17.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

import vm
from vm.fuzz.soundness import CONTRACT, DATA, run_once
from vm.verifier import Rejected, verify

CASES = Path(__file__).parent / "cases"


def cases():
    for file in sorted(CASES.glob("*.txt")):
        for block in file.read_text().split("\n== ")[1:]:
            name, code, *message = block.strip().splitlines()
            yield pytest.param(code[:1], code[2:], "".join(message), id=f"{file.stem}: {name}")


def program_of(code: str) -> vm.Program:
    text = code.replace(";", "\n").replace(": ", ":\n")
    return vm.Program.from_text(text, source="case", data=DATA)


@pytest.mark.parametrize(("verdict", "code", "message"), list(cases()))
def test_a_program_is_accepted_or_refused(verdict, code, message):
    program = program_of(code)
    if verdict == "+":
        assert not message
        proof = verify(program, "main", CONTRACT)
        rng = Random(code)
        assert not any(run_once(program, proof, rng) for _ in range(3))
        return
    assert verdict == "-"
    with pytest.raises(Rejected) as refusal:
        verify(program, "main", CONTRACT)
    assert refusal.value.reason == message


def test_there_are_many():
    found = [case.values for case in cases()]
    assert len(found) >= 80
    assert min(sum(verdict == sign for verdict, _, _ in found) for sign in "+-") >= 40
