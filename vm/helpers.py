"""What does a host offer to programs? Helpers: number, name, typed signature, body.

The machine checks and converts the arguments by the declared types before the body is called, so a body sees only
Python integers, memoryviews and bytes: `body(context, *arguments)`, with the `context` that was given to `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from vm.errors import HelperError, IllegalCall, VmError
from vm.memory import MASK64

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vm.memory import Memory

MAX_ARGUMENTS = 5


class Scalar(Enum):
    """A number in a register. Of a 32-bit one only the low half counts, as in C; a bool must be 0 or 1."""

    U64 = "uint64_t"
    S64 = "int64_t"
    U32 = "uint32_t"
    S32 = "int32_t"
    BOOL = "bool"


@dataclass(frozen=True, slots=True)
class Buffer:
    """A pointer to memory: the body gets a memoryview of it.

    Without a `size` its length is the next argument, which belongs to the buffer and is not handed to the body. A
    length of zero gives an empty view, whatever the pointer.
    """

    size: int | None = None
    writable: bool = False


@dataclass(frozen=True, slots=True)
class CString:
    """A pointer to a NUL-terminated string: the body gets its bytes. `limit` counts the NUL."""

    limit: int


ArgType = Scalar | Buffer | CString


@dataclass(frozen=True, slots=True)
class Helper:
    """One function of the host. `returns` None means that r0 becomes 0.

    A body raises HelperError to refuse its arguments; what it returns is truncated to the declared type.
    """

    number: int
    name: str
    arguments: tuple[ArgType, ...]
    returns: Scalar | None
    body: Callable[..., int | None]

    def __post_init__(self) -> None:
        registers = self.register_count
        if registers > MAX_ARGUMENTS:
            raise VmError(
                f"helper {self.name!r} takes {registers} registers (a buffer with a length counts twice); "
                f"a call has {MAX_ARGUMENTS}"
            )
        if not 0 <= self.number < 1 << 31:
            raise VmError(f"helper {self.name!r}: number {self.number} is not in 0 to 2^31 - 1")

    @property
    def register_count(self) -> int:
        """How many registers, from r1 on, a call reads."""
        return sum(2 if _is_sized_by_next(kind) else 1 for kind in self.arguments)

    @property
    def takes_numbers_only(self) -> bool:
        """Whether the arguments need no memory and cannot be refused before the body sees them."""
        return all(isinstance(kind, Scalar) and kind is not Scalar.BOOL for kind in self.arguments)

    def bind(self, memory: Memory) -> Callable[..., int]:
        """The call as a machine makes it, `call(context, r1, r2, ...)`: the value of r0.

        Registers behind `register_count` may be left out.
        """
        readers = _readers(self, memory)
        body = self.body
        convert = _RETURNS[self.returns]

        def call(context: object, *registers: int) -> int:
            return convert(body(context, *[read(registers) for read in readers]))

        return call


class HelperTable:
    """The helpers of a host, by number and by name."""

    __slots__ = ("by_name", "by_number")

    def __init__(self, helpers: Iterable[Helper] = ()) -> None:
        self.by_number: dict[int, Helper] = {}
        self.by_name: dict[str, Helper] = {}
        for helper in helpers:
            if helper.number in self.by_number or helper.name in self.by_name:
                raise VmError(f"helper {helper.name!r} ({helper.number}): the number or the name is already taken")
            self.by_number[helper.number] = helper
            self.by_name[helper.name] = helper

    def __iter__(self) -> Iterator[Helper]:
        return iter(self.by_number.values())

    def does_not_offer(self, number: int) -> str:
        """Why a call of this number is refused."""
        known = ", ".join(f"{each.number} ({each.name})" for each in self)
        return f"call of helper {number}, which the host does not offer; it offers {known or 'none'}"

    def numbers(self) -> dict[str, int]:
        """Name to number, as `load` takes it for undefined external functions."""
        return {helper.name: helper.number for helper in self}


class BoundHelpers(dict[int, Callable[..., int]]):
    """The calls of a host's helpers in one memory, by number; each is bound when it is first looked up.

    Raises IllegalCall for a number that the host does not offer.
    """

    __slots__ = ("_memory", "_table")

    def __init__(self, table: HelperTable, memory: Memory) -> None:
        super().__init__()
        self._table = table
        self._memory = memory

    def __missing__(self, number: int) -> Callable[..., int]:
        helper = self._table.by_number.get(number)
        if helper is None:
            raise IllegalCall(self._table.does_not_offer(number))
        self[number] = call = helper.bind(self._memory)
        return call


def _is_sized_by_next(kind: ArgType) -> bool:
    return isinstance(kind, Buffer) and kind.size is None


def _readers(helper: Helper, memory: Memory) -> list[Callable[[Sequence[int]], object]]:
    """For each argument of the body, how it is taken from the registers."""
    readers: list[Callable[[Sequence[int]], object]] = []
    register = 0
    for kind in helper.arguments:
        if isinstance(kind, Scalar):
            readers.append(_scalar(helper, kind, register))
        elif isinstance(kind, CString):
            readers.append(_string(memory, kind, register))
        else:
            readers.append(_buffer(memory, kind, register))
        register += 2 if _is_sized_by_next(kind) else 1
    return readers


def _scalar(helper: Helper, kind: Scalar, register: int) -> Callable[[Sequence[int]], object]:
    if kind is Scalar.BOOL:

        def read_bool(registers: Sequence[int]) -> bool:
            value = registers[register]
            if value > 1:
                raise HelperError(f"helper {helper.name!r}: r{register + 1} is {value:#x}, but a bool is 0 or 1")
            return value == 1

        return read_bool
    convert = _SCALARS[kind]
    return lambda registers: convert(registers[register])


def _string(memory: Memory, kind: CString, register: int) -> Callable[[Sequence[int]], object]:
    return lambda registers: memory.string(registers[register], kind.limit)


def _buffer(memory: Memory, kind: Buffer, register: int) -> Callable[[Sequence[int]], object]:
    writable = kind.writable
    if kind.size is None:
        return lambda registers: memory.view(registers[register], registers[register + 1], writable)
    size = kind.size
    return lambda registers: memory.view(registers[register], size, writable)


def _signed(value: int, bits: int) -> int:
    sign = 1 << bits - 1
    return (value & (1 << bits) - 1 ^ sign) - sign


_SCALARS: dict[Scalar, Callable[[int], int]] = {
    Scalar.U64: lambda value: value,
    Scalar.S64: lambda value: _signed(value, 64),
    Scalar.U32: lambda value: value & 0xFFFF_FFFF,
    Scalar.S32: lambda value: _signed(value, 32),
}
_RETURNS: dict[Scalar | None, Callable[[Any], int]] = {
    None: lambda value: 0,
    Scalar.U64: lambda value: value & MASK64,
    Scalar.S64: lambda value: value & MASK64,
    Scalar.U32: lambda value: value & 0xFFFF_FFFF,
    Scalar.S32: lambda value: _signed(value, 32) & MASK64,
    Scalar.BOOL: lambda value: 1 if value else 0,
}
