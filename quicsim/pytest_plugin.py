"""How does a plugin's author guard it in CI? pytest's fixtures `scenario` and `baseline`, and what belongs to them.

Every pytest run of an environment loads this module, quicsim used or not: what costs time is imported when a fixture
is asked for. docs/ci.md is the guide.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from quicsim.regression.guard import Baselines, Scenarios
    from quicsim.regression.objects import Objects


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that begin with --quicsim."""
    group = parser.getgroup("quicsim", "quicsim: simulations held against baselines")
    group.addoption(
        "--quicsim-update", action="store_true", help="Write the baselines of the tests that run, in place of checking."
    )
    group.addoption(
        "--quicsim-digest",
        choices=("strict", "warn", "off"),
        help="What another digest is, where metrics are within their tolerances: a failure, a word at the end (unless "
        "the test says otherwise), or nothing.",
    )
    group.addoption(
        "--quicsim-seeds",
        type=_seeds,
        metavar="N",
        help="Replications of each variant, in place of what test and scenario say.",
    )

    group.addoption(
        "--quicsim-summary",
        metavar="FILE",
        help="Write what came of all checks as Markdown; GITHUB_STEP_SUMMARY, where it is set, names a file to add to.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect what came of the checks where the run is reported: in the one process, or in xdist's controller."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Reports(config), "quicsim-reports")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put a test's outcomes on its report, with which they reach the controller."""
    report = yield
    if (report.when == "call" or report.failed) and "quicsim.regression.guard" in sys.modules:
        from quicsim.regression.guard import OUTCOMES

        setattr(report, _OUTCOMES, item.stash.get(OUTCOMES, []))
        item.stash[OUTCOMES] = []
    return report


_OUTCOMES = "quicsim_outcomes"


class _Reports:
    """What came of all checks of a pytest run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a test's outcomes."""
        self._found += getattr(report, _OUTCOMES, [])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what did not fail and is worth a word; annotate lines where GitHub runs this."""
        if not self._found:
            return
        from quicsim.regression.outcome import Outcome, annotation, terminal_lines

        outcomes = [Outcome(**each) for each in self._found]
        if lines := terminal_lines(outcomes):
            terminalreporter.section("quicsim")
            for line in lines:
                terminalreporter.write_line(line)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            for each in outcomes:
                if (text := annotation(each)) is not None:
                    terminalreporter.write_line(text)

    def pytest_sessionfinish(self) -> None:
        """Write the Markdown summary."""
        if not self._found:
            return
        from quicsim.regression.outcome import Outcome, write_summaries

        outcomes = [Outcome(**each) for each in self._found]
        chosen = self._config.getoption("--quicsim-summary")
        try:
            write_summaries(outcomes, chosen, os.environ.get("GITHUB_STEP_SUMMARY"))
        except OSError as error:
            raise pytest.UsageError(f"quicsim: the summary cannot be written: {error}") from None


def _seeds(text: str) -> int:
    from argparse import ArgumentTypeError

    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of replications; give 1 or more")
    return int(text)


@pytest.fixture(scope="session")
def _quicsim_objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """Builds the plugins that are given as C."""
    from quicsim.regression.objects import Objects

    return Objects(tmp_path_factory.mktemp("quicsim"))


@pytest.fixture
def scenario(request: pytest.FixtureRequest, _quicsim_objects: Objects) -> Scenarios:
    """Simulate: `scenario("fig3_tlp", ["requests.count=5"], plugin="plugins/tlp.c", replications=10)`.

    Paths of scenario files (.toml) and plugins count from pytest's root directory. A plugin may be a name, an ELF
    object (.o), or a C source, which is built with the pinned compiler. Gives quicsim's Results.
    """
    from quicsim.regression.guard import Scenarios

    config = request.config
    return Scenarios(config.rootpath, _quicsim_objects, config.getoption("--quicsim-seeds"))


@pytest.fixture
def baseline(request: pytest.FixtureRequest, _quicsim_objects: Objects) -> Baselines:
    """Hold results against a file beside the test: `baseline.check(results, {"completion_s": Tolerance(0.02)})`.

    A second check of one test has a `name` of its own. `digest` says what another digest is, unless --quicsim-digest
    does. A test fails where a metric is worse than its tolerance allows, and where its baseline is missing.
    """
    from quicsim.regression.guard import Baselines

    config = request.config
    return Baselines(
        request.node,
        _quicsim_objects,
        is_updating=config.getoption("--quicsim-update"),
        digest_mode=config.getoption("--quicsim-digest"),
    )
