"""quicsim trace: one run, event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from quicsim.cli.options import Name, Overrides, Plugin, reported

if TYPE_CHECKING:
    from quicsim.events import Event


def trace(
    name: Name,
    variant: Annotated[str | None, typer.Option(help="Which one; the scenario's first unless given.")] = None,
    replication: Annotated[int, typer.Option(help="Counted from 0.")] = 0,
    overrides: Overrides = None,
    plugin: Plugin = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Print no more events than this.")] = None,
) -> None:
    """Print one run, event by event: time in ms, component, event, fields."""
    with reported():
        from quicsim.event_text import line
        from quicsim.scenario.load import load
        from quicsim.scenario.run import trace as trace_run

        scenario = load(name, overrides or ())
        seen = 0

        def show(event: Event) -> None:
            nonlocal seen
            seen += 1
            if limit is None or seen <= limit:
                print(line(event))

        record = trace_run(scenario, variant or scenario.variants[0], replication, show, plugin)
        if limit is not None and seen > limit:
            print(f"... {seen - limit} more events")
        for note in record.notes:
            print(f"note: {note}")
        print(f"digest {record.digest}")
