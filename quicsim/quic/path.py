"""What does an endpoint know about one network path? RFC 9000 section 8, RFC 9002.

A path has its own packet number space, round-trip time, congestion window and timer; the first path also carries the
handshake's two spaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.congestion.delivery_rate import DeliveryRate
from quicsim.quic.packet import (
    APPLICATION,
    ECT_0,
    INITIAL,
    MINIMUM_INITIAL_BYTES,
    NOT_ECT,
    SMALLEST_PACKET_BYTES,
    Space,
)
from quicsim.quic.rtt import RttEstimator
from quicsim.quic.sent import PacketNumberSpace
from quicsim.quic.spurious import Recovery
from quicsim.quic.states import PATH, PathInput, PathState, SendingProcessState, advance
from quicsim.quic.streams import CryptoStream

if TYPE_CHECKING:
    from quicsim.quic.congestion.base import CongestionController
    from quicsim.quic.ecn import EcnMarking
    from quicsim.quic.packet import Packet
    from quicsim.quic.profiles import Profile
    from quicsim.randomness import Stream

__all__ = ["AMPLIFICATION_FACTOR", "MAXIMUM_PATHS", "Path"]

MAXIMUM_PATHS = 8

AMPLIFICATION_FACTOR = 3
"""Before the peer's address is validated, an endpoint sends at most three times what it received (RFC 9000 8.1)."""


class Path:
    """One path's state. Sizes are bytes of UDP payload, instants and durations nanoseconds."""

    __slots__ = (
        "_fills_window_beyond_its_end",
        "_uncounted_received",
        "_uncounted_sent",
        "accepted_past_deadline_ns",
        "acknowledged_on",
        "application",
        "began_ns",
        "bytes_in_flight",
        "bytes_received",
        "bytes_sent",
        "challenges",
        "chance",
        "congestion",
        "cwnd_bytes",
        "datagram_bytes",
        "deadline_ns",
        "delivery",
        "ecn",
        "ecn_codepoint",
        "expired_for_loss",
        "expired_ns",
        "expiries",
        "first_rtt_sample_ns",
        "follows_acks",
        "is_backup",
        "is_limited",
        "is_open",
        "is_potentially_failed",
        "last_progress_ns",
        "last_received_ns",
        "last_report_ns",
        "last_scheduled",
        "last_sent_ns",
        "minimum_window_bytes",
        "open_spaces",
        "opened_here",
        "paced_until_ns",
        "pacing_rate",
        "pacing_schedule_ns",
        "packets_sent",
        "path_id",
        "peer_rtt_ns",
        "peer_status_sequence",
        "probes_left",
        "pto_count",
        "recovery",
        "rtt",
        "samples_delivery",
        "send_quantum_bytes",
        "sending_state",
        "size_to_probe_bytes",
        "spaces",
        "ssthresh_bytes",
        "state",
        "status_sequence",
        "timer_expired",
        "timer_is_stale",
        "trace_base",
        "window_margin_bytes",
    )

    def __init__(
        self, path_id: int, profile: Profile, datagram_bytes: int, congestion: CongestionController, chance: Stream
    ) -> None:
        self.path_id = path_id
        self.trace_base = path_id << 56
        """What marks the path's packets in the digest."""
        self.began_ns = 0
        """When the peer or this endpoint came to the present address: what was sent before says nothing of it."""
        self.is_limited = True
        """The amplification limit holds: nobody has proved to be at the peer's address (RFC 9000 section 8)."""
        self._uncounted_received = self._uncounted_sent = 0
        """What came from and went to an address before this one."""
        self.is_open = False
        """Both ends know the path: packets may be sent on it."""
        self.is_potentially_failed = False
        """A retransmission timeout came and nothing has arrived since (mp-quic's scheduler leaves such a path out)."""
        self.opened_here = False
        """This end asked for it: the limit that keeps others from being flooded is not for it."""
        self.is_backup = False
        """It is used only where no other is."""
        self.status_sequence = self.peer_status_sequence = 0
        """Number of the last status frame of either end."""
        self.challenges = 0
        """How many PATH_CHALLENGE frames went out on it."""
        self.acknowledged_on = -1
        """The path that its acknowledgements last came by; -1: none has."""
        self.last_scheduled = 0
        """Which of all packets with data was the last to take it, counted from 1."""
        self.last_progress_ns = 0
        """When a packet that was sent on it was last acknowledged, on whichever path; 0: none was."""
        self.last_received_ns = -1
        """When a datagram last arrived on the path; -1: none has."""
        self.last_report_ns = 0
        """When a PATHS frame last went out on it; 0: none has."""
        self.last_sent_ns = -1
        """When a packet last went out on it; -1: none has."""
        self.peer_rtt_ns = 0
        """The smoothed round-trip time that the peer reports; 0: none."""
        self.packets_sent = 0
        self._fills_window_beyond_its_end = profile.fills_window_beyond_its_end
        self.set_datagram_size(datagram_bytes)
        self.size_to_probe_bytes = 0
        """The datagram that is still to be tried; 0: none."""
        self.spaces = tuple(PacketNumberSpace(kind) for kind in Space)
        self.application = self.spaces[APPLICATION]
        self.open_spaces: list[PacketNumberSpace] = []
        """The spaces that can send, in the order of coalescing."""
        self.rtt = RttEstimator(profile.initial_rtt_ns)
        self.first_rtt_sample_ns = 0
        self.congestion = congestion
        self.recovery = Recovery() if congestion.undoes else None
        """What may prove not to have been lost; None: nobody asks."""
        self.samples_delivery = congestion.samples_delivery
        self.follows_acks = congestion.follows_acks
        self.delivery = DeliveryRate()
        """Kept where the controller asks for it."""
        self.chance = chance
        """What the controller draws from."""
        self.cwnd_bytes = profile.initial_window_bytes(datagram_bytes)
        self.minimum_window_bytes = profile.minimum_window_bytes(datagram_bytes)
        self.ssthresh_bytes = 1 << 62
        self.bytes_in_flight = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.pto_count = 0
        self.deadline_ns = 0
        """When the retransmission timer expires; 0: it is disarmed."""
        self.timer_is_stale = True
        """Something that SetTimer goes by has changed since it last ran."""
        self.timer_expired = False
        """The present run of the sending process was triggered by the retransmission timer."""
        self.expired_for_loss = False
        """It was set for a packet that became lost by time: no probe timeout has come (RFC 9002 appendix A.9)."""
        self.accepted_past_deadline_ns = -1
        self.expired_ns = -1
        """When the retransmission timer expired last, and how often at that instant."""
        self.expiries = 0
        self.probes_left = 0
        self.paced_until_ns = 0
        """What PacePacket said last: no packet in flight goes out before."""
        self.pacing_rate = 0
        """Bytes a second, where the controller has a rate of its own; 0: it follows from the window."""
        self.send_quantum_bytes = 0
        """What may leave at once at that rate."""
        self.pacing_schedule_ns = 0
        """When the packets sent so far would have gone out, evenly spaced."""
        self.ecn: EcnMarking | None = None
        """What marks its packets by itself; None: nothing does, or a plugin."""
        self.ecn_codepoint = NOT_ECT
        """What its datagrams are sent with: 0 not ECT, 1 ECT(1), 2 ECT(0) (RFC 3168 section 5)."""
        self.state = PathState.UNVALIDATED
        self.sending_state = SendingProcessState.APPLICATION_LIMITED

    def mark(self, marking: EcnMarking) -> None:
        """Send packets as ECN-capable from now on, as long as the path carries the marks."""
        self.ecn = marking
        self.ecn_codepoint = ECT_0

    def set_datagram_size(self, datagram_bytes: int) -> None:
        """Let full datagrams be as large as this from now on."""
        self.datagram_bytes = datagram_bytes
        self.window_margin_bytes = 0 if self._fills_window_beyond_its_end else datagram_bytes
        """What must fit in the window before a packet is begun."""

    @property
    def window_is_open(self) -> bool:
        """Whether a full datagram fits in the congestion window (RFC 9002 section 7), or for some stacks a byte."""
        return self.bytes_in_flight + self.window_margin_bytes <= self.cwnd_bytes

    @property
    def outstanding_count(self) -> int:
        """How many packets with application data are in flight."""
        return len(self.application.outstanding)

    @property
    def outstanding_ack_eliciting(self) -> int:
        """How many of them ask for an acknowledgement."""
        return self.application.ack_eliciting_in_flight

    @property
    def amplification_room_bytes(self) -> int:
        """What may be sent before the peer's address is validated; the whole of a datagram afterwards."""
        if not self.is_limited or self.opened_here:
            return self.datagram_bytes
        received_bytes = self.bytes_received - self._uncounted_received
        return AMPLIFICATION_FACTOR * received_bytes - (self.bytes_sent - self._uncounted_sent)

    @property
    def is_amplification_limited(self) -> bool:
        """Whether nothing may be sent until the peer sends more."""
        return self.amplification_room_bytes < SMALLEST_PACKET_BYTES

    def has_room_in(self, kind: Space) -> bool:
        """Whether the amplification limit leaves room for a packet of this space, an Initial padded to its minimum."""
        if not self.is_limited:
            return True
        return self.amplification_room_bytes >= (MINIMUM_INITIAL_BYTES if kind is INITIAL else SMALLEST_PACKET_BYTES)

    def open(self, kind: Space) -> None:
        """Keys for sending and receiving in this space are there."""
        space = self.spaces[kind]
        space.can_send = space.can_receive = True
        self.open_spaces = [space for space in self.spaces if space.can_send]

    def open_for_sending(self, kind: Space) -> None:
        """Keys for sending in this space are there, those for receiving not yet."""
        self.spaces[kind].can_send = True
        self.open_spaces = [space for space in self.spaces if space.can_send]

    def discard(self, kind: Space) -> None:
        """The keys of a space are thrown away, and with them whatever is in flight there (RFC 9002 section 6.4)."""
        space = self.spaces[kind]
        if not space.can_send:
            return
        self.forget(space)
        space.can_send = space.can_receive = False
        self.pto_count = 0
        self.timer_is_stale = True
        self.open_spaces = [other for other in self.spaces if other.can_send]

    def restart(self, kind: Space, *, keeps_number: bool) -> None:
        """Nothing that was sent in a space counts; the keys stay."""
        space = self.spaces[kind]
        self.forget(space)
        space.crypto = CryptoStream()
        if not keeps_number:
            space.next_number = 0
        space.oldest = space.next_number

    def give_up(self) -> None:
        """The connection ends: nothing that was sent matters any more. The keys stay."""
        for space in self.spaces:
            self.forget(space)
        self.deadline_ns = 0

    def forget(self, space: PacketNumberSpace) -> None:
        """Nothing of what was sent in a space, or waits there, matters any more."""
        self.bytes_in_flight -= sum(packet.size_bytes for packet in space.outstanding.values())
        space.outstanding.clear()
        space.lost.clear()
        space.pending.clear()
        space.ack_eliciting_in_flight = 0
        space.loss_time_ns = 0
        space.received.deadline_ns = 0
        space.ping_needed = False

    def validate(self) -> None:
        """The peer proved in the handshake that it receives at its address."""
        self.move(PathInput.HANDSHAKE_PACKET)
        self.is_limited = False
        self.timer_is_stale = True

    def move(self, given: PathInput) -> None:
        """Advance the path's state machine."""
        self.state = advance(PATH, self.state, given)

    def limit(self, arrived_bytes: int) -> None:
        """The peer has another address, from which a datagram of this size has just come (section 9.3)."""
        self.is_limited = True
        self._uncounted_received = self.bytes_received - arrived_bytes
        self._uncounted_sent = self.bytes_sent

    def leave_out(self, packet: Packet) -> None:
        """A probe that was just sent went elsewhere: whether and when it arrives says nothing of this address."""
        self._uncounted_sent += packet.size_bytes
        self.bytes_in_flight -= packet.size_bytes
        self.application.ack_eliciting_in_flight -= 1
        del self.application.outstanding[packet.number]
        self.timer_is_stale = True

    def begin_anew(self, profile: Profile, congestion: CongestionController, now_ns: int) -> None:
        """Forget round-trip time and congestion: nothing is known of the way to another address (section 9.4).

        What is in flight counts no more, and is repeated, unless its acknowledgement still comes.
        """
        space = self.application
        for packet in space.outstanding.values():
            packet.in_flight = False
        space.lost |= space.outstanding
        space.outstanding = {}
        space.oldest = space.next_number
        space.ack_eliciting_in_flight = space.loss_time_ns = self.bytes_in_flight = 0
        self.rtt = RttEstimator(profile.initial_rtt_ns)
        self.first_rtt_sample_ns = self.pto_count = 0
        self.paced_until_ns = self.pacing_schedule_ns = self.pacing_rate = self.send_quantum_bytes = 0
        self.delivery = DeliveryRate()
        self.began_ns = now_ns
        self.congestion = congestion
        self.recovery = Recovery() if congestion.undoes else None
        self.cwnd_bytes = profile.initial_window_bytes(self.datagram_bytes)
        self.ssthresh_bytes = 1 << 62
        self.timer_is_stale = True
        if self.ecn is not None:
            self.ecn.begin_anew(self)
