"""How many instructions a second does the virtual machine run? Four loops, `programs/*.s`, each result compared.

Registers only (alu), prefix sums (memory), the sieve of Eratosthenes (sieve), the Internet checksum (checksum).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import vm
from benchmarks.measure import Contestant, Target

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = Path(__file__).parent / "programs"
ALU_TURNS = 20_000
BUFFER = bytes(number * 7 & 0xFF for number in range(2_048))
MASK64 = (1 << 64) - 1


def alu(passes: int) -> int:
    total, other = 0, 1
    for turns in range(ALU_TURNS * passes, 0, -1):
        total = ((total + other & MASK64) ^ turns) << 1 & MASK64
        other = (other * 3 & MASK64) >> 1 | 5
    return total


def memory(passes: int) -> int:
    words = [int.from_bytes(BUFFER[at : at + 8], "little") for at in range(0, len(BUFFER), 8)]
    for _ in range(passes):
        for number in range(1, len(words)):
            words[number] = words[number] + words[number - 1] & MASK64
    return words[-1]


def sieve(passes: int) -> int:
    return sum(all(number % divisor for divisor in range(2, number)) for number in range(2, len(BUFFER)))


def checksum(passes: int) -> int:
    total = sum(int.from_bytes(BUFFER[at : at + 2], "big") for at in range(0, len(BUFFER), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@dataclass(frozen=True, slots=True)
class Loop:
    """A program, and what it should give by a second reckoning in Python.

    Attributes:
        name: of the file.
        expected: passes over the loop to r0.
        passes: how many make some 160,000 instructions.
    """

    name: str
    expected: Callable[[int], int]
    passes: int

    @property
    def program(self) -> vm.Program:
        """The program of the file."""
        file = PROGRAMS / f"{self.name}.s"
        return vm.Program.from_text(file.read_text(encoding="ascii"), source=str(file))

    def prepare(self, engine: str, factor: int = 1) -> Callable[[], int]:
        """A run over `factor` times as many instructions; it returns how many they were."""
        machine = vm.Machine(self.program, budget=1 << 40, engine=engine)
        machine.memory.map(vm.Region(vm.HOST_REGION, "buffer", bytearray(BUFFER), writable=True))
        passes = self.passes * factor
        buffer = (vm.address(vm.HOST_REGION), len(BUFFER), passes)
        arguments = (ALU_TURNS * passes,) if self.name == "alu" else buffer
        expected = self.expected(passes)

        def work() -> int:
            result = machine.run("main", *arguments)
            if result != expected:
                raise AssertionError(f"{self.name}: {result:#x} instead of {expected:#x}")
            return machine.instructions

        return work


LOOPS = (Loop("alu", alu, 1), Loop("memory", memory, 125), Loop("sieve", sieve, 6), Loop("checksum", checksum, 32))
INTERPRETED = {loop.name: f"interpreter, {loop.name}" for loop in LOOPS}

CONTESTANTS = tuple(
    Contestant(INTERPRETED[loop.name], "instructions", partial(loop.prepare, "interpreter")) for loop in LOOPS
)
TARGETS = (Target(INTERPRETED["alu"], None, 2_000_000),)
