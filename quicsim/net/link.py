"""When does a datagram reach the far end of a link, if it does?

One entry in the clock's heap a datagram, made when it is sent: it departs at max(now, last departure) + size / rate
and arrives a propagation delay later. The queue is what was accepted and has not begun service, known from the
departures still ahead, so nothing needs to happen when a datagram begins service or departs; only one that is lost on
the wire has its entry at its departure. Datagrams arrive in order, so only the next one's entry lies in the heap, whose
length is what costs; the others wait on the wire.

Serialisation is exact. A departure instant is the exact finish of service rounded up to the nanosecond, and the next
datagram's service begins at the exact finish, so a long train of datagrams does not drift from size / rate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappush
from typing import TYPE_CHECKING, Protocol

from quicsim.clock import ARRIVAL, DEPARTURE
from quicsim.net.datagram import CE, NOT_ECT, Datagram, DropReason
from quicsim.net.loss import fault_matcher
from quicsim.net.queue import ACCEPT, MARK, DropTail
from quicsim.randomness import threshold

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicsim.clock import Clock, Entry
    from quicsim.net.queue import Discipline
    from quicsim.randomness import Streams

__all__ = ["DirectionSpec", "Link", "LinkDirection", "LinkObserver", "check_conservation"]

INDEX_BITS = 40
"""A datagram's number in the clock's heap is its direction's number << INDEX_BITS | its index there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionSpec:
    """How one direction of a link treats datagrams.

    Attributes:
        rate_bps: bits a second, 1 or more.
        delay_ns: propagation delay, 0 or more.
        queue: who is let in while the link is busy; any number may wait by default.
        loss: probability that a datagram is lost on the wire, each for itself, by chance.
        faults: rules that take datagrams on the wire, as `quicsim.net.loss.fault_matcher` reads them.
        jitter_ns: each arrival is late by a uniform draw from 0 to this, as in a receiving host; order is kept.

    Raises:
        ValueError: a value is out of its range.
        quicsim.net.loss.FaultError: a rule is not known.
    """

    rate_bps: int
    delay_ns: int
    queue: Discipline = field(default_factory=DropTail)
    loss: Fraction = Fraction(0)
    faults: tuple[str, ...] = ()
    jitter_ns: int = 0

    def __post_init__(self) -> None:
        for name, least in (("rate_bps", 1), ("delay_ns", 0), ("jitter_ns", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} is {value!r}; give an int, {least} or more")
        threshold(self.loss)
        for rule in self.faults:
            fault_matcher(rule)


class LinkObserver(Protocol):
    """What a run's trace wants to hear from a link."""

    def dropped(self, direction_number: int, index: int, time_ns: int, size_bytes: int, reason: DropReason) -> None:
        """The datagram of this index, counted from 1 in its direction, was dropped now."""

    def marked(self, direction_number: int, index: int, time_ns: int, size_bytes: int) -> None:
        """The queue marked congestion on the datagram of this index now."""


class LinkDirection:
    """One direction of a link: a queue, a sender of constant rate, and a wire.

    Args:
        clock: the clock that arrivals are put on.
        number: number of this direction, unique on the clock; it orders arrivals at one instant.
        name: such as "access:client>server"; its random streams are called "loss:", "jitter:" and "queue:" and
            the name.
        spec: rate, delay, queue, losses.
        streams: where loss, jitter and the queue's chance are drawn from.
        deliver: called with each datagram that arrives.
        observer: told of each datagram that is dropped or marked.

    Attributes:
        offered, delivered, dropped_queue, dropped_loss, dropped_fault: datagrams so far.
        marked: datagrams that the queue made CE so far.
        delivered_bytes: bytes delivered so far, as sized on the wire.
        waiting: (instant its service begins, ns; size, bytes) of each datagram that may still wait, oldest first.
        waiting_bytes: their sizes together. Both are brought up to date by each arrival, before the queue decides.
        departure_ns: when the last datagram accepted so far departs.
    """

    __slots__ = (
        "_admit",
        "_arrive_entry",
        "_ceiling_excess",
        "_decides_when_idle",
        "_delay_ns",
        "_heap",
        "_jitter",
        "_jitter_ns",
        "_last_arrival_ns",
        "_loss",
        "_loss_threshold",
        "_matchers",
        "_number_base",
        "_rate_bps",
        "_reliable",
        "_service",
        "_wire",
        "clock",
        "deliver",
        "delivered",
        "delivered_bytes",
        "departure_ns",
        "dropped_fault",
        "dropped_loss",
        "dropped_queue",
        "marked",
        "name",
        "number",
        "observer",
        "offered",
        "spec",
        "waiting",
        "waiting_bytes",
    )

    def __init__(
        self,
        clock: Clock,
        number: int,
        name: str,
        spec: DirectionSpec,
        streams: Streams,
        deliver: Callable[[Datagram], object],
        observer: LinkObserver | None = None,
    ) -> None:
        self.clock = clock
        self.number = number
        self.name = name
        self.spec = spec
        self.deliver = deliver
        self.observer = observer
        self.offered = self.delivered = self.delivered_bytes = 0
        self.dropped_queue = self.dropped_loss = self.dropped_fault = self.marked = 0
        self.waiting: deque[tuple[int, int]] = deque()
        self.waiting_bytes = 0
        self.departure_ns = clock.now
        # The departure is this many 1/rate nanoseconds after the exact end of service.
        self._ceiling_excess = 0
        self._service: dict[int, tuple[int, int]] = {}  # size in bytes: divmod(its service time in ns * rate, rate)
        self._admit = spec.queue.admission(spec.rate_bps, streams.stream(f"queue:{name}"))
        self._decides_when_idle = spec.queue.decides_when_idle
        self._matchers = [fault_matcher(rule) for rule in spec.faults]
        self._loss = streams.stream(f"loss:{name}")
        self._loss_threshold = threshold(spec.loss)
        self._reliable = not self._matchers and not self._loss_threshold
        self._jitter = streams.stream(f"jitter:{name}")
        self._jitter_ns = spec.jitter_ns
        self._rate_bps = spec.rate_bps
        self._last_arrival_ns = 0
        self._delay_ns = spec.delay_ns
        self._heap = clock.heap
        self._wire: deque[Entry] = deque()  # what is on its way, the next to arrive first: that one is in the heap
        self._number_base = number << INDEX_BITS
        # Bound once: making a bound method costs as much as a call.
        self._arrive_entry = self._arrive

    def send(self, datagram: Datagram) -> None:
        """Offer a datagram to this direction now."""
        now_ns = self.clock.now
        self.offered = index = self.offered + 1
        reason = None if self._reliable else self._taken(index, datagram)
        size_bytes = datagram.size_bytes

        waiting = self.waiting
        while waiting and waiting[0][0] <= now_ns:
            self.waiting_bytes -= waiting.popleft()[1]
        departure_ns = self.departure_ns
        is_busy = departure_ns > now_ns
        if is_busy or self._decides_when_idle:
            verdict = self._admit(self, now_ns, size_bytes)
            if verdict is not ACCEPT and not (verdict is MARK and self._mark(datagram, now_ns)):
                self.dropped_queue += 1
                if self.observer is not None:
                    self.observer.dropped(self.number, index, now_ns, size_bytes, DropReason.QUEUE)
                return

        try:
            service_ns, service_rest = self._service[size_bytes]
        except KeyError:
            service_ns, service_rest = self._service_time(size_bytes)
        if is_busy:
            waiting.append((departure_ns, size_bytes))
            self.waiting_bytes += size_bytes
            departure_ns += service_ns
            excess = self._ceiling_excess - service_rest
        else:
            departure_ns = now_ns + service_ns
            excess = -service_rest
        if excess < 0:
            departure_ns += 1
            excess += self._rate_bps
        self.departure_ns = departure_ns
        self._ceiling_excess = excess

        if reason is not None:
            self.clock.call_at(
                departure_ns, DEPARTURE, self._number_base + index, self._lose, (datagram, index, reason)
            )
            return
        arrival_ns = departure_ns + self._delay_ns
        if self._jitter_ns:
            arrival_ns += self._jitter.below(index, self._jitter_ns + 1)
            self._last_arrival_ns = arrival_ns = max(arrival_ns, self._last_arrival_ns)
        entry = (arrival_ns, ARRIVAL, self._number_base + index, self._arrive_entry, datagram)
        wire = self._wire
        if not wire:
            heappush(self._heap, entry)
        wire.append(entry)

    @property
    def dropped(self) -> int:
        """Datagrams dropped so far, for whatever reason."""
        return self.dropped_queue + self.dropped_loss + self.dropped_fault

    @property
    def in_flight(self) -> int:
        """Datagrams accepted that have neither arrived nor been lost: on the wire, and in the clock's heap."""
        return len(self._wire) + sum(function == self._lose for _, _, _, function, _ in self._heap)

    def _mark(self, datagram: Datagram, now_ns: int) -> bool:
        """Mark congestion on a datagram; False where its sender does not know marks."""
        if datagram.ecn == NOT_ECT:
            return False
        if datagram.ecn != CE:
            datagram.ecn = CE
            self.marked += 1
            if self.observer is not None:
                self.observer.marked(self.number, self.offered, now_ns, datagram.size_bytes)
        return True

    def _arrive(self, datagram: Datagram) -> None:
        wire = self._wire
        wire.popleft()
        if wire:
            heappush(self._heap, wire[0])
        self.delivered += 1
        self.delivered_bytes += datagram.size_bytes
        self.deliver(datagram)

    def _lose(self, loss: tuple[Datagram, int, DropReason]) -> None:
        datagram, index, reason = loss
        if reason is DropReason.FAULT:
            self.dropped_fault += 1
        else:
            self.dropped_loss += 1
        if self.observer is not None:
            self.observer.dropped(self.number, index, self.clock.now, datagram.size_bytes, reason)

    def _taken(self, index: int, datagram: Datagram) -> DropReason | None:
        """Why the wire loses this datagram, if it does; every rule sees every datagram."""
        verdicts = [matches(index, datagram, self.clock.now) for matches in self._matchers]
        if any(verdicts):
            return DropReason.FAULT
        if self._loss.u64(index) < self._loss_threshold:
            return DropReason.LOSS
        return None

    def _service_time(self, size_bytes: int) -> tuple[int, int]:
        service = divmod(size_bytes * 8 * 1_000_000_000, self.spec.rate_bps)
        self._service[size_bytes] = service
        return service


class Link:
    """A duplex link between two ends: two directions that share nothing.

    Args:
        clock: the clock of both directions.
        number: number of this link, unique on the clock, and for its own directions 2 * number and 2 * number + 1.
        name: such as "access".
        ends: the names of its two ends.
        specs: how it treats what the first end sends, and what the second end sends.
        streams: where losses, jitter and the queues' chance are drawn from.
        delivers: called with each datagram that reaches the second end, and the first end.
        observer: told of each datagram that is dropped or marked.

    Attributes:
        forward: from the first end to the second, "access:client>server".
        backward: from the second end to the first, "access:server>client".
    """

    __slots__ = ("backward", "ends", "forward", "name", "number")

    def __init__(
        self,
        clock: Clock,
        number: int,
        name: str,
        ends: tuple[str, str],
        specs: tuple[DirectionSpec, DirectionSpec],
        streams: Streams,
        delivers: tuple[Callable[[Datagram], object], Callable[[Datagram], object]],
        observer: LinkObserver | None = None,
    ) -> None:
        self.number = number
        self.name = name
        self.ends = ends
        first, second = ends
        self.forward = LinkDirection(
            clock, 2 * number, f"{name}:{first}>{second}", specs[0], streams, delivers[0], observer
        )
        self.backward = LinkDirection(
            clock, 2 * number + 1, f"{name}:{second}>{first}", specs[1], streams, delivers[1], observer
        )


def check_conservation(link: Link | LinkDirection) -> None:
    """Check that every datagram offered was delivered or dropped, or is in flight.

    Raises:
        AssertionError: one was made or forgotten; the message names the direction and the counts.
    """
    for direction in (link.forward, link.backward) if isinstance(link, Link) else (link,):
        accounted = direction.delivered + direction.dropped + direction.in_flight
        if direction.offered != accounted:
            raise AssertionError(
                f"{direction.name}: {direction.offered} offered, but {direction.delivered} delivered + "
                f"{direction.dropped} dropped + {direction.in_flight} in flight = {accounted}"
            )
