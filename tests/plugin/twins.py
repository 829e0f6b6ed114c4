"""Would the same behaviour in Python send the same packets? Native twins of plugins, at the same anchors.

A plugin's twin stands beside it, in `plugins/NAME/twin.py`, and is written from what the plugin should do, not from its
C. Under `native`, an attachment of that plugin runs the twin's functions and no bytecode: from the same instant, in the
same slots, whether it was attached or pushed, until it goes. What a run sends, receives and loses must then be the
same, packet by packet, and so must its digest, which knows of each call with its anchor and result.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import quicsim
from quicsim.events import Code, Event, PacketLost, PacketReceived, PacketSent, PluginLogged
from quicsim.operations import Slot
from quicsim.plugin import attachment
from quicsim.plugin.parameters import VALUE_SECTION, layout
from quicsim.scenario.run import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quicsim.plugin.attachment import Attachment
    from quicsim.plugin.package import Anchor
    from quicsim.quic.connection import Connection
    from quicsim.results import RunRecord
    from tests.plugin.pipe import Pipe

COMPARED = (PacketSent, PacketReceived, PacketLost, PluginLogged)


class Twin:
    """What a plugin does on one connection, with the parameters that were chosen as attributes.

    A method bears its anchor: `@at("replace/SetTimer")`. One that replaces gets the default and what the operation is
    called with, and returns the result; one that follows gets the result first; one that precedes, only the arguments.
    What the operation's output stands for (`Output.of`), the method assigns itself.
    """

    def __init__(self, plugin: str, connection: Connection, **parameters: int) -> None:
        self.plugin = plugin
        self.connection = connection
        self.section = ""
        """The anchor whose method runs."""
        for name, value in parameters.items():
            setattr(self, name, value)
        self.start()

    def start(self) -> None:
        """Set up what the plugin remembers."""

    def log(self, value: int) -> None:
        """Put a number into the trace."""
        recorder = self.connection.recorder
        if recorder.subscribers:
            recorder.emit(PluginLogged(self.connection.now_ns, recorder.name, self.plugin, self.section, value))


def at(section: str) -> Callable[[Any], Any]:
    """Mark the method that stands at an anchor."""

    def mark(method: Any) -> Any:
        method.anchor = section
        return method

    return mark


def twin_of(plugin: str) -> type[Twin]:
    """The twin of a plugin that comes with quicsim. Raises ModuleNotFoundError where there is none."""
    kind: type[Twin] = import_module(f"plugins.{plugin}.twin").Native
    return kind


def functions(twin: Twin) -> dict[str, Callable[..., int | None]]:
    """The twin's methods by anchor."""
    methods = (getattr(twin, name) for name in dir(type(twin)))
    return {method.anchor: method for method in methods if hasattr(method, "anchor")}


class NativeProgram:
    """Stands where a Program would, and calls Python."""

    def __init__(self, owner: Attachment, anchor: Anchor, twin: Twin) -> None:
        self.attachment = owner
        self.anchor = anchor
        self.twin = twin
        self.function = functions(twin)[anchor.section]

    def data_regions(self) -> list[object]:
        """There is no bytecode, and so no data."""
        return []

    def replace(self, default: Callable[..., int], arguments: tuple[Any, ...]) -> int:
        """In the default's place."""
        return self._call(default, *arguments)

    def observe(self, arguments: tuple[Any, ...], result: int) -> None:
        """Before or after it."""
        self._call(*((result, *arguments) if self.anchor.slot is Slot.AFTER else arguments))

    def _call(self, *arguments: Any) -> int:
        self.twin.section = self.anchor.section
        result = self.function(*arguments)
        if result is None:
            assert self.anchor.slot is not Slot.REPLACE, f"{self.anchor.section}: the twin returned nothing"
            result = 0
        connection = self.attachment.connection
        connection.counts.plugin_calls += 1
        connection.recorder.record(Code.PLUGIN_CALLED, connection.now_ns, self.anchor.number, int(result))
        return int(result)


@contextmanager
def native(**twins: type[Twin]) -> Iterator[None]:
    """While it lasts, whoever attaches a plugin of one of these names gets its twin."""
    bytecode: Any = attachment.Program
    made: dict[Attachment, Twin] = {}

    def program(owner: Attachment, anchor: Anchor, *memory: object) -> object:
        kind = twins.get(owner.plugin.name)
        if kind is None:
            return bytecode(owner, anchor, *memory)
        if owner not in made:
            made[owner] = kind(owner.plugin.name, owner.connection, **chosen(owner))
            sections = {each.section for each in owner.plugin.anchors}
            assert functions(made[owner]).keys() == sections, "the anchors differ"
        return NativeProgram(owner, anchor, made[owner])

    attachment.Program = program  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        attachment.Program = bytecode  # type: ignore[misc]


def chosen(owner: Attachment) -> dict[str, int]:
    """The parameters that an attachment runs with."""
    parameters = owner.plugin.parameters
    if not parameters:
        return {}
    values = struct.unpack(layout(parameters).format, owner.data[VALUE_SECTION])
    return dict(zip((each.name for each in parameters), values, strict=True))


@dataclass(frozen=True)
class Seen:
    """What happened in a run."""

    packets: list[Event]
    digest: str
    of: Any
    """The Pipe, or the RunRecord."""


def on_pipe(pipe: Pipe) -> Seen:
    """What happened on a pipe that has been driven."""
    return Seen([event for event in pipe.events if isinstance(event, COMPARED)], pipe.trace.digest(), pipe)


def in_scenario(name: str, overrides: Sequence[str], variant: str = "default", replication: int = 0) -> Seen:
    """What happens in one run of a scenario."""
    packets: list[Event] = []

    def note(event: Event) -> None:
        if isinstance(event, COMPARED):
            packets.append(event)

    record: RunRecord = trace(quicsim.scenario(name, list(overrides)), variant, replication, note)
    return Seen(packets, record.digest, record)


def same_run(drive: Callable[[], Seen], *plugins: str) -> Seen:
    """Drive a run with these plugins' bytecode, then with their twins; fail at the first packet that differs."""
    bytecode = drive()
    with native(**{plugin: twin_of(plugin) for plugin in plugins}):
        twin = drive()
    same_packets(bytecode, twin)
    assert bytecode.digest == twin.digest, "the packets are the same, but not all that happened"
    return bytecode


def same_packets(one: Seen, other: Seen) -> None:
    """Fail at the first packet that differs."""
    for index, (first, second) in enumerate(zip(one.packets, other.packets, strict=False)):
        assert first == second, f"event {index} of {len(one.packets)}"
    assert len(one.packets) == len(other.packets)
