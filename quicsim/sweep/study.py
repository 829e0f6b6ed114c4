"""What do the rows of a sweep say? Means by axis and arm, differences between arms by seed, levels of an axis.

An arm is a variant, with its plugin where that is an axis. Where there are several settings, one setting's mean over
its replications is one sample, for replications of one setting say nothing about others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from quicsim.analysis.effects import Level, Picture, effect, heat_map, shares
from quicsim.analysis.inference import Comparison, Mean, compare, mean_estimate
from quicsim.analysis.metrics import View, natural_view
from quicsim.scenario.errors import suggestion
from quicsim.sweep.table import ROLES, arm_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow as pa

__all__ = ["Group", "Study"]

_LEVELS, _BINS = 6, 5
"""So many values of an axis are shown each; more are put into so many bins of about equally many settings."""


@dataclass(frozen=True, slots=True)
class Group:
    """One level of an axis, or a bin of levels, and the settings that have it."""

    name: str
    place: float | None
    settings: frozenset[int]


@dataclass(slots=True)
class Study:
    """The rows of a table that are done, looked at by arm, setting and replication."""

    table: pa.Table
    axes: list[str] = field(init=False)
    metrics: list[str] = field(init=False)
    arms: list[str] = field(init=False)
    _values: dict[str, dict[tuple[str, int, int], float]] = field(init=False, default_factory=dict)
    _at: list[tuple[str, int, int]] = field(init=False)
    _places: dict[str, dict[int, Any]] = field(init=False)

    def __post_init__(self) -> None:
        roles = json.loads((self.table.schema.metadata or {})[ROLES])
        self.axes, self.metrics = roles["axes"], roles["metrics"]
        rows = self.table.to_pydict()
        done = [number for number, status in enumerate(rows["status"]) if status == "done"]
        plugins = rows.get("plugin") or [None] * len(self.table)
        arm = [arm_name(v, p) for v, p in zip(rows["variant"], plugins, strict=True)]
        self.arms = list(dict.fromkeys(arm[number] for number in done))
        self._at = [(arm[number], rows["setting"][number], rows["replication"][number]) for number in done]
        self._places = {axis: {rows["setting"][n]: rows[axis][n] for n in done} for axis in self.axes}
        for metric in self.metrics:
            pairs = zip(self._at, (rows[metric][number] for number in done), strict=True)
            self._values[metric] = {at: value for at, value in pairs if value is not None}

    # ------------------------------------------------------------------------------------------------------ samples

    def values(self, metric: str, arm: str, settings: Collection[int] | None = None) -> list[float]:
        """What was measured in every run of an arm, in these settings or in all."""
        measured = self._measured(metric)
        return [v for (a, s, _), v in measured.items() if a == arm and (settings is None or s in settings)]

    def samples(self, metric: str, arm: str, settings: Collection[int] | None = None) -> list[float]:
        """A setting's mean over its replications, for each; where there is but one setting, its replications."""
        return [ours for ours, _ in self.pairs(metric, arm, arm, settings)]

    def pairs(
        self, metric: str, arm: str, baseline: str, settings: Collection[int] | None = None
    ) -> list[tuple[float, float]]:
        """An arm beside another, replications with the same seed only: a pair for each setting, or for each seed."""
        measured = self._measured(metric)
        by_setting: dict[int, list[tuple[float, float]]] = {}
        for (own, setting, replication), value in measured.items():
            if own == arm and (settings is None or setting in settings):
                other = measured.get((baseline, setting, replication))
                if other is not None:
                    by_setting.setdefault(setting, []).append((value, other))
        if len(by_setting) == 1:
            [pairs] = by_setting.values()
            return pairs
        return [(fmean(ours for ours, _ in each), fmean(base for _, base in each)) for each in by_setting.values()]

    def estimate(self, metric: str, arm: str, settings: Collection[int] | None = None) -> Mean | None:
        """The mean of an arm with its interval; None where nothing was measured."""
        samples = self.samples(metric, arm, settings)
        return mean_estimate(samples) if samples else None

    def comparison(self, metric: str, arm: str, baseline: str) -> Comparison | None:
        """An arm against another; None where they have no pair."""
        pairs = self.pairs(metric, arm, baseline)
        return compare([ours for ours, _ in pairs], [base for _, base in pairs]) if pairs else None

    def change(self, metric: str, arm: str, axis: str, first: Group, group: Group) -> Mean | None:
        """The difference of a level to an axis's first, pair by pair: all other axes and the seed are equal.

        None where there is no such pair: each setting of a sample is alone, and a bin is no level.
        """
        places = self._places[axis]
        if any(len({places[setting] for setting in each.settings}) > 1 for each in (first, group)):
            return None
        measured = self._measured(metric)
        by_setting: dict[int, dict[int, float]] = {}
        for (own, setting, replication), value in measured.items():
            if own == arm:
                by_setting.setdefault(setting, {})[replication] = value
        others = [self._places[other] for other in self.axes if other != axis]
        firsts = {tuple(other.get(setting) for other in others): setting for setting in first.settings}
        found = []
        for setting in sorted(group.settings):
            base = by_setting.get(firsts.get(tuple(other.get(setting) for other in others), -1), {})
            pairs = [value - base[seed] for seed, value in by_setting.get(setting, {}).items() if seed in base]
            if pairs:
                found.append(pairs)
        samples = found[0] if len(found) == 1 else [fmean(pairs) for pairs in found]
        return mean_estimate(samples, max(map(abs, measured.values()))) if samples else None

    def configurations(self, metric: str) -> list[dict[str, Any]]:
        """Each configuration's mean over its replications, with its interval: a row with its axes and its arm."""
        by_configuration: dict[tuple[int, str], list[float]] = {}
        for (arm, setting, _), value in self._measured(metric).items():
            by_configuration.setdefault((setting, arm), []).append(value)
        rows = []
        for (setting, arm), values in by_configuration.items():
            found = mean_estimate(values)
            axes = {axis: self._places[axis].get(setting) for axis in self.axes}
            own = {"n": found.count, "mean": found.mean, "low": found.low, "high": found.high}
            rows.append({"setting": setting, **axes, "arm": arm, **own, "spread": found.spread.value})
        return rows

    def view(self, metric: str) -> View:
        """The unit in which this metric's values are read easily."""
        values = [abs(value) for value in self._measured(metric).values()]
        return natural_view(metric, median(values) if values else 0.0)

    def _measured(self, metric: str) -> Mapping[tuple[str, int, int], float]:
        if metric not in self._values:
            raise ValueError(f"there is no metric {metric!r} here; {suggestion(metric, self.metrics)}")
        return self._values[metric]

    # ------------------------------------------------------------------------------------------------------- levels

    def groups(self, axis: str) -> list[Group]:
        """The levels of an axis, or bins of them, in order."""
        if axis not in self._places:
            raise ValueError(f"there is no axis {axis!r} here; {suggestion(axis, self.axes)}")
        places = {setting: value for setting, value in self._places[axis].items() if value is not None}
        levels = list(dict.fromkeys(places.values()))
        if any(isinstance(level, (str, bool)) for level in levels):
            return [_group(str(level), None, [s for s, v in places.items() if v == level]) for level in levels]
        view = self.axis_view(axis)
        if len(levels) <= _LEVELS:
            return [
                _group(f"{level * view.factor:g}", level * view.factor, [s for s, v in places.items() if v == level])
                for level in sorted(levels)
            ]
        ordered = sorted(places, key=places.__getitem__)
        ends = [place for place in range(1, len(ordered)) if places[ordered[place - 1]] != places[ordered[place]]]
        ends.append(len(ordered))  # a level of a grid stands in one bin, whole
        cuts = [next(end for end in ends if end >= len(ordered) * number // _BINS) for number in range(1, _BINS + 1)]
        groups = []
        for first, last in pairwise(dict.fromkeys((0, *cuts))):
            settings = ordered[first:last]
            low, high = places[settings[0]] * view.factor, places[settings[-1]] * view.factor
            middle = fmean(places[setting] for setting in settings) * view.factor
            name = f"{low:.3g} to {high:.3g}" if low < high else f"{low:.3g}"
            groups.append(_group(name, middle, settings))
        return groups

    def axis_view(self, axis: str) -> View:
        """The unit in which this axis is read easily."""
        values = [value for value in self._places[axis].values() if isinstance(value, (int, float))]
        return natural_view(axis, max(map(abs, values), default=0.0))

    # ----------------------------------------------------------------------------------------------------- pictures

    def main_effect(self, metric: str, axis: str, versus: str | None = None) -> Picture:
        """The metric's mean at each level of an axis, a line for each arm; or its paired difference to `versus`."""
        groups = self.groups(axis)
        lines = {arm: [] if arm == versus else self._line(metric, arm, versus, groups) for arm in self.arms}
        title = f"{self._what(metric, versus)} by {self.axis_view(axis).name}"
        return self._effect(title, lines, metric, axis, versus)

    def interaction(self, metric: str, axis: str, by: str, arm: str, versus: str | None = None) -> Picture:
        """As `main_effect` of one arm, a line for each level of another axis: lines that are not parallel interact."""
        view = self.axis_view(by)
        lines = {}
        for group in self.groups(by):
            within = [Group(each.name, each.place, each.settings & group.settings) for each in self.groups(axis)]
            lines[f"{view.name} {group.name} {view.unit}".strip()] = self._line(metric, arm, versus, within)
        title = f"{self._what(metric, versus)} by {self.axis_view(axis).name} for each {view.name}, {arm}"
        return self._effect(title, lines, metric, axis, versus)

    def distribution(self, metric: str, axis: str, arm: str) -> Picture:
        """The distribution of all runs of an arm, a line for each level of an axis."""
        view, own = self.view(metric), self.axis_view(axis)
        series = {
            f"{own.name} {group.name} {own.unit}".strip(): [
                value * view.factor for value in self.values(metric, arm, group.settings)
            ]
            for group in self.groups(axis)
        }
        everything = [value * view.factor for value in self._measured(metric).values()]
        reach = min(everything), max(everything)
        return shares(f"distribution of {view.name} by {own.name}, {arm}", series, view.label, reach)

    def heat(self, metric: str, axis: str, by: str, arm: str, versus: str | None = None) -> Picture:
        """The metric's mean for each pair of levels of two axes; or its paired difference to `versus`."""
        across, up = self.groups(axis), self.groups(by)
        values = [[self._mean(metric, arm, versus, one.settings & other.settings) for one in across] for other in up]
        names = [group.name for group in across], [group.name for group in up]
        title = f"{self._what(metric, versus)} by {self.axis_view(axis).name} and {self.axis_view(by).name}, {arm}"
        labels = (self.axis_view(axis).label, self.axis_view(by).label, self._label(metric, versus))
        return heat_map(title, *names, values, labels, signed=versus is not None)

    def _effect(
        self, title: str, lines: Mapping[str, list[Level]], metric: str, axis: str, versus: str | None
    ) -> Picture:
        if not any(lines.values()):
            raise ValueError(f"nothing to draw: no arm has {metric} along {axis}")
        return effect(title, lines, self.axis_view(axis).label, self._label(metric, versus))

    def _line(self, metric: str, arm: str, versus: str | None, groups: Sequence[Group]) -> list[Level]:
        factor = self.view(metric).factor
        levels = []
        for group in groups:
            samples = [value * factor for value in self._samples(metric, arm, versus, group.settings)]
            if samples:
                largest = max(map(abs, self._measured(metric).values())) * factor
                levels.append(Level(group.name, group.place, mean_estimate(samples, largest)))
        return levels

    def _samples(self, metric: str, arm: str, versus: str | None, settings: Collection[int]) -> list[float]:
        if versus is None:
            return self.samples(metric, arm, settings)
        return [ours - base for ours, base in self.pairs(metric, arm, versus, settings)]

    def _mean(self, metric: str, arm: str, versus: str | None, settings: Collection[int]) -> float | None:
        samples = self._samples(metric, arm, versus, settings)
        return fmean(samples) * self.view(metric).factor if samples else None

    def _label(self, metric: str, versus: str | None) -> str:
        """For an axis; what the difference is to, the title says."""
        view = self.view(metric)
        return view.label if versus is None else f"difference ({view.unit})" if view.unit else "difference"

    def _what(self, metric: str, versus: str | None) -> str:
        name = self.view(metric).name
        return name if versus is None else f"{name}, difference to {versus},"


def _group(name: str, place: float | None, settings: Sequence[int]) -> Group:
    return Group(name, place, frozenset(settings))
