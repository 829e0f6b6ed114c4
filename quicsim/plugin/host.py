"""Which plugins act on this connection, and how do they come and go? Paper sections 2 and 2.1.

An application attaches a plugin to its own end, or pushes it to the peer, whose host loads it, attaches it and answers.
Attaching and detaching take effect when the connection's current call ends.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from quicsim.events import Code, PluginAttached, PluginDetached, PluginOffered, PluginRefused
from quicsim.operations import Operation, Slot, operation_named
from quicsim.plugin.attachment import Attachment, dispatch
from quicsim.plugin.exchange import Accepted, ExchangeReader, Message, Offer, Refused, encode
from quicsim.plugin.package import Plugin, PluginError, load_plugin
from quicsim.randomness import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quicsim.events import PluginFaulted, PluginTrouble
    from quicsim.quic.connection import Connection

__all__ = ["ConnectionPlugins"]

INIT_OPAQUE_DATA = operation_named("InitOpaqueData")


class ConnectionPlugins:
    """The plugins of one connection, and its side of the exchange."""

    def __init__(self, connection: Connection, streams: Streams | None = None) -> None:
        self.connection = connection
        connection.plugin_host = self
        self.attachments: list[Attachment] = []
        self.on_trouble: Callable[[PluginTrouble], None] = lambda event: None
        """Called when a plugin is refused, faults, or is detached for it."""
        self._reader = ExchangeReader()
        self._waiting: list[Plugin] = []
        self._offers: dict[int, Plugin] = {}
        self._next_offer = 0
        self._streams = streams or Streams(0, 0)
        self._draws: dict[str, Iterator[int]] = {}
        self._exchange_is_open: bool | None = None
        """None: the handshake will tell."""

    # Attaching

    def attach(self, plugin: Plugin) -> None:
        """Attach a plugin to this end. Raises PluginError when another one holds an anchor that it wants to replace."""
        self._check_anchors(plugin)
        attachment = Attachment(plugin, self.connection, self._on_fault, self._draws_of(plugin.name))
        self.attachments.append(attachment)
        self.connection.at_end_of_call(lambda: self._install(attachment))

    def detach(self, attachment: Attachment, reason: str) -> None:
        """Give a plugin's anchors back. Raises PluginError when it is not attached (any more)."""
        if attachment not in self.attachments:
            raise PluginError(f"plugin {attachment.plugin.name}: it is not attached to this connection")
        attachment.enabled = False
        self.attachments.remove(attachment)
        self.connection.at_end_of_call(lambda: self._uninstall(attachment, reason))

    def _draws_of(self, plugin: str) -> Iterator[int]:
        """A plugin's random numbers, by its name: attached again, it goes on where it was."""
        if plugin not in self._draws:
            stream = self._streams.stream(f"plugin:{self.connection.recorder.name}:{plugin}")
            self._draws[plugin] = map(stream.u64, count())
        return self._draws[plugin]

    def _check_anchors(self, plugin: Plugin) -> None:
        for anchor in plugin.anchors:
            if anchor.slot is not Slot.REPLACE or anchor.operation is INIT_OPAQUE_DATA:
                continue
            for holder in self.attachments:
                if any(program.anchor.number == anchor.number for program in holder.programs):
                    raise PluginError(
                        f"plugin {plugin.name}: {anchor.section} is held by plugin {holder.plugin.name}; "
                        f"detach that first"
                    )

    def _install(self, attachment: Attachment) -> None:
        if attachment not in self.attachments:
            return  # detached in the same call
        for program in attachment.programs:
            self._rebuild(program.anchor.operation)
        attachment.is_installed = True
        connection = self.connection
        recorder = connection.recorder
        plugin = attachment.plugin
        recorder.record(Code.PLUGIN_ATTACHED, connection.now_ns, len(plugin.anchors), len(plugin.data))
        if recorder.subscribers:
            sections = tuple(anchor.section for anchor in plugin.anchors)
            recorder.emit(PluginAttached(connection.now_ns, recorder.name, plugin.name, sections))
        # The memory is the plugin's own, and so is its initialisation: it runs now and never again.
        if own := [program for program in attachment.programs if program.anchor.operation is INIT_OPAQUE_DATA]:
            initialise = dispatch(INIT_OPAQUE_DATA, connection.operations.init_opaque_data, own)
            initialise(connection, connection.path)

    def _uninstall(self, attachment: Attachment, reason: str) -> None:
        if not attachment.is_installed:
            return  # attached in the same call
        for program in attachment.programs:
            self._rebuild(program.anchor.operation)
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

    def _on_fault(self, attachment: Attachment, event: PluginFaulted, ends: bool) -> None:
        self.on_trouble(event)
        if ends and attachment in self.attachments:
            self.detach(attachment, f"after {attachment.faults} fault{'' if attachment.faults == 1 else 's'}")

    # Exchange

    def push(self, plugin: Plugin) -> None:
        """Offer a plugin to the peer: now, or as soon as the handshake is confirmed."""
        if self._exchange_is_open is None:
            self._waiting.append(plugin)
        elif self._exchange_is_open:
            self._offer(plugin)
        elif self.connection.accepts_plugins:
            self._note_refusal(plugin.name, "the peer does not take part in the exchange of plugins")
        else:
            self._note_refusal(plugin.name, "this end does not take part in the exchange of plugins")

    def handshake_confirmed(self, peer_accepts_plugins: bool) -> None:
        """The exchange may begin; or it may not, and whoever waits is told."""
        waiting, self._waiting = self._waiting, []
        self._exchange_is_open = peer_accepts_plugins
        for plugin in waiting:
            self.push(plugin)

    def receive_exchange(self, data: bytes) -> None:
        """Bytes of the peer's exchange stream, in order."""
        for message in self._reader.feed(data):
            if isinstance(message, Offer):
                self._answer(message)
            elif isinstance(message, Accepted):
                self._offers.pop(message.offer_id, None)
            elif (plugin := self._offers.pop(message.offer_id, None)) is not None:
                self._note_refusal(plugin.name, f"by the peer: {message.reason}")

    def _offer(self, plugin: Plugin) -> None:
        connection = self.connection
        offer_id = self._next_offer
        self._next_offer += 1
        self._offers[offer_id] = plugin
        recorder = connection.recorder
        recorder.record(Code.PLUGIN_OFFERED, connection.now_ns, offer_id, len(plugin.data))
        if recorder.subscribers:
            recorder.emit(PluginOffered(connection.now_ns, recorder.name, plugin.name, len(plugin.data)))
        self._send(Offer(offer_id, plugin.data))

    def _answer(self, offer: Offer) -> None:
        name = f"offer {offer.offer_id}"
        try:
            if not self.connection.accepts_plugins:
                raise PluginError("this end does not take part in the exchange of plugins")
            plugin = load_plugin(offer.elf, source=f"plugin {name} of the peer")
            name = plugin.name
            self.attach(plugin)
        except PluginError as error:
            self._note_refusal(name, str(error))
            self._send(Refused(offer.offer_id, str(error)))
        else:
            self._send(Accepted(offer.offer_id))

    def _send(self, message: Message) -> None:
        stream_id = self.connection.exchange_stream_id
        self.connection.sending_stream(stream_id)
        self.connection.send(stream_id, encode(message))

    def _note_refusal(self, plugin: str, reason: str) -> None:
        connection = self.connection
        recorder = connection.recorder
        recorder.record(Code.PLUGIN_REFUSED, connection.now_ns, 0, 0)
        event = PluginRefused(connection.now_ns, recorder.name, plugin, reason)
        if recorder.subscribers:
            recorder.emit(event)
        self.on_trouble(event)
