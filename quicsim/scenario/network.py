"""What may a scenario say of its network? Links, what waits before them, what they lose; routers are named by links.

A node that is neither `client` nor `server` is a router. Whether the links make a network is asked in
`build_network.network_problems`, which sees all of them.
"""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, StrictBool, field_validator, model_validator

from quicsim.net.loss import fault_matcher
from quicsim.scenario.values import HOST_NAMES, Count, Duration, Loss, Probability, Rate, Size, Table
from quicsim.units import size_bytes

PER_SENDER = ("rate", "delay", "loss", "drop_every")
"""Keys of a link that take one value, or a table by sending node."""


def senders(link: Mapping[str, Any]) -> tuple[str, ...]:
    """The ends of a link as it is written, so that one value can stand for both of its directions."""
    ends = link.get("between")
    is_pair = isinstance(ends, (list, tuple)) and len(ends) == 2 and all(isinstance(end, str) for end in ends)
    return tuple(ends) if is_pair and ends is not None else HOST_NAMES


def _node(value: str) -> str:
    if isinstance(value, str) and not re.fullmatch(r"[\w.-]+", value):
        raise ValueError(f'"{value}" is no name of a host or router; write letters, digits, "_", "-" and "."')
    return value


NodeName = Annotated[str, BeforeValidator(_node)]


class QueueLimit(NamedTuple):
    """How much may wait: bytes, packets, or bandwidth-delay products."""

    amount: int | Fraction
    unit: Literal["bytes", "packets", "BDP"]


def _queue_limit(value: str) -> QueueLimit:
    if isinstance(value, str):
        if found := re.fullmatch(r"(\d+) *packets?", value.strip(), re.ASCII):
            return QueueLimit(int(found[1]), "packets")
        if found := re.fullmatch(r"(\d+(?:\.\d+)?) *BDP", value.strip(), re.ASCII):
            return QueueLimit(Fraction(found[1]), "BDP")
    return QueueLimit(size_bytes(value), "bytes")


Limit = Annotated[QueueLimit, BeforeValidator(_queue_limit)]


class Queue(Table):
    """What waits before a link, and which of it is marked or dropped; the packet in service does not count."""

    kind: Literal["drop-tail", "red", "linux-red"]
    limit: Limit
    at_least: Mapping[str, Limit] = {}
    """By sending node: its limit is never below this."""
    minimum: Limit | None = Field(None, alias="min")
    """Threshold of the average from which chance marks or drops; None: a third of the maximum."""
    maximum: Limit | None = Field(None, alias="max")
    """Threshold from which all is marked or dropped; None: three times the minimum, or a quarter of the limit."""
    max_probability: Probability = Field(Fraction(1, 50), alias="max_p")
    weight: Probability = Fraction(1, 500)
    mean_packet_bytes: Size = Field(1000, alias="mean_packet")
    packet_time_ns: Duration | None = Field(None, alias="idle")
    """What a packet takes to send, for the decay of the average while idle; None: a mean packet at the link's rate."""
    burst_packets: Count | None = Field(None, alias="burst")
    bandwidth_bps: Rate | None = Field(None, alias="bandwidth")
    """For the decay of the average while idle; None: the link's rate."""
    gentle: StrictBool = False
    wait: StrictBool = False
    ecn: StrictBool = False
    """Whether to mark what can be marked, rather than drop it."""
    hard_drop: StrictBool = False
    """Whether to drop even so where the average leaves no choice."""

    @model_validator(mode="after")
    def _same_unit(self) -> Self:
        for host, floor in self.at_least.items():
            if floor.unit != self.limit.unit:
                raise ValueError(f"at_least.{host} counts {floor.unit} and limit counts {self.limit.unit}")
        return self

    def limit_of(self, sender: str) -> QueueLimit:
        """The limit of the queue into which `sender` puts its datagrams."""
        return max(self.limit, self.at_least.get(sender, self.limit))

    def limits(self) -> Iterable[tuple[tuple[str, ...], QueueLimit]]:
        """Each limit and threshold that is written here, with its key."""
        yield ("limit",), self.limit
        for sender, floor in self.at_least.items():
            yield ("at_least", sender), floor
        for key, threshold in (("min", self.minimum), ("max", self.maximum)):
            if threshold is not None:
                yield (key,), threshold

    def written_keys(self) -> list[str]:
        """The keys that are written here."""
        return [field.alias or name for name, field in type(self).model_fields.items() if name in self.model_fields_set]


QUEUE_KEYS: Mapping[str, tuple[str, ...]] = {
    "drop-tail": (),
    "red": ("min", "max", "max_p", "weight", "mean_packet", "idle", "gentle", "wait", "ecn", "hard_drop"),
    "linux-red": ("min", "max", "max_p", "burst", "mean_packet", "bandwidth", "ecn", "hard_drop"),
}
"""What a queue of each kind has beside kind, limit and at_least."""


class Fault(Table):
    """A loss by rule, in the words of quicsim.net.loss."""

    drop: str
    sender: str = Field(alias="from")

    @field_validator("drop")
    @classmethod
    def _is_a_rule(cls, value: str) -> str:
        fault_matcher(value)
        return value


class Link(Table):
    """A duplex link. What differs by direction is a mapping by sending node."""

    between: tuple[NodeName, NodeName]
    rate_bps: Mapping[str, Rate] = Field(alias="rate")
    delay_ns: Mapping[str, Duration] = Field(alias="delay")
    queue: Queue
    loss: Mapping[str, Loss] = {}
    """Probability that a datagram is lost, where it is not 0."""
    drop_every: Mapping[str, Count] = {}
    """Each n-th datagram is lost; 0: none."""
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_value_for_both_directions(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            key: dict.fromkeys(senders(data), value) if key in PER_SENDER and not isinstance(value, Mapping) else value
            for key, value in data.items()
        }

    @field_validator("between")
    @classmethod
    def _two_ends(cls, value: tuple[str, str]) -> tuple[str, str]:
        if value[0] == value[1]:
            raise ValueError(f'joins "{value[0]}" to itself')
        return value
