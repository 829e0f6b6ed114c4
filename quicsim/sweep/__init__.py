"""Sweeps: many points of one scenario, planned in a file, made anywhere, broken off and taken up again.

`quicsim.sweep(...)` runs one: it is this package itself that is called.

file.py     what a sweep file may say          axes.py  quantities.py  conditions.py   its parts
plan.py     every point, with its key          sample.py    designs        identity.py   what a key is made of
run.py      from plan to table                 worker.py    a batch of points       pilot.py   what it will take
execute.py  supervised workers here            cluster.py   workers of Dask         work.py    what to give out
store.py  parts.py    where results lie     table.py   the tidy table
face.py     from Python      result.py  what it gives back     study.py  what the rows say      report.py  one page
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    from quicsim.sweep.result import SweepResult


class _CallablePackage(ModuleType):
    """Importing any of it binds `quicsim.sweep` to this package, so the package itself is the function."""

    def __call__(self, name_or_path: str | PathLike[str] | None = None, **said: Any) -> SweepResult:
        """Run a sweep, or what is left of it; see quicsim.sweep.face.sweep."""
        from quicsim.sweep.face import sweep

        return sweep(name_or_path, **said)


sys.modules[__name__].__class__ = _CallablePackage
