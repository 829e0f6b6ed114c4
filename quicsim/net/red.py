"""How does a queue ask for less before it is full? Random early detection: marks or drops by the average queue.

`Red` is Floyd and Jacobson, "Random Early Detection Gateways for Congestion Avoidance", IEEE/ACM Transactions on
Networking 1(4), 1993, with Floyd's gentle slope of 2000 and ns-3's wait. `LinuxRed` is what `tc qdisc add ... red`
makes of the same idea on Linux 4: tables and shifts of its own. What waits is measured at each arrival, before it.

All in integers. The average is in fixed point, probabilities are ratios of integers and are compared with the draw of
the arrival's own index, so a decision never hangs on the last bit of a floating-point function.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from quicsim.net.queue import ACCEPT, DROP, MARK, Verdict

if TYPE_CHECKING:
    from quicsim.net.queue import Admission, Backlog
    from quicsim.randomness import Stream

__all__ = ["LinuxRed", "Red"]

POINT = 32
"""Binary places of the average."""

WEIGHT_POINT = 64
"""Binary places of the weight and its powers."""

ONE = 1 << WEIGHT_POINT
NANOSECONDS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Red:
    """Random early detection as published.

    An arrival finds `avg`, the weighted average of what waited at arrivals. Below `minimum` it is accepted. From there
    p_b rises from 0 to `max_probability` at `maximum`, and the n-th arrival since the last mark is marked with
    probability p_b / (1 - (n - 1) p_b), so that marks lie 1 to 1/p_b apart, each distance as likely as another. From
    `maximum` on every arrival is marked.

    Attributes:
        minimum, maximum, limit: the two thresholds of the average, and what may wait in truth.
        in_packets: whether these three count packets, not bytes.
        max_probability: p_b where the average comes to `maximum`; above 0, to 1.
        weight: of the newest measurement in the average; above 0, to 1.
        mean_packet_bytes: a typical packet. An idle link lets the average decay as if it had sent such packets.
        packet_time_ns: what one of them takes; None: by the link's rate.
        gentle: from `maximum` to twice that p_b rises on to 1, instead of all being marked at once.
        wait: no mark before n p_b is 1, then p_b / (2 - n p_b): marks lie 1/p_b to 2/p_b apart.
        ecn: mark what can be marked; otherwise, and what cannot be, is dropped.
        hard_drop: drop, not mark, where the average leaves no choice.

    Raises:
        ValueError: a value is out of its range, or the thresholds are not in order.
    """

    minimum: int
    maximum: int
    limit: int
    in_packets: bool = False
    max_probability: Fraction = Fraction(1, 50)
    weight: Fraction = Fraction(1, 500)
    mean_packet_bytes: int = 1000
    packet_time_ns: int | None = None
    gentle: bool = False
    wait: bool = False
    ecn: bool = False
    hard_drop: bool = False
    decides_when_idle: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_order(self.minimum, self.maximum, self.limit, "packets" if self.in_packets else "bytes")
        _check_shares(max_p=self.max_probability, weight=self.weight)
        _check_positive(mean_packet=self.mean_packet_bytes, idle=self.packet_time_ns)

    def admission(self, rate_bps: int, chance: Stream) -> Admission:
        """See `quicsim.net.queue.Discipline`."""
        return RedQueue(self, rate_bps, chance).admit


class RedQueue:
    """The state of one `Red` queue.

    Attributes:
        average: of what waited at arrivals, in fixed point with `POINT` binary places.
        since_mark: arrivals since the last mark, or since the average was below the minimum.
    """

    __slots__ = (
        "_chance",
        "_last_ns",
        "_maximum",
        "_minimum",
        "_notify",
        "_notify_forced",
        "_packet_time",
        "_weight",
        "average",
        "since_mark",
        "spec",
    )

    def __init__(self, spec: Red, rate_bps: int, chance: Stream) -> None:
        self.spec = spec
        self.average = 0
        self.since_mark = 0
        self._chance = chance
        self._last_ns = 0
        self._minimum = spec.minimum << POINT
        self._maximum = spec.maximum << POINT
        self._weight = spec.weight.numerator * ONE // spec.weight.denominator
        if spec.packet_time_ns is None:
            self._packet_time = Fraction(spec.mean_packet_bytes * 8 * NANOSECONDS_PER_SECOND, rate_bps)
        else:
            self._packet_time = Fraction(spec.packet_time_ns)
        self._notify, self._notify_forced = _notifications(spec.ecn, spec.hard_drop)

    def admit(self, backlog: Backlog, now_ns: int, size_bytes: int) -> Verdict:
        """What becomes of an arrival."""
        spec = self.spec
        if spec.in_packets:
            waiting, with_this = len(backlog.waiting), len(backlog.waiting) + 1
        else:
            waiting, with_this = backlog.waiting_bytes, backlog.waiting_bytes + size_bytes
        idle_since_ns = max(backlog.departure_ns, self._last_ns)
        self._last_ns = now_ns
        if backlog.departure_ns <= now_ns:
            self._decay(now_ns - idle_since_ns)
        else:
            self.average += ((waiting << POINT) - self.average) * self._weight >> WEIGHT_POINT
        verdict = self._early(backlog.offered)
        return DROP if with_this > spec.limit else verdict

    def _decay(self, idle_ns: int) -> None:
        """As if the packets that could have left meanwhile, and the one that comes now, had found nothing waiting.

        One power for all of them: (1 - weight) ** (m + 1), as in ns-2 and ns-3; section 11 of the paper leaves out
        the arrival itself, so that a queue which is found empty again and again would never forget.
        """
        could_have_left = idle_ns * self._packet_time.denominator // self._packet_time.numerator
        self.average = self.average * power(ONE - self._weight, could_have_left + 1) >> WEIGHT_POINT

    def _early(self, index: int) -> Verdict:
        """The verdict by the average, whether there is room or not."""
        average, spec = self.average, self.spec
        if average < self._minimum:
            self.since_mark = 0
            return ACCEPT
        probability = spec.max_probability
        if average < self._maximum:
            base = probability.numerator * (average - self._minimum)
            whole = probability.denominator * (self._maximum - self._minimum)
        elif spec.gentle and average < 2 * self._maximum:
            rise = probability.denominator - probability.numerator
            base = probability.numerator * self._maximum + rise * (average - self._maximum)
            whole = probability.denominator * self._maximum
        else:
            self.since_mark = 0
            return self._notify_forced
        self.since_mark = count = self.since_mark + 1
        if not happens(self._chance.u64(index), base, whole, count, wait=spec.wait):
            return ACCEPT
        self.since_mark = 0
        return self._notify


def happens(draw: int, base: int, whole: int, count: int, *, wait: bool) -> bool:
    """Whether the `count`-th arrival since a mark is marked, with p_b = base / whole and `draw` uniform below 2**64."""
    if wait:
        return count * base >= whole and draw * (2 * whole - count * base) < base << 64
    return draw * (whole - (count - 1) * base) < base << 64


def power(base: int, exponent: int) -> int:
    """base ** exponent, both it and the result fractions of `ONE`; by squaring, rounded down at each step."""
    result = ONE
    while exponent and result:
        if exponent & 1:
            result = result * base >> WEIGHT_POINT
        base = base * base >> WEIGHT_POINT
        exponent >>= 1
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxRed:
    """Random early detection as Linux 4 runs it (net/sched/sch_red.c) with what tc works out (iproute2's tc_red.c).

    Differs from `Red`: the weight is a power of two found from `burst_packets`; a random number is drawn after a mark,
    not at each arrival, and the next mark comes once count * (average - minimum) reaches it; the first arrival after
    the average was out of bounds is not marked; idle time soon halves the average, and then shifts it by a table
    whose cells are 15.6 times too long, as tc counts them in ticks of 64 ns and the kernel in microseconds.

    Attributes:
        minimum_bytes, maximum_bytes, limit_bytes: tc's min, max and limit.
        bandwidth_bps: tc's bandwidth, which is for idle time only.
        max_probability: tc's probability; above 0, to 1. 1 does not fit tc's 32 bits, and stands for the largest
            (maximum - minimum) / 2**n below 1, which may be little more than 1/2.
        mean_packet_bytes: tc's avpkt.
        burst_packets: tc's burst; None: (2 minimum + maximum) / (3 mean packet).
        ecn: mark what can be marked; otherwise, and what cannot be, is dropped.
        hard_drop: tc's harddrop: drop, not mark, from the maximum on.

    Raises:
        ValueError: a value is out of its range, the thresholds are not in order, or tc or the kernel refuses them.
    """

    minimum_bytes: int
    maximum_bytes: int
    limit_bytes: int
    bandwidth_bps: int
    max_probability: Fraction = Fraction(1, 50)
    mean_packet_bytes: int = 1000
    burst_packets: int | None = None
    ecn: bool = False
    hard_drop: bool = False
    decides_when_idle: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_order(self.minimum_bytes, self.maximum_bytes, self.limit_bytes, "bytes")
        _check_shares(max_p=self.max_probability)
        _check_positive(mean_packet=self.mean_packet_bytes, bandwidth=self.bandwidth_bps)
        log = self.weight_log
        if self.maximum_bytes.bit_length() + log >= 32:
            raise ValueError(f"max is {self.maximum_bytes} bytes; with weight 2**-{log} give less than {1 << 31 - log}")
        self.probability_step  # noqa: B018  # each raises where tc would
        idle_shifts(log, self.mean_packet_bytes, self.bandwidth_bps)

    @property
    def weight_log(self) -> int:
        """The weight is 2 ** -weight_log: tc's Wlog."""
        default = (2 * self.minimum_bytes + self.maximum_bytes) // (3 * self.mean_packet_bytes)
        burst = default if self.burst_packets is None else self.burst_packets
        return weight_log(self.minimum_bytes, burst, self.mean_packet_bytes)

    @property
    def probability_step(self) -> int:
        """The probability of a mark for each byte above the minimum, in 2**-32."""
        return probability_step(self.maximum_bytes - self.minimum_bytes, self.max_probability)

    def admission(self, rate_bps: int, chance: Stream) -> Admission:
        """See `quicsim.net.queue.Discipline`."""
        return LinuxRedQueue(self, chance).admit


class LinuxRedQueue:
    """The state of one `LinuxRed` queue.

    Attributes:
        average: of what waited at arrivals, bytes with `weight_log` binary places.
        count: arrivals since a random number was drawn; -1 where none is.
    """

    __slots__ = (
        "_cell_log",
        "_chance",
        "_last_ns",
        "_log",
        "_notify",
        "_notify_forced",
        "_random",
        "_shifts",
        "_step",
        "average",
        "count",
        "spec",
    )

    def __init__(self, spec: LinuxRed, chance: Stream) -> None:
        self.spec = spec
        self.average = 0
        self.count = -1
        self._chance = chance
        self._last_ns = 0
        self._random = 0
        self._log = spec.weight_log
        self._step = spec.probability_step
        self._cell_log, self._shifts = idle_shifts(self._log, spec.mean_packet_bytes, spec.bandwidth_bps)
        self._notify, self._notify_forced = _notifications(spec.ecn, spec.hard_drop)

    def admit(self, backlog: Backlog, now_ns: int, size_bytes: int) -> Verdict:
        """What becomes of an arrival."""
        idle_since_ns = max(backlog.departure_ns, self._last_ns)
        self._last_ns = now_ns
        if backlog.departure_ns <= now_ns:
            self._decay((now_ns - idle_since_ns) // 1000)
        else:
            self.average += backlog.waiting_bytes - (self.average >> self._log)
        verdict = self._early(backlog.offered)
        return DROP if backlog.waiting_bytes + size_bytes > self.spec.limit_bytes else verdict

    def _decay(self, idle_us: int) -> None:
        """By the table's shift; within its first cell by a straight line, to no less than half."""
        idle_us = min(idle_us, 255 << self._cell_log)
        half = self.average >> 1
        if shift := self._shifts[idle_us >> self._cell_log]:
            self.average >>= shift
        elif (fall := self.average * idle_us >> self._cell_log) < half:
            self.average -= fall
        else:
            self.average = half

    def _early(self, index: int) -> Verdict:
        """The verdict by the average, whether there is room or not."""
        excess_bytes = (self.average >> self._log) - self.spec.minimum_bytes
        if excess_bytes < 0:
            self.count = -1
            return ACCEPT
        if excess_bytes >= self.spec.maximum_bytes - self.spec.minimum_bytes:
            self.count = -1
            return self._notify_forced
        self.count += 1
        if self.count and excess_bytes * self.count < self._random:
            return ACCEPT
        self._random = (self._chance.u64(index) >> 32) // self._step
        if not self.count:
            return ACCEPT
        self.count = 0
        return self._notify


def weight_log(minimum_bytes: int, burst_packets: int, mean_packet_bytes: int) -> int:
    """tc's Wlog: the heaviest weight W = 2**-n that lets a burst of so many packets into an empty queue unmarked.

    The first n of 1, 2, ... with burst + 1 - minimum / packet <= (1 - (1 - W)**burst) / W.

    Raises:
        ValueError: no weight does; the message says which burst is enough.
    """
    load = burst_packets + 1 - Fraction(minimum_bytes, mean_packet_bytes)
    if load < 1:
        least = -(-minimum_bytes // mean_packet_bytes)
        raise ValueError(f"burst is {burst_packets} packets, too few for min; give {least} or more")
    for log in range(1, 32):
        # To the 53 bits of tc's double, which make a whole of nearly one: a long burst passes 2 packets at weight 1/2.
        share = (ONE - power(ONE - (ONE >> log), burst_packets) + (1 << 10)) >> 11
        if load <= Fraction(share << log, 1 << 53):
            return log
    raise ValueError(f"burst is {burst_packets} packets, more than any weight lets pass; give less")


def probability_step(span_bytes: int, max_probability: Fraction) -> int:
    """What a 32-bit random number is divided by: the probability of a mark for each byte above the minimum, in 2**-32.

    tc hands the kernel the probability times 2**32 in 32 bits, where 1 becomes 0; for 0 the kernel takes
    span / 2**Plog instead, with Plog the first that makes 2**Plog * probability / span more than 1.

    Raises:
        ValueError: Plog would be 32 or more, which tc refuses.
    """
    log = next((n for n in range(32) if max_probability * (1 << n) > span_bytes), None)
    if log is None:
        raise ValueError(f"max_p is {max_probability}, too little for max - min = {span_bytes} bytes; give more")
    scaled = (max_probability.numerator << 32) // max_probability.denominator & 0xFFFFFFFF
    return max((scaled or (0xFFFFFFFF >> log) * span_bytes) // span_bytes, 1)


def idle_shifts(log: int, mean_packet_bytes: int, bandwidth_bps: int) -> tuple[int, tuple[int, ...]]:
    """tc's Scell_log and Stab: how far the average is shifted right after so many cells of 2**Scell_log idle time.

    Stab[i] = -ln(1 - 2**-log) * i * 2**Scell_log / (transmission time of a mean packet), at most 31: a natural
    logarithm, though a shift is a power of two. It is summed as a series of fractions of 2**128.

    Raises:
        ValueError: Scell_log would be 32 or more, which tc refuses.
    """
    packet_us = mean_packet_bytes * 8 * 1_000_000 // bandwidth_bps
    packet_ticks = max(packet_us * 1000 // 64, 1)  # /proc/net/psched: a tick is 64 ns
    nepers = sum((1 << 128 - log * k) // k for k in range(1, 128 // log + 1))
    cell_log = next((n for n in range(32) if (31 * packet_ticks << 128) < (512 * nepers << n)), None)
    if cell_log is None:
        raise ValueError(f"bandwidth is {bandwidth_bps} bps, too little for mean_packet and burst; give more")
    shifts = [min((i << cell_log) * nepers // (packet_ticks << 128), 31) for i in range(255)]
    return cell_log, (*shifts, 31)


def _notifications(ecn: bool, hard_drop: bool) -> tuple[Verdict, Verdict]:
    """What becomes of a datagram that chance chose, and of one where the average left no choice."""
    return (MARK if ecn else DROP), (MARK if ecn and not hard_drop else DROP)


def _check_order(minimum: int, maximum: int, limit: int, unit: str) -> None:
    if not 0 < minimum < maximum <= limit:
        raise ValueError(
            f"min is {minimum}, max {maximum} and limit {limit} {unit}: in the wrong order; give 0 < min < max <= limit"
        )


def _check_shares(**shares: Fraction) -> None:
    for name, share in shares.items():
        if not 0 < share <= 1:
            raise ValueError(f"{name} is {share}; give more than 0, and 1 at most")


def _check_positive(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; give 1 or more")
