"""How does aioquic's connection stand at an endpoint of ours? Its clock is ours, its chance a named stream's.

aioquic is sans-IO as our own connection is. This translates the one's calls, events and log into the other's; what
aioquic does not tell (`packets_retransmitted`, `timeouts`) stays 0. Seconds are its unit, as floats; an instant of ours
becomes the nearest float, and a deadline the first nanosecond that aioquic takes for having reached it.
"""

from __future__ import annotations

import math
import ssl
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aioquic._buffer import Buffer
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.logger import QuicLogger, QuicLoggerTrace
from aioquic.quic.packet import pull_quic_header

from quicsim.events import Code, ConnectionStateUpdated, PacketLost, PacketReceived, PacketSent, StreamFinished
from quicsim.foreign.certificate import certificate, private_key
from quicsim.foreign.chance import Chance
from quicsim.quic.errors import QuicError
from quicsim.quic.interface import (
    ConnectionEvent,
    Counts,
    DatagramReceived,
    HandshakeEvent,
    ReadyToSend,
    StreamReceived,
    StreamReset,
    StreamStopped,
)
from quicsim.quic.packet import APPLICATION, HANDSHAKE, INITIAL, Address, Space
from quicsim.quic.states import ConnectionState

if TYPE_CHECKING:
    from quicsim.events import Recorder
    from quicsim.quic.settings import Settings
    from quicsim.randomness import Stream

__all__ = ["CONTROLLERS", "AioquicConnection", "ForeignDatagram"]

NANOSECONDS_PER_SECOND = 1_000_000_000
CONTROLLERS = {"newreno": "reno", "cubic": "cubic"}
"""Our name of a congestion controller, and aioquic's."""
PEER = ("peer", 0)
"""The peer's address, as aioquic sees it: the network's own are none of its business."""
UNSENT_BYTES = 1 << 18
"""How much of a stream aioquic is given ahead, so that a stream without an end fits into memory."""
_ZEROS = bytes(UNSENT_BYTES)
_SPACES = {"initial": INITIAL, "handshake": HANDSHAKE, "1RTT": APPLICATION}


@dataclass(slots=True)
class ForeignDatagram:
    """Bytes on their way, with what our endpoints and links want to know of a datagram."""

    data: bytes
    packets: tuple[int, ...]
    """The number of each packet in it."""
    labels: tuple[str, ...]
    path_id: int = 0
    ecn: int = 0
    address: Address | None = None

    @property
    def size_bytes(self) -> int:
        """Of its UDP payload."""
        return len(self.data)


@dataclass(slots=True)
class Received:
    """How far a stream has come, in order."""

    delivered: int = 0
    final_size: int = -1


@dataclass(slots=True)
class Consumed:
    """What the application has read, over all streams."""

    consumed: int = 0


@dataclass(slots=True)
class OnlyPath:
    """What is told of the one path."""

    path_id: int = 0
    bytes_received: int = 0
    bytes_in_flight: int = 0


class AioquicConnection:
    """One end of a connection, with the surface of `quicsim.quic.connection.Connection` that endpoints and applications
    use.

    Raises QuicError for a congestion control that aioquic has not.
    """

    def __init__(self, *, is_client: bool, settings: Settings, recorder: Recorder, stream: Stream) -> None:
        controller = settings.congestion_control or "newreno"
        if controller not in CONTROLLERS:
            raise QuicError(f"aioquic has no congestion control {controller!r}; it has {', '.join(CONTROLLERS)}")
        self.is_client = is_client
        self.recorder = recorder
        self.state = ConnectionState.IDLE
        self.now_ns = 0
        self.deadline_ns = 0
        self.counts = Counts()
        self.events: deque[ConnectionEvent] = deque()
        self.complaint = ""
        self.receiving_streams: dict[int, Received] = {}
        self.flow = Consumed()
        self.path = OnlyPath()
        self.paths = [self.path]
        self._chance = Chance(stream)
        self._expired = 0.0
        """What aioquic's timer said when it expired last. Where it stays there, sent + delay <= now < sent + delay by
        aioquic's rounding, and only a later instant has it find its packet lost.
        """
        self._next_stream = 0 if is_client else 1
        self._is_closing = False
        self._unwritten: dict[int, tuple[int, bool]] = {}
        """By stream: what aioquic has not been given yet, and whether the stream ends with it."""
        self._stopped: set[int] = set()
        """Streams that the application reads no more: it hears nothing of them."""
        self._sent: list[tuple[int, int, tuple[str, ...]]] = []
        """Number, size and labels of the packets of the datagrams that are being made."""
        self._arrived: list[tuple[Space, int, int, list[dict[str, Any]]]] = []
        """Packets of the datagram that is being read: aioquic logs each before it has read its frames."""
        self._configuration = QuicConfiguration(
            is_client=is_client,
            congestion_control_algorithm=CONTROLLERS[controller],
            alpn_protocols=["quicsim"],
            quic_logger=Log(self),
            verify_mode=ssl.CERT_NONE,
        )
        if settings.datagram_bytes is not None:
            self._configuration.max_datagram_size = settings.datagram_bytes
        if settings.max_data_bytes is not None:
            self._configuration.max_data = settings.max_data_bytes
        if settings.max_stream_data_bytes is not None:
            self._configuration.max_stream_data = settings.max_stream_data_bytes
        if settings.max_datagram_frame_bytes:
            self._configuration.max_datagram_frame_size = settings.max_datagram_frame_bytes
        if settings.idle_timeout_ns:
            self._configuration.idle_timeout = settings.idle_timeout_ns / NANOSECONDS_PER_SECOND
        self._max_ack_delay_ns = settings.max_ack_delay_ns
        self._connection: QuicConnection | None = None
        if is_client:
            with self._chance.replaced():
                self._connection = self._new_connection()
        else:
            self._configuration.certificate = certificate(settings.certificate_chain_bytes)
            self._configuration.private_key = private_key()

    def _new_connection(self, original_destination: bytes | None = None) -> QuicConnection:
        connection = QuicConnection(
            configuration=self._configuration, original_destination_connection_id=original_destination
        )
        if self._max_ack_delay_ns is not None:
            connection._ack_delay = self._max_ack_delay_ns / NANOSECONDS_PER_SECOND
        return connection

    # The four calls

    def receive(self, datagram: ForeignDatagram, now_ns: int) -> None:
        """A datagram arrived."""
        self.now_ns = now_ns
        with self._chance.replaced():
            if self._connection is None:
                header = pull_quic_header(
                    Buffer(data=datagram.data), host_cid_length=self._configuration.connection_id_length
                )
                self._connection = self._new_connection(header.destination_cid)
                self._move(ConnectionState.HANDSHAKING)
            self.path.bytes_received += datagram.size_bytes
            self._connection.receive_datagram(datagram.data, PEER, now_ns / NANOSECONDS_PER_SECOND)
        self._tell_of_arrivals()
        self._take_events()

    def datagrams_to_send(self, now_ns: int) -> list[ForeignDatagram]:
        """What is to be sent now."""
        self.now_ns = now_ns
        connection = self._connection
        if connection is None or self.state is ConnectionState.IDLE:
            return []
        with self._chance.replaced():
            self._write()
            made = connection.datagrams_to_send(now_ns / NANOSECONDS_PER_SECOND)
            timer = connection.get_timer()
        self._take_events()
        self.path.bytes_in_flight = connection._loss.bytes_in_flight
        self.deadline_ns = 0 if timer is None else max(instant_ns(timer), now_ns)
        if timer is not None and timer <= self._expired and self.deadline_ns == now_ns:
            self.deadline_ns += 1
        return [self._with_its_packets(data) for data, _address in made]

    def on_deadline(self, now_ns: int) -> None:
        """The deadline has come."""
        self.now_ns = now_ns
        if self._connection is not None:
            with self._chance.replaced():
                self._expired = self._connection.get_timer() or 0.0
                self._connection.handle_timer(now_ns / NANOSECONDS_PER_SECOND)
            self._take_events()

    # What the application does

    def connect(self, now_ns: int) -> None:
        """Start the handshake (client)."""
        self.now_ns = now_ns
        assert self._connection is not None  # a client has one from the beginning
        with self._chance.replaced():
            self._connection.connect(PEER, now_ns / NANOSECONDS_PER_SECOND)
        self._move(ConnectionState.HANDSHAKING)

    def open_stream(self) -> int:
        """The identifier of a new bidirectional stream."""
        stream_id = self._next_stream
        self._next_stream += 4
        return stream_id

    def send(self, stream_id: int, data: int | bytes, *, fin: bool = False) -> None:
        """Append to a stream. What the bytes are does not matter: zeros are sent."""
        count = data if isinstance(data, int) else len(data)
        waiting, _fin = self._unwritten.get(stream_id, (0, False))
        self._unwritten[stream_id] = (waiting + count, fin)

    def send_datagram(self, data: bytes, *, expires_ns: int = 0) -> None:
        """Send data that is not repeated when it is lost. Raises QuicError for what aioquic cannot do."""
        assert self._connection is not None
        if expires_ns:
            raise QuicError("aioquic gives no datagram up that waits")
        self._connection.send_datagram_frame(data)

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """Send no more on a stream, and give up what has not arrived."""
        assert self._connection is not None
        self._unwritten.pop(stream_id, None)
        self._connection.reset_stream(stream_id, error_code)

    def stop_sending(self, stream_id: int, error_code: int) -> None:
        """Read no more of a stream, and ask the peer to send no more on it."""
        assert self._connection is not None
        self._stopped.add(stream_id)
        self._connection.stop_stream(stream_id, error_code)

    def change_local_address(self, now_ns: int) -> None:
        """Refused: what aioquic does about a new address is not simulated."""
        raise QuicError("aioquic's address cannot be changed here; take profile rfc9002")

    def close(self, now_ns: int, *, error_code: int = 0, reason: bytes = b"") -> None:
        """End the connection, with an error code of the application's own."""
        self.now_ns = now_ns
        if self._connection is not None:
            self._is_closing = True
            self._connection.close(error_code=error_code, reason_phrase=reason.decode())

    def _write(self) -> None:
        """Give aioquic of each stream what it may need before it asks again."""
        assert self._connection is not None
        for stream_id, (waiting, fin) in list(self._unwritten.items()):
            stream = self._connection._streams.get(stream_id)
            unsent = 0 if stream is None else stream.sender._buffer_stop - stream.sender.highest_offset
            count = min(waiting, UNSENT_BYTES - unsent)
            is_all = count == waiting
            if count > 0 or (is_all and fin):
                self._connection.send_stream_data(stream_id, _ZEROS[:count], end_stream=fin and is_all)
            if is_all:
                del self._unwritten[stream_id]
            else:
                self._unwritten[stream_id] = (waiting - max(count, 0), fin)

    # What aioquic tells

    def _take_events(self) -> None:
        assert self._connection is not None
        while (event := self._connection.next_event()) is not None:
            match event:
                case events.StreamDataReceived():
                    self._on_stream_data(event)
                case events.StreamReset() if event.stream_id not in self._stopped:
                    self.events.append(StreamReset(event.stream_id, event.error_code))
                case events.StopSendingReceived():
                    self._unwritten.pop(event.stream_id, None)
                    self.events.append(StreamStopped(event.stream_id, event.error_code))
                case events.DatagramFrameReceived():
                    self.events.append(DatagramReceived(event.data))
                case events.HandshakeCompleted():
                    self._move(ConnectionState.COMPLETE)
                case events.ConnectionTerminated() if not self._is_closing:
                    raise QuicError(f"aioquic ended the connection: {event.reason_phrase} (code {event.error_code})")
                case _:
                    pass  # of no interest to applications

    def _on_stream_data(self, event: events.StreamDataReceived) -> None:
        stream_id = event.stream_id
        stream = self.receiving_streams.setdefault(stream_id, Received())
        stream.delivered += len(event.data)
        self.flow.consumed += len(event.data)
        if event.end_stream and stream_id not in self._stopped:
            stream.final_size = stream.delivered
            self.events.append(StreamReceived(stream_id, stream.final_size))
            if self.recorder.subscribers:
                self.recorder.emit(StreamFinished(self.now_ns, self.recorder.name, stream_id, stream.final_size))

    def _move(self, state: ConnectionState) -> None:
        old, self.state = self.state, state
        self.events.append(HandshakeEvent(state))
        if state is ConnectionState.COMPLETE:
            self.events.append(ReadyToSend())
        if self.recorder.subscribers:
            name = self.recorder.name
            self.recorder.emit(ConnectionStateUpdated(self.now_ns, name, old.value, state.value))

    def on_log(self, event: str, data: dict[str, Any]) -> None:
        """A line of aioquic's own log."""
        if event == "packet_sent":
            self._on_sent(_SPACES[data["header"]["packet_type"]], data)
        elif event == "packet_received" and data["header"]["packet_type"] in _SPACES:
            header = data["header"]
            length = data["raw"]["length"]
            self._arrived.append((_SPACES[header["packet_type"]], header["packet_number"], length, data["frames"]))
        elif event == "packet_lost":
            space, number = _SPACES[data["type"]], data["packet_number"]
            self.counts.packets_lost += 1
            self.recorder.record(Code.PACKET_LOST, self.now_ns, space, number)
            if self.recorder.subscribers:
                name = self.recorder.name
                self.recorder.emit(PacketLost(self.now_ns, name, space.name.lower(), number, "aioquic", 0))

    def _on_sent(self, space: Space, data: dict[str, Any]) -> None:
        number, size_bytes = data["header"]["packet_number"], data["raw"]["length"]
        frames = data["frames"]
        starts = dict.fromkeys(
            f"stream-start:{frame['stream_id']}"
            for frame in frames
            if frame["frame_type"] == "stream" and frame["offset"] == 0
        )
        self._sent.append((number, size_bytes, tuple(starts)))
        self.counts.packets_sent += 1
        self.recorder.record(Code.PACKET_SENT, self.now_ns, number << 2 | space, size_bytes)
        if self.recorder.subscribers:
            name = self.recorder.name
            self.recorder.emit(
                PacketSent(self.now_ns, name, space.name.lower(), number, size_bytes, tuple(frames), False, 0)
            )

    def _with_its_packets(self, data: bytes) -> ForeignDatagram:
        """A datagram with the packets that were logged for it: they come in order, and padding belongs to the last."""
        numbers: list[int] = []
        labels: list[str] = []
        size_bytes = 0
        while self._sent and size_bytes + self._sent[0][1] <= len(data):
            number, packet_bytes, starts = self._sent.pop(0)
            size_bytes += packet_bytes
            numbers.append(number)
            labels += starts
        return ForeignDatagram(data, tuple(numbers), tuple(dict.fromkeys(labels)))

    def _tell_of_arrivals(self) -> None:
        for space, number, size_bytes, frames in self._arrived:
            self.counts.packets_received += 1
            self.recorder.record(Code.PACKET_RECEIVED, self.now_ns, number << 2 | space, size_bytes)
            if self.recorder.subscribers:
                name = self.recorder.name
                self.recorder.emit(
                    PacketReceived(self.now_ns, name, space.name.lower(), number, size_bytes, tuple(frames), 0)
                )
        self._arrived.clear()


def instant_ns(timer: float) -> int:
    """The first nanosecond that, as a float in seconds, is not before `timer`."""
    instant = math.ceil(timer * NANOSECONDS_PER_SECOND)
    while instant / NANOSECONDS_PER_SECOND < timer:
        instant += 1
    return instant


class Log(QuicLogger):
    """aioquic's log, told to the connection as it is written and kept by nobody."""

    def __init__(self, connection: AioquicConnection) -> None:
        super().__init__()
        self._connection = connection

    def start_trace(self, is_client: bool, odcid: bytes) -> QuicLoggerTrace:
        """See `QuicLogger`."""
        return LogTrace(self._connection, is_client, odcid)

    def end_trace(self, trace: QuicLoggerTrace) -> None:
        """See `QuicLogger`."""


class LogTrace(QuicLoggerTrace):
    """One connection's."""

    def __init__(self, connection: AioquicConnection, is_client: bool, odcid: bytes) -> None:
        super().__init__(is_client=is_client, odcid=odcid)
        self._connection = connection

    def log_event(self, *, category: str, event: str, data: dict[str, Any]) -> None:
        """See `QuicLoggerTrace`; no wall clock is read."""
        self._connection.on_log(event, data)
