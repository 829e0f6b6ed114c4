"""Which checks may machine code leave out? Those that a verifier proved needless, at every entry that will be run.

A proof is about one entry. A function that two entries call is compiled once, so an access in it goes unchecked only
where all proofs that know it call it safe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from vm.memory import FRAME_BYTES, STACK_REGIONS
from vm.verifier.contract import Range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vm.engine import Entry
    from vm.jit.native import NativeMemory
    from vm.verifier import Proof


@dataclass(frozen=True, slots=True)
class Facts:
    """`regions` has the region that an instruction accesses, for each whose check is left out.

    `compares_with_budget` False: no run is longer than the budget.
    """

    regions: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    compares_with_budget: bool = True

    @property
    def key(self) -> tuple[object, ...]:
        """What distinguishes machine code that takes these facts for granted."""
        return (*sorted(self.regions.items()), self.compares_with_budget)


NOTHING = Facts()


ANYTHING = Range()


def applies(proof: Proof, entry: Entry) -> bool:
    """Whether a proof is about this entry, and its arguments keep the contract whatever the numbers of a call are."""
    if proof.program.pc_of(proof.entry) != entry.pc:
        return False
    registers = entry.initial_registers()
    return all(
        argument == ANYTHING or (register not in entry.takes and argument.admits(registers[register]))
        for register, argument in enumerate(proof.arguments, 1)
    )


def facts_of(proofs: Sequence[Proof], entered: Proof, memory: NativeMemory, budget: int) -> Facts:
    """What follows from proofs for programs in this memory, where one is `entered` with this budget.

    An access to a region with a hook is left as it is: the hook must see it.
    """
    touched: dict[int, set[int]] = {}
    unsafe: set[int] = set()
    holds = {number: memory.holds(number, FRAME_BYTES, True) for number in STACK_REGIONS}
    for proof in proofs:
        for number, (size, writable) in proof.assumed.items():
            holds[number] = holds.get(number, True) and memory.holds(number, size, writable)
        unsafe |= proof.access_regions.keys() - proof.safe_accesses
        for pc, regions in proof.access_regions.items():
            touched.setdefault(pc, set()).update(regions)
    unchecked = {}
    for pc, found in touched.items():
        region = min(found)
        if pc not in unsafe and len(found) == 1 and holds.get(region, False):
            unchecked[pc] = region
    return Facts(MappingProxyType(unchecked), entered.worst_case_instructions > budget)
