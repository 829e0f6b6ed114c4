"""What is to be simulated? Settings of the axes, times variants and plugins, times replications; each with its key.

A replication has the same seeds in every configuration (common random numbers): any two are compared run by run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quicsim import locate
from quicsim.scenario.errors import ScenarioError, suggestion
from quicsim.scenario.load import load
from quicsim.sweep.conditions import ConditionError
from quicsim.sweep.file import SweepError
from quicsim.sweep.identity import configuration_key, effective, file_hash, point_key, simulator
from quicsim.sweep.quantities import as_toml
from quicsim.sweep.sample import shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quicsim.scenario.load import Scenario
    from quicsim.scenario.schema import ResolvedScenario
    from quicsim.sweep.axes import Level
    from quicsim.sweep.file import Sweep

__all__ = ["Configuration", "Plan", "Point", "Recipe", "Resolver", "expand"]

Setting = dict[str, "Level"]
"""A value for each axis that is used."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a configuration is made from files, wherever they can be read. It crosses to workers as it is."""

    scenario: str
    overrides: tuple[str, ...]
    variant: str
    plugin: str | None
    seed: int | None


class Resolver:
    """Reads scenarios, and keeps the last one: the configurations of one setting come together."""

    def __init__(self) -> None:
        self._asked: tuple[str, tuple[str, ...], str | None] | None = None
        self._last: Scenario | None = None

    def scenario(self, name_or_path: str, overrides: tuple[str, ...], plugin: str | None) -> Scenario:
        """A scenario with its changes. ScenarioError for what is none."""
        asked = (name_or_path, overrides, plugin)
        if self._last is None or self._asked != asked:
            scenario = load(name_or_path, overrides)
            self._last = scenario if plugin is None else scenario.with_plugin(plugin)
            self._asked = asked
        return self._last

    def setup(self, recipe: Recipe) -> ResolvedScenario:
        """What is simulated. ScenarioError for what cannot be."""
        setup = self.scenario(recipe.scenario, recipe.overrides, recipe.plugin).variant(recipe.variant)
        return setup if recipe.seed is None else setup.model_copy(update={"seed": recipe.seed})


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration of the sweep: where it stands in it, how it is made, and its key."""

    setting: int
    values: Mapping[str, float | int | str | bool]
    """By column, what tables show of each axis that is used."""
    recipe: Recipe
    key: str


@dataclass(frozen=True, slots=True)
class Point:
    """One replication of one configuration: one row of the table, one run of the simulator."""

    number: int
    configuration: Configuration
    replication: int
    key: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All points of a sweep, in the order of the table."""

    title: str
    scenario: str
    columns: tuple[str, ...]
    """Of the axes."""
    replications: int
    keep: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    inputs: Mapping[str, str]
    """Every file that the plan was made from, and its hash."""
    simulator: str = field(default_factory=simulator)

    def __len__(self) -> int:
        return len(self.configurations) * self.replications

    @property
    def settings(self) -> int:
        """How many combinations of the axes' values there are."""
        return len({each.setting for each in self.configurations})

    def points(self) -> Iterator[Point]:
        """Every point, in the order of the table."""
        number = 0
        for configuration in self.configurations:
            for replication in range(self.replications):
                key = point_key(configuration.key, replication, self.simulator)
                yield Point(number, configuration, replication, key)
                number += 1


def expand(sweep: Sweep, note: Callable[[Configuration, dict[str, Any]], None] | None = None) -> Plan:
    """Every point of a sweep, checked. `note` is told each configuration, with all that its simulation is built from.

    Raises SweepError for what cannot be simulated, for an axis that changes nothing, and where nothing is left to do.
    """
    content = sweep.content
    try:
        base = load(sweep.scenario, _base(sweep))
    except ScenarioError as error:
        raise sweep.error(*error.problems) from None
    for variant in content.variants or ():
        if variant not in base.variants:
            raise sweep.error(f"variants: {base.name} has no variant {variant}; {suggestion(variant, base.variants)}")
    resolver = Resolver()
    settings: list[Setting] = []
    configurations: list[Configuration] = []
    inputs = dict(_inputs_of(base.path))
    _check_names(sweep)
    for number, setting in enumerate(_settings(sweep)):
        recipes = _recipes(sweep, setting, resolver)
        if recipes:
            settings.append(setting)
        shown = {content.axes[axis].column(axis): level.shown for axis, level in setting.items()}
        for recipe, setup in recipes:
            built_from = effective(setup)
            configurations.append(Configuration(number, shown, recipe, configuration_key(built_from)))
            inputs |= _inputs(setup, base.path.parent)
            if note is not None:
                note(configurations[-1], built_from)
    if not configurations:
        raise sweep.error("nothing is left to simulate: no setting fulfils the constraints")
    _check_reach(sweep, settings, resolver)
    return Plan(
        content.title,
        base.name,
        tuple(axis.column(name) for name, axis in content.axes.items()),
        content.replications or base.replications,
        content.keep,
        tuple(configurations),
        dict(sorted(inputs.items())),
    )


def _settings(sweep: Sweep) -> Iterator[Setting]:
    """Every combination of values that the design asks for, each once, without the axes that do not apply."""
    axes, design = sweep.content.axes, sweep.content.design
    if design.kind == "grid":
        levels: list[list[Level]] = []
        for name, axis in axes.items():
            try:
                levels.append(axis.levels())
            except ValueError as error:
                raise sweep.error(f"axes.{name}: {error}") from None
        rows: Iterator[tuple[Level, ...]] = product(*levels)
    else:
        rows = (
            tuple(axis.at(share) for axis, share in zip(axes.values(), row, strict=True))
            for row in shares(design, len(axes))
        )
    seen: set[tuple[tuple[str, Any], ...]] = set()
    for row in rows:
        setting = dict(zip(axes, row, strict=True))
        values = {name: level.magnitude for name, level in setting.items()}
        for name, condition in sweep.when.items():
            try:
                if not condition.holds(values):
                    del setting[name]
            except ConditionError as error:
                raise sweep.error(f"axes.{name}.when: {error}") from None
        identity = tuple((name, level.written) for name, level in setting.items())
        if identity not in seen:
            seen.add(identity)
            yield setting


def _recipes(sweep: Sweep, setting: Setting, resolver: Resolver) -> list[tuple[Recipe, ResolvedScenario]]:
    """Every variant and plugin of a setting that the constraints let through, variant by variant."""
    if not _allowed(sweep, setting):  # before it is read: a constraint may keep apart what does not go together
        return []
    overrides = _overrides(sweep, setting)
    found: dict[str, dict[str | None, tuple[Recipe, ResolvedScenario]]] = {}
    for plugin in sweep.plugins():
        try:
            scenario = resolver.scenario(sweep.scenario, overrides, plugin)
            for variant in sweep.content.variants or scenario.variants:
                used = plugin if scenario.variant(variant).plugin_objects else None  # one without plugins runs once
                if _allowed(sweep, setting, variant, used):
                    recipe = Recipe(sweep.scenario, overrides, variant, used, sweep.content.seed)
                    asked = Recipe(sweep.scenario, overrides, variant, plugin, sweep.content.seed)
                    found.setdefault(variant, {}).setdefault(used, (recipe, resolver.setup(asked)))
        except SweepError:
            raise
        except ScenarioError as error:
            raise sweep.error(*(_placed(setting, mistake) for mistake in error.problems)) from None
    return [each for by_plugin in found.values() for each in by_plugin.values()]


def _allowed(sweep: Sweep, setting: Setting, variant: str | None = None, plugin: str | None = None) -> bool:
    values = {name: level.magnitude for name, level in setting.items()}
    if variant is not None:
        values["variant"] = variant
    if plugin is not None:
        values["plugin"] = Path(plugin).stem
    for number, condition in enumerate(sweep.constraints):
        try:
            if not condition.holds(values):
                return False
        except ConditionError as error:
            raise sweep.error(f"constraints.{number}: {error}") from None
    return True


def _placed(setting: Setting, mistake: str) -> str:
    """A mistake of the scenario as a mistake of the axis that made it."""
    for name, level in setting.items():
        for key, value in level.written:
            if mistake.startswith(f'override "{key}={value}"'):
                return f"axes.{name}: {mistake}"
    return mistake


def _check_names(sweep: Sweep) -> None:
    """Raise SweepError where two axes or two plugins could not be told apart in a table."""
    columns: dict[str, str] = {}
    for name, axis in sweep.content.axes.items():
        other = columns.setdefault(axis.column(name), name)
        if other != name:
            raise sweep.error(f"axes.{name}: tables call it {axis.column(name)}, as axes.{other}; name one otherwise")
    stems: dict[str, str] = {}
    for plugin in filter(None, sweep.plugins()):
        other = stems.setdefault(Path(plugin).stem, plugin)
        if other != plugin:
            raise sweep.error(f"plugins: tables call both {other} and {plugin} {Path(plugin).stem}; rename one file")


def _check_reach(sweep: Sweep, settings: list[Setting], resolver: Resolver) -> None:
    """Raise SweepError for an axis of which two values make the same simulation of every variant."""
    for name in sweep.content.axes:
        with_axis = [setting for setting in settings if name in setting]
        if not with_axis:
            raise sweep.error(f'axes.{name}: its condition "{sweep.content.axes[name].when}" holds in no setting')
        first = with_axis[0]
        others = (each[name] for each in with_axis if each[name].written != first[name].written)
        other = next(others, None)
        if other is None:
            continue
        try:
            one, changed = (_all_keys(sweep, setting, resolver) for setting in (first, {**first, name: other}))
        except ScenarioError:
            continue  # a constraint keeps the two apart; what makes a scenario none reaches it
        if one == changed:
            values = f"{first[name].written[0][1]} and {other.written[0][1]}"
            raise sweep.error(f"axes.{name}: reaches no parameter: every variant is the same with {values}")


def _all_keys(sweep: Sweep, setting: Setting, resolver: Resolver) -> list[str]:
    scenario = resolver.scenario(sweep.scenario, _overrides(sweep, setting), None)
    variants = sweep.content.variants or scenario.variants
    return [configuration_key(effective(scenario.variant(variant))) for variant in variants]


def _base(sweep: Sweep) -> tuple[str, ...]:
    return tuple(f"{key}={as_toml(value)}" for key, value in sweep.content.set.items())


def _overrides(sweep: Sweep, setting: Setting) -> tuple[str, ...]:
    """The changes that make a setting of the scenario, the sweep's own first."""
    changes = (f"{key}={value}" for level in setting.values() for key, value in level.written)
    return (*_base(sweep), *changes)


def _inputs(setup: ResolvedScenario, directory: Path) -> Iterator[tuple[str, str]]:
    """The files that one configuration was made from beside its scenario: ELF objects and calibrations."""
    for path in setup.plugin_objects.values():
        yield from _inputs_of(path)
    for flow in setup.every_flow.values():
        for host in (flow.hosts.client, flow.hosts.server):
            if host.cpu is not None and host.cpu.costs is not None:
                yield from _inputs_of(locate.costs().get(host.cpu.costs, directory / host.cpu.costs))


def _inputs_of(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_file():
        yield str(path.resolve()), file_hash(path.resolve())
