"""Along what does a sweep vary a scenario? Axes of a sweep file: values, ranges on a scale, several keys at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from quicsim.scenario.values import PositiveCount, Table
from quicsim.sweep.quantities import Kind, Magnitude, as_toml, kind_of, magnitude

__all__ = ["Axis", "Level"]

_EXACT = Context(prec=50)
_SHOWN_DIGITS = 6
"""Of a value between the ends of a range. assumed: finer than any link is known, short enough to read."""


@dataclass(frozen=True, slots=True)
class Level:
    """One value of an axis: what it writes into the scenario, what it counts in conditions, what tables show."""

    written: tuple[tuple[str, str], ...]
    magnitude: Magnitude
    shown: float | int | str | bool


class Axis(Table):
    """One axis. Its values stand in `values`, or lie between `from` and `to`."""

    key: str | None = None
    keys: tuple[str, ...] = ()
    """Several keys at once: a value is a list with one part for each, or one value for all."""
    values: tuple[Any, ...] | None = Field(None, min_length=1)
    lowest: Any = Field(None, alias="from")
    highest: Any = Field(None, alias="to")
    steps: PositiveCount | None = None
    """How many values a grid has from `from` to `to`, both included."""
    scale: Literal["linear", "log"] = "linear"
    when: str = ""
    """A condition over other axes; where it does not hold, this axis leaves the scenario as it is."""

    @model_validator(mode="after")
    def _says_what_and_where(self) -> Self:
        if (self.key is None) == (not self.keys):
            raise ValueError("give the key of the scenario that it changes in key, or several in keys")
        ranged = self.lowest is not None or self.highest is not None
        if ranged == (self.values is not None):
            raise ValueError("give its values in values, or a range in from and to")
        if not ranged:
            if self.steps is not None or self.scale != "linear":
                raise ValueError("steps and scale are for a range, from and to")
            for value in self.values or ():
                if len(self.keys) > 1 and isinstance(value, Sequence) and not isinstance(value, str):
                    self._check_parts(value)
            return self
        if self.lowest is None or self.highest is None:
            raise ValueError("a range needs both from and to")
        low, high = self._ends
        if not low < high:
            raise ValueError(f"from = {self.lowest} must be less than to = {self.highest}")
        if self.scale == "log" and low <= 0:
            raise ValueError(f"from = {self.lowest} must be greater than 0 on a log scale")
        return self

    def _check_parts(self, value: Sequence[object]) -> None:
        if len(value) != len(self.keys):
            raise ValueError(f"the value {as_toml(value)} has {len(value)} parts; keys names {len(self.keys)}")

    @cached_property
    def own_keys(self) -> tuple[str, ...]:
        """The keys of the scenario that it changes."""
        return self.keys if self.key is None else (self.key,)

    @cached_property
    def kind(self) -> Kind | None:
        """The kind of quantity that its values are, if all are of one."""
        return kind_of(self.values if self.values is not None else [self.lowest, self.highest])

    @cached_property
    def _ends(self) -> tuple[int | Decimal, int | Decimal]:
        ends = [self.kind.read(end) if self.kind else end for end in (self.lowest, self.highest)]
        for end in ends:
            if isinstance(end, bool) or not isinstance(end, (int, Decimal)):
                raise ValueError(
                    f"from = {as_toml(self.lowest)} and to = {as_toml(self.highest)} are no range; "
                    "write two numbers, or two quantities of one kind with their units"
                )
        return ends[0], ends[1]

    @property
    def is_range(self) -> bool:
        """Whether its values lie between two ends."""
        return self.values is None

    def column(self, name: str) -> str:
        """What the axis of this name is called in tables: the unit comes last."""
        return f"{name}{self.kind.suffix if self.kind else ''}"

    def levels(self) -> list[Level]:
        """Its values in a grid. ValueError for a range without steps."""
        if self.values is not None:
            return [self._level(value) for value in self.values]
        if self.steps is None:
            raise ValueError("a range in a grid needs steps, the number of its values")
        if self.steps == 1:
            return [self.at(Decimal(0))]
        return [self.at(_EXACT.divide(Decimal(step), Decimal(self.steps - 1))) for step in range(self.steps)]

    def at(self, share: Decimal) -> Level:
        """The value at this share (0 to 1) of the axis; of a list, each value has an equal part."""
        if self.values is not None:
            return self._level(self.values[min(int(share * len(self.values)), len(self.values) - 1)])
        low, high = self._ends
        value = low if share == 0 else high if share == 1 else self._between(share)
        return self._level(self.kind.write(value) if self.kind else value)

    def _between(self, share: Decimal) -> int | Decimal:
        low, high = (Decimal(end) for end in self._ends)
        if self.scale == "log":
            # Decimal's ln and exp are correctly rounded, so the last digit is the same on every machine.
            start, stop = _EXACT.ln(low), _EXACT.ln(high)
            exact = _EXACT.exp(_EXACT.add(start, _EXACT.multiply(share, _EXACT.subtract(stop, start))))
        else:
            exact = _EXACT.add(low, _EXACT.multiply(share, _EXACT.subtract(high, low)))
        rounded = Context(prec=_SHOWN_DIGITS).plus(exact)
        whole = self.kind.whole if self.kind else all(isinstance(end, int) for end in self._ends)
        return int(rounded.to_integral_value()) if whole else rounded

    def _level(self, value: Any) -> Level:
        parts = [value] * len(self.own_keys)
        if self.keys and isinstance(value, Sequence) and not isinstance(value, str):
            parts = list(value)
        written = tuple((key, as_toml(part)) for key, part in zip(self.own_keys, parts, strict=True))
        amount = self.kind.read(value) if self.kind else magnitude(value)
        return Level(written, amount, self._shown(value, amount))

    def _shown(self, value: Any, amount: Magnitude) -> float | int | str | bool:
        if self.kind is not None:
            return int(amount) if self.kind.per_unit == 1 else float(Fraction(amount) / Fraction(self.kind.per_unit))
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, (bool, int, str)):
            return value
        return "/".join(str(part) for part in value) if self.keys else as_toml(value)
