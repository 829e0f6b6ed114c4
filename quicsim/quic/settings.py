"""What may an endpoint's owner choose of a connection? RFC 9000 leaves each of these to the endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from quicsim.quic.packet import VERSION_1
from quicsim.randomness import Streams

if TYPE_CHECKING:
    from quicsim.quic.parameters import TransportParameters

__all__ = ["DEFAULT_SCHEDULER", "AckFrequency", "Settings", "ZeroRtt", "chosen"]

DEFAULT_SCHEDULER = "lowest-rtt"


@dataclass(frozen=True, slots=True)
class AckFrequency:
    """How seldom a peer is asked to acknowledge, at most (draft-ietf-quic-ack-frequency-14 section 4)."""

    ack_eliciting_threshold: int
    """So many packets that ask for an ACK may arrive without one."""
    max_ack_delay_ns: int
    reordering_threshold: int
    """So far out of order a packet is acknowledged at once; 0: never."""


class ZeroRtt(StrEnum):
    """What a server does with data of a client that was connected before (RFC 9001 section 4.6.2)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an endpoint's owner chooses; None: the profile's value."""

    congestion_control: str | None = None
    datagram_bytes: int | None = None
    max_ack_delay_ns: int | None = None
    """Advertised to the peer."""
    min_ack_delay_ns: int | None = None
    """The peer may ask for other delays, down to this; None: it may not."""
    ack_frequency: AckFrequency | None = None
    """What this end asks of its peer, if that takes it; None: nothing."""
    max_data_bytes: int | None = None
    max_stream_data_bytes: int | None = None
    max_streams: int | None = None
    """How many bidirectional streams the peer may have open at once; None: as many as it likes."""
    max_datagram_frame_bytes: int = 0
    """The largest DATAGRAM frame that is taken (RFC 9221 section 3); 0: none."""
    zero_rtt: ZeroRtt | None = None
    """Of a server; None: it resumes no connection."""
    remembered: TransportParameters | None = None
    """Of a client: what the server said of itself when they were last connected; None: they never were."""
    certificate_chain_bytes: int = 3_000
    """Assumed: between a short ECDSA chain and a long RSA chain."""
    accepts_plugins: bool = True
    ecn: bool = False
    """Whether packets are marked as ECN-capable, where the path turns out to carry marks (RFC 9000 section 13.4)."""
    streams: Streams = field(default_factory=lambda: Streams(0, 0))
    """Where chance comes from, each path's under the endpoint's name."""
    idle_timeout_ns: int = 0
    """The connection is closed when nothing has happened for so long (RFC 9000 section 10.1); 0: it waits for ever."""
    active_connection_id_limit: int | None = None
    """How many connection IDs of its peer's it takes at a time (RFC 9000 section 5.1.1)."""
    versions: tuple[int, ...] = (VERSION_1,)
    """Of QUIC, in the order of preference: a client offers the first, a server takes any (RFC 9000 section 6)."""
    retries: bool = False
    """Of a server: whether it has clients without a token prove their address by a Retry (section 8.1.2)."""
    issues_tokens: bool = False
    """Of a server: whether a client gets a token for its next connection (section 8.1.3)."""
    tokens: list[bytes] = field(default_factory=list)
    """Of a client: what earlier connections to this server have left it. It takes the last one, which is then used up,
    and adds those that it gets.
    """
    address_count: int = 1
    """How many addresses the client has. With two or more, and a stack that can, it opens a path on each."""
    initial_max_path_id: int | None = None
    """Up to which number it takes paths at first (draft-ietf-quic-multipath, the parameter of this name)."""
    scheduler: str = DEFAULT_SCHEDULER
    """Of `quicsim.quic.schedulers`, for a stack whose paths are scheduled so."""
    backup_paths: tuple[int, ...] = ()
    """Which of a client's additional paths are to be used only where no other is."""


def chosen(setting: int | None, of_profile: int) -> int:
    """What the owner chose, which may be 0, or else the profile's."""
    return of_profile if setting is None else setting
