"""Does a film play as fast as its segments come, stall where they are late, and take the quality that fits?"""

from fractions import Fraction

import pytest

from quicsim.apps.asking import Answerer, Asker
from quicsim.apps.video import ADAPTATIONS, Film, Player
from quicsim.clock import Clock
from tests.test_endpoint import Joined

SECOND_NS = 1_000_000_000


class Pipe:
    """An asker whose answers come at a rate, one after another, with nothing else in the way."""

    def __init__(self, *rates_bps):
        self.endpoint = self
        self.clock = Clock()
        self.rates_bps = list(rates_bps)
        self.asked_bytes = []

    def ready(self, start_ns):
        yield self.clock.timeout(start_ns)

    def ask(self, request_bytes, response_bytes):
        rate_bps = self.rates_bps[min(len(self.asked_bytes), len(self.rates_bps) - 1)]
        self.asked_bytes.append(response_bytes)
        return 0, self.clock.timeout(8 * response_bytes * SECOND_NS // rate_bps)


def played(pipe, *, segments=6, bitrates=(1_000_000,), buffer_s=20, startup_s=2, adaptation="throughput"):
    film = Film(segments, 2 * SECOND_NS, bitrates, buffer_s * SECOND_NS, startup_s * SECOND_NS)
    player = Player(pipe, film, adaptation=adaptation, request_bytes=100)
    pipe.clock.run(until=player.finished)
    return player


def test_segments_that_come_at_half_the_rate_stall_it_before_each():
    player = played(Pipe(500_000))
    assert player.downloads_ns == [4 * SECOND_NS] * 6
    assert (player.first_played_ns, player.stalls, player.stalled_ns) == (4 * SECOND_NS, 5, 10 * SECOND_NS)


def test_what_is_held_at_the_start_puts_stalls_off():
    player = played(Pipe(500_000), startup_s=6)
    # Playing begins at 12 s with 6 s. The fourth comes at 16 s and the fifth just in time, at 20; the last one at 24.
    assert player.first_played_ns == 12 * SECOND_NS
    assert (player.stalls, player.stalled_ns) == (1, 2 * SECOND_NS)


def test_a_full_buffer_waits_until_a_segment_fits():
    pipe = Pipe(4_000_000)
    player = played(pipe, segments=8, buffer_s=6)
    # A download takes 0.5 s. At 1.5 s the third is there and it holds 5 s: room for one more from 2.5 s on. The fourth
    # is there at 3 s, with 5.5 s: and so on each 2 s, until the eighth at 11 s.
    assert pipe.clock.now == 11 * SECOND_NS
    assert player.level_ns == 11 * SECOND_NS // 2
    assert player.stalls == 0


@pytest.mark.parametrize("rate", [300_000, 999_999, 1_000_000, 1_200_000, 3_000_000])
def test_the_rate_that_was_seen_affords_85_percent_of_it(rate):
    bitrates = (250_000, 500_000, 850_000, 2_000_000)
    player = played(Pipe(rate), bitrates=bitrates)
    affordable = max((each for each in bitrates if each <= Fraction(85, 100) * rate), default=250_000)
    assert player.chosen_bps == [250_000, *[affordable] * 5]


def test_one_slow_segment_counts_by_its_time_not_by_its_rate():
    pipe = Pipe(4_000_000, 4_000_000, 100_000, 4_000_000)
    player = played(pipe, bitrates=(100_000, 400_000, 3_000_000), segments=4)
    # Harmonic mean of 4, 4 and 0.1 Mbps: 3 / (1/4 + 1/4 + 10) = 0.286 Mbps.
    assert player.chosen_bps == [100_000, 3_000_000, 3_000_000, 100_000]


@pytest.mark.parametrize(
    ("level_s", "previous", "expected"),
    [
        (0, 8, 1),
        (90, 8, 1),  # the reservoir of 90 of 240 s
        (91, 1, 1),
        (216, 1, 8),  # the cushion's end
        (108.5, 1, 2),  # 1 + 7 * 18.5 / 126 = 2.03: past the next rate, and it is the highest below that
        (126.5, 2, 2),  # 3.03: between 1 and 4
        (145, 2, 4),  # 4.06: past 4
        (145, 8, 8),  # 4.06: it goes down at 4 only
        (143, 8, 4),  # 3.94: at or below 4, the lowest above
    ],
)
def test_the_buffer_decides_as_bba_0_has_it(level_s, previous, expected):
    class State:
        film = Film(9, 2, (1, 2, 4, 8), 240 * SECOND_NS, 2)
        level_ns = int(level_s * SECOND_NS)
        chosen_bps = (previous,)

    assert ADAPTATIONS["buffer"](State) == expected


@pytest.mark.parametrize("adaptation", ADAPTATIONS)
def test_a_film_plays_over_a_connection(adaptation):
    joined = Joined("rfc9002")
    film = Film(5, SECOND_NS, (200_000, 400_000), 4 * SECOND_NS, SECOND_NS)
    player = Player(Asker(joined.client, Answerer(joined.server)), film, adaptation=adaptation, request_bytes=200)
    joined.client.connect()
    joined.clock.run(until=player.finished)
    assert len(player.chosen_bps) == len(player.downloads_ns) == 5
    assert sorted(joined.ends) == [0, 4, 8, 12, 16]
    assert player.stalls == 0


def test_a_segment_that_takes_too_long_is_asked_for_again_in_the_lowest_quality():
    joined = Joined("rfc9002", rate_bps=500_000)
    film = Film(4, SECOND_NS, (100_000, 4_000_000), 8 * SECOND_NS, SECOND_NS)
    asker = Asker(joined.client, Answerer(joined.server))
    player = Player(asker, film, adaptation="buffer", request_bytes=200, abandon_after_ns=SECOND_NS // 2)
    player._choose = lambda player: 4_000_000 if len(player.chosen_bps) == 2 else 100_000
    joined.client.connect()
    joined.clock.run(until=player.finished)
    assert player.chosen_bps == [100_000] * 4
    assert len(player.abandoned_bytes) == 1
    assert 0 < player.abandoned_bytes[0] < 500_000 / 8 / 2
    assert player.downloads_ns[2] > SECOND_NS // 2 + player.downloads_ns[3] // 2, "with the time that was lost"
    assert sorted(joined.ends) == [0, 4, 12, 16]
