"""How often does an endpoint ask to be acknowledged, and how often was it asked to? draft-ietf-quic-ack-frequency-14.

A host that is to ask does so when the handshake is confirmed, and again when what it may ask for has changed: a sender
needs several ACKs a round trip, and both its window and the round-trip time move. When a packet that arrives is
acknowledged decides operations/decide_ack.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.errors import FrameEncodingError, ProtocolViolation, TransportParameterError
from quicsim.quic.frames import AckFrequencyFrame

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Packet
    from quicsim.quic.parameters import TransportParameters
    from quicsim.quic.sent import PacketNumberSpace
    from quicsim.quic.settings import Settings

__all__ = ["AckFrequencies", "asked_at_once", "is_reordered"]

MICROSECOND_NS = 1_000
DEFAULT_MAX_ACK_DELAY_NS = 25_000_000  # RFC 9000 section 18.2
LONGEST_DELAY_US = (1 << 14) * 1_000  # RFC 9000 section 18.2
ACKS_A_ROUND_TRIP = 4  # draft-ietf-ccwg-bbr-06 section 4.1.3.3; here section 8.1 asks for one at the least
RELEVANT_CHANGE = 2  # assumed: section 8.1 has no frame sent for a small change


class AckFrequencies:
    """What both ends of a connection have asked of each other. Durations and instants in nanoseconds."""

    __slots__ = (
        "_acknowledged_ns",
        "_in_flight",
        "_latest",
        "_peer_minimum_ns",
        "_processed",
        "_silent_until_ns",
        "_wanted",
        "asks",
        "has_asked",
        "is_asked",
        "minimum_us",
        "reordering",
        "threshold",
    )

    def __init__(self, settings: Settings) -> None:
        own_ns = settings.min_ack_delay_ns
        self.minimum_us = None if own_ns is None else -(-own_ns // MICROSECOND_NS)
        """This end takes such requests, but none for less delay than this; None: it takes none."""
        self.is_asked = False
        """The peer has asked."""
        self.threshold = 1
        """So many ack-eliciting packets may arrive without an ACK; by RFC 9000 section 13.2.2, one."""
        self.reordering = 1
        """So far out of order a packet is acknowledged at once; by RFC 9000 section 13.2.1, by one; 0: never."""
        self._processed = -1
        """The largest sequence number of the peer's."""
        self.asks = False
        """This end is to ask, and the peer takes it."""
        self._peer_minimum_ns = 0
        self._wanted = settings.ack_frequency
        self.has_asked = False
        """The peer may by now delay its ACKs for longer than by itself."""
        self._latest: AckFrequencyFrame | None = None
        self._silent_until_ns = 0
        """A round trip after the latest."""
        self._acknowledged_ns: int | None = None
        """The delay that the peer is known to have adopted; None: it goes by its own."""
        self._in_flight: dict[int, int] = {}
        """By sequence number, the delays asked for that it may have adopted by now."""

    # What the peer asks of this end

    def received(self, connection: Connection, frame: AckFrequencyFrame) -> None:
        """Section 4. Raises ProtocolViolation for a delay that this end has said it does not take."""
        if self.minimum_us is None:
            raise FrameEncodingError("ACK_FREQUENCY came from a peer that was told of no min_ack_delay", 0xAF)
        delay_us = frame.requested_max_ack_delay_us
        if not self.minimum_us <= delay_us < LONGEST_DELAY_US:
            text = f"ACK_FREQUENCY asks for {delay_us} us; from {self.minimum_us} to {LONGEST_DELAY_US - 1} it may"
            raise ProtocolViolation(text, 0xAF)
        if frame.sequence_number <= self._processed:
            return
        self._processed = frame.sequence_number
        self.is_asked = True
        self.threshold = frame.ack_eliciting_threshold
        self.reordering = frame.reordering_threshold
        connection.max_ack_delay_ns = delay_us * MICROSECOND_NS

    # What this end asks of its peer

    def agree(self, parameters: TransportParameters) -> None:
        """The peer's transport parameters are known (section 3). Raises TransportParameterError."""
        minimum_ns, maximum_ns = parameters.min_ack_delay_ns, parameters.max_ack_delay_ns
        if minimum_ns is None:
            return
        if minimum_ns > (DEFAULT_MAX_ACK_DELAY_NS if maximum_ns is None else maximum_ns):
            raise TransportParameterError(f"min_ack_delay is {minimum_ns} ns, which is above max_ack_delay")
        self._peer_minimum_ns = minimum_ns
        self.asks = self._wanted is not None

    def ask(self, connection: Connection) -> None:
        """Have an ACK_FREQUENCY frame go out if there is something new to ask for, once a round trip at the most.

        What is wanted is the most: there are several ACKs a round trip and a window (section 8.1).
        """
        if self._in_flight or connection.now_ns < self._silent_until_ns or not connection.is_confirmed:
            return
        paths = [path for path in connection.paths if path.is_open and path.rtt.has_sample]
        if not paths or self._wanted is None:
            return
        rtt_ns = min(path.rtt.smoothed_ns for path in paths)
        packets = min(path.cwnd_bytes // path.datagram_bytes for path in paths)
        wanted, latest = self._wanted, self._latest
        longest_us = wanted.max_ack_delay_ns // MICROSECOND_NS
        least_us = -(-self._peer_minimum_ns // MICROSECOND_NS)
        delay_us = max(min(longest_us, rtt_ns // ACKS_A_ROUND_TRIP // MICROSECOND_NS), least_us)
        threshold = min(wanted.ack_eliciting_threshold, packets // ACKS_A_ROUND_TRIP)
        if latest is not None and not (
            is_relevant(latest.ack_eliciting_threshold, threshold, wanted.ack_eliciting_threshold)
            or is_relevant(latest.requested_max_ack_delay_us, delay_us, longest_us)
        ):
            return
        sequence_number = 0 if latest is None else latest.sequence_number + 1
        frame = AckFrequencyFrame(sequence_number, threshold, delay_us, wanted.reordering_threshold)
        self._latest, self.has_asked = frame, True
        self._silent_until_ns = connection.now_ns + rtt_ns
        self._in_flight[sequence_number] = delay_us * MICROSECOND_NS
        self._expect(connection)
        connection.announce(frame)

    def is_needed(self, frame: AckFrequencyFrame) -> bool:
        """Whether a frame that was lost is to be repeated: the latest, until the peer has it."""
        return frame == self._latest and frame.sequence_number in self._in_flight

    def acknowledged(self, connection: Connection, frame: AckFrequencyFrame) -> None:
        """The peer has it, and with it has done away with those before."""
        if self._in_flight.pop(frame.sequence_number, None) is None:
            return
        self._in_flight = {number: ns for number, ns in self._in_flight.items() if number > frame.sequence_number}
        self._acknowledged_ns = frame.requested_max_ack_delay_us * MICROSECOND_NS
        self._expect(connection)

    def _expect(self, connection: Connection) -> None:
        """Section 7: probe timeouts reckon with the longest delay that the peer may go by now."""
        current_ns = self._acknowledged_ns
        if current_ns is None:
            parameters = connection.handshake.peer_parameters
            told_ns = None if parameters is None else parameters.max_ack_delay_ns
            current_ns = connection.profile.assumed_peer_max_ack_delay_ns if told_ns is None else told_ns
        connection.peer_max_ack_delay_ns = max(current_ns, *self._in_flight.values(), 0)


def is_relevant(told: int, suitable: int, most: int) -> bool:
    """Whether a value has changed so much, or has become what is wanted at most, that the peer is to be told."""
    grows = suitable > told and (suitable >= RELEVANT_CHANGE * told or suitable == most)
    return grows or RELEVANT_CHANGE * suitable <= told > suitable


def asked_at_once(connection: Connection, space: PacketNumberSpace) -> None:
    """An IMMEDIATE_ACK frame has come (section 5). Raises FrameEncodingError from who may not send it."""
    if connection.ack_frequency.minimum_us is None:
        raise FrameEncodingError("IMMEDIATE_ACK came from a peer that was told of no min_ack_delay", 0x1F)
    space.received.wanted_at_once = True


def is_reordered(space: PacketNumberSpace, packet: Packet, threshold: int) -> bool:
    """Whether packets are so far out of order that the peer is to know at once (section 6.2), where more than by one.

    Either it can now take a packet for lost that no ACK has shown missing, or has taken for lost the one that has come.
    """
    received = space.received
    reported = received.largest_reported - threshold
    if packet.number <= reported:
        return True
    largest = received.largest_ack_eliciting
    missing = received.ranges.missing(max(reported + 1, received.floor, 0), largest)
    return bool(missing) and largest - missing[0][0] >= threshold
