"""Where does each number of a scenario come from? Read from the comments of its file: given, derived or assumed.

A scenario file says it beside each value, as in `delay = "5ms"  # given: RTT 10 ms`, or in the comment right above a
key or a table. The file is read line by line, as a person does: a TOML parser throws comments away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Origin", "Parameter", "parameters"]

NOT_PARAMETERS = ("title", "source", "seed", "paper")
"""What a file says of itself and of the paper."""


class Origin(Enum):
    """Who says so."""

    GIVEN = "given"
    """Stated in the paper or in the thesis."""
    DERIVED = "derived"
    """Worked out from what is given."""
    ASSUMED = "assumed"
    """Nobody says."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A key of a scenario file as it is written there; `origin` is None where the file does not say."""

    key: str
    value: str
    origin: Origin | None
    reason: str


_WORD = "|".join(origin.value for origin in Origin)
_MARKED = re.compile(rf"\b({_WORD})\b\s*:?\s*", re.IGNORECASE)
_MARKED_IN_PROSE = re.compile(rf"\b({_WORD})\b(?=\s*(?:[:,;.)]|$))", re.IGNORECASE)


def parameters(text: str) -> list[Parameter]:
    """Every parameter that the text of a scenario file sets, in its order."""
    found = []
    table: tuple[str, ...] = ()
    of_table: tuple[Origin | None, str] = None, ""
    lists: dict[tuple[str, ...], int] = {}
    for header, key, value, beside, above in _statements(text):
        if header:
            table = tuple(header.strip("[]").strip().split("."))
            if header.startswith("[["):
                lists[table] = lists.get(table, -1) + 1
                table = (*table, str(lists[table]))
            of_table = _origin_beside(beside) if beside else _origin_above(above)
            continue
        name = (*table, *key.split("."))
        if name[0] in NOT_PARAMETERS:
            continue
        origin, reason = _origin_beside(beside) if beside else _origin_above(above)
        if origin is None and of_table[0] is not None:
            origin, reason = of_table[0], reason or of_table[1]
        found.append(Parameter(".".join(name), value, origin, reason))
    return found


def _origin_beside(comment: str) -> tuple[Origin | None, str]:
    """Of `assumed: a short answer`: the word, and the reason."""
    match = _MARKED.search(comment)
    if match is None:
        return None, comment
    rest = f"{comment[: match.start()]}{comment[match.end() :]}".strip()
    return Origin(match[1].lower()), rest


def _origin_above(comment: str) -> tuple[Origin | None, str]:
    """Of sentences above a key: the mark stands before a colon, a comma or an end, and the whole is the reason."""
    match = _MARKED_IN_PROSE.search(comment)
    return (None if match is None else Origin(match[1].lower())), comment


def _statements(text: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Each table header or key: (header, key, value, comment beside it, comment right above it)."""
    above: list[str] = []
    pending: list[str] | None = None  # header, key, value, comment beside, comment above
    depth = 0
    for line in text.splitlines():
        code, comment = _cut(line)
        if pending is not None and depth > 0:  # inside brackets that are still open
            pending[2] = f"{pending[2]} {code.strip()}".strip()
            pending[3] = f"{pending[3]} {comment}".strip()
            depth += _depth(code)
            continue
        if pending is not None and not code.strip() and comment and line[:1].isspace():
            pending[3] = f"{pending[3]} {comment}".strip()  # a comment that goes on below its line
            continue
        if pending is not None:
            yield pending[0], pending[1], pending[2], pending[3], pending[4]
            pending = None
        if not code.strip():
            above = [*above, comment] if comment else []
            continue
        if code.lstrip().startswith("["):
            pending = [code.strip(), "", "", comment, " ".join(above)]
        else:
            key, _, value = code.partition("=")
            pending = ["", key.strip(), value.strip(), comment, " ".join(above)]
            depth = _depth(value)
        above = []
    if pending is not None:
        yield pending[0], pending[1], pending[2], pending[3], pending[4]


def _cut(line: str) -> tuple[str, str]:
    """The code of a line, and its comment."""
    for place in _outside_quotes(line):
        if line[place] == "#":
            return line[:place], line[place + 1 :].strip()
    return line, ""


def _depth(code: str) -> int:
    """How many more brackets are opened than closed."""
    return sum((code[place] in "[{") - (code[place] in "]}") for place in _outside_quotes(code))


def _outside_quotes(text: str) -> Iterator[int]:
    quote = ""
    escaped = False
    for place, character in enumerate(text):
        if quote:
            if escaped:
                escaped = False
            elif character == "\\" and quote == '"':
                escaped = True
            elif character == quote:
                quote = ""
        elif character in "\"'":
            quote = character
        else:
            yield place
