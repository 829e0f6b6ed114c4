"""Which path sends what? Figure 1 of the paper, with a packet scheduler before it and a choice of path for ACKs.

Runs once the handshake is confirmed, for stacks that know several paths and wherever a plugin schedules. Paper section
3.2; PAPER: the scheduler chooses a path for each packet with data, acknowledgements and what belongs to one path alone
go out without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic import sending
from quicsim.quic.frames import PathsFrame
from quicsim.quic.packet import APPLICATION, Datagram, Packet
from quicsim.quic.path_control import may_send_on, seek_validation
from quicsim.quic.schedulers import queue_copy
from quicsim.quic.sending import has_stream_data, larger_datagram, window_or_nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path

__all__ = ["ack_path", "is_due", "run"]


def is_due(connection: Connection) -> bool:
    """Whether paths are chosen for each packet now, or one path just sends."""
    if not connection.is_confirmed:
        return len(connection.paths) > 1
    operations = connection.operations
    return connection.profile.is_multipath or operations.select_path is not operations.default_select_path


def run(connection: Connection) -> list[Datagram]:
    """Send what is shared by all paths on those that SelectPath chooses, then what each path has for itself."""
    datagrams: list[Datagram] = []
    paths = [path for path in connection.paths if may_send_on(connection, path)]
    if not connection.is_confirmed:  # the first path still has the handshake to finish
        datagrams += sending.run(connection, paths.pop(0))
    for path in paths:
        sending.begin(connection, path)
        if connection.profile.uses_first_path and path.challenges:
            seek_validation(connection, path)
    report_paths(connection)
    sent = [False] * len(connection.paths)
    held_on: Path | None = None
    while (chosen := next_on_any(connection)) is not None:
        path, packet = chosen
        datagram = sending.send(connection, path, (packet,))
        if datagram is None:
            held_on = path
            break
        datagrams.append(datagram)
        sent[path.path_id] = True
        note_duplicate(connection, path, packet)
    for path, packet in own_packets(connection, paths, held_on):
        datagram = sending.send(connection, path, (packet,))
        if datagram is not None:
            datagrams.append(datagram)
            sent[path.path_id] = True
    for path in paths:
        stopped_by = window_or_nothing(connection, path)
        if path.size_to_probe_bytes and (trial := larger_datagram(connection, path, stopped_by)) is not None:
            datagrams.append(trial)
            sent[path.path_id] = True
        sending.finish(connection, path, stopped_by, sent[path.path_id])
    return datagrams


def next_on_any(connection: Connection) -> tuple[Path, Packet] | None:
    """The next packet with a retransmission or with stream data, on the path that SelectPath chooses for it."""
    must_wait = False
    if connection.scheduler == "redundant":
        queue_copy(connection)
    for origin, selected in retransmissions(connection):
        path = select_path(connection, origin, True)
        if path is not None:
            return packet_on(connection, path, origin, selected)
        if connection.profile.uses_first_path and selected - 1 not in origin.application.lost:
            origin.application.duplicates.appendleft(selected - 1)  # a copy, for which there will be room later
        must_wait = True
    if must_wait or not has_stream_data(connection):
        return None
    path = select_path(connection, connection.path, False)
    return None if path is None else packet_on(connection, path, connection.path, 0)


def packet_on(connection: Connection, path: Path, origin: Path, selected: int) -> tuple[Path, Packet] | None:
    """A packet on this path, with what is to be repeated of `origin` or with new data; None where there is no room."""
    space = path.application
    has_content = bool(space.pending) or has_stream_data(connection)
    packet = Packet(APPLICATION, space.next_number, path.datagram_bytes, path.window_is_open and has_content)
    if origin is not path:
        packet.origin = origin.application
    if not selected and (not packet.new_content or path.paced_until_ns > connection.now_ns):
        return None
    assembled = sending.assemble(connection, path, packet, selected)
    return None if assembled is None else (path, assembled)


def select_path(connection: Connection, origin: Path, retransmits: bool) -> Path | None:
    """The path that SelectPath chooses, if that one is open."""
    index = connection.operations.select_path(connection, origin, retransmits)
    path = connection.paths[index - 1] if index else None
    return path if path is not None and path.is_open else None


def retransmissions(connection: Connection) -> Iterator[tuple[Path, int]]:
    """Each path where SelectRetransmission has something to repeat, and what.

    Whoever finds no path for it goes on to the next: that one's timer may have expired, and time must go on for it too.
    """
    operations = connection.operations
    is_default = operations.select_retransmission is operations.default_select_retransmission
    for path in connection.paths if connection.is_confirmed else connection.paths[1:]:
        if not path.is_open:
            continue
        space = path.application
        is_probing = path.timer_expired or space.ping_needed
        if is_default and not (space.lost or space.duplicates or is_probing):
            continue
        if path.paced_until_ns > connection.now_ns and not is_probing and not connection.profile.uses_first_path:
            continue  # else the path that takes it is asked
        selected = operations.select_retransmission(connection, path, space)
        if selected:
            yield path, selected


def own_packets(connection: Connection, paths: list[Path], held_on: Path | None) -> Iterator[tuple[Path, Packet]]:
    """What each path has for itself: its control frames, a probe, and the ACKs that are due there.

    Where a packet was held back, the ACKs go out alone.
    """
    now_ns = connection.now_ns
    ack_paths = {ack_path(connection, path) for path in paths if 0 < path.application.received.deadline_ns <= now_ns}
    is_alone = len(connection.paths) == 1
    for path in paths:
        space = path.application
        is_held = path is held_on
        wanted = path in ack_paths or (space.ping_needed and not is_held)
        while True:
            may_fill = not is_held and path.window_is_open and (path.paced_until_ns <= now_ns or space.ping_needed)
            new_content = may_fill and (bool(space.pending) or (is_alone and has_stream_data(connection)))
            if not wanted and not new_content:
                break
            packet = Packet(APPLICATION, space.next_number, path.datagram_bytes, new_content)
            packet.takes_stream_data = is_alone
            assembled = sending.assemble(connection, path, packet, 0)
            if assembled is None:
                break
            yield path, assembled
            wanted = False
            if assembled.sent_ns < 0:
                if is_held:
                    break
                is_held, wanted = True, path in ack_paths


def ack_path(connection: Connection, path: Path) -> Path:
    """Where a path's packets are acknowledged: SelectACKPath's choice, or the path itself if that one is not open."""
    if len(connection.paths) == 1:
        return path
    chosen = connection.paths[connection.operations.select_ack_path(connection, path) - 1]
    return chosen if chosen.is_open else path


def note_duplicate(connection: Connection, path: Path, packet: Packet) -> None:
    """While nothing is known of a path, what it carries goes out once more on another one that has carried less.

    mp-quic (2017): a path of unknown round-trip time may be slow or broken, and the data on it must not wait for that.
    """
    if connection.profile.uses_first_path:
        note_scheduled(connection, path)
        return
    if path.rtt.has_sample or not packet.ack_eliciting or len(connection.paths) == 1:
        return
    for other in connection.paths[1:]:
        if other.is_open and other.packets_sent < path.packets_sent and other is not path and other.window_is_open:
            path.application.duplicates.append(packet.number)
            return


def note_scheduled(connection: Connection, path: Path) -> None:
    """Count a packet with data, for schedulers that take turns."""
    connection.scheduled_packets += 1
    path.last_scheduled = connection.scheduled_packets


def report_paths(connection: Connection) -> None:
    """Tell the peer each path's round-trip time, every so often while a stream is open (mp-quic's PATHS frame).

    Not on a path where nothing was acknowledged since the report before: report by report, its timer would be put off
    for ever.
    """
    interval_ns = connection.profile.path_report_interval_ns
    now_ns = connection.now_ns
    if not interval_ns or len(connection.paths) == 1 or now_ns - connection.paths_reported_ns < interval_ns:
        return
    if not connection.has_open_stream:
        return
    path = select_path(connection, connection.path, False)
    if path is None:
        return
    if path.application.ack_eliciting_in_flight and path.last_progress_ns < path.last_report_ns:
        return
    connection.paths_reported_ns = path.last_report_ns = now_ns
    known = tuple(
        (path.path_id, path.rtt.smoothed_ns // 1_000 if path.rtt.has_sample else 0)
        for path in connection.paths
        if path.is_open
    )
    path.application.pending.append(PathsFrame(known))
