"""How long does each short request take? Requests with an answer each, in turn, several at once, or as they come.

Paper section 3.1.1: short requests that trigger short answers, each on a dedicated stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from simpy.events import Event

    from quicsim.apps.asking import Asker
    from quicsim.distributions import Distribution
    from quicsim.randomness import Stream

__all__ = ["Drawn", "Requester"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Numbers by chance: request n has draw n."""

    distribution: Distribution
    stream: Stream

    def __getitem__(self, n: int) -> int:
        return self.distribution.draw(self.stream, n)


class Requester:
    """The client: `count` requests.

    In a closed loop (`every_ns` is None), `streams` clients in one make them by turns, each its next one `gap_ns` after
    its last one's answer. In an open loop each is made `every_ns` after the one before, answered or not. The first is
    made at `start_ns`, or when the handshake completes if that is later. Instants are on the clock. A request without
    its whole answer after `abandon_after_ns` is abandoned; None: it waits for ever.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        count: int,
        request_bytes: Drawn,
        response_bytes: Drawn,
        start_ns: int,
        gap_ns: Drawn,
        streams: int = 1,
        every_ns: Drawn | None = None,
        abandon_after_ns: int | None = None,
    ) -> None:
        self.endpoint = asker.endpoint
        self._asker = asker
        self._request_bytes = request_bytes
        self._response_bytes = response_bytes
        self._start_ns = start_ns
        self._gap_ns = gap_ns
        self._count = count
        self._indices: Iterator[int] = iter(range(count))
        self.completions_ns: list[int] = [0] * count
        """From the making of each request to the last byte of its answer; 0: it was abandoned."""
        self._abandon_after_ns = abandon_after_ns
        self.abandoned_bytes: list[int] = []
        """Of each abandoned request: what was there of its answer by then, in order."""
        self.stream_ids: list[int] = [0] * count
        clock = self.endpoint.clock
        self.finished: Event
        if every_ns is not None:
            self.finished = clock.process(self._open_loop(every_ns))
        elif streams == 1:
            self.finished = clock.process(self._closed_loop())
        else:
            self.finished = clock.process(self._closed_loops(min(streams, count)))

    def _closed_loop(self) -> Generator[Event, object, None]:
        clock = self.endpoint.clock
        yield from self._asker.ready(self._start_ns)
        is_first = True
        for index in self._indices:
            if not is_first and (gap_ns := self._gap_ns[index]):
                yield clock.timeout(gap_ns)
            is_first = False
            yield from self._request(index)

    def _closed_loops(self, streams: int) -> Generator[Event, object, None]:
        clock = self.endpoint.clock
        yield clock.all_of([clock.process(self._closed_loop()) for _ in range(streams)])

    def _open_loop(self, every_ns: Drawn) -> Generator[Event, object, None]:
        clock = self.endpoint.clock
        yield from self._asker.ready(self._start_ns)
        requests = []
        for index in self._indices:
            if index:
                yield clock.timeout(every_ns[index])
            requests.append(clock.process(self._request(index)))
        yield clock.all_of(requests)

    def _request(self, index: int) -> Generator[Event, object, None]:
        clock = self.endpoint.clock
        made_ns = clock.now
        stream_id, answered = self._asker.ask(self._request_bytes[index], self._response_bytes[index])
        self.stream_ids[index] = stream_id
        if self._abandon_after_ns is None:
            yield answered
        else:
            yield clock.any_of([answered, clock.timeout(self._abandon_after_ns)])
        if answered.triggered:
            self.completions_ns[index] = clock.now - made_ns
        else:
            self.abandoned_bytes.append(self._asker.give_up(stream_id))
