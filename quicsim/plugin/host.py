"""Which plugins act on this connection, and how do they come and go? Paper sections 2 and 2.1.

An application attaches a plugin to its own end, or pushes it to the peer. Attaching, detaching and replacing take
effect when the connection's current call ends; replacing is one step.
"""

from __future__ import annotations

from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING

from quicsim.events import Code, PluginAttached, PluginDetached, PluginReplaced
from quicsim.operations import Operation, Slot, operation_named
from quicsim.plugin.attachment import Attachment, dispatch
from quicsim.plugin.negotiation import Negotiation, Push
from quicsim.plugin.package import Plugin, PluginError
from quicsim.plugin.parameters import checked
from quicsim.plugin.verification import verified
from quicsim.randomness import Streams
from vm import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quicsim.events import PluginFaulted, PluginTrouble
    from quicsim.quic.connection import Connection

__all__ = ["ENGINES", "ConnectionPlugins"]

INIT_OPAQUE_DATA = operation_named("InitOpaqueData")


class ConnectionPlugins:
    """The plugins of one connection, and its side of the exchange."""

    def __init__(
        self,
        connection: Connection,
        streams: Streams | None = None,
        *,
        verify: bool = True,
        engine: str = ENGINES[0],
    ) -> None:
        self.connection = connection
        self.verify = verify
        """Whether a plugin must be proved safe before it is attached; if not, run-time checks alone contain it."""
        self.engine = engine
        """What runs the programs."""
        connection.plugin_host = self
        self.attachments: list[Attachment] = []
        self.ever_attached: set[str] = set()
        """The names of all that took their anchors, whether they have them still or not."""
        self.on_trouble: Callable[[PluginTrouble], None] = lambda event: None
        """Called when a plugin is refused, faults, or is detached for it."""
        self.debug_objects: Mapping[bytes, bytes] = {}
        """Debug objects by the object that travels, of plugins that the peer may push: their lines do not travel."""
        self._streams = streams or Streams(0, 0)
        self._draws: dict[str, Iterator[int]] = {}
        self.negotiation = Negotiation(self)

    # This end

    def attach(self, plugin: Plugin, parameters: Mapping[str, object] | None = None, *, replaces: str = "") -> None:
        """Attach a plugin to this end, with these of its parameters, in the place of `replaces` if one is named.

        Raises PluginError when the verifier refuses it, when another plugin holds an anchor that it wants to replace,
        when there is nothing of that name to replace, and for a parameter that it does not have or that is out of
        range.
        """
        old = self.attached(replaces) if replaces else None
        attachment = self.put(plugin, checked(plugin.name, plugin.parameters, parameters or {}), old)
        if old is not None:
            self.negotiation.gone(old, f"replaced by {plugin.name}")
        self.negotiation.came(attachment)

    def put(self, plugin: Plugin, chosen: Mapping[str, int], old: Attachment | None) -> Attachment:
        """Attach without telling the peer, in the place of `old` if there is one; the parameters are checked."""
        self._check_anchors(plugin, old)
        attachment = Attachment(plugin, self, chosen, verified(plugin) if self.verify else MappingProxyType({}))
        if old is not None:
            self.attachments.remove(old)
        self.attachments.append(attachment)
        self.connection.at_end_of_call(lambda: self._install(attachment, old))
        return attachment

    def attached(self, name: str) -> Attachment:
        """The plugin of this name that was attached last. Raises PluginError if there is none."""
        for attachment in reversed(self.attachments):
            if attachment.plugin.name == name:
                return attachment
        there = ", ".join(attachment.plugin.name for attachment in self.attachments)
        raise PluginError(f"plugin {name}: it is not attached to this connection; attached are {there or 'none'}")

    def detach(self, attachment: Attachment, reason: str) -> None:
        """Give a plugin's anchors back. Raises PluginError when it is not attached (any more)."""
        if attachment not in self.attachments:
            raise PluginError(f"plugin {attachment.plugin.name}: it is not attached to this connection")
        self.withdraw(attachment, reason)
        self.negotiation.gone(attachment, reason)

    def withdraw(self, attachment: Attachment, reason: str) -> None:
        """Detach without telling the peer."""
        self.attachments.remove(attachment)
        self.connection.at_end_of_call(lambda: self._uninstall(attachment, reason))

    def draws_of(self, plugin: str) -> Iterator[int]:
        """A plugin's random numbers of 64 bits, by its name: attached again, it goes on where it was."""
        if plugin not in self._draws:
            stream = self._streams.stream(f"plugin:{self.connection.recorder.name}:{plugin}")
            self._draws[plugin] = map(stream.u64, count())
        return self._draws[plugin]

    def _check_anchors(self, plugin: Plugin, old: Attachment | None) -> None:
        profile = self.connection.operations.profile_name
        if missing := [each.section for each in plugin.anchors if not each.operation.offered_by(profile)]:
            raise PluginError(f"plugin {plugin.name}: a host of profile {profile} does not offer {', '.join(missing)}")
        for anchor in plugin.anchors:
            if anchor.slot is not Slot.REPLACE or anchor.operation is INIT_OPAQUE_DATA:
                continue
            for holder in self.attachments:
                if holder is not old and any(each.anchor.number == anchor.number for each in holder.programs):
                    raise PluginError(
                        f"plugin {plugin.name}: {anchor.section} is held by plugin {holder.plugin.name}; "
                        f"detach that first"
                    )

    def _install(self, attachment: Attachment, old: Attachment | None) -> None:
        """Let the programs stand at their anchors, and those of `old` no more: no call comes in between."""
        going = old if old is not None and old.is_installed else None
        is_attached = attachment in self.attachments  # it may have been detached in the same call
        programs = [*(going.programs if going else ()), *(attachment.programs if is_attached else ())]
        for operation in {each.anchor.operation.number: each.anchor.operation for each in programs}.values():
            self._rebuild(operation)
        connection = self.connection
        recorder = connection.recorder
        plugin = attachment.plugin
        if going is not None:
            going.enabled = False
            going.give_back()
            recorder.record(Code.PLUGIN_REPLACED, connection.now_ns, len(going.programs), going.faults)
            if recorder.subscribers:
                recorder.emit(PluginReplaced(connection.now_ns, recorder.name, going.plugin.name, plugin.name))
        if not is_attached:
            return
        attachment.is_installed = True
        self.ever_attached.add(plugin.name)
        recorder.record(Code.PLUGIN_ATTACHED, connection.now_ns, len(plugin.anchors), len(plugin.data))
        if recorder.subscribers:
            sections = tuple(anchor.section for anchor in plugin.anchors)
            chosen = tuple(f"{name}={value}" for name, value in attachment.parameters.items())
            recorder.emit(PluginAttached(connection.now_ns, recorder.name, plugin.name, sections, chosen))
        # The memory is the plugin's own, and so is its initialisation: it runs now and never again.
        if own := [program for program in attachment.programs if program.anchor.operation is INIT_OPAQUE_DATA]:
            initialise = dispatch(INIT_OPAQUE_DATA, connection.operations.init_opaque_data, own)
            initialise(connection, connection.path)

    def _uninstall(self, attachment: Attachment, reason: str) -> None:
        if not attachment.is_installed:
            return  # attached in the same call
        for program in attachment.programs:
            self._rebuild(program.anchor.operation)
        attachment.enabled = False
        attachment.give_back()
        connection = self.connection
        recorder = connection.recorder
        recorder.record(Code.PLUGIN_DETACHED, connection.now_ns, len(attachment.programs), attachment.faults)
        event = PluginDetached(connection.now_ns, recorder.name, attachment.plugin.name, reason)
        if recorder.subscribers:
            recorder.emit(event)
        if attachment.faults:
            self.on_trouble(event)

    def _rebuild(self, operation: Operation) -> None:
        """Let the operation's entry be the default again, or a closure around the programs attached now."""
        operations = self.connection.operations
        programs = [
            program
            for attachment in self.attachments
            for program in attachment.programs
            if program.anchor.operation is operation and operation is not INIT_OPAQUE_DATA
        ]
        if programs:
            default = operation.default_for(operations.profile_name)
            operations.install(operation, dispatch(operation, default, programs))
        else:
            operations.restore(operation)
        for path in self.connection.paths:
            path.timer_is_stale = True  # whoever sets it now may want another deadline

    def faulted(self, attachment: Attachment, event: PluginFaulted, ends: bool) -> None:
        """A program of an attachment faulted; `ends`: it was one too many."""
        self.on_trouble(event)
        if ends and attachment in self.attachments:
            self.detach(attachment, f"after {attachment.faults} fault{'' if attachment.faults == 1 else 's'}")

    # The peer's end

    def push(
        self,
        plugin: Plugin,
        parameters: Mapping[str, object] | None = None,
        *,
        replaces: str = "",
        both: bool = False,
        on_accepted: Callable[[], None] = lambda: None,
    ) -> None:
        """Offer a plugin to the peer: now, or as soon as the handshake is confirmed.

        `parameters` and `replaces` are as in `attach`, `replaces` one that was pushed before. With `both` this end
        attaches it as well once the peer has accepted, which `on_accepted` is called for. A refusal goes to
        `on_trouble`. Raises PluginError for a parameter that the plugin does not have or that is out of range.
        """
        chosen = checked(plugin.name, plugin.parameters, parameters or {})
        self.negotiation.push(Push(plugin, chosen, replaces, both, on_accepted))

    def remove(self, name: str) -> None:
        """Ask the peer to give up a plugin that was pushed to it; this end gives up its own of a push for both."""
        self.negotiation.remove(name)

    def peer_has(self, name: str) -> bool:
        """Whether the peer has confirmed that it runs a plugin of this name: only then do its frames make sense."""
        return name in self.negotiation.at_peer

    def handshake_confirmed(self, peer_accepts_plugins: bool) -> None:
        """The exchange may begin; or it may not, and whoever waits is told."""
        self.negotiation.handshake_confirmed(peer_accepts_plugins)

    def receive_exchange(self, data: bytes) -> None:
        """Bytes of the peer's exchange stream, in order."""
        self.negotiation.receive(data)
