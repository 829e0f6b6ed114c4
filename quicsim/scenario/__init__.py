"""Scenarios: files that say what is simulated.

`quicsim.scenario(name)` reads one: it is this package itself that is called.

schema.py   what a file may say                     load.py   files, overrides and variants -> a Scenario
build.py    a resolved scenario -> one simulation    run.py    replications and variants -> Results
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from quicsim.scenario.load import Scenario


class _CallablePackage(ModuleType):
    """Importing any of it binds `quicsim.scenario` to this package, so the package itself is the function."""

    def __call__(self, name_or_path: str | PathLike[str], overrides: Sequence[str] = ()) -> Scenario:
        """Read a scenario by name or path.

        `overrides` are texts such as "links.access.rate=20Mbps". Raises ScenarioError, with one line a mistake.
        """
        from quicsim.scenario.load import load

        return load(name_or_path, overrides)


sys.modules[__name__].__class__ = _CallablePackage
