"""What happens when a test asks for a scenario, or holds results against its baseline?

A baseline's file lies beside the test, `baselines/<module>/<test>.json`: one for each test and each of its parameters,
so that tests may run in any order and in several processes.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from typing import TYPE_CHECKING, NoReturn

import pytest

from quicsim.regression.baseline import BaselineError, baseline_of, read, with_traces, write
from quicsim.regression.check import check, refuse_unknown
from quicsim.regression.report import as_text, headline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from quicsim.regression.baseline import Baseline
    from quicsim.regression.check import DigestMode, Finding
    from quicsim.regression.objects import Objects
    from quicsim.regression.tolerance import Tolerance
    from quicsim.results import Results

__all__ = ["Baselines", "Scenarios"]


class Scenarios:
    """Simulates scenarios: the fixture `scenario`."""

    def __init__(self, root: Path, objects: Objects, seeds: int | None) -> None:
        self._root = root
        self._objects = objects
        self._seeds = seeds

    def __call__(
        self,
        name_or_path: str | PathLike[str],
        overrides: Sequence[str] = (),
        *,
        variants: Sequence[str] | None = None,
        replications: int | None = None,
        seed: int | None = None,
        plugin: str | PathLike[str] | None = None,
    ) -> Results:
        """Simulate a scenario; see `quicsim.scenario.run.run` for the arguments and what is raised."""
        __tracebackhide__ = True
        import quicsim
        from quicsim.plugin.build import BuildError
        from quicsim.plugin.errors import PluginError
        from quicsim.scenario.errors import ScenarioError
        from quicsim.scenario.run import SimulationFailed

        place = str(name_or_path)
        if place.endswith(".toml") or "/" in place:
            place = str(self._root / place)
        try:
            given = None if plugin is None else self._objects.object_of(str(plugin), self._root)
            return quicsim.scenario(place, overrides).run(variants, self._seeds or replications, seed, plugin=given)
        except (ScenarioError, SimulationFailed, PluginError, BuildError) as error:
            raise error.with_traceback(None) from None  # what is wrong is in the test, and so is the line to show


class Baselines:
    """One test's baselines: the fixture `baseline`."""

    def __init__(
        self, test: pytest.Item, objects: Objects, *, is_updating: bool, digest_mode: DigestMode | None
    ) -> None:
        self._test = test
        self._objects = objects
        self._is_updating = is_updating
        self._digest_mode = digest_mode
        self._used: set[Path] = set()

    def check(
        self,
        results: Results,
        tolerances: Mapping[str, Tolerance],
        *,
        name: str = "",
        digest: DigestMode | None = None,
    ) -> Finding:
        """Hold results against the baseline; with --quicsim-update, make them the baseline.

        `tolerances` are by metric or count; those of no tolerance are shown where they changed. Another digest is what
        --quicsim-digest says, else `digest`, else "warn". The test fails, with all that changed, where a metric is
        worse than is tolerated, where the digest is strict and another one, and where the baseline is missing, broken
        or of something else.
        """
        __tracebackhide__ = True
        mode = self._digest_mode or digest or "warn"
        if not tolerances and digest != "strict":
            raise ValueError('nothing that could fail: give tolerances, or digest="strict"')
        path = self._path(name)
        now = baseline_of(results)
        refuse_unknown(tolerances, now)
        before = self._read(path)
        if self._is_updating:
            before = _updated(path, before, with_traces(now, results))
        if before is None:
            self._fail(path, "there is no such baseline; make it with", and_commit=True)
        try:
            finding = check(results, before, tolerances, mode)
        except BaselineError as error:
            self._fail(path, f"{error}; if that is meant, make the baseline anew with", and_commit=True)
        if finding.failed:
            objects = {path for setup in results.setups.values() for path in setup.plugin_objects.values()}
            text = as_text(finding, lambda section: self._c_line(objects, section))
            self._fail(
                path, f"{headline(finding)}\n{text}\nif that is meant, make the baseline anew with", and_commit=True
            )
        return finding

    def _c_line(self, objects: Iterable[Path], section: str) -> str:
        found = self._objects.line_of(objects, section)
        return "" if found is None else f"{self._place(found.path)}:{found.line}"

    def _read(self, path: Path) -> Baseline | None:
        try:
            return read(path)
        except FileNotFoundError:
            return None
        except BaselineError as error:
            if self._is_updating:
                return None
            self._fail(path, f"{error} with")

    def _path(self, name: str) -> Path:
        test = self._test
        module = test.path
        path = module.parent / "baselines" / module.stem / f"{file_name(self._names(), name)}.json"
        if path in self._used:
            raise ValueError(f"{self._place(path)} was checked in this test already; give this check a name of its own")
        self._used.add(path)
        return path

    def _names(self) -> list[str]:
        """The test's name below its module: classes, the function with its parameters."""
        chain = self._test.listchain()
        below = next(number for number, node in enumerate(chain) if isinstance(node, pytest.Module)) + 1
        return [node.name for node in chain[below:]]

    def _place(self, path: Path) -> str:
        root = self._test.config.rootpath
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _fail(self, path: Path, text: str, *, and_commit: bool = False) -> NoReturn:
        # Not the node's own id, to which xdist may have added a group.
        test = "::".join([self._place(self._test.path), *self._names()])
        command = f"pytest {shlex.quote(test)} --quicsim-update"
        ending = "\nand commit the file" if and_commit else ""
        pytest.fail(f"{self._place(path)}: {text}\n    {command}{ending}", pytrace=False)


def _updated(path: Path, before: Baseline | None, now: Baseline) -> Baseline:
    """The baseline as it is from now on; the file is left alone where it says the same."""
    if before is not None and before.without_traces() == now.without_traces() and before.keeps_traces_of(now):
        return before
    write(path, now)
    return now


def file_name(names: Sequence[str], check_name: str = "") -> str:
    """A test's name, and a check's, as a file's: no two tests of a module share one.

    What a file name may not hold is replaced, and a hash of the name as it was is put behind.
    """
    whole = ".".join(names) + (f".{check_name}" if check_name else "")
    plain = re.sub(r"\[(.*)\]", r".\1", whole, flags=re.DOTALL)
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain)[:100]
    if safe == plain:
        return safe
    return f"{safe}-{hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()}"
