"""Which bytes of a stream are to send, which have arrived? RFC 9000 sections 2 to 4.

Content is optional: where nobody reads it, a stream is a count of bytes; where somebody does (the handshake, a plugin's
code), the very bytes travel. Handshake data uses the same buffers without flow control.
"""

from __future__ import annotations

from quicsim.quic.errors import FinalSizeError, FlowControlError, StreamStateError
from quicsim.quic.frames import (
    CryptoFrame,
    ResetStreamFrame,
    StopSendingFrame,
    StreamFrame,
    frame_size,
    stream_frame_overhead,
)
from quicsim.quic.ranges import RangeSet
from quicsim.quic.states import (
    ENDED,
    RECEIVING_STREAM,
    SENDING_STREAM,
    ReceivingStreamInput,
    ReceivingStreamState,
    SendingStreamInput,
    SendingStreamState,
    advance,
)
from quicsim.quic.varint import varint_size

__all__ = ["CryptoStream", "ReceivingStream", "SendingStream"]

_RESET = (SendingStreamState.RESET_SENT, SendingStreamState.RESET_RECEIVED)
_SENT = (SendingStreamState.DATA_RECEIVED, SendingStreamState.RESET_RECEIVED)


class SendingStream:
    """The sending part of a stream. Offsets and limits are in bytes."""

    __slots__ = ("acknowledged", "announced_limit", "content", "fin_acknowledged", "fin_sent", "fin_written", "limit",
                 "reset_frame", "sent", "state", "stop_frame", "stream_id", "waits", "written")  # fmt: skip

    def __init__(self, stream_id: int, limit: int) -> None:
        self.stream_id = stream_id
        self.limit = limit
        """The peer's MAX_STREAM_DATA."""
        self.announced_limit = -1
        """The limit that we last said stops this stream; -1: none did."""
        self.waits = False
        """The peer does not allow so many streams yet."""
        self.reset_frame: ResetStreamFrame | None = None
        """What ended it early."""
        self.stop_frame: StopSendingFrame | None = None
        """What is to be said of the peer's part of the stream as soon as it may be opened."""
        self.written = 0
        self.sent = 0
        self.content: bytearray | None = None
        self.fin_written = False
        self.fin_sent = False
        self.fin_acknowledged = False
        self.acknowledged = RangeSet()
        self.state = SendingStreamState.READY

    def write(self, data: int | bytes, *, fin: bool) -> None:
        """Append bytes, or a number of bytes without content. A stream has content always or never."""
        if self.state in _RESET:
            raise StreamStateError(f"stream {self.stream_id} was reset; nothing can be written any more")
        if self.fin_written:
            raise StreamStateError(f"stream {self.stream_id} is finished; nothing can be written behind its end")
        if isinstance(data, bytes):
            if self.content is None:
                if self.written:
                    raise StreamStateError(f"stream {self.stream_id} carries counted bytes; content cannot follow")
                self.content = bytearray()
            self.content += data
            self.written += len(data)
        else:
            if self.content is not None and data:
                raise StreamStateError(f"stream {self.stream_id} carries content; counted bytes cannot follow")
            self.written += data
        self.fin_written = fin

    def has_new(self) -> bool:
        """Whether there is something that was never sent and that the stream's limit allows."""
        if self.sent < self.written:
            return self.sent < self.limit
        return self.fin_written and not self.fin_sent and not self.waits

    def take(self, room_bytes: int, connection_credit: int) -> tuple[StreamFrame, int] | None:
        """A frame of new data that fits in `room_bytes`, and its size; None when not one byte does."""
        offset = self.sent
        left = self.written - offset
        overhead = stream_frame_overhead(self.stream_id, offset, room_bytes)
        length = room_bytes - overhead
        if length > connection_credit:
            length = connection_credit
        if length > self.limit - offset:
            length = self.limit - offset
        if length >= left:
            length = left
        fin = self.fin_written and length == left
        if length < 0 or (length == 0 and not fin):
            return None
        data = None if self.content is None else bytes(self.content[offset : offset + length])
        self.sent = offset + length
        if fin:
            self.fin_sent = True
            self.state = advance(SENDING_STREAM, self.state, SendingStreamInput.SEND_FIN)
        elif self.state is SendingStreamState.READY:
            self.state = advance(SENDING_STREAM, self.state, SendingStreamInput.SEND_DATA)
        # What StreamFrame(...) does, without the detour through its Python constructor.
        frame = tuple.__new__(StreamFrame, (self.stream_id, offset, length, fin, data))
        if length >= 64 and room_bytes < 16_384:  # the length takes two bytes, as it would if all of the room were used
            return frame, overhead + length
        return frame, frame_size(frame)

    def acknowledge(self, frame: StreamFrame) -> bool:
        """The peer has the frame's bytes. Whether it has all with them."""
        self.acknowledged.add(frame.offset, frame.offset + frame.length)
        if frame.fin:
            self.fin_acknowledged = True
        if (
            self.fin_acknowledged
            and self.state is SendingStreamState.DATA_SENT
            and self.acknowledged.contiguous_end == self.written
        ):
            self.state = advance(SENDING_STREAM, self.state, SendingStreamInput.ALL_ACKNOWLEDGED)
            return True
        return False

    def still_needs(self, frame: StreamFrame) -> bool:
        """Whether the peer may still lack something of a frame that was sent before."""
        if self.state in _RESET:
            return False
        if frame.fin and not self.fin_acknowledged:
            return True
        return not self.acknowledged.covers(frame.offset, frame.offset + frame.length)

    def reset(self, error_code: int) -> ResetStreamFrame | None:
        """End the stream where it is, and give up what was not delivered (section 3.1). None where it has ended."""
        if self.state in _RESET or self.state in _SENT:
            return None
        self.state = advance(SENDING_STREAM, self.state, SendingStreamInput.SEND_RESET)
        self.written = self.sent
        self.fin_written = self.fin_sent = True  # nothing is new any more
        self.content = None
        self.reset_frame = ResetStreamFrame(self.stream_id, error_code, self.sent)
        return self.reset_frame

    def begin_anew(self) -> None:
        """All that was sent was as good as never sent; the stream waits to be allowed."""
        self.sent = self.limit = 0
        self.announced_limit = -1
        self.waits = True
        if self.reset_frame is not None:
            self.written = 0
            self.reset_frame = self.reset_frame._replace(final_size=0)
        else:
            self.fin_sent = False
            self.state = SendingStreamState.READY

    def acknowledge_reset(self) -> bool:
        """The peer has the RESET_STREAM. Whether that is news."""
        if self.state is SendingStreamState.RESET_SENT:
            self.state = advance(SENDING_STREAM, self.state, SendingStreamInput.RESET_ACKNOWLEDGED)
            return True
        return False

    @property
    def is_reset(self) -> bool:
        """Whether it was ended early."""
        return self.state in _RESET

    @property
    def is_over(self) -> bool:
        """Whether the peer has all of it, or knows that it was reset."""
        return self.state in _SENT


class ReceivingStream:
    """The receiving part of a stream. The application reads at once whatever is contiguous."""

    __slots__ = ("_parts", "acknowledged_limit", "delivered", "final_size", "highest", "is_stopped", "limit",
                 "received", "state", "stream_id", "updated_ns", "window")  # fmt: skip

    def __init__(self, stream_id: int, window: int) -> None:
        self.stream_id = stream_id
        self.window = window
        self.updated_ns = -1
        """When our limit was raised last; -1: never."""
        self.limit = window
        """What we allow: our MAX_STREAM_DATA."""
        self.acknowledged_limit = 0
        """The largest that the peer is known to have read; beyond the handshake's."""
        self.received = RangeSet()
        self.highest = 0
        self.delivered = 0
        self.final_size = -1
        self.is_stopped = False
        """The application reads no more of it (section 3.5): what still comes counts, and is thrown away."""
        self.state = ReceivingStreamState.RECEIVE
        self._parts: dict[int, bytes] = {}

    def receive(self, frame: StreamFrame) -> tuple[int, int, bytes]:
        """Take a frame: by how much the highest offset grew, how many bytes became contiguous, and their content.

        Raises FlowControlError beyond the limit and FinalSizeError against a known end.
        """
        offset = frame.offset
        end = offset + frame.length
        if end > self.limit:
            raise FlowControlError(f"stream {self.stream_id}: data up to {end}, allowed up to {self.limit}")
        if frame.fin or self.final_size >= 0:
            self._check_final_size(end, frame.fin)
            if self.state in ENDED:
                return 0, 0, b""
        received = self.received
        if offset == self.highest == self.delivered and offset:
            received.stops[0] = end  # in order: there is one range, and it grows
        else:
            received.add(offset, end)
        if frame.data is not None and len(frame.data) > len(self._parts.get(offset, b"")):
            self._parts[offset] = frame.data
        growth = end - self.highest
        if growth > 0:
            self.highest = end
        else:
            growth = 0
        starts = received.starts
        contiguous = 0 if not starts or starts[0] else received.stops[0]
        count = contiguous - self.delivered
        content = self._read_parts(contiguous) if count and self._parts else b""
        self.delivered = contiguous
        if contiguous == self.final_size and self.state is ReceivingStreamState.SIZE_KNOWN:
            self.state = advance(RECEIVING_STREAM, self.state, ReceivingStreamInput.RECEIVE_ALL)
        return growth, count, content

    def _check_final_size(self, end: int, fin: bool) -> None:
        if self.final_size >= 0 and (end > self.final_size or (fin and end != self.final_size)):
            raise FinalSizeError(f"stream {self.stream_id}: data up to {end}, but its final size is {self.final_size}")
        if fin:
            if end < self.highest:
                raise FinalSizeError(f"stream {self.stream_id}: final size {end} below received {self.highest}")
            self.final_size = end
            self.state = advance(RECEIVING_STREAM, self.state, ReceivingStreamInput.RECEIVE_FIN)

    def _read_parts(self, end: int) -> bytes:
        joined = bytearray()
        position = self.delivered
        for offset in sorted(self._parts):
            if offset > position or position == end:
                break
            data = self._parts.pop(offset)
            joined += data[position - offset :]
            position = max(position, offset + len(data))
        return bytes(joined)

    def receive_reset(self, frame: ResetStreamFrame) -> int:
        """The peer ends the stream early: by how much the highest offset grew (section 4.5).

        Raises FlowControlError beyond the limit and FinalSizeError against what is known of the end.
        """
        final_size = frame.final_size
        if final_size > self.limit:
            raise FlowControlError(
                f"stream {self.stream_id}: reset at {final_size}, allowed up to {self.limit} (RFC 9000 section 4.5)"
            )
        if final_size < self.highest or 0 <= self.final_size != final_size:
            known = f"received {self.highest}" if self.final_size < 0 else f"its final size {self.final_size}"
            raise FinalSizeError(f"stream {self.stream_id}: reset at {final_size}, against {known}")
        growth = final_size - self.highest
        self.final_size = self.highest = final_size
        self.state = advance(RECEIVING_STREAM, self.state, ReceivingStreamInput.RECEIVE_RESET)
        return growth

    def read_reset(self) -> None:
        """The application knows of the reset."""
        self.state = advance(RECEIVING_STREAM, self.state, ReceivingStreamInput.READ_RESET)
        self._parts.clear()

    @property
    def wants_more(self) -> bool:
        """Whether more may come, and somebody reads it: only then is the limit raised."""
        return self.final_size < 0 and not self.is_stopped

    @property
    def is_finished(self) -> bool:
        """Whether every byte up to the final size was read."""
        return self.state is ReceivingStreamState.DATA_READ

    @property
    def is_over(self) -> bool:
        """Whether it is finished, or was reset."""
        return self.state in ENDED


class CryptoStream:
    """One encryption level's handshake bytes, both ways, without flow control (RFC 9000 section 7.5)."""

    UNLIMITED = 1 << 62

    def __init__(self) -> None:
        self.sending = SendingStream(-1, self.UNLIMITED)
        self.receiving = ReceivingStream(-1, self.UNLIMITED)

    def take(self, room_bytes: int) -> CryptoFrame | None:
        """A CRYPTO frame of bytes never sent before that fits in `room_bytes`; None when there is none."""
        stream = self.sending
        offset = stream.sent
        left = stream.written - offset
        room = room_bytes - 1 - varint_size(offset) - varint_size(min(left, max(room_bytes, 0)))
        length = min(room, left)
        if length <= 0 or stream.content is None:
            return None
        stream.sent = offset + length
        return CryptoFrame(offset, bytes(stream.content[offset : offset + length]))

    def receive(self, frame: CryptoFrame) -> bytes:
        """Take a frame; returns the bytes that became contiguous with it."""
        return self.receiving.receive(StreamFrame(-1, frame.offset, len(frame.data), False, frame.data))[2]

    def acknowledge(self, frame: CryptoFrame) -> None:
        """The peer has the frame's bytes."""
        self.sending.acknowledged.add(frame.offset, frame.offset + len(frame.data))

    def still_needs(self, frame: CryptoFrame) -> bool:
        """Whether the peer may still lack something of the frame."""
        return not self.sending.acknowledged.covers(frame.offset, frame.offset + len(frame.data))
