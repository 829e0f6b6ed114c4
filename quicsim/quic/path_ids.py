"""How many paths may there be, and are there connection IDs for them? draft-ietf-quic-multipath sections 3 and 4.

Either end says up to which number it takes paths, with a transport parameter and then with MAX_PATH_ID, and issues
connection IDs for every path that both allow: one while the path is not in use, up to the peer's limit when it is. A
number is never used again; the next one is allowed when a path is abandoned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.errors import ProtocolViolation
from quicsim.quic.frames import MaxPathIdFrame, PathCidsBlockedFrame, PathsBlockedFrame
from quicsim.quic.path import MAXIMUM_PATHS

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.connection_ids import Issue, Retirement

__all__ = ["PathNumbers"]

LARGEST_PATH_ID = (1 << 32) - 1  # draft-ietf-quic-multipath-21 section 4.6: more has no place in a nonce


class PathNumbers:
    """The paths that both ends allow. Every limit is one above the largest identifier."""

    __slots__ = ("_initial_limit_of_peer", "_told_of", "limit", "limit_of_peer")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """What this end takes; path 0 is always there."""
        self.limit_of_peer = 1
        self._initial_limit_of_peer = 1
        self._told_of: frozenset[PathsBlockedFrame | PathCidsBlockedFrame] = frozenset()
        """What the peer was told of in vain wishes, each once."""

    @property
    def allowed(self) -> int:
        """How many paths there may be, the abandoned ones among them."""
        return min(self.limit, self.limit_of_peer)

    def agree(self, limit_of_peer: int) -> None:
        """The peer's transport parameter is known."""
        self.limit_of_peer = self._initial_limit_of_peer = limit_of_peer

    def issue(self, connection: Connection) -> None:
        """Have the peer hold a connection ID for every path that may be opened (section 3.2)."""
        for path_id in range(1, self.allowed):
            if path_id not in connection.abandoned_paths:
                connection.ids.replenish(connection, path_id, 1)

    def may_open(self, connection: Connection, path_id: int) -> bool:
        """Whether this end may open a path now; the peer is told where it is its limit or its IDs that are missing."""
        if path_id in connection.abandoned_paths or path_id >= self.limit:
            return False
        if path_id >= self.limit_of_peer:
            self._tell(connection, PathsBlockedFrame(self.limit_of_peer - 1))
            return False
        if not connection.ids.of_path(path_id).usable:
            self._tell(connection, PathCidsBlockedFrame(path_id, 0))
            return False
        return True

    def _tell(self, connection: Connection, frame: PathsBlockedFrame | PathCidsBlockedFrame) -> None:
        if frame not in self._told_of:
            self._told_of |= {frame}
            connection.announce(frame)

    def is_blocked(self, connection: Connection, frame: PathsBlockedFrame | PathCidsBlockedFrame) -> bool:
        """Whether what kept a path from being opened still does."""
        if isinstance(frame, PathsBlockedFrame):
            return frame.limit == self.limit_of_peer - 1
        return not connection.ids.of_path(frame.path_id).usable and frame.path_id not in connection.abandoned_paths

    def abandoned(self, connection: Connection, path_id: int) -> None:
        """A path is gone, and its IDs with it (section 3.4): the peer may open another, if there is a place for it."""
        connection.ids.forget(path_id)
        if self.limit < MAXIMUM_PATHS:
            self.limit += 1
            connection.announce(MaxPathIdFrame(self.limit - 1))
            self.issue(connection)

    # What arrives

    def raised(self, connection: Connection, frame: MaxPathIdFrame) -> None:
        """MAX_PATH_ID; one that raises nothing came late. Raises ProtocolViolation (section 4.6)."""
        if not self._initial_limit_of_peer - 1 <= frame.maximum <= LARGEST_PATH_ID:
            least = self._initial_limit_of_peer - 1
            raise ProtocolViolation(f"MAX_PATH_ID {frame.maximum}; {least} was advertised, 2**32 - 1 is the most")
        if frame.maximum + 1 > self.limit_of_peer:
            self.limit_of_peer = frame.maximum + 1
            self.issue(connection)

    def check(self, path_id: int) -> None:
        """Raises ProtocolViolation for a path beyond what this end allows (section 4)."""
        if path_id >= self.limit:
            raise ProtocolViolation(f"a frame speaks of path {path_id}; the largest allowed is {self.limit - 1}")

    def lacks_ids(self, connection: Connection, frame: PathCidsBlockedFrame) -> None:
        """PATH_CIDS_BLOCKED: what was issued is under way or repeated. Raises ProtocolViolation (section 4.7)."""
        self.check(frame.path_id)
        issued = connection.ids.of_path(frame.path_id).next_issued
        if frame.next_sequence_number > issued:
            raise ProtocolViolation(
                f"path {frame.path_id} waits for connection ID {frame.next_sequence_number}; {issued} were issued"
            )

    def about(self, connection: Connection, frame: Issue | Retirement) -> bool:
        """Whether a frame about a path's IDs matters still. Raises ProtocolViolation beyond what is allowed."""
        path_id = getattr(frame, "path_id", 0)
        self.check(path_id)
        return path_id not in connection.abandoned_paths
