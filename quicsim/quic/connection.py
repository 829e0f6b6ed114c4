"""What does one endpoint of a QUIC connection know and do? Sans-IO: no clock, no network, no VM.

Four calls drive it: `receive`, `datagrams_to_send`, `deadline_ns`, `on_deadline`; time comes in as an argument. Its
steps are the operations of the table it was handed; what they mean is in quic/sending.py and quic/receiving.py. RFC
9000, 9002.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from quicsim.events import ConnectionStateUpdated, LossTimerUpdated, Recorder
from quicsim.quic import datagram_frames, ending, multipath, path_control, receiving, sending, stream_control
from quicsim.quic.ack_frequency import AckFrequencies
from quicsim.quic.congestion import CONTROLLERS
from quicsim.quic.connection_ids import ConnectionIds
from quicsim.quic.datagram_frames import DatagramQueue
from quicsim.quic.early_data import EarlyData
from quicsim.quic.ecn import EcnMarking
from quicsim.quic.errors import ProtocolViolation, QuicError
from quicsim.quic.flow import FlowControl
from quicsim.quic.frames import ConnectionCloseFrame, Frame
from quicsim.quic.greeting import Greeting
from quicsim.quic.handshake import Handshake, advance_handshake
from quicsim.quic.interface import (
    ConnectionEvent,
    Counts,
    HandshakeEvent,
    PluginHost,
    ReadyToSend,
)
from quicsim.quic.migration import Addresses
from quicsim.quic.packet import APPLICATION, HANDSHAKE, INITIAL, Address, Datagram, Space
from quicsim.quic.parameters import advertised
from quicsim.quic.path import MAXIMUM_PATHS, Path
from quicsim.quic.path_ids import PathNumbers
from quicsim.quic.schedulers import SCHEDULERS, candidates
from quicsim.quic.settings import Settings, chosen
from quicsim.quic.states import (
    CONNECTION,
    ConnectionInput,
    ConnectionState,
    SendingProcessState,
    advance,
)
from quicsim.quic.stream_limits import StreamLimits
from quicsim.quic.streams import ReceivingStream, SendingStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicsim.operations import OperationTable
    from quicsim.quic.congestion.base import CongestionController
    from quicsim.quic.profiles import Profile

_PACING_LIMITED = SendingProcessState.PACING_LIMITED

__all__ = ["Connection"]

CLIENT_EXCHANGE_STREAM = 2
SERVER_EXCHANGE_STREAM = 3


class Connection:
    """One endpoint of a connection."""

    def __init__(
        self,
        *,
        is_client: bool,
        profile: Profile,
        operations: OperationTable,
        recorder: Recorder,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or Settings()
        self.is_client = is_client
        self.profile = profile
        self.operations = operations
        self.recorder = recorder
        self.counts = Counts()
        self.now_ns = 0
        self.state = ConnectionState.IDLE
        self.is_confirmed = False
        self.peer_validated_us = False
        self.peer_knows_confirmation = False
        """A HANDSHAKE_DONE of ours was acknowledged."""
        self.last_progress_ns = 0
        self.plugin_host: PluginHost | None = None
        self._in_call = False
        self._changes: list[Callable[[], None]] = []
        self.events: deque[ConnectionEvent] = deque()
        self.max_ack_delay_ns = chosen(settings.max_ack_delay_ns, profile.max_ack_delay_ns)
        self.peer_max_ack_delay_ns = profile.assumed_peer_max_ack_delay_ns
        self.ack_frequency = AckFrequencies(settings)
        self.max_stream_data = chosen(settings.max_stream_data_bytes, profile.max_stream_data_bytes)
        self.flow = FlowControl(chosen(settings.max_data_bytes, profile.max_data_bytes), profile.largest_max_data_bytes)
        self.peer_max_stream_data = 0
        self.peer_accepts_plugins = False
        self.accepts_plugins = settings.accepts_plugins
        self.address_count = settings.address_count
        self.backup_paths = settings.backup_paths
        self.ids = ConnectionIds(chosen(settings.active_connection_id_limit, profile.active_connection_id_limit))
        self.scheduler = settings.scheduler
        self.scheduler_waits = False
        """ECF holds data back for a faster path."""
        self.scheduled_packets = 0
        self.copied: dict[tuple[int, int], int] = {}
        """By path and the one that carries its copies: the last packet that was copied."""
        self.abandoned_paths: set[int] = set()
        if settings.scheduler not in SCHEDULERS:
            raise QuicError(f"there is no scheduler {settings.scheduler!r}; there are {', '.join(SCHEDULERS)}")
        if settings.address_count >= MAXIMUM_PATHS:
            raise QuicError(f"{settings.address_count} addresses; a connection has at most {MAXIMUM_PATHS - 1}")
        self.handshake = Handshake(
            is_client=is_client,
            parameters=(parameters := advertised(profile, settings)),
            certificate_chain_bytes=settings.certificate_chain_bytes,
        )
        self.path_numbers = PathNumbers(parameters.maximum_paths)
        self._controller = settings.congestion_control or profile.congestion_control
        self._marks_ecn = settings.ecn
        self._streams = settings.streams
        if settings.ecn and not profile.counts_ecn_marks:
            raise QuicError(f"profile {profile.name} has no ECN of its own; push the plugin ecn to both ends")
        if self._controller not in CONTROLLERS:
            known = ", ".join(CONTROLLERS)
            raise QuicError(f"there is no congestion control {self._controller!r}; there are {known}")
        self._datagram_bytes = chosen(settings.datagram_bytes, profile.datagram_bytes)
        self._size_to_probe_bytes = profile.largest_datagram_bytes if settings.datagram_bytes is None else 0
        self.paths: list[Path] = []
        """By path_id; path 0 carries the handshake."""
        self.path = self._add_path()
        self.path.is_open = True
        self.paths_reported_ns = 0
        """When the last PATHS frame went out."""
        self.path.spaces[INITIAL].can_receive = True
        self.sending_streams: dict[int, SendingStream] = {}
        self.receiving_streams: dict[int, ReceivingStream] = {}
        self.stream_limits = (
            StreamLimits(parameters.max_streams, is_unidirectional=False),
            StreamLimits(parameters.max_unidirectional_streams, is_unidirectional=True),
        )
        self.early_data = EarlyData(settings.zero_rtt, settings.remembered)
        self.datagrams = DatagramQueue(parameters.max_datagram_frame_bytes)
        """DATAGRAM frames, not those of UDP."""
        self.ready_streams: deque[SendingStream] = deque()
        """Streams with something new to send within their own limit, in turn."""
        self._next_bidirectional = 0 if is_client else 1
        self.exchange_stream_id = CLIENT_EXCHANGE_STREAM if is_client else SERVER_EXCHANGE_STREAM
        self.peer_exchange_stream_id = SERVER_EXCHANGE_STREAM if is_client else CLIENT_EXCHANGE_STREAM
        self.deadline_ns = 0
        """When `on_deadline` must be called at the latest; 0: never."""
        self.idle = ending.Idle(settings.idle_timeout_ns)
        self.addresses = Addresses()
        self.arrived_from: Address | None = None
        """Where the datagram that is processed now, or was last, came from."""
        self.complaint = ""
        """What the peer did wrong, for which this end has closed the connection; empty: nothing."""
        self.arrived_with: int | None = None
        """Which connection ID it was addressed to."""
        self.token = b""
        """What a client's Initial packets carry."""
        self.tokens = settings.tokens
        self.greeting: Greeting | None = (greeting := Greeting(settings.versions, retries=settings.retries))
        """None: the handshake has begun."""
        self.version = greeting.preferred
        """Of QUIC: what this end, a client, writes into long headers."""
        self.issues_tokens = settings.issues_tokens
        self.peer_has_token = False
        """A NEW_TOKEN of ours was acknowledged."""
        self.end: ending.End | None = None
        """What is left to do of a connection that is closing, drains or is closed; None: it lives."""

    # The four calls

    def receive(self, datagram: Datagram, now_ns: int) -> None:
        """Take a datagram. What no correct peer sends closes the connection (RFC 9000 section 11.1)."""
        self.now_ns = now_ns
        if self.end is not None:
            self.end.receive(self, datagram)
            return
        if self.greeting is not None and not self.greeting.lets_in(self, datagram):
            return
        self.arrived_from, self.arrived_with = datagram.address, datagram.connection_id
        is_elsewhere = datagram.address is not self.addresses.current and self.addresses.is_elsewhere(self, datagram)
        self._in_call = True
        try:
            if not datagram.path_id:
                receiving.receive(self, self.path, datagram)
            elif (
                self.is_complete and datagram.path_id not in self.abandoned_paths
            ):  # without the keys a packet cannot be read (RFC 9000 section 12.2)
                receiving.receive(self, self.open_path(datagram.path_id), datagram)
        except ProtocolViolation as violation:
            ending.violated(self, violation)
        finally:
            self._in_call = False
        if is_elsewhere:
            self.addresses.follow(self, datagram)
        elif datagram.connection_id is not None:
            self.addresses.note(self, datagram)
        if self.idle.timeout_ns and self.state is not ConnectionState.IDLE:  # what a server can read makes a connection
            self.idle.received(now_ns)
        if self._changes:
            self._apply_changes()

    def datagrams_to_send(self, now_ns: int) -> list[Datagram]:
        """Run the sending process and return what it sends, in order."""
        self.now_ns = now_ns
        addresses = self.addresses
        if self.end is not None:
            datagrams = self.end.datagrams_to_send(self)
            self._complete(datagrams)
            return datagrams
        datagrams = [] if self.greeting is None else self.greeting.datagrams_to_send(self)
        if addresses.is_busy:
            datagrams += addresses.datagrams_to_send(self)
        if not sending.is_idle(self):
            self._in_call = True
            try:
                datagrams += multipath.run(self) if multipath.is_due(self) else sending.run(self, self.path)
            finally:
                self._in_call = False
            if self._changes:
                self._apply_changes()
        deadline_ns = 0
        for path in self.paths:
            path_deadline_ns = path.deadline_ns
            if path_deadline_ns and (not deadline_ns or path_deadline_ns < deadline_ns):
                deadline_ns = path_deadline_ns
            for space in path.open_spaces:
                ack_deadline_ns = space.received.deadline_ns
                if ack_deadline_ns > now_ns and (not deadline_ns or ack_deadline_ns < deadline_ns):
                    deadline_ns = ack_deadline_ns  # one that is due and was held back waits for the next call
            if path.sending_state is _PACING_LIMITED and (not deadline_ns or path.paced_until_ns < deadline_ns):
                deadline_ns = path.paced_until_ns
        if addresses.is_busy:
            deadline_ns = addresses.deadline_ns(self, deadline_ns)
        if addresses.have_changed or self.ids.have_changed or not self.is_confirmed:
            self._complete(datagrams)
        if self.idle.timeout_ns:
            deadline_ns = self.idle.deadline_ns(self, datagrams, deadline_ns)
        self.deadline_ns = deadline_ns
        return datagrams

    def _complete(self, datagrams: list[Datagram]) -> None:
        """Write into datagrams what their packets do not say, where it is not as ever."""
        if not self.is_confirmed:
            for datagram in datagrams:
                datagram.version, datagram.token = self.version, self.token
        if self.addresses.have_changed:
            self.addresses.write(datagrams)
        if self.ids.have_changed:
            self.ids.write(datagrams)

    def on_deadline(self, now_ns: int) -> None:
        """The deadline has come; `datagrams_to_send` follows."""
        self.now_ns = now_ns
        if self.end is not None or (self.idle.timeout_ns and self.idle.is_over(self)):
            ending.on_deadline(self)
            return
        if self.idle.timeout_ns:
            self.idle.keep_alive(self)
        if self.addresses.is_busy:
            self.addresses.on_deadline(self)
        self._in_call = True
        try:
            for path in self.paths:
                if path.deadline_ns and now_ns >= path.deadline_ns:
                    self._expire(path)
        finally:
            self._in_call = False
        if self._changes:
            self._apply_changes()

    def _expire(self, path: Path) -> None:
        now_ns = self.now_ns
        path.timer_expired = True
        path.expiries = path.expiries + 1 if path.expired_ns == now_ns else 1
        path.expired_ns = now_ns
        if self.recorder.subscribers:
            name = self.recorder.name
            self.recorder.emit(LossTimerUpdated(now_ns, name, "expired", path.deadline_ns, path.path_id))
        for space in path.open_spaces:
            if space.loss_time_ns and space.loss_time_ns <= now_ns:
                path.expired_for_loss = True
                self.operations.detect_loss(self, path, space)

    @property
    def path_count(self) -> int:
        """How many paths are in use."""
        return len(self.paths)

    # What the application does

    def connect(self, now_ns: int) -> None:
        """Start the handshake (client)."""
        self.now_ns = self.last_progress_ns = now_ns
        self.idle.received(now_ns)
        if self.tokens:
            self.token = self.tokens.pop()
        self.path.validate()  # a client is not held to the amplification limit
        self.path.open(INITIAL)
        self.early_data.offer(self)
        self.path.spaces[INITIAL].crypto.sending.write(self.handshake.client_hello(), fin=False)
        self.move(ConnectionInput.START)
        if self.early_data.may_be_sent:
            self.events.append(ReadyToSend())

    def open_stream(self) -> int:
        """The identifier of a new bidirectional stream (RFC 9000 section 2.1).

        What is written on it waits where the peer does not allow so many streams yet (section 4.6).
        """
        stream_id = self._next_bidirectional
        self._next_bidirectional += 4
        stream_control.open_stream(self, stream_id)
        return stream_id

    def send(self, stream_id: int, data: int | bytes, *, fin: bool = False) -> None:
        """Append to a stream: bytes, or a number of bytes whose content does not matter."""
        stream_control.write(self, stream_id, data, fin=fin)

    def send_datagram(self, data: bytes, *, expires_ns: int = 0) -> None:
        """Send data that is not repeated when it is lost (RFC 9221), unless that would be at `expires_ns` or later.

        Raises QuicError where the peer takes none, or none as large.
        """
        datagram_frames.send(self, data, expires_ns)

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """Send no more on a stream, and give up what has not arrived. Nothing happens where all of it has."""
        stream_control.reset_stream(self, stream_id, error_code)

    def stop_sending(self, stream_id: int, error_code: int) -> None:
        """Read no more of a stream, and ask the peer to send no more on it. Nothing happens where it has ended."""
        stream_control.stop_sending(self, stream_id, error_code)

    def change_local_address(self, now_ns: int) -> None:
        """This endpoint, a client, sends from another address from now on (RFC 9000 section 9.2).

        Raises QuicError for a stack that does not migrate, and before the handshake is confirmed.
        """
        self.now_ns = now_ns
        self.addresses.move(self)

    def close(self, now_ns: int, *, error_code: int = 0, reason: bytes = b"") -> None:
        """End the connection for both sides (RFC 9000 section 10.2). `error_code` is the application's own."""
        self.now_ns = now_ns
        ending.close(self, ConnectionCloseFrame(error_code, None, reason))

    def attach(self, plugin: Any) -> None:
        """Attach a plugin to this end: the application's own, without asking the peer (paper section 2.1).

        Raises QuicError when no plugin host serves this connection, PluginError when the plugin cannot be attached.
        """
        if self.plugin_host is None:
            raise QuicError("this connection has no plugin host; make one with quicsim.plugin.host.ConnectionPlugins")
        self.plugin_host.attach(plugin)

    # What sending and receiving share

    def new_controller(self) -> CongestionController:
        """A congestion controller that knows nothing yet."""
        return CONTROLLERS[self._controller](self.profile, self.paths)

    def _add_path(self) -> Path:
        chance = self._streams.stream(f"{self.recorder.name}:path {len(self.paths)}")
        path = Path(len(self.paths), self.profile, self._datagram_bytes, self.new_controller(), chance)
        path.size_to_probe_bytes = self._size_to_probe_bytes
        if self._marks_ecn:
            path.mark(EcnMarking())
        self.paths.append(path)
        return path

    def open_path(self, path_id: int) -> Path:
        """The path of this identifier, opened when it is first used. Raises ProtocolViolation beyond what is agreed."""
        paths = self.paths
        if path_id < len(paths) and paths[path_id].is_open:
            return paths[path_id]
        allowed = self.path_numbers.allowed
        if path_id >= allowed:
            raise ProtocolViolation(f"path {path_id} was used; the paths agreed on are 0 to {allowed - 1}")
        while path_id >= len(paths):
            self._add_path()
        path = paths[path_id]
        path.is_open = True
        if self.profile.uses_first_path:
            self.ids.replenish(self, path_id)
        else:
            path.validate()  # mp-quic (2017) takes a protected packet for proof
        path.open(APPLICATION)
        return path

    @property
    def has_open_stream(self) -> bool:
        """Whether a stream of the application is unfinished in either direction."""
        return any(
            not stream.is_over
            for streams in (self.receiving_streams, self.sending_streams)
            for stream_id, stream in streams.items()
            if not stream_id & 2
        )

    @property
    def is_complete(self) -> bool:
        """Whether the handshake is, and with it the keys of the application's packets are there."""
        return self.is_confirmed or self.state is ConnectionState.COMPLETE

    def announce(self, frame: Frame) -> None:
        """Have a control frame go out: on the best path, or on every open path beside the first (mp-quic)."""
        if self.profile.uses_first_path:
            best = min(candidates(self), key=lambda path: (path.rtt.smoothed_ns, path.path_id), default=self.path)
            best.application.pending.append(frame)
            return
        for path in self.paths[1:] or self.paths:
            if path.is_open:
                path.application.pending.append(frame)

    def sending_stream(self, stream_id: int) -> SendingStream:
        """The sending part of a stream, made when it is first used."""
        stream = self.sending_streams.get(stream_id)
        if stream is None:
            stream = self.sending_streams[stream_id] = SendingStream(stream_id, self.peer_max_stream_data)
        return stream

    def move(self, given: ConnectionInput) -> None:
        """Advance the connection's state machine and tell whoever listens."""
        old, self.state = self.state, advance(CONNECTION, self.state, given)
        self.is_confirmed = self.state is ConnectionState.CONFIRMED
        self.events.append(HandshakeEvent(self.state))
        if given is ConnectionInput.HANDSHAKE_COMPLETE and not (self.is_client and self.early_data.remembered):
            self.events.append(ReadyToSend())
        if self.recorder.subscribers:
            self.recorder.emit(ConnectionStateUpdated(self.now_ns, self.recorder.name, old.value, self.state.value))

    def at_end_of_call(self, change: Callable[[], None]) -> None:
        """Have operations changed when the current receive, send or deadline call ends; at once outside of one."""
        if self._in_call:
            self._changes.append(change)
        else:
            change()

    def _apply_changes(self) -> None:
        changes, self._changes = self._changes, []
        for change in changes:
            change()

    def on_handshake_data(self, kind: Space, data: bytes) -> None:
        """Contiguous handshake bytes arrived in a space."""
        for progress in self.handshake.receive(kind, data):
            advance_handshake(self, progress)

    def confirm_handshake(self) -> None:
        """The server at completion, the client with HANDSHAKE_DONE, once (RFC 9001 section 4.1.2)."""
        if self.is_confirmed:
            return
        self.move(ConnectionInput.HANDSHAKE_CONFIRMED)
        self.peer_validated_us = True
        self.path.discard(HANDSHAKE)
        if self.profile.uses_first_path:
            path_control.open_all(self)
        if self.ack_frequency.asks:
            self.ack_frequency.ask(self)
        if self.plugin_host is not None:
            self.plugin_host.handshake_confirmed(self.accepts_plugins and self.peer_accepts_plugins)
