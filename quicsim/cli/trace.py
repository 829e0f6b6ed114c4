"""quicsim trace: one run, event by event."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from quicsim.cli.options import Name, Overrides, Plugin, reported

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def line(event: Event) -> str:
    """An event as one line of text."""
    own = [field.name for field in fields(event) if field.name not in ("time_ns", "component")]
    texts = " ".join(_field(name, getattr(event, name)) for name in own)
    return f"{event.time_ns / 1e6:14.6f} ms  {event.component:<8} {event.qlog_name}  {texts}".rstrip()


def _field(name: str, value: object) -> str:
    """A field as name=value; nanoseconds as milliseconds, without losing any."""
    if name.endswith("_ns") and isinstance(value, int):
        return f"{name.removesuffix('_ns')}={value // 10**6}.{value % 10**6:06d}ms"
    return f"{name}={_value(value)}"


def _value(value: object) -> str:
    match value:
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case tuple() if isinstance(names := getattr(value, "_fields", None), tuple):
            return _record(value, names)
        case tuple() | list():
            return f"[{', '.join(map(_value, value))}]"
        case Enum():
            return value.name.lower()
        case str() if " " in value:
            return repr(value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _record(value, [field.name for field in fields(value)])
        case _:
            return str(value)


def _record(value: object, names: Iterable[str]) -> str:
    return f"{type(value).__name__}({', '.join(_field(name, getattr(value, name)) for name in names)})"
