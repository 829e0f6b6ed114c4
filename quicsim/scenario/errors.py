"""What is wrong with a scenario, in one line a mistake: where, what, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

Key = tuple[str, ...]
"""A dotted key, in parts."""

LISTS = {
    "plugins": '[{name = "tlp", from = "client"}]',
    "moves": '[{at = "2s", to = "lte"}]',
    "objects": '[{name = "html", size = "50kB"}]',
    "faults": '[{drop = "datagram 3", from = "server"}]',
    "versions": "[1]",
}
"""Of each list that does not hold names alone, what it may look like."""


class ScenarioError(ValueError):
    """A scenario that cannot be simulated; the text has one line a mistake."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


def dotted(key: Key) -> str:
    """A key as it is written in a file or an override."""
    return ".".join(key)


def shown(value: object) -> str:
    """A value as its writer knows it."""
    return str(value) if isinstance(value, Decimal) else repr(value)


def suggestion(word: str, known: Iterable[str]) -> str:
    """What would be right: the nearest known word, or all of them."""
    names = list(known)
    if whole := [f'"{name}"' for name in names if name.endswith(f"_{word}")]:
        return f"did you mean {' or '.join(whole)}?"
    nearest = get_close_matches(word, names, n=1)
    if nearest:
        return f'did you mean "{nearest[0]}"?'
    return f"known here: {', '.join(sorted(names)) or 'none'}"


def problems(error: ValidationError, model: type[BaseModel], document: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """Each mistake that pydantic found in `document`: its key, and a sentence without the key."""
    found: dict[Key, str] = {}
    for detail in error.errors():
        location = tuple(str(part) for part in detail["loc"])
        if location[-1:] == ("[key]",):
            location = location[:-1]
        if detail["type"] != "missing":
            location = _as_written(location, document)
        found.setdefault(location, _sentence(detail, location, model))
    return list(found.items())


def _as_written(location: Key, document: Any) -> Key:
    """The part of a location that the document has: `rate` where one rate was read as a table of two."""
    for depth, part in enumerate(location):
        if isinstance(document, Mapping) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return location[:depth]
    return location


def _sentence(detail: ErrorDetails, location: Key, model: type[BaseModel]) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            nearest = suggestion(location[-1], known_keys(model, location[:-1]))
            return f"unknown key; {_of_hosts(model, location) or nearest}"
        case "missing":
            return "is missing"
        case "value_error":
            return str(context["error"])
        case "literal_error":
            allowed = str(context["expected"]).replace("'", '"')
            return f"{shown(detail['input'])} is not known; write {allowed}"
        case "int_type" | "int_from_float" | "int_parsing":
            return f"{shown(detail['input'])} is not a whole number; write it without quotes, unit or point"
        case "bool_type":
            return f"{shown(detail['input'])} is neither true nor false; write one of them, without quotes"
        case "tuple_type":
            example = LISTS.get(location[-1], '["a", "b"]')
            return f"{shown(detail['input'])} is not a list; write its entries in brackets, such as {example}"
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return f"{shown(detail['input'])} is not a table"
        case _:
            message = detail["msg"]
            return f"{message[0].lower()}{message[1:]}; got {shown(detail['input'])}"


def _of_hosts(model: type[BaseModel], location: Key) -> str:
    """Where a key stands that a table of the protocol does not have and one of the hosts does; "" where none does."""
    start = next((number for number, part in enumerate(location) if part in ("quic", "hosts")), None)
    if start is None or len(location) != start + (2 if location[start] == "quic" else 3):
        return ""
    tables = [(*location[:start], "hosts", role) for role in ("client", "server")]
    found = [dotted((*table, location[-1])) for table in tables if location[-1] in known_keys(model, table)]
    return f"it is {' and '.join(found)}" if found else ""


def known_keys(model: type[BaseModel], location: Key) -> list[str]:
    """The keys that a table at `location` may have, as they are written."""
    here: Any = model
    for part in location:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in here.model_fields.items()}
            here = _table_type(fields.get(part))
        else:  # an entry of a mapping or a list
            here = _table_type(get_args(here)[-1]) if get_args(here) else None
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [field.alias or name for name, field in here.model_fields.items()]
    return [str(name) for name in get_args(get_args(here)[0])] if get_args(here) else []


def _table_type(annotation: Any) -> Any:
    """What an annotation says beside None and metadata; of `tuple[Fault, ...]`, a list of Fault."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _table_type(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return _table_type(next(arm for arm in get_args(annotation) if arm is not type(None)))
    if origin is tuple:
        return list[get_args(annotation)[0]]  # type: ignore[misc]
    return annotation
