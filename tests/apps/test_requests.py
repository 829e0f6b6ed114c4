"""Requests go one after another, each on a stream of its own, and each answer's time is taken."""

from itertools import pairwise

import pytest

from quicsim.apps.asking import Answerer, Asker
from quicsim.apps.requests import Drawn, Requester
from quicsim.distributions import Always, OneOf
from quicsim.randomness import Streams
from tests.test_endpoint import MILLISECOND_NS, PROFILES, SECOND_NS, Joined


def drawn(distribution, of="this test"):
    return Drawn(distribution, Streams(1, 0).stream(of))


def run(profile="rfc9002", *, faults=(), count=5, start_ns=0, gap_ns=0, size=None, **options):
    joined = Joined(profile, faults=faults)
    requester = Requester(
        Asker(joined.client, Answerer(joined.server)),
        count=count,
        request_bytes=drawn(Always(100)),
        response_bytes=drawn(size or Always(200), "size"),
        start_ns=start_ns,
        gap_ns=drawn(Always(gap_ns)),
        **options,
    )
    joined.client.connect()
    joined.clock.run(until=requester.finished)
    return joined, requester


@pytest.mark.parametrize("profile", PROFILES)
def test_each_request_has_a_stream_of_its_own(profile):
    joined, requester = run(profile)
    assert requester.stream_ids == [0, 4, 8, 12, 16]
    assert sorted(joined.ends) == requester.stream_ids
    assert len(requester.completions_ns) == 5
    assert all(20 * MILLISECOND_NS < took < 22 * MILLISECOND_NS for took in requester.completions_ns)


def test_the_next_request_waits_for_the_last_answer_and_the_gap():
    joined, requester = run(gap_ns=7 * MILLISECOND_NS, start_ns=SECOND_NS)
    starts = [joined.client.stream_starts_ns[f"stream-start:{stream_id}"][0] for stream_id in requester.stream_ids]
    assert starts[0] == SECOND_NS
    for index, stream_id in enumerate(requester.stream_ids[:-1]):
        assert starts[index + 1] == joined.ends[stream_id] + 7 * MILLISECOND_NS
        assert requester.completions_ns[index] == joined.ends[stream_id] - starts[index]


def test_a_start_before_the_handshake_is_over_waits_for_it():
    joined, _ = run(count=1, start_ns=1)
    complete_ns = next(instant for state, instant in joined.states if state.value == "complete")
    assert joined.client.stream_starts_ns["stream-start:0"] == [complete_ns]


@pytest.mark.parametrize(("profile", "reaction_ms"), [("picoquic", 70), ("rfc9002", 100)])
def test_a_request_whose_first_packet_is_lost_still_completes(profile, reaction_ms):
    joined, requester = run(profile, faults=["first packet of each request"], start_ns=SECOND_NS)
    assert len(requester.completions_ns) == 5
    for stream_id, took_ns in zip(requester.stream_ids, requester.completions_ns, strict=True):
        first, second = joined.client.stream_starts_ns[f"stream-start:{stream_id}"]
        assert second - first <= reaction_ms * MILLISECOND_NS
        assert took_ns == joined.ends[stream_id] - first


def under_way(joined, requester):
    """Instants at which requests are made and answered, and how many are under way after each."""
    made = [joined.client.stream_starts_ns[f"stream-start:{stream_id}"][0] for stream_id in requester.stream_ids]
    answered = [start + took for start, took in zip(made, requester.completions_ns, strict=True)]
    steps = sorted([(instant, 1) for instant in made] + [(instant, -1) for instant in answered])
    counts, now = [], 0
    for _instant, step in steps:
        now += step
        counts.append(now)
    return made, counts


def test_several_streams_keep_as_many_requests_under_way():
    joined, requester = run(count=9, streams=3, gap_ns=3 * MILLISECOND_NS)
    made, counts = under_way(joined, requester)
    assert len(set(requester.stream_ids)) == 9
    assert max(counts) == 3
    assert made[0] == made[1] == made[2] < made[3]


def test_in_an_open_loop_requests_do_not_wait_for_answers():
    every = drawn(OneOf((1_000_000, 3_000_000)), "every")
    joined, requester = run(count=8, every_ns=every, size=OneOf((100, 60_000)))
    made, counts = under_way(joined, requester)
    assert [later - first for first, later in pairwise(made)] == [every[index] for index in range(1, 8)]
    assert max(counts) > 3


def test_sizes_are_drawn_by_the_request_s_number():
    joined, requester = run(count=6, size=OneOf((100, 5_000, 9_000)), streams=2)
    sizes = [joined.client.connection.receiving_streams[stream_id].final_size for stream_id in requester.stream_ids]
    assert sizes == [drawn(OneOf((100, 5_000, 9_000)), "size")[index] for index in range(6)]
    assert len(set(sizes)) > 1


def test_a_request_without_its_answer_in_time_is_abandoned():
    """500 kB take more than a tenth of a second, 200 B do not."""
    joined, requester = run(count=4, size=OneOf((200, 500_000)), streams=1, abandon_after_ns=100 * MILLISECOND_NS)
    sizes = [requester._response_bytes[index] for index in range(4)]
    assert set(sizes) == {200, 500_000}
    assert [bool(took) for took in requester.completions_ns] == [size == 200 for size in sizes]
    assert len(requester.abandoned_bytes) == sizes.count(500_000)
    assert all(0 < there < 500_000 for there in requester.abandoned_bytes)
    joined.clock.run()
    server = joined.server.connection
    for stream_id, size in zip(requester.stream_ids, sizes, strict=True):
        stream = server.sending_streams[stream_id]
        assert stream.is_over
        assert stream.is_reset == (size == 500_000)
    assert sorted(joined.ends) == [i for i, size in zip(requester.stream_ids, sizes, strict=True) if size == 200]


def test_an_answer_that_was_not_begun_is_never_sent():
    """Every packet of the server is late: the request is abandoned before it arrives, or with it."""
    joined, requester = run(count=2, abandon_after_ns=5 * MILLISECOND_NS)
    joined.clock.run()
    assert requester.completions_ns == [0, 0]
    assert requester.abandoned_bytes == [0, 0]
    assert joined.client.connection.flow.received == joined.server.connection.flow.sent
    assert all(stream.is_over for stream in joined.client.connection.receiving_streams.values())
