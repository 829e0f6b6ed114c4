"""What did a program change, and how is it taken back? Attribute and old value, newest last.

DESIGN section 4, all or nothing: what a program and its helpers do to the connection is noted here and undone by a
fault, up to the last commit.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Journal"]


class Journal:
    """The changes of one call that are not committed yet."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, attribute: str, value: Any) -> None:
        """Assign, and remember what stood there. A value that is a list or a dictionary is replaced, never altered."""
        self._changes.append((owner, attribute, getattr(owner, attribute)))
        setattr(owner, attribute, value)

    def commit(self) -> None:
        """Let what was changed so far stand."""
        self._changes.clear()

    def roll_back(self) -> None:
        """Put back what stood there at the last commit."""
        while self._changes:
            owner, attribute, value = self._changes.pop()
            setattr(owner, attribute, value)
