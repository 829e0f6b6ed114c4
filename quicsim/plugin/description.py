"""What does the plugin.toml beside a plugin's source say? What it is for, where it comes from, what may be chosen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicsim.plugin.errors import PluginError
from quicsim.plugin.parameters import TYPES, Parameter

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Description", "read_description"]

TEXTS = ("description", "source")
PARAMETER_KEYS = ("type", "minimum", "maximum", "default", "unit", "description")


@dataclass(frozen=True, slots=True)
class Description:
    """A plugin.toml. `description` is a sentence, `source` the paper's section."""

    description: str
    source: str
    parameters: tuple[Parameter, ...]
    meanings: dict[str, str]
    """What each parameter is for, by its name."""


def read_description(file: Path) -> Description:
    """Read a plugin.toml. Raises PluginError, which names the file and the key."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PluginError(f"{file}: {error}") from error
    tables = document.pop("parameters", {})
    for key in sorted({*document, *TEXTS}):
        if key not in TEXTS or not isinstance(document.get(key), str):
            raise PluginError(
                f"{file}: {key}: a plugin.toml holds {' and '.join(TEXTS)}, each a text, perhaps tables "
                f"[parameters.NAME], and nothing else"
            )
    if not isinstance(tables, dict):
        raise PluginError(f"{file}: parameters: write one table a parameter, [parameters.NAME]")
    parameters = tuple(_parameter(file, name, table) for name, table in tables.items())
    meanings = {name: table["description"] for name, table in tables.items()}
    return Description(document["description"], document["source"], parameters, meanings)


def _parameter(file: Path, name: str, table: Any) -> Parameter:
    place = f"{file}: parameters.{name}"
    if not isinstance(table, dict):
        raise PluginError(f"{place}: is no table; it holds {', '.join(PARAMETER_KEYS)}")
    if unknown := [key for key in table if key not in PARAMETER_KEYS]:
        raise PluginError(f"{place}.{unknown[0]}: unknown key; a parameter holds {', '.join(PARAMETER_KEYS)}")
    if table.get("type") not in (*TYPES,):
        raise PluginError(f"{place}.type: {table.get('type')!r} is no type of a parameter; write {', '.join(TYPES)}")
    kind = TYPES[table["type"]]
    numbers = {"minimum": 0, "maximum": kind.maximum, **table}
    for key in ("minimum", "maximum", "default"):
        if not isinstance(numbers.get(key), int) or isinstance(numbers[key], bool):
            raise PluginError(f"{place}.{key}: {numbers.get(key)!r} is no whole number")
    for key in ("description", "unit"):
        if not isinstance(table.get(key, "" if key == "unit" else None), str):
            raise PluginError(f"{place}.{key}: {table.get(key)!r} is no text")
    try:
        return Parameter(
            name, kind, numbers["minimum"], numbers["maximum"], numbers["default"], table.get("unit", "")
        )  # fmt: skip
    except PluginError as error:
        raise PluginError(f"{file}: {error}") from None
