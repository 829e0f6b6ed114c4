"""quicsim compare: one build of a plugin held against another."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicsim.cli.options import Overrides, WrongOutput, progress_bar, reported

if TYPE_CHECKING:
    from quicsim.regression.builds import Comparison


def compare(
    before: Annotated[str, typer.Argument(metavar="A", help="A plugin's name, ELF object (.o) or C source (.c).")],
    now: Annotated[str, typer.Argument(metavar="B", help="The one that is held against it.")],
    scenario: Annotated[str, typer.Option(metavar="SCENARIO", help="A scenario's name, or the path of a file.")],
    variant: Annotated[
        list[str] | None, typer.Option(help="Only this one, unless given all that use a plugin. Repeatable.")
    ] = None,
    replications: Annotated[int | None, typer.Option(help="Runs of each variant, in place of the scenario's.")] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the scenario's own.")] = None,
    overrides: Overrides = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHARE|METRIC=SHARE[:WORSE]",
            help="By how much B may be worse: of every metric in s or bit/s, 0.02 unless given; or of one, with which "
            "way is worse: higher, lower, either. Repeatable.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes; the results do not depend on it.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page as well.")] = None,
) -> None:
    """Compare two builds of a plugin: metrics pair by pair, and the first event at which they part.

    Exit codes: 0 B is the same or better, 1 B is worse or was refused, 2 the input is wrong or both were refused.
    """
    with reported(), tempfile.TemporaryDirectory() as scratch:
        from quicsim.plugin.build import BuildError
        from quicsim.regression.builds import Comparison, compare_builds
        from quicsim.regression.objects import Objects
        from quicsim.scenario.load import load

        objects = Objects(Path(scratch))
        names = (before, now)
        try:
            first, second = (objects.object_of(name, Path()) for name in names)
            loaded = load(scenario, overrides or ())
            with progress_bar(visible=not as_json and sys.stderr.isatty()) as progress:
                results, finding = compare_builds(
                    names,
                    (first, second),
                    loaded,
                    variants=variant or None,
                    replications=replications,
                    seed=seed,
                    jobs=jobs,
                    tolerances=tolerance or (),
                    progress=progress,
                )
        except (BuildError, ValueError) as error:
            typer.echo(f"quicsim: {error}", err=True)
            raise typer.Exit(2) from None
        lines = {
            section: f"{found.path}:{found.line}" for section, found in objects.lines_of(finding, results[1]).items()
        }
        comparison = Comparison(names, results, finding, lines)
        if html is not None:
            _write(html, comparison)
        print(json.dumps(comparison.to_json(), indent=1, allow_nan=False) if as_json else comparison, end="")
        if as_json:
            print()
        if comparison.is_worse:
            raise typer.Exit(1)


def _write(path: Path, comparison: Comparison) -> None:
    from quicsim.analysis.files import write_atomically
    from quicsim.regression.page import page

    try:
        write_atomically(path, page(comparison).encode())
    except OSError as error:
        raise WrongOutput(f"{path}: {error.strerror}; give --html a file that can be written") from None
