"""Where is the peer, and does it receive there? Path validation and migration, RFC 9000 sections 8.2 and 9.

A server follows its peer to the address that its newest packet came from, and until that address is validated sends no
more there than three times what came. Either end uses another connection ID with every address (section 9.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic import sending
from quicsim.quic.datagram_frames import report_lost
from quicsim.quic.errors import QuicError
from quicsim.quic.frames import (
    NewConnectionIdFrame,
    PaddingFrame,
    PathChallengeFrame,
    PathResponseFrame,
    PingFrame,
    frame_size,
)
from quicsim.quic.loss import GRANULARITY_NS, probe_timeout_ns
from quicsim.quic.packet import AEAD_TAG_BYTES, APPLICATION, SMALLEST_PACKET_BYTES, Packet
from quicsim.quic.states import PathInput, PathState

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Address, Datagram

__all__ = ["Addresses"]

EXPANDED_BYTES = 1_200  # RFC 9000 section 8.2.1: challenges and responses try the smallest size that every path carries
ABANDONED_TIMEOUTS = 3  # section 8.2.4
PROBING = (PathChallengeFrame, PathResponseFrame, NewConnectionIdFrame, PaddingFrame)  # section 9.1


class Addresses:
    """The peer's addresses as one connection knows them, and the validation that is under way."""

    __slots__ = ("_asked", "_challenge_ns", "_challenges", "_give_up_ns", "_is_short", "_ours", "_ours_validated",
                 "_pairs", "_responses", "_to_previous", "_validated", "current", "have_changed",
                 "is_busy")  # fmt: skip

    def __init__(self) -> None:
        self.current: Address | None = None
        """Where datagrams go; None: nobody has said, or there is one only."""
        self.have_changed = False
        """Datagrams must say where they go."""
        self.is_busy = False
        """Something is to be sent, or waited for."""
        self._validated: Address | None = None
        """The last address that was validated."""
        self._responses: list[tuple[bytes, Address | None, int]] = []
        """The bytes, where they go, and the connection ID there."""
        self._to_previous: list[tuple[Address | None, int]] = []
        """Addresses that the peer has left and that are to be challenged once (section 9.3.3)."""
        self._asked: set[bytes] = set()
        """Bytes of which the current address must send some back; a long way is no reason to ask in vain."""
        self._challenge_ns = 0
        """When the next challenge goes out."""
        self._challenges = 0
        """How many went out, ever: what makes each one another."""
        self._give_up_ns = 0
        self._is_short = False
        """The last challenge found no room for its full size."""
        self._ours = self._ours_validated = 0
        """The connection ID of this end's to which the peer sends from the current address, and from the validated."""
        self._pairs = {0: 0}
        """By such an ID: the one of the peer's that goes back there. A peer with another one has moved on purpose."""

    # What arrives

    def is_elsewhere(self, connection: Connection, datagram: Datagram) -> bool:
        """Whether a datagram, not processed yet, shows that the peer has another address (section 9.3).

        It does if a packet is newer than all before, and more than a probe of the path.
        """
        if self.current is None and not datagram.path_id:
            self.current = self._validated = datagram.address
        if datagram.address == self.current or datagram.path_id:
            return False
        largest = connection.path.application.received.largest
        return (
            connection.is_confirmed
            and connection.profile.migrates
            and any(
                packet.space is APPLICATION
                and packet.number > largest
                and not all(isinstance(frame, PROBING) for frame in packet.frames)
                for packet in datagram.packets
            )
        )

    def follow(self, connection: Connection, datagram: Datagram) -> None:
        """The peer has another address, which this datagram came from: go on there, within its limit.

        A peer that moves on purpose has another connection ID, and gets another one: without one that is unused, it
        is not followed. Whoever only seems to be elsewhere keeps the one it has (section 9.5).
        """
        if connection.end is not None or datagram.address is None:
            return
        ids = connection.ids.of_path(0)
        ours = datagram.connection_id or 0
        number = self._paired(connection, ours)
        if number is None:
            return
        previous_number = self._pairs[self._ours] = ids.current
        self._ours = ours
        connection.ids.use(ids, number)
        previous, self.current = self.current, datagram.address
        self.have_changed = True
        is_rebinding = previous is not None and previous.host == datagram.address.host
        self._begin(connection, keeps_state=is_rebinding)
        connection.path.limit(datagram.size_bytes)
        self._to_previous = [(previous, previous_number)]

    def note(self, connection: Connection, datagram: Datagram) -> None:
        """A datagram arrived that moves nobody; from where the peer is, it may be addressed to another ID."""
        ours = datagram.connection_id or 0
        if ours > self._ours and datagram.address == self.current:
            self._ours = ours
            self._pairs[ours] = connection.ids.of_path(0).current

    def _paired(self, connection: Connection, ours: int) -> int | None:
        """The peer's connection ID that goes back to where it uses this one of ours; None: no unused one is there."""
        ids = connection.ids.of_path(0)
        if ours == self._ours:
            return ids.current
        number = self._pairs.get(ours)
        if number is None or number not in ids.usable:
            number = ids.unused
            if number is not None:
                self._pairs[ours] = number
                ids.used |= {number}
        return number

    def _retire_others(self, connection: Connection) -> None:
        """The peer's other addresses need no connection IDs any more (section 5.1.2)."""
        current = connection.ids.of_path(0).current
        for number in sorted(set(self._pairs.values()) - {current}):
            connection.ids.retire(connection, 0, number)
        self._pairs = {self._ours: current}

    def challenged(self, connection: Connection, data: bytes) -> None:
        """PATH_CHALLENGE: its bytes go back where they came from (section 8.2.2), with an ID that goes there only."""
        number = self._paired(connection, connection.arrived_with or 0)
        if number is not None:  # else not even a probe can be answered (section 9.5)
            self._responses.append((data, connection.arrived_from, number))
            self.is_busy = True

    def answered(self, connection: Connection, data: bytes) -> None:
        """PATH_RESPONSE, whichever way it came (section 8.2.3)."""
        if data not in self._asked:
            return
        path = connection.path
        path.move(PathInput.RESPONSE)
        path.is_limited = False
        path.timer_is_stale = True
        self._validated, self._ours_validated = self.current, self._ours
        if len(self._pairs) > 1:
            self._retire_others(connection)
        self._asked.clear()
        if self._is_short:
            self._challenge_ns = connection.now_ns
        else:
            self._challenge_ns = self._give_up_ns = 0

    # What this endpoint does

    def move(self, connection: Connection) -> None:
        """This endpoint, a client, has another address itself, and the peer may not be reachable from there."""
        if not connection.is_client or not connection.profile.migrates or not connection.is_confirmed:
            raise QuicError(
                f"{connection.recorder.name} may not change its address: a client whose stack migrates may, once its "
                f"handshake is confirmed; it has profile {connection.profile.name} and is {connection.state.value}"
            )
        ids = connection.ids.of_path(0)
        fresh = ids.unused
        if fresh is None:
            raise QuicError(
                f"{connection.recorder.name} may not change its address: its peer has issued no connection ID that is "
                f"unused, and every address needs another one (RFC 9000 section 9.5)"
            )
        left = ids.current
        connection.ids.use(ids, fresh)
        connection.ids.retire(connection, 0, left)
        self._begin(connection, keeps_state=False)

    def _begin(self, connection: Connection, *, keeps_state: bool) -> None:
        """Validate from now on; a peer that only has another port keeps what is known of the path (section 9.4)."""
        path, now_ns = connection.path, connection.now_ns
        if not keeps_state:
            report_lost(connection, path.application.outstanding.values())
            path.begin_anew(connection.profile, connection.new_controller(), now_ns)
        path.move(PathInput.ADDRESS_CHANGED)
        self._asked.clear()
        path.timer_is_stale = True
        self._challenge_ns = now_ns
        self._give_up_ns = now_ns + ABANDONED_TIMEOUTS * self._timeout_ns(connection)
        self.is_busy = True

    def _timeout_ns(self, connection: Connection) -> int:
        """The larger of the probe timeout as it is, and as it is for a new path (section 8.2.4)."""
        initial_ns = connection.profile.initial_rtt_ns
        new_path_ns = initial_ns + max(4 * (initial_ns // 2), GRANULARITY_NS)
        return max(probe_timeout_ns(connection, connection.path, APPLICATION), new_path_ns)

    def datagrams_to_send(self, connection: Connection) -> list[Datagram]:
        """Responses that are owed, and challenges that are due, each in a datagram of its own."""
        datagrams = [
            self._probe(connection, PathResponseFrame(data), to, number) for data, to, number in self._responses
        ]
        self._responses.clear()
        path, now_ns = connection.path, connection.now_ns
        if 0 < self._challenge_ns <= now_ns and not path.is_amplification_limited:
            challenge = self._new_challenge()
            self._asked.add(challenge)
            path.move(PathInput.CHALLENGE_SENT)
            self._is_short = path.amplification_room_bytes < EXPANDED_BYTES
            self._challenge_ns = now_ns + probe_timeout_ns(connection, path, APPLICATION)
            number = connection.ids.of_path(0).current
            datagrams.append(self._probe(connection, PathChallengeFrame(challenge), self.current, number))
            datagrams += [
                self._probe(connection, PathChallengeFrame(self._new_challenge()), to, number)
                for to, number in self._to_previous
            ]
            self._to_previous.clear()
        if connection.is_client and not self._give_up_ns and len(self._pairs) > 1:  # it is nowhere else any more
            self._retire_others(connection)
        self.is_busy = bool(self._challenge_ns)
        return [datagram for datagram in datagrams if datagram is not None]

    def _new_challenge(self) -> bytes:
        """Eight bytes, never the same: that they cannot be guessed matters to nobody here."""
        self._challenges += 1
        return self._challenges.to_bytes(8, "big")

    def _probe(
        self, connection: Connection, frame: PathChallengeFrame | PathResponseFrame, to: Address | None, number: int
    ) -> Datagram | None:
        """A padded packet with the frame; None where a plugin holds it back, there is no room at all, or the connection
        ID for another address is there no more.
        """
        path = connection.path
        if to != self.current and number not in connection.ids.of_path(0).usable:
            return None
        room_bytes = EXPANDED_BYTES
        if path.is_limited and to == self.current:
            room_bytes = min(room_bytes, path.amplification_room_bytes)
        if room_bytes < SMALLEST_PACKET_BYTES:
            return None
        packet = Packet(APPLICATION, path.application.next_number, room_bytes, False)
        header_bytes = connection.operations.generate_header(connection, path, packet)
        packet.frames.append(frame)
        if connection.is_client and isinstance(frame, PathChallengeFrame):
            packet.frames.append(PingFrame())  # more than a probe: the peer is to follow (section 9.2)
        taken_bytes = header_bytes + sum(map(frame_size, packet.frames)) + AEAD_TAG_BYTES
        packet.frames.append(PaddingFrame(room_bytes - taken_bytes))
        packet.ack_eliciting = packet.in_flight = True
        packet.size_bytes = room_bytes
        datagram = sending.send(connection, path, (packet,))
        if datagram is not None:
            datagram.address = to
            if to != self.current:
                datagram.connection_id = number
                path.leave_out(packet)
        return datagram

    def write(self, datagrams: list[Datagram]) -> None:
        """Say of each datagram where it goes."""
        for datagram in datagrams:
            if datagram.address is None:
                datagram.address = self.current

    # Time

    def deadline_ns(self, connection: Connection, others_ns: int) -> int:
        """The connection's deadline, of which `others_ns` is what all else makes it."""
        challenge_ns = 0 if connection.path.is_amplification_limited else self._challenge_ns
        for instant_ns in (challenge_ns, self._give_up_ns):
            if instant_ns and (not others_ns or instant_ns < others_ns):
                others_ns = instant_ns
        return others_ns

    def on_deadline(self, connection: Connection) -> None:
        """Give the address up when its time is over, and go back to the last one that was validated (section 9.3.2)."""
        if not 0 < self._give_up_ns <= connection.now_ns:
            return
        path = connection.path
        self._asked.clear()
        self._challenge_ns = self._give_up_ns = 0
        self.is_busy = bool(self._responses)
        if path.state is PathState.UNVALIDATED:  # there was no room for a challenge
            path.move(PathInput.CHALLENGE_SENT)
        path.move(PathInput.TIMEOUT)
        if path.state is PathState.FAILED and self._validated is not None and self._validated != self.current:
            report_lost(connection, path.application.outstanding.values())
            path.begin_anew(connection.profile, connection.new_controller(), connection.now_ns)
            path.move(PathInput.FALL_BACK)
            path.is_limited = False
            self.current = self._validated
            ids = connection.ids.of_path(0)
            number = self._paired(connection, self._ours_validated)
            self._ours = self._ours_validated
            connection.ids.use(ids, ids.current if number is None else number)
            self._retire_others(connection)
