"""Who puts a scenario's plugins on the connection, and takes them off? A process for each instant that is named.

Instants are those of the simulation clock, which starts with the run: a client that connects later has its connection
later, but the plugin's instant is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.events import PluginRefused, PluginStopped
from quicsim.plugin.package import Plugin, PluginError, read_plugin
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.plugin_use import path_count, path_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from simpy.events import Event

    from quicsim.endpoint import Endpoint
    from quicsim.events import PluginTrouble
    from quicsim.plugin.attachment import Attachment
    from quicsim.plugin.host import ConnectionPlugins
    from quicsim.scenario.build_connection import Sides
    from quicsim.scenario.plugin_use import PluginUse
    from quicsim.scenario.schema import Flow, ResolvedScenario

__all__ = ["notes_of", "plugins_of", "refused", "use_plugins"]


def plugins_of(scenario: ResolvedScenario) -> dict[str, Plugin]:
    """The plugins that a scenario uses, by the names that it uses. Raises ScenarioError for what is none."""
    plugins: dict[str, Plugin] = {}
    for name, path in scenario.plugin_objects.items():
        try:
            plugins[name] = read_plugin(path)
        except PluginError as error:
            raise ScenarioError(str(error)) from error
    for flow in scenario.every_flow.values():
        for use in flow.plugins:
            if wrong := path_problems(plugins[use.name], use.parameters, path_count(scenario, flow)):
                raise ScenarioError(*(sentence for _name, sentence in wrong))
    return plugins


def use_plugins(flow: Flow, plugins: Mapping[str, Plugin], sides: Sides, troubles: list[PluginTrouble]) -> None:
    """Let each plugin of a connection be pushed, or attached by its own host, at its instant; keep what goes wrong."""
    debug_objects = {each.data: each.debug for each in plugins.values() if each.debug is not None}
    for side in sides.values():
        if side.plugins is not None:
            side.plugins.on_trouble = troubles.append
            side.plugins.debug_objects = debug_objects
    for use in flow.plugins:
        replaces = "" if use.replaces is None else plugins[use.replaces].name
        side = sides[use.sender]
        assert side.plugins is not None  # of a foreign stack they have been refused
        Used(use, plugins[use.name], replaces, side.endpoint, side.plugins).schedule()


class Used:
    """One entry of a scenario's plugins, on the host that it comes from."""

    def __init__(
        self, use: PluginUse, plugin: Plugin, replaces: str, endpoint: Endpoint, host: ConnectionPlugins
    ) -> None:
        self.use = use
        self.plugin = plugin
        self.replaces = replaces
        self.endpoint = endpoint
        self.host = host
        self.attachment: Attachment | None = None
        """What its own host attached."""

    def schedule(self) -> None:
        """Put it on now, or have a process do so at its instant; and have another take it off."""
        clock = self.endpoint.clock
        if self.use.at_ns is None:
            self.put_on()
        else:
            clock.process(self.at(self.use.at_ns, self.put_on))
        if self.use.remove_at_ns is not None:
            clock.process(self.at(self.use.remove_at_ns, self.take_off))

    def at(self, instant_ns: int, act: Callable[[], None]) -> Generator[Event, object, None]:
        """The process that acts at an instant, and sends what comes of it."""
        endpoint = self.endpoint
        yield endpoint.clock.timeout(instant_ns - endpoint.clock.now)
        endpoint.connection.now_ns = endpoint.clock.now
        act()
        endpoint.flush()

    def put_on(self) -> None:
        """Push it, or attach it. Raises ScenarioError where that cannot be."""
        host, use = self.host, self.use
        try:
            if use.pushed:
                host.push(self.plugin, use.parameters, replaces=self.replaces, both=use.both)
            else:
                host.attach(self.plugin, use.parameters, replaces=self.replaces)
                self.attachment = host.attached(self.plugin.name)
        except PluginError as error:
            raise ScenarioError(str(error)) from error

    def take_off(self) -> None:
        """Ask the peer to give it up, or detach it; one that was detached for its faults has gone already."""
        host = self.host
        if self.use.pushed:
            host.remove(self.plugin.name)
        elif self.attachment is not None and self.attachment in host.attachments:
            host.detach(self.attachment, "its time is over")


def notes_of(troubles: Iterable[PluginTrouble]) -> tuple[str, ...]:
    """What went wrong with plugins, as sentences for the results; when it did, a trace tells.

    What stopped at one end has been told by that end; that the other heard of it is no news to a reader of both.
    """
    return tuple(
        f"{event.component}: plugin {event.plugin} {event.what}: {event.reason}"
        for event in troubles
        if not isinstance(event, PluginStopped)
    )


def refused(troubles: Iterable[PluginTrouble], hosts: Iterable[ConnectionPlugins]) -> dict[str, str]:
    """The plugins that were refused and attached nowhere -> the reason, as the end gives it that refused first."""
    attached = {name for host in hosts for name in host.ever_attached}
    found: dict[str, str] = {}
    for event in troubles:
        if isinstance(event, PluginRefused) and event.plugin not in attached:
            found.setdefault(event.plugin, event.reason)
    return found
