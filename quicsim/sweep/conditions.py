"""For which settings does a condition of a sweep file hold? Comparisons and arithmetic over the axes, by name.

Quantities count in base units, nanoseconds, bits a second and bytes, percentages as shares of 1, and may be written as
in a scenario: `delay < "20ms" and rate * delay >= 8e12 and loss <= "1%"`. Nothing else than these expressions parses.
"""

from __future__ import annotations

import ast
import operator
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from quicsim.scenario.errors import suggestion
from quicsim.sweep.quantities import Magnitude, magnitude

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["Condition", "ConditionError"]

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_SHAPES = (ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Compare)
_LEAVES = (ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.List, *_BINARY, *_COMPARISONS)


class ConditionError(ValueError):
    """A condition that says nothing about these axes; the message says why."""


class Condition:
    """One condition. `names` are the axes that it speaks of."""

    def __init__(self, text: str, known: Collection[str]) -> None:
        """Read it. Raises ConditionError for what is no condition over the axes in `known`."""
        self.text = text
        try:
            self._tree = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise ConditionError(f'"{text}" is no condition: {error.msg}') from None
        for node in ast.walk(self._tree):
            if not isinstance(node, (*_SHAPES, *_LEAVES)):
                raise ConditionError(f'"{text}": {type(node).__name__} is not allowed; comparisons and arithmetic only')
        self.names = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        if not self.names:
            raise ConditionError(f'"{text}" names no axis; {suggestion("", known)}')
        for name in sorted(self.names):
            if name not in known:
                raise ConditionError(f'"{text}": unknown axis {name}; {suggestion(name, known)}')

    def holds(self, values: Mapping[str, Magnitude]) -> bool:
        """Whether it holds where the axes have these values; where one of its own has none, it says nothing and holds.

        Raises ConditionError where it compares what cannot be compared.
        """
        if not self.names <= values.keys():
            return True
        try:
            return bool(_value(self._tree, values))
        except (TypeError, ArithmeticError) as error:
            shown = ", ".join(f"{name} = {values[name]}" for name in sorted(self.names))
            why = "a word stands where a number belongs" if isinstance(error, TypeError) else error
            raise ConditionError(f'"{self.text}" cannot be told for {shown}: {why}') from None


def _exact(value: Magnitude) -> Fraction | str | bool:
    """A number as a fraction, so that no comparison hangs on a last bit."""
    return Fraction(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value


def _value(node: ast.expr, values: Mapping[str, Magnitude]) -> Any:
    match node:
        case ast.Name(id=name):
            return _exact(values[name])
        case ast.Constant(value=float(value)):
            return Fraction(repr(value))
        case ast.Constant(value=value):
            return _exact(magnitude(value))
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [_value(part, values) for part in parts]
        case ast.BoolOp(op=joined, values=parts):
            each = (_value(part, values) for part in parts)
            return all(each) if isinstance(joined, ast.And) else any(each)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, values)
        case ast.UnaryOp(operand=operand):
            return -_value(operand, values)
        case ast.BinOp(left=left, op=combined, right=right):
            return _BINARY[type(combined)](_value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=comparisons, comparators=others):
            sides = [_value(side, values) for side in (left, *others)]
            pairs = zip(comparisons, sides, sides[1:], strict=False)
            return all(_COMPARISONS[type(compared)](one, other) for compared, one, other in pairs)
    raise TypeError(f"{type(node).__name__} is no value")  # pragma: no cover: the constructor has let none through
