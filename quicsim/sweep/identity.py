"""Which points are the same? A point's key says all that its result depends on, and nothing else.

The effective configuration as the simulation sees it, with seed and number of the replication; the bytes of the
plugins' ELF objects; the simulator. Names, paths, machines and the sweep that asks are no part of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from functools import cache, lru_cache
from hashlib import blake2b
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from quicsim.scenario.build_network import FOREIGN_STACKS
from quicsim.scenario.plugin_use import PluginUse
from quicsim.version import version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicsim.scenario.schema import ResolvedScenario

__all__ = ["configuration_key", "digest", "effective", "file_hash", "flattened", "point_key", "simulator"]

_ABOVE_A_RUN = ("analysis", "cli", "regression", "reproduce", "sweep", "pytest_plugin.py", "qlog.py")
"""Parts of quicsim that stand above a single run, and so change none."""


def digest(*parts: str | bytes) -> str:
    """BLAKE2b over texts and bytes, each with its length, in hexadecimal."""
    together = blake2b(digest_size=16)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        together.update(len(content).to_bytes(8, "little") + content)
    return together.hexdigest()


@cache
def simulator() -> str:
    """Version and content of the simulator, as in "0.1.0+3f2a...": a checkout changes while its version stays."""
    packages = {name: Path(str(files(name))) for name in ("quicsim", "vm")}
    sources = [
        (f"{name}/{path.relative_to(package).as_posix()}", path)
        for name, package in packages.items()
        for path in package.rglob("*.py")
        if name != "quicsim" or path.relative_to(package).parts[0] not in _ABOVE_A_RUN
    ]
    content = digest(*(part for name, path in sorted(sources) for part in (name, path.read_bytes())))
    return f"{version()}+{content[:16]}"


def file_hash(path: Path) -> str:
    """BLAKE2b of a file, in hexadecimal; read again only once it has changed."""
    state = path.stat()
    return _file_hash(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1024)
def _file_hash(path: Path, _modified_ns: int, _size_bytes: int) -> str:
    return digest(path.read_bytes())


def effective(setup: ResolvedScenario) -> dict[str, Any]:
    """All that the simulation is built from, with each plugin's ELF hash in the place of where the file lies."""
    hashes = {name: file_hash(path) for name, path in setup.plugin_objects.items()}
    left_out = ("name", "plugin_objects")
    built_from = {
        name: _plain(getattr(setup, name), hashes) for name in type(setup).model_fields if name not in left_out
    }
    flows = setup.every_flow.values()
    profiles = {host.profile for flow in flows for host in (flow.hosts.client, flow.hosts.server)}
    foreign = sorted(profiles & FOREIGN_STACKS.keys())
    return built_from | {f"version_of_{stack}": _installed(stack) for stack in foreign}


@cache
def _installed(package: str) -> str | None:
    """The version of a stack that is none of ours; None where there is none, and then nothing is simulated either."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _plain(value: Any, hashes: Mapping[str, str]) -> Any:
    """Tables as dicts and tuples as lists; unlike pydantic's own, it leaves exact fractions what they are."""
    match value:
        case BaseModel():
            table = {name: _plain(getattr(value, name), hashes) for name in type(value).model_fields}
            if isinstance(value, PluginUse):
                replaced = None if value.replaces is None else hashes[value.replaces]
                table |= {"name": Path(value.name).stem, "replaces": replaced, "elf": hashes[value.name]}
            return table
        case Mapping():
            return {key: _plain(each, hashes) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each, hashes) for each in value]
    return value


def configuration_key(configuration: Mapping[str, Any]) -> str:
    """The key of an effective configuration. What a plugin's file is called is left out: its bytes are in."""
    # The order of tables stays: the order of links decides ties between them.
    return digest(json.dumps(_without_names(configuration), default=str))


def _without_names(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_names(each) for key, each in value.items() if key != "name" or "elf" not in value}
        case list():
            return [_without_names(each) for each in value]
    return value


def point_key(configuration: str, replication: int, made_by: str) -> str:
    """The key of one replication of a configuration, simulated by this simulator."""
    return digest(configuration, str(replication), made_by)


def flattened(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """An effective configuration as columns: tables and lists of tables by dotted key, other lists as JSON."""
    return dict(_columns("", configuration))


def _columns(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for part, below in value.items():
                yield from _columns(f"{key}.{part}" if key else part, below)
        case [dict(), *_]:
            for number, below in enumerate(value):
                yield from _columns(f"{key}.{number}", below)
        case list():
            if value:
                yield key, json.dumps(value, default=str)
        case Fraction():
            yield key, float(value)
        case None | bool() | int() | float() | str():
            if value is not None:
                yield key, value
        case _:
            yield key, str(value)
