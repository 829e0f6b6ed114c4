"""The command line. One module a group of commands; what is heavy is imported by the command that needs it.

Exit codes: 0 done, 1 a simulation failed or what was compared is worse, 2 the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from quicsim.cli import ci, compare, fsm, plugin, plugins, reproduce, run, scenarios, sweep, trace, validate
from quicsim.version import version

app = typer.Typer(
    name="quicsim",
    help="A deterministic simulator of plugin-enabled QUIC.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"quicsim {version()}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """What stands before a command."""


app.command("fsm")(fsm.fsm)
app.add_typer(plugin.group, name="plugin")
app.add_typer(ci.group, name="ci")
app.command("compare")(compare.compare)
app.command("plugins")(plugins.plugins)
app.command("reproduce")(reproduce.reproduce)
app.command("run")(run.run)
app.command("scenarios")(scenarios.scenarios)
app.add_typer(sweep.app, name="sweep")
app.command("trace")(trace.trace)
app.command("validate")(validate.validate)


def main() -> None:
    """Run the command that the arguments name, and exit."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
