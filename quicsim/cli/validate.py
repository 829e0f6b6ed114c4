"""quicsim validate: our runs beside measurements of others."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import Annotated

import typer

from quicsim.cli.options import progress_bar, reported


def validate(
    stacks: Annotated[
        bool,
        typer.Option("--stacks", help="Downloads beside aioquic, which the tolerance is about, picoquic and quicly."),
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Other rows, in the form of quicsim/validate/quic_stacks.json."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Only rows whose name has this in it. Repeatable.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes; the results do not depend on it.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, with every sample.")] = False,
) -> None:
    """Compare with what was measured elsewhere: a table; exit code 1 where fewer rows than asked are within."""
    with reported():
        from quicsim.validate.reference import PACKAGED, read_rows, rows_named
        from quicsim.validate.stacks import validate_stacks

        if not stacks:
            raise typer.BadParameter("name what to compare with: --stacks", param_hint="--stacks")
        rows = rows_named(read_rows(reference or PACKAGED), only)
        with progress_bar(visible=not as_json and sys.stderr.isatty()) as progress:
            report = validate_stacks(rows, jobs, progress)
    if as_json:
        print(json.dumps(report.to_json(), indent=1, allow_nan=False))
    else:
        print(report.table)
        print(f"\n{report.verdict}")
    if not report.holds:
        raise typer.Exit(1)
