"""What does a connection carry that nobody repeats? DATAGRAM frames, RFC 9221.

Each travels whole, in one frame, as soon as the congestion window has room, ahead of stream data and outside flow
control. What was lost, acknowledged or never sent is told to the application, which decides what it means.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from quicsim.quic.errors import ProtocolViolation, QuicError
from quicsim.quic.frames import DatagramFrame, frame_size
from quicsim.quic.interface import DatagramAcknowledged, DatagramExpired, DatagramLost, DatagramReceived
from quicsim.quic.packet import AEAD_TAG_BYTES, CONNECTION_ID_BYTES
from quicsim.quic.varint import varint_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quicsim.quic.connection import Connection
    from quicsim.quic.frames import Frame
    from quicsim.quic.packet import Packet

__all__ = [
    "DatagramQueue",
    "acknowledged",
    "drop_too_large",
    "largest_data_bytes",
    "on_datagram",
    "report_lost",
    "send",
]

LARGEST_HEADER_BYTES = 1 + CONNECTION_ID_BYTES + 1 + 4
"""A short header with its longest packet number, and the path that mp-quic's names."""


NOTHING: deque[tuple[DatagramFrame, int]] = deque()
"""What waits where nothing was ever sent: a queue of its own would cost each of many connections 600 bytes."""


class DatagramQueue:
    """What waits to be sent. Sizes are of whole frames, in bytes."""

    __slots__ = ("is_used", "limit", "peer_limit", "taken", "waiting")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """The largest frame that we take: our max_datagram_frame_size; 0: none."""
        self.peer_limit = 0
        """The largest that the peer takes; 0: none, or it has not said."""
        self.is_used = False
        """This endpoint has sent any."""
        self.waiting = NOTHING
        """Each with the instant from which on it is not to be sent any more; 0: never."""
        self.taken: list[tuple[DatagramFrame, int]] = []
        """What went into the packet that was assembled last."""

    def take(self, connection: Connection, room_bytes: int) -> tuple[DatagramFrame, int] | None:
        """The next frame, if it fits in `room_bytes`, and its size. Those that are too old go first."""
        waiting = self.waiting
        while waiting:
            frame, expires_ns = waiting[0]
            if 0 < expires_ns <= connection.now_ns:
                waiting.popleft()
                connection.events.append(DatagramExpired(frame.data))
                continue
            size_bytes = frame_size(frame)
            if size_bytes > room_bytes:
                return None
            self.taken.append(waiting.popleft())
            return frame, size_bytes
        return None

    def put_back(self) -> None:
        """The packet that was assembled last does not go out."""
        self.waiting.extendleft(reversed(self.taken))
        self.taken.clear()


def largest_data_bytes(datagram_bytes: int, frame_limit: int) -> int:
    """How much data a frame can carry in a full datagram of this size, to a peer with this limit; below 0: none."""
    behind_type = min(datagram_bytes - LARGEST_HEADER_BYTES - AEAD_TAG_BYTES, frame_limit) - 1
    return next(behind_type - length for length in (1, 2, 4) if varint_size(max(behind_type - length, 0)) <= length)


def send(connection: Connection, data: bytes, expires_ns: int) -> None:
    """Have `data` go out in one frame. Raises QuicError where the peer takes none, or none as large."""
    queue = connection.datagrams
    if not queue.peer_limit:
        raise QuicError(f"{connection.recorder.name}: the peer takes no DATAGRAM frames, or has not said so yet")
    smallest_bytes = min(path.datagram_bytes for path in connection.paths if path.is_open)
    largest = largest_data_bytes(smallest_bytes, queue.peer_limit)
    if len(data) > largest:
        raise QuicError(f"{connection.recorder.name}: a DATAGRAM of {len(data)} bytes; {largest} are the most here")
    if not queue.is_used:
        queue.is_used = True
        queue.waiting = deque()
    queue.waiting.append((DatagramFrame(data), expires_ns))


def on_datagram(connection: Connection, frame: DatagramFrame) -> None:
    """One arrived. Raises ProtocolViolation where this endpoint has not said that it takes any as large (section 3)."""
    limit = connection.datagrams.limit
    if frame_size(frame) > limit:
        raise ProtocolViolation(f"a DATAGRAM frame of {frame_size(frame)} bytes, allowed {limit}")
    connection.events.append(DatagramReceived(frame.data))


def drop_too_large(connection: Connection, room_bytes: int) -> None:
    """Give up what does not fit in so much: a whole packet's room, where a plugin has made its header larger than ours
    are, or what a server takes that rejected 0-RTT.
    """
    queue = connection.datagrams
    for entry in [entry for entry in queue.waiting if frame_size(entry[0]) > room_bytes]:
        queue.waiting.remove(entry)
        connection.events.append(DatagramLost(entry[0].data))


def acknowledged(connection: Connection, frame: DatagramFrame) -> None:
    """The peer's stack has it; whether its application has, nobody knows (section 5.2)."""
    connection.events.append(DatagramAcknowledged(frame.data))


def report_lost(connection: Connection, packets: Iterable[Packet]) -> None:
    """Tell the application of what these packets carried; one may still be acknowledged later (section 5.2)."""
    if connection.datagrams.is_used:
        frames: Iterable[Frame] = (frame for packet in packets for frame in packet.frames)
        connection.events.extend(DatagramLost(frame.data) for frame in frames if isinstance(frame, DatagramFrame))
