"""What does a running program have besides its registers? Memory, helpers, and the stack of local calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from vm.errors import CallDepthExceeded
from vm.isa import FRAME_POINTER
from vm.memory import FRAME_BYTES, MAX_CALL_DEPTH, STACK_REGION, Memory, Region, address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Registers: TypeAlias = list[int]

EXITED = -1
NO_ARGUMENTS = (0, 0, 0, 0, 0)


class Execution:
    """State of a machine's runs, which the steps of the interpreter work on.

    Each frame is a region of its own, mapped while its call lasts: below and above it there is nothing, and a pointer
    to it works in the functions that it calls and nowhere else.
    """

    __slots__ = ("_callers", "_frames", "context", "helpers", "load", "memory", "starts", "store")

    def __init__(
        self, memory: Memory, helpers: Mapping[int, Callable[[Sequence[int], object], int]], starts: frozenset[int]
    ) -> None:
        self.memory = memory
        self.starts = starts
        self.load = memory.load
        self.store = memory.store
        self.helpers = helpers
        self.context: object = None
        self._callers: list[tuple[int, Registers]] = []
        self._frames = tuple(
            Region(STACK_REGION + depth, f"stack frame {depth}", bytearray(FRAME_BYTES), writable=True)
            for depth in range(MAX_CALL_DEPTH)
        )

    def enter(self, registers: Registers, following: int) -> None:
        """Begin a call that returns to `following`: a zeroed frame. Raises CallDepthExceeded."""
        depth = len(self._callers)
        if depth == MAX_CALL_DEPTH:
            raise CallDepthExceeded(f"a local call nested deeper than {MAX_CALL_DEPTH} frames")
        frame = self._frames[depth]
        frame.data = bytearray(FRAME_BYTES)
        self.memory.map(frame)
        self._callers.append((following, registers[6:11]))
        registers[FRAME_POINTER] = address(frame.number, FRAME_BYTES)

    def leave(self, registers: Registers) -> int:
        """End the innermost call: restore r6 to r10, clear r1 to r5; the pc to go on at, or EXITED."""
        following, saved = self._callers.pop()
        self.memory.unmap(STACK_REGION + len(self._callers))
        registers[1:6] = NO_ARGUMENTS
        registers[6:11] = saved
        return following

    def unwind(self) -> None:
        """Drop the frames that a fault left behind, and the context."""
        while self._callers:
            self._callers.pop()
            self.memory.unmap(STACK_REGION + len(self._callers))
        self.context = None
