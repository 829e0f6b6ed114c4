"""What may an endpoint's owner choose of a connection? RFC 9000 leaves each of these to the endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from quicsim.randomness import Streams

__all__ = ["DEFAULT_SCHEDULER", "Settings", "chosen"]

DEFAULT_SCHEDULER = "lowest-rtt"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an endpoint's owner chooses; None: the profile's value."""

    congestion_control: str | None = None
    datagram_bytes: int | None = None
    max_ack_delay_ns: int | None = None
    """Advertised to the peer."""
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
