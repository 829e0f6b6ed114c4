"""What may a client send before it has heard of its server, and what if that will not have it? 0-RTT.

RFC 9001 section 4.6, RFC 9000 sections 7.4.1 and 12.3. A client that was connected before goes by the limits that the
server had then. Its 0-RTT packets are numbered with those that follow; an answer may come with the server's first
flight. What the server rejects was as good as never sent, and goes out again once the handshake is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.datagram_frames import report_lost
from quicsim.quic.errors import ProtocolViolation
from quicsim.quic.frames import (
    DataBlockedFrame,
    ResetStreamFrame,
    StopSendingFrame,
    StreamDataBlockedFrame,
    StreamFrame,
    StreamsBlockedFrame,
)
from quicsim.quic.handshake import Resumption
from quicsim.quic.loss import probe_timeout_ns
from quicsim.quic.needed import is_needed
from quicsim.quic.packet import APPLICATION
from quicsim.quic.settings import ZeroRtt
from quicsim.quic.states import EARLY_DATA, EarlyDataInput, EarlyDataState, advance
from quicsim.quic.stream_control import take_limits
from quicsim.quic.stream_limits import limits_of

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.frames import Frame
    from quicsim.quic.handshake import Handshake
    from quicsim.quic.parameters import TransportParameters

__all__ = ["EarlyData"]

KEPT_TIMEOUTS = 3  # RFC 9001 section 4.9.3: how long a server keeps 0-RTT keys for packets that come late
NEVER_REDUCED = (
    "max_data", "max_stream_data", "max_streams", "max_unidirectional_streams", "max_datagram_frame_bytes",
    "active_connection_id_limit",
)  # fmt: skip
"""RFC 9000 section 7.4.1, RFC 9221 section 3."""
OF_STREAMS = (StreamFrame, ResetStreamFrame, DataBlockedFrame, StreamDataBlockedFrame, StreamsBlockedFrame)
"""What follows anew from the streams and the new limits."""


class EarlyData:
    """One end's part in 0-RTT."""

    __slots__ = ("_kept_until_ns", "_policy", "remembered", "state")

    def __init__(self, policy: ZeroRtt | None, remembered: TransportParameters | None) -> None:
        self._policy = policy
        """Of a server."""
        self.remembered = remembered
        """Of a client: what the server said of itself the last time; None: it was never connected."""
        self.state = EarlyDataState.NONE
        self._kept_until_ns = 0

    @property
    def may_be_sent(self) -> bool:
        """Whether what this end, a client, sends of application data goes in 0-RTT packets."""
        return self.state is EarlyDataState.OFFERED

    def may_be_read(self, connection: Connection) -> bool:
        """Whether this end, a server, has the keys of 0-RTT packets; for some time after the handshake too."""
        if self.state is not EarlyDataState.ACCEPTED or connection.is_client:
            return False
        return not self._kept_until_ns or connection.now_ns < self._kept_until_ns

    def _move(self, given: EarlyDataInput) -> None:
        self.state = advance(EARLY_DATA, self.state, given)

    # The client

    def offer(self, connection: Connection) -> None:
        """A client connects: with remembered limits, its application may send at once."""
        if self.remembered is None:
            return
        self._move(EarlyDataInput.OFFER)
        connection.handshake.resumption = Resumption.KEY | Resumption.EARLY_DATA
        take_limits(connection, self.remembered)
        connection.path.open_for_sending(APPLICATION)

    def answered(self, connection: Connection, handshake: Handshake) -> None:
        """The server's flight is there. Raises ProtocolViolation where it accepts and has reduced a limit."""
        if self.state is not EarlyDataState.OFFERED:
            return
        if Resumption.EARLY_DATA not in handshake.peer_resumption:
            self._move(EarlyDataInput.REJECT)
            forget_what_was_sent(connection)
            return
        self._move(EarlyDataInput.ACCEPT)
        for name in NEVER_REDUCED:
            before, now = getattr(self.remembered, name), getattr(handshake.peer_parameters, name)
            if now < before:
                raise ProtocolViolation(f"the server accepted 0-RTT and reduced {name} from {before} to {now}")

    # The server

    def granted(self, asked: Resumption) -> Resumption:
        """What this server grants of what a ClientHello asks for; without an own part in 0-RTT it knows no ticket."""
        if Resumption.EARLY_DATA in asked:
            self._move(EarlyDataInput.OFFER)
            self._move(EarlyDataInput.ACCEPT if self._policy is ZeroRtt.ACCEPTED else EarlyDataInput.REJECT)
        if self._policy is None:
            return Resumption.NOTHING
        return asked if self._policy is ZeroRtt.ACCEPTED else asked & Resumption.KEY

    def completed(self, connection: Connection) -> None:
        """The handshake is complete: the keys are kept for packets that were overtaken."""
        timeout_ns = probe_timeout_ns(connection, connection.path, APPLICATION)
        self._kept_until_ns = connection.now_ns + KEPT_TIMEOUTS * timeout_ns


def forget_what_was_sent(connection: Connection) -> None:
    """Packets leave the flight without a word to congestion control (RFC 9002 section 6.4); streams begin anew.

    They wait for the limits that the server has now, each with what ends it early.
    """
    space = connection.path.application
    packets = [*space.lost.values(), *space.outstanding.values()]
    report_lost(connection, packets)
    frames: list[Frame] = [frame for packet in packets for frame in packet.frames]
    frames += space.pending
    connection.path.forget(space)
    space.oldest = space.next_number
    connection.path.timer_is_stale = True
    connection.ready_streams.clear()
    connection.flow.begin_anew()
    for limits in connection.stream_limits:
        limits.begin_anew()
    for stream in connection.sending_streams.values():
        stream.begin_anew()
        limits_of(connection, stream.stream_id).hold(stream)
    for frame in dict.fromkeys(frames):
        if isinstance(frame, OF_STREAMS) or not is_needed(connection, space, frame):
            continue
        if isinstance(frame, StopSendingFrame):
            connection.sending_streams[frame.stream_id].stop_frame = frame
        else:
            space.pending.append(frame)
