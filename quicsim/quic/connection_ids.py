"""Which connection IDs may each end use, and which does it? RFC 9000 sections 5.1, 9.5, 19.15 and 19.16.

An ID is its sequence number here; a datagram says which one it is addressed to. With several paths every path has IDs
of its own, numbered from 0 (draft-ietf-quic-multipath). Who can guess an ID matters to nobody here: its bytes are role,
path and number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.errors import ConnectionIdLimitError, ProtocolViolation, QuicError
from quicsim.quic.frames import (
    NewConnectionIdFrame,
    PathNewConnectionIdFrame,
    PathRetireConnectionIdFrame,
    RetireConnectionIdFrame,
)
from quicsim.quic.packet import CONNECTION_ID_BYTES
from quicsim.quic.parameters import DEFAULT_CONNECTION_ID_LIMIT

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Datagram

__all__ = ["ConnectionIds", "IdsOfPath", "Issue", "Retirement"]

MAXIMUM_ISSUED = 8
"""Assumed: how many a peer has at most, however many it takes; what aioquic and picoquic issue."""
STATELESS_RESET_TOKEN_BYTES = 16

Issue = NewConnectionIdFrame | PathNewConnectionIdFrame
Retirement = RetireConnectionIdFrame | PathRetireConnectionIdFrame


class IdsOfPath:
    """The IDs of one path: those that this end issued, and those of the peer's that it may use."""

    __slots__ = ("acknowledged_retirements", "current", "issued", "next_issued", "retire_prior_to", "retired",
                 "retires_prior_to", "usable", "used")  # fmt: skip

    def __init__(self, first: int) -> None:
        self.next_issued = first
        """How many this end has issued; the handshake has issued one of path 0."""
        self.issued = dict.fromkeys(range(first), True)
        """Of these, what the peer has not retired; and whether it is known to have it."""
        self.retires_prior_to = 0
        """What this end asks its peer to retire."""
        self.usable = dict.fromkeys(range(first), b"")
        """The peer's active IDs and their bytes, which do not matter for the handshake's."""
        self.used = frozenset(self.usable)
        """Which of them have stood in a packet: they are bound to an address each (section 9.5)."""
        self.current = 0
        """What packets are addressed to."""
        self.retired: frozenset[int] = frozenset()
        """Which of the peer's this end has retired."""
        self.acknowledged_retirements: frozenset[int] = frozenset()
        self.retire_prior_to = 0
        """What the peer asks this end to retire."""

    @property
    def unused(self) -> int | None:
        """The peer's next ID that has stood in no packet; None: it has issued too few (section 5.1.1)."""
        return min(self.usable.keys() - self.used, default=None)


class ConnectionIds:
    """Both ends' IDs, of every path."""

    __slots__ = ("_of_paths", "have_changed", "limit")

    def __init__(self, limit: int) -> None:
        if 0 < limit < DEFAULT_CONNECTION_ID_LIMIT:
            raise QuicError(f"active_connection_id_limit is {limit}; the least is 2 (RFC 9000 section 18.2)")
        self.limit = limit
        """How many active IDs of its peer's this end takes; 0: a stack that issues none itself."""
        self.have_changed = False
        """Datagrams must say which ID they are addressed to."""
        self._of_paths = {0: IdsOfPath(1)}

    def of_path(self, path_id: int) -> IdsOfPath:
        """The IDs of a path, which are there before the path is."""
        ids = self._of_paths.get(path_id)
        if ids is None:
            ids = self._of_paths[path_id] = IdsOfPath(0)
        return ids

    # This end's

    def replenish(self, connection: Connection, path_id: int, count: int = MAXIMUM_ISSUED) -> None:
        """Have the peer hold as many active IDs as it takes, or so many (section 5.1.1)."""
        parameters = connection.handshake.peer_parameters
        if not self.limit or parameters is None:
            return
        ids = self.of_path(path_id)
        while len(ids.issued) < min(parameters.active_connection_id_limit, count):
            self._issue(connection, path_id, ids)

    def forget(self, path_id: int) -> None:
        """A path is abandoned: nobody uses its IDs any more, and nobody says so of each."""
        ids = self.of_path(path_id)
        ids.issued.clear()
        ids.usable.clear()

    def renew(self, connection: Connection, path_id: int = 0) -> None:
        """Have the peer retire all that it holds and use new ones (section 5.1.2): as many as it may hold by now."""
        ids = self.of_path(path_id)
        held = [number for number in ids.issued if number >= ids.retires_prior_to]
        ids.retires_prior_to = ids.next_issued
        for _ in held:
            self._issue(connection, path_id, ids)

    def _issue(self, connection: Connection, path_id: int, ids: IdsOfPath) -> None:
        number = ids.next_issued
        ids.next_issued += 1
        ids.issued[number] = False
        path_and_number = bytes([path_id]) + number.to_bytes(CONNECTION_ID_BYTES - 2, "big")
        its_bytes = bytes([connection.is_client]) + path_and_number
        token = its_bytes.rjust(STATELESS_RESET_TOKEN_BYTES, b"\0")
        fields = (number, ids.retires_prior_to, its_bytes, token)
        connection.announce(PathNewConnectionIdFrame(path_id, *fields) if path_id else NewConnectionIdFrame(*fields))

    def is_needed(self, frame: Issue) -> bool:
        """Whether the peer may lack an ID that was issued (section 13.3)."""
        return self._of_path_in(frame).issued.get(frame.sequence_number) is False

    def acknowledge(self, frame: Issue) -> None:
        """The peer has an ID."""
        ids = self._of_path_in(frame)
        if frame.sequence_number in ids.issued:
            ids.issued[frame.sequence_number] = True

    def on_retirement(self, connection: Connection, frame: Retirement, arrived_on: int) -> None:
        """The peer uses an ID no more: it gets another one. Raises ProtocolViolation (section 19.16).

        `arrived_on` is the path by which the frame came.
        """
        path_id, ids = _path_id(frame), self._of_path_in(frame)
        number = frame.sequence_number
        if number >= ids.next_issued:
            raise ProtocolViolation(f"connection ID {number} was retired, of which {ids.next_issued} were issued")
        if path_id == arrived_on and number == (connection.arrived_with or 0):
            raise ProtocolViolation(f"connection ID {number} was retired by a packet that is addressed to it")
        if number in ids.issued:
            del ids.issued[number]
            self.replenish(connection, path_id)  # who retires one uses the path

    # The peer's

    def on_issue(self, connection: Connection, frame: Issue) -> None:
        """The peer issues an ID. Raises ProtocolViolation, ConnectionIdLimitError (sections 5.1.1, 5.1.2, 19.15)."""
        path_id, ids = _path_id(frame), self._of_path_in(frame)
        number = frame.sequence_number
        if number not in ids.retired:
            known = ids.usable.setdefault(number, frame.connection_id)
            if known != frame.connection_id:
                raise ProtocolViolation(
                    f"connection ID {number} is {known.hex()}, and then {frame.connection_id.hex()}"
                )
        ids.retire_prior_to = max(ids.retire_prior_to, frame.retire_prior_to)
        outdated = sorted(number for number in ids.usable if number < ids.retire_prior_to)
        for old in outdated:
            self.retire(connection, path_id, old)
        if ids.current in outdated:
            self.use(ids, max(ids.usable) if ids.unused is None else ids.unused)
        limit = self.limit or DEFAULT_CONNECTION_ID_LIMIT
        if len(ids.usable) > limit:
            raise ConnectionIdLimitError(f"{len(ids.usable)} connection IDs are active; this end takes {limit}")

    def use(self, ids: IdsOfPath, number: int) -> None:
        """Address packets to this ID of the peer's from now on."""
        ids.current = number
        ids.used |= {number}
        self.have_changed = True

    def retire(self, connection: Connection, path_id: int, number: int) -> None:
        """Use an ID of the peer's no more, and say so."""
        ids = self.of_path(path_id)
        ids.usable.pop(number, None)
        if number not in ids.retired:
            ids.retired |= {number}
            connection.announce(
                PathRetireConnectionIdFrame(path_id, number) if path_id else RetireConnectionIdFrame(number)
            )

    def is_retirement_needed(self, frame: Retirement) -> bool:
        """Whether the peer may not know yet that an ID is retired (section 13.3)."""
        return frame.sequence_number not in self._of_path_in(frame).acknowledged_retirements

    def acknowledge_retirement(self, frame: Retirement) -> None:
        """The peer knows."""
        self._of_path_in(frame).acknowledged_retirements |= {frame.sequence_number}

    def write(self, datagrams: list[Datagram]) -> None:
        """Say of each datagram which ID it is addressed to."""
        for datagram in datagrams:
            if datagram.connection_id is None:
                datagram.connection_id = self.of_path(datagram.path_id).current

    def _of_path_in(self, frame: Issue | Retirement) -> IdsOfPath:
        return self.of_path(_path_id(frame))


def _path_id(frame: Issue | Retirement) -> int:
    return frame.path_id if isinstance(frame, PathNewConnectionIdFrame | PathRetireConnectionIdFrame) else 0
