"""How does a person read an event? One line: time in ms, component, event, fields."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quicsim.events import Event

__all__ = ["aligned", "field_texts", "line", "milliseconds"]


def line(event: Event) -> str:
    """An event as one line of text."""
    return aligned(event.time_ns, event.component, event.qlog_name, " ".join(field_texts(event).values()))


def field_texts(event: Event) -> dict[str, str]:
    """An event's own fields as `name=value`, by name."""
    own = [field.name for field in fields(event) if field.name not in ("time_ns", "component")]
    return {name: _field(name, getattr(event, name)) for name in own}


def aligned(time_ns: int, component: str, name: str, texts: str) -> str:
    """The parts of a line, each where a reader looks for it."""
    return f"{milliseconds(time_ns):>14} ms  {component:<8} {name}  {texts}".rstrip()


def milliseconds(time_ns: int) -> str:
    """Nanoseconds as milliseconds, without losing any."""
    return f"{time_ns // 10**6}.{time_ns % 10**6:06d}"


def _field(name: str, value: object) -> str:
    """A field as name=value; nanoseconds as milliseconds."""
    if name.endswith("_ns") and isinstance(value, int):
        return f"{name.removesuffix('_ns')}={milliseconds(value)}ms"
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
