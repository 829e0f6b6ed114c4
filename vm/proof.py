"""What may an engine take for granted of a program? What a verifier proved of it, in terms of instructions."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Facts that hold on every run from the entries that were verified, with the regions as they were declared.

    `safe_accesses` are the pcs of loads, stores and atomics that never leave what they may touch; `access_regions` has
    the number of the one region that an instruction accesses, where there is only one. `worst_case_instructions` is
    the most that a run executes, None where that is not known.
    """

    safe_accesses: frozenset[int] = frozenset()
    access_regions: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    worst_case_instructions: int | None = None
