"""The tail loss probe in Python, from draft-ietf-quic-recovery-13 section 4.3.2 and not from the C."""

from quicsim.quic.packet import APPLICATION
from tests.plugin.twins import Twin, at

MINIMUM_NS = 10_000_000


class Native(Twin):
    """Probes a tail before the retransmission timer expires."""

    def start(self):
        """No probe is due, no tail is known."""
        self.probe_at_ns = self.tail = self.probes = 0

    @at("replace/SetTimer")
    def set_timer(self, default, connection, path):
        """The probe's instant where it is the earlier one."""
        deadline_ns = default(connection, path)
        self.probe_at_ns = 0
        count = path.outstanding_ack_eliciting
        packets = path.application.outstanding
        if not count or not packets:
            return deadline_ns
        if min(packets) != self.tail:
            self.tail, self.probes = min(packets), 0
        smoothed_ns = path.rtt.smoothed_ns
        wanted = 3 * smoothed_ns // 2 + connection.peer_max_ack_delay_ns if count == 1 else MINIMUM_NS
        probe_at_ns = path.application.last_ack_eliciting_sent_ns + max(wanted, 2 * smoothed_ns)
        if self.probes < 2 and connection.now_ns < probe_at_ns < deadline_ns:
            self.probe_at_ns = deadline_ns = probe_at_ns
        return deadline_ns

    @at("replace/SelectRetransmission")
    def select(self, default, connection, path, space):
        """The last outstanding packet when the probe is due."""
        due = 0 < self.probe_at_ns <= connection.now_ns and path.timer_expired
        if space.kind is not APPLICATION or not due:
            return default(connection, path, space)
        self.probe_at_ns = 0
        if not space.outstanding:
            return default(connection, path, space)
        self.probes += 1
        return max(space.outstanding) + 1
