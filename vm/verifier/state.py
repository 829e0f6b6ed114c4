"""What is known at one point of one path? Registers, stack frames, sizes.

A frame is 512 bytes: which of them were written, and the values of stores whose bytes nothing has touched since. Frames
are shared between states until one writes to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.memory import FRAME_BYTES, STACK_REGION
from vm.verifier.values import ANYTHING, Number, Pointer, Value, extracted

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_WRITTEN = (1 << FRAME_BYTES) - 1
UNKNOWN_BYTES = {size: extracted(ANYTHING, 0, size) for size in (1, 2, 4, 8)}
HOSTS_OWN = 1
"""The identity of what the host's own behaviour returned in this run: it answers for that itself."""
KeyItem = tuple[object, ...]


def bytes_mask(offset: int, size: int) -> int:
    """The bits that stand for these bytes of a frame."""
    return ((1 << size) - 1) << offset


class Frame:
    """One call's stack: `written` has a bit a byte, `slots` size and value of what was stored, by offset."""

    __slots__ = ("owner", "return_pc", "saved", "slots", "written")

    def __init__(
        self, owner: object, return_pc: int, saved: tuple[Value, ...], written: int, slots: dict[int, tuple[int, Value]]
    ) -> None:
        self.owner = owner
        self.return_pc = return_pc
        self.saved = saved
        self.written = written
        self.slots = slots

    def overlapping(self, offset: int, size: int) -> list[int]:
        """The offsets of slots that share a byte with these."""
        slots = self.slots
        if size > 32:
            return [at for at, (length, _) in slots.items() if at < offset + size and offset < at + length]
        return [at for at in range(offset - 7, offset + size) if at in slots and at + slots[at][0] > offset]

    def store(self, offset: int, size: int, value: Value) -> None:
        """Store at a known place; None: bytes of which only is known that they are a number."""
        for at in self.overlapping(offset, size):
            self._cut(at)
        if value is not None:
            self.slots[offset] = size, value
        self.written |= bytes_mask(offset, size)

    def blur(self, offset: int, size: int) -> None:
        """Something may have been stored at some of these bytes: what stood there is not known any more.

        A pointer that may be partly overwritten is nothing that may be read.
        """
        for at in self.overlapping(offset, size):
            length, value = self.slots.pop(at)
            if isinstance(value, Pointer):
                self.written &= ~bytes_mask(at, length)

    def pointer_bytes(self) -> int:
        """A bit for each byte of a pointer."""
        found = 0
        for at, (size, value) in self.slots.items():
            if isinstance(value, Pointer):
                found |= bytes_mask(at, size)
        return found

    def _cut(self, at: int) -> None:
        """Drop a slot that is stored over; what is left of a pointer may not be read."""
        length, value = self.slots.pop(at)
        if isinstance(value, Pointer):
            self.written &= ~bytes_mask(at, length)

    def load(self, offset: int, size: int) -> Value:
        """What these bytes are as an unsigned number, or the pointer that stands there whole. They are written."""
        slot = self.slots.get(offset)
        if slot is not None and slot[0] == size:
            return slot[1]
        for at in self.overlapping(offset, size):
            length, value = self.slots[at]
            if at <= offset and offset + size <= at + length and isinstance(value, Number):
                return extracted(value, offset - at, size)
        return UNKNOWN_BYTES[size]


class State:
    """Everything that is known on a path at its next instruction."""

    __slots__ = ("called", "fields", "frames", "given", "registers", "sizes", "token", "trail")

    def __init__(self) -> None:
        self.registers: list[Value] = [None] * 11
        self.frames: list[Frame] = []
        self.sizes: dict[int, int] = {}
        """By region whose size varies: how many bytes it has at least."""
        self.given: dict[str, Number] = {}
        """By name: what the fields that rules are about held when the program was entered, as far as it looked."""
        self.fields = self.given
        """The same of what they hold now; a helper may change them."""
        self.called = 0
        """A bit for each helper, by number, that may be called at most once and has been."""
        self.trail: Trail | None = None
        self.token = object()
        """Who may change a frame: it bears the token of the one state that has it."""

    def copy(self) -> State:
        """The same state, to go on with another way."""
        other = State.__new__(State)
        other.registers = self.registers.copy()
        other.frames = self.frames.copy()
        other.sizes = self.sizes
        other.given = self.given
        other.fields = self.fields
        other.called = self.called
        other.trail = self.trail
        self.token, other.token = object(), object()
        return other

    def frame(self, region: int) -> Frame:
        """The frame that is this stack region, to read."""
        return self.frames[region - STACK_REGION]

    def own_frame(self, region: int) -> Frame:
        """The frame that is this stack region, to write."""
        index = region - STACK_REGION
        frame = self.frames[index]
        if frame.owner is not self.token:
            frame = Frame(self.token, frame.return_pc, frame.saved, frame.written, frame.slots.copy())
            self.frames[index] = frame
        return frame

    def values(self) -> Iterator[Value]:
        """Every value that is kept somewhere."""
        yield from self.registers
        for frame in self.frames:
            yield from frame.saved
            for _, value in frame.slots.values():
                yield value

    def learn(self, register: int, new: Number | Pointer) -> None:
        """Put `new` into a register, and wherever something stands that equals the register at run time."""
        old = self.registers[register]
        identity = 0 if old is None else old.identity
        if not identity:  # one object may be the value of several registers that have nothing else in common
            self.registers[register] = new
            return
        self.registers = [
            new if value is not None and value.identity == identity else value for value in self.registers
        ]
        if isinstance(new, Number):
            self._learn_of_fields(identity, new)
        for index, frame in enumerate(self.frames):
            if any(value is not None and value.identity == identity for value in frame.saved):
                frame = self.own_frame(index + STACK_REGION)
                frame.saved = tuple(
                    new if value is not None and value.identity == identity else value for value in frame.saved
                )
            places = [
                (at, size)
                for at, (size, value) in frame.slots.items()
                if value is not None and value.identity == identity
            ]
            if places:
                slots = self.own_frame(index + STACK_REGION).slots
                for at, size in places:
                    slots[at] = size, new
        if identity < 0 and isinstance(new, Number):
            self.know_size(-identity, new.wide[2])

    def load_field(self, name: str, number: Number) -> Number:
        """A field that a rule is about is loaded: what is known of it already, or this from now on."""
        if name in self.fields:
            return self.fields[name]
        is_given = self.fields is self.given
        self.fields = {**self.fields, name: number}
        if is_given:
            self.given = self.fields
        return number

    def _learn_of_fields(self, identity: int, new: Number) -> None:
        is_given = self.fields is self.given
        self.given = _with(self.given, identity, new)
        self.fields = self.given if is_given else _with(self.fields, identity, new)

    def know_size(self, region: int, at_least: int) -> None:
        """A comparison told that a region has at least so many bytes."""
        if at_least > self.sizes[region]:
            self.sizes = {**self.sizes, region: at_least}

    def key(self) -> dict[KeyItem, object]:
        """The constants in it, by place: a state that covers it has no others there."""
        key: dict[KeyItem, object] = {}
        for index, value in enumerate(self.registers):
            if isinstance(value, Number):
                if value.wide[1] == 0:
                    key[index,] = value.wide[0]
            elif value is not None and value.offset.wide[1] == 0:
                key[index,] = value.region, value.offset.wide[0]
        for depth, frame in enumerate(self.frames):
            for at, (size, value) in frame.slots.items():
                if size >= 4 and isinstance(value, Number) and value.wide[1] == 0:
                    key[depth, at] = value.wide[0]
        return key


def _with(fields: dict[str, Number], identity: int, new: Number) -> dict[str, Number]:
    """The same fields; what has this identity is `new`."""
    if all(number.identity != identity for number in fields.values()):
        return fields
    return {name: new if number.identity == identity else number for name, number in fields.items()}


class Trail:
    """The branches that led somewhere, the newest first: pc and whether the jump was taken."""

    __slots__ = ("pc", "previous", "taken")

    def __init__(self, pc: int, taken: bool, previous: Trail | None) -> None:
        self.pc = pc
        self.taken = taken
        self.previous = previous


def covers(old: State, new: State) -> bool:
    """Whether whatever can happen after `new` can happen after `old`: then one verified `old` is enough."""
    if new.called & ~old.called:
        return False
    identities: dict[int, object] = {}
    for mine, other in zip(old.registers, new.registers, strict=True):
        if mine is not None and not _value_covers(mine, other, identities):
            return False
    if old.sizes is not new.sizes and any(size > new.sizes[region] for region, size in old.sizes.items()):
        return False
    if not all(_frame_covers(mine, other, identities) for mine, other in zip(old.frames, new.frames, strict=True)):
        return False
    if (old.fields is old.given) != (new.fields is new.given):
        return False
    return _fields_cover(old.given, new.given, identities) and (
        old.fields is old.given or _fields_cover(old.fields, new.fields, identities)
    )


def _fields_cover(old: dict[str, Number], new: dict[str, Number], identities: dict[int, object]) -> bool:
    return all(name in new and _value_covers(number, new[name], identities) for name, number in old.items())


def _value_covers(old: Number | Pointer, new: Value, identities: dict[int, object]) -> bool:
    if old is not new:
        if isinstance(old, Number):
            if not isinstance(new, Number) or not old.includes(new):
                return False
        elif not isinstance(new, Pointer) or not old.includes(new) or not _offset_covers(old, new):
            return False
    if not old.identity:
        return True
    assert new is not None
    if old.identity < 0 or old.identity == HOSTS_OWN:
        return new.identity == old.identity
    same: object = new.identity
    if not same and isinstance(new, Number) and new.wide[1] == 0:
        same = new.wide
    if old.identity in identities:
        return bool(same) and identities[old.identity] == same
    identities[old.identity] = same
    return True


def _offset_covers(old: Pointer, new: Pointer) -> bool:
    """An offset that is a region's size is one in both."""
    return old.offset.identity >= 0 or old.offset.identity == new.offset.identity


def _frame_covers(old: Frame, new: Frame, identities: dict[int, object]) -> bool:
    if old.written & ~new.written:
        return False
    for mine, other in zip(old.saved, new.saved, strict=True):
        if mine is not None and not _value_covers(mine, other, identities):
            return False
    for at, (size, value) in old.slots.items():
        slot = new.slots.get(at)
        if slot is None or slot[0] != size or value is None or not _value_covers(value, slot[1], identities):
            return False
    if old.slots.keys() != new.slots.keys():
        for at, (size, value) in new.slots.items():
            if isinstance(value, Pointer) and at not in old.slots and old.written & bytes_mask(at, size):
                return False  # what is only a number there is a pointer here
    return True
