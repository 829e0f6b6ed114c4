"""What may a scenario's hosts say to each other? One table for each application; APPLICATIONS has them all."""

from typing import Self

from pydantic import Field, model_validator

from quicsim.scenario.values import Duration, HostName, PositiveCount, PositiveSize, Table

__all__ = ["APPLICATIONS", "Applications", "Messages", "Requests", "Transfer"]


class Requests(Table):
    """Requests from the client, one after another, each with its answer on a bidirectional stream of its own."""

    count: PositiveCount
    request_size_bytes: PositiveSize = Field(alias="request_size")
    response_size_bytes: PositiveSize = Field(alias="response_size")
    start_ns: Duration = Field(0, alias="start")
    """When the first one is made, on the simulation clock; at the end of the handshake, if that is later."""
    gap_ns: Duration = Field(0, alias="gap")
    """From the completion of one to the next."""


class Transfer(Table):
    """One stream of data; the client asks for it when it does not send it."""

    size_bytes: PositiveSize | None = Field(None, alias="size")
    until_ns: Duration | None = Field(None, alias="until")
    """On the simulation clock, in the place of `size`: the stream never ends, and is looked at until then."""
    request_size_bytes: PositiveSize = Field(alias="request_size")
    sender: HostName = Field("server", alias="from")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if (self.size_bytes is None) == (self.until_ns is None):
            raise ValueError("size and until each say when the transfer ends; give exactly one of them")
        return self


class Messages(Table):
    """Small messages on one stream, written one after another whether or not the last has arrived."""

    count: PositiveCount
    size_bytes: PositiveSize = Field(alias="size")
    gap_ns: Duration = Field(0, alias="gap")
    """From the writing of one to that of the next."""
    start_ns: Duration = Field(0, alias="start")
    """When the first one is written, on the simulation clock; at the end of the handshake, if that is later."""
    sender: HostName = Field("client", alias="from")


class Applications(Table):
    """A table for each application, of which exactly one is there."""

    requests: Requests | None = None
    transfer: Transfer | None = None
    messages: Messages | None = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """The names of those that are there."""
        return tuple(name for name in APPLICATIONS if getattr(self, name) is not None)


APPLICATIONS = tuple(Applications.model_fields)
"""Their names, as a file has them."""
