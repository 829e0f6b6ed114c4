"""What integer does "5ms", "10Mbps" or "64KiB" stand for, and back?

Nanoseconds (picoseconds for what a CPU does), bits a second and bytes are integers everywhere, so text is read exactly:
what is no whole number of them is refused, not rounded. Prefixes are those of the SI (kB = 1000 B) and of IEC 80000-13
(KiB = 1024 B).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal

__all__ = ["UnitError", "bytes_per_second", "duration_ns", "duration_ps", "format_duration", "format_rate",
           "format_size", "rate_bps", "size_bytes"]  # fmt: skip


class UnitError(ValueError):
    """A text or number is no quantity of its kind; the message says why, and what would be one."""


@dataclass(frozen=True, slots=True)
class _Quantity:
    name: str
    base: str  # the unit that counts as 1
    units: dict[str, int]  # in base units, the smallest first
    example: str


_DURATION = _Quantity(
    "duration", "ns", {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}, "5ms or 1.5s"
)
_SHORT_DURATION = _Quantity(
    "duration", "ps", {"ps": 1, **{unit: factor * 1000 for unit, factor in _DURATION.units.items()}}, "2.5ns or 300ps"
)
_RATE = _Quantity("rate", "bps", {"bps": 1, "kbps": 10**3, "Mbps": 10**6, "Gbps": 10**9}, "10Mbps or 512kbps")
_SIZE = _Quantity(
    "size",
    "B",
    {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30},
    "64KiB or 1350B",
)

_BYTE_RATE = _Quantity("byte rate", "B/s", {f"{unit}/s": factor for unit, factor in _SIZE.units.items()}, "3MB/s")

_NUMBER_AND_UNIT = re.compile(r"(?P<sign>[+-]?)(?P<number>\d+(?:\.\d+)?)\s?(?P<unit>[^\s\d.]*)", re.ASCII)
_LONGEST = 40  # characters; so that the decimal arithmetic below is exact
_EXACT = Context(prec=100)


def duration_ns(text: str | int) -> int:
    """A duration such as "5ms", "1.5s" or "0", in nanoseconds. Units: ns, us, ms, s, min.

    Raises:
        UnitError: no such duration, or no whole number of nanoseconds.
    """
    return _read(text, _DURATION)


def duration_ps(text: str | int) -> int:
    """A duration such as "2.5ns" or "300ps", in picoseconds. Units: ps and those of `duration_ns`.

    Raises:
        UnitError: no such duration, or no whole number of picoseconds.
    """
    return _read(text, _SHORT_DURATION)


def rate_bps(text: str | int) -> int:
    """A rate such as "10Mbps", in bits a second. Units: bps, kbps, Mbps, Gbps.

    Raises:
        UnitError: no such rate, or no whole number of bits a second.
    """
    return _read(text, _RATE)


def size_bytes(text: str | int) -> int:
    """A size such as "64KiB" or "5MB", in bytes. Units: B, kB, KiB, MB, MiB, GB, GiB.

    Raises:
        UnitError: no such size, or no whole number of bytes.
    """
    return _read(text, _SIZE)


def bytes_per_second(text: str | int) -> int:
    """A rate such as "3MB/s", in bytes a second. Units: those of a size, a second.

    Raises:
        UnitError: no such rate, or no whole number of bytes a second.
    """
    return _read(text, _BYTE_RATE)


def format_duration(value_ns: int) -> str:
    """The text of a duration given in ns, which `duration_ns` reads as the same: 1_500_000 is "1.5ms"."""
    return _write(value_ns, _DURATION)


def format_rate(value_bps: int) -> str:
    """The text of a rate given in bit/s, which `rate_bps` reads as the same: 10_000_000 is "10Mbps"."""
    return _write(value_bps, _RATE)


def format_size(value_bytes: int) -> str:
    """The text of a size given in bytes, which `size_bytes` reads as the same: 65536 is "64KiB"."""
    return _write(value_bytes, _SIZE)


def _read(text: str | int | Decimal, quantity: _Quantity) -> int:
    place = f"{quantity.name} {text if isinstance(text, Decimal) else repr(text)}"
    units = ", ".join(quantity.units)
    if not isinstance(text, str):
        if type(text) is int and text == 0:
            return 0
        raise UnitError(f"{place} has no unit; give text such as {quantity.example} (units: {units})")
    found = _NUMBER_AND_UNIT.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if found is None:
        raise UnitError(f"{place} is no number with a unit; give text such as {quantity.example} (units: {units})")
    if found["sign"] == "-":
        raise UnitError(f"{place} is negative; give 0{quantity.base} or more")
    number, unit = Decimal(found["number"]), found["unit"].replace("µ", "u").replace("μ", "u")
    if not unit and number == 0:
        return 0
    if unit not in quantity.units:
        raise UnitError(f"{place}: {_unknown_unit(unit, quantity)} (units: {units})")
    value = _EXACT.multiply(number, Decimal(quantity.units[unit]))
    if value != int(value):
        raise UnitError(
            f"{place} is {value.normalize(_EXACT):f}{quantity.base}; give a whole number of {quantity.base}"
        )
    return int(value)


def _unknown_unit(unit: str, quantity: _Quantity) -> str:
    if not unit:
        return f"the unit is missing; give text such as {quantity.example}"
    meant = [known for known in quantity.units if known.lower().replace("i", "") == unit.lower().replace("i", "")]
    advice = " or ".join(meant) if meant else f"text such as {quantity.example}"
    return f"{unit!r} is no unit of {quantity.name}; give {advice}"


def _write(value: int, quantity: _Quantity) -> str:
    """The shortest exact text whose number is 1 or more; among equals that of the largest unit."""
    if value < 0:
        raise UnitError(f"{quantity.name} {value} is negative; give 0 or more")
    if value == 0:
        return f"0{quantity.base}"
    texts = []
    for unit, factor in quantity.units.items():
        if value < factor:
            continue
        number = _EXACT.divide(Decimal(value), Decimal(factor))
        if _EXACT.multiply(number, Decimal(factor)) == value:
            texts.append(f"{number.normalize(_EXACT):f}{unit}")
    return min(reversed(texts), key=len)
