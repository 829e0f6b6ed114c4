"""When is the result of a plugged operation acceptable? Rules as data.

A rule is an expression over the operation's inputs and `result`: comparisons, arithmetic, `and`, `or`, `not`. Nothing
else parses, so a rule can be evaluated after a call and, later, reasoned about by a verifier.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

__all__ = ["Rule"]

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.BinOp, ast.Add, ast.Sub, ast.Mult,
    ast.FloorDiv, ast.LShift, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Name, ast.Load,
    ast.Constant,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """`text` must hold after the call whenever `when` does (always, if it is empty)."""

    text: str
    when: str = ""
    names: frozenset[str] = field(init=False)
    _holds: CodeType = field(init=False, repr=False, compare=False)
    _applies: CodeType | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tree, names = _parse(self.text)
        applies = None
        if self.when:
            condition, more = _parse(self.when)
            names |= more
            applies = compile(condition, "<rule>", "eval")
        object.__setattr__(self, "names", frozenset(names))
        object.__setattr__(self, "_holds", compile(tree, "<rule>", "eval"))
        object.__setattr__(self, "_applies", applies)

    def broken_by(self, values: Mapping[str, int]) -> bool:
        """Whether these inputs and this `result` violate the rule."""
        if self._applies is not None and not eval(self._applies, {"__builtins__": {}}, values):
            return False
        return not eval(self._holds, {"__builtins__": {}}, values)


def _parse(text: str) -> tuple[ast.Expression, set[str]]:
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"rule {text!r} is no expression: {error.msg}") from None
    names = set()
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ValueError(f"rule {text!r}: {type(node).__name__} is not allowed; comparisons and arithmetic only")
        if isinstance(node, ast.Constant) and not isinstance(node.value, int):
            raise ValueError(f"rule {text!r}: constant {node.value!r} is not an integer")
        if isinstance(node, ast.Name):
            names.add(node.id)
    return tree, names
