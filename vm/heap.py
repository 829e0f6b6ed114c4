"""Where does a program get memory of which it learns only while it runs how much it needs? From a bounded heap.

A heap is one region. A host lets programs at it through helpers whose bodies call `allocate` and `free`; the addresses
depend on the order of those calls and on nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.errors import HelperError, VmError
from vm.memory import HEAP_REGION, Region, address

if TYPE_CHECKING:
    from vm.memory import Memory

GRANULE_BYTES = 16


class Heap:
    """Blocks of a region of `limit_bytes`, the lowest that fits first, each zeroed when it is given out.

    Raises VmError where the memory has a heap already, or the limit is not a positive number.
    """

    def __init__(self, memory: Memory, limit_bytes: int) -> None:
        if limit_bytes < 1:
            raise VmError(f"a heap of {limit_bytes} bytes; give 1 or more")
        self._data = bytearray(limit_bytes)
        memory.map(Region(HEAP_REGION, "heap", self._data, writable=True))
        self._free = [(0, limit_bytes)]
        """Offset and size of each gap, in order; no two touch."""
        self._used: dict[int, int] = {}

    @property
    def used_bytes(self) -> int:
        """What is given out."""
        return sum(self._used.values())

    def allocate(self, size: int) -> int:
        """The address of `size` zeroed bytes, or 0 where there is no room, or nothing was asked for."""
        needed = -(-size // GRANULE_BYTES) * GRANULE_BYTES
        for index, (offset, gap) in enumerate(self._free):
            if 0 < needed <= gap:
                rest = [(offset + needed, gap - needed)] if gap > needed else []
                self._free[index : index + 1] = rest
                self._used[offset] = needed
                self._data[offset : offset + needed] = bytes(needed)
                return address(HEAP_REGION, offset)
        return 0

    def free(self, block: int) -> None:
        """Take a block back; 0 is none. Raises HelperError for an address that `allocate` did not give, or no more."""
        if block == 0:
            return
        offset = block - address(HEAP_REGION)
        size = self._used.pop(offset, None)
        if size is None:
            raise HelperError(f"{block:#x} is not the address of a block of the heap")
        gaps: list[tuple[int, int]] = []
        for start, length in sorted([*self._free, (offset, size)]):
            if gaps and sum(gaps[-1]) == start:
                gaps[-1] = gaps[-1][0], gaps[-1][1] + length
            else:
                gaps.append((start, length))
        self._free = gaps
