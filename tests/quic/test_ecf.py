"""Does ECF wait where its inequality says so? Lim, Nahum, Towsley, Gibbens (CoNEXT 2017), algorithm 1."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.quic.schedulers import earliest_completion
from quicsim.quic.states import PathState
from tests.quic.pipe import MILLISECOND_NS, a_connection

BETA = Fraction(1, 4)
KB = 1_000


def two_paths(fast_ms, fast_window, slow_ms, slow_window, deviation_ms, left, *, waits, fast_is_free=False):
    """A multipath client with so many bytes to send, whose fast path's window is full."""
    connection = a_connection("client", "multipath", address_count=2)
    connection.path_numbers.agree(8)
    connection.flow.peer_limit = 1 << 40
    connection.scheduler_waits = waits
    connection.open_path(1)
    for path, rtt_ms, window in zip(connection.paths, (fast_ms, slow_ms), (fast_window, slow_window), strict=True):
        path.state = PathState.VALIDATED
        path.rtt.smoothed_ns = rtt_ms * MILLISECOND_NS
        path.rtt.variation_ns = 0
        path.cwnd_bytes = window
    connection.paths[1].rtt.variation_ns = deviation_ms * MILLISECOND_NS
    if not fast_is_free:
        connection.path.bytes_in_flight = fast_window
    connection.peer_max_stream_data = 1 << 40
    connection.sending_stream(0).write(left, fin=False)
    connection.sending_stream(0).limit = 1 << 40
    connection.ready_streams.append(connection.sending_streams[0])
    return connection


def decide(connection):
    chosen = earliest_completion(connection, connection.path, False)
    return (None if chosen is None else chosen.path_id), connection.scheduler_waits


def published(fast_ms, fast_window, slow_ms, slow_window, deviation_ms, left, waits):
    """Algorithm 1, in fractions; what is left takes a round trip at least."""
    rounds_fast, rounds_slow = (max(Fraction(left, window), 1) for window in (fast_window, slow_window))
    if (1 + rounds_fast) * fast_ms < (1 + waits * BETA) * (slow_ms + deviation_ms):
        if rounds_slow * slow_ms >= 2 * fast_ms + deviation_ms:
            return None, True
        return 1, waits
    return 1, False


@pytest.mark.parametrize(
    ("fast_ms", "fast_window", "slow_ms", "slow_window", "deviation_ms", "left", "waits", "decision"),
    [
        (10, 20 * KB, 100, 20 * KB, 0, 20 * KB, False, (None, True)),  # 2 * 10 < 100, and 100 >= 20
        (10, 20 * KB, 100, 20 * KB, 0, 180 * KB, False, (1, False)),  # 10 * 10 is not below 100
        (10, 20 * KB, 100, 20 * KB, 0, 180 * KB, True, (None, True)),  # but below 125, once it waits
        (10, 20 * KB, 100, 20 * KB, 0, 230 * KB, True, (1, False)),  # 12.5 * 10 is not: the waiting is over
        (10, 20 * KB, 100, 20 * KB, 10, 180 * KB, False, (None, True)),  # 100 < 100 + 10
        (50, 20 * KB, 60, 20 * KB, 0, 20 * KB, False, (1, False)),  # 2 * 50 is not below 60
        (50, 20 * KB, 95, 20 * KB, 20, 20 * KB, False, (1, False)),  # 100 < 115, but 95 < 2 * 50 + 20
        (50, 20 * KB, 95, 20 * KB, 20, 20 * KB, True, (1, True)),  # which does not end the waiting
        (50, 20 * KB, 95, 10 * KB, 20, 20 * KB, False, (None, True)),  # two rounds of s: 190
        (10, 20 * KB, 100, 20 * KB, 0, 1 * KB, False, (None, True)),  # what is left takes one round at least
    ],
)
def test_the_decision_is_the_published_one(
    fast_ms, fast_window, slow_ms, slow_window, deviation_ms, left, waits, decision
):
    how = (fast_ms, fast_window, slow_ms, slow_window, deviation_ms, left)
    assert published(*how, waits) == decision
    assert decide(two_paths(*how, waits=waits)) == decision


@given(
    fast_ms=st.integers(1, 200),
    fast_window=st.integers(3 * KB, 300 * KB),
    more_ms=st.integers(1, 400),
    slow_window=st.integers(3 * KB, 300 * KB),
    deviation_ms=st.integers(0, 100),
    left=st.integers(1, 3_000 * KB),
    waits=st.booleans(),
)
def test_it_is_so_for_any_two_paths(fast_ms, fast_window, more_ms, slow_window, deviation_ms, left, waits):
    how = (fast_ms, fast_window, fast_ms + more_ms, slow_window, deviation_ms, left)
    assert decide(two_paths(*how, waits=waits)) == published(*how, waits)


@pytest.mark.parametrize("waits", [False, True])
def test_a_fast_path_that_is_free_is_taken(waits):
    connection = two_paths(10, 20 * KB, 100, 20 * KB, 0, 20 * KB, waits=waits, fast_is_free=True)
    assert decide(connection) == (0, waits)


def test_where_both_are_full_nothing_goes_out():
    connection = two_paths(10, 20 * KB, 100, 20 * KB, 0, 20 * KB, waits=False)
    connection.paths[1].bytes_in_flight = 20 * KB
    assert decide(connection) == (None, False)


def test_a_repeat_does_not_wait():
    connection = two_paths(10, 20 * KB, 100, 20 * KB, 0, 20 * KB, waits=False)
    assert earliest_completion(connection, connection.path, True) is connection.paths[1]
