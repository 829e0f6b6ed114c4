"""What is known of an accepted program? What it can read, write and call, how long it runs, which accesses are safe."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vm.program import Program
    from vm.verifier.contract import Argument, Array, Field, RegionType
    from vm.verifier.state import State
    from vm.verifier.values import Number

NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class Effect:
    """A field that a program may touch: the region's name, the array's (empty: none), the field's. Of plain bytes the
    field is empty, and `first` to `last` are the bytes.
    """

    region: str
    array: str = ""
    field: str = ""
    first: int = 0
    last: int = 0

    def __str__(self) -> str:
        if not self.field:
            return f"{self.region}[{self.first}..{self.last}]"
        return f"{self.region}.{self.array}[].{self.field}" if self.array else f"{self.region}.{self.field}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule of the host, and whether it was proved; else it is monitored: the host looks at every run."""

    text: str
    when: str
    is_proved: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """A program that was accepted at one entry, and what that says.

    `access_regions` has, for the pc of each load, store and atomic that is reached, the regions that it may touch;
    `safe_accesses` are those that are in bounds and permitted on every path, where the host maps each region of
    `assumed` with so many bytes or more, writable if so. No run executes more than `worst_case_instructions`. It is
    about `program`, run with `arguments` as the contract has them.
    """

    program: Program = field(repr=False)
    arguments: tuple[Argument, ...]
    entry: str
    reads: tuple[Effect, ...]
    writes: tuple[Effect, ...]
    helpers: tuple[str, ...]
    stack_bytes: int
    call_depth: int
    worst_case_instructions: int
    safe_accesses: frozenset[int]
    access_regions: Mapping[int, frozenset[int]]
    assumed: Mapping[int, tuple[int, bool]]
    rules: tuple[Judged, ...]
    steps: int
    states: Mapping[int, list[State]] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """What was known at each instruction, if it was asked for."""

    def as_json(self) -> dict[str, Any]:
        """The proof as data, without what only a machine needs."""
        return {
            "accepted": True,
            "entry": self.entry,
            "reads": [str(each) for each in self.reads],
            "writes": [str(each) for each in self.writes],
            "helpers": list(self.helpers),
            "stack_bytes": self.stack_bytes,
            "call_depth": self.call_depth,
            "worst_case_instructions": self.worst_case_instructions,
            "safe_accesses": len(self.safe_accesses),
            "rules": [{"text": each.text, "when": each.when, "proved": each.is_proved} for each in self.rules],
            "steps": self.steps,
        }


class Recorder:
    """Collects effects while a program is explored."""

    def __init__(self) -> None:
        self._reads: set[tuple[str, str, str]] = set()
        self._writes: set[tuple[str, str, str]] = set()
        self._read_bytes: dict[str, tuple[int, int]] = {}
        self._written_bytes: dict[str, tuple[int, int]] = {}
        self.helpers: set[str] = set()
        self.lowest_stack_offset: dict[int, int] = {}
        self.call_depth = 1

    def reads(self, region: RegionType, array: Array | None, field: Field) -> None:
        """A field may be read."""
        self._reads.add((region.name, array.name if array is not None else "", field.name))

    def writes(self, region: RegionType, array: Array | None, field: Field) -> None:
        """A field may be written."""
        self._writes.add((region.name, array.name if array is not None else "", field.name))

    def reads_bytes(self, region: RegionType, offset: Number, size: int) -> None:
        """Bytes of a region without fields may be read."""
        _widen(self._read_bytes, region.name, offset, size)

    def writes_bytes(self, region: RegionType, offset: Number, size: int) -> None:
        """Bytes of a region without fields may be written."""
        _widen(self._written_bytes, region.name, offset, size)

    def uses_stack(self, region: int, lowest: int) -> None:
        """A frame is used from this offset on."""
        if lowest < self.lowest_stack_offset.get(region, 1 << 32):
            self.lowest_stack_offset[region] = lowest

    def read_effects(self) -> tuple[Effect, ...]:
        """Everything that may be read, in order."""
        return _effects(self._reads, self._read_bytes)

    def write_effects(self) -> tuple[Effect, ...]:
        """Everything that may be written, in order."""
        return _effects(self._writes, self._written_bytes)


def _widen(found: dict[str, tuple[int, int]], name: str, offset: Number, size: int) -> None:
    low, high = offset.wide[2], offset.wide[3] + size - 1
    if name in found:
        first, last = found[name]
        low, high = min(low, first), max(high, last)
    found[name] = low, high


def _effects(fields: set[tuple[str, str, str]], plain: dict[str, tuple[int, int]]) -> tuple[Effect, ...]:
    named = [Effect(*each) for each in fields]
    return tuple(sorted([*named, *(Effect(name, first=low, last=high) for name, (low, high) in plain.items())]))
