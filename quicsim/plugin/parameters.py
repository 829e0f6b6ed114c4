"""Which numbers of a plugin may be chosen when it is attached? Paper section 3.2.2: a path, a rate.

A plugin.toml declares them: type, range, unit, default. The build turns that into two sections of the ELF file: the
values, which programs read through the C object `parameters`, and a line of text on each, by which whoever receives the
file checks what it is asked to put there.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicsim.operations import CType, Field, u8, u16, u32, u64
from quicsim.plugin.errors import PluginError
from quicsim.plugin.layout import Layout, lay_out
from quicsim.units import UnitError, bytes_per_second, duration_ns, rate_bps, size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["DECLARATION_SECTION", "TYPES", "VALUE_SECTION", "Parameter", "checked", "declared", "layout", "packed"]

VALUE_SECTION = "quicsim.parameters"
DECLARATION_SECTION = "quicsim.manifest"

TYPES = {"u8": u8, "u16": u16, "u32": u32, "u64": u64}

_READERS: dict[str, Callable[[str], int]] = {
    "bytes a second": bytes_per_second,
    "bits a second": rate_bps,
    "bytes": size_bytes,
    "nanoseconds": duration_ns,
}
"""Units whose values may be written as text, such as "3MB/s"."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_UNIT = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")  # what may stand between quotes in C as it is
_LINE = re.compile(rf"({_NAME.pattern}) (u8|u16|u32|u64) (\d{{1,20}}) (\d{{1,20}})(?: ({_UNIT.pattern}))?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that whoever attaches the plugin may choose, from `minimum` to `maximum`.

    Raises PluginError where the declaration contradicts itself.
    """

    name: str
    type: CType
    minimum: int
    maximum: int
    default: int
    unit: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PluginError(f"parameter {self.name!r}: a name has lower-case letters, digits and _, at most 31")
        if not 0 <= self.minimum <= self.default <= self.maximum <= self.type.maximum:
            raise PluginError(
                f"parameter {self.name}: minimum {self.minimum}, default {self.default} and maximum {self.maximum} "
                f"must be in this order, from 0 to {self.type.maximum}"
            )
        if self.unit and not _UNIT.fullmatch(self.unit):
            raise PluginError(
                f"parameter {self.name}: the unit {self.unit!r} is not made of words in ASCII without quotes"
            )

    @property
    def range_text(self) -> str:
        """What may be chosen, in words."""
        return f"{self.minimum} to {self.maximum}" + (f" ({self.unit})" if self.unit else "")

    @property
    def declaration(self) -> str:
        """The line of the manifest; the default is what stands in the section of values."""
        line = f"{self.name} {type_name(self.type)} {self.minimum} {self.maximum}"
        return f"{line} {self.unit}" if self.unit else line

    def read(self, value: object) -> int:
        """A chosen value as a number of the parameter's unit. Raises ValueError, which says what would be right."""
        if isinstance(value, str) and self.unit in _READERS:
            try:
                number = _READERS[self.unit](value)
            except UnitError as error:
                raise ValueError(str(error)) from None
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        else:
            raise ValueError(f"give a whole number, {self.range_text}")
        if not self.minimum <= number <= self.maximum:
            raise ValueError(f"it is out of range; give {self.range_text}")
        return number


def type_name(kind: CType) -> str:
    """A type as a declaration writes it."""
    return next(name for name, each in TYPES.items() if each is kind)


def layout(parameters: Sequence[Parameter]) -> Layout:
    """The C structure of a plugin's parameters."""
    return lay_out([Field(each.name, each.type, each.name, each.unit) for each in parameters])


def packed(parameters: Sequence[Parameter], values: Mapping[str, int]) -> bytes:
    """The bytes that programs read, of each parameter's value."""
    return struct.pack(layout(parameters).format, *(values[each.name] for each in parameters))


def checked(plugin: str, parameters: Sequence[Parameter], chosen: Mapping[str, object]) -> dict[str, int]:
    """What was chosen, as numbers. Raises PluginError, which names plugin, parameter, value and range."""
    by_name = {each.name: each for each in parameters}
    numbers: dict[str, int] = {}
    for name, value in chosen.items():
        if name not in by_name:
            known = "; ".join(f"{each.name}, {each.range_text}" for each in parameters)
            raise PluginError(f"plugin {plugin}: there is no parameter {name!r}; there are {known or 'none'}")
        try:
            numbers[name] = by_name[name].read(value)
        except ValueError as error:
            shown = repr(value) if isinstance(value, str) else str(value)
            raise PluginError(f"plugin {plugin}: parameter {name} = {shown}: {error}") from None
    return numbers


def declared(sections: Mapping[str, bytes], source: str) -> tuple[Parameter, ...]:
    """The parameters of an ELF file, given its sections. Raises PluginError, which names `source` and the section."""
    text, values = (sections.get(name) for name in (DECLARATION_SECTION, VALUE_SECTION))
    if text is None and values is None:
        return ()
    if text is None or values is None:
        raise PluginError(f"{source}: sections {DECLARATION_SECTION!r} and {VALUE_SECTION!r} come together")
    matches = []
    for line in text.removesuffix(b"\0").decode("ascii", errors="replace").split("\n"):
        if (match := _LINE.fullmatch(line)) is None:
            raise PluginError(f"{source}: section {DECLARATION_SECTION!r}: {line!r} declares no parameter")
        matches.append(match)
    kinds = lay_out([Field(match[1], TYPES[match[2]], match[1], "") for match in matches])
    if len(values) != kinds.size_bytes:
        raise PluginError(
            f"{source}: section {VALUE_SECTION!r} has {len(values)} bytes; what is declared takes {kinds.size_bytes}"
        )
    if len({match[1] for match in matches}) != len(matches):
        raise PluginError(f"{source}: section {DECLARATION_SECTION!r}: a parameter is declared twice")
    defaults = struct.unpack(kinds.format, values)
    try:
        return tuple(
            Parameter(match[1], TYPES[match[2]], int(match[3]), int(match[4]), default, match[5] or "")
            for match, default in zip(matches, defaults, strict=True)
        )
    except PluginError as error:
        raise PluginError(f"{source}: section {DECLARATION_SECTION!r}: {error}") from None
