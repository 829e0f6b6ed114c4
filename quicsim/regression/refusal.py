"""Did the plugin that is judged run at all? One that was refused leaves runs that look well, and say nothing of it.

What a run's record says of refusals decides; the verifier is asked again only for the line of C, which does not travel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicsim.plugin.verification import PluginRejected, verified
from quicsim.scenario.use_plugins import plugins_of

if TYPE_CHECKING:
    from pathlib import Path

    from quicsim.plugin.package import Plugin
    from quicsim.results import Results
    from vm.verifier.report import Place

__all__ = ["ADVICE", "Refusal", "refusals"]

ADVICE = "`quicsim plugin verify` tells all about a refusal; mend the plugin, since nothing was measured of it"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A plugin that never attached: it was refused in every run of the variants that use it."""

    plugin: str
    """As it calls itself."""
    reason: str
    object: Path
    """Its ELF file."""
    place: Place | None = None
    """Where the verifier found what it refuses; None where somebody else refused."""

    def __str__(self) -> str:
        at = "" if self.place is None else f"; at {self.place.line or self.place}"
        return f"plugin {self.plugin} was refused in every run and never ran: {self.reason}{at}"

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data, without the place of the file on this machine."""
        place = None if self.place is None else self.place.as_json()
        return {"plugin": self.plugin, "reason": self.reason, "at": place}


def refusals(results: Results) -> tuple[Refusal, ...]:
    """The plugins that were refused in every run of the variants that use them."""
    found: dict[str, Refusal] = {}
    ran: set[str] = set()
    for variant, setup in results.setups.items():
        for name, plugin in plugins_of(setup).items():
            reasons = [run.refused.get(plugin.name) for run in results.runs if run.variant == variant]
            if None in reasons:
                ran.add(plugin.name)
            elif reasons and reasons[0] is not None:
                found.setdefault(plugin.name, _refusal(plugin, reasons[0], setup.plugin_objects[name]))
    return tuple(each for name, each in found.items() if name not in ran)


def _refusal(plugin: Plugin, reason: str, path: Path) -> Refusal:
    text = reason.removeprefix(f"plugin {plugin.name}: ")
    try:
        verified(plugin)
    except PluginRejected as error:
        if str(error) == reason:
            return Refusal(plugin.name, text, path, error.refusal.place)
    return Refusal(plugin.name, text, path)
