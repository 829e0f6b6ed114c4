"""Are two runs of the same thing? A hash of what a variant's configuration says, and of the plugins in it.

Not a sweep's key (quicsim.sweep.identity), which tells two results apart and may change with each version: this one is
kept for years in a baseline. Keys that stand at their defaults do not count, so that a key which a later version adds
does not make every older configuration another one. Where files lie, and what they are called, does not count either.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from quicsim.scenario.use_plugins import plugins_of

if TYPE_CHECKING:
    from quicsim.scenario.schema import ResolvedScenario

__all__ = ["configuration", "configuration_hash", "plugin_hashes"]


def configuration(setup: ResolvedScenario) -> dict[str, Any]:
    """What a variant says, as plain data without defaults; plugins by the names that they give themselves."""
    names = {name: plugin.name for name, plugin in plugins_of(setup).items()}
    uses = {
        flow_name: tuple(
            use.model_copy(update={"name": names[use.name], "replaces": use.replaces and names[use.replaces]})
            for use in flow.plugins
        )
        for flow_name, flow in setup.every_flow.items()
    }
    return setup.with_plugins(uses).model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"name", "seed", "plugin_objects"}
    )


def configuration_hash(setup: ResolvedScenario) -> str:
    """BLAKE2b over the configuration, in hexadecimal; neither seed nor bytecode enters it."""
    # The order of tables stays: the order of links decides ties between them.
    text = json.dumps(configuration(setup), separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def plugin_hashes(setup: ResolvedScenario) -> dict[str, str]:
    """BLAKE2b over each plugin's ELF file, in hexadecimal, by the name that it gives itself."""
    return {
        plugin.name: hashlib.blake2b(plugin.data, digest_size=8).hexdigest()
        for _, plugin in sorted(plugins_of(setup).items())
    }
