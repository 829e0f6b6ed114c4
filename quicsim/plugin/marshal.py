"""How do values get from the connection into a program's memory, and back?

DESIGN: an operation's inputs are copied whole before the call. The connection's fields are copied when a program first
touches them, where the profile's bridge is shared memory, or all of them before the call and the writable ones after
it. Writes are kept apart until the call succeeds. What was copied is counted; the counts differ, the results do not.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from struct import Struct
from typing import TYPE_CHECKING, Any

import vm
from quicsim.plugin.context import PATH_RULES
from quicsim.plugin.layout import CONNECTION, CONNECTION_SIZE, PATH, PATHS_OFFSET, Layout, Place, operation_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quicsim.operations import Field, Operation, Output, Rule
    from quicsim.plugin.journal import Journal
    from quicsim.quic.connection import Connection
    from quicsim.quic.interface import Counts

__all__ = ["ConnectionView", "CopiedConnectionView", "OperationView", "RuleBroken"]

OPERATION_REGION = vm.HOST_REGION
CONNECTION_REGION = vm.HOST_REGION + 1
STATE_REGION = vm.HOST_REGION + 2


Target = tuple["Callable[..., object]", str]
"""What an assignment goes to: a function from the operation's arguments to an object, and the name of its attribute."""


class RuleBroken(Exception):  # noqa: N818
    """What a program returned or wrote breaks a rule; the text names it and the values."""


def reader(field: Field, arguments: Sequence[str]) -> Callable[..., int]:
    """A function from an operation's arguments to the field's value."""
    function: Callable[..., int] = eval(f"lambda {', '.join(arguments)}: {field.of}")
    return function


def target(declared: Field | Output, arguments: Sequence[str]) -> Target:
    """Where the field or the output is assigned to."""
    owner, _, attribute = declared.of.rpartition(".")
    return eval(f"lambda {', '.join(arguments)}: {owner}"), attribute


class OperationView:
    """The first argument: an operation's inputs, its writable fields, its result."""

    def __init__(self, operation: Operation, counts: Counts) -> None:
        layout = operation_layout(operation)
        self.operation = operation
        self._counts = counts
        self._struct = Struct(layout.format)
        self._buffer = bytearray(layout.size_bytes)
        self._names = [place.field.name for place in layout.places]
        self._read = all_of(layout, (*operation.arguments, "result"))
        self._writable = [
            (index, place, target(place.field, operation.arguments))
            for index, place in enumerate(layout.places)
            if place.field.writable
        ]
        self._writable_bytes = sum(place.field.type.size_bytes for _index, place, _where in self._writable)
        output = operation.output
        self._result_target = target(output, operation.arguments) if output.of else None
        self._arguments: tuple[Any, ...] = ()
        self._given: tuple[int, ...] = ()
        self._values: tuple[int, ...] = ()
        self.region = vm.Region(
            OPERATION_REGION, operation.attribute, self._buffer, bool(self._writable), on_write=self._before_write
        )

    def load(self, arguments: tuple[Any, ...], result: int) -> None:
        """Copy the inputs in; `result` is what an `after` program sees."""
        self._arguments = arguments
        self.refresh(result)
        self._given = self._values

    def refresh(self, result: int) -> None:
        """Copy the inputs in again within a call: the default has run and gave `result`."""
        self._values = self._read(*self._arguments, result)
        self._struct.pack_into(self._buffer, 0, *self._values)
        self._counts.plugin_bytes_marshalled += self._struct.size

    def written(self) -> list[tuple[Target, int]]:
        """What the program changed: assignments to make, with their values. Raises RuleBroken if a rule forbids one."""
        if not self._writable:
            return []
        self._counts.plugin_bytes_marshalled += self._writable_bytes
        now = self._struct.unpack(self._buffer)
        assignments = [
            (where, now[index]) for index, _place, where in self._writable if now[index] != self._values[index]
        ]
        if assignments:
            self._judge(self._named(now), [rule for rule in self.operation.rules if "result" not in rule.names])
        return assignments

    def commit(self, assignments: Sequence[tuple[Target, int]], journal: Journal) -> None:
        """Make the assignments that `written` gave."""
        for (owner, attribute), value in assignments:
            journal.set(owner(*self._arguments), attribute, value)

    def put(self, result: int, journal: Journal) -> None:
        """Assign the result to what the output stands for, if anything."""
        if self._result_target is not None:
            owner, attribute = self._result_target
            journal.set(owner(*self._arguments), attribute, result)

    def check(self, result: int) -> None:
        """Raise RuleBroken unless the output's type and the operation's rules allow `result`.

        The rules are about the inputs that the call was made with, whatever the default has made of them since.
        """
        operation = self.operation
        if result > operation.output.type.maximum:
            raise RuleBroken(f"returned {result}, which is no {operation.output.type.c_name}")
        rules = [rule for rule in operation.rules if "result" in rule.names]
        if rules:
            self._judge(self._named(self._given) | {"result": result}, rules)

    def _named(self, fields: Sequence[int]) -> dict[str, int]:
        return dict(zip(self._names, fields, strict=True))

    def _judge(self, values: Mapping[str, int], rules: Sequence[Rule]) -> None:
        for rule in rules:
            if rule.broken_by(values):
                when = f" when {rule.when}" if rule.when else ""
                seen = ", ".join(f"{name} = {int(values[name])}" for name in sorted(rule.names))
                raise RuleBroken(f"{self.operation.name} asks for {rule.text}{when}; here {seen}")

    def _before_write(self, offset: int, size: int) -> None:
        for _index, place, _where in self._writable:
            if place.offset <= offset and offset + size <= place.end:
                return
        names = ", ".join(place.field.name for _index, place, _where in self._writable)
        raise vm.AccessViolation(
            f"write of {size} bytes at offset {offset} of struct {self.operation.attribute}; writable there: {names}"
        )


@cache
def touched_by(offset: int, size: int) -> tuple[tuple[int, int, Place], ...]:
    """Path index (-1: the connection itself), number and place of each field that an access touches.

    A program has few accesses, so each is worked out once.
    """
    touched: list[tuple[int, int, Place]] = []
    end = offset + size
    if offset < PATHS_OFFSET:
        touched += [(-1, n, p) for n, p in enumerate(CONNECTION.places) if p.offset < end and offset < p.end]
    if end > PATHS_OFFSET:
        first = max(offset - PATHS_OFFSET, 0) // PATH.size_bytes
        last = (end - 1 - PATHS_OFFSET) // PATH.size_bytes
        for index in range(first, last + 1):
            base = PATHS_OFFSET + index * PATH.size_bytes
            touched += [
                (index, n, p) for n, p in enumerate(PATH.places) if base + p.offset < end and offset < base + p.end
            ]
    return tuple(touched)


class ConnectionView:
    """The second argument: the connection and its paths, each field copied when it is first touched in a call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._counts = connection.counts
        self._buffer = bytearray(CONNECTION_SIZE)
        self._present: set[tuple[int, int]] = set()
        self._dirty: dict[tuple[int, int], Place] = {}
        self.region = vm.Region(
            CONNECTION_REGION, "quic_connection", self._buffer, True, self._before_read, self._before_write
        )

    def reset(self) -> None:
        """Forget every value: the next touch copies anew."""
        self._present.clear()
        self._dirty.clear()

    def check(self) -> None:
        """Raise RuleBroken unless what the program wrote keeps each path's rules."""
        for index in sorted({path for path, _place in self._dirty}):
            path = self._connection.paths[index]
            values = {
                place.field.name: self._path_value(index, number, path) for number, place in enumerate(PATH.places)
            }
            for rule in PATH_RULES:
                if rule.broken_by(values):
                    seen = ", ".join(f"{name} = {values[name]}" for name in sorted(rule.names))
                    raise RuleBroken(f"path {index} asks for {rule.text}; here {seen}")

    def commit(self, journal: Journal) -> None:
        """Assign to the paths what the program wrote."""
        for (index, number), place in self._dirty.items():
            value = int.from_bytes(self._slice(index, place), "little")
            self._counts.plugin_bytes_marshalled += place.field.type.size_bytes
            owner, attribute = _PATH_TARGETS[number]
            journal.set(owner(self._connection, self._connection.paths[index]), attribute, value)
        self._dirty.clear()

    def _path_value(self, index: int, number: int, path: object) -> int:
        place = self._dirty.get((index, number))
        if place is not None:
            return int.from_bytes(self._slice(index, place), "little")
        return _PATH_READERS[number](self._connection, path)

    def _slice(self, index: int, place: Place) -> bytes:
        base = PATHS_OFFSET + index * PATH.size_bytes
        return bytes(self._buffer[base + place.offset : base + place.end])

    def _before_read(self, offset: int, size: int) -> None:
        for index, number, place in touched_by(offset, size):
            if (index, number) in self._present:
                continue
            self._present.add((index, number))
            if index < 0:
                base, value = 0, _CONNECTION_READERS[number](self._connection)
            else:
                base = PATHS_OFFSET + index * PATH.size_bytes
                paths = self._connection.paths
                value = _PATH_READERS[number](self._connection, paths[index]) if index < len(paths) else 0
            width = place.field.type.size_bytes
            self._counts.plugin_bytes_marshalled += width
            self._buffer[base + place.offset : base + place.end] = int(value).to_bytes(width, "little")

    def _before_write(self, offset: int, size: int) -> None:
        self._before_read(offset, size)
        touched = touched_by(offset, size)
        if not touched:
            raise vm.AccessViolation(f"write of {size} bytes at offset {offset} of struct quic_connection: padding")
        for index, number, place in touched:
            base = PATHS_OFFSET + index * PATH.size_bytes
            if (
                not place.field.writable
                or index >= len(self._connection.paths)
                or offset < base + place.offset
                or base + place.end < offset + size
            ):
                where = "struct quic_connection" if index < 0 else f"path {index}"
                raise vm.AccessViolation(
                    f"write to {place.field.name} of {where}; a program may write {_WRITABLE} of the "
                    f"{len(self._connection.paths)} path(s) in use"
                )
            self._dirty[index, number] = place


class CopiedConnectionView(ConnectionView):
    """The second argument where nothing is shared: the whole structure goes in, the writable fields come back."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.region = replace(self.region, on_read=None)

    def reset(self) -> None:
        """Copy every value anew."""
        self._dirty.clear()
        connection = self._connection
        _CONNECTION_STRUCT.pack_into(self._buffer, 0, *_ALL_OF_CONNECTION(connection))
        for index, path in enumerate(connection.paths):
            _PATH_STRUCT.pack_into(
                self._buffer, PATHS_OFFSET + index * PATH.size_bytes, *_ALL_OF_PATH(connection, path)
            )
        self._counts.plugin_bytes_marshalled += CONNECTION_SIZE

    def commit(self, journal: Journal) -> None:
        """Copy the writable fields of all paths back; what the program left as it was changes nothing."""
        written = sum(place.field.type.size_bytes for place in self._dirty.values())
        super().commit(journal)
        self._counts.plugin_bytes_marshalled += _WRITABLE_BYTES * len(self._connection.paths) - written

    def _before_read(self, offset: int, size: int) -> None:
        """Everything is there."""


def all_of(layout: Layout, arguments: Sequence[str]) -> Callable[..., tuple[int, ...]]:
    """A function from an operation's arguments to the values of all fields of a structure."""
    values = "".join(place.field.of + ", " for place in layout.places)
    function: Callable[..., tuple[int, ...]] = eval(f"lambda {', '.join(arguments)}: ({values})")
    return function


_CONNECTION_STRUCT = Struct(CONNECTION.format)
_PATH_STRUCT = Struct(PATH.format)
_ALL_OF_CONNECTION = all_of(CONNECTION, ("connection",))
_ALL_OF_PATH = all_of(PATH, ("connection", "path"))
_CONNECTION_READERS = [reader(place.field, ("connection",)) for place in CONNECTION.places]
_PATH_READERS = [reader(place.field, ("connection", "path")) for place in PATH.places]
_PATH_TARGETS = [target(place.field, ("connection", "path")) for place in PATH.places]
_WRITABLE = " and ".join(place.field.name for place in PATH.places if place.field.writable)
_WRITABLE_BYTES = sum(place.field.type.size_bytes for place in PATH.places if place.field.writable)
