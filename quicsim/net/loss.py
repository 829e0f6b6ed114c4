"""Which datagrams does a scenario's rule take on the wire? Rules are sentences; the table below holds all of them.

Indices are 1-based and count the datagrams offered to one direction of a link, those that its queue refused included.
A datagram that a rule or chance takes has still waited and been serialised: it is lost on the wire.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from quicsim.units import UnitError, duration_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicsim.net.datagram import Datagram

__all__ = ["FaultError", "Matcher", "fault_matcher"]

REQUEST_LABEL = "stream-start:"
"""What the label of a datagram that opens a request begins with; the rest names the request."""

Matcher: TypeAlias = "Callable[[int, Datagram, int], bool]"
"""Called as `matches(index, datagram, now_ns)` for each datagram offered, in order; whether the rule takes it."""


class FaultError(ValueError):
    """A sentence is no rule for a link."""


def fault_matcher(rule: str) -> Matcher:
    """A matcher of `rule`, with a state of its own, for one direction of a link.

    Rules, in any case and spacing:

    - "first packet of each request": the first datagram of a flow that carries each distinct label `stream-start:...`
    - "datagram 3", "datagrams 5 and 7", "datagrams 1, 2 and 9": these, counted from 1
    - "every 100th datagram": numbers 100, 200, ...
    - "first datagram after 4.03s": the first one offered at or after this instant of the simulation's clock

    Raises:
        FaultError: the text is none of these, or counts from 0.
    """
    text = " ".join(rule.lower().split())
    if found := _AFTER.fullmatch(text):
        try:
            return _first_after(duration_ns(found[1]))
        except UnitError as error:
            raise FaultError(f"rule {rule!r}: {error}") from None
    for pattern, matcher in _RULES:
        if found := pattern.fullmatch(text):
            numbers = [int(number) for number in re.findall(r"\d+", found[0])]
            if 0 in numbers:
                raise FaultError(f"rule {rule!r}: datagrams are counted from 1; give 1 or more")
            return matcher(numbers)
    raise FaultError(
        f"rule {rule!r} is not known; give 'first packet of each request', 'datagram 3', "
        f"'datagrams 1, 2 and 9', 'every 100th datagram' or 'first datagram after 4.03s'"
    )


def _first_of_each_request(_: list[int]) -> Matcher:
    seen: set[tuple[int, str]] = set()

    def matches(index: int, datagram: Datagram, now_ns: int) -> bool:
        new = {(datagram.flow, label) for label in datagram.labels if label.startswith(REQUEST_LABEL)} - seen
        seen.update(new)
        return bool(new)

    return matches


def _these(numbers: list[int]) -> Matcher:
    chosen = frozenset(numbers)
    return lambda index, datagram, now_ns: index in chosen


def _every(numbers: list[int]) -> Matcher:
    (period,) = numbers
    return lambda index, datagram, now_ns: index % period == 0


def _first_after(instant_ns: int) -> Matcher:
    waits = True

    def matches(index: int, datagram: Datagram, now_ns: int) -> bool:
        nonlocal waits
        taken = waits and now_ns >= instant_ns
        waits = waits and not taken
        return taken

    return matches


_AFTER = re.compile(r"first (?:packet|datagram) after (\d+(?:\.\d+)? ?[a-z]+)")

_RULES: tuple[tuple[re.Pattern[str], Callable[[list[int]], Matcher]], ...] = (
    (re.compile("first (?:packet|datagram) of each request"), _first_of_each_request),
    (re.compile(r"datagrams? \d+(?:(?:, ?\d+)* and \d+|(?:, ?\d+)+)?"), _these),
    (re.compile(r"every \d+(?:st|nd|rd|th) (?:packet|datagram)"), _every),
)
