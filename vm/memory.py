"""Which bytes may a program touch? Regions, virtual addresses, and the one bounds check.

An address has the region number in its upper 32 bits and the offset in that region in the lower 32. The numbers are
fixed, so addresses are the same on every run and on every engine, and no real address is ever seen by a program:

====================  ==================================================================
0                     never mapped: NULL
1 to 8                stack frames, the outermost call first
9                     a bounded heap, where the host makes one (`vm.heap`)
15                    never mapped: the program's code; the offset is 8 * pc. Only `callx` uses such an address
16 to 63              the program's data sections, in the order of the object file
64 and up             the host's
====================  ==================================================================
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vm.errors import AccessViolation, VmError, too_deep

if TYPE_CHECKING:
    from collections.abc import Callable

STACK_REGION = 1
MAX_CALL_DEPTH = 8
FRAME_BYTES = 512
HEAP_REGION = 9
CODE_REGION = 15
DATA_REGION = 16
HOST_REGION = 64
MAX_REGION = 0xFFFF_FFFE
# So that a pointer to a region plus any 16-bit displacement of an instruction cannot land in another one.
MAX_REGION_BYTES = 1 << 31

MASK64 = 0xFFFF_FFFF_FFFF_FFFF
OFFSET_MASK = 0xFFFF_FFFF

_ZEROED_FRAME = bytes(FRAME_BYTES)
_SCALARS = {1: struct.Struct("<B"), 2: struct.Struct("<H"), 4: struct.Struct("<I"), 8: struct.Struct("<Q")}
_UNPACK = {size: scalar.unpack_from for size, scalar in _SCALARS.items()}
_PACK = {size: scalar.pack_into for size, scalar in _SCALARS.items()}


def address(region: int, offset: int = 0) -> int:
    """The virtual address of byte `offset` of a region."""
    return ((region << 32) + offset) & MASK64


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Bytes that a program can reach, in the host's own buffer: what either side writes, the other sees.

    `on_read(offset, size)` is called before bytes are read and may fill `data`. `on_write(offset, size)` is called
    before bytes are written; one that tracks what is dirty fills the bytes that a partial write leaves. Either
    refuses an access by raising AccessViolation. A helper's writable buffer counts as read and written.
    """

    number: int
    name: str
    data: bytearray | bytes
    writable: bool = False
    on_read: Callable[[int, int], None] | None = None
    on_write: Callable[[int, int], None] | None = None


class Memory:
    """The regions that are mapped now, by number; the stack's frames among them, as many as calls are nested.

    `frames` is how many local calls can be nested at all, `MAX_CALL_DEPTH` or fewer: one region each.
    """

    __slots__ = ("_frames", "_regions", "depth")

    def __init__(self, frames: int = MAX_CALL_DEPTH) -> None:
        self._regions: dict[int, Region] = {}
        self._frames = tuple(
            Region(STACK_REGION + depth, f"stack frame {depth}", bytearray(FRAME_BYTES), writable=True)
            for depth in range(frames)
        )
        self.depth = 0
        """How many frames are mapped now."""

    def map(self, region: Region) -> None:
        """Make a region reachable. Raises VmError if its number is taken or out of range, or its data unfit."""
        taken = self._regions.get(region.number)
        if taken is not None:
            raise VmError(f"region {region.number} is already mapped as {taken.name!r}; unmap it first")
        if not 0 < region.number <= MAX_REGION:
            raise VmError(f"region number {region.number} of {region.name!r} is not in 1 to {MAX_REGION:#x}")
        if region.number == CODE_REGION:
            raise VmError(f"region number {CODE_REGION} of {region.name!r} is the code's; it is never mapped")
        if len(region.data) > MAX_REGION_BYTES:
            raise VmError(f"region {region.name!r} has {len(region.data)} bytes; the most is {MAX_REGION_BYTES}")
        if region.writable and not isinstance(region.data, bytearray):
            raise VmError(f"region {region.name!r} is writable, so its data must be a bytearray")
        self._regions[region.number] = region

    def unmap(self, number: int) -> Region:
        """Make a region unreachable. Raises VmError if there is none of this number."""
        try:
            return self._regions.pop(number)
        except KeyError:
            raise VmError(f"region {number} is not mapped") from None

    def push_frame(self) -> int:
        """Map one more frame, zeroed; the address of its end. Raises CallDepthExceeded where there is none left."""
        depth = self.depth
        if depth == len(self._frames):
            raise too_deep()
        frame = self._frames[depth]
        frame.data[:] = _ZEROED_FRAME  # type: ignore[index]
        self._regions[frame.number] = frame
        self.depth = depth + 1
        return address(frame.number, FRAME_BYTES)

    def pop_frame(self) -> None:
        """Unmap the frame that was mapped last."""
        self.depth -= 1
        del self._regions[STACK_REGION + self.depth]

    def locate(self, address: int, size: int) -> Region:
        """The region that holds all of `size` bytes at an address: the one bounds check. Raises AccessViolation."""
        region = self._regions.get(address >> 32)
        if region is None or (address & OFFSET_MASK) + size > len(region.data):
            raise self._out_of_bounds(address, size)
        return region

    def load(self, address: int, size: int) -> int:
        """The little-endian unsigned number of 1, 2, 4 or 8 bytes at an address."""
        region = self.locate(address, size)
        offset = address & OFFSET_MASK
        if region.on_read is not None:
            self._ask(region.on_read, region, offset, size)
        value: int = _UNPACK[size](region.data, offset)[0]
        return value

    def store(self, address: int, size: int, value: int) -> None:
        """Store the low bytes of `value`, little-endian."""
        region = self.locate(address, size)
        offset = address & OFFSET_MASK
        if not region.writable:
            raise self._read_only(region, offset, size)
        if region.on_write is not None:
            self._ask(region.on_write, region, offset, size)
        _PACK[size](region.data, offset, value & ((1 << 8 * size) - 1))

    def view(self, address: int, size: int, writable: bool) -> memoryview:
        """The bytes themselves, for a helper; valid until the helper returns. No bytes need no valid address."""
        if size == 0:
            return memoryview(b"")
        region = self.locate(address, size)
        offset = address & OFFSET_MASK
        if writable and not region.writable:
            raise self._read_only(region, offset, size)
        if region.on_read is not None:
            self._ask(region.on_read, region, offset, size)
        if writable and region.on_write is not None:
            self._ask(region.on_write, region, offset, size)
        view = memoryview(region.data)[offset : offset + size]
        return view if writable else view.toreadonly()

    def string(self, address: int, limit: int) -> bytes:
        """The bytes at an address up to their first NUL, which must be among the first `limit`."""
        region = self.locate(address, 1)
        offset = address & OFFSET_MASK
        reach = min(limit, len(region.data) - offset)
        if region.on_read is not None:
            self._ask(region.on_read, region, offset, reach)
        end = region.data.find(0, offset, offset + reach)
        if end < 0:
            raise AccessViolation(
                f"the string at offset {offset} of region {region.number} ({region.name}) has no NUL "
                f"within {reach} bytes",
                region=region.number,
                offset=offset,
            )
        return bytes(region.data[offset:end])

    @staticmethod
    def _ask(hook: Callable[[int, int], None], region: Region, offset: int, size: int) -> None:
        try:
            hook(offset, size)
        except AccessViolation as refusal:
            if refusal.region is None:
                refusal.region, refusal.offset = region.number, offset
            raise

    def _out_of_bounds(self, address: int, size: int) -> AccessViolation:
        number, offset = address >> 32, address & OFFSET_MASK
        region = self._regions.get(number)
        access = f"access to {size} byte{'' if size == 1 else 's'} at"
        if number == 0:
            reason = f"{access} address {address:#x}: region 0 does not exist (a NULL pointer, or a number used as one)"
        elif region is None:
            mapped = ", ".join(f"{each.number} ({each.name})" for each in self._regions.values())
            reason = f"{access} offset {offset} of region {number}, which is not mapped; mapped are {mapped or 'none'}"
        else:
            reason = f"{access} offset {offset} of region {number} ({region.name}), which has {len(region.data)} bytes"
        return AccessViolation(reason, region=number, offset=offset)

    @staticmethod
    def _read_only(region: Region, offset: int, size: int) -> AccessViolation:
        return AccessViolation(
            f"write of {size} byte{'' if size == 1 else 's'} at offset {offset} of region {region.number} "
            f"({region.name}), which is read-only",
            region=region.number,
            offset=offset,
        )
