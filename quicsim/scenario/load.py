"""Which scenario is meant? Finds it, lays variants and overrides over it, checks everything before anything runs.

A variant is laid over the file, an override over every variant: what was asked for last and by hand wins.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from quicsim import locate
from quicsim.plugin.host import ENGINES
from quicsim.plugin.package import PluginError, read_plugin
from quicsim.scenario.build_network import network_problems
from quicsim.scenario.cpu import with_costs
from quicsim.scenario.errors import Key, ScenarioError, dotted, problems, suggestion
from quicsim.scenario.network import PER_SENDER, senders
from quicsim.scenario.overlay import (
    as_table,
    has,
    inherited_from,
    merged,
    unknown_flows,
    with_flows,
    with_quic,
    without_host_key,
)
from quicsim.scenario.plugin_use import PluginUse, chosen_parameters, path_count, replacement_problems
from quicsim.scenario.schema import QUIC_TO_HOST, File, Header, PaperMark, ResolvedScenario, Setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicsim.results import Results
    from quicsim.scenario.run import Progress


@dataclass(frozen=True, slots=True, repr=False)
class Scenario:
    """A scenario that has been read and checked, with all its variants."""

    name: str
    path: Path
    overrides: tuple[str, ...]
    header: Header
    setups: Mapping[str, ResolvedScenario]

    def __repr__(self) -> str:
        changes = f", with {', '.join(self.overrides)}" if self.overrides else ""
        runs = f"{self.replications} replications of {', '.join(self.variants)}"
        return f"<Scenario {self.name}: {runs}, seed {self.seed}{changes}>"

    @property
    def title(self) -> str:
        """What the scenario shows, in a sentence."""
        return self.header.title

    @property
    def source(self) -> str:
        """Where it comes from."""
        return self.header.source

    @property
    def seed(self) -> int:
        """The seed of all random streams; the variant is never part of it."""
        return self.header.seed

    @property
    def replications(self) -> int:
        """How often each variant runs."""
        return self.header.replications

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants' names, in the file's order."""
        return tuple(self.setups)

    @property
    def marks(self) -> tuple[PaperMark, ...]:
        """The paper's numbers."""
        return self.header.paper.marks

    def variant(self, name: str) -> ResolvedScenario:
        """One variant, complete; ScenarioError if there is none of that name."""
        if name not in self.setups:
            raise ScenarioError(f'{self.name} has no variant "{name}"; {suggestion(name, self.setups)}')
        return self.setups[name]

    def with_plugin(self, name_or_path: str) -> Scenario:
        """The same scenario with this plugin in the place of each that its variants use; ScenarioError if none does."""
        path = plugin_object(name_or_path)
        if not any(flow.plugins for setup in self.setups.values() for flow in setup.every_flow.values()):
            raise ScenarioError(
                f"no variant of {self.name} uses a plugin that {name_or_path} could replace; to add it, use the "
                f'override --set \'plugins=[{{name="{name_or_path}", from="client"}}]\''
            )
        setups = {}
        for variant, setup in self.setups.items():
            uses: dict[str, tuple[PluginUse, ...]] = {}
            for name, flow in setup.every_flow.items():
                changed = []
                for use in flow.plugins:
                    renamed = {"name": name_or_path, "replaces": use.replaces and name_or_path}
                    new, wrong = with_parameters(use.model_copy(update=renamed), path, path_count(setup, flow))
                    if wrong:
                        raise ScenarioError(*(f"variant {variant}: {sentence}" for _key, sentence in wrong))
                    changed.append(new)
                uses[name] = tuple(changed)
            objects = {name_or_path: path} if any(uses.values()) else {}
            setups[variant] = setup.with_plugins(uses).model_copy(update={"plugin_objects": objects})
        return replace(self, setups=setups)

    def run(
        self,
        variants: Sequence[str] | None = None,
        replications: int | None = None,
        seed: int | None = None,
        jobs: int = 1,
        plugin: str | None = None,
        progress: Progress | None = None,
        engine: str = ENGINES[0],
    ) -> Results:
        """Simulate; see quicsim.scenario.run.run."""
        from quicsim.scenario.run import run

        return run(self, variants, replications, seed, jobs, plugin, progress, engine)


def load(name_or_path: str | PathLike[str], overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario that comes with quicsim, by name, or any other, by the path of its file.

    An override is "KEY=VALUE" with a dotted key; the value is read as TOML where it is TOML, as text otherwise.
    """
    if isinstance(overrides, (str, Mapping)) or not all(isinstance(text, str) for text in overrides):
        raise ScenarioError(f'overrides is {overrides!r}; give a list of texts, for instance ["requests.count=5"]')
    path = _find(name_or_path)
    document = _read(path)
    everywhere: list[_Override] = []
    by_variant: dict[str, list[_Override]] = {name: [] for name in _overlays(document)}
    for text in overrides:
        override = _Override.parse(text)
        match override.key:
            case ("variants", variant, *rest) if rest:
                if variant not in by_variant:
                    raise ScenarioError(f"{override}: unknown variant; {suggestion(variant, by_variant)}")
                by_variant[variant].append(replace(override, key=tuple(rest)))
            case _:
                everywhere.append(override)
    for override in everywhere:
        document = override.laid_over(document)

    reader = _Reader(path, document)
    header = reader.header(everywhere)
    setups = {
        variant: setup
        for variant in header.variants
        if (setup := reader.setup(variant, header.seed, everywhere, by_variant.get(variant, ())))
    }
    if reader.found:
        raise ScenarioError(*dict.fromkeys(reader.found))
    return Scenario(path.stem, path, tuple(overrides), header, setups)


def headers() -> dict[str, Header]:
    """Titles, sources and variants of the scenarios that come with quicsim, by name."""
    return {name: _Reader(path, _read(path)).header(()) for name, path in locate.scenarios().items()}


def plugin_object(name_or_path: str, directory: Path | None = None) -> Path:
    """The ELF object of a plugin: of one that comes with quicsim, by name, or any other, by path.

    A relative path counts from `directory`, or from the current one. ScenarioError if there is no such plugin.
    """
    is_name = Path(name_or_path).name == name_or_path and not name_or_path.endswith(".o")
    if is_name or name_or_path.endswith(".c"):
        try:
            home = locate.plugin(name_or_path)
        except locate.LocateError as error:
            raise ScenarioError(str(error)) from None
        found = home / f"{home.name}.o"
    else:
        found = (directory or Path()) / name_or_path
    if not found.is_file():
        raise ScenarioError(f"there is no plugin object {found}; name a plugin, or the path of an ELF object (.o)")
    return found.resolve()


def with_parameters(use: PluginUse, path: Path, paths: int) -> tuple[PluginUse, list[tuple[Key, str]]]:
    """A use with what it chooses as numbers; and what is wrong: the key below the use, and a sentence.

    Only a plugin of which something is chosen is read. ScenarioError if that is none.
    """
    if not use.parameters:
        return use, []
    try:
        plugin = read_plugin(path)
    except PluginError as error:
        raise ScenarioError(str(error)) from None
    numbers, wrong = chosen_parameters(use, plugin, paths)
    return use.model_copy(update={"parameters": numbers}), wrong


@dataclass(frozen=True, slots=True)
class _Override:
    """One `KEY=VALUE`."""

    text: str
    key: Key
    value: Any

    def __str__(self) -> str:
        return f'override "{self.text}"'

    @classmethod
    def parse(cls, text: str) -> _Override:
        written, equals, value = text.partition("=")
        try:
            rest: Any = tomllib.loads(f"{written} = 0")
        except tomllib.TOMLDecodeError:
            rest = None
        key: list[str] = []
        while isinstance(rest, dict) and len(rest) == 1:
            ((part, rest),) = rest.items()
            key.append(part)
        if not equals or rest != 0:
            raise ScenarioError(f'override "{text}": write KEY=VALUE, for instance links.access.rate=20Mbps')
        try:
            return cls(text, tuple(key), _toml_or_text(value))
        except tomllib.TOMLDecodeError as error:
            advice = 'a text in it stands in quotes, such as {client = "1%"}'
            raise ScenarioError(f'override "{text}": {value.strip()} is no TOML ({error}); {advice}') from None

    def laid_over(self, document: dict[str, Any]) -> dict[str, Any]:
        laid: dict[str, Any] = self._assigned(document, self.key)
        if self.key[:1] == ("quic",) and len(self.key) == 2:  # asked for by hand, it stands over the hosts' own
            return without_host_key(laid, QUIC_TO_HOST.get(self.key[1]))
        return laid

    def _assigned(self, node: Any, key: Key) -> Any:
        if not key:
            return self.value
        if key[0] in PER_SENDER and len(key) == 1 and isinstance(node, Mapping) and not isinstance(self.value, Mapping):
            named = node.get(key[0])
            if isinstance(named, Mapping) and set() < set(named) < set(senders(node)):  # the others keep their 0
                return {**node, key[0]: dict.fromkeys(named, self.value)}
        part, rest = key[0], key[1:]
        if isinstance(node, list):
            if not part.isdecimal() or int(part) >= len(node):
                raise ScenarioError(f'{self}: no entry "{part}"; the list has {len(node)}, counted from 0')
            index = int(part)
            return [*node[:index], self._assigned(node[index], rest), *node[index + 1 :]]
        named = self.key[: -len(key)]
        if rest and part not in node and (named == ("links",) or (named == ("flows",) and node)):  # or it is the first
            raise ScenarioError(f"{self}: unknown {named[0][:-1]}; {suggestion(part, node)}")
        return {**node, part: self._assigned(as_table(part, node) if rest else None, rest)}


def _toml_or_text(value: str) -> Any:
    """What an override gives. Raises TOMLDecodeError for a table or a list that is none."""
    try:
        parsed = tomllib.loads(f"value = {value}", parse_float=Decimal)
    except tomllib.TOMLDecodeError:
        if value.lstrip()[:1] in ("{", "["):
            raise
        return value
    return parsed["value"] if len(parsed) == 1 else value


def _overlays(document: Mapping[str, Any]) -> Mapping[str, Any]:
    overlays = document.get("variants")
    return overlays if isinstance(overlays, dict) else {}


def _find(name_or_path: str | PathLike[str]) -> Path:
    text = fspath(name_or_path)
    if text.endswith(".toml") or Path(text).name != text:
        return Path(text)
    try:
        return locate.scenario(text)
    except locate.LocateError as error:
        raise ScenarioError(str(error)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScenarioError(f"there is no scenario file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path} is not TOML: {error}") from None


@lru_cache(maxsize=8)
def _parsed(text: str) -> dict[str, Any]:
    """A file's content; nobody changes it. A sweep reads one file with thousands of overrides."""
    return tomllib.loads(text, parse_float=Decimal)


class _Reader:
    """Reads one document against the schema, and keeps what is wrong with it."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document
        self.found: list[str] = []

    def header(self, overrides: Sequence[_Override]) -> Header:
        """What holds for all variants; ScenarioError at once if it is wrong, as the variants' names are in it."""
        document = {key: value for key, value in self.document.items() if key in Header.model_fields}
        try:
            header = Header.model_validate(document)
        except ValidationError as error:
            for key, sentence in problems(error, File, document):
                self._complain(key, sentence, overrides)
            raise ScenarioError(*self.found) from None
        for number, mark in enumerate(header.paper.marks):
            if mark.variant not in header.variants:
                sentence = f'unknown variant "{mark.variant}"; {suggestion(mark.variant, header.variants)}'
                self._complain(("paper", "marks", str(number), "variant"), sentence, overrides)
        return header

    def setup(
        self, variant: str, seed: int, everywhere: Sequence[_Override], own: Sequence[_Override]
    ) -> ResolvedScenario | None:
        """One variant; None if it is wrong, and then what is wrong is in `found`."""
        overlay = _overlays(self.document).get(variant, {})
        overrides = [*(override for override in everywhere if override.key[0] not in Header.model_fields), *own]
        for key in [*overlay, *(override.key[0] for override in own)]:
            if key in Header.model_fields:
                self._complain((key,), "is the same for all variants; set it at the top of the file", own, variant)
                return None
        base = {key: value for key, value in self.document.items() if key not in Header.model_fields}
        document = merged(base, overlay)
        for override in overrides:
            document = override.laid_over(document)
        written = document

        def complain_of(wrong: Sequence[tuple[Key, str]]) -> bool:
            """Keep what is wrong with the document, and say whether anything is."""
            for key, sentence in wrong:
                self._complain(inherited_from(key, written), sentence, overrides, variant)
            return bool(wrong)

        def directory_of(key: Key) -> Path:
            return self._directory_of(inherited_from(key, written), overrides)

        if complain_of([*_unknown_links(base, document), *unknown_flows(base, document)]):
            return None
        document, wrong = with_costs(with_flows(with_quic(document)), directory_of)
        if complain_of(wrong):
            return None
        try:
            setup = Setup.model_validate(document)
        except ValidationError as error:
            complain_of(problems(error, File, document))
            return None
        if complain_of(list(network_problems(setup))):
            return None
        objects: dict[str, Path] = {}
        uses: dict[str, tuple[PluginUse, ...]] = {}
        for name, flow in setup.every_flow.items():
            place = ("flows", name, "plugins") if name else ("plugins",)
            uses[name], found, unfit = _plugins(flow.plugins, path_count(setup, flow), place, directory_of)
            objects |= found
            wrong += unfit
        if complain_of(wrong):
            return None
        given = {"name": self.path.stem, "seed": seed, "plugin_objects": objects}
        return ResolvedScenario.model_validate(document | given).with_plugins(uses)

    def _directory_of(self, key: Key, overrides: Sequence[_Override]) -> Path:
        """From where a path counts: one written in the file from the file, one in an override from its writer."""
        return Path() if _written_by(key, overrides) else self.path.parent

    def _complain(self, key: Key, sentence: str, overrides: Sequence[_Override], variant: str | None = None) -> None:
        """Keep a mistake, with the place where it was written: an override, a variant of the file, or the file."""
        if (override := _written_by(key, overrides)) is not None:
            self.found.append(f"{override}: {dotted(key)}: {sentence}")
            return
        if variant is not None and has(_overlays(self.document).get(variant, {}), key):
            key = ("variants", variant, *key)
        self.found.append(f"{self.path}: {dotted(key)}: {sentence}" if key else f"{self.path}: {sentence}")


def _plugins(
    uses: Sequence[PluginUse], paths: int, place: Key, directory_of: Callable[[Key], Path]
) -> tuple[tuple[PluginUse, ...], dict[str, Path], list[tuple[Key, str]]]:
    """The uses with their parameters as numbers, the object of each name, and what is wrong."""
    resolved: list[PluginUse] = []
    objects: dict[str, Path] = {}
    wrong = [((*place, *key), sentence) for key, sentence in replacement_problems(uses)]
    for number, use in enumerate(uses):
        key = (*place, str(number))
        try:
            objects[use.name] = plugin_object(use.name, directory_of((*key, "name")))
            changed, unfit = with_parameters(use, objects[use.name], paths)
        except ScenarioError as error:
            wrong.append(((*key, "name"), str(error)))
            continue
        resolved.append(changed)
        wrong += [((*key, *rest), sentence) for rest, sentence in unfit]
    return tuple(resolved), objects, wrong


def _unknown_links(base: Mapping[str, Any], document: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """The links that a variant writes to though its file has none of these names, and does not make either."""
    known, links = base.get("links"), document.get("links")
    if not isinstance(known, dict) or not isinstance(links, dict):
        return []
    unknown = [name for name in links if name not in known and "between" not in as_table(name, links)]
    return [(("links", name), f"unknown link; {suggestion(name, known)}") for name in unknown]


def _written_by(key: Key, overrides: Sequence[_Override]) -> _Override | None:
    """The override that has the last word on `key`, if any has one."""
    for override in reversed(overrides):
        if key and override.key[: len(key)] == key[: len(override.key)]:
            return override
    return None
