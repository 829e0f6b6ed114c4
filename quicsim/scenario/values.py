"""What may stand at a key? Quantities with their units, chances, names; each is read into an exact integer or fraction.

Keys in a file read `delay = "5ms"`; attributes read `delay_ns`, so that no number loses its unit on the way.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from quicsim.scenario.errors import shown
from quicsim.units import duration_ns, rate_bps, size_bytes

HostName = Literal["client", "server"]
HOST_NAMES: tuple[HostName, ...] = ("client", "server")


def positive(value: int) -> int:
    """The value, or ValueError where it is none above 0."""
    if value <= 0:
        raise ValueError("must be greater than 0")
    return value


def within_a_stream(value: int) -> int:
    """The value, or ValueError where no stream carries so many bytes."""
    if value >= 1 << 62:
        raise ValueError("must be less than 2**62 bytes, beyond which no stream goes (RFC 9000 section 4.5)")
    return value


def _probability(value: object) -> Fraction:
    """The exact fraction that was written: 0.01 and "1%" are 1/100, not the nearest binary float."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str, Fraction)):
        raise ValueError(f"{shown(value)} is not a probability; write a number from 0 to 1, or a percentage")
    try:
        if isinstance(value, str) and value.strip().endswith("%"):
            probability = Fraction(value.strip()[:-1]) / 100
        else:
            probability = Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"{shown(value)} is not a probability; write a number from 0 to 1, or a percentage") from None
    if not 0 <= probability <= 1:
        raise ValueError(f"{shown(value)} is not a probability; it must lie between 0 and 1")
    return probability


def _loss(value: object) -> Fraction:
    """A probability of loss; a bare 1, which is mostly meant to be 1 %, is refused."""
    probability = _probability(value)
    if probability == 1 and not (isinstance(value, str) and value.strip().endswith("%")):
        raise ValueError(
            f'{shown(value)} loses everything; write "1%" or 0.01 for one datagram in a hundred, "100%" for all'
        )
    return probability


Duration = Annotated[int, BeforeValidator(duration_ns)]
PositiveDuration = Annotated[Duration, AfterValidator(positive)]
Rate = Annotated[int, BeforeValidator(rate_bps), AfterValidator(positive)]
Size = Annotated[int, BeforeValidator(size_bytes)]
PositiveSize = Annotated[Size, AfterValidator(positive), AfterValidator(within_a_stream)]
Probability = Annotated[Fraction, BeforeValidator(_probability)]
Loss = Annotated[Fraction, BeforeValidator(_loss)]
Count = Annotated[StrictInt, Field(ge=0)]
PositiveCount = Annotated[StrictInt, Field(ge=1)]
OnWireCount = Annotated[Count, Field(lt=1 << 62)]
"""What a variable-length integer holds (RFC 9000 section 16)."""


class Table(BaseModel):
    """A table of a scenario file: unknown keys are errors, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
