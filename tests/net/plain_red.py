"""Plain RED queues to hold ours against: one in exact fractions, one as Linux's C has it, on the plain link.

Nothing of `quicsim.net` is in them; the random numbers are handed in.
"""

from fractions import Fraction
from math import log, pow

from .plain import PlainLink


class PlainRed:
    """Floyd and Jacobson's figure 2, with exact numbers; `margin` is how near a decision came to being another."""

    def __init__(self, minimum, maximum, weight, max_p, packet_ns, gentle, wait, draw):
        self.minimum, self.maximum, self.weight, self.max_p = minimum, maximum, weight, max_p
        self.packet_ns, self.gentle, self.wait, self.draw = packet_ns, gentle, wait, draw
        self.avg = Fraction(0)
        self.count = 0
        self.margin = Fraction(1)

    def arrival(self, index, waiting, idle_ns):
        """None, "early" or "forced"; `idle_ns` is None while the link is busy."""
        if idle_ns is None:
            self.avg = (1 - self.weight) * self.avg + self.weight * waiting
        else:
            for _ in range(int(idle_ns / self.packet_ns) + 1):
                self.avg = (1 - self.weight) * self.avg
        for threshold in (self.minimum, self.maximum, 2 * self.maximum):
            self.margin = min(self.margin, abs(self.avg - threshold))
        if self.avg < self.minimum:
            self.count = 0
            return None
        if self.avg >= self.maximum and not (self.gentle and self.avg < 2 * self.maximum):
            self.count = 0
            return "forced"
        if self.avg < self.maximum:
            p_b = self.max_p * (self.avg - self.minimum) / (self.maximum - self.minimum)
        else:
            p_b = self.max_p + (1 - self.max_p) * (self.avg - self.maximum) / self.maximum
        self.count += 1
        p_a = self.spread(p_b)
        self.margin = min(self.margin, abs(self.draw(index) - p_a))
        if self.draw(index) < p_a:
            self.count = 0
            return "early"
        return None

    def spread(self, p_b):
        if self.wait:
            self.margin = min(self.margin, abs(self.count * p_b - 1))
            if self.count * p_b < 1:
                return Fraction(0)
            return p_b / (2 - self.count * p_b) if self.count * p_b < 2 else Fraction(1)
        before = (self.count - 1) * p_b
        return p_b / (1 - before) if before < 1 else Fraction(1)


class PlainLinuxRed:
    """What tc computes, in its floating point, and what the kernel does, in its integers."""

    def __init__(self, minimum, maximum, probability, avpkt, burst, bits_per_second, draw):
        self.min, self.max, self.draw = minimum, maximum, draw
        self.wlog = self.eval_ewma(minimum, burst, avpkt)
        self.refused = self.wlog is None or maximum.bit_length() + self.wlog >= 32
        if self.refused:
            return
        self.eval_idle(avpkt, bits_per_second)
        max_p = int(float(probability) * pow(2, 32)) % 2**32
        if max_p == 0:
            plog = self.eval_p(maximum - minimum, float(probability))
            max_p = (0xFFFFFFFF >> plog) * (maximum - minimum) % 2**32
        self.divisor = max(max_p // (maximum - minimum), 1)
        self.qavg, self.qcount, self.qr = 0, -1, 0

    @staticmethod
    def eval_ewma(qmin, burst, avpkt):
        w = 0.5
        a = burst + 1 - qmin / avpkt
        for wlog in range(1, 32):
            if a <= (1 - pow(1 - w, burst)) / w:
                return wlog
            w /= 2
        return None

    @staticmethod
    def eval_p(span, probability):
        probability /= span
        for plog in range(32):
            if probability > 1.0:
                return plog
            probability *= 2
        raise AssertionError

    def eval_idle(self, avpkt, bits_per_second):
        xmit = int(int(1_000_000 * (avpkt / (bits_per_second / 8))) * (1000 / 64))
        lw = -log(1.0 - 1.0 / (1 << self.wlog)) / xmit
        self.cell_log = 0
        while 31 / lw / (1 << self.cell_log) >= 512:
            self.cell_log += 1
        self.stab = [min(int((i << self.cell_log) * lw), 31) for i in range(255)] + [31]

    def arrival(self, index, waiting, idle_ns):
        if idle_ns is None:
            self.qavg = self.qavg + (waiting - (self.qavg >> self.wlog))
        else:
            us = min(idle_ns // 1000, 255 << self.cell_log)
            shift = self.stab[(us >> self.cell_log) & 255]
            if shift:
                self.qavg >>= shift
            else:
                us = (self.qavg * us) >> self.cell_log
                self.qavg = self.qavg - us if us < (self.qavg >> 1) else self.qavg >> 1
        if self.qavg < self.min << self.wlog:
            self.qcount = -1
            return None
        if self.qavg >= self.max << self.wlog:
            self.qcount = -1
            return "forced"
        self.qcount += 1
        if self.qcount:
            if not ((self.qavg - (self.min << self.wlog)) >> self.wlog) * self.qcount < self.qr:
                self.qcount = 0
                self.qr = self.random(index)
                return "early"
        else:
            self.qr = self.random(index)
        return None

    def random(self, index):
        return int(self.draw(index) * 2**32) // self.divisor


class PlainRedLink(PlainLink):
    """A plain link whose queue asks `red` at each arrival. ECT arrivals are marked, others dropped."""

    def __init__(self, loop, rate, delay, deliver, red, limit, *, ecn, hard_drop, in_packets=False):
        limits = {"limit_packets": limit} if in_packets else {"limit_bytes": limit}
        super().__init__(loop, 0, rate, delay, deliver, **limits)
        self.red, self.ecn, self.hard_drop, self.in_packets = red, ecn, hard_drop, in_packets
        self.idle_since = 0

    def send(self, size, ect):
        self.offered += 1
        packet = (self.offered, size)
        waiting = len(self.queue) if self.in_packets else sum(size for _, size in self.queue)
        wish = self.red.arrival(self.offered, waiting, None if self.busy else self.loop.now - self.idle_since)
        self.idle_since = self.loop.now
        marks = self.ecn and ect and not (wish == "forced" and self.hard_drop)
        if not self.fits(size) or (wish and not marks):
            self.record("dropped", packet)
            return
        if wish:
            self.record("marked", packet)
        if self.busy:
            self.queue.append(packet)
        else:
            self.serve(packet, Fraction(self.loop.now))

    def depart(self, packet, finish):
        super().depart(packet, finish)
        self.idle_since = self.loop.now
