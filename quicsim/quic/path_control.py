"""How do additional paths come, rank and go? draft-ietf-quic-multipath, on RFC 9000 section 8.2.

A client opens a path on each of its further addresses once the handshake is confirmed, with a challenge; its peer
answers and challenges in turn, and either uses the path for data once its own challenge is answered. How many there
may be, and their connection IDs, is in quic/path_ids.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.datagram_frames import report_lost
from quicsim.quic.errors import QuicError
from quicsim.quic.frames import (
    FRAMES,
    PaddingFrame,
    PathAbandonFrame,
    PathAvailableFrame,
    PathBackupFrame,
    PathChallengeFrame,
    PathResponseFrame,
)
from quicsim.quic.needed import is_needed
from quicsim.quic.schedulers import candidates
from quicsim.quic.states import PathState, SendingProcessState

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path

__all__ = ["abandon", "abandoned", "acknowledged_by", "answered", "challenged", "may_send_on", "open_all",
           "open_at_once", "open_waiting", "rank", "ranked", "seek_validation"]  # fmt: skip

A_DAY_NS = 86_400_000_000_000
EXPANSION_BYTES = 1_100  # with header, tag and the frames beside it a datagram of about 1,200 (RFC 9000 section 8.2.1)


def open_at_once(connection: Connection) -> None:
    """A client of mp-quic uses a path on each of its addresses as soon as it has the keys."""
    if not connection.profile.uses_first_path and connection.address_count > 1:
        for path_id in range(1, min(connection.address_count + 1, connection.path_numbers.allowed)):
            connection.open_path(path_id)


def open_all(connection: Connection) -> None:
    """The client opens a path on each address beside the first; those it wants as a backup are named so at once.

    A path that the peer does not allow yet, or has issued no connection ID for, waits until it does.
    """
    if not connection.is_client:
        return
    for path_id in range(1, connection.address_count):
        is_there = path_id < len(connection.paths) and connection.paths[path_id].is_open
        if is_there or not connection.path_numbers.may_open(connection, path_id):
            continue
        path = connection.open_path(path_id)
        path.opened_here = True
        seek_validation(connection, path)
        if path_id in connection.backup_paths:
            rank(connection, path_id, is_backup=True)


def open_waiting(connection: Connection) -> None:
    """The peer allows another path, or has issued a connection ID: one may have waited for that."""
    if connection.profile.uses_first_path and connection.is_confirmed:
        open_all(connection)


def may_send_on(connection: Connection, path: Path) -> bool:
    """Whether an open path's packets can be addressed to somebody."""
    return path.is_open and (
        not connection.profile.uses_first_path or bool(connection.ids.of_path(path.path_id).usable)
    )


def seek_validation(connection: Connection, path: Path) -> None:
    """Challenge the peer on a path that is not validated, unless a challenge is under way (RFC 9000 section 8.2.1)."""
    space = path.application
    under_way = (frame for packet in space.outstanding.values() for frame in packet.frames)
    if path.state is PathState.VALIDATED or any(
        isinstance(frame, PathChallengeFrame) for frame in (*space.pending, *under_way)
    ):
        return
    path.challenges += 1  # never the same bytes; that they cannot be guessed matters to nobody here
    space.pending += [
        PathChallengeFrame(bytes([path.path_id]) + path.challenges.to_bytes(7, "big")),
        PaddingFrame(EXPANSION_BYTES),
    ]


def challenged(connection: Connection, path: Path, frame: PathChallengeFrame) -> None:
    """PATH_CHALLENGE: its bytes go back on the path that they came by (section 8.2.2), and so does a challenge."""
    path.application.pending.append(PathResponseFrame(frame.data))
    if path.path_id:
        seek_validation(connection, path)


def answered(connection: Connection, path: Path, frame: PathResponseFrame) -> None:
    """PATH_RESPONSE: the path that was challenged is validated, whichever way it came (section 8.2.3)."""
    path_id = frame.data[0]
    if 0 < path_id < len(connection.paths):
        answerer = connection.paths[path_id]
        if answerer.is_open and frame.data[1:] == answerer.challenges.to_bytes(7, "big"):
            answerer.validate()


def acknowledged_by(path: Path, arrival: Path) -> None:
    """An acknowledgement of a path's packets arrived on `arrival`.

    A round trip is then there by one path and back by the other. The smoothed one follows by itself; the minimum would
    not, and so it begins anew with the next sample where acknowledgements change their way (RFC 9002 section 5.2).
    """
    if path.acknowledged_on != arrival.path_id:
        if path.acknowledged_on >= 0:
            path.rtt.minimum_ns = A_DAY_NS  # above any sample
        path.acknowledged_on = arrival.path_id


# Status (draft-ietf-quic-multipath section 3.3)


def rank(connection: Connection, path_id: int, *, is_backup: bool) -> None:
    """Tell the peer whether a path is a backup, and rank it so here as well."""
    path = connection.paths[path_id]
    path.status_sequence += 1
    path.is_backup = is_backup
    kind = PathBackupFrame if is_backup else PathAvailableFrame
    carrier = next(iter(candidates(connection)), connection.path)
    carrier.application.pending.append(kind(path_id, path.status_sequence))


def ranked(connection: Connection, frame: PathBackupFrame | PathAvailableFrame) -> None:
    """The peer ranks a path; an older frame that comes late says nothing."""
    if frame.path_id in connection.abandoned_paths:
        return
    path = connection.open_path(frame.path_id)
    if frame.sequence_number > path.peer_status_sequence:
        path.peer_status_sequence = frame.sequence_number
        path.is_backup = isinstance(frame, PathBackupFrame)


# Abandonment (section 3.4)


def abandon(connection: Connection, path_id: int, error_code: int = 0) -> None:
    """Give a path up and tell the peer on another one. Raises QuicError for the last one that is left."""
    path = connection.paths[path_id]
    heir = heir_of(connection, path)
    if heir is None:
        raise QuicError(f"path {path_id} is the last one that is left; close the connection to end it")
    heir.application.pending.append(PathAbandonFrame(path_id, error_code))
    close(connection, path, heir)


def abandoned(connection: Connection, frame: PathAbandonFrame) -> None:
    """The peer gives a path up: so does this endpoint, and says so."""
    if frame.path_id in connection.abandoned_paths:
        return
    if frame.path_id >= len(connection.paths):  # it has overtaken what opens the path, which is not to be let in then
        connection.abandoned_paths.add(frame.path_id)
        connection.announce(PathAbandonFrame(frame.path_id, 0))
        connection.path_numbers.abandoned(connection, frame.path_id)
        return
    path = connection.paths[frame.path_id]
    heir = heir_of(connection, path)
    if heir is None:
        raise QuicError(f"the peer gave up path {frame.path_id}, the last one that is left")
    heir.application.pending.append(PathAbandonFrame(frame.path_id, 0))
    close(connection, path, heir)


def heir_of(connection: Connection, path: Path) -> Path | None:
    """The path that takes over what another one has not delivered."""
    others = [other for other in connection.paths if other.is_open and other is not path]
    return min(others, key=lambda other: (other.state is not PathState.VALIDATED, other.path_id), default=None)


def close(connection: Connection, path: Path, heir: Path) -> None:
    """What the peer may still lack goes out on another path; nothing is sent or taken here any more."""
    space = path.application
    for packet in (*space.lost.values(), *space.outstanding.values()):
        heir.application.pending.extend(frame for frame in packet.frames if is_needed(connection, space, frame))
    report_lost(connection, space.outstanding.values())
    heir.application.pending.extend(frame for frame in space.pending if FRAMES[type(frame)].retransmittable)
    path.give_up()
    path.sending_state = SendingProcessState.APPLICATION_LIMITED  # it waits for no pacing any more
    path.is_open = False
    connection.abandoned_paths.add(path.path_id)
    connection.path_numbers.abandoned(connection, path.path_id)
