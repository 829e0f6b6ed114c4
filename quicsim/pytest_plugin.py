"""How does a plugin's author guard it in CI? pytest's fixtures `scenario` and `baseline`, and what belongs to them.

Every pytest run of an environment loads this module, quicsim used or not: what costs time is imported when a fixture
is asked for. docs/ci.md is the guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from typing import Protocol

    from quicsim.regression.check import DigestMode, Finding
    from quicsim.regression.guard import Baselines
    from quicsim.regression.objects import Objects
    from quicsim.regression.tolerance import Tolerance
    from quicsim.results import Results

    class RunScenario(Protocol):
        """What the fixture `scenario` gives."""

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
            """Simulate a scenario."""

    class BaselineFixture(Protocol):
        """What the fixture `baseline` gives."""

        def check(
            self,
            results: Results,
            tolerances: Mapping[str, Tolerance],
            *,
            name: str = "",
            digest: DigestMode | None = None,
        ) -> Finding:
            """Hold results against the baseline of this test."""


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
def scenario(request: pytest.FixtureRequest, _quicsim_objects: Objects) -> RunScenario:
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
