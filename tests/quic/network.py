"""The pipe with a network in it: loss, reordering, duplication, rates that change, a queue that overflows, marks.

Each direction goes by a `Weather`, which is data: what fails can be written down and run again.
"""

import heapq
from dataclasses import dataclass

from tests.quic.pipe import MILLISECOND_NS, OTHER, Pipe

CE = 3


@dataclass(frozen=True, slots=True)
class Weather:
    """What a direction does to its datagrams. The first ones are lost, delayed, doubled as said; then it clears up."""

    lost: frozenset = frozenset()
    """By the datagram's index, as all that follows."""
    late_ms: tuple = ()
    """(index, milliseconds): later ones overtake it."""
    doubled_ms: tuple = ()
    """(index, milliseconds): a second copy arrives so much later."""
    marked: frozenset = frozenset()
    """Those that say ECT arrive with CE."""
    bleached: frozenset = frozenset()
    """They arrive with no codepoint."""
    rates: tuple = ()
    """(milliseconds, kilobits a second), over and over; a rate of 0 is an outage. Empty: without limit."""
    queue_bytes: int = 1 << 30
    """What may wait."""


class Network(Pipe):
    """Two connections under some weather each way."""

    def __init__(self, profile="rfc9002", *, weather, **how):
        super().__init__(profile, **how)
        self.weather = weather
        self.free_ns = dict.fromkeys(weather, 0)
        self.waiting = {name: [] for name in weather}
        self.doubled = 0
        self.client_address = None
        """Where the server sees the client; None: it is not told."""
        self.reachable = set()
        """Addresses at which the client is, or still is, to be reached."""

    def _send(self, name, datagram):
        self._measure(name, datagram)
        index = len(self.sides[name].sizes) - 1
        weather = self.weather[name]
        self.sent += 1
        waiting = self.waiting[name] = [entry for entry in self.waiting[name] if entry[0] > self.now_ns]
        if name == "client" and self.client_address is not None:
            datagram.address = self.client_address
        nowhere = name == "server" and datagram.address is not None and datagram.address not in self.reachable
        is_full = sum(size for _, size in waiting) + datagram.size_bytes > weather.queue_bytes
        if nowhere or is_full or index in weather.lost:
            self.dropped += 1
            return
        departure_ns = self._departure_ns(name, datagram.size_bytes)
        waiting.append((departure_ns, datagram.size_bytes))
        if datagram.ecn and index in weather.marked:
            datagram.ecn = CE
        if index in weather.bleached:
            datagram.ecn = 0
        arrival_ns = departure_ns + self.delay_ns + dict(weather.late_ms).get(index, 0) * MILLISECOND_NS
        self._arrive(arrival_ns, name, datagram)
        if index in (doubled := dict(weather.doubled_ms)):
            self.doubled += 1
            self.sent += 1
            self._arrive(arrival_ns + doubled[index] * MILLISECOND_NS, name, datagram)

    def _arrive(self, instant_ns, name, datagram):
        self.entries += 1
        heapq.heappush(self.heap, (instant_ns, self.entries, OTHER[name], datagram))

    def _departure_ns(self, name, size_bytes):
        """When the datagram's last bit is out: behind those before it, slot by slot of the rate's pattern."""
        rates = self.weather[name].rates
        at_ns = max(self.now_ns, self.free_ns[name])
        if not rates:
            return at_ns
        period_ns = sum(length for length, _ in rates) * MILLISECOND_NS
        bits = size_bytes * 8
        while True:
            within_ns = at_ns % period_ns
            slots = iter(rates)
            length, kbps = next(slots)
            while within_ns >= length * MILLISECOND_NS:
                within_ns -= length * MILLISECOND_NS
                length, kbps = next(slots)
            left_ns = length * MILLISECOND_NS - within_ns
            needed_ns = -(-bits * 1_000_000 // kbps) if kbps else left_ns + 1
            if needed_ns <= left_ns:
                self.free_ns[name] = at_ns + needed_ns
                return at_ns + needed_ns
            bits -= left_ns * kbps // 1_000_000
            at_ns += left_ns

    def check(self, name):
        """Beside what the pipe checks: no timer lies in the past, whatever happened."""
        super().check(name)
        connection = self.sides[name].connection
        assert not connection.deadline_ns or connection.deadline_ns >= self.now_ns, "a timer in the past"
