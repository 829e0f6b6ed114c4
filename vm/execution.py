"""What does a running program have besides its registers? Memory, helpers, and the stack of local calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from vm.isa import FRAME_POINTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vm.memory import Memory

Registers: TypeAlias = list[int]

EXITED = -1
NO_ARGUMENTS = (0, 0, 0, 0, 0)


class Execution:
    """State of a machine's runs, which the steps of the interpreter work on.

    Each frame is a region of its own, mapped while its call lasts: below and above it there is nothing, and a pointer
    to it works in the functions that it calls and nowhere else.
    """

    __slots__ = ("_callers", "context", "helpers", "load", "memory", "starts", "store")

    def __init__(self, memory: Memory, helpers: Mapping[int, Callable[..., int]], starts: frozenset[int]) -> None:
        self.memory = memory
        self.starts = starts
        self.load = memory.load
        self.store = memory.store
        self.helpers = helpers
        self.context: object = None
        self._callers: list[tuple[int, Registers]] = []

    def enter(self, registers: Registers, following: int) -> None:
        """Begin a call that returns to `following`: a zeroed frame. Raises CallDepthExceeded."""
        top = self.memory.push_frame()
        self._callers.append((following, registers[6:11]))
        registers[FRAME_POINTER] = top

    def leave(self, registers: Registers) -> int:
        """End the innermost call: restore r6 to r10, clear r1 to r5; the pc to go on at, or EXITED."""
        following, saved = self._callers.pop()
        self.memory.pop_frame()
        registers[1:6] = NO_ARGUMENTS
        registers[6:11] = saved
        return following

    def unwind(self) -> None:
        """Drop the frames that a fault left behind, and the context."""
        self._callers.clear()
        while self.memory.depth:
            self.memory.pop_frame()
        self.context = None
