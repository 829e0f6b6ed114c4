"""Does a program keep the host's rules? Proved where intervals can tell, broken where they must be, else monitored.

A rule is an expression in Python's syntax over `result` and fields of one region: comparisons, arithmetic, `and`,
`or`, `not`. The numbers are those that the fields had when the program was entered.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from vm.verifier.proof import Judged
from vm.verifier.state import HOSTS_OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vm.verifier.contract import Contract, Field, RegionType, Rule
    from vm.verifier.proof import Recorder
    from vm.verifier.values import Number

RESULT = "result"


class Interval(NamedTuple):
    """Whole numbers from `low` to `high`; two with one identity, other than 0, are equal."""

    low: int
    high: int
    identity: int = 0


class Judge:
    """The rules of one contract, and what became of them at the exits seen so far."""

    def __init__(self, contract: Contract) -> None:
        self._region = contract.rule_region
        self._fields = {field.name: field for field in self._region.fields} if self._region is not None else {}
        self._rules = [(rule, _parsed(rule.text), _parsed(rule.when or "1")) for rule in contract.rules]
        self._open: set[int] = set()
        self._tracked = {
            field.offset: field
            for field in self._fields.values()
            if not field.is_writable and any(field.name in rule.names for rule in contract.rules)
        }

    def field_at(self, region: RegionType, offset: Number, size: int) -> str | None:
        """The name of the field that a load is of, if a rule is about it and only the host writes it."""
        if region is not self._region or not offset.is_constant:
            return None
        field = self._tracked.get(offset.wide[0])
        return field.name if field is not None and field.size == size else None

    def at_exit(self, result: Number, given: Mapping[str, Number]) -> Rule | None:
        """Judge what a path returns; a rule that it breaks whatever the numbers are."""
        if result.identity == HOSTS_OWN:
            return None
        values = {name: _of_field(field) for name, field in self._fields.items()}
        values |= {name: _of(number) for name, number in given.items()}
        values[RESULT] = _of(result)
        for index, (rule, text, when) in enumerate(self._rules):
            if RESULT not in rule.names:
                continue
            holds, applies = _truth(text, values), _truth(when, values)
            if holds is True or applies is False:
                continue
            self._open.add(index)
            if holds is False and applies is True:
                return rule
        return None

    def verdicts(self, recorder: Recorder) -> tuple[Judged, ...]:
        """Each rule, proved or monitored, once every path was followed."""
        written = {effect.field for effect in recorder.write_effects() if self._is_ours(effect.region)}
        return tuple(
            Judged(
                rule.text,
                rule.when,
                is_proved=index not in self._open if RESULT in rule.names else not rule.names & written,
            )
            for index, (rule, _, _) in enumerate(self._rules)
        )

    def _is_ours(self, region: str) -> bool:
        return self._region is not None and self._region.name == region


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _of(number: Number) -> Interval:
    return Interval(number.wide[2], number.wide[3], number.identity)


def _of_field(field: Field) -> Interval:
    """What a field that nobody looked at may hold; one that the program may write is judged as it is at the end."""
    most = (1 << 8 * field.size) - 1
    return Interval(0, most) if field.is_writable else Interval(field.minimum, min(field.maximum, most))


def _truth(node: ast.expr, values: Mapping[str, Interval]) -> bool | None:
    """Whether a condition holds; None: that is not known."""
    match node:
        case ast.BoolOp(op, operands):
            found = [_truth(each, values) for each in operands]
            decisive = isinstance(op, ast.Or)
            if decisive in found:
                return decisive
            return None if None in found else not decisive
        case ast.UnaryOp(ast.Not(), operand):
            inner = _truth(operand, values)
            return None if inner is None else not inner
        case ast.Compare(left, operators, comparators):
            sides = [_interval(each, values) for each in (left, *comparators)]
            found = [_compared(op, a, b) for op, a, b in zip(operators, sides[:-1], sides[1:], strict=True)]
            if False in found:
                return False
            return None if None in found else True
    number = _interval(node, values)
    if number.low > 0 or number.high < 0:
        return True
    return False if number.low == number.high == 0 else None


def _compared(operator: ast.cmpop, a: Interval, b: Interval) -> bool | None:
    match operator:
        case ast.Eq() | ast.NotEq():
            equal = None
            if (a.identity and a.identity == b.identity) or a.low == a.high == b.low == b.high:
                equal = True
            elif a.high < b.low or b.high < a.low:
                equal = False
            return equal if equal is None or isinstance(operator, ast.Eq) else not equal
        case ast.Gt() | ast.GtE():
            return _compared(ast.Lt() if isinstance(operator, ast.Gt) else ast.LtE(), b, a)
        case ast.Lt():
            if a.high < b.low:
                return True
            return False if a.low >= b.high or (a.identity and a.identity == b.identity) else None
        case ast.LtE():
            if a.high <= b.low or (a.identity and a.identity == b.identity):
                return True
            return False if a.low > b.high else None
    raise ValueError(f"a rule compares by {type(operator).__name__}")


def _interval(node: ast.expr, values: Mapping[str, Interval]) -> Interval:
    match node:
        case ast.Constant(int() as value):
            return Interval(value, value)
        case ast.Name(name):
            return values[name]
        case ast.BinOp(left, operator, right):
            return _computed(operator, _interval(left, values), _interval(right, values))
        case ast.UnaryOp(ast.Not(), _) | ast.BoolOp() | ast.Compare():
            truth = _truth(node, values)
            return Interval(int(truth is True), int(truth is not False))
    raise ValueError(f"a rule has {type(node).__name__} in it")


def _computed(operator: ast.operator, a: Interval, b: Interval) -> Interval:
    match operator:
        case ast.Add():
            return Interval(a.low + b.low, a.high + b.high)
        case ast.Sub():
            return Interval(a.low - b.high, a.high - b.low)
        case ast.Mult():
            products = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
            return Interval(min(products), max(products))
        case ast.FloorDiv() if b.low > 0:
            quotients = [x // y for x in (a.low, a.high) for y in (b.low, b.high)]
            return Interval(min(quotients), max(quotients))
        case ast.LShift() if b.low >= 0 and b.high <= 64:
            return Interval(min(a.low << b.low, a.low << b.high), max(a.high << b.high, a.high << b.low))
    raise ValueError(f"a rule computes by {type(operator).__name__} with {b.low} to {b.high}")
