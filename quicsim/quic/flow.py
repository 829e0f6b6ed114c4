"""How much may be sent on the whole connection, and how much have we allowed? RFC 9000 section 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.frames import (
    DataBlockedFrame,
    MaxDataFrame,
    MaxStreamDataFrame,
    StreamDataBlockedFrame,
    StreamsBlockedFrame,
)

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.streams import ReceivingStream, SendingStream

Blocked = DataBlockedFrame | StreamDataBlockedFrame

__all__ = ["FlowControl", "announce_limits_met", "blocked_now", "consume", "grown", "is_still_met", "is_stopped"]


class FlowControl:
    """The connection's two limits, in bytes of stream data over all streams."""

    __slots__ = ("acknowledged_limit", "announced_limit", "consumed", "largest", "limit", "met", "peer_limit",
                 "received", "sent", "updated_ns", "window")  # fmt: skip

    def __init__(self, window: int, largest: int) -> None:
        self.window = window
        self.largest = largest
        """How far the window may grow; 0: it is fixed."""
        self.updated_ns = -1
        """When our limit was raised last; -1: never."""
        self.limit = window
        """What we allow: our MAX_DATA."""
        self.acknowledged_limit = 0
        """The largest that the peer is known to have read; beyond the handshake's."""
        self.received = 0
        self.consumed = 0
        self.peer_limit = 0
        """What the peer allows: its MAX_DATA."""
        self.sent = 0
        self.announced_limit = -1
        """The peer's limit that we last said stops us; -1: none did."""
        self.met: dict[int, SendingStream] = {}
        """Streams of which we said that their own limits stop them; some of them may go on again by now."""

    def begin_anew(self) -> None:
        """Nothing has been sent, and the peer has said nothing of its limits."""
        self.sent = self.peer_limit = 0
        self.announced_limit = -1
        self.met.clear()

    @property
    def credit(self) -> int:
        """The bytes of new stream data that may still be sent."""
        return self.peer_limit - self.sent


def grown(window: int, largest: int, updated_ns: int, now_ns: int, rtt_ns: int) -> int:
    """A receive window, doubled when half of it was used up in less than two round trips since the last update.

    quic-go of 2017; what RFC 9000 section 4.2 calls basing the limit on the round-trip time and the application's rate.
    """
    if updated_ns < 0 or not rtt_ns or now_ns - updated_ns >= 2 * rtt_ns:
        return window
    return max(window, min(2 * window, largest))


def announce_limits_met(
    connection: Connection, stream: SendingStream
) -> list[DataBlockedFrame | StreamDataBlockedFrame]:
    """What is to be said, once a limit, when a stream has more to send than the peer allows (section 4.1)."""
    if stream.sent >= stream.written:
        return []
    frames: list[Blocked] = []
    flow = connection.flow
    if stream.sent == stream.limit > stream.announced_limit:
        stream.announced_limit = stream.limit
        flow.met[stream.stream_id] = stream
        frames.append(StreamDataBlockedFrame(stream.stream_id, stream.limit))
    if flow.sent == flow.peer_limit > flow.announced_limit:
        flow.announced_limit = flow.peer_limit
        frames.append(DataBlockedFrame(flow.peer_limit))
    return frames


def blocked_now(connection: Connection) -> list[Blocked | StreamsBlockedFrame]:
    """What stops this endpoint now, of all that it has said it of (sections 4.1 and 4.6)."""
    flow = connection.flow
    flow.met = {key: stream for key, stream in flow.met.items() if stream.sent == stream.limit < stream.written}
    frames: list[Blocked | StreamsBlockedFrame] = [
        StreamDataBlockedFrame(stream.stream_id, stream.limit) for stream in flow.met.values()
    ]
    if flow.sent == flow.peer_limit == flow.announced_limit and any(
        ready.sent < ready.written for ready in connection.ready_streams
    ):
        frames.append(DataBlockedFrame(flow.peer_limit))
    frames += [
        StreamsBlockedFrame(limits.is_unidirectional, limits.peer_limit)
        for limits in connection.stream_limits
        if limits.waiting and limits.announced_limit == limits.peer_limit
    ]
    return frames


def is_stopped(connection: Connection) -> bool:
    """Whether the application has more to send than the peer's limits allow (section 4.1)."""
    flow = connection.flow
    if flow.sent == flow.peer_limit and any(ready.sent < ready.written for ready in connection.ready_streams):
        return True
    noted = flow.met if connection.profile.announces_limits_met else connection.sending_streams
    return any(stream.sent == stream.limit < stream.written for stream in noted.values())


def is_still_met(connection: Connection, frame: Blocked) -> bool:
    """Whether the limit that a frame names is still the one that stops us (section 13.3)."""
    if isinstance(frame, DataBlockedFrame):
        return frame.limit == connection.flow.peer_limit
    stream = connection.sending_streams[frame.stream_id]
    return frame.limit == stream.limit and not stream.is_reset


def consume(connection: Connection, stream: ReceivingStream, count: int) -> None:
    """The application read so many bytes: announce higher limits if it is time.

    RFC 9000 section 4.2 leaves the moment open.
    """
    connection.flow.consumed += count
    if connection.profile.limits_follow_reading:
        raise_by_what_was_read(connection, stream)
    else:
        renew_half_used(connection, stream)


def raise_by_what_was_read(connection: Connection, stream: ReceivingStream) -> None:
    """A limit below twice what was read rises by as much (picoquic of 2018): the window grows with the transfer."""
    flow = connection.flow
    if 2 * stream.delivered > stream.limit and stream.wants_more:
        stream.limit += 2 * stream.delivered
        connection.announce(MaxStreamDataFrame(stream.stream_id, stream.limit))
    if 2 * flow.consumed > flow.limit:
        flow.limit += 2 * flow.consumed
        connection.announce(MaxDataFrame(flow.limit))


def renew_half_used(connection: Connection, stream: ReceivingStream) -> None:
    """A limit is renewed as soon as half of its window is used up; where the profile says so, the window grows."""
    flow, now_ns = connection.flow, connection.now_ns
    if stream.limit - stream.delivered <= stream.window >> 1 and stream.wants_more:
        largest = connection.profile.largest_max_stream_data_bytes
        window = grown(stream.window, largest, stream.updated_ns, now_ns, tuning_rtt_ns(connection)) if largest else 0
        if window > stream.window:
            stream.window = window
            flow.window = max(flow.window, min(window * 3 // 2, flow.largest))  # as quic-go keeps the two
        stream.updated_ns = now_ns
        stream.limit = stream.delivered + stream.window
        connection.announce(MaxStreamDataFrame(stream.stream_id, stream.limit))
    if flow.limit - flow.consumed <= flow.window >> 1:
        if flow.largest:
            flow.window = grown(flow.window, flow.largest, flow.updated_ns, now_ns, tuning_rtt_ns(connection))
        flow.updated_ns = now_ns
        flow.limit = flow.consumed + flow.window
        connection.announce(MaxDataFrame(flow.limit))


def tuning_rtt_ns(connection: Connection) -> int:
    """The round-trip time that receive windows are tuned by: the longest of the handshake's and those reported."""
    rtt = connection.path.rtt
    return max(rtt.smoothed_ns if rtt.has_sample else 0, *(path.peer_rtt_ns for path in connection.paths))
