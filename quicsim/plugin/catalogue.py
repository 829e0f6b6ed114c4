"""Which plugins come with quicsim? Each one's description beside its source, and what its object says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicsim import locate
from quicsim.plugin.description import Description, read_description
from quicsim.plugin.package import Plugin, PluginError, read_plugin

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Entry", "catalogue", "entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A plugin of the house: what its plugin.toml says, and its object."""

    about: Description
    plugin: Plugin


def catalogue() -> list[Entry]:
    """Every plugin that comes with quicsim, by name. Raises PluginError, which names the file."""
    return [entry(directory) for directory in locate.plugins().values()]


def entry(directory: Path) -> Entry:
    """The plugin of one directory: `plugin.toml` and the object named like the directory."""
    about = read_description(directory / "plugin.toml")
    built = directory / f"{directory.name}.o"
    try:
        plugin = read_plugin(built)
    except OSError as error:
        raise PluginError(f"{built}: {error.strerror}; `make plugins` builds it") from error
    if plugin.name != directory.name:
        raise PluginError(f"{built}: it calls itself {plugin.name!r}; QUICSIM_PLUGIN must say {directory.name!r}")
    if plugin.parameters != about.parameters:
        raise PluginError(f"{built}: its parameters are not those of its plugin.toml; `make plugins` builds it anew")
    return Entry(about, plugin)
