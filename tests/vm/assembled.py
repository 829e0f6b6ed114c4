"""Raw programs for tests, from instructions by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import vm
from vm.isa import encode, make
from vm.memory import MASK64

if TYPE_CHECKING:
    from vm import Instruction

EXIT = make("exit")


def code(*instructions: Instruction) -> bytes:
    """The encoded instructions."""
    return b"".join(encode(each) for each in instructions)


def program(*instructions: Instruction) -> vm.Program:
    """A raw program of these instructions."""
    return vm.Program.from_bytes(code(*instructions))


def constant(register: int, value: int) -> Instruction:
    """A register's 64-bit value, set in two slots."""
    return make("lddw", register, imm=value & MASK64)
