"""Programs that mean harm, in `hostile/*.s`: each is refused in the words of its file, before it runs.

The contract is the fuzzer's (`vm.fuzz.soundness`): r1 64 bytes, r2 a structure, r3 a packet and r4 its size, r5 any
number; helpers number, signed, fill, look, find. Unverified, each is stopped by a fault or comes to an end.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

import vm
from vm.fuzz.soundness import CONTRACT, FIELDS, FOUND, MEMORY, PACKET
from vm.verifier import verify

HOSTILE = sorted((Path(__file__).parent / "hostile").glob("*.s"))


@pytest.mark.parametrize("file", HOSTILE, ids=lambda file: file.stem)
def test_it_is_refused_in_the_words_of_its_file(file):
    text = file.read_text()
    promised = re.search(r"^# refused: (.*)$", text, re.MULTILINE)
    assert promised is not None
    with pytest.raises(vm.LoadError) as refusal:
        verify(vm.Program.from_text(text, source=file.name), "main", CONTRACT)
    assert refusal.value.reason == promised[1]


@pytest.mark.parametrize("file", HOSTILE, ids=lambda file: file.stem)
def test_nobody_s_proof_is_needed_to_survive_it(file):
    try:
        program = vm.Program.from_text(file.read_text(), source=file.name)
    except vm.LoadError:
        return
    machine = vm.Machine(program, CONTRACT.helpers, budget=20_000)
    for each in (MEMORY, FIELDS, PACKET, FOUND):
        machine.memory.map(vm.Region(each.number, each.name, bytearray(each.size), each.is_writable))
    arguments = [vm.address(each.number) for each in (MEMORY, FIELDS, PACKET)]
    before = [bytes(machine.memory.locate(address, 0).data) for address in arguments[1:]]
    with suppress(vm.Fault):
        machine.run("main", *arguments, PACKET.size, 1 << 63, context=Random(file.name))
    assert [bytes(machine.memory.locate(address, 0).data) for address in arguments[1:]] == before
