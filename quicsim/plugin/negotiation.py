"""What do the two ends ask of each other about plugins, and what has been answered? Paper section 2.1.

An end offers plugins and takes them back; the other checks each request and answers it. Requests are carried out in the
order in which they were made. Only what the peer offered is the peer's to replace or to remove.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from quicsim.events import (
    Code,
    Event,
    PluginAccepted,
    PluginOffered,
    PluginRecalled,
    PluginRefused,
    PluginRemoved,
    PluginStopped,
)
from quicsim.plugin.exchange import (
    Accepted,
    ExchangeReader,
    Message,
    Offer,
    Refused,
    Remove,
    Running,
    Stopped,
    encode,
)
from quicsim.plugin.package import PluginError, load_plugin
from quicsim.plugin.parameters import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicsim.plugin.attachment import Attachment
    from quicsim.plugin.host import ConnectionPlugins
    from quicsim.plugin.package import Plugin

__all__ = ["Negotiation", "Push", "Removal"]

Noted = TypeVar("Noted", bound=Event)


@dataclass(frozen=True, slots=True)
class Push:
    """A plugin for the peer, with the parameters that were chosen; `replaces` may be empty."""

    plugin: Plugin
    chosen: Mapping[str, int]
    replaces: str
    both: bool
    on_accepted: Callable[[], None]

    @property
    def name(self) -> str:
        """The plugin's."""
        return self.plugin.name


@dataclass(frozen=True, slots=True)
class Removal:
    """A plugin that the peer is to give up."""

    name: str


class Negotiation:
    """One end's part in the exchange of plugins on a connection."""

    def __init__(self, host: ConnectionPlugins) -> None:
        self.at_peer: list[str] = []
        """Names of the plugins that the peer has said it runs."""
        self._host = host
        self._connection = host.connection
        self._reader = ExchangeReader()
        self._is_open: bool | None = None
        """None: the handshake will tell."""
        self._waiting: list[Push | Removal] = []
        self._asked: dict[int, Push | Removal] = {}
        self._next_request = 0
        self._of_peer: list[Attachment] = []
        """What the peer offered and this end runs."""
        self._with_peer: list[Attachment] = []
        """This end's own of what it pushed for both."""
        self._of_application: list[Attachment] = []
        """What this end's application attached and the peer may have to know of."""

    def push(self, push: Push) -> None:
        """See ConnectionPlugins.push."""
        self._ask(push)

    def remove(self, name: str) -> None:
        """See ConnectionPlugins.remove."""
        self._ask(Removal(name))

    def handshake_confirmed(self, peer_accepts_plugins: bool) -> None:
        """The exchange may begin; or it may not, and whoever waits is told."""
        waiting, self._waiting = self._waiting, []
        self._is_open = peer_accepts_plugins
        if peer_accepts_plugins:
            for attachment in self._of_application:
                self._send(Running(attachment.plugin.name))
        for request in waiting:
            self._ask(request)

    def came(self, attachment: Attachment) -> None:
        """This end's application attached a plugin: the peer hears of it if it may get frames of it."""
        if attachment.plugin.has_frames:
            self._of_application.append(attachment)
            if self._is_open:
                self._send(Running(attachment.plugin.name))

    def gone(self, attachment: Attachment, reason: str) -> None:
        """A plugin of this end was detached: the peer hears of it if it believes that it runs.

        What was pushed for both acts at both ends or at none: one part alone would speak to nobody.
        """
        if attachment in self._with_peer:
            self.remove(attachment.plugin.name)
        for known in (self._of_peer, self._with_peer, self._of_application):
            if attachment in known:
                known.remove(attachment)
                if self._is_open:
                    self._send(Stopped(attachment.plugin.name, reason))

    def _ask(self, request: Push | Removal) -> None:
        if self._is_open is None:
            self._waiting.append(request)
            return
        if not self._is_open:
            who = "the peer" if self._connection.accepts_plugins else "this end"
            self._note_refusal(request.name, f"{who} does not take part in the exchange of plugins")
            return
        request_id = self._next_request
        self._next_request += 1
        self._asked[request_id] = request
        if isinstance(request, Push):
            plugin = request.plugin
            size_bytes = len(plugin.data)
            self._note(Code.PLUGIN_OFFERED, request_id, PluginOffered, plugin.name, size_bytes, second=size_bytes)
            self._send(Offer(request_id, plugin.data, tuple(request.chosen.items()), request.replaces))
        else:
            self._note(Code.PLUGIN_RECALLED, request_id, PluginRecalled, request.name)
            self._send(Remove(request_id, request.name))

    # What the peer says

    def receive(self, data: bytes) -> None:
        """Bytes of the peer's exchange stream, in order."""
        for message in self._reader.feed(data):
            match message:
                case Offer():
                    self._on_offer(message)
                case Remove():
                    self._on_remove(message)
                case Accepted(request_id):
                    self._on_accepted(request_id)
                case Refused(request_id, reason):
                    if (request := self._asked.pop(request_id, None)) is not None:
                        self._note_refusal(request.name, f"by the peer: {reason}")
                case Running(name):
                    self.at_peer.append(name)
                case Stopped(name, reason):
                    self._on_stopped(name, reason)

    def _on_offer(self, offer: Offer) -> None:
        name = f"offer {offer.request_id}"
        try:
            if not self._connection.accepts_plugins:
                raise PluginError("this end does not take part in the exchange of plugins")
            plugin = load_plugin(
                offer.elf, source=f"plugin {name} of the peer", debug=self._host.debug_objects.get(offer.elf)
            )
            name = plugin.name
            chosen = checked(name, plugin.parameters, dict(offer.parameters))
            old = self._peer_s(offer.replaces) if offer.replaces else None
            attachment = self._host.put(plugin, chosen, old)
        except PluginError as error:
            self._note_refusal(name, str(error))
            self._send(Refused(offer.request_id, str(error)))
            return
        if old is not None:
            self._of_peer.remove(old)
        self._of_peer.append(attachment)
        self._send(Accepted(offer.request_id))

    def _on_remove(self, request: Remove) -> None:
        try:
            attachment = self._peer_s(request.name)
        except PluginError as error:
            self._send(Refused(request.request_id, str(error)))
            return
        self._of_peer.remove(attachment)
        self._host.withdraw(attachment, "the peer removed it")
        self._send(Accepted(request.request_id))

    def _peer_s(self, name: str) -> Attachment:
        """The plugin of this name that the peer offered last. Raises PluginError."""
        for attachment in reversed(self._of_peer):
            if attachment.plugin.name == name:
                return attachment
        theirs = ", ".join(attachment.plugin.name for attachment in self._of_peer)
        raise PluginError(
            f"plugin {name}: none of this name was offered and is attached; those that were are {theirs or 'none'}"
        )

    def _on_accepted(self, request_id: int) -> None:
        request = self._asked.pop(request_id, None)
        if request is None:
            return
        if isinstance(request, Removal):
            self._forget(request.name)
            self._note(Code.PLUGIN_REMOVED, request_id, PluginRemoved, request.name)
            self._give_up_own(self._own(request.name), "removed from both ends")
            return
        if request.replaces:
            self._forget(request.replaces)
        self.at_peer.append(request.name)
        self._note(Code.PLUGIN_ACCEPTED, request_id, PluginAccepted, request.name)
        self._attach_own(request)
        request.on_accepted()

    def _attach_own(self, push: Push) -> None:
        """This end's part of a push for both; what was replaced at the peer has no part left here either."""
        old = self._own(push.replaces) if push.replaces else None
        if not push.both:
            self._give_up_own(old, f"replaced by {push.name}")
            return
        try:
            own = self._host.put(push.plugin, push.chosen, old)
        except PluginError as error:
            self._note_refusal(push.name, f"by this end, for which it was meant as well: {error}")
            self._give_up_own(old, f"replaced by {push.name}")
            self.remove(push.name)
            return
        if old is not None:
            self._with_peer.remove(old)
            self._send(Stopped(push.replaces, ""))
        self._with_peer.append(own)
        self._send(Running(push.name))

    def _own(self, name: str) -> Attachment | None:
        """This end's own of what it pushed for both under this name."""
        return next((each for each in reversed(self._with_peer) if each.plugin.name == name), None)

    def _give_up_own(self, own: Attachment | None, reason: str) -> None:
        if own is not None:
            self._with_peer.remove(own)
            self._host.withdraw(own, reason)
            self._send(Stopped(own.plugin.name, ""))

    def _on_stopped(self, name: str, reason: str) -> None:
        if name not in self.at_peer:
            return
        self._forget(name)
        event = self._note(Code.PLUGIN_STOPPED, 0, PluginStopped, name, reason)
        if reason:  # it was not meant to
            self._host.on_trouble(event)
            self._give_up_own(self._own(name), f"the peer's was detached: {reason}")

    def _forget(self, name: str) -> None:
        if name in self.at_peer:
            self.at_peer.remove(name)

    # What both ends share

    def _send(self, message: Message) -> None:
        stream_id = self._connection.exchange_stream_id
        self._connection.sending_stream(stream_id)
        self._connection.send(stream_id, encode(message))

    def _note_refusal(self, plugin: str, reason: str) -> None:
        self._host.on_trouble(self._note(Code.PLUGIN_REFUSED, 0, PluginRefused, plugin, reason))

    def _note(self, code: int, first: int, kind: Callable[..., Noted], *values: object, second: int = 0) -> Noted:
        """Record and emit an event of this end."""
        connection = self._connection
        recorder = connection.recorder
        recorder.record(code, connection.now_ns, first, second)
        event = kind(connection.now_ns, recorder.name, *values)
        if recorder.subscribers:
            recorder.emit(event)
        return event
