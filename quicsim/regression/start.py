"""How does a repository begin to guard a plugin? With a workflow, a first test and that test's baseline."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from string import Template
from typing import TYPE_CHECKING

from quicsim.regression.builds import RELATIVE, WORSE_BY_UNIT, variants_with_plugins
from quicsim.regression.refusal import ADVICE, refusals
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from quicsim.regression.objects import Objects

__all__ = ["StartError", "start"]

WORKFLOW = ".github/workflows/quicsim.yml"
TEST = "tests/test_quicsim.py"
CONFIGURATIONS = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""Where pytest looks for the root of a repository, and for its options."""

REPLICATIONS = 10
"""assumed: an interval needs six (quicsim.analysis.statistics), and a test should stay quick."""


class StartError(RuntimeError):
    """A repository in which this cannot begin; the text names the file and says what would be right."""


def start(root: Path, plugin: str, scenario: str, objects: Objects) -> list[Path]:
    """Write the files below `root`, and run the first test once, which makes its baseline; the files that were written.

    Raises StartError before anything is written, as where the plugin is refused, and takes back what it wrote where the
    first test does not pass; ScenarioError, SimulationFailed, PluginError and BuildError for a plugin or scenario that
    is none.
    """
    texts = {root / name: text for name, text in _texts(root, plugin, scenario, objects).items()}
    kept = root / "tests/baselines/test_quicsim"
    for path in (*texts, kept):
        if path.exists():
            raise StartError(f"{path} is there already; remove it, or begin in another directory")
    if find_spec("pytest") is None:
        raise StartError("pytest is not installed; install it with: pip install pytest")
    written: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
        _run_the_test(root)
    except (OSError, StartError) as error:
        for path in (*written, *kept.glob("*.json")):
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StartError(f"{error.filename}: {error.strerror}; choose a directory that can be written") from None
        raise
    return [*texts, *sorted(kept.iterdir())]


def _texts(root: Path, plugin: str, scenario: str, objects: Objects) -> dict[str, str]:
    """The files by name below the root: what they say is learnt from one run."""
    loaded = load(scenario if not scenario.endswith(".toml") else root / scenario)
    variants = variants_with_plugins(loaded)
    if not variants:
        raise ScenarioError(
            f"no variant of {scenario} uses a plugin that {plugin} could stand in for; "
            "give the path of a scenario file of your own that uses one (docs/scenarios.md)"
        )
    results = loaded.run(variants[:1], 1, plugin=objects.object_of(plugin, root))
    if found := refusals(results):
        raise StartError(f"{'; '.join(map(str, found))}\n{ADVICE}")
    [run, *_others] = results.runs
    judged = {
        metric: WORSE_BY_UNIT[unit] for metric in run.metrics if (unit := metric.rpartition("_")[2]) in WORSE_BY_UNIT
    }
    values = {
        "plugin": plugin,
        "scenario": scenario,
        "test": TEST,
        "variants": json.dumps(variants),
        "replications": REPLICATIONS,
        "tolerances": "\n".join(
            f'            "{metric}": Tolerance({RELATIVE}, worse="{worse}"),' for metric, worse in judged.items()
        ),
    }
    templates = files("quicsim.regression") / "templates"
    made = {
        WORKFLOW: (templates / "workflow.yml").read_text(encoding="utf-8"),
        TEST: (templates / "test.py.txt").read_text(encoding="utf-8"),
    }
    made = {name: Template(text).substitute(values) for name, text in made.items()}
    if not any((root / name).exists() for name in CONFIGURATIONS):
        made["pytest.ini"] = "[pytest]\ntestpaths = tests\n"  # pytest's root, from which the plugin's path counts
    return made


def _run_the_test(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--quicsim-update", TEST],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StartError(f"the first test does not pass:\n{done.stdout}{done.stderr}")
