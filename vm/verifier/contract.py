"""What does a host promise to a program, and what may the program do? The verifier's view of a host, as data.

The verifier knows nothing of what programs are for: regions with fields, the registers at an entry, helpers with what
they take and give, rules on what may be returned. All of it stands in a `Contract`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from vm.helpers import HelperTable
from vm.memory import MASK64, address

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Field:
    """Bytes of a region that mean one number, from `minimum` to `maximum` where only the host writes it.

    `is_guarded`: the host judges each write as it happens, so a proof that it is in bounds does not say that it is
    allowed.
    """

    name: str
    offset: int
    size: int
    minimum: int = 0
    maximum: int = MASK64
    is_writable: bool = False
    is_guarded: bool = False


@dataclass(frozen=True, slots=True)
class Array:
    """`count` structures of `stride` bytes each, from `offset` on; the offsets of `fields` are within one of them."""

    name: str
    offset: int
    stride: int
    count: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RegionType:
    """A region of memory that the host maps. Without fields and arrays it is bytes, all of one permission.

    Each is itself only, so that what was worked out about one is found again without comparing fields.
    """

    number: int
    name: str
    size: int
    is_writable: bool = False
    fields: tuple[Field, ...] = ()
    arrays: tuple[Array, ...] = ()


@dataclass(frozen=True, slots=True)
class PointerTo:
    """A pointer to the start of a region; `is_nullable`: or 0."""

    region: RegionType
    is_nullable: bool = False

    def admits(self, value: int) -> bool:
        """Whether a register that holds this number keeps the contract."""
        return value == address(self.region.number) or (self.is_nullable and value == 0)


@dataclass(frozen=True, slots=True)
class Range:
    """A number from `low` to `high`; signed where `low` is negative."""

    low: int = 0
    high: int = MASK64

    def admits(self, value: int) -> bool:
        """Whether a register that holds this number keeps the contract."""
        signed = value - (1 << 64) if self.low < 0 and value >> 63 else value
        return self.low <= signed <= self.high


@dataclass(frozen=True, slots=True)
class SizeOf:
    """How many bytes a region has in this call: `region.size` at most, `minimum` at least."""

    region: RegionType
    minimum: int = 0

    def admits(self, value: int) -> bool:
        """Whether a register that holds this number keeps the contract."""
        return self.minimum <= value <= self.region.size


Argument = PointerTo | Range | SizeOf


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds of a helper beyond its signature: ranges of its arguments, by register, and what it returns.

    `at_most_once`: a second call in one run is refused. `is_hosts_own`: it runs the host's own behaviour, and what it
    returned then is no matter of rules where the program returns it as well.
    """

    arguments: Mapping[int, Range] = field(default_factory=lambda: MappingProxyType({}))
    result: Range | PointerTo | None = None
    at_most_once: bool = False
    is_hosts_own: bool = False


class Rule(Protocol):
    """A rule on what a program returns (`result`) and on fields, which the host checks at run time as well."""

    @property
    def text(self) -> str:
        """What must hold, as an expression in Python's syntax."""

    @property
    def when(self) -> str:
        """In which case it must; empty: always."""

    @property
    def names(self) -> frozenset[str]:
        """Fields that it is about, and perhaps `result`."""

    def broken_by(self, values: Mapping[str, int], /) -> bool:
        """Whether concrete numbers break it."""


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything that a program entered at one place can rely on.

    `arguments` are r1, r2, ... `unavailable` says why a helper of `helpers` may not be called here. `data` describes
    data sections whose bytes the host chooses, by name. `rules` are about the fields of `ruled`, or of r1's region
    where that is None. `limit` is the most instructions that a run may take.
    """

    arguments: tuple[Argument, ...] = ()
    helpers: HelperTable = field(default_factory=HelperTable)
    terms: Mapping[int, Terms] = field(default_factory=lambda: MappingProxyType({}))
    unavailable: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    data: Mapping[str, RegionType] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[Rule, ...] = ()
    ruled: RegionType | None = None
    limit: int = DEFAULT_LIMIT

    @property
    def rule_region(self) -> RegionType | None:
        """The region whose fields rules are about."""
        if self.ruled is not None or not self.arguments:
            return self.ruled
        first = self.arguments[0]
        return first.region if isinstance(first, PointerTo) else None

    def regions(self) -> dict[int, RegionType]:
        """The regions that it speaks of, by number."""
        found: dict[int, RegionType] = {}
        for each in (*self.arguments, *(terms.result for terms in self.terms.values())):
            if isinstance(each, (PointerTo, SizeOf)):
                found[each.region.number] = each.region
        return found
