"""The sending rate in Python."""

from tests.plugin.twins import Twin, at

SECOND_NS = 1_000_000_000


class Native(Twin):
    """Sums up what is sent, window by window."""

    def start(self):
        """Nothing was sent."""
        self.first_ns = None
        self.sent = {}

    @at("after/SendPacket")
    def measure(self, result, connection, path, packet):
        """Report the last window as soon as a packet of a later one goes out."""
        if not result:
            return
        if self.first_ns is None:
            self.first_ns = connection.now_ns
        number = (connection.now_ns - self.first_ns) // self.window
        if number not in self.sent and self.sent:
            self.log(self.sent[max(self.sent)] * SECOND_NS // self.window)
        self.sent[number] = self.sent.get(number, 0) + packet.size_bytes
