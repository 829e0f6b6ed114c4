"""What happens when an operation with programs is called? All or nothing.

A program's writes land only when it returns without a fault and its result passes the operation's rules. A fault
discards them and takes back what helpers did, the default runs instead, and past a limit (at once for a memory fault)
the plugin is done on this connection.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import vm
from quicsim.events import Code, PluginCalled, PluginFaulted, PluginLogged
from quicsim.operations import Operation, Slot, operation_named
from quicsim.plugin.helpers import HELPERS
from quicsim.plugin.journal import Journal
from quicsim.plugin.marshal import (
    CONNECTION_REGION,
    OPERATION_REGION,
    STATE_REGION,
    ConnectionView,
    CopiedConnectionView,
    OperationView,
    RuleBroken,
)
from quicsim.plugin.parameters import VALUE_SECTION, packed
from quicsim.quic.frames import PLUGIN_FRAME_TYPES, PluginFrame, encode_frame, frame_size
from quicsim.quic.packet import APPLICATION
from quicsim.quic.profiles import Bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicsim.plugin.host import ConnectionPlugins
    from quicsim.plugin.package import Anchor, Plugin
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path
    from vm.verifier import Proof

__all__ = ["INSTRUCTION_BUDGET", "MAXIMUM_FAULTS", "Attachment", "Program"]

INSTRUCTION_BUDGET = 100_000  # assumed: far above any plugin of the paper, far below a visible pause
MAXIMUM_FAULTS = 3  # assumed: a plugin that faults again and again is broken, not unlucky
MAXIMUM_PACKETS_ALONE = 8  # assumed: as many as a timer may expire at one instant
VIEWS = {Bridge.SHARED: ConnectionView, Bridge.COPIED: CopiedConnectionView}
GENERATE_FRAMES = operation_named("GenerateFrames")


class Attachment:
    """A plugin on one connection: its memory, shared by all its programs, and its record."""

    def __init__(
        self,
        plugin: Plugin,
        host: ConnectionPlugins,
        chosen: Mapping[str, int] = MappingProxyType({}),
        proofs: Mapping[str, Proof] = MappingProxyType({}),
    ) -> None:
        self.plugin = plugin
        self.proofs = proofs
        """By section: what the verifier proved of its programs; empty where nobody asked it."""
        self.parameters = {each.name: chosen.get(each.name, each.default) for each in plugin.parameters}
        """What was chosen of the plugin's parameters, and its defaults."""
        self.data = {VALUE_SECTION: packed(plugin.parameters, self.parameters)} if plugin.parameters else {}
        """What stands in the place of the object's own data."""
        self.host = host
        self.connection = host.connection
        self.enabled = True
        """False: no program of it runs any more."""
        self.is_installed = False
        """Its programs stand at their anchors, which they reach at the end of the call that attached it."""
        self.faults = 0
        self.ecn_settings: dict[int, tuple[int, int]] = {}
        """By path: the codepoint that was set before, and the one that this plugin set."""
        self.filling: Packet | None = None
        """The packet that a frame of this plugin was appended to last."""
        self.packets_alone = 0
        """Packets in a row, at one instant, that carry nothing but plugins' frames."""
        self.draws = host.draws_of(plugin.name)
        """Random numbers of 64 bits."""
        state = vm.Region(STATE_REGION, "state", bytearray(plugin.state_bytes), True)
        self.programs: list[Program] = []
        shared: list[vm.Region] = []
        for anchor in plugin.anchors:
            program = Program(self, anchor, state, shared)
            self.programs.append(program)
            shared = shared or program.data_regions()

    def fault(self, program: Program, reason: str, *, is_memory_fault: bool) -> None:
        """Trace and count a fault; end the plugin when it is one too many."""
        self.faults += 1
        connection = self.connection
        connection.counts.plugin_faults += 1
        recorder = connection.recorder
        recorder.record(Code.PLUGIN_FAULTED, connection.now_ns, program.anchor.number, program.machine.instructions)
        event = PluginFaulted(connection.now_ns, recorder.name, self.plugin.name, program.anchor.section, reason)
        if recorder.subscribers:
            recorder.emit(event)
        ends = is_memory_fault or self.faults >= MAXIMUM_FAULTS
        if ends:
            self.enabled = False
        self.host.faulted(self, event, ends)

    def give_back(self) -> None:
        """Undo the socket options that the plugin set, unless somebody set others since."""
        for path_id, (before, own) in self.ecn_settings.items():
            path = self.connection.paths[path_id]
            if path.ecn_codepoint == own:
                path.ecn_codepoint = before
        self.ecn_settings = {}


class Program:
    """One program at its anchor. It is the context that helpers get."""

    def __init__(self, attachment: Attachment, anchor: Anchor, state: vm.Region, shared: list[vm.Region]) -> None:
        self.attachment = attachment
        self.anchor = anchor
        self.connection = attachment.connection
        self.default_result: int | None = None
        self._default: Callable[..., int] | None = None
        self._arguments: tuple[Any, ...] = ()
        self._shown_result = 0
        self._packets: list[Packet] | None = None
        self._packet_bytes: bytes | None = None
        self._journal = Journal()
        self._operation_view = OperationView(anchor.operation, self.connection.counts)
        self._connection_view = VIEWS[self.connection.profile.bridge](self.connection)
        proof = attachment.proofs.get(anchor.section)
        self.machine = vm.Machine(
            attachment.plugin.program,
            HELPERS,
            budget=INSTRUCTION_BUDGET if proof is None else proof.worst_case_instructions,
            data=attachment.data,
            engine=attachment.host.engine,
            proofs=tuple(attachment.proofs.values()),
        )
        for region in shared:
            self.machine.memory.unmap(region.number)
            self.machine.memory.map(region)
        for region in (self._operation_view.region, self._connection_view.region, state):
            self.machine.memory.map(region)
        self._enter = self.machine.entry(anchor.section, _ARGUMENTS)

    def data_regions(self) -> list[vm.Region]:
        """The regions of .data and .bss, which all programs of an attachment share."""
        memory = self.machine.memory
        return [memory.locate(vm.address(section.region), 0) for section in self.attachment.plugin.program.data]

    @property
    def path(self) -> Path:
        """The path that the operation is about: always its second argument."""
        path: Path = self._arguments[1]
        return path

    def argument(self, name: str) -> Any:
        """What the operation was called with under this name. Raises HelperError if it takes nothing of the kind."""
        operation = self.anchor.operation
        if name not in operation.arguments:
            raise vm.HelperError(f"{operation.name} is about no {name}")
        return self._arguments[operation.arguments.index(name)]

    def replace(self, default: Callable[..., int], arguments: tuple[Any, ...]) -> int:
        """Run instead of the default; on a fault, the default's result."""
        self.default_result = None
        result = self._run(default, arguments, 0)
        if result is not None:
            return result
        return default(*arguments) if self.default_result is None else self.default_result

    def observe(self, arguments: tuple[Any, ...], result: int) -> None:
        """Run before or after the operation; a fault skips only this program."""
        self._run(None, arguments, result)

    def _run(self, default: Callable[..., int] | None, arguments: tuple[Any, ...], shown_result: int) -> int | None:
        """The program's result, or None on a fault."""
        connection = self.connection
        self._default = default
        self._arguments = arguments
        self._shown_result = shown_result
        self._packets = self._packet_bytes = None
        journal = self._journal
        view = self._operation_view
        view.load(arguments, shown_result)
        self._connection_view.reset()
        machine = self.machine
        try:
            result = self._enter(self)
            own_result = default is not None and result != self.default_result
            if own_result:  # the default answers for its own, and has put it where it belongs
                view.check(result)
            self._land()
            if own_result:
                view.put(result, journal)
            journal.commit()
        except vm.Fault as fault:
            journal.roll_back()
            self.attachment.fault(self, str(fault), is_memory_fault=isinstance(fault, vm.AccessViolation))
            return None
        except RuleBroken as broken:
            journal.roll_back()
            self.attachment.fault(self, str(broken), is_memory_fault=False)
            return None
        finally:
            connection.counts.plugin_calls += 1
            connection.counts.plugin_instructions += machine.instructions
        recorder = connection.recorder
        recorder.record(Code.PLUGIN_CALLED, connection.now_ns, self.anchor.number, result)
        if recorder.subscribers:
            recorder.emit(
                PluginCalled(
                    connection.now_ns, recorder.name, self.attachment.plugin.name, self.anchor.section, result,
                    machine.instructions,
                )
            )  # fmt: skip
        return result

    def _land(self) -> None:
        """Check all that the program wrote, then assign all of it, for the journal to take back."""
        assignments = self._operation_view.written()
        self._connection_view.check()
        self._operation_view.commit(assignments, self._journal)
        self._connection_view.commit(self._journal)

    def _land_within(self) -> None:
        """Land in the middle of a call, for a helper."""
        try:
            self._land()
        except RuleBroken as broken:
            raise vm.HelperError(str(broken)) from None

    def _refresh(self) -> None:
        """Show the program what a helper changed."""
        self._operation_view.refresh(self._shown_result)
        self._connection_view.reset()
        self._packets = self._packet_bytes = None

    def run_default(self) -> int:
        """The helper: a commit point, then the profile's default (DESIGN section 3)."""
        if self._default is None:
            raise vm.HelperError("run_default is for replace/ programs; this one runs beside the default")
        if self.default_result is not None:
            raise vm.HelperError("run_default was called twice in one call; it runs at most once")
        self._land_within()
        self._journal.commit()
        self.default_result = self._shown_result = self._default(*self._arguments)
        self._refresh()
        return self.default_result

    def change(self, *changes: tuple[object, str, object]) -> None:
        """For helpers: land what the program wrote, make assignments that a fault takes back, show them."""
        self._land_within()
        for owner, attribute, value in changes:
            self._journal.set(owner, attribute, value)
        self._refresh()

    def append_frame(self, frame_type: int, data: bytes) -> bool:
        """The helper: put a frame into the packet being assembled; False: it may not go there now."""
        if self.anchor.operation is not GENERATE_FRAMES:
            raise vm.HelperError(f"append_frame is for programs of GenerateFrames; this is {self.anchor.section}")
        if frame_type not in PLUGIN_FRAME_TYPES:
            first, last = PLUGIN_FRAME_TYPES[0], PLUGIN_FRAME_TYPES[-1]
            raise vm.HelperError(
                f"append_frame: {frame_type:#x} is no plugin's frame type; these are {first:#x} to {last:#x}"
            )
        packet: Packet = self.argument("packet")
        attachment, path = self.attachment, self.path
        frame = PluginFrame(frame_type, data)
        size_bytes = frame_size(frame)
        asks = frame.ack_eliciting
        if (
            size_bytes > packet.room_bytes
            or packet.space is not APPLICATION
            or not attachment.host.peer_has(attachment.plugin.name)
            or (asks and not packet.ack_eliciting and not packet.is_probe and not path.window_is_open)
        ):
            return False
        if packet is not attachment.filling:
            self._watch_progress(packet)
        self.change(
            (packet, "frames", [*packet.frames, frame]),
            (packet, "room_bytes", packet.room_bytes - size_bytes),
            (packet, "ack_eliciting", packet.ack_eliciting or asks),
            (packet, "in_flight", packet.in_flight or asks),
        )
        return True

    def _watch_progress(self, packet: Packet) -> None:
        """A plugin that fills packet after packet with its own frames would do so for ever: time must go on."""
        attachment = self.attachment
        last, attachment.filling = attachment.filling, packet
        alone = (
            last is not None
            and last.sent_ns == self.connection.now_ns
            and all(isinstance(frame, PluginFrame) for frame in last.frames)
        )
        attachment.packets_alone = attachment.packets_alone + 1 if alone else 0
        if attachment.packets_alone > MAXIMUM_PACKETS_ALONE:
            raise vm.HelperError(
                f"append_frame: {MAXIMUM_PACKETS_ALONE} packets in a row at one instant carry plugins' frames only"
            )

    def random(self) -> int:
        """The helper: the next draw of the plugin's own stream. A fault does not put it back."""
        return next(self.attachment.draws)

    def packet_bytes(self) -> bytes:
        """The helper: the frames of the packet that the operation is about, encoded when they are first asked for."""
        if self._packet_bytes is None:
            packet: Packet = self.argument("packet")
            self._packet_bytes = b"".join(map(encode_frame, packet.frames))
        return self._packet_bytes

    def set_ecn(self, codepoint: int) -> None:
        """The helper: the path's datagrams are sent with this codepoint from now on."""
        attachment, path = self.attachment, self.path
        before, _ = attachment.ecn_settings.get(path.path_id, (path.ecn_codepoint, 0))
        settings = {**attachment.ecn_settings, path.path_id: (before, codepoint)}
        self.change((path, "ecn_codepoint", codepoint), (attachment, "ecn_settings", settings))

    def outstanding(self, index: int) -> Packet | None:
        """The helper: a packet in flight. Whoever asks for one in the middle gets them listed once a call."""
        packets = self.path.application.outstanding
        if not index or index == len(packets) - 1:
            return next(iter(packets.values()) if not index else reversed(packets.values()), None)
        if self._packets is None:
            self._packets = list(packets.values())
        return self._packets[index] if index < len(self._packets) else None

    def log(self, value: int) -> None:
        """The helper: a number for whoever follows the trace."""
        recorder = self.connection.recorder
        if recorder.subscribers:
            name = self.attachment.plugin.name
            recorder.emit(PluginLogged(self.connection.now_ns, recorder.name, name, self.anchor.section, value))


_ARGUMENTS = tuple(vm.address(region) for region in (OPERATION_REGION, CONNECTION_REGION, STATE_REGION))


def dispatch(operation: Operation, default: Callable[..., int], programs: list[Program]) -> Callable[..., int]:
    """What the call site calls while programs are attached: before, replace or default, after."""
    before = [program for program in programs if program.anchor.slot is Slot.BEFORE]
    after = [program for program in programs if program.anchor.slot is Slot.AFTER]
    replacing = next((program for program in programs if program.anchor.slot is Slot.REPLACE), None)

    def call(*arguments: Any) -> int:
        for program in before:
            if program.attachment.enabled:
                program.observe(arguments, 0)
        if replacing is not None and replacing.attachment.enabled:
            result = replacing.replace(default, arguments)
        else:
            result = default(*arguments)
        for program in after:
            if program.attachment.enabled:
                program.observe(arguments, result)
        return result

    return call
