"""Which loops is the virtual machine timed on? Four programs, and what each gives by a second reckoning in Python.

Registers only (alu), prefix sums (memory), the sieve of Eratosthenes (sieve), the Internet checksum (checksum). Two
come again with bounds that a verifier can follow, in `programs/bounded_*.s`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import vm
from vm.verifier import Contract, PointerTo, Proof, RegionType, verify

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
    """A program over a buffer, and what it should give.

    Attributes:
        name: of the file.
        expected: passes over the loop to r0.
        passes: how many make some 160,000 instructions.
        bytes_used: of the buffer.
    """

    name: str
    expected: Callable[[int], int]
    passes: int = 1
    bytes_used: int = len(BUFFER)

    @property
    def program(self) -> vm.Program:
        """The program of the file."""
        file = PROGRAMS / f"{self.name}.s"
        return vm.Program.from_text(file.read_text(encoding="ascii"), source=str(file))

    def proof(self, program: vm.Program) -> Proof:
        """That it stays within the buffer, and ends."""
        buffer = RegionType(vm.HOST_REGION, "buffer", self.bytes_used, is_writable=True)
        return verify(program, "main", Contract((PointerTo(buffer),)))

    def prepare(self, engine: str, repeats: int = 1, *, proved: bool = False) -> Callable[[], int]:
        """Some runs on an engine; it returns how many instructions they were."""
        program = self.program
        proofs = (self.proof(program),) if proved else ()
        machine = vm.Machine(program, budget=1 << 40, engine=engine, proofs=proofs)
        machine.memory.map(vm.Region(vm.HOST_REGION, "buffer", bytearray(BUFFER), writable=True))
        buffer = (vm.address(vm.HOST_REGION), len(BUFFER), self.passes)
        arguments = (ALU_TURNS * self.passes,) if self.name == "alu" else buffer
        expected = self.expected(self.passes)
        enter = machine.entry("main", arguments)
        content = bytes(BUFFER)
        data = machine.memory.view(vm.address(vm.HOST_REGION), len(BUFFER), writable=True)

        def work() -> int:
            for _ in range(repeats):
                data[:] = content
                result = enter(None)
                if result != expected:
                    raise AssertionError(f"{self.name}: {result:#x} instead of {expected:#x}")
            return repeats * machine.instructions

        return work


LOOPS = (Loop("alu", alu, 1), Loop("memory", memory, 125), Loop("sieve", sieve, 6), Loop("checksum", checksum, 32))
BOUNDED = (Loop("bounded_sieve", lambda passes: 97, bytes_used=512), Loop("bounded_checksum", checksum))
"""97 primes are below 512."""
