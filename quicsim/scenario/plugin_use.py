"""When does which plugin come on the connection, with what, and when does it go? An entry of a scenario's `plugins`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, StrictBool, model_validator

from quicsim.plugin.context import MAXIMUM_PATHS
from quicsim.plugin.errors import PluginError
from quicsim.plugin.package import Plugin
from quicsim.plugin.parameters import checked
from quicsim.quic.profiles import profile_named
from quicsim.scenario.build_network import FOREIGN_STACKS, client_paths
from quicsim.scenario.errors import Key, suggestion
from quicsim.scenario.values import Duration, HostName, Table

if TYPE_CHECKING:
    from quicsim.scenario.schema import Flow, Setup

__all__ = ["PluginUse", "chosen_parameters", "path_count", "path_problems", "replacement_problems"]

PATH_UNIT = "path"
"""The unit of a parameter whose value is a path's number."""


class PluginUse(Table):
    """A plugin on this connection: pushed to the peer, or attached by the application on its own host."""

    name: str
    """A plugin's name, or the path of an ELF object."""
    sender: HostName = Field(alias="from")
    receiver: HostName | None = Field(None, alias="to")
    when: Literal["handshake done"] = "handshake done"
    """Of a plugin that is pushed; its own host attaches one at once."""
    at_ns: Duration | None = Field(None, alias="at")
    """On the simulation clock, in the place of `when`; a push waits for the end of the handshake, if that is later."""
    remove_at_ns: Duration | None = Field(None, alias="remove_at")
    """When it goes, on the simulation clock; None: it stays."""
    replaces: str | None = None
    """The `name` of an earlier entry, which goes in the step in which this one comes."""
    both: StrictBool = False
    """Of a plugin that is pushed: its own host attaches it as well, once the peer has accepted it."""
    parameters: Mapping[str, Any] = {}
    """What is chosen of the plugin's parameters."""

    @model_validator(mode="after")
    def _only_a_push(self) -> Self:
        if not self.pushed:
            for key in ("when", "both"):
                if key in self.model_fields_set:
                    raise ValueError(
                        f"{key} is for a plugin that is pushed; name the other host in to, or leave it out"
                    )
        if self.at_ns is not None and "when" in self.model_fields_set:
            raise ValueError("at and when each say when the plugin comes; leave one of them out")
        if self.remove_at_ns is not None and self.at_ns is not None and self.remove_at_ns <= self.at_ns:
            raise ValueError("remove_at must be later than at")
        return self

    @property
    def pushed(self) -> bool:
        """Whether the bytecode crosses the network; otherwise `sender` attaches it to itself."""
        return self.receiver not in (None, self.sender)

    @property
    def holder(self) -> HostName:
        """The host whose end it is meant for."""
        return self.receiver or self.sender


def replacement_problems(uses: Sequence[PluginUse]) -> list[tuple[Key, str]]:
    """What is wrong with entries that replace others: the key below `plugins`, and a sentence."""
    found: list[tuple[Key, str]] = []
    for number, use in enumerate(uses):
        if use.replaces is None:
            continue
        before = [each for each in uses[:number] if (each.sender, each.holder) == (use.sender, use.holder)]
        old = next((each for each in reversed(before) if each.name == use.replaces), None)
        key = (str(number), "replaces")
        if old is None:
            known = suggestion(use.replaces, dict.fromkeys(each.name for each in before))
            found.append((key, f'"{use.replaces}" is no earlier plugin with the same from and to; {known}'))
        elif use.at_ns is not None and old.at_ns is not None and use.at_ns < old.at_ns:
            found.append((key, f'"{use.replaces}" comes later than what is to replace it; look at both their at'))
        elif old.remove_at_ns is not None:
            found.append((key, f'"{use.replaces}" has a remove_at already; leave that or replaces out'))
    return found


def chosen_parameters(use: PluginUse, plugin: Plugin, path_count: int) -> tuple[dict[str, int], list[tuple[Key, str]]]:
    """The parameters that an entry chooses, as numbers; and what is wrong: the key below the entry, and a sentence."""
    numbers: dict[str, int] = {}
    found: list[tuple[Key, str]] = []
    for name, value in use.parameters.items():
        try:
            numbers |= checked(plugin.name, plugin.parameters, {name: value})
        except PluginError as error:
            found.append((("parameters", name), str(error)))
    found += [
        (("parameters", name), text) for name, text in path_problems(plugin, numbers, path_count) if name in numbers
    ]
    return numbers, found


def path_problems(plugin: Plugin, numbers: Mapping[str, int], path_count: int) -> list[tuple[str, str]]:
    """Parameters that stand for a path which the connection will not have: the parameter's name, and a sentence."""
    found = []
    for parameter in plugin.parameters:
        value = numbers.get(parameter.name, parameter.default)
        if parameter.unit == PATH_UNIT and value >= path_count:
            there = "only path 0" if path_count == 1 else f"paths 0 to {path_count - 1}"
            how = "" if parameter.name in numbers else ", its default"
            text = f"plugin {plugin.name}: parameter {parameter.name} = {value}{how}: this connection has {there}"
            found.append((parameter.name, text))
    return found


def path_count(scenario: "Setup", flow: "Flow") -> int:
    """How many paths a connection will have: of mp-quic, path 0 is beside those that the client's links carry."""
    hosts = flow.hosts
    if hosts.client.profile in FOREIGN_STACKS:
        return 1
    if all(profile_named(host.profile).is_multipath for host in (hosts.client, hosts.server)):
        beside = 0 if profile_named(hosts.client.profile).uses_first_path else 1
        return min(beside + len(client_paths(scenario, flow)), MAXIMUM_PATHS)
    return 1
