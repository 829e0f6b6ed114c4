"""A window held to rate * RTT, in Python."""

from tests.plugin.twins import Twin, at

SECOND_NS = 1_000_000_000


class Native(Twin):
    """Lets the path's controller work and caps what comes out."""

    @at("replace/CongestionControl")
    def cap(self, default, connection, path, event, packet_bytes, packet_sent_ns):
        """On one path, no more than the rate fills in a round trip of a second at most; never under the minimum."""
        window = default(connection, path, event, packet_bytes, packet_sent_ns)
        if path.path_id == self.path:
            most = self.rate * min(path.rtt.smoothed_ns, SECOND_NS) // SECOND_NS
            window = path.cwnd_bytes = min(window, max(most, path.minimum_window_bytes))
        return window
