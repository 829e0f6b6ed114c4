"""What happened in a run? Every trace event, typed, with its qlog name; and the digest over all of them.

qlog main-schema and quic-events drafts for the names; events that qlog lacks are named `quicsim:...`. An event
belongs to a component (a connection, a link direction) and is numbered there, never by a global counter.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Code",
    "ConnectionStateUpdated",
    "DatagramMarked",
    "Event",
    "LossTimerUpdated",
    "MetricsUpdated",
    "PacketDropped",
    "PacketLost",
    "PacketReceived",
    "PacketSent",
    "PluginAccepted",
    "PluginAttached",
    "PluginCalled",
    "PluginDetached",
    "PluginFaulted",
    "PluginLogged",
    "PluginOffered",
    "PluginRecalled",
    "PluginRefused",
    "PluginRemoved",
    "PluginReplaced",
    "PluginStopped",
    "PluginTrouble",
    "Recorder",
    "StreamAborted",
    "StreamFinished",
    "Trace",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `time_ns` on the simulation clock in a named component."""

    qlog_name: ClassVar[str] = ""
    time_ns: int
    component: str


@dataclass(frozen=True, slots=True)
class PacketSent(Event):
    """A packet left the sending process."""

    qlog_name: ClassVar[str] = "quic:packet_sent"
    space: str
    number: int
    size_bytes: int
    frames: tuple[object, ...]
    is_probe: bool
    path_id: int


@dataclass(frozen=True, slots=True)
class PacketReceived(Event):
    """A packet arrived and was not a duplicate."""

    qlog_name: ClassVar[str] = "quic:packet_received"
    space: str
    number: int
    size_bytes: int
    frames: tuple[object, ...]
    path_id: int


@dataclass(frozen=True, slots=True)
class PacketDropped(Event):
    """A link or a host's receive buffer dropped a datagram; `index` counts those that were offered to it."""

    qlog_name: ClassVar[str] = "quicsim:datagram_dropped"
    index: int
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class DatagramMarked(Event):
    """A queue marked congestion on a datagram; `index` counts the datagrams offered to this link direction."""

    qlog_name: ClassVar[str] = "quicsim:datagram_marked"
    index: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PacketLost(Event):
    """The sender declared a packet lost."""

    qlog_name: ClassVar[str] = "quic:packet_lost"
    space: str
    number: int
    trigger: str
    path_id: int


@dataclass(frozen=True, slots=True)
class LossTimerUpdated(Event):
    """The loss detection timer was set, cancelled or expired."""

    qlog_name: ClassVar[str] = "quic:timer_updated"
    event_type: str
    deadline_ns: int
    path_id: int


@dataclass(frozen=True, slots=True)
class MetricsUpdated(Event):
    """Round-trip time, window and flight after an acknowledgement."""

    qlog_name: ClassVar[str] = "quic:recovery_metrics_updated"
    smoothed_rtt_ns: int
    rtt_variance_ns: int
    latest_rtt_ns: int
    congestion_window: int
    bytes_in_flight: int
    path_id: int


@dataclass(frozen=True, slots=True)
class ConnectionStateUpdated(Event):
    """The connection's state machine moved."""

    qlog_name: ClassVar[str] = "quic:connection_state_updated"
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class StreamFinished(Event):
    """Every byte of a stream's receiving side has arrived."""

    qlog_name: ClassVar[str] = "quicsim:stream_finished"
    stream_id: int
    length_bytes: int


@dataclass(frozen=True, slots=True)
class StreamAborted(Event):
    """A stream's sending side was reset: by its own application, or because the peer reads no more of it."""

    qlog_name: ClassVar[str] = "quicsim:stream_aborted"
    stream_id: int
    error_code: int
    sent_bytes: int
    is_asked_for: bool


@dataclass(frozen=True, slots=True)
class PluginOffered(Event):
    """A plugin's bytes were given to the exchange stream."""

    qlog_name: ClassVar[str] = "quicsim:plugin_offered"
    plugin: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PluginAccepted(Event):
    """The peer said that it has attached a plugin that was offered."""

    qlog_name: ClassVar[str] = "quicsim:plugin_accepted"
    plugin: str


@dataclass(frozen=True, slots=True)
class PluginRecalled(Event):
    """The peer was asked to give up a plugin."""

    qlog_name: ClassVar[str] = "quicsim:plugin_recalled"
    plugin: str


@dataclass(frozen=True, slots=True)
class PluginRemoved(Event):
    """The peer said that it has given up a plugin as it was asked to."""

    qlog_name: ClassVar[str] = "quicsim:plugin_removed"
    plugin: str


@dataclass(frozen=True, slots=True)
class PluginStopped(Event):
    """The peer said that it runs a plugin no more, unasked."""

    qlog_name: ClassVar[str] = "quicsim:plugin_stopped"
    what: ClassVar[str] = "was stopped by the peer"
    plugin: str
    reason: str


@dataclass(frozen=True, slots=True)
class PluginAttached(Event):
    """A plugin took its anchors on this connection, with these parameters ("rate=3000000")."""

    qlog_name: ClassVar[str] = "quicsim:plugin_attached"
    plugin: str
    anchors: tuple[str, ...]
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PluginRefused(Event):
    """A plugin was not attached, here or at the peer."""

    qlog_name: ClassVar[str] = "quicsim:plugin_refused"
    what: ClassVar[str] = "was refused"
    plugin: str
    reason: str


@dataclass(frozen=True, slots=True)
class PluginCalled(Event):
    """A program ran to its end at an anchor."""

    qlog_name: ClassVar[str] = "quicsim:plugin_called"
    plugin: str
    anchor: str
    result: int
    instructions: int


@dataclass(frozen=True, slots=True)
class PluginLogged(Event):
    """A program put a number into the trace."""

    qlog_name: ClassVar[str] = "quicsim:plugin_logged"
    plugin: str
    anchor: str
    value: int


@dataclass(frozen=True, slots=True)
class PluginFaulted(Event):
    """A program was stopped; its writes were discarded."""

    qlog_name: ClassVar[str] = "quicsim:plugin_faulted"
    what: ClassVar[str] = "faulted"
    plugin: str
    anchor: str
    reason: str


@dataclass(frozen=True, slots=True)
class PluginDetached(Event):
    """A plugin gave up its anchors."""

    qlog_name: ClassVar[str] = "quicsim:plugin_detached"
    what: ClassVar[str] = "was detached"
    plugin: str
    reason: str


@dataclass(frozen=True, slots=True)
class PluginReplaced(Event):
    """A plugin gave up its anchors in the step in which another was attached."""

    qlog_name: ClassVar[str] = "quicsim:plugin_replaced"
    plugin: str
    by: str


PluginTrouble = PluginRefused | PluginFaulted | PluginDetached | PluginStopped
"""What a reader of the results should hear about, even without a trace."""


class Code:
    """The first byte of a record: which kind of event it packs. Only ever appended.

    Plain integers, since looking a member up in an Enum costs more than packing the record.
    """

    PACKET_SENT: Final = 1
    PACKET_RECEIVED: Final = 2
    DATAGRAM_DROPPED: Final = 3
    PACKET_LOST: Final = 4
    PLUGIN_OFFERED: Final = 5
    PLUGIN_ATTACHED: Final = 6
    PLUGIN_REFUSED: Final = 7
    PLUGIN_CALLED: Final = 8
    PLUGIN_FAULTED: Final = 9
    PLUGIN_DETACHED: Final = 10
    DATAGRAM_MARKED: Final = 11
    PLUGIN_ACCEPTED: Final = 12
    PLUGIN_REPLACED: Final = 13
    PLUGIN_RECALLED: Final = 14
    PLUGIN_REMOVED: Final = 15
    PLUGIN_STOPPED: Final = 16


RECORD_FORMAT = "BHIQQQ"
"""Code, component, index in the component, time in ns, and two values of the event's own; little-endian, packed."""

RECORD_FIELDS = len(RECORD_FORMAT)
CHECKPOINT_RECORDS = 1_024
_CHECKPOINT_FIELDS = CHECKPOINT_RECORDS * RECORD_FIELDS
_pack_block = struct.Struct("<" + RECORD_FORMAT * CHECKPOINT_RECORDS).pack


class Trace:
    """Collects the events of one run: a rolling digest always, event objects only while somebody subscribes.

    The records themselves are kept only where that is asked for.
    """

    def __init__(self, *, keeps_records: bool = False) -> None:
        self.subscribers: list[Callable[[Event], None]] = []
        self.checkpoints: list[bytes] = []
        """The digest after each 1,024 records: two runs part in the first interval whose checkpoints differ."""
        self.pending: list[int] = []
        """The fields of records that are not in the digest yet, one after another."""
        self._hash = hashlib.blake2b(digest_size=16)
        self._components: list[str] = []
        self._kept: list[bytes] | None = [] if keeps_records else None

    def component(self, name: str) -> Recorder:
        """A recorder for a component of this name; components are numbered in the order in which they are made."""
        self._components.append(name)
        return Recorder(self, len(self._components), name)

    def flush(self) -> None:
        """Feed a whole block of pending records to the digest, with a checkpoint after it."""
        block = _pack_block(*self.pending)
        self._hash.update(block)
        if self._kept is not None:
            self._kept.append(block)
        self.pending.clear()
        self.checkpoints.append(self._hash.digest())

    @property
    def count(self) -> int:
        """How many records there are so far."""
        return len(self.checkpoints) * CHECKPOINT_RECORDS + len(self.pending) // RECORD_FIELDS

    @property
    def components(self) -> tuple[str, ...]:
        """The components' names: the number in a record counts them from 1."""
        return tuple(self._components)

    def digest(self) -> str:
        """BLAKE2b over all records so far, in hexadecimal."""
        final = self._hash.copy()
        final.update(self._packed_pending())
        return final.hexdigest()

    def records(self) -> bytes:
        """All records so far, packed as the digest reads them. Raises ValueError of a trace that keeps none."""
        if self._kept is None:
            raise ValueError("this trace keeps no records; make it with keeps_records=True")
        return b"".join((*self._kept, self._packed_pending()))

    def _packed_pending(self) -> bytes:
        return struct.pack("<" + RECORD_FORMAT * (len(self.pending) // RECORD_FIELDS), *self.pending)


class Recorder:
    """One component's access to the trace."""

    __slots__ = ("_pending", "_trace", "index", "name", "number", "subscribers")

    def __init__(self, trace: Trace, number: int, name: str) -> None:
        self.number = number
        self.name = name
        self.index = 0
        self.subscribers = trace.subscribers
        self._trace = trace
        self._pending = trace.pending

    def record(self, code: int, time_ns: int, first: int, second: int) -> None:
        """Add a fixed-width record to the digest; the two values' meaning is the code's."""
        self.index = index = self.index + 1
        pending = self._pending
        pending += (code, self.number, index, time_ns, first, second)
        if len(pending) == _CHECKPOINT_FIELDS:
            self._trace.flush()

    def emit(self, event: Event) -> None:
        """Hand an event to every subscriber."""
        for subscriber in self.subscribers:
            subscriber(event)
