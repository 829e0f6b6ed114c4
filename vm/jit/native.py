"""What do compiled programs and the host share in memory? One context a machine, with a table of its regions.

The layouts stand here once: `ctypes` structures for the host, byte offsets for the generated code.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from vm.errors import VmError
from vm.memory import FRAME_BYTES, HOST_REGION, MAX_CALL_DEPTH, STACK_REGION, Memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vm.memory import Region

TABLE_REGIONS = HOST_REGION + 16
"""Regions of a lower number are reached by machine code itself, others through `Memory`."""


class Status(IntEnum):
    """How a compiled function ended."""

    DONE = 0
    RAISED = 1
    """A Python exception is set."""
    BUDGET_SHORT = 2
    """The budget does not last to the end of the block at `pc`: the interpreter goes on with `registers`."""
    TOO_DEEP = 3
    ILLEGAL_CALL = 4
    """`callx` through a register that holds no function's address and no helper's number, which is `registers[0]`."""
    ENTERED_TWICE = 5


class Callback(IntEnum):
    """What machine code calls beside helpers."""

    LOAD = 0
    STORE = 1
    CALL_ANY = 2
    EXPLAIN = 3


class TableEntry(ctypes.Structure):
    """A region as machine code sees it: 0 bytes may be accessed directly where `Memory` must be asked."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("readable_bytes", ctypes.c_uint64),
        ("writable_bytes", ctypes.c_uint64),
        ("padding", ctypes.c_uint64),
    )


TABLE_ENTRY_BYTES = ctypes.sizeof(TableEntry)
"""A power of two."""


class Context(ctypes.Structure):
    """A machine as machine code sees it. The pointers to Python objects are borrowed: the machine owns them.

    `objects` are what machine code calls: first those of `Callback`, then the helpers that the program calls.
    `limit` is what the budget was when the last run began, `remaining` what is left of it.
    """

    _fields_ = (
        ("budget", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("remaining", ctypes.c_uint64),
        ("pc", ctypes.c_uint64),
        ("depth", ctypes.c_uint64),
        ("running", ctypes.c_uint64),
        ("context", ctypes.c_void_p),
        ("objects", ctypes.c_void_p),
        ("registers", ctypes.c_uint64 * 11),
        ("table", TableEntry * TABLE_REGIONS),
    )


def offset_of(name: str) -> int:
    """The byte at which a field of the context begins."""
    offset: int = getattr(Context, name).offset
    return offset


RECORD_HEAD = 8
"""Words of an entry's record before its stores; r1 is word 3."""


def entry_record(
    context: Context, function: int, registers: Sequence[int], takes: Sequence[int | tuple[int, int]]
) -> ctypes.Array[ctypes.c_uint64]:
    """What one entry of a machine needs, in words.

    Context, function, how many numbers a call has, r1 to r5; then, for each number, the address and the size of what
    it is stored to. One that goes to a register (given by its number) is stored to the record's own word.
    """
    record = (ctypes.c_uint64 * (RECORD_HEAD + 2 * len(takes)))(
        ctypes.addressof(context), function, len(takes), *registers
    )
    for n, take in enumerate(takes):
        address, size = (ctypes.addressof(record) + 8 * (2 + take), 8) if isinstance(take, int) else take
        record[RECORD_HEAD + 2 * n], record[RECORD_HEAD + 2 * n + 1] = address, size
    return record


class NativeMemory(Memory):
    """A memory whose regions machine code reaches directly, through the table of a context."""

    __slots__ = ("_pinned", "_relied_on", "context")

    def __init__(self, context: Context, frames: int) -> None:
        super().__init__(frames)
        self.context = context
        self._pinned: dict[int, ctypes.c_char] = {}
        self._relied_on: set[int] = set()
        for frame in self._frames:
            self._expose(frame)
        for number in range(STACK_REGION, STACK_REGION + MAX_CALL_DEPTH):
            self._hide(number, keep_base=True)

    def map(self, region: Region) -> None:
        """Make a region reachable, as `Memory.map` does."""
        super().map(region)
        self._expose(region)

    def unmap(self, number: int) -> Region:
        """Make a region unreachable, as `Memory.unmap` does. Raises VmError where machine code relies on it."""
        if number in self._relied_on:
            raise VmError(f"region {number} stays mapped: machine code goes into it unchecked, as was proved")
        region = super().unmap(number)
        self._hide(number)
        self._pinned.pop(number, None)
        return region

    def push_frame(self) -> int:
        """Map one more frame, for the interpreter."""
        top = super().push_frame()
        entry = self.context.table[top >> 32]
        entry.readable_bytes = entry.writable_bytes = FRAME_BYTES
        self.context.depth = self.depth
        return top

    def pop_frame(self) -> None:
        """Unmap the frame that was mapped last."""
        super().pop_frame()
        self._hide(STACK_REGION + self.depth, keep_base=True)
        self.context.depth = self.depth

    def synchronise(self) -> None:
        """Map as many frames as machine code has entered."""
        for number in range(STACK_REGION, STACK_REGION + len(self._frames)):
            if number < STACK_REGION + self.context.depth:
                self._regions[number] = self._frames[number - STACK_REGION]
            else:
                self._regions.pop(number, None)
        self.depth = self.context.depth

    def locate(self, address: int, size: int) -> Region:
        """The region that holds all of `size` bytes at an address, as `Memory.locate` says it."""
        if self.depth != self.context.depth:
            self.synchronise()
        return super().locate(address, size)

    def holds(self, number: int, size: int, writable: bool) -> bool:
        """Whether machine code may reach so many bytes of a region by itself: no hook sees to them."""
        is_frame = STACK_REGION <= number < STACK_REGION + len(self._frames)
        region = self._frames[number - STACK_REGION] if is_frame else self._regions.get(number)
        if region is None or number >= TABLE_REGIONS or len(region.data) < size:
            return False
        return (region.writable or not writable) and region.on_read is None and region.on_write is None

    def rely_on(self, numbers: Iterable[int]) -> None:
        """Machine code goes into these regions unchecked from now on: they stay mapped."""
        self._relied_on.update(numbers)

    def _expose(self, region: Region) -> None:
        if region.number >= TABLE_REGIONS or not region.data:
            return
        entry = self.context.table[region.number]
        if isinstance(region.data, bytearray):
            pin = ctypes.c_char.from_buffer(region.data)  # its buffer cannot move while this lives
            self._pinned[region.number] = pin
            entry.base = ctypes.addressof(pin)
        else:
            entry.base = ctypes.cast(ctypes.c_char_p(region.data), ctypes.c_void_p).value or 0
        entry.readable_bytes = 0 if region.on_read else len(region.data)
        entry.writable_bytes = 0 if region.on_write or not region.writable else len(region.data)

    def _hide(self, number: int, *, keep_base: bool = False) -> None:
        if number >= TABLE_REGIONS:
            return
        entry = self.context.table[number]
        entry.readable_bytes = entry.writable_bytes = 0
        if not keep_base:
            entry.base = 0


def address_of(data: bytearray) -> int:
    """The real address of a buffer that does not move: a mapped region's."""
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


def python_objects(objects: Iterable[object]) -> Any:
    """An array of pointers to objects, which it keeps alive."""
    kept: list[Any] = list(objects)
    return (ctypes.py_object * max(len(kept), 1))(*kept)
