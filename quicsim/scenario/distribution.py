"""How does a scenario write a size or a time that chance decides? A quantity, or a table with a kind."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from quicsim.distributions import Always, Distribution, Exponential, OneOf, Pareto, Uniform
from quicsim.scenario.errors import shown, suggestion
from quicsim.scenario.values import positive, within_a_stream
from quicsim.units import duration_ns, size_bytes

__all__ = ["DistributedDuration", "DistributedSize"]

KINDS: Mapping[str, tuple[str, ...]] = {
    "uniform": ("least", "most"),
    "exponential": ("mean",),
    "pareto": ("least", "shape", "most"),
    "one of": ("values",),
}
"""What a distribution of each kind has beside its kind, all of it required."""


def _positive_size(value: Any) -> int:
    return within_a_stream(positive(size_bytes(value)))


def _reader(quantity: Callable[[Any], int]) -> Callable[[Any], Distribution]:
    def read(value: Any) -> Distribution:
        if not isinstance(value, Mapping):
            return Always(quantity(value))
        kind = value.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"kind = {shown(kind)} is not known; write {' or '.join(map(repr, KINDS))}")
        keys = KINDS[kind]
        for key in value:
            if key not in ("kind", *keys):
                raise ValueError(f'has an unknown key "{key}"; {suggestion(key, keys)}')
        for key in keys:
            if key not in value:
                raise ValueError(f'of kind "{kind}" needs {key}')
        return _of_kind(kind, value, quantity)

    return read


def _of_kind(kind: str, value: Mapping[str, Any], quantity: Callable[[Any], int]) -> Distribution:
    if kind == "exponential":
        return Exponential(quantity(value["mean"]))
    if kind == "one of":
        values = value["values"]
        if not isinstance(values, (list, tuple)) or not values:
            raise ValueError(f"values = {shown(values)} is no list of quantities; write one or more")
        return OneOf(tuple(map(quantity, values)))
    least, most = quantity(value["least"]), quantity(value["most"])
    if least > most:
        raise ValueError("least is above most")
    if kind == "uniform":
        return Uniform(least, most)
    if least == 0:
        raise ValueError("least must be greater than 0: a Pareto distribution has no smaller values")
    return Pareto(least, _shape(value["shape"]), most)


def _shape(value: Any) -> Fraction:
    try:
        shape = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        shape = Fraction(0)
    if isinstance(value, bool) or not 0 < shape <= 100:
        raise ValueError(f"shape = {shown(value)} is no number from above 0 to 100, such as 1.2")
    return shape


def _written(distribution: Distribution) -> Any:
    """As plain data: what has no chance in it is the number."""
    if isinstance(distribution, Always):
        return distribution.value
    kind = _KIND_OF[type(distribution)]
    values = {name: getattr(distribution, name) for name in KINDS[kind]}
    return {"kind": kind} | {name: str(each) if isinstance(each, Fraction) else each for name, each in values.items()}


_KIND_OF: Mapping[type, str] = {Uniform: "uniform", Exponential: "exponential", Pareto: "pareto", OneOf: "one of"}

DistributedSize = Annotated[Distribution, PlainValidator(_reader(_positive_size)), PlainSerializer(_written)]
DistributedDuration = Annotated[Distribution, PlainValidator(_reader(duration_ns)), PlainSerializer(_written)]
