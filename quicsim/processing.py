"""What if a host takes time for what it does? An endpoint whose packets and plugins keep a core busy.

While the core is busy, what arrives waits in a receive buffer, and is dropped where that is full; deadlines and
applications wait as well, and are served in the order in which they fell due. What is sent leaves when it has been
produced, in order. A stack reads the clock when it begins a step, so a burst that is sent in one step carries one
instant, and its later packets leave later than that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quicsim.endpoint import Endpoint
from quicsim.events import Code, PacketDropped
from quicsim.net.datagram import DropReason
from quicsim.plugin.cost import PluginPrices

if TYPE_CHECKING:
    from quicsim.cpu import Cpu
    from quicsim.events import Recorder
    from quicsim.net.datagram import Datagram as WireDatagram
    from quicsim.quic.packet import Datagram

__all__ = ["Prices", "ProcessingEndpoint", "check_conservation"]


@dataclass(frozen=True, slots=True)
class Prices:
    """What a host's core takes for its work, in picoseconds."""

    packet_sent_ps: int = 0
    packet_received_ps: int = 0
    byte_ps: int = 0
    """One byte of a datagram, UDP payload, sent or received."""
    plugins: PluginPrices = field(default_factory=PluginPrices)


class ProcessingEndpoint(Endpoint):
    """An endpoint with a core of its own.

    `buffer_bytes` is the size of the receive buffer, which holds datagrams with their headers; `recorder` is told of
    what does not fit. What else there is, is `Endpoint`'s.

    Attributes:
        arrived, dropped, handled: datagrams so far; those that are none of the last two wait in the buffer.
        produced, sent: datagrams so far; the core is still at work on those that are not sent.
        plugins_ps: what the core was given to do for plugins so far.
    """

    def __init__(
        self, *arguments: Any, cpu: Cpu, prices: Prices, buffer_bytes: int, recorder: Recorder, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.cpu = cpu
        self.prices = prices
        self.buffer_bytes = buffer_bytes
        self.recorder = recorder
        self.arrived = self.dropped = self.handled = self.produced = self.sent = 0
        self.plugins_ps = 0
        self.waiting: deque[tuple[int, WireDatagram]] = deque()
        """What waits in the receive buffer, each with the instant of its arrival, ns."""
        self.waiting_bytes = 0
        self._is_working = False
        self._asked_ns: int | None = None
        """Since when an application waits for what it wrote to be sent."""

    def flush(self) -> None:
        """An application wrote something: see to it once the core is free."""
        if self._is_working:
            if self._asked_ns is None:
                self._asked_ns = self.clock.now
        else:
            self._is_working = True
            self._tell_and_produce()

    def _on_datagram(self, datagram: WireDatagram) -> None:
        self.arrived += 1
        if not self._is_working:
            self._is_working = True
            self._handle(datagram)
        elif self.waiting_bytes + datagram.size_bytes > self.buffer_bytes:
            self._drop(datagram)
        else:
            self.waiting.append((self.clock.now, datagram))
            self.waiting_bytes += datagram.size_bytes

    def _drop(self, datagram: WireDatagram) -> None:
        self.dropped += 1
        now_ns, recorder = self.clock.now, self.recorder
        recorder.record(Code.DATAGRAM_DROPPED, now_ns, self.arrived, datagram.size_bytes)
        if recorder.subscribers:
            reason = DropReason.BUFFER.value
            recorder.emit(PacketDropped(now_ns, recorder.name, self.arrived, datagram.size_bytes, reason))

    def _on_deadline(self) -> None:
        if not self._is_working:  # else `_take_up_next` finds it
            self._is_working = True
            self._expire()

    # Each of these gives the core something to do, after which the next follows; `_take_up_next` is the last.

    def _handle(self, datagram: WireDatagram) -> None:
        self.handled += 1
        self._receive(datagram)
        payload, prices = datagram.payload, self.prices
        price_ps = prices.packet_received_ps * (len(payload.packets) or 1) + prices.byte_ps * payload.size_bytes
        self.cpu.work(price_ps + self._plugins_since_ps(), self._tell_and_produce)

    def _expire(self) -> None:
        self.connection.on_deadline(self.clock.now)
        self.cpu.work(self._plugins_since_ps(), self._tell_and_produce)

    def _tell_and_produce(self, _: None = None) -> None:
        """Tell applications what happened, and produce what there is to send."""
        connection, prices = self.connection, self.prices
        fruitless_ps = 0
        while True:
            self._tell()
            self._asked_ns = None
            datagrams = connection.datagrams_to_send(self.clock.now)
            count = len(datagrams)
            plugins_ps = self._plugins_since_ps()
            if not count:
                fruitless_ps += plugins_ps
            for index, datagram in enumerate(datagrams):
                # What plugins did for the burst is counted together, and each datagram takes an equal part of it.
                part_ps = plugins_ps * (index + 1) // count - plugins_ps * index // count
                price_ps = prices.packet_sent_ps * (len(datagram.packets) or 1) + prices.byte_ps * datagram.size_bytes
                self.produced += 1
                self.cpu.work(price_ps + part_ps, self._send, datagram)
            if not connection.events:
                break
        self.cpu.work(fruitless_ps, self._take_up_next)

    def _take_up_next(self, _: None) -> None:
        """Whatever fell due first: a datagram, a deadline, an application that has written."""
        deadline_ns = self.connection.deadline_ns
        asked_ns = self._asked_ns
        arrived_ns = self.waiting[0][0] if self.waiting else None
        waiting_since = [instant for instant in (arrived_ns, asked_ns) if instant is not None]
        first_ns = min(waiting_since, default=-1)
        if 0 < deadline_ns < first_ns:
            self._expire()
        elif arrived_ns is not None and arrived_ns == first_ns:
            datagram = self.waiting.popleft()[1]
            self.waiting_bytes -= datagram.size_bytes
            self._handle(datagram)
        elif asked_ns is not None:
            self._tell_and_produce()
        else:
            self._is_working = False
            self._alarm.set(deadline_ns or None)

    def _send(self, datagram: Datagram) -> None:
        self.sent += 1
        super()._send(datagram)

    def _plugins_since_ps(self) -> int:
        """What plugins have done since this was last asked."""
        total_ps = self.prices.plugins.total_ps(self.connection.counts)
        since_ps = total_ps - self.plugins_ps
        self.plugins_ps = total_ps
        return since_ps


def check_conservation(endpoint: ProcessingEndpoint) -> None:
    """Check that every datagram that arrived was handled or dropped, or waits.

    Raises:
        AssertionError: one was made or forgotten; the message gives the counts.
    """
    accounted = endpoint.handled + endpoint.dropped + len(endpoint.waiting)
    if endpoint.arrived != accounted:
        raise AssertionError(
            f"{endpoint.host.name}: {endpoint.arrived} datagrams arrived, but {endpoint.handled} handled + "
            f"{endpoint.dropped} dropped + {len(endpoint.waiting)} waiting = {accounted}"
        )
