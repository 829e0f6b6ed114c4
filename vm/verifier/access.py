"""Which bytes may an access touch, and may it? The obligations of loads, stores, and the buffers of helpers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vm.memory import FRAME_BYTES, MAX_CALL_DEPTH, OFFSET_MASK, STACK_REGION
from vm.verifier.contract import Array, Field, RegionType
from vm.verifier.report import Category, Violation
from vm.verifier.state import bytes_mask
from vm.verifier.values import Number, Pointer, Value, arithmetic, between, bound_text, constant, range_text

if TYPE_CHECKING:
    from vm.program import Program
    from vm.verifier.contract import Contract
    from vm.verifier.proof import Recorder
    from vm.verifier.state import State

MAXIMUM_CONSTANTS = 64
"""Of a load from read-only data at one of so many places, the values are looked at."""
STACK_REGIONS = range(STACK_REGION, STACK_REGION + MAX_CALL_DEPTH)


class Regions:
    """The regions that a program can point into, by number, and the bytes of those that never change."""

    def __init__(self, program: Program, contract: Contract) -> None:
        self.by_number = contract.regions()
        self.known: dict[int, bytes] = {}
        self.data: set[int] = set()
        for section in program.data:
            declared = contract.data.get(section.name)
            fields = declared.fields if declared is not None else ()
            size = len(section.data)
            self.by_number[section.region] = RegionType(section.region, section.name, size, section.writable, fields)
            self.data.add(section.region)
            if not section.writable and declared is None:
                self.known[section.region] = section.data

    def name(self, number: int) -> str:
        """What messages call a region."""
        if number in STACK_REGIONS:
            return "the stack" if number == STACK_REGION else f"the stack of call {number - STACK_REGION}"
        return self.by_number[number].name

    def size(self, state: State, number: int) -> int:
        """How many bytes a region has at least."""
        if number in STACK_REGIONS:
            return FRAME_BYTES
        return state.sizes.get(number, self.by_number[number].size)

    def pointer(self, value: Value, register: int, verb: str) -> Pointer:
        """A register's value as an address. A number is one where it can only lie in one data section."""
        subject = f"r{register}"
        if value is None:
            raise uninitialised(register)
        if isinstance(value, Number):
            region = value.wide[2] >> 32
            if region == value.wide[3] >> 32 and region in self.data:
                return Pointer(region, arithmetic("and", 64, value, constant(OFFSET_MASK)))
            what = "null" if value.wide[2] == value.wide[3] == 0 else "a number"
            raise Violation(
                Category.NOT_A_POINTER,
                f"r{register} is {what}, and is {verb}",
                subject=subject,
                seen=range_text(value),
                suggestion="use a pointer that the host or a helper gave, plus an offset",
            )
        if value.is_nullable:
            raise Violation(
                Category.MAY_BE_NULL,
                f"r{register}, a pointer into {self.name(value.region)}, is {verb} and may be null",
                subject=subject,
                region=self.name(value.region),
                suggestion=f"compare r{register} with 0 first",
            )
        return value

    def check_bounds(self, state: State, pointer: Pointer, size: int, what: str, register: int) -> tuple[int, int]:
        """The least and the most offset of an access of `size` bytes, all of it in bounds. Raises Violation."""
        low, high = pointer.offset.wide[2], pointer.offset.wide[3]
        length = self.size(state, pointer.region)
        if high + size > length:
            raise self._out_of_bounds(pointer, size, length, what, register)
        return low, high

    def _out_of_bounds(self, pointer: Pointer, size: int, length: int, what: str, register: int) -> Violation:
        name = self.name(pointer.region)
        offset = pointer.offset
        top = 0
        if pointer.region in STACK_REGIONS:  # programs count from the frame's end
            top = FRAME_BYTES
            offset = arithmetic("sub", 64, offset, constant(FRAME_BYTES))
        first, last = -top, length - size - top
        if last == first:
            allowed = f"{first}"
        else:
            allowed = f"{first} to {last}" if last > first else "none: it is larger than the region"
        least = max(pointer.offset.wide[4], 0)
        if pointer.offset.wide[4] < 0 <= pointer.offset.wide[5] <= length - size:  # only the lower bound is missing
            help_text = f"compare the offset with 0, signed, or make it unsigned, before r{register} is used"
        elif least + size <= length:
            help_text = f"compare the offset with {last}, or mask it, before r{register} is used"
        else:
            help_text = f"stay within the {length} bytes"
        return Violation(
            Category.OUT_OF_BOUNDS,
            f"{what} of {bound_text(size)} byte{'' if size == 1 else 's'} of {name}, which has {length}",
            subject=f"r{register}",
            region=name,
            seen=f"offset {range_text(offset)}",
            allowed=f"offset {allowed}",
            suggestion=help_text,
        )


def uninitialised(register: int) -> Violation:
    """A register is read that nothing was written to."""
    why = " (a call ends r1 to r5)" if 1 <= register <= 5 else ""
    return Violation(
        Category.UNINITIALISED,
        f"r{register} is read before it is written{why}",
        subject=f"r{register}",
        suggestion=f"give r{register} a value on every path that leads here",
    )


def _touched(fields: tuple[Field, ...], first: int, end: int) -> list[Field]:
    return [field for field in fields if field.offset < end and first < field.offset + field.size]


class Touch:
    """Fields that an access may touch: `exact` is the one that it is, if it can be only that."""

    __slots__ = ("array", "exact", "fields")

    def __init__(self, array: Array | None, fields: list[Field], exact: Field | None) -> None:
        self.array = array
        self.fields = fields
        self.exact = exact


def touches(region: RegionType, offset: Number, size: int) -> list[Touch]:
    """The fields that an access may touch, by the structures they are in. It is in bounds."""
    if offset.is_constant:
        return _touches_at(region, offset.wide[0], size)
    return _touches(region, offset, size)


@lru_cache(maxsize=4096)
def _touches_at(region: RegionType, offset: int, size: int) -> list[Touch]:
    return _touches(region, constant(offset), size)


def _touches(region: RegionType, offset: Number, size: int) -> list[Touch]:
    low, high = offset.wide[2], offset.wide[3]
    found: list[Touch] = []
    arrays = [
        each for each in region.arrays if low < each.offset + each.stride * each.count and high + size > each.offset
    ]
    for array in arrays:
        found.append(_touches_in(array, offset, size))
    outside = not arrays or any(low < array.offset or high + size > _end(array) for array in arrays)
    if outside:
        fields = _touched(region.fields, low, high + size)
        exact = fields[0] if len(fields) == 1 and low == high == fields[0].offset and size == fields[0].size else None
        if fields or not arrays:
            found.append(Touch(None, fields, exact if not arrays else None))
    return found


def _end(array: Array) -> int:
    return array.offset + array.stride * array.count


def _touches_in(array: Array, offset: Number, size: int) -> Touch:
    low, high = offset.wide[2], offset.wide[3]
    inside = low >= array.offset and high + size <= _end(array)
    place = arithmetic("mod", 64, arithmetic("sub", 64, offset, constant(array.offset)), constant(array.stride))
    if inside and place.is_constant:
        first = place.wide[0]
    elif inside and (low - array.offset) // array.stride == (high - array.offset) // array.stride:
        first = (low - array.offset) % array.stride
        last = (high - array.offset) % array.stride
        if first != last:
            return Touch(array, _touched(array.fields, first, last + size), None)
    else:
        return Touch(array, list(array.fields), None)
    if first + size > array.stride:
        return Touch(array, list(array.fields), None)
    fields = _touched(array.fields, first, first + size)
    exact = fields[0] if len(fields) == 1 and fields[0].offset == first and fields[0].size == size else None
    return Touch(array, fields, exact)


def check_write(region: RegionType, offset: Number, size: int, recorder: Recorder, register: int) -> bool:
    """Whether a write needs no check any more. Raises Violation if it is not permitted."""
    if not region.fields and not region.arrays:
        if not region.is_writable:
            raise _forbidden(region, "", region.name, offset, register, "it is read-only")
        recorder.writes_bytes(region, offset, size)
        return True
    is_safe = True
    for touch in touches(region, offset, size):
        name = region.name if touch.array is None else f"{region.name}.{touch.array.name}[]"
        if not touch.fields:
            raise _forbidden(region, "", f"padding of {name}", offset, register, "there is no field")
        for field in touch.fields:
            if not field.is_writable:
                raise _forbidden(region, field.name, f"{field.name} of {name}", offset, register, "it is read-only")
            recorder.writes(region, touch.array, field)
            is_safe = is_safe and not field.is_guarded
        if not _within_one(touch, region, offset, size):
            names = ", ".join(field.name for field in touch.fields)
            raise _forbidden(region, "", f"{names} of {name}", offset, register, "a write must stay within one field")
    return is_safe


def _within_one(touch: Touch, region: RegionType, offset: Number, size: int) -> bool:
    """Whether an access lies within a single field, wherever it is."""
    if touch.exact is not None:
        return True
    if len(touch.fields) != 1:
        return False
    field, array = touch.fields[0], touch.array
    low, high = offset.wide[2], offset.wide[3]
    if array is None:
        return field.offset <= low and high + size <= field.offset + field.size
    if low < array.offset or high + size > _end(array):
        return False
    place = arithmetic("mod", 64, arithmetic("sub", 64, offset, constant(array.offset)), constant(array.stride))
    return field.offset <= place.wide[2] and place.wide[3] + size <= field.offset + field.size


def _forbidden(region: RegionType, field: str, what: str, offset: Number, register: int, why: str) -> Violation:
    fields = [each.name for each in region.fields if each.is_writable]
    fields += [f"{array.name}[].{each.name}" for array in region.arrays for each in array.fields if each.is_writable]
    return Violation(
        Category.NOT_PERMITTED,
        f"write to {what}: {why}",
        subject=f"r{register}",
        region=region.name,
        field=field,
        seen=f"offset {range_text(offset)}",
        allowed=f"writable in {region.name}: {', '.join(fields) or 'nothing'}",
        suggestion="write to the plugin's own memory, or to a field that the host lets be written",
    )


def check_read(region: RegionType, offset: Number, size: int, recorder: Recorder) -> Number | None:
    """Record what a read may see; what is known of the value, if it is one field."""
    if not region.fields and not region.arrays:
        recorder.reads_bytes(region, offset, size)
        return None
    found = touches(region, offset, size)
    for touch in found:
        for field in touch.fields:
            recorder.reads(region, touch.array, field)
    if len(found) == 1 and (exact := found[0].exact) is not None and not exact.is_writable:
        most = (1 << 8 * exact.size) - 1
        if exact.minimum > 0 or exact.maximum < most:
            return between(exact.minimum, min(exact.maximum, most))
    return None


def read_constant(data: bytes, offset: Number, size: int) -> Number | None:
    """What a load from bytes that never change gives: one value, or the range of the few that it can be."""
    low, high = offset.wide[2], offset.wide[3]
    if low == high:
        return constant(int.from_bytes(data[low : low + size], "little"))
    value, unknown = offset.wide[0], offset.wide[1]
    step = unknown & -unknown
    if (high - low) // step >= MAXIMUM_CONSTANTS:
        return None
    values = [
        int.from_bytes(data[at : at + size], "little")
        for at in range(low + (value - low) % step, high + 1, step)
        if not (at ^ value) & ~unknown and at + size <= len(data)
    ]
    return between(min(values), max(values)) if values else None


def check_stack_read(state: State, pointer: Pointer, low: int, high: int, size: int) -> None:
    """Every byte that may be read was written, and is no part of a pointer that is not read whole."""
    frame = state.frame(pointer.region)
    wanted = bytes_mask(low, high - low + size)
    if missing := wanted & ~frame.written:
        first = (missing & -missing).bit_length() - 1
        last = missing.bit_length() - 1
        raise Violation(
            Category.UNINITIALISED,
            f"stack byte{'s' if last > first else ''} at {_from_top(first, last)} "
            f"{'are' if last > first else 'is'} read before {'they are' if last > first else 'it is'} written",
            subject=f"[r10{first - FRAME_BYTES:+d}]",
            region="the stack",
            suggestion="initialise it where it is declared",
        )
    for at in frame.overlapping(low, high - low + size):
        length, value = frame.slots[at]
        if isinstance(value, Pointer) and not (low == high == at and length == size):
            raise Violation(
                Category.POINTER_LEAK,
                f"bytes of a pointer at {_from_top(at, at + length - 1)} of the stack are read as a number",
                subject=f"[r10{at - FRAME_BYTES:+d}]",
                region="the stack",
                suggestion="read the pointer whole, in 8 bytes at its own place",
            )


def _from_top(first: int, last: int) -> str:
    return f"{first - FRAME_BYTES}" if first == last else f"{first - FRAME_BYTES} to {last - FRAME_BYTES}"
