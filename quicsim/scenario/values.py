"""What do a scenario's tables have in common? Strictness, and the values that several of them read."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from quicsim.units import duration_ns

HostName = Literal["client", "server"]
HOST_NAMES: tuple[HostName, ...] = ("client", "server")

Duration = Annotated[int, BeforeValidator(duration_ns)]


class Table(BaseModel):
    """A table of a scenario file: unknown keys are errors, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
