"""What crosses a link, and why may it not arrive?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["Datagram", "DropReason"]


@dataclass(slots=True, eq=False)
class Datagram:
    """One UDP datagram, opaque to the network.

    Attributes:
        payload: whatever the two endpoints exchange: bytes, or a packet's symbols.
        size_bytes: what it takes on the wire, UDP and IP headers included.
        labels: what link rules may go by, such as "stream-start:4".
        source: name of the host that sent it; the network writes it.
        destination: name of the host that it goes to; the network writes it.
    """

    payload: Any
    size_bytes: int
    labels: tuple[str, ...] = ()
    source: str = ""
    destination: str = ""


class DropReason(Enum):
    """Why a datagram did not arrive."""

    QUEUE = "queue"
    """The queue before the link had no room for it."""
    LOSS = "loss"
    """Chance took it on the wire."""
    FAULT = "fault"
    """A rule of the scenario took it on the wire."""
