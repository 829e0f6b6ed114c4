"""At which byte is each field? C structures, little-endian, naturally aligned, padding explicit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicsim.operations import Field, Operation, u8, u64
from quicsim.plugin.context import CONNECTION_FIELDS, MAXIMUM_PATHS, PATH_FIELDS, PATH_STRIDE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CONNECTION", "CONNECTION_SIZE", "PATH", "PATHS_OFFSET", "Layout", "Place", "lay_out", "operation_layout"]


@dataclass(frozen=True, slots=True)
class Place:
    """A field and its offset in bytes."""

    field: Field
    offset: int

    @property
    def end(self) -> int:
        """The offset behind the field."""
        return self.offset + self.field.type.size_bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """A structure: its fields in place, its padding as (offset, bytes), its size and its `struct` format."""

    places: tuple[Place, ...]
    padding: tuple[tuple[int, int], ...]
    size_bytes: int
    format: str


def lay_out(fields: Sequence[Field], least_bytes: int = 0) -> Layout:
    """Place fields in order, each at a multiple of its size; the whole is a multiple of eight bytes."""
    places: list[Place] = []
    padding: list[tuple[int, int]] = []
    offset = 0
    layout_format = "<"
    for field in fields:
        size = field.type.size_bytes
        if gap := -offset % size:
            padding.append((offset, gap))
            layout_format += f"{gap}x"
            offset += gap
        places.append(Place(field, offset))
        layout_format += field.type.format
        offset += size
    if gap := max(-offset % u64.size_bytes, least_bytes - offset):
        padding.append((offset, gap))
        layout_format += f"{gap}x"
        offset += gap
    return Layout(tuple(places), tuple(padding), offset, layout_format)


def operation_layout(operation: Operation) -> Layout:
    """An operation's structure: its inputs, then `result`, which an `after` program may read.

    Inputs that a later minor version of the ABI appended stand behind the result.
    """
    first = [field for field in operation.inputs if not field.since]
    appended = sorted((field for field in operation.inputs if field.since), key=lambda field: field.since)
    return lay_out((*first, Field("result", u64, "result", operation.output.meaning), *appended))


CONNECTION = lay_out(
    (
        *CONNECTION_FIELDS,
        Field("path_count", u8, "connection.path_count", "how many paths are in use", maximum=MAXIMUM_PATHS),
    )
)
PATH = lay_out(PATH_FIELDS, PATH_STRIDE_BYTES)
PATHS_OFFSET = CONNECTION.size_bytes
CONNECTION_SIZE = PATHS_OFFSET + MAXIMUM_PATHS * PATH.size_bytes
