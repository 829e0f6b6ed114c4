"""quicsim reproduce: every figure and table of the paper, beside the paper."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from errno import EACCES, EISDIR, ENOTDIR
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicsim.cli.options import WrongOutput, aligned, reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicsim.reproduce.run import Progress, Report

REPORT = "report.html"


def reproduce(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this figure or table, for instance fig3. Repeatable.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document; write the report only with --output.")
    ] = False,
    jobs: Annotated[int, typer.Option(help="Worker processes; the results do not depend on it.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer replications, and no slow studies.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE",
            help=f"Where the report goes: a directory, or a file *.html; results/reproduce/{REPORT} unless given.",
        ),
    ] = None,
) -> None:
    """Reproduce the paper: a table, and one HTML report with every figure and table beside the original."""
    with reported():
        from quicsim.reproduce.catalogue import chosen
        from quicsim.reproduce.run import reproduce as run
        from quicsim.version import version

        reproductions = chosen(only)
        home = output or (None if as_json else Path("results") / "reproduce")
        path = None if home is None else _report_path(home)
        with _progress(visible=not as_json and sys.stderr.isatty()) as progress:
            report = run(reproductions, version(), quick=quick, jobs=jobs, progress=progress)
        if path is not None:
            _write(report, path)
        if as_json:
            from quicsim.reproduce.document import document

            print(json.dumps(document(report), indent=1, allow_nan=False))
        else:
            _show(report)
            print(f"\n{path}")


def _report_path(output: Path) -> Path:
    """The file to write; WrongOutput, before anything is simulated, where it could not be written."""
    path = output if output.suffix.lower() in (".html", ".htm") and not output.is_dir() else output / REPORT
    nearest = next(place for place in (path.parent, *path.absolute().parents) if place.exists())
    if path.is_dir():
        code = EISDIR
    elif not nearest.is_dir():
        code = ENOTDIR
    elif not os.access(nearest, os.W_OK | os.X_OK):
        code = EACCES
    else:
        return path
    raise WrongOutput(f"{path}: {os.strerror(code)}; give --output a directory, or a file .html, that can be written")


def _write(report: Report, path: Path) -> None:
    from quicsim.analysis.files import write_atomically
    from quicsim.reproduce.page import page

    try:
        write_atomically(path, page(report).encode())
    except OSError as error:
        raise WrongOutput(f"{path}: {error.strerror}; give --output a place that can be written") from None


@contextmanager
def _progress(*, visible: bool) -> Iterator[Progress | None]:
    """A bar on stderr that names the figure at work and goes away when all is done."""
    if not visible:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = "{task.description:7}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda name, done, total: bar.update(task, description=name, completed=done, total=total)


def _show(report: Report) -> None:
    """A table of all claims, then the statements."""
    from quicsim.reproduce.page import claim_texts

    if report.quick:
        print("quick form: fewer replications than the paper's; `quicsim reproduce` runs them all\n")
    rows = [
        {"": part.reproduction.name, **claim_texts(claim)} for part in report.parts for claim in part.outcome.claims
    ]
    if rows:
        print(aligned(rows, left=("", "what", "verdict")))
    for part in report.parts:
        for check in part.outcome.checks:
            print(f"\n{part.reproduction.name}: {'holds' if check.holds else 'DOES NOT HOLD'}: {check.statement}.")
            print(f"    {check.evidence}")
