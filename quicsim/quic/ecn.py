"""Does a path carry ECN marks, and what does the peer say of them? RFC 9000 section 13.4 and appendix A.4.

An endpoint that marks sends its first packets on a path as ECN-capable, then waits for what the peer counts. While the
counts agree with what was sent, it goes on marking, and a packet that arrived with Congestion Experienced is to
congestion control what a loss is (RFC 9002 section 7.1). Where they do not agree, the path carries no marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.congestion.base import MARKED
from quicsim.quic.frames import EcnCounts
from quicsim.quic.loss import probe_timeout_ns
from quicsim.quic.packet import CE, ECT_0, NOT_ECT, Space
from quicsim.quic.states import ECN, EcnInput, EcnState, advance

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.frames import AckFrame, PathAckFrame
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["EcnMarking", "count_mark"]

TESTED_PACKETS = 10  # RFC 9000 appendix A.4: "for example"
TESTED_TIMEOUTS = 3  # likewise


class EcnMarking:
    """The marking of one path's packets, and what is known of their fate in each packet number space."""

    __slots__ = ("_begun_ns", "_marked", "_reported", "_sent", "_tested", "state")

    def __init__(self) -> None:
        self.state = EcnState.TESTING
        self._begun_ns = -1
        self._tested = 0
        self._sent = [0] * len(Space)
        """How many packets went out marked, by space."""
        self._marked: tuple[set[int], ...] = tuple(set() for _ in Space)
        """Which of those that are to be acknowledged have not been."""
        self._reported = [EcnCounts(0, 0, 0)] * len(Space)
        """What the peer has counted."""

    def sent(self, connection: Connection, path: Path, packet: Packet) -> None:
        """A packet goes out now, with the path's codepoint."""
        if not path.ecn_codepoint:
            return
        self._sent[packet.space] += 1
        if packet.in_flight:
            self._marked[packet.space].add(packet.number)
        if self.state is not EcnState.TESTING:
            return
        self._tested += 1
        if self._begun_ns < 0:
            self._begun_ns = connection.now_ns
        tested_ns = TESTED_TIMEOUTS * probe_timeout_ns(connection, path, packet.space)
        if self._tested >= TESTED_PACKETS or connection.now_ns - self._begun_ns >= tested_ns:
            self._move(path, EcnInput.TEST_OVER)

    def acknowledged(
        self,
        connection: Connection,
        path: Path,
        space: PacketNumberSpace,
        frame: AckFrame | PathAckFrame,
        newly: list[Packet],
    ) -> None:
        """An ACK frame that raised the largest acknowledged number newly acknowledges these: validate its counts."""
        if self.state is EcnState.FAILED:
            return
        marked = self._marked[space.kind]
        acknowledged = {packet.number for packet in newly} & marked
        marked -= acknowledged
        reported = self._reported[space.kind]
        counts = frame.ecn or reported
        if self._is_wrong(space, frame, counts, len(acknowledged)):
            self._move(path, EcnInput.COUNTS_WRONG)
            return
        self._reported[space.kind] = counts
        if acknowledged and self.state is not EcnState.CAPABLE:
            self._move(path, EcnInput.MARKS_COUNTED)
        elif self.state is EcnState.UNKNOWN and not marked & space.outstanding.keys():
            self._move(path, EcnInput.ALL_LOST)
        if counts.ce > reported.ce:
            newest = max(packet.sent_ns for packet in newly)
            if path.recovery is not None:
                path.recovery.marked(newest, connection.now_ns)
            connection.operations.congestion_control(connection, path, MARKED, 0, newest)

    def begin_anew(self, path: Path) -> None:
        """The peer, or this endpoint, is elsewhere: test again. What either end has counted goes on."""
        self._move(path, EcnInput.ADDRESS_CHANGED)
        self._begun_ns = -1
        self._tested = 0

    def _is_wrong(
        self, space: PacketNumberSpace, frame: AckFrame | PathAckFrame, counts: EcnCounts, acknowledged: int
    ) -> bool:
        """Whether the counts contradict what was sent (section 13.4.2.1). No packet goes out with ECT(1)."""
        reported = self._reported[space.kind]
        if acknowledged and frame.ecn is None:
            return True
        more_ect_0, more_ce = counts.ect_0 - reported.ect_0, counts.ce - reported.ce
        too_few = more_ect_0 < 0 or more_ce < 0 or more_ect_0 + more_ce < acknowledged
        return too_few or counts.ect_1 > 0 or counts.ect_0 + counts.ce > self._sent[space.kind]

    def _move(self, path: Path, given: EcnInput) -> None:
        self.state = advance(ECN, self.state, given)
        path.ecn_codepoint = ECT_0 if self.state in (EcnState.TESTING, EcnState.CAPABLE) else NOT_ECT


def count_mark(counts: EcnCounts | None, codepoint: int) -> EcnCounts:
    """The counts with one more packet that arrived with this codepoint, which is not that of an unmarked one."""
    ect_0, ect_1, ce = counts or (0, 0, 0)
    if codepoint == CE:
        return EcnCounts(ect_0, ect_1, ce + 1)
    if codepoint == ECT_0:
        return EcnCounts(ect_0 + 1, ect_1, ce)
    return EcnCounts(ect_0, ect_1 + 1, ce)
