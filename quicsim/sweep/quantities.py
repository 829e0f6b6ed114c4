"""What does a value of an axis count, and how is it written into a scenario? Quantities, numbers and words.

Inside, a quantity is the exact number of its base units (nanoseconds, bit/s, bytes; of a percentage, its share of 1); a
table of results shows it in the unit of the metrics (seconds, bit/s, bytes) or in percent, under a name that ends with
the unit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, TypeAlias

from quicsim.units import UnitError, duration_ns, format_duration, format_rate, format_size, rate_bps, size_bytes

__all__ = ["KINDS", "Kind", "Magnitude", "as_toml", "kind_of", "magnitude"]

Magnitude: TypeAlias = "int | Decimal | str | bool"
"""A number of base units, a plain number, a word, or yes and no."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of quantity: the end of its column's name, how its text is read and written, base units in one."""

    suffix: str
    read: Callable[[Any], int | Decimal]
    """Raises UnitError for what is none of this kind."""
    write: Callable[[Any], str]
    per_unit: int | Decimal
    whole: bool = True
    """Whether there are whole numbers of base units only."""


_PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?)\s?%", re.ASCII)
_EXACT = Context(prec=100)


def _read_percentage(value: object) -> Decimal:
    """ "1%" as the share 0.01; a plain number, which may stand beside percentages, is a share already."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    found = _PERCENTAGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise UnitError(f"{value!r} is no percentage; give text such as 0.5%")
    return Decimal(found[1]).scaleb(-2, _EXACT)


def _write_percentage(share: Decimal) -> str:
    return f"{share.scaleb(2, _EXACT).normalize(_EXACT):f}%"


KINDS = (
    Kind("_s", duration_ns, format_duration, 1_000_000_000),
    Kind("_bps", rate_bps, format_rate, 1),
    Kind("_bytes", size_bytes, format_size, 1),
    Kind("_percent", _read_percentage, _write_percentage, Decimal("0.01"), whole=False),
)


def kind_of(values: Sequence[object]) -> Kind | None:
    """The kind that all these values are quantities of; None for plain numbers, words and tables."""
    if not any(isinstance(value, str) for value in values):
        return None
    for kind in KINDS:
        if all(_is_of(kind, value) for value in values):
            return kind
    return None


def magnitude(value: object) -> Magnitude:
    """What a value counts in conditions; a list or a table is its text."""
    kind = kind_of([value])
    if kind is not None:
        return kind.read(value)
    if isinstance(value, (bool, int, Decimal, str)):
        return value
    return as_toml(value)


def _is_of(kind: Kind, value: object) -> bool:
    if kind.whole and not isinstance(value, str):
        return False
    try:
        kind.read(value)
    except UnitError:
        return False
    return True


def as_toml(value: Any) -> str:
    """A value as it is written in one line of TOML, for an override."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case float():
            return repr(value)
        case Mapping():
            return f"{{{', '.join(f'{json.dumps(key)} = {as_toml(each)}' for key, each in value.items())}}}"
        case Sequence():
            return f"[{', '.join(map(as_toml, value))}]"
    raise TypeError(f"{value!r} cannot be written into a scenario; give numbers, texts, lists and tables")
