"""What does a metric's name say? `completion_s` is in seconds, and can be shown in milliseconds as well."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

_SCALES: dict[str, tuple[tuple[str, float], ...]] = {
    "s": (("s", 1.0), ("ms", 1e3), ("us", 1e6)),
    "bps": (("Gbps", 1e-9), ("Mbps", 1e-6), ("kbps", 1e-3), ("bps", 1.0)),
    "bytes": (("MB", 1e-6), ("kB", 1e-3), ("B", 1.0)),
    "percent": (("%", 1.0),),
}
"""Unit that records are kept in -> units to show it in, the largest first, with how many of them make one."""


@dataclass(frozen=True, slots=True)
class View:
    """A metric shown in a unit: `values * factor`, with "completion (ms)" on the axis."""

    metric: str
    factor: float
    unit: str

    @property
    def name(self) -> str:
        """What is measured, as a person reads it."""
        return self.metric.removesuffix(f"_{_own_unit(self.metric)}").replace("_", " ")

    @property
    def label(self) -> str:
        """The name with the unit, for an axis."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def text(self, value: float) -> str:
        """A value of the metric, in this view's unit."""
        return f"{value * self.factor:,.{self._decimals(value)}f}"

    def _decimals(self, value: float) -> int:
        if value == 0 or (not self.unit and value == int(value)):
            return 0
        return 2 if abs(value * self.factor) >= 10 else 3


def _own_unit(metric: str) -> str:
    unit = metric.rpartition("_")[2]
    return unit if unit in _SCALES else ""


def natural_view(metric: str, value: float) -> View:
    """The unit in which a value such as this one is read easily: 0.05 s as 50 ms."""
    own = _own_unit(metric)
    if not own:
        return View(metric, 1.0, "")
    scales = _SCALES[own]
    unit, factor = next((scale for scale in scales if abs(value) * scale[1] >= 1), scales[-1])
    if value == 0:
        unit, factor = next(scale for scale in scales if scale[1] == 1.0)
    return View(metric, factor, unit)


def view(name: str, known: list[str]) -> View:
    """The view that a name asks for: `completion_ms` is `completion_s` in milliseconds. ValueError if not known."""
    if name in known:
        own = _own_unit(name)
        return View(name, 1.0, next((unit for unit, factor in _SCALES.get(own, ()) if factor == 1.0), ""))
    stem, _, asked = name.rpartition("_")
    for own, scales in _SCALES.items():
        for unit, factor in scales:
            if unit == asked and f"{stem}_{own}" in known:
                return View(f"{stem}_{own}", factor, unit)
    nearest = _nearest(name, known)
    known_text = f"did you mean {nearest!r}? known" if nearest else "known"
    raise ValueError(f"no metric {name!r}; {known_text}: {', '.join(known) or 'none'}, and each in other units")


def _nearest(name: str, known: list[str]) -> str | None:
    """The known metric that is written most like this one, in the unit asked for or else a usual one."""
    stem, _, asked = name.rpartition("_")
    if not any(unit == asked for scales in _SCALES.values() for unit, _ in scales):
        stem, asked = name, ""
    metrics = {metric.removesuffix(f"_{_own_unit(metric)}"): metric for metric in known}
    for match in get_close_matches(stem, metrics, n=1):
        units = [unit for unit, _ in _SCALES.get(_own_unit(metrics[match]), ())]
        return f"{match}_{asked if asked in units else units[min(1, len(units) - 1)]}" if units else metrics[match]
    return None
