"""What crosses a link, and why may it not arrive?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

__all__ = ["CE", "ECT_0", "ECT_1", "NOT_ECT", "Datagram", "DropReason"]

# The codepoints of the ECN field (RFC 3168 section 5). Plain integers: every datagram carries one.
NOT_ECT: Final = 0
ECT_1: Final = 1
ECT_0: Final = 2
CE: Final = 3


@dataclass(slots=True, eq=False)
class Datagram:
    """One UDP datagram, opaque to the network.

    Attributes:
        payload: whatever the two endpoints exchange: bytes, or a packet's symbols.
        size_bytes: what it takes on the wire, UDP and IP headers included.
        labels: what link rules may go by, such as "stream-start:4".
        source: address that it was sent from; the network writes it.
        destination: host or address that it goes to; the network writes it.
        ecn: its ECN codepoint: NOT_ECT, ECT_1, ECT_0, or CE, which a queue makes of ECT_1 and ECT_0.
        flow: number of the conversation that it belongs to, as UDP ports tell it.
        mapping: which port of the client's it came from or goes to: translators on the way give one after another.
    """

    payload: Any
    size_bytes: int
    labels: tuple[str, ...] = ()
    source: str = ""
    destination: str = ""
    ecn: int = NOT_ECT
    flow: int = 0
    mapping: int = 0


class DropReason(Enum):
    """Why a datagram did not arrive."""

    QUEUE = "queue"
    """The queue before the link did not take it: there was no room, or it asked for less traffic so."""
    LOSS = "loss"
    """Chance took it on the wire."""
    FAULT = "fault"
    """A rule of the scenario took it on the wire."""
    BUFFER = "buffer"
    """It arrived, and the host's receive buffer was full."""
