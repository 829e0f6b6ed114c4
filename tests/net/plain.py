"""A plain link to hold ours against: a departure and an arrival event each, Fractions for time, an explicit queue.

Written for being seen to be right: nothing of `quicsim.net` or of the clock is in it.
"""

import heapq
from collections import deque
from fractions import Fraction
from math import ceil

DEPARTURE, ARRIVAL, OFFER = range(3)


class PlainLoop:
    """Events in the order (instant, kind, number)."""

    def __init__(self):
        self.heap = []
        self.now = 0

    def at(self, time, kind, number, function, *arguments):
        heapq.heappush(self.heap, (time, kind, number, function, arguments))

    def run(self, until=None):
        while self.heap and (until is None or self.heap[0][0] < until):
            self.now, _, _, function, arguments = heapq.heappop(self.heap)
            function(*arguments)


class PlainLink:
    """One direction. `log` takes (what, index, instant) of each departure, arrival, drop and loss."""

    def __init__(
        self, loop, number, rate, delay, deliver, limit_bytes=None, limit_packets=None, lost=lambda index: False
    ):
        self.loop, self.number, self.rate, self.delay, self.deliver = loop, number, rate, delay, deliver
        self.limit_bytes, self.limit_packets, self.lost = limit_bytes, limit_packets, lost
        self.queue = deque()
        self.busy = False
        self.offered = 0
        self.log = []

    def send(self, size):
        self.offered += 1
        packet = (self.offered, size)
        if not self.busy:
            self.serve(packet, Fraction(self.loop.now))
        elif not self.fits(size):
            self.record("dropped", packet)
        else:
            self.queue.append(packet)

    def fits(self, size):
        if self.limit_packets is not None and len(self.queue) + 1 > self.limit_packets:
            return False
        return self.limit_bytes is None or sum(waiting for _, waiting in self.queue) + size <= self.limit_bytes

    def serve(self, packet, start):
        self.busy = True
        finish = start + Fraction(packet[1] * 8 * 10**9, self.rate)
        self.loop.at(ceil(finish), DEPARTURE, self.entry_number(packet), self.depart, packet, finish)

    def depart(self, packet, finish):
        self.busy = False
        if self.lost(packet[0]):
            self.record("lost", packet)
        else:
            self.record("departed", packet)
            self.loop.at(self.loop.now + self.delay, ARRIVAL, self.entry_number(packet), self.arrive, packet)
        if self.queue:
            self.serve(self.queue.popleft(), finish)

    def arrive(self, packet):
        self.record("arrived", packet)
        self.deliver(packet[1])

    def record(self, what, packet):
        self.log.append((what, packet[0], self.loop.now))

    def entry_number(self, packet):
        return (self.number, packet[0])
