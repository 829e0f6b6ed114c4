"""How well does adaptive video play? Segments on demand, a buffer that playing drains, a quality for each segment.

The client downloads one segment after another while its buffer has room, and plays what it has. When the buffer runs
dry it stalls, until it holds enough again. What chooses the quality is one of ADAPTATIONS. A segment that takes too
long may be abandoned, and asked for again in the lowest quality, as dash.js does (its AbandonRequestsRule).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from simpy.events import Event

    from quicsim.apps.asking import Asker

__all__ = ["ADAPTATIONS", "Film", "Player"]

BITS_AND_NANOSECONDS = 8 * 1_000_000_000
SAFETY = Fraction(85, 100)
"""Of the estimated rate: FESTIVE's p (Jiang, Sekar, Zhang 2012, section 4.3)."""
ESTIMATED_SEGMENTS = 20
"""Over which the rate is estimated: FESTIVE's (section 4.2)."""
RESERVOIR = Fraction(90, 240)
"""Of the buffer, below which the lowest quality is chosen: BBA-0's 90 of 240 s (Huang et al. 2014, section 4)."""
CUSHION_END = Fraction(216, 240)
"""Of the buffer, above which the highest is: BBA-0's 90 %."""


@dataclass(frozen=True, slots=True)
class Film:
    """What there is to play, and how.

    `bitrates_bps` rise. `buffer_ns` is the most that is held, `startup_ns` what must be there before playing begins,
    and before it goes on after a stall; that is a segment less than `buffer_ns` at most.
    """

    segments: int
    segment_ns: int
    bitrates_bps: tuple[int, ...]
    buffer_ns: int
    startup_ns: int

    def segment_bytes(self, bitrate_bps: int) -> int:
        """What a segment of this quality weighs, rounded up."""
        return -(-bitrate_bps * self.segment_ns // BITS_AND_NANOSECONDS)


class Player:
    """The client.

    Attributes:
        finished: all segments are there.
        chosen_bps: the bit rate of each segment so far.
        downloads_ns: how long each took.
        first_played_ns: when playing started.
        stalls: how often it stopped; `stalled_ns`: for how long in all.
        abandoned_bytes: of each segment that was abandoned, what was there of it by then.
    """

    def __init__(
        self,
        asker: Asker,
        film: Film,
        *,
        adaptation: str,
        request_bytes: int,
        abandon_after_ns: int | None = None,
    ) -> None:
        self.film = film
        self._asker = asker
        self._clock = asker.endpoint.clock
        self._choose = ADAPTATIONS[adaptation]
        self._request_bytes = request_bytes
        self._abandon_after_ns = abandon_after_ns
        self.abandoned_bytes: list[int] = []
        self.chosen_bps: list[int] = []
        self.downloads_ns: list[int] = []
        self.rates: deque[Fraction] = deque(maxlen=ESTIMATED_SEGMENTS)
        """What the last segments came with, bits a nanosecond."""
        self.first_played_ns = -1
        self.stalls = 0
        self.stalled_ns = 0
        self.level_ns = 0
        """What the buffer held at `_looked_ns`."""
        self._looked_ns = 0
        self._plays = False
        self._stopped_ns = 0
        self.finished: Event = self._clock.process(self._run())

    def _run(self) -> Generator[Event, object, None]:
        clock, film = self._clock, self.film
        yield from self._asker.ready(0)
        for number in range(film.segments):
            bitrate_bps = self._choose(self)
            size_bytes = film.segment_bytes(bitrate_bps)
            chosen_ns = begun_ns = clock.now
            stream_id, there = self._asker.ask(self._request_bytes, size_bytes)
            lowest_bps = film.bitrates_bps[0]
            if self._abandon_after_ns is not None and bitrate_bps > lowest_bps:
                yield clock.any_of([there, clock.timeout(self._abandon_after_ns)])
                if not there.triggered:
                    self.abandoned_bytes.append(self._asker.give_up(stream_id))
                    bitrate_bps, size_bytes, begun_ns = lowest_bps, film.segment_bytes(lowest_bps), clock.now
                    there = self._asker.ask(self._request_bytes, size_bytes)[1]
            yield there
            self.chosen_bps.append(bitrate_bps)
            self.downloads_ns.append(clock.now - chosen_ns)
            self.rates.append(Fraction(8 * size_bytes, clock.now - begun_ns))
            is_last = number == film.segments - 1
            self._arrived(is_last)
            excess_ns = self.level_ns + film.segment_ns - film.buffer_ns
            if excess_ns > 0 and not is_last:
                yield clock.timeout(excess_ns)  # it plays: otherwise `startup_ns` would not be there yet
                self._look()

    def _arrived(self, is_last: bool) -> None:
        """A segment is there."""
        self._look()
        self.level_ns += self.film.segment_ns
        if not self._plays and (self.level_ns >= self.film.startup_ns or is_last):
            self._plays = True
            if self.first_played_ns < 0:
                self.first_played_ns = self._clock.now
            else:
                self.stalled_ns += self._clock.now - self._stopped_ns

    def _look(self) -> None:
        """Play until now."""
        now_ns = self._clock.now
        if self._plays:
            played_ns = now_ns - self._looked_ns
            if played_ns > self.level_ns:
                self._plays = False
                self._stopped_ns = self._looked_ns + self.level_ns
                self.stalls += 1
                played_ns = self.level_ns
            self.level_ns -= played_ns
        self._looked_ns = now_ns


def by_throughput(player: Player) -> int:
    """The highest bit rate within 85 % of the harmonic mean of the last segments' rates (FESTIVE 2012, section 4)."""
    bitrates = player.film.bitrates_bps
    if not player.rates:
        return bitrates[0]
    mean = len(player.rates) / sum(1 / rate for rate in player.rates)  # bits a nanosecond, exactly
    affordable = [bitrate for bitrate in bitrates if bitrate <= SAFETY * mean * 1_000_000_000]
    return affordable[-1] if affordable else bitrates[0]


def by_buffer(player: Player) -> int:
    """BBA-0: by the buffer alone, linear between a reservoir and a cushion's end (Huang et al. 2014, algorithm 1)."""
    film = player.film
    bitrates, level_ns = film.bitrates_bps, player.level_ns
    lowest, highest = bitrates[0], bitrates[-1]
    previous = player.chosen_bps[-1] if player.chosen_bps else lowest
    reservoir_ns, end_ns = RESERVOIR * film.buffer_ns, CUSHION_END * film.buffer_ns
    if level_ns <= reservoir_ns:
        return lowest
    if level_ns >= end_ns:
        return highest
    mapped = lowest + (highest - lowest) * (level_ns - reservoir_ns) / (end_ns - reservoir_ns)
    above = min((bitrate for bitrate in bitrates if bitrate > previous), default=highest)
    below = max((bitrate for bitrate in bitrates if bitrate < previous), default=lowest)
    if mapped >= above:
        return max(bitrate for bitrate in bitrates if bitrate < mapped)
    if mapped <= below:
        return min(bitrate for bitrate in bitrates if bitrate > mapped)
    return previous


ADAPTATIONS: Mapping[str, Callable[[Player], int]] = {"throughput": by_throughput, "buffer": by_buffer}
"""What chooses the next segment's bit rate, by its name in a scenario."""
