"""How many streams may be opened, and what becomes of those beyond? RFC 9000 section 4.6.

A limit counts all streams of a kind, ended ones too: it is raised as they end, so that as many may be open at once as
at the beginning. A stream that the peer does not allow yet is there, and waits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from quicsim.quic.errors import StreamLimitError
from quicsim.quic.flow import announce_limits_met
from quicsim.quic.frames import MAXIMUM_STREAMS, MaxStreamsFrame, StreamsBlockedFrame

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.streams import SendingStream

__all__ = ["StreamLimits", "admit", "await_permission", "limits_of", "on_max_streams", "permit", "stream_ended"]


NOBODY: deque[SendingStream] = deque()
"""Who waits where nobody ever has: a queue of its own would cost each of many connections 600 bytes."""


class StreamLimits:
    """Both ends' limits on streams of one kind, in streams."""

    __slots__ = ("acknowledged_limit", "announced_limit", "ended", "is_unidirectional", "limit", "peer_limit",
                 "waiting", "window")  # fmt: skip

    def __init__(self, window: int, *, is_unidirectional: bool) -> None:
        self.is_unidirectional = is_unidirectional
        self.window = window
        """How many the peer may have open at once."""
        self.limit = window
        """How many it may open in all: our MAX_STREAMS."""
        self.ended = 0
        """How many of the peer's have ended, both ways."""
        self.acknowledged_limit = 0
        """The largest that the peer is known to have read; beyond the handshake's."""
        self.peer_limit = 0
        """How many we may open in all: the peer's MAX_STREAMS."""
        self.announced_limit = -1
        """The peer's limit that we last said keeps us from opening a stream; -1: none did."""
        self.waiting = NOBODY
        """Our streams beyond the peer's limit, in order."""

    def hold(self, stream: SendingStream) -> None:
        """A stream waits, behind those that do."""
        if self.waiting is NOBODY:
            self.waiting = deque()
        self.waiting.append(stream)

    def begin_anew(self) -> None:
        """The peer has said nothing of its limit; whose streams wait is for the caller to say."""
        self.peer_limit = 0
        self.announced_limit = -1
        self.waiting.clear()


def limits_of(connection: Connection, stream_id: int) -> StreamLimits:
    """The limits that count a stream."""
    return connection.stream_limits[stream_id >> 1 & 1]


# What this end may open


def await_permission(connection: Connection, stream: SendingStream) -> None:
    """A new stream of ours waits where the peer does not allow it yet, which the peer is told once."""
    limits = limits_of(connection, stream.stream_id)
    if stream.stream_id >> 2 < limits.peer_limit:
        return
    stream.waits = True
    stream.limit = 0
    limits.hold(stream)
    if connection.is_complete or connection.early_data.may_be_sent:
        tell_of_waiting(connection, limits)


def tell_of_waiting(connection: Connection, limits: StreamLimits) -> None:
    """STREAMS_BLOCKED, once a limit."""
    if not connection.profile.announces_limits_met or limits.announced_limit == limits.peer_limit:
        return
    limits.announced_limit = limits.peer_limit
    connection.announce(StreamsBlockedFrame(limits.is_unidirectional, limits.peer_limit))


def on_max_streams(connection: Connection, frame: MaxStreamsFrame) -> None:
    """The peer allows more streams; one that allows fewer comes late and says nothing (section 4.6)."""
    limits = connection.stream_limits[frame.unidirectional]
    if frame.maximum > limits.peer_limit:
        permit(connection, limits, frame.maximum)


def permit(connection: Connection, limits: StreamLimits, maximum: int) -> None:
    """The peer allows so many streams: those that waited for it go on, in order."""
    limits.peer_limit = maximum
    waiting = limits.waiting
    while waiting and waiting[0].stream_id >> 2 < maximum:
        stream = waiting.popleft()
        stream.waits = False
        stream.limit = connection.peer_max_stream_data
        for ending in (stream.stop_frame, stream.reset_frame):
            if ending is not None:
                connection.announce(ending)
        if stream.has_new():
            connection.ready_streams.append(stream)
        elif connection.profile.announces_limits_met:
            connection.path.application.pending.extend(announce_limits_met(connection, stream))
    if waiting:
        tell_of_waiting(connection, limits)


# What the peer may open


def admit(connection: Connection, stream_id: int) -> None:
    """The peer opens a stream. Raises StreamLimitError for one beyond its limit."""
    limit = limits_of(connection, stream_id).limit
    if stream_id >> 2 >= limit:
        kind = "unidirectional" if stream_id & 2 else "bidirectional"
        raise StreamLimitError(f"stream {stream_id} is number {(stream_id >> 2) + 1} of the {kind}, allowed {limit}")


def stream_ended(connection: Connection, stream_id: int) -> None:
    """A part of a stream ended. Once both have, a stream of the peer's makes room for another one."""
    limits = limits_of(connection, stream_id)
    if limits.window >= MAXIMUM_STREAMS or bool(stream_id & 1) != connection.is_client:
        return
    if not connection.receiving_streams[stream_id].is_over:
        return
    if not stream_id & 2 and not connection.sending_streams[stream_id].is_over:
        return
    limits.ended += 1
    limits.limit = limits.window + limits.ended
    frame = MaxStreamsFrame(limits.is_unidirectional, limits.limit)
    for path in connection.paths:  # one that has not gone out yet says the newest
        pending = path.application.pending
        for index, waiting in enumerate(pending):
            if isinstance(waiting, MaxStreamsFrame) and waiting.unidirectional == frame.unidirectional:
                pending[index] = frame
                return
    connection.announce(frame)
