"""How is a refusal told? One primary error with a stable first line, then where, what, why, and what would help."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from vm.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vm.program import Program
    from vm.source import SourceLine
    from vm.verifier.state import Trail

SHOWN_BRANCHES = 8


class Category(Enum):
    """What kind of thing a program was refused for; the first words of the first line."""

    UNINITIALISED = "uninitialised"
    OUT_OF_BOUNDS = "out of bounds"
    NOT_PERMITTED = "not permitted"
    NOT_A_POINTER = "not a pointer"
    MAY_BE_NULL = "may be null"
    POINTER_ARITHMETIC = "pointer arithmetic"
    POINTER_LEAK = "pointer leak"
    HELPER = "helper"
    CALL = "call"
    RECURSION = "recursion"
    TOO_DEEP = "too deep"
    ENDLESS_LOOP = "endless loop"
    TOO_LONG = "too long"
    TOO_COMPLEX = "too complex"
    RULE = "rule broken"


class Violation(Exception):  # noqa: N818
    """An obligation of the current instruction does not hold. The exploration adds the place and the path."""

    def __init__(
        self,
        category: Category,
        text: str,
        *,
        subject: str = "",
        region: str = "",
        field: str = "",
        seen: str = "",
        allowed: str = "",
        suggestion: str = "",
        counterexample: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(text)
        self.category = category
        self.text = text
        self.subject = subject
        self.region = region
        self.field = field
        self.seen = seen
        self.allowed = allowed
        self.suggestion = suggestion
        self.counterexample = counterexample


@dataclass(frozen=True, slots=True)
class Place:
    """An instruction, and its line in C where the object has source lines."""

    pc: int
    function: str
    line: SourceLine | None = None

    def __str__(self) -> str:
        where = f"instruction {self.pc} of {self.function!r}"
        if self.line is None:
            return where
        column = f":{self.line.column}" if self.line.column else ""
        return f"{self.line.file}:{self.line.line}{column} ({where})"

    def as_json(self) -> dict[str, Any]:
        """The place as data."""
        line = self.line
        return {
            "pc": self.pc,
            "function": self.function,
            "file": line.file if line is not None else None,
            "line": line.line if line is not None else None,
            "column": line.column if line is not None else None,
            "text": line.text if line is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Branch:
    """A conditional jump on the way: taken or not."""

    place: Place
    taken: bool


class Rejected(LoadError):  # noqa: N818
    """The verifier cannot let this program run.

    `reason` is the stable first line. `place` is the instruction, `subject` the register or stack slot, `region` and
    `field` what was accessed, `seen` and `allowed` ranges, `path` the branches that led there, `suggestion` what would
    make it pass, `counterexample` inputs that do what is refused, tried in the interpreter.
    """

    def __init__(self, program: Program, entry: str, pc: int, violation: Violation, trail: Trail | None) -> None:
        self.category = violation.category
        super().__init__(
            f"{violation.category.value}: {violation.text}",
            source=program.source,
            section=program.function_at(pc).section,
        )
        self.entry = entry
        self.pc = pc
        self.place = place_of(program, pc)
        self.subject = violation.subject
        self.region = violation.region
        self.field = violation.field
        self.seen = violation.seen
        self.allowed = violation.allowed
        self.suggestion = violation.suggestion
        self.counterexample = dict(violation.counterexample or {})
        branches: list[Branch] = []
        while trail is not None and len(branches) <= SHOWN_BRANCHES:
            branches.append(Branch(place_of(program, trail.pc), trail.taken))
            trail = trail.previous
        self.path_is_cut = len(branches) > SHOWN_BRANCHES
        self.path = tuple(reversed(branches[:SHOWN_BRANCHES]))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self.args, self.__dict__)

    def details(self) -> list[tuple[str, str]]:
        """What stands below the first line: what it is called, and the text."""
        lines = [("at", str(self.place))]
        if self.place.line is not None and self.place.line.text:
            lines.append(("line", self.place.line.text))
        for name in ("subject", "region", "field", "seen", "allowed"):
            if text := getattr(self, name):
                lines.append((name, text))
        if self.path_is_cut:
            lines.append(("path", "..."))
        lines += [("path", f"{branch.place}: {'taken' if branch.taken else 'not taken'}") for branch in self.path]
        if self.counterexample:
            lines.append(("inputs", ", ".join(f"{name} = {value}" for name, value in self.counterexample.items())))
        if self.suggestion:
            lines.append(("help", self.suggestion))
        return lines

    def text(self, *, is_coloured: bool = False) -> str:
        """The whole message."""
        bold, red, dim, plain = ("\x1b[1m", "\x1b[31m", "\x1b[2m", "\x1b[0m") if is_coloured else ("",) * 4
        head = f"{bold}{red}refused{plain}{bold}: {self.source}: {self.section}: {self.reason}{plain}"
        return "\n".join([head, *(f"  {dim}{name:<8}{plain} {text}" for name, text in self.details())])

    def as_json(self) -> dict[str, Any]:
        """The whole message as data."""
        return {
            "accepted": False,
            "source": self.source,
            "entry": self.entry,
            "category": self.category.value,
            "message": self.reason,
            "place": self.place.as_json(),
            "subject": self.subject,
            "region": self.region,
            "field": self.field,
            "seen": self.seen,
            "allowed": self.allowed,
            "path": [{**each.place.as_json(), "taken": each.taken} for each in self.path],
            "suggestion": self.suggestion,
            "counterexample": self.counterexample,
        }


def _rebuilt(args: tuple[object, ...], state: dict[str, object]) -> Rejected:
    error = Rejected.__new__(Rejected, *args)
    error.__dict__.update(state)
    return error


def place_of(program: Program, pc: int) -> Place:
    """The place of an instruction."""
    return Place(pc, program.function_at(pc).name, program.line_at(pc))
