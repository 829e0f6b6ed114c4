"""quicsim run: simulate a scenario and show what came out."""

from __future__ import annotations

import json
import os
import sys
from errno import EACCES, EEXIST, ENOTDIR
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicsim.cli.options import Name, Overrides, Plugin, WrongOutput, progress_bar, reported

if TYPE_CHECKING:
    from quicsim.analysis.report import Summary
    from quicsim.results import Results


def run(
    name: Name,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; write files only with --output.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="In place of the scenario's own.")] = None,
    replications: Annotated[int | None, typer.Option(help="Runs of each variant, in place of the scenario's.")] = None,
    variant: Annotated[list[str] | None, typer.Option(help="Only this one. Repeatable.")] = None,
    overrides: Overrides = None,
    plugin: Plugin = None,
    jobs: Annotated[int, typer.Option(help="Worker processes; the results do not depend on it.")] = 1,
    engine: Annotated[
        str, typer.Option(help="What runs plugins, jit or interpreter; the results do not depend on it.")
    ] = "jit",
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where files go; results/SCENARIO unless given.")
    ] = None,
) -> None:
    """Simulate a scenario: a table beside the paper's numbers, distributions as pictures, and result files."""
    with reported():
        from quicsim.scenario.load import load

        scenario = load(name, overrides or ())
        home = output or (None if as_json else Path("results") / scenario.name)
        if home is not None:
            _check_writable(home)
        with progress_bar(visible=not as_json and sys.stderr.isatty()) as progress:
            results = scenario.run(variant or None, replications, seed, jobs, plugin, progress, engine)
        written = [] if home is None else _written(results, home)
        if as_json:
            print(json.dumps(results.to_json(), indent=1, allow_nan=False))
        else:
            _show(results, scenario.source, written)


def _check_writable(home: Path) -> None:
    """Raise WrongOutput, before anything is simulated, if results could not be written there; make nothing."""
    nearest = next(place for place in (home, *home.absolute().parents) if place.exists())
    if not nearest.is_dir():
        code = EEXIST if nearest == home else ENOTDIR
    elif not os.access(nearest, os.W_OK | os.X_OK):
        code = EACCES
    else:
        return
    raise WrongOutput(f"{home}: {os.strerror(code)}; give --output a directory that can be written")


def _written(results: Results, home: Path) -> list[Path]:
    """The result files and pictures, written; WrongOutput where they cannot be."""
    try:
        return [*results.save(home), *results.plot.save(home)]
    except OSError as error:
        raise WrongOutput(f"{home}: {error.strerror}; give --output a directory that can be written") from None


def _show(results: Results, source: str, written: list[Path]) -> None:
    print(f"{results.heading(source)}\n")
    _show_table(results.summary())
    for note in results.notes():
        print(f"\n{note}", end="")
    print("\n" + "\n".join(str(path) for path in written))


def _show_table(summary: Summary) -> None:
    if not sys.stdout.isatty():
        print(summary)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    columns = summary.columns()
    for heading, numeric, _ in columns:
        table.add_column(heading, justify="right" if numeric else "left")
    for texts in zip(*(texts for _, _, texts in columns), strict=True):
        table.add_row(*map(Text, texts))
    Console().print(table)
