"""quicsim ci: what guards a plugin in continuous integration."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from quicsim.cli.options import reported

group = typer.Typer(help="Guard a plugin in continuous integration.", no_args_is_help=True)


@group.callback()
def _group() -> None:
    """Guard a plugin in continuous integration."""


@group.command("init")
def init(
    plugin: Annotated[
        str, typer.Option(help="What is to be guarded: a plugin's name, or the path of a C source or ELF object.")
    ] = "tlp",
    scenario: Annotated[
        str, typer.Option(metavar="SCENARIO", help="In which scenario: a name, or the path of a file.")
    ] = "fig3_tlp",
    directory: Annotated[
        Path, typer.Option(file_okay=False, help="The repository's root; the plugin's path counts from there.")
    ] = Path(),
) -> None:
    """Write a GitHub workflow and a first test with its baseline, all of which pass as written."""
    with reported(), tempfile.TemporaryDirectory() as scratch:
        from quicsim.plugin.build import BuildError
        from quicsim.regression.objects import Objects
        from quicsim.regression.start import StartError, start

        try:
            written = start(directory, plugin, scenario, Objects(Path(scratch)))
        except (BuildError, StartError) as error:
            typer.echo(f"quicsim: {error}", err=True)
            raise typer.Exit(2) from None
        print("\n".join(str(path) for path in written))
        print("\nCommit these files. docs/ci.md says how to read a check that fails.")
