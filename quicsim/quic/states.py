"""Which states are there, and what leads from one to the next? Every finite state machine as a table.

RFC 9000 sections 3 (streams), 4.1.2 of RFC 9001 (handshake confirmation), 8 (path validation); paper figure 1
(sending). A table maps (state, input) to the next state; whatever it does not list is an error of the caller.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from quicsim.quic.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CONNECTION",
    "EARLY_DATA",
    "ECN",
    "MACHINES",
    "PATH",
    "RECEIVING_STREAM",
    "SENDING_PROCESS",
    "SENDING_STREAM",
    "ConnectionInput",
    "ConnectionState",
    "EarlyDataInput",
    "EarlyDataState",
    "EcnInput",
    "EcnState",
    "Machine",
    "PathInput",
    "PathState",
    "ReceivingStreamInput",
    "ReceivingStreamState",
    "SendingProcessInput",
    "SendingProcessState",
    "SendingStreamInput",
    "SendingStreamState",
    "advance",
]

S = TypeVar("S", bound=enum.Enum)
I = TypeVar("I", bound=enum.Enum)  # noqa: E741


def advance(table: Mapping[tuple[S, I], S], state: S, given: I) -> S:
    """The state that follows. Raises StateError, naming what the state would accept, for an input not in the table."""
    try:
        return table[state, given]
    except KeyError:
        allowed = ", ".join(i.name for s, i in table if s is state) or "nothing"
        raise StateError(f"{type(state).__name__} {state.name} accepts {allowed}; not {given.name}") from None


class ConnectionState(enum.Enum):
    """How far the handshake has come, and how the connection ends; one that failed gave up on an unanswering peer."""

    IDLE = "idle"
    HANDSHAKING = "handshaking"
    COMPLETE = "complete"
    CONFIRMED = "confirmed"
    CLOSING = "closing"
    DRAINING = "draining"
    CLOSED = "closed"
    FAILED = "failed"


class ConnectionInput(enum.Enum):
    """What moves a connection."""

    START = enum.auto()
    HANDSHAKE_COMPLETE = enum.auto()
    HANDSHAKE_CONFIRMED = enum.auto()
    CLOSE = enum.auto()
    PEER_CLOSED = enum.auto()
    PERIOD_OVER = enum.auto()
    IDLE_TIMEOUT = enum.auto()
    GIVE_UP = enum.auto()


LIVING = (ConnectionState.HANDSHAKING, ConnectionState.COMPLETE, ConnectionState.CONFIRMED)

CONNECTION: Mapping[tuple[ConnectionState, ConnectionInput], ConnectionState] = {
    (ConnectionState.IDLE, ConnectionInput.START): ConnectionState.HANDSHAKING,
    (ConnectionState.IDLE, ConnectionInput.PEER_CLOSED): ConnectionState.DRAINING,  # what came before it was lost
    (ConnectionState.HANDSHAKING, ConnectionInput.HANDSHAKE_COMPLETE): ConnectionState.COMPLETE,
    (ConnectionState.COMPLETE, ConnectionInput.HANDSHAKE_CONFIRMED): ConnectionState.CONFIRMED,
    **{(state, ConnectionInput.CLOSE): ConnectionState.CLOSING for state in LIVING},
    **{(state, ConnectionInput.PEER_CLOSED): ConnectionState.DRAINING for state in LIVING},
    **{(state, ConnectionInput.IDLE_TIMEOUT): ConnectionState.CLOSED for state in LIVING},
    **{(state, ConnectionInput.GIVE_UP): ConnectionState.FAILED for state in LIVING},
    (ConnectionState.CLOSING, ConnectionInput.PEER_CLOSED): ConnectionState.DRAINING,
    (ConnectionState.CLOSING, ConnectionInput.PERIOD_OVER): ConnectionState.CLOSED,
    (ConnectionState.DRAINING, ConnectionInput.PERIOD_OVER): ConnectionState.CLOSED,
}


class EarlyDataState(enum.Enum):
    """What becomes of application data before the handshake is complete."""

    NONE = "none"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class EarlyDataInput(enum.Enum):
    """The client's ClientHello, and the server's EncryptedExtensions."""

    OFFER = enum.auto()
    ACCEPT = enum.auto()
    REJECT = enum.auto()


EARLY_DATA: Mapping[tuple[EarlyDataState, EarlyDataInput], EarlyDataState] = {
    (EarlyDataState.NONE, EarlyDataInput.OFFER): EarlyDataState.OFFERED,
    (EarlyDataState.OFFERED, EarlyDataInput.ACCEPT): EarlyDataState.ACCEPTED,
    (EarlyDataState.OFFERED, EarlyDataInput.REJECT): EarlyDataState.REJECTED,
}


class PathState(enum.Enum):
    """Whether the peer is known to receive at its address (RFC 9000 section 8)."""

    UNVALIDATED = "unvalidated"
    VALIDATING = "validating"
    VALIDATED = "validated"
    FAILED = "failed"


class PathInput(enum.Enum):
    """What validates an address, and what makes another one of it."""

    HANDSHAKE_PACKET = enum.auto()
    TOKEN = enum.auto()
    ADDRESS_CHANGED = enum.auto()
    CHALLENGE_SENT = enum.auto()
    RESPONSE = enum.auto()
    TIMEOUT = enum.auto()
    FALL_BACK = enum.auto()


PATH: Mapping[tuple[PathState, PathInput], PathState] = {
    (PathState.UNVALIDATED, PathInput.HANDSHAKE_PACKET): PathState.VALIDATED,
    (PathState.UNVALIDATED, PathInput.TOKEN): PathState.VALIDATED,
    (PathState.VALIDATED, PathInput.HANDSHAKE_PACKET): PathState.VALIDATED,
    **{(state, PathInput.ADDRESS_CHANGED): PathState.UNVALIDATED for state in PathState},
    (PathState.UNVALIDATED, PathInput.CHALLENGE_SENT): PathState.VALIDATING,
    (PathState.VALIDATING, PathInput.CHALLENGE_SENT): PathState.VALIDATING,
    (PathState.VALIDATING, PathInput.RESPONSE): PathState.VALIDATED,
    (PathState.VALIDATING, PathInput.TIMEOUT): PathState.FAILED,
    # The challenge was short, for want of room; a full one follows (section 8.2.1).
    (PathState.VALIDATED, PathInput.CHALLENGE_SENT): PathState.VALIDATED,
    (PathState.VALIDATED, PathInput.RESPONSE): PathState.VALIDATED,
    (PathState.VALIDATED, PathInput.TIMEOUT): PathState.VALIDATED,
    (PathState.FAILED, PathInput.FALL_BACK): PathState.VALIDATED,
}


class EcnState(enum.Enum):
    """Whether a path carries ECN marks (RFC 9000 appendix A.4); `failed` marks no more."""

    TESTING = "testing"
    UNKNOWN = "unknown"
    CAPABLE = "capable"
    FAILED = "failed"


class EcnInput(enum.Enum):
    """What a test of a path's marks meets."""

    TEST_OVER = enum.auto()
    MARKS_COUNTED = enum.auto()
    COUNTS_WRONG = enum.auto()
    ALL_LOST = enum.auto()
    ADDRESS_CHANGED = enum.auto()


ECN: Mapping[tuple[EcnState, EcnInput], EcnState] = {
    (EcnState.TESTING, EcnInput.TEST_OVER): EcnState.UNKNOWN,
    (EcnState.TESTING, EcnInput.MARKS_COUNTED): EcnState.CAPABLE,
    (EcnState.TESTING, EcnInput.COUNTS_WRONG): EcnState.FAILED,
    (EcnState.UNKNOWN, EcnInput.MARKS_COUNTED): EcnState.CAPABLE,
    (EcnState.UNKNOWN, EcnInput.COUNTS_WRONG): EcnState.FAILED,
    (EcnState.UNKNOWN, EcnInput.ALL_LOST): EcnState.FAILED,
    (EcnState.CAPABLE, EcnInput.COUNTS_WRONG): EcnState.FAILED,
    **{(state, EcnInput.ADDRESS_CHANGED): EcnState.TESTING for state in EcnState},
}


class SendingProcessState(enum.IntEnum):
    """What the sending process of figure 1 waits for."""

    APPLICATION_LIMITED = enum.auto()
    AMPLIFICATION_LIMITED = enum.auto()
    CONGESTION_LIMITED = enum.auto()
    PACING_LIMITED = enum.auto()


class SendingProcessInput(enum.IntEnum):
    """Why a run of the sending process ended."""

    NOTHING_LEFT = enum.auto()
    AMPLIFICATION_LIMIT = enum.auto()
    WINDOW_FULL = enum.auto()
    PACED = enum.auto()


SENDING_PROCESS: Mapping[tuple[SendingProcessState, SendingProcessInput], SendingProcessState] = {
    (state, given): following
    for state in SendingProcessState
    for given, following in (
        (SendingProcessInput.NOTHING_LEFT, SendingProcessState.APPLICATION_LIMITED),
        (SendingProcessInput.AMPLIFICATION_LIMIT, SendingProcessState.AMPLIFICATION_LIMITED),
        (SendingProcessInput.WINDOW_FULL, SendingProcessState.CONGESTION_LIMITED),
        (SendingProcessInput.PACED, SendingProcessState.PACING_LIMITED),
    )
}


class SendingStreamState(enum.Enum):
    """RFC 9000 section 3.1, figure 2."""

    READY = "ready"
    SEND = "send"
    DATA_SENT = "data sent"
    DATA_RECEIVED = "data received"
    RESET_SENT = "reset sent"
    RESET_RECEIVED = "reset received"


class SendingStreamInput(enum.Enum):
    """What moves the sending part of a stream."""

    SEND_DATA = enum.auto()
    SEND_FIN = enum.auto()
    ALL_ACKNOWLEDGED = enum.auto()
    SEND_RESET = enum.auto()
    RESET_ACKNOWLEDGED = enum.auto()


SENDING_STREAM: Mapping[tuple[SendingStreamState, SendingStreamInput], SendingStreamState] = {
    (SendingStreamState.READY, SendingStreamInput.SEND_DATA): SendingStreamState.SEND,
    (SendingStreamState.READY, SendingStreamInput.SEND_FIN): SendingStreamState.DATA_SENT,
    (SendingStreamState.SEND, SendingStreamInput.SEND_DATA): SendingStreamState.SEND,
    (SendingStreamState.SEND, SendingStreamInput.SEND_FIN): SendingStreamState.DATA_SENT,
    (SendingStreamState.DATA_SENT, SendingStreamInput.ALL_ACKNOWLEDGED): SendingStreamState.DATA_RECEIVED,
    (SendingStreamState.READY, SendingStreamInput.SEND_RESET): SendingStreamState.RESET_SENT,
    (SendingStreamState.SEND, SendingStreamInput.SEND_RESET): SendingStreamState.RESET_SENT,
    (SendingStreamState.DATA_SENT, SendingStreamInput.SEND_RESET): SendingStreamState.RESET_SENT,
    (SendingStreamState.RESET_SENT, SendingStreamInput.RESET_ACKNOWLEDGED): SendingStreamState.RESET_RECEIVED,
}


class ReceivingStreamState(enum.Enum):
    """RFC 9000 section 3.2, figure 3. An application reads at once: all data that was received is read."""

    RECEIVE = "receive"
    SIZE_KNOWN = "size known"
    DATA_READ = "data read"
    RESET_RECEIVED = "reset received"
    RESET_READ = "reset read"


class ReceivingStreamInput(enum.Enum):
    """What moves the receiving part of a stream."""

    RECEIVE_FIN = enum.auto()
    RECEIVE_ALL = enum.auto()
    RECEIVE_RESET = enum.auto()
    READ_RESET = enum.auto()


ENDED = (ReceivingStreamState.DATA_READ, ReceivingStreamState.RESET_RECEIVED, ReceivingStreamState.RESET_READ)

RECEIVING_STREAM: Mapping[tuple[ReceivingStreamState, ReceivingStreamInput], ReceivingStreamState] = {
    (ReceivingStreamState.RECEIVE, ReceivingStreamInput.RECEIVE_FIN): ReceivingStreamState.SIZE_KNOWN,
    (ReceivingStreamState.SIZE_KNOWN, ReceivingStreamInput.RECEIVE_FIN): ReceivingStreamState.SIZE_KNOWN,
    (ReceivingStreamState.SIZE_KNOWN, ReceivingStreamInput.RECEIVE_ALL): ReceivingStreamState.DATA_READ,
    (ReceivingStreamState.RECEIVE, ReceivingStreamInput.RECEIVE_RESET): ReceivingStreamState.RESET_RECEIVED,
    (ReceivingStreamState.SIZE_KNOWN, ReceivingStreamInput.RECEIVE_RESET): ReceivingStreamState.RESET_RECEIVED,
    (ReceivingStreamState.RESET_RECEIVED, ReceivingStreamInput.READ_RESET): ReceivingStreamState.RESET_READ,
    # What comes late, or twice, changes nothing any more.
    **{
        (state, given): state
        for state in ENDED
        for given in (ReceivingStreamInput.RECEIVE_FIN, ReceivingStreamInput.RECEIVE_RESET)
    },
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A table with what a reader needs to know of it: the command line, the documentation and the tests go by these."""

    title: str
    source: str
    states: type[enum.Enum]
    inputs: type[enum.Enum]
    table: Mapping[tuple[Any, Any], Any]

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        """State, input and the state that follows, by their names, in the table's order."""
        return [
            (_words(state.name), given.name, _words(following.name)) for (state, given), following in self.table.items()
        ]

    @property
    def state_names(self) -> list[str]:
        """Every state's name, in the order of their declaration; the first one is where the machine begins."""
        return [_words(state.name) for state in self.states]


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


MACHINES: Mapping[str, Machine] = {
    "connection": Machine(
        "How far a connection has come, and how it ends",
        "RFC 9000 section 10; RFC 9001 section 4.1",
        ConnectionState,
        ConnectionInput,
        CONNECTION,
    ),
    "early-data": Machine(
        "Whether data may go before the handshake is complete",
        "RFC 9001 section 4.6",
        EarlyDataState,
        EarlyDataInput,
        EARLY_DATA,
    ),
    "path": Machine(
        "Whether the peer receives at its address", "RFC 9000 sections 8 and 9", PathState, PathInput, PATH
    ),
    "ecn": Machine("Whether a path carries ECN marks", "RFC 9000 appendix A.4", EcnState, EcnInput, ECN),
    "sending-process": Machine(
        "What the sending process waits for",
        "paper section 2, figure 1",
        SendingProcessState,
        SendingProcessInput,
        SENDING_PROCESS,
    ),
    "sending-stream": Machine(
        "How much of a stream is sent",
        "RFC 9000 section 3.1, figure 2",
        SendingStreamState,
        SendingStreamInput,
        SENDING_STREAM,
    ),
    "receiving-stream": Machine(
        "How much of a stream has arrived",
        "RFC 9000 section 3.2, figure 3",
        ReceivingStreamState,
        ReceivingStreamInput,
        RECEIVING_STREAM,
    ),
}
"""Every state machine, by the name that `quicsim fsm` knows it by."""
