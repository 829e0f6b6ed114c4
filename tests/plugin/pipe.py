"""Two connections joined by a wire of constant delay: the least a plugin needs to be pushed, act and be watched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vm
from quicsim.events import Event, PluginLogged, PluginTrouble, Trace
from quicsim.operations import OperationTable, operation_named
from quicsim.plugin.host import ConnectionPlugins
from quicsim.plugin.marshal import STATE_REGION
from quicsim.plugin.package import Plugin, load_plugin
from quicsim.quic.connection import Connection
from quicsim.quic.interface import StreamReceived
from quicsim.quic.profiles import Bridge, Profile, profile_named
from quicsim.quic.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicsim.plugin.attachment import Attachment
    from quicsim.quic.packet import Datagram

OBJECTS = Path(__file__).parent / "objects"
MILLISECOND = 1_000_000
DELAY_NS = 5 * MILLISECOND


def compiled(name: str) -> bytes:
    """The bytes of a committed object, compiled from the C file beside it."""
    [built] = OBJECTS.rglob(f"{name}.o")
    return built.read_bytes()


def plugin(name: str) -> Plugin:
    """A plugin of this directory."""
    return load_plugin(compiled(name), source=f"{name}.o")


@dataclass
class Side:
    """A connection, its plugin host, and what they said."""

    connection: Connection
    plugins: ConnectionPlugins
    events: list[Event]
    troubles: list[PluginTrouble] = field(default_factory=list)
    delivered: dict[int, int] = field(default_factory=dict)

    def attach(self, what: Plugin, **state: int) -> Attachment:
        """Attach a plugin and set words of its memory: word0=1, word1=..."""
        self.plugins.attach(what)
        attachment = self.plugins.attachments[-1]
        for name, value in state.items():
            set_word(attachment, int(name.removeprefix("word")), value)
        return attachment

    def of(self, kind: type[Event]) -> list[Any]:
        """This side's events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def logged(self) -> list[int]:
        """The numbers that programs put into the trace."""
        return [event.value for event in self.of(PluginLogged)]


def state_of(attachment: Attachment) -> bytearray:
    """A plugin's opaque memory."""
    data = attachment.programs[0].machine.memory.locate(vm.address(STATE_REGION), 0).data
    assert isinstance(data, bytearray)
    return data


def word(attachment: Attachment, index: int) -> int:
    """A 64-bit word of a plugin's opaque memory."""
    return int.from_bytes(state_of(attachment)[8 * index : 8 * index + 8], "little")


def set_word(attachment: Attachment, index: int, value: int) -> None:
    """Set a 64-bit word of a plugin's opaque memory."""
    state_of(attachment)[8 * index : 8 * index + 8] = value.to_bytes(8, "little")


class Stuck(AssertionError):  # noqa: N818
    """Time does not go on, or nothing is left that could happen."""


class Pipe:
    """A client and a server. `drops(sender, index, datagram)` says which datagrams the wire loses.

    Time advances by the earliest arrival or deadline; more than `MAXIMUM_STEPS` of them are taken for a livelock.
    Plugins are not verified unless `verify` says so: most tests are about what contains those that nobody verified.
    """

    MAXIMUM_STEPS = 4_000

    def __init__(
        self,
        profile: str = "picoquic",
        *,
        client: Settings | None = None,
        server: Settings | None = None,
        hosts: bool = True,
        watched: bool = True,
        bridge: Bridge | None = None,
        verify: bool = False,
        drops: Callable[[str, int, Datagram], bool] = lambda sender, index, datagram: False,
    ) -> None:
        self.trace = Trace()
        self.bridge = bridge
        self.verify = verify
        self.events: list[Event] = []
        if watched:
            self.trace.subscribers.append(self._take)
        self.client = self._side("client", profile, client or Settings(), hosts)
        self.server = self._side("server", profile, server or Settings(), hosts)
        self.sides = {"client": self.client, "server": self.server}
        self.drops = drops
        self.now_ns = 0
        self.offered = {"client": 0, "server": 0}
        self._wire: list[tuple[int, int, str, Datagram]] = []
        self._order = 0

    def _side(self, name: str, profile: str, settings: Settings, hosts: bool) -> Side:
        connection = Connection(
            is_client=name == "client",
            profile=self._profile(profile),
            operations=OperationTable(profile),
            recorder=self.trace.component(name),
            settings=settings,
        )
        plugins = ConnectionPlugins(connection, verify=self.verify)
        side = Side(connection, plugins, [])
        plugins.on_trouble = side.troubles.append
        if not hosts:
            connection.plugin_host = None
        return side

    def _profile(self, name: str) -> Profile:
        profile = profile_named(name)
        return profile if self.bridge is None else replace(profile, bridge=self.bridge)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self.sides[event.component].events.append(event)

    def connect(self) -> None:
        """Start, and run until both ends have confirmed the handshake and nothing is under way."""
        self.client.connection.connect(self.now_ns)
        self.settle()
        assert self.client.connection.is_confirmed
        assert self.server.connection.is_confirmed

    def flush(self) -> None:
        """Send what both ends have to send."""
        for name, side in self.sides.items():
            while True:
                datagrams = side.connection.datagrams_to_send(self.now_ns)
                for datagram in datagrams:
                    index = self.offered[name]
                    self.offered[name] += 1
                    if not self.drops(name, index, datagram):
                        self._order += 1
                        other = "server" if name == "client" else "client"
                        heappush(self._wire, (self.now_ns + DELAY_NS, self._order, other, datagram))
                events = side.connection.events
                if not events:
                    break
                while events:
                    event = events.popleft()
                    if isinstance(event, StreamReceived):
                        side.delivered[event.stream_id] = side.delivered.get(event.stream_id, 0) + event.length_bytes

    def step(self) -> bool:
        """The next arrival or deadline; False: there is none."""
        deadlines = [s.connection.deadline_ns for s in self.sides.values() if s.connection.deadline_ns]
        arrival = [self._wire[0][0]] if self._wire else []
        if not deadlines and not arrival:
            return False
        self.now_ns = max(self.now_ns, min(deadlines + arrival))
        if arrival and arrival[0] <= self.now_ns:
            _time, _order, name, datagram = heappop(self._wire)
            self.sides[name].connection.receive(datagram, self.now_ns)
        else:
            for side in self.sides.values():
                if 0 < side.connection.deadline_ns <= self.now_ns:
                    side.connection.on_deadline(self.now_ns)
        self.flush()
        return True

    def settle(self) -> None:
        """Run until nothing is left to happen."""
        self.flush()
        for _ in range(self.MAXIMUM_STEPS):
            if not self.step():
                return
        raise Stuck(f"{self.MAXIMUM_STEPS} steps, and still something to do at {self.now_ns} ns")

    def run_for(self, duration_ns: int) -> None:
        """Let this much time pass."""
        self.flush()
        end_ns = self.now_ns + duration_ns
        for _ in range(self.MAXIMUM_STEPS):
            times = [s.connection.deadline_ns for s in self.sides.values() if s.connection.deadline_ns]
            times += [self._wire[0][0]] if self._wire else []
            if not times or min(times) > end_ns:
                self.now_ns = end_ns
                return
            self.step()
        raise Stuck(f"{self.MAXIMUM_STEPS} steps, and time has come to {self.now_ns} ns only")

    def send(self, size_bytes: int, sender: str = "client") -> int:
        """Send so many bytes on a stream of their own; its identifier."""
        connection = self.sides[sender].connection
        connection.now_ns = self.now_ns
        stream_id = connection.open_stream()
        connection.send(stream_id, size_bytes, fin=True)
        self.flush()
        return stream_id


def entry(side: Side, operation: str) -> Callable[..., int]:
    """What a side's call site of an operation calls."""
    function: Callable[..., int] = getattr(side.connection.operations, operation_named(operation).attribute)
    return function


def is_default(side: Side, operation: str) -> bool:
    """Whether nothing is attached to an operation: the entry is the default function itself."""
    profile = side.connection.profile.name
    return entry(side, operation) is operation_named(operation).default_for(profile)
