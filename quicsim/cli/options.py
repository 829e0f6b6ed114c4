"""What do several commands take, and how do they fail?"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quicsim.scenario.run import Progress

Name = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A scenario's name (see `quicsim scenarios`), or the path of a file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change any key, for instance links.access.rate=20Mbps. Repeatable."
    ),
]
Plugin = Annotated[
    str | None,
    typer.Option(
        metavar="PLUGIN", help="A plugin's name, or the path of an ELF object, in place of the variants' own plugins."
    ),
]


class WrongOutput(ValueError):  # noqa: N818
    """There is no writing to where the results should go."""


@contextmanager
def reported() -> Iterator[None]:
    """Turn what can go wrong into one message on stderr and an exit code."""
    from quicsim.locate import LocateError
    from quicsim.plugin.package import PluginError
    from quicsim.scenario.errors import ScenarioError
    from quicsim.scenario.run import SimulationFailed
    from quicsim.validate.reference import WrongReference

    try:
        yield
    except (LocateError, PluginError, ScenarioError, WrongOutput, WrongReference) as error:
        typer.echo(f"quicsim: {error}", err=True)
        raise typer.Exit(2) from None
    except SimulationFailed as error:
        typer.echo(f"quicsim: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("quicsim: interrupted", err=True)
        raise typer.Exit(130) from None


@contextmanager
def progress_bar(*, visible: bool) -> Iterator[Progress | None]:
    """A bar on stderr that goes away when all runs are done."""
    if not visible:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def aligned(rows: Sequence[dict[str, str]], left: tuple[str, ...]) -> str:
    """Rows of one table under their headings, those named to the left, numbers to the right."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if heading in left else text.rjust(width)
            for text, width, heading in zip(line, widths, rows[0], strict=True)
        ).rstrip()
        for line in lines
    )
