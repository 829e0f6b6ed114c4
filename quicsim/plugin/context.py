"""What may a program see of the connection beyond its operation's inputs? It is the second argument.

Paper section 2: an API to access and modify the present connection context. Fields are only ever appended; each change
raises ABI_MINOR.
"""

from __future__ import annotations

from quicsim.operations import Field, Rule, u8, u16, u32, u64
from quicsim.quic.path import MAXIMUM_PATHS

__all__ = ["ABI_MAJOR", "ABI_MINOR", "CONNECTION_FIELDS", "MAXIMUM_PATHS", "PATH_FIELDS", "PATH_RULES",
           "PATH_STRIDE_BYTES"]  # fmt: skip

ABI_MAJOR = 1
ABI_MINOR = 4

PATH_STRIDE_BYTES = 256
"""Assumed: three times what a path has fields for, so that new ones leave every path where it is."""

CONNECTION_FIELDS = (
    Field("now_ns", u64, "connection.now_ns", "the simulation clock"),
    Field("max_ack_delay_ns", u64, "connection.max_ack_delay_ns", "how long this endpoint may delay an ACK"),
    Field("peer_max_ack_delay_ns", u64, "connection.peer_max_ack_delay_ns", "how long the peer may delay an ACK"),
    Field("flow_credit_bytes", u64, "connection.flow.credit", "new stream data that the peer still allows"),
    Field("packets_sent", u64, "connection.counts.packets_sent", "packets sent so far"),
    Field("packets_received", u64, "connection.counts.packets_received", "packets received so far"),
    Field("packets_lost", u64, "connection.counts.packets_lost", "packets declared lost so far"),
    Field("is_client", u8, "connection.is_client", "1: this endpoint opened the connection"),
    Field("handshake_confirmed", u8, "connection.is_confirmed", "1: the handshake is confirmed"),
)

PATH_FIELDS = (
    Field("cwnd_bytes", u64, "path.cwnd_bytes", "congestion window", writable=True),
    Field("ssthresh_bytes", u64, "path.ssthresh_bytes", "slow start threshold", writable=True),
    Field("bytes_in_flight", u64, "path.bytes_in_flight", "bytes sent, not acknowledged and not lost"),
    Field("minimum_window_bytes", u64, "path.minimum_window_bytes", "the window never shrinks below this"),
    Field("latest_rtt_ns", u64, "path.rtt.latest_ns", "the newest round-trip sample"),
    Field("minimum_rtt_ns", u64, "path.rtt.minimum_ns", "the smallest sample so far"),
    Field("smoothed_rtt_ns", u64, "path.rtt.smoothed_ns", "smoothed round-trip time"),
    Field("rtt_variation_ns", u64, "path.rtt.variation_ns", "its mean deviation"),
    Field("deadline_ns", u64, "path.deadline_ns", "when the retransmission timer expires; 0: never"),
    Field("pto_count", u32, "path.pto_count", "timeouts in a row"),
    Field("outstanding_count", u32, "path.outstanding_count", "packets of the application space in flight"),
    Field("datagram_bytes", u16, "path.datagram_bytes", "a full datagram, UDP payload"),
    Field("path_id", u8, "path.path_id", "the path's identifier", maximum=MAXIMUM_PATHS - 1),
    Field("ecn_codepoint", u8, "path.ecn_codepoint", "what datagrams are sent with; set_ecn() sets it", since=1),
    Field("is_open", u8, "path.is_open", "1: both ends know the path, packets may be sent on it", since=2),
    Field("is_potentially_failed", u8, "path.is_potentially_failed",
          "1: its timer ran out, and nothing has arrived on it since", since=2),
    Field("has_rtt_sample", u8, "path.rtt.has_sample", "1: smoothed_rtt_ns rests on a measurement", since=2),
    Field("packets_sent", u64, "path.packets_sent", "packets sent on it so far", since=2),
    Field("paced_until_ns", u64, "path.paced_until_ns", "PacePacket lets nothing in flight out before", since=2),
    Field("window_margin_bytes", u16, "path.window_margin_bytes",
          "what must fit in the window before a packet is begun", since=2),
)  # fmt: skip

PATH_RULES = (
    Rule("cwnd_bytes >= minimum_window_bytes"),
    Rule("cwnd_bytes <= 1 << 62"),
    Rule("ssthresh_bytes <= 1 << 62"),
)
"""What must hold on each path after a program wrote to it."""
