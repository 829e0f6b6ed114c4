"""Which host stack does an endpoint imitate? Its constants; its behaviour is in the operations' defaults.

`rfc9002`: RFC 9000 and 9002 as written. `picoquic`: the C stack of August 2018 that the paper instrumented. `mp-quic`:
the multipath Go stack of 2017, its other one. `multipath`: `rfc9002` with the IETF's multipath extension.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from quicsim.quic.errors import QuicError

__all__ = ["PROFILES", "Bridge", "Profile", "profile_named"]

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000


class Bridge(StrEnum):
    """How a plugin reaches the connection (paper section 3.3). What it does is the same, what it costs is not."""

    SHARED = "shared"
    """In memory that both see: a field is read when it is touched."""
    COPIED = "copied"
    """In a structure that is filled before each call and read back after it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A stack's constants. Durations in nanoseconds, sizes in bytes of UDP payload or of stream data."""

    name: str
    initial_rtt_ns: int
    initial_window_datagrams: int
    initial_window_limit_bytes: int
    """The initial window is so many datagrams, but at most this (RFC 9002 section 7.2) or two datagrams."""
    least_minimum_window_bytes: int
    """The smallest window is two datagrams, but at least this."""
    datagram_bytes: int
    """A full datagram's UDP payload, to begin with."""
    max_ack_delay_ns: int
    """How long this stack delays an ACK at most, and what it advertises; 0: it advertises nothing."""
    assumed_peer_max_ack_delay_ns: int
    """Taken for the peer's as long as the peer advertises none."""
    max_data_bytes: int
    max_stream_data_bytes: int
    congestion_control: str
    recovery_lasts_minimum_rtt: bool
    maximum_timeouts: int
    """The connection fails at this many timeouts in a row; 0: never."""
    largest_datagram_bytes: int = 0
    """The size that is tried once the handshake is over; 0: none (RFC 9000 section 14.3)."""
    is_multipath: bool = False
    """Whether the stack opens a path on each of the client's addresses."""
    uses_first_path: bool = False
    """Of a stack with several paths: the handshake's carries data as any other, and paths come, rank and go by frames
    (draft-ietf-quic-multipath); else it is left alone once there are more (mp-quic).
    """
    largest_max_data_bytes: int = 0
    """How far the connection's receive window grows by itself; 0: it does not."""
    largest_max_stream_data_bytes: int = 0
    """How far a stream's does."""
    fills_window_beyond_its_end: bool = False
    """Whether a packet is begun as long as the window is not exceeded yet; RFC 9002 section 7 asks that it fits."""
    limits_follow_reading: bool = False
    """Whether a limit below twice what was read rises by as much, so that windows grow with the transfer; else a window
    is renewed when half of it is used up.
    """
    path_report_interval_ns: int = 0
    """How often the peer is told the paths' round-trip times, as long as a stream is open; 0: never."""
    back_off: tuple[int, int] = (1, 2)
    """What a congestion event leaves of the window, as a fraction; RFC 9002 section 7.3.2 halves it."""
    window_packet_bytes: int = 0
    """What a window that is counted in packets takes for one, whatever is sent; 0: a datagram."""
    maximum_window_packets: int = 0
    """A coupled window grows no further; 0: without limit."""
    growth_fraction_bits: int = 32
    """A coupled window's growth is reckoned in so many binary places of a packet, rounded towards none."""
    proportional_rate_reduction: bool = False
    """Whether a window shrinks with what is delivered (RFC 9937, but for BBR); else it is cut at once."""
    takes_ack_frequency: bool = False
    """Whether it knows ACK_FREQUENCY frames (draft-ietf-quic-ack-frequency), where its host is told to use them."""
    undoes_spurious_losses: bool | None = False
    """Whether a controller takes back what it did for losses that prove to be none; None: as its own document has it.

    RFC 9438 section 4.9.2 and the draft of BBR have it done, RFC 9002 does not speak of it.
    """
    hystart: bool = False
    """Whether the first slow start of NewReno and CUBIC ends when the delay grows (RFC 9406)."""
    growth_restarts_on_loss: bool = False
    """Whether what was acknowledged towards the next datagram of NewReno's window is forgotten at a loss."""
    migrates: bool = False
    """Whether it follows a peer to another address, and may change its own (RFC 9000 section 9)."""
    active_connection_id_limit: int = 0
    """How many connection IDs of its peer's it takes at a time, and says so; 0: it says nothing, and issues none."""
    counts_ecn_marks: bool = False
    """Whether it counts the ECN marks of what arrives and reports them (RFC 9000 section 13.4.1)."""
    announces_limits_met: bool = False
    """Whether a sender whom flow control stops says so (RFC 9000 section 4.1)."""
    bridge: Bridge = Bridge.SHARED

    def initial_window_bytes(self, datagram_bytes: int) -> int:
        """The congestion window before the first acknowledgement."""
        packet_bytes = self.window_packet_bytes or datagram_bytes
        limit = max(self.initial_window_limit_bytes, 2 * packet_bytes)
        return min(self.initial_window_datagrams * packet_bytes, limit)

    def minimum_window_bytes(self, datagram_bytes: int) -> int:
        """The smallest congestion window."""
        return max(2 * (self.window_packet_bytes or datagram_bytes), self.least_minimum_window_bytes)


RFC9002 = Profile(
    name="rfc9002",
    initial_rtt_ns=333 * MILLISECOND_NS,  # RFC 9002 section 6.2.2
    initial_window_datagrams=10,  # section 7.2
    initial_window_limit_bytes=14_720,  # section 7.2
    least_minimum_window_bytes=0,  # section 7.2: two datagrams
    datagram_bytes=1_200,  # RFC 9000 section 14: what every path carries
    max_ack_delay_ns=25 * MILLISECOND_NS,  # RFC 9000 section 18.2
    assumed_peer_max_ack_delay_ns=25 * MILLISECOND_NS,  # RFC 9000 section 18.2
    max_data_bytes=15 << 20,  # assumed: Chromium's, kQuicSessionMaxRecvWindowSize,
    max_stream_data_bytes=6 << 20,  # and kQuicStreamMaxRecvWindowSize
    congestion_control="newreno",
    recovery_lasts_minimum_rtt=False,
    maximum_timeouts=0,
    migrates=True,
    active_connection_id_limit=8,
    counts_ecn_marks=True,
    takes_ack_frequency=True,
    undoes_spurious_losses=None,
    hystart=True,
    announces_limits_met=True,
)

PICOQUIC = Profile(
    name="picoquic",
    initial_rtt_ns=250 * MILLISECOND_NS,
    initial_window_datagrams=1_000,  # its initial window is a number of bytes
    initial_window_limit_bytes=15_360,
    least_minimum_window_bytes=3_072,
    datagram_bytes=1_252,
    max_ack_delay_ns=0,  # a draft of 2018 had no such parameter
    assumed_peer_max_ack_delay_ns=0,  # the largest delay observed
    max_data_bytes=1 << 20,
    max_stream_data_bytes=65_535,
    congestion_control="newreno",
    recovery_lasts_minimum_rtt=True,
    maximum_timeouts=6,
    largest_datagram_bytes=1_440,
    growth_restarts_on_loss=True,  # newreno.c of 2018 sets residual_ack to 0 as recovery begins
    limits_follow_reading=True,  # frames.c of 2018, picoquic_prepare_required_max_stream_data_frames
)

MP_QUIC = Profile(
    name="mp-quic",
    initial_rtt_ns=100 * MILLISECOND_NS,
    initial_window_datagrams=32,
    initial_window_limit_bytes=1 << 62,
    least_minimum_window_bytes=0,  # two datagrams
    datagram_bytes=1_350,
    max_ack_delay_ns=25 * MILLISECOND_NS,
    assumed_peer_max_ack_delay_ns=25 * MILLISECOND_NS,
    max_data_bytes=48 << 10,
    max_stream_data_bytes=32 << 10,
    congestion_control="olia",
    recovery_lasts_minimum_rtt=False,
    maximum_timeouts=0,
    back_off=(17, 20),  # 0.85: quic-go's emulation of two connections, where one halves
    window_packet_bytes=1_460,  # quic-go counts its window in TCP segments
    maximum_window_packets=2_500,
    growth_fraction_bits=10,  # its OLIA scales by 1,024, as Linux's does: a window of more packets no longer grows
    # Its sender keeps account for RFC 6937 and nobody asks: whether to send is decided by the bytes in flight and the
    # window, which is cut at once.
    proportional_rate_reduction=False,
    fills_window_beyond_its_end=True,
    is_multipath=True,
    largest_max_data_bytes=24 << 20,
    largest_max_stream_data_bytes=16 << 20,
    path_report_interval_ns=200 * MILLISECOND_NS,  # its run loop's, while a stream is open
    bridge=Bridge.COPIED,  # into a structure for cgo (paper section 3.3)
)

MULTIPATH = replace(RFC9002, name="multipath", is_multipath=True, uses_first_path=True, migrates=False,
                    active_connection_id_limit=2)  # fmt: skip
"""The same with draft-ietf-quic-multipath."""

PROFILES = {profile.name: profile for profile in (RFC9002, PICOQUIC, MP_QUIC, MULTIPATH)}


def profile_named(name: str) -> Profile:
    """The profile of this name. Raises QuicError with the known names."""
    try:
        return PROFILES[name]
    except KeyError:
        raise QuicError(f"there is no profile {name!r}; the profiles are {', '.join(PROFILES)}") from None
