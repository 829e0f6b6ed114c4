"""What happens when a test asks for a scenario, or holds results against its baseline?

A baseline's file lies beside the test, `baselines/<module>/<test>.json`: one for each test and each of its parameters,
so that tests may run in any order and in several processes.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from quicsim.regression.baseline import BaselineError, baseline_of, read, with_traces, write
from quicsim.regression.check import check, refuse_unknown
from quicsim.regression.outcome import Outcome
from quicsim.regression.refusal import ADVICE, refusals
from quicsim.regression.report import as_text, change_texts, headline, in_order
from quicsim.regression.tolerance import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from quicsim.regression.baseline import Baseline
    from quicsim.regression.check import DigestMode, Finding
    from quicsim.regression.objects import Objects
    from quicsim.regression.outcome import State
    from quicsim.regression.tolerance import Tolerance
    from quicsim.results import Results

__all__ = ["OUTCOMES", "Baselines", "Scenarios"]

OUTCOMES = pytest.StashKey[list[dict[str, Any]]]()
"""Of a test: its outcomes as plain data."""

MEANT = "if that is meant, make the baseline anew with"


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
        or of something else. It fails, and writes nothing, where the `plugin` that `scenario` was given never ran,
        refused in every run.
        """
        __tracebackhide__ = True
        mode = self._digest_mode or digest or "warn"
        if not tolerances and digest != "strict":
            raise ValueError('nothing that could fail: give tolerances, or digest="strict"')
        path = self._path(name)
        refuse_unknown(tolerances, baseline_of(results))
        before, wrong = self._read(path)
        refused = "; ".join(map(str, refusals(results))) if results.plugin is not None else ""
        if refused and (self._is_updating or before is None):
            self._fail(path, refused)
        if self._is_updating:
            return self._update(path, before, results, tolerances)
        if before is None:
            self._fail(path, wrong, self._remedy("make it with"))
        try:
            finding = check(results, before, tolerances, mode)
        except BaselineError as error:
            wrong = str(error)
        if wrong:
            self._fail(path, *((f"{refused}; {wrong}",) if refused else (wrong, self._remedy(MEANT))))
        outcome = self._outcome(path, finding, results)
        self._note(outcome, finding)
        if finding.failed:
            self._fail_with(path, f"{outcome.headline}\n{outcome.text}", ADVICE if refused else self._remedy(MEANT))
        return finding

    def _update(
        self, path: Path, before: Baseline | None, results: Results, tolerances: Mapping[str, Tolerance]
    ) -> Finding:
        """Make the results the baseline; the file is left alone where it says the same."""
        __tracebackhide__ = True
        now = with_traces(baseline_of(results), results)
        finding = check(results, now, tolerances)
        outcome = self._outcome(path, finding, results)
        if before is None or before.without_traces() != now.without_traces() or not before.keeps_traces_of(now):
            try:
                write(path, now)
            except BaselineError as error:
                raise error.with_traceback(None) from None
            change = _changed_by_the_update(before, results, tolerances)
            outcome = replace(outcome, state="written", headline=f"written{change}; commit the file")
        self._note(outcome, finding)
        return finding

    def _outcome(self, path: Path, finding: Finding, results: Results) -> Outcome:
        """A finding as it is reported."""
        lines = self._objects.lines_of(finding, results)
        refused = [found for each in finding.refused if (found := self._objects.line_of_refusal(each)) is not None]
        text = as_text(
            finding, {section: f"{self._place(found.path)}:{found.line}" for section, found in lines.items()}
        )
        if refused or lines:
            found = [*refused, *reversed(lines.values())][0]  # of partings, the one where they are far apart
            file, line = self._place(found.path), found.line
        else:
            file, line = self._test_place()
        rows = [change_texts(each) for each in in_order(finding)]
        return Outcome(
            self._test_id,
            self._place(path),
            state(finding),
            headline(finding),
            text,
            file,
            line,
            rows,
            list(finding.notes),
        )

    def _note(self, outcome: Outcome, finding: Finding | None = None) -> None:
        """Keep an outcome for the reports of this process or, under xdist, of the one that reports."""
        self._test.stash.setdefault(OUTCOMES, []).append(asdict(outcome))
        properties = self._test.user_properties
        properties.append(("quicsim.baseline", outcome.baseline))
        properties.append(("quicsim.state", outcome.state))
        for each in finding.changes if finding is not None else ():
            if each.tolerance is not None:
                name = f"quicsim.{each.variant}.{each.metric}"
                properties.append((f"{name}.before", each.before))
                properties.append((f"{name}.now", each.after))
                properties.append((f"{name}.verdict", each.verdict.value))

    def _read(self, path: Path) -> tuple[Baseline | None, str]:
        """The baseline, or why there is none."""
        try:
            return read(path), ""
        except FileNotFoundError:
            return None, "there is no such baseline"
        except BaselineError as error:
            return None, str(error)

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

    def _test_place(self) -> tuple[str, int]:
        return self._place(self._test.path), (self._test.location[1] or 0) + 1

    @property
    def _test_id(self) -> str:
        """What pytest is told to run this test; not the node's own id, to which xdist may have added a group."""
        return "::".join([self._place(self._test.path), *self._names()])

    def _fail(self, path: Path, wrong: str, remedy: str = ADVICE) -> NoReturn:
        """Fail, and report so, where there is nothing that could be compared."""
        self._note(Outcome(self._test_id, self._place(path), "failed", wrong, "", *self._test_place(), []))
        self._fail_with(path, wrong, remedy)

    def _fail_with(self, path: Path, wrong: str, remedy: str) -> NoReturn:
        pytest.fail(f"{self._place(path)}: {wrong}\n{remedy}", pytrace=False)

    def _remedy(self, purpose: str) -> str:
        return f"{purpose}\n    pytest {shlex.quote(self._test_id)} --quicsim-update\nand commit the file"


def _changed_by_the_update(before: Baseline | None, results: Results, tolerances: Mapping[str, Tolerance]) -> str:
    """What somebody accepts who commits the new file."""
    if before is None:
        return ""
    try:
        return f" ({headline(check(results, before, tolerances, 'warn'))})"
    except BaselineError as error:
        return f" ({error})"


def state(finding: Finding) -> State:
    """What a finding is, in a word."""
    if finding.failed:
        return "failed"
    if finding.parted and finding.digest_mode != "off":
        return "changed"
    return "better" if any(each.verdict is Verdict.BETTER for each in finding.changes) else "same"


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
