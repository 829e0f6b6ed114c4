"""Which frames are there, and what does each say? Small immutable values, one class a frame. RFC 9000 section 19.

Their sizes and bytes are in quicsim.quic.frames, the one table. A packet carries these values themselves.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "ACK_DELAY_UNIT_NS",
    "PLUGIN_FRAME_TYPES",
    "AckFrame",
    "AckFrequencyFrame",
    "ConnectionCloseFrame",
    "CryptoFrame",
    "DataBlockedFrame",
    "DatagramFrame",
    "EcnCounts",
    "Frame",
    "HandshakeDoneFrame",
    "ImmediateAckFrame",
    "MaxDataFrame",
    "MaxPathIdFrame",
    "MaxStreamDataFrame",
    "MaxStreamsFrame",
    "NewConnectionIdFrame",
    "NewTokenFrame",
    "PaddingFrame",
    "PathAbandonFrame",
    "PathAckFrame",
    "PathAvailableFrame",
    "PathBackupFrame",
    "PathChallengeFrame",
    "PathCidsBlockedFrame",
    "PathNewConnectionIdFrame",
    "PathResponseFrame",
    "PathRetireConnectionIdFrame",
    "PathsBlockedFrame",
    "PathsFrame",
    "PingFrame",
    "PluginFrame",
    "ResetStreamFrame",
    "RetireConnectionIdFrame",
    "StopSendingFrame",
    "StreamDataBlockedFrame",
    "StreamFrame",
    "StreamsBlockedFrame",
]

ACK_DELAY_UNIT_NS = 8_000
"""ACK delays travel in units of 2**3 microseconds, the default ack_delay_exponent (RFC 9000 section 18.2)."""


class PaddingFrame(NamedTuple):
    """`length` PADDING frames of one byte each. Section 19.1."""

    length: int


class PingFrame(NamedTuple):
    """Asks for an acknowledgement and nothing else. Section 19.2."""


class EcnCounts(NamedTuple):
    """How many packets of a space have arrived with each codepoint (section 19.3.2)."""

    ect_0: int
    ect_1: int
    ce: int


class AckFrame(NamedTuple):
    """Acknowledges `ranges`: (first, last) packet numbers, both included, descending. Section 19.3."""

    ranges: tuple[tuple[int, int], ...]
    delay: int
    """In units of ACK_DELAY_UNIT_NS."""
    ecn: EcnCounts | None = None
    """None: nothing that arrived was marked, and the frame says nothing of it."""

    @property
    def range_count(self) -> int:
        """How many ranges the frame carries."""
        return len(self.ranges)


class PathAckFrame(NamedTuple):
    """An AckFrame for the packets of a path, on whichever path it travels. draft-ietf-quic-multipath, PATH_ACK."""

    path_id: int
    ranges: tuple[tuple[int, int], ...]
    delay: int
    ecn: EcnCounts | None = None

    @property
    def range_count(self) -> int:
        """How many ranges the frame carries."""
        return len(self.ranges)


class PathAbandonFrame(NamedTuple):
    """The sender gives a path up. draft-ietf-quic-multipath, PATH_ABANDON."""

    path_id: int
    error_code: int


class PathBackupFrame(NamedTuple):
    """A path is to be used only where no other is. draft-ietf-quic-multipath, PATH_STATUS_BACKUP."""

    path_id: int
    sequence_number: int


class PathAvailableFrame(NamedTuple):
    """A path is to be used as any other. draft-ietf-quic-multipath, PATH_STATUS_AVAILABLE."""

    path_id: int
    sequence_number: int


class PathNewConnectionIdFrame(NamedTuple):
    """A connection ID for the peer to use on a path. draft-ietf-quic-multipath, PATH_NEW_CONNECTION_ID."""

    path_id: int
    sequence_number: int
    retire_prior_to: int
    connection_id: bytes
    stateless_reset_token: bytes


class PathRetireConnectionIdFrame(NamedTuple):
    """The sender uses a path's connection ID no more. draft-ietf-quic-multipath, PATH_RETIRE_CONNECTION_ID."""

    path_id: int
    sequence_number: int


class MaxPathIdFrame(NamedTuple):
    """The largest path identifier that the sender takes. draft-ietf-quic-multipath, MAX_PATH_ID."""

    maximum: int


class PathsBlockedFrame(NamedTuple):
    """That limit keeps the sender from opening a path. draft-ietf-quic-multipath, PATHS_BLOCKED."""

    limit: int


class PathCidsBlockedFrame(NamedTuple):
    """The lack of a connection ID keeps it from opening this one. draft-ietf-quic-multipath, PATH_CIDS_BLOCKED."""

    path_id: int
    next_sequence_number: int


class PathsFrame(NamedTuple):
    """The smoothed round-trip times that the sender sees: (path, microseconds), 0 for unknown. mp-quic's PATHS frame.

    The type's number is assumed: mp-quic's own lies in gQUIC's numbering.
    """

    paths: tuple[tuple[int, int], ...]


class ResetStreamFrame(NamedTuple):
    """The sender ends a stream early, at `final_size` bytes. Section 19.4."""

    stream_id: int
    error_code: int
    final_size: int


class StopSendingFrame(NamedTuple):
    """The receiver reads no more of a stream. Section 19.5."""

    stream_id: int
    error_code: int


class CryptoFrame(NamedTuple):
    """Bytes of the handshake. Section 19.6."""

    offset: int
    data: bytes


class NewTokenFrame(NamedTuple):
    """A token for the client's next connection. Section 19.7."""

    token: bytes


class StreamFrame(NamedTuple):
    """`length` bytes of a stream from `offset` on; `data` is None where the content does not matter. Section 19.8."""

    stream_id: int
    offset: int
    length: int
    fin: bool
    data: bytes | None = None


class MaxDataFrame(NamedTuple):
    """The connection's new limit. Section 19.9."""

    maximum: int


class MaxStreamDataFrame(NamedTuple):
    """A stream's new limit. Section 19.10."""

    stream_id: int
    maximum: int


class MaxStreamsFrame(NamedTuple):
    """How many streams of one kind the peer may open in all. Section 19.11."""

    unidirectional: bool
    maximum: int


class DataBlockedFrame(NamedTuple):
    """The connection's limit keeps its sender from sending. Section 19.12."""

    limit: int


class StreamDataBlockedFrame(NamedTuple):
    """A stream's limit does. Section 19.13."""

    stream_id: int
    limit: int


class StreamsBlockedFrame(NamedTuple):
    """The limit on streams of one kind keeps the sender from opening one. Section 19.14."""

    unidirectional: bool
    limit: int


class NewConnectionIdFrame(NamedTuple):
    """A connection ID for the peer to use, on a new path for instance. Section 19.15."""

    sequence_number: int
    retire_prior_to: int
    connection_id: bytes
    stateless_reset_token: bytes


class RetireConnectionIdFrame(NamedTuple):
    """The sender uses a connection ID no more. Section 19.16."""

    sequence_number: int


class PathChallengeFrame(NamedTuple):
    """Eight bytes that whoever reads them must send back. Section 19.17."""

    data: bytes


class PathResponseFrame(NamedTuple):
    """The eight bytes of a PATH_CHALLENGE. Section 19.18."""

    data: bytes


class ConnectionCloseFrame(NamedTuple):
    """The sender is done with the connection. Section 19.19."""

    error_code: int
    frame_type: int | None
    """Which frame was wrong, 0 for none in particular; None: the application closes, and its is the error code."""
    reason: bytes = b""


class HandshakeDoneFrame(NamedTuple):
    """The server confirms the handshake. Section 19.20."""


class DatagramFrame(NamedTuple):
    """Data that nobody repeats. RFC 9221 section 4."""

    data: bytes


class AckFrequencyFrame(NamedTuple):
    """How the sender would like to be acknowledged. draft-ietf-quic-ack-frequency-14 section 4."""

    sequence_number: int
    ack_eliciting_threshold: int
    """So many ack-eliciting packets may arrive without an ACK."""
    requested_max_ack_delay_us: int
    reordering_threshold: int
    """So far out of order a packet is acknowledged at once; 0: never."""


class ImmediateAckFrame(NamedTuple):
    """Asks for an acknowledgement at once. draft-ietf-quic-ack-frequency-14 section 5."""


PLUGIN_FRAME_TYPES = range(0x1C00, 0x1D00)
"""Assumed: a block of two-byte types that all begin with the byte 0x5C.

RFC 9000 section 22.4 keeps the one-byte types (up to 0x3f) for standards (0x30 and 0x31 are RFC 9221's); of the others
these 256 are in nobody's registration.
"""


class PluginFrame(NamedTuple):
    """A frame that only plugins understand: type, length, bytes. Who does not know the type skips it.

    The type's lowest bit tells, also those who skip it, whether the frame asks for an acknowledgement: even types do.
    """

    frame_type: int
    data: bytes

    @property
    def length(self) -> int:
        """The bytes behind type and length."""
        return len(self.data)

    @property
    def ack_eliciting(self) -> bool:
        """Whether a packet with this frame asks for an acknowledgement."""
        return not self.frame_type & 1


Frame = (
    PaddingFrame | PingFrame | AckFrame | PathAckFrame | PathsFrame | ResetStreamFrame | StopSendingFrame | CryptoFrame
    | NewTokenFrame | StreamFrame | MaxDataFrame | MaxStreamDataFrame | MaxStreamsFrame | DataBlockedFrame
    | StreamDataBlockedFrame | StreamsBlockedFrame | NewConnectionIdFrame | RetireConnectionIdFrame | PathChallengeFrame
    | PathResponseFrame | PathAbandonFrame | PathBackupFrame | PathAvailableFrame | PathNewConnectionIdFrame
    | PathRetireConnectionIdFrame | MaxPathIdFrame | PathsBlockedFrame | PathCidsBlockedFrame | ConnectionCloseFrame
    | HandshakeDoneFrame | AckFrequencyFrame | ImmediateAckFrame | DatagramFrame | PluginFrame
)  # fmt: skip
