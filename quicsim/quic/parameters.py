"""What do the endpoints tell each other about themselves? Transport parameters, RFC 9000 section 18."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicsim.quic.errors import TransportParameterError
from quicsim.quic.frames import MAXIMUM_STREAMS
from quicsim.quic.path import MAXIMUM_PATHS
from quicsim.quic.settings import chosen
from quicsim.quic.varint import decode_varint, encode_varint

if TYPE_CHECKING:
    from quicsim.quic.profiles import Profile
    from quicsim.quic.settings import Settings

__all__ = ["DEFAULT_CONNECTION_ID_LIMIT", "TransportParameters", "advertised"]

DEFAULT_CONNECTION_ID_LIMIT = 2
"""How many active connection IDs an endpoint takes that does not say (section 18.2)."""

MICROSECOND_NS = 1_000
MILLISECOND_NS = 1_000_000

_MAX_IDLE_TIMEOUT = 0x01
_MAX_DATA = 0x04
_MAX_STREAM_DATA_BIDI_REMOTE = 0x06
_MAX_STREAMS_BIDI = 0x08
_MAX_STREAMS_UNI = 0x09
_MAX_ACK_DELAY = 0x0B
_ACTIVE_CONNECTION_ID_LIMIT = 0x0E
_MAX_DATAGRAM_FRAME_SIZE = 0x20  # RFC 9221 section 3
_MIN_ACK_DELAY = 0xFF04DE1B  # draft-ietf-quic-ack-frequency-14 section 3
_INITIAL_MAX_PATH_ID = 0x0F739BBC1B666D09  # draft-ietf-quic-multipath; the code point is that of one draft
_PLUGIN_EXCHANGE = 0x50_4C_47  # "PLG"; no registered parameter: the paper's exchange has none


@dataclass(frozen=True, slots=True)
class TransportParameters:
    """One endpoint's parameters. Sizes in bytes, delays in nanoseconds (whole milliseconds on the wire)."""

    max_data: int
    max_stream_data: int
    max_ack_delay_ns: int | None
    """None: not advertised. On the wire it is rounded up: a peer that expects an ACK too soon repeats for nothing."""
    accepts_plugins: bool
    maximum_paths: int = 1
    """How many paths this endpoint uses at most; 1: it knows one only, and says nothing."""
    min_ack_delay_ns: int | None = None
    """This endpoint takes ACK_FREQUENCY frames, for delays from this on; None: it does not. In whole microseconds."""
    idle_timeout_ns: int = 0
    """After how long without anything the connection is closed; 0: never. Rounded up on the wire as well."""
    max_streams: int = MAXIMUM_STREAMS
    """How many bidirectional streams the peer may open to begin with."""
    max_unidirectional_streams: int = 0
    """How many unidirectional ones: the exchange of plugins takes one, also where it refuses them all."""
    active_connection_id_limit: int = DEFAULT_CONNECTION_ID_LIMIT
    """How many connection IDs of its peer's this endpoint takes at a time."""

    max_datagram_frame_bytes: int = 0
    """The largest DATAGRAM frame that this endpoint takes, type and length included; 0: none (RFC 9221)."""

    def encode(self) -> bytes:
        """Identifier, length and value of each parameter (section 18)."""
        values = {_MAX_DATA: self.max_data, _MAX_STREAM_DATA_BIDI_REMOTE: self.max_stream_data}
        values |= {_MAX_STREAMS_BIDI: self.max_streams, _MAX_STREAMS_UNI: self.max_unidirectional_streams}
        if self.max_ack_delay_ns is not None:
            values[_MAX_ACK_DELAY] = -(-self.max_ack_delay_ns // MILLISECOND_NS)
        if self.min_ack_delay_ns is not None:
            values[_MIN_ACK_DELAY] = -(-self.min_ack_delay_ns // MICROSECOND_NS)
        if self.idle_timeout_ns:
            values[_MAX_IDLE_TIMEOUT] = -(-self.idle_timeout_ns // MILLISECOND_NS)
        if self.active_connection_id_limit != DEFAULT_CONNECTION_ID_LIMIT:
            values[_ACTIVE_CONNECTION_ID_LIMIT] = self.active_connection_id_limit
        if self.max_datagram_frame_bytes:
            values[_MAX_DATAGRAM_FRAME_SIZE] = self.max_datagram_frame_bytes
        if self.maximum_paths > 1:
            values[_INITIAL_MAX_PATH_ID] = self.maximum_paths - 1
        encoded = b""
        for identifier, value in values.items():
            content = encode_varint(value)
            encoded += encode_varint(identifier) + encode_varint(len(content)) + content
        if self.accepts_plugins:
            encoded += encode_varint(_PLUGIN_EXCHANGE) + encode_varint(0)
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> TransportParameters:
        """The parameters in `data`; unknown ones are skipped (section 7.4.2).

        Raises FrameEncodingError, TransportParameterError.
        """
        values: dict[int, bytes] = {}
        offset = 0
        while offset < len(data):
            identifier, offset = decode_varint(data, offset)
            length, offset = decode_varint(data, offset)
            values[identifier] = data[offset : offset + length]
            offset += length

        def number(identifier: int, default: int = 0) -> int:
            return decode_varint(values[identifier], 0)[0] if identifier in values else default

        id_limit = number(_ACTIVE_CONNECTION_ID_LIMIT, DEFAULT_CONNECTION_ID_LIMIT)
        if id_limit < DEFAULT_CONNECTION_ID_LIMIT:
            raise TransportParameterError(f"active_connection_id_limit is {id_limit}; the least is 2")
        return cls(
            max_data=number(_MAX_DATA),
            max_stream_data=number(_MAX_STREAM_DATA_BIDI_REMOTE),
            max_ack_delay_ns=number(_MAX_ACK_DELAY) * MILLISECOND_NS if _MAX_ACK_DELAY in values else None,
            accepts_plugins=_PLUGIN_EXCHANGE in values,
            maximum_paths=number(_INITIAL_MAX_PATH_ID) + 1,
            min_ack_delay_ns=number(_MIN_ACK_DELAY) * MICROSECOND_NS if _MIN_ACK_DELAY in values else None,
            idle_timeout_ns=number(_MAX_IDLE_TIMEOUT) * MILLISECOND_NS,
            active_connection_id_limit=id_limit,
            max_streams=number(_MAX_STREAMS_BIDI),
            max_unidirectional_streams=number(_MAX_STREAMS_UNI),
            max_datagram_frame_bytes=number(_MAX_DATAGRAM_FRAME_SIZE),
        )


def advertised(profile: Profile, settings: Settings) -> TransportParameters:
    """What an endpoint with these settings says of itself."""
    own_ns = settings.max_ack_delay_ns
    return TransportParameters(
        max_data=chosen(settings.max_data_bytes, profile.max_data_bytes),
        max_stream_data=chosen(settings.max_stream_data_bytes, profile.max_stream_data_bytes),
        max_ack_delay_ns=chosen(own_ns, profile.max_ack_delay_ns) if profile.max_ack_delay_ns else own_ns,
        accepts_plugins=settings.accepts_plugins,
        maximum_paths=chosen(settings.initial_max_path_id, MAXIMUM_PATHS - 1) + 1 if profile.is_multipath else 1,
        min_ack_delay_ns=settings.min_ack_delay_ns,
        idle_timeout_ns=settings.idle_timeout_ns,
        max_streams=chosen(settings.max_streams, MAXIMUM_STREAMS),
        max_unidirectional_streams=1,
        active_connection_id_limit=chosen(settings.active_connection_id_limit, profile.active_connection_id_limit)
        or DEFAULT_CONNECTION_ID_LIMIT,
        max_datagram_frame_bytes=settings.max_datagram_frame_bytes,
    )
