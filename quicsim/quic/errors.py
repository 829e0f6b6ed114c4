"""What can go wrong in a connection, and whose fault is it? RFC 9000 section 20."""

from __future__ import annotations

__all__ = [
    "ConnectionFailed",
    "ConnectionIdLimitError",
    "FinalSizeError",
    "FlowControlError",
    "FrameEncodingError",
    "InvalidTokenError",
    "ProtocolViolation",
    "QuicError",
    "StateError",
    "StreamLimitError",
    "StreamStateError",
    "StreamStateViolation",
    "TransportParameterError",
]


class QuicError(Exception):
    """Anything that a QUIC connection refuses."""


class ProtocolViolation(QuicError):  # noqa: N818
    """The peer broke a rule of the protocol; the connection is closed with this code (RFC 9000 sections 11.1, 20.1)."""

    code = 0x0A
    """PROTOCOL_VIOLATION; each kind below has a code of its own."""

    def __init__(self, message: str, frame_type: int = 0) -> None:
        super().__init__(message)
        self.frame_type = frame_type
        """The type of the frame that broke it; 0: of none in particular."""


class FlowControlError(ProtocolViolation):
    """The peer sent beyond the limit it was given (RFC 9000 section 4.1)."""

    code = 0x03


class FinalSizeError(ProtocolViolation):
    """The peer changed a stream's final size, or sent beyond it (RFC 9000 section 4.5)."""

    code = 0x06


class ConnectionIdLimitError(ProtocolViolation):
    """The peer issued more connection IDs than it was allowed (RFC 9000 section 5.1.1)."""

    code = 0x09


class StreamLimitError(ProtocolViolation):
    """The peer opened more streams than it was allowed (RFC 9000 section 4.6)."""

    code = 0x04


class StreamStateViolation(ProtocolViolation):
    """The peer sent a frame for a stream that is in no state for it (RFC 9000 section 20.1, STREAM_STATE_ERROR)."""

    code = 0x05


class InvalidTokenError(ProtocolViolation):
    """A client came with a token that is not for it (RFC 9000 section 8.1.2)."""

    code = 0x0B


class FrameEncodingError(ProtocolViolation):
    """Bytes that are no frame, or a value that no frame can carry (RFC 9000 section 12.4)."""

    code = 0x07


class TransportParameterError(ProtocolViolation):
    """A transport parameter that no correct peer sends (RFC 9000 section 7.4)."""

    code = 0x08


class StreamStateError(QuicError):
    """The application used a stream in a state that does not allow it: a local mistake."""


class StateError(QuicError):
    """A state machine met an input that its table does not list for the present state."""


class ConnectionFailed(QuicError):  # noqa: N818
    """The connection gave up: too many timeouts in a row."""
