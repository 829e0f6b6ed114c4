"""What does a connection tell those around it, and what does it ask of whoever runs plugins on it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from quicsim.quic.states import ConnectionState

__all__ = [
    "ConnectionEvent",
    "Counts",
    "DatagramAcknowledged",
    "DatagramExpired",
    "DatagramLost",
    "DatagramReceived",
    "HandshakeEvent",
    "PluginHost",
    "ReadyToSend",
    "StreamReceived",
    "StreamReset",
    "StreamStopped",
]


class PluginHost(Protocol):
    """What a connection asks of whoever runs plugins on it."""

    def receive_exchange(self, data: bytes) -> None:
        """Bytes of the peer's plugin exchange stream arrived, in order."""

    def handshake_confirmed(self, peer_accepts_plugins: bool) -> None:
        """Plugins may be exchanged from now on, if the peer takes part."""

    def attach(self, plugin: Any) -> None:
        """Attach a plugin to this end of the connection."""


@dataclass(slots=True)
class Counts:
    """What happened on a connection so far."""

    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    packets_retransmitted: int = 0
    timeouts: int = 0
    plugin_calls: int = 0
    plugin_instructions: int = 0
    plugin_faults: int = 0
    plugin_bytes_marshalled: int = 0
    """Copied between the connection and programs' memory, either way."""


class StreamReceived(NamedTuple):
    """The last byte of a stream was delivered; how far an unfinished one has come, `receiving_streams` tells."""

    stream_id: int
    length_bytes: int


class StreamReset(NamedTuple):
    """The peer ended a stream early: no more of it comes. `error_code` is the peer's application's."""

    stream_id: int
    error_code: int


class StreamStopped(NamedTuple):
    """The peer reads no more of a stream, which this end has reset therefore. `error_code` is its application's."""

    stream_id: int
    error_code: int


class HandshakeEvent(NamedTuple):
    """The connection moved to this state."""

    state: ConnectionState


class ReadyToSend(NamedTuple):
    """The application may send from now on: when the handshake is complete, or at once with 0-RTT. It comes once."""


class DatagramReceived(NamedTuple):
    """The data of a DATAGRAM frame of the peer's."""

    data: bytes


class DatagramAcknowledged(NamedTuple):
    """The peer's stack has this data of ours."""

    data: bytes


class DatagramLost(NamedTuple):
    """This data of ours seems to be lost; it may still be acknowledged later."""

    data: bytes


class DatagramExpired(NamedTuple):
    """This data of ours was too old before there was room for it, and was not sent."""

    data: bytes


ConnectionEvent = (
    StreamReceived
    | StreamReset
    | StreamStopped
    | DatagramReceived
    | DatagramAcknowledged
    | DatagramLost
    | DatagramExpired
    | HandshakeEvent
    | ReadyToSend
)
