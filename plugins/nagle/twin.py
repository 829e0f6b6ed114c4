"""Nagle's algorithm in Python, from RFC 896: no new small packet while earlier data is unacknowledged."""

from quicsim.quic.packet import APPLICATION
from tests.plugin.twins import Twin, at


class Native(Twin):
    """Holds small packets back, at most `delay` nanoseconds."""

    def start(self):
        """Nothing is held back."""
        self.until_ns = {}
        self.expired = set()
        self.repeats = False

    @at("replace/SendPacket")
    def send(self, default, connection, path, packet):
        """Send, unless it is a small packet of new data and the peer owes an acknowledgement."""
        new = packet.space is APPLICATION and packet.ack_eliciting and not self.repeats
        if not new:
            return default(connection, path, packet)
        owed = any(each.application.outstanding and not each.is_potentially_failed for each in connection.paths)
        small = packet.size_bytes <= path.datagram_bytes - 64
        if owed and small and packet.data_only and not packet.ends_stream and path not in self.expired:
            self.until_ns.setdefault(path, connection.now_ns + self.delay)
            if connection.now_ns < self.until_ns[path]:
                return 0
        self.until_ns.pop(path, None)
        return default(connection, path, packet)

    @at("replace/SetTimer")
    def set_timer(self, default, connection, path):
        """Wake up at the end of the delay."""
        deadline_ns = default(connection, path)
        ends = [deadline_ns] if deadline_ns else []
        if self.until_ns.get(path, 0) > connection.now_ns:
            ends.append(self.until_ns[path])
        return min(ends, default=0)

    @at("replace/SelectRetransmission")
    def select(self, default, connection, path, space):
        """Note what must not wait."""
        self.expired.discard(path)
        if path.timer_expired:
            self.expired.add(path)
        selected = default(connection, path, space)
        self.repeats = bool(selected)
        return selected
