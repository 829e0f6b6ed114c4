"""What may a scenario's hosts say to each other? One table for each application; APPLICATIONS has them all."""

from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from quicsim.apps.datagrams import NUMBER_BYTES
from quicsim.distributions import Always
from quicsim.scenario.distribution import DistributedDuration, DistributedSize
from quicsim.scenario.errors import suggestion
from quicsim.scenario.values import (
    Duration,
    HostName,
    PositiveCount,
    PositiveDuration,
    PositiveSize,
    Rate,
    Size,
    Table,
)

__all__ = ["APPLICATIONS", "Applications", "Datagrams", "Messages", "Requests", "Transfer", "Video", "Web", "WebObject"]


def _holds_its_number(value: int) -> int:
    if value < NUMBER_BYTES:
        raise ValueError(f"must be {NUMBER_BYTES} bytes or more: each begins with its number")
    return value


class Requests(Table):
    """Requests from the client, each with its answer on a bidirectional stream of its own."""

    count: PositiveCount
    request_size_bytes: DistributedSize = Field(alias="request_size")
    response_size_bytes: DistributedSize = Field(alias="response_size")
    start_ns: Duration = Field(0, alias="start")
    """When the first one is made, on the simulation clock; at the end of the handshake, if that is later."""
    gap_ns: DistributedDuration = Field(Always(0), alias="gap")
    """From the completion of one to the next."""
    streams: PositiveCount = 1
    """How many are under way at once: each, once completed, is followed by its next."""
    every_ns: DistributedDuration | None = Field(None, alias="every")
    """In the place of `gap`: from the making of one to that of the next, whether or not it has its answer."""
    abandon_after_ns: PositiveDuration | None = Field(None, alias="abandon_after")
    """A request that has not its whole answer after so long is abandoned; None: it waits."""

    @model_validator(mode="after")
    def _one_loop(self) -> Self:
        if self.every_ns is not None:
            for key in ("gap", "streams"):
                if {key, f"{key}_ns"} & self.model_fields_set:
                    raise ValueError(f"every makes requests whether or not others are answered; leave {key} out")
        return self


class Transfer(Table):
    """One stream of data; the client asks for it when it does not send it."""

    size_bytes: PositiveSize | None = Field(None, alias="size")
    until_ns: Duration | None = Field(None, alias="until")
    """On the simulation clock, in the place of `size`: the stream never ends, and is looked at until then."""
    request_size_bytes: PositiveSize = Field(alias="request_size")
    sender: HostName = Field("server", alias="from")
    rate_bps: Rate | None = Field(None, alias="rate")
    """How fast the application writes it; None: all at once."""
    write_every_ns: Duration = Field(10_000_000, alias="write_every")  # assumed: an encoder's or a sensor's tick
    """How often it writes, where it has a rate."""

    @field_validator("write_every_ns")
    @classmethod
    def _takes_time(cls, value: int) -> int:
        if value <= 0:
            raise ValueError("must be greater than 0")
        return value

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


class Datagrams(Table):
    """A datagram every so often, of which none is repeated (RFC 9221)."""

    count: PositiveCount
    size_bytes: Annotated[Size, AfterValidator(_holds_its_number)] = Field(alias="size")
    gap_ns: PositiveDuration = Field(alias="gap")
    """From the sending of one to that of the next."""
    deadline_ns: PositiveDuration = Field(alias="deadline")
    """One that arrives later is late. The run is over so long after the last one was sent."""
    start_ns: Duration = Field(0, alias="start")
    """When the first one is sent, on the simulation clock; at the end of the handshake, if that is later."""
    sender: HostName = Field("client", alias="from")
    lifetime_ns: Duration = Field(0, alias="lifetime")
    """One for which there is no room for so long is not sent (RFC 9221 section 5.4); 0: it waits."""


class Video(Table):
    """Adaptive video: the client asks for segments, one after another, each in a quality of its choice."""

    segments: PositiveCount
    segment_ns: Duration = Field(alias="segment")
    """What one of them plays."""
    bitrates_bps: Annotated[tuple[Rate, ...], Field(min_length=1)] = Field(alias="bitrates")
    """The qualities, rising."""
    adaptation: Literal["throughput", "buffer"]
    buffer_ns: Duration = Field(alias="buffer")
    """What is held at most."""
    startup_ns: Duration = Field(alias="startup")
    """What must be held before playing begins, and before it goes on after a stall."""
    request_size_bytes: PositiveSize = Field(alias="request_size")
    abandon_after_ns: PositiveDuration | None = Field(None, alias="abandon_after")
    """A segment that is not there after so long is abandoned, and asked for again in the lowest quality."""

    @model_validator(mode="after")
    def _plays(self) -> Self:
        if self.segment_ns <= 0:
            raise ValueError("segment must be greater than 0")
        if list(self.bitrates_bps) != sorted(set(self.bitrates_bps)):
            raise ValueError("bitrates must rise from one to the next")
        if not 0 < self.startup_ns <= self.buffer_ns - self.segment_ns:
            raise ValueError("startup must be above 0, and a segment below buffer: otherwise the buffer fills unplayed")
        return self


class WebObject(Table):
    """One object of a web page."""

    name: str
    size_bytes: PositiveSize = Field(alias="size")
    after: tuple[str, ...] = ()
    """The objects that name it: it is asked for when all of them are there."""
    wait_ns: Duration = Field(0, alias="wait")
    """From then to the asking: what a browser takes to parse or run them."""


class Web(Table):
    """A web page: the client asks for objects as soon as it knows of them."""

    request_size_bytes: PositiveSize = Field(alias="request_size")
    objects: Annotated[tuple[WebObject, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _no_circle(self) -> Self:
        names = [each.name for each in self.objects]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'objects: there are two of the name "{name}"; give each its own')
        for each in self.objects:
            for name in each.after:
                if name not in names:
                    raise ValueError(f'objects: "{each.name}" comes after "{name}"; {suggestion(name, names)}')
        order = TopologicalSorter({each.name: each.after for each in self.objects})
        try:
            order.prepare()
        except CycleError as error:
            raise ValueError(f"objects wait for each other in a circle: {' after '.join(error.args[1])}") from None
        return self


class Applications(Table):
    """A table for each application, of which exactly one is there."""

    requests: Requests | None = None
    transfer: Transfer | None = None
    messages: Messages | None = None
    datagrams: Datagrams | None = None
    video: Video | None = None
    web: Web | None = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """The names of those that are there."""
        return tuple(name for name in APPLICATIONS if getattr(self, name) is not None)


APPLICATIONS = tuple(Applications.model_fields)
"""Their names, as a file has them."""
