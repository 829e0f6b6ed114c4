"""Which plugins come with quicsim? Each one's description beside its source, and what its object says of itself."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicsim import locate
from quicsim.plugin.package import Plugin, PluginError, load_plugin

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Entry", "catalogue", "entry"]

KEYS = ("description", "source")


@dataclass(frozen=True, slots=True)
class Entry:
    """A plugin of the house. `description` is a sentence, `source` the paper's section."""

    description: str
    source: str
    plugin: Plugin


def catalogue() -> list[Entry]:
    """Every plugin that comes with quicsim, by name. Raises PluginError, which names the file."""
    return [entry(directory) for directory in locate.plugins().values()]


def entry(directory: Path) -> Entry:
    """The plugin of one directory: `plugin.toml` and the object named like the directory."""
    file = directory / "plugin.toml"
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PluginError(f"{file}: {error}") from error
    for key in sorted({*document, *KEYS}):
        if key not in KEYS or not isinstance(document.get(key), str):
            raise PluginError(f"{file}: {key}: a plugin.toml holds {' and '.join(KEYS)}, each a text, and nothing else")
    built = directory / f"{directory.name}.o"
    try:
        plugin = load_plugin(built.read_bytes(), source=str(built))
    except OSError as error:
        raise PluginError(f"{built}: {error.strerror}; `make plugins` builds it") from error
    if plugin.name != directory.name:
        raise PluginError(f"{built}: it calls itself {plugin.name!r}; QUICSIM_PLUGIN must say {directory.name!r}")
    return Entry(document["description"], document["source"], plugin)
