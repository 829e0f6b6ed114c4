"""What may an endpoint's owner choose of a connection? RFC 9000 leaves each of these to the endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from quicsim.randomness import Streams

__all__ = ["DEFAULT_SCHEDULER", "AckFrequency", "Settings", "chosen"]

DEFAULT_SCHEDULER = "lowest-rtt"


@dataclass(frozen=True, slots=True)
class AckFrequency:
    """How seldom a peer is asked to acknowledge, at most (draft-ietf-quic-ack-frequency-14 section 4)."""

    ack_eliciting_threshold: int
    """So many packets that ask for an ACK may arrive without one."""
    max_ack_delay_ns: int
    reordering_threshold: int
    """So far out of order a packet is acknowledged at once; 0: never."""


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
    certificate_chain_bytes: int = 3_000
    """Assumed: between a short ECDSA chain and a long RSA chain."""
    accepts_plugins: bool = True
    ecn: bool = False
    """Whether packets are marked as ECN-capable, where the path turns out to carry marks (RFC 9000 section 13.4)."""
    streams: Streams = field(default_factory=lambda: Streams(0, 0))
    """Where chance comes from, each path's under the endpoint's name."""
    idle_timeout_ns: int = 0
    """The connection is closed when nothing has happened for so long (RFC 9000 section 10.1); 0: it waits for ever."""
    address_count: int = 1
    """How many addresses the client has. With two or more, and a stack that can, it opens a path on each."""
    scheduler: str = DEFAULT_SCHEDULER
    """Of `quicsim.quic.schedulers`, for a stack whose paths are scheduled so."""
    backup_paths: tuple[int, ...] = ()
    """Which of a client's additional paths are to be used only where no other is."""


def chosen(setting: int | None, of_profile: int) -> int:
    """What the owner chose, which may be 0, or else the profile's."""
    return of_profile if setting is None else setting
