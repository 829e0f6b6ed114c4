"""quicsim fsm: which state machines are there, and what leads from one state to the next? Read from their tables."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import TYPE_CHECKING, Annotated

import typer

from quicsim.cli.options import WrongOutput, reported

if TYPE_CHECKING:
    from quicsim.quic.states import Machine


def fsm(
    name: Annotated[
        str | None, typer.Argument(metavar="[MACHINE]", help="Which machine; without one, they are listed.")
    ] = None,
    svg: Annotated[bool, typer.Option("--svg", help="Draw it: SVG, on standard output.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead.")
    ] = None,
) -> None:
    """Show a protocol state machine, or draw it."""
    with reported():
        from quicsim.analysis.files import write_atomically
        from quicsim.quic.states import MACHINES

        if name is not None and name not in MACHINES:
            raise WrongOutput(f"there is no state machine {name!r}; there are {', '.join(MACHINES)}")
        if name is None and (svg or output is not None):
            raise WrongOutput(f"name the state machine to draw: {', '.join(MACHINES)}")
        if name is None:
            text = "".join(f"{known}\n    {each.title}\n    {each.source}\n" for known, each in MACHINES.items())
        else:
            text = _drawn(MACHINES[name]) if svg else _told(MACHINES[name])
        if output is None:
            print(text, end="")
            return
        try:
            write_atomically(output, text.encode())
        except OSError as error:
            raise WrongOutput(f"{output} cannot be written: {error.strerror}") from None


def _drawn(machine: Machine) -> str:
    from quicsim.analysis.state_diagram import state_diagram

    return state_diagram(f"{machine.title} ({machine.source})", machine.state_names, machine.steps)


def _told(machine: Machine) -> str:
    """Each state with its inputs, what is not listed is refused."""
    lines = [f"{machine.title}. {machine.source}"]
    width = max(len(given.name) for given in machine.inputs)
    for name in machine.state_names:
        steps = [(given, following) for state, given, following in machine.steps if state == name]
        lines.append(name if steps else f"{name}: an end")
        lines += [f"    {given:<{width}} -> {following}" for given, following in steps]
    return "\n".join(lines) + "\n"
