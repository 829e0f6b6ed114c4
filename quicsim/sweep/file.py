"""What does a sweep file say? Its tables and keys; reading one, or the same said in Python.

sample.py has the design, axes.py an axis; docs/sweeps.md explains every key.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from quicsim import locate
from quicsim.scenario.errors import ScenarioError, dotted, problems, suggestion
from quicsim.scenario.load import plugin_object
from quicsim.scenario.schema import Header
from quicsim.scenario.values import Count, PositiveCount, Table
from quicsim.sweep.axes import Axis
from quicsim.sweep.conditions import Condition, ConditionError
from quicsim.sweep.sample import Design

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["Sweep", "SweepError", "SweepFile", "read"]

COLUMNS = (
    "setting", "variant", "plugin", "replication", "status", "reason", "digest", "notes", "key", "simulator",
)  # fmt: skip
"""Of every table of results, beside axes, metrics, counts and the configuration."""


class SweepError(ScenarioError):
    """A sweep that cannot be run as it is asked for; the text has one line a mistake."""


class SweepFile(Table):
    """All that may stand in a sweep file."""

    title: str
    scenario: str
    """A scenario's name, or the path of its file, from this one."""
    replications: PositiveCount | None = None
    """Of each configuration, with the same chance in each; None: the scenario's."""
    seed: Count | None = None
    """None: the scenario's."""
    variants: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """None: all of the scenario's."""
    plugins: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Each in turn in the place of the variants' own: names, or paths of ELF objects."""
    set: Mapping[str, Any] = {}
    """What is changed of the scenario in every point, by dotted key."""
    design: Design = Design()
    axes: Mapping[str, Axis] = {}
    constraints: tuple[str, ...] = ()
    """Conditions over axes, `variant` and `plugin`: what does not fulfil them is left out."""
    keep: tuple[Literal["samples", "series"], ...] = ()
    """What is stored beside the table: a number for each request, values over time."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name in self.axes:
            if not name.isidentifier() or name in COLUMNS:
                raise ValueError(f'axes: "{name}" cannot name an axis; write letters, digits and "_", not {COLUMNS[0]}')
        if self.design.kind != "grid" and not self.axes:
            raise ValueError(f"a design of kind {self.design.kind} needs axes")
        return self


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep that has been read and checked by itself; plan.py holds it against its scenario."""

    name: str
    place: str
    """Where it was written, for messages."""
    directory: Path
    """From where its paths count."""
    content: SweepFile
    document: Mapping[str, Any]
    when: Mapping[str, Condition]
    constraints: tuple[Condition, ...]

    @property
    def scenario(self) -> str:
        """The scenario's name, or the whole path of its file."""
        written = self.content.scenario
        is_path = written.endswith(".toml") or Path(written).name != written
        return str((self.directory / written).resolve()) if is_path else written

    def plugins(self) -> tuple[str | None, ...]:
        """What stands in for the variants' plugins, in turn; (None,) where nothing does."""
        if self.content.plugins is None:
            return (None,)
        try:
            return tuple(_whole_path(name, self.directory) for name in self.content.plugins)
        except ScenarioError as error:
            raise self.error(*(f"plugins: {mistake}" for mistake in error.problems)) from None

    def error(self, *mistakes: str) -> SweepError:
        """A SweepError about this sweep, with its place before each mistake."""
        return SweepError(*(f"{self.place}: {mistake}" for mistake in mistakes))


def read(name_or_path: "str | PathLike[str]") -> Sweep:
    """Read a sweep that comes with quicsim, by name, or any other, by the path of its file. Raises SweepError."""
    text = str(name_or_path)
    path = Path(text) if text.endswith(".toml") or Path(text).name != text else _known(text)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise SweepError(f"there is no sweep file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SweepError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SweepError(f"{path} is not TOML: {error}") from None
    return from_document(document, path.stem, str(path), path.absolute().parent)


def from_document(document: Mapping[str, Any], name: str, place: str, directory: Path) -> Sweep:
    """A sweep from what its file says, or would say. Raises SweepError."""
    whole = {key: _with_whole_paths(document[key], directory) for key in ("axes", "set") if key in document}
    try:
        content = SweepFile.model_validate({**document, **whole})
    except ValidationError as error:
        found = [(key, _misplaced(key, said) or said) for key, said in problems(error, SweepFile, document)]
        raise SweepError(
            *(f"{place}: {dotted(key)}: {sentence}" if key else f"{place}: {sentence}" for key, sentence in found)
        ) from None
    mistakes: list[str] = []
    axes, when = content.axes, {}
    constraints: list[Condition] = []
    for axis, told in axes.items():
        if told.when:
            try:
                when[axis] = Condition(told.when, [other for other in axes if other != axis])
            except ConditionError as error:
                mistakes.append(f"axes.{axis}.when: {error}")
    for number, text in enumerate(content.constraints):
        try:
            constraints.append(Condition(text, [*axes, "variant", "plugin"]))
        except ConditionError as error:
            mistakes.append(f"constraints.{number}: {error}")
    mistakes += _key_mistakes(content)
    sweep = Sweep(name, place, directory, content, document, when, tuple(constraints))
    if mistakes:
        raise sweep.error(*mistakes)
    return sweep


def _misplaced(key: tuple[str, ...], said: str) -> str | None:
    """What to say of a key of the file itself that was written below a table, and so became one of that table's."""
    table, name = dotted(key[:-1]), key[-1] if key else ""
    if not table or name not in SweepFile.model_fields or not said.startswith("unknown key"):
        return None
    return f"{name} belongs at the top of the file, above the first line in brackets; below [{table}] it is a key of it"


def _key_mistakes(content: SweepFile) -> list[str]:
    """Keys that are the sweep's own, and keys that two axes change."""
    mistakes = []
    taken: dict[str, str] = {}
    for axis, told in content.axes.items():
        for key in told.own_keys:
            first = key.partition(".")[0]
            own = "variants" if key == "variants" else first if first in Header.model_fields else None
            if own is not None and not (first == "variants" and key.count(".") >= 2):
                advice = "write it at the top of the sweep" if own in SweepFile.model_fields else "it changes no run"
                mistakes.append(f"axes.{axis}: {key} cannot be an axis; {advice}")
            if key in taken:
                mistakes.append(f"axes.{axis}: {key} is changed by axes.{taken[key]} as well; leave one of them out")
            taken[key] = axis
    return mistakes


def _known(name: str) -> Path:
    known = locate.sweeps()
    if name not in known:
        raise SweepError(f'there is no sweep "{name}"; {suggestion(name, known)}; or give the path of a file')
    return known[name]


def _whole_path(plugin: str, directory: Path) -> str:
    """A plugin's name as it is, the path of an object from where the sweep is written."""
    is_path = plugin.endswith(".o") or Path(plugin).name != plugin
    return str(plugin_object(plugin, directory)) if is_path else plugin


def _with_whole_paths(value: Any, directory: Path) -> Any:
    """A value in which the path of each ELF object counts from where the sweep is written."""
    match value:
        case str():
            return _whole_path(value, directory) if value.endswith(".o") else value
        case Mapping():
            return {key: _with_whole_paths(each, directory) for key, each in value.items()}
        case list() | tuple():
            return [_with_whole_paths(each, directory) for each in value]
    return value
