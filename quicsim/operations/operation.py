"""What is an operation, and what does its one declaration hold?

Paper section 2 (pluggable operations and transitions). Dispatch, the C header, the marshaller, the trace names and the
documentation read the same declaration.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

from quicsim.operations.rules import Rule

__all__ = ["CType", "Field", "Operation", "Output", "Parameter", "Rule", "Slot", "u8", "u16", "u32", "u64"]

Default = TypeVar("Default", bound=Callable[..., int])


@dataclass(frozen=True, slots=True)
class CType:
    """An unsigned C integer: its name in C, its `struct` format and its size in bytes."""

    c_name: str
    format: str
    size_bytes: int

    @property
    def maximum(self) -> int:
        """The largest value the type holds."""
        return (1 << (8 * self.size_bytes)) - 1


u8 = CType("uint8_t", "B", 1)
u16 = CType("uint16_t", "H", 2)
u32 = CType("uint32_t", "I", 4)
u64 = CType("uint64_t", "Q", 8)


class Slot(enum.IntEnum):
    """Where a program attaches to an operation. The value is added to the operation's number to name the anchor."""

    REPLACE = 0x0000
    BEFORE = 0x4000
    AFTER = 0x8000


@dataclass(frozen=True, slots=True)
class Field:
    """One value a program can read: its C name and type, and where the host finds it.

    `of` is a dotted path that starts at one of the operation's arguments. The unit is the last part of the name.
    `writable` fields are written back when the program returns without a fault; the others may only be read. `since` is
    the ABI's minor version that appended the field: it stands behind all older ones, so that older objects still fit.
    `maximum` is the largest value that the host gives, where that is less than the type's: the verifier relies on it.
    """

    name: str
    type: CType
    of: str
    meaning: str
    writable: bool = False
    since: int = 0
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """What an operation is divided by: each of `values` has anchors of its own, `SEC("replace/Name:0x...")`.

    `attribute` is the parametrised operation's name in Python, and its structure's in C.
    """

    meaning: str
    values: range
    attribute: str


@dataclass(frozen=True, slots=True)
class Output:
    """What r0 means when a program that replaces the operation returns.

    `of` is a dotted path as a field's: where the default itself puts its result, and where a program's is put before
    any `after` program runs. Empty: the call site takes the result. `unit` is "ns" or "bytes" of a quantity, empty of
    a choice or a number of things.
    """

    type: CType
    meaning: str
    of: str = ""
    unit: str = ""


@dataclass(slots=True)
class Operation:
    """A numbered step of the protocol whose behaviour a plugin may replace, precede or follow.

    `arguments` names what the call site passes, in order; every `Field.of` starts with one of them.
    """

    number: int
    name: str
    meaning: str
    source: str
    inputs: tuple[Field, ...]
    output: Output
    arguments: tuple[str, ...] = ("connection", "path")
    rules: tuple[Rule, ...] = ()
    defaults: dict[str, Callable[..., int]] = field(default_factory=dict)
    parameter: Parameter | None = None
    value: int | None = None
    """The parameter's value; None: the operation takes no parameter, or has not been given one."""

    EVERY_PROFILE: ClassVar[str] = "*"

    def __post_init__(self) -> None:
        if not 0 < self.number & 0xFFFF < Slot.BEFORE:
            raise ValueError(f"operation {self.name}: number {self.number:#x} must lie in 1..{Slot.BEFORE - 1:#x}")
        for declared in self.inputs:
            root = declared.of.partition(".")[0]
            if root not in self.arguments:
                raise ValueError(
                    f"operation {self.name}: field {declared.name} reads {declared.of!r}, "
                    f"but the arguments are {', '.join(self.arguments)}"
                )
            if declared.writable and root == declared.of:
                raise ValueError(
                    f"operation {self.name}: field {declared.name} is writable, but {root!r} is no attribute"
                )
        if self.output.of and self.output.of.partition(".")[0] not in self.arguments:
            raise ValueError(
                f"operation {self.name}: its result goes to {self.output.of!r}, "
                f"but the arguments are {', '.join(self.arguments)}"
            )
        names = [*(declared.name for declared in self.inputs), "result"]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"operation {self.name}: two fields are named {twice[0]}")
        known = set(names)
        for rule in self.rules:
            if unknown := rule.names - known:
                raise ValueError(
                    f"operation {self.name}: rule {rule.text!r} names {', '.join(sorted(unknown))}, which is no input"
                )

    @property
    def attribute(self) -> str:
        """The operation's name in Python: `SetTimer` is `set_timer`."""
        if self.parameter is not None:
            return self.parameter.attribute
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.name).lower()

    def anchor(self, slot: Slot) -> int:
        """The unique identifier of one of the operation's slots."""
        return self.number + slot

    def with_value(self, value: int) -> Operation:
        """The operation for one value of its parameter, which is part of its number. Raises ValueError."""
        parameter = self.parameter
        if parameter is None:
            raise ValueError(f"operation {self.name} takes no parameter")
        if value not in parameter.values:
            first, last = parameter.values[0], parameter.values[-1]
            raise ValueError(f"{value:#x} is no {parameter.meaning} of {self.name}; it takes {first:#x} to {last:#x}")
        return replace(self, number=self.number | value << 16, name=f"{self.name}:{value:#x}", value=value)

    def default(self, profile: str = EVERY_PROFILE) -> Callable[[Default], Default]:
        """Register the default behaviour: `@operation.default()` for every profile, `@operation.default("name")` for
        one.
        """

        def register(function: Default) -> Default:
            if profile in self.defaults:
                raise ValueError(f"operation {self.name}: profile {profile!r} already has a default")
            self.defaults[profile] = function
            return function

        return register

    def offered_by(self, profile: str) -> bool:
        """Whether a host of this profile has the step at all, so that something may be attached to it."""
        return profile in self.defaults or self.EVERY_PROFILE in self.defaults

    def default_for(self, profile: str) -> Callable[..., int]:
        """The default behaviour under a profile: the profile's own, else everybody's."""
        return self.defaults.get(profile) or self.defaults[self.EVERY_PROFILE]
