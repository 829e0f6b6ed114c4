"""Was this state seen before? The states kept where paths meet, and the tree of paths between them.

A state that an explored one covers needs no exploring, and takes no longer. One that equals a state on its own path is
a loop that nothing ends. Of a kept state the constants are its key: what it covers has the same constants in their
places, so that the thousand states of a counting loop are found by a look-up and not one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.verifier.state import KeyItem, State, covers

if TYPE_CHECKING:
    from collections.abc import Iterator

STATES_KEPT_A_KEY = 32  # assumed: as many as the prototype compared at a point
KEYS_KEPT = 16_384  # assumed: a bound on memory, above the steps that are allowed between two loop heads
SHAPES_KEPT = 32  # assumed: a point's states have their constants in few different places


class Node:
    """A kept state, or the entry: how many paths from it are not explored yet, and the longest explored one."""

    __slots__ = ("distance", "longest", "open", "parent", "state")

    def __init__(self, parent: Node | None, distance: int, state: State | None) -> None:
        self.parent = parent
        self.distance = distance
        """Instructions from the parent."""
        self.open = 1
        self.longest = 0
        self.state = state

    def path_ends(self, length: int) -> None:
        """A path from here has been explored to its end, `length` instructions on."""
        node: Node | None = self
        while node is not None:
            node.longest = max(node.longest, length)
            node.open -= 1
            if node.open:
                return
            length = node.longest + node.distance
            node = node.parent


class Point:
    """The states kept at one instruction, for one chain of callers."""

    __slots__ = ("_by_shape", "_count", "compared")

    def __init__(self) -> None:
        self.compared = 0
        """How many states the last `find` looked at."""
        self._by_shape: dict[tuple[KeyItem, ...], dict[tuple[object, ...], list[Node]]] = {}
        self._count = 0

    def candidates(self, state: State) -> Iterator[Node]:
        """Kept states that may cover this one."""
        key = state.key()
        for shape, nodes in self._by_shape.items():
            try:
                constants = tuple([key[item] for item in shape])
            except KeyError:
                continue
            yield from reversed(nodes.get(constants, ()))

    def find(self, state: State) -> tuple[Node | None, bool]:
        """An explored state that covers this one; or one on the path that equals it, and True."""
        self.compared = 0
        for node in self.candidates(state):
            assert node.state is not None
            self.compared += 1
            if node.open:
                if covers(node.state, state) and covers(state, node.state):
                    return node, True
            elif covers(node.state, state):
                return node, False
        return None, False

    def keep(self, node: Node) -> None:
        """Remember a state; of those with the same constants the oldest is forgotten when there are too many."""
        assert node.state is not None
        key = node.state.key()
        shape = tuple(key)
        if shape not in self._by_shape:
            if len(self._by_shape) >= SHAPES_KEPT:
                return
            self._by_shape[shape] = {}
        if self._count >= KEYS_KEPT:
            return
        nodes = self._by_shape[shape].setdefault(tuple(key.values()), [])
        nodes.append(node)
        self._count += 1
        if len(nodes) > STATES_KEPT_A_KEY:
            del nodes[0]
            self._count -= 1
