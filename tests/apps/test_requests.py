"""Requests go one after another, each on a stream of its own, and each answer's time is taken."""

import pytest

from quicsim.apps.requests import Answerer, Requester
from tests.test_endpoint import MILLISECOND_NS, PROFILES, SECOND_NS, Joined


def run(profile="rfc9002", *, faults=(), count=5, start_ns=0, gap_ns=0):
    joined = Joined(profile, faults=faults)
    Answerer(joined.server, response_bytes=200)
    requester = Requester(joined.client, count=count, request_bytes=100, start_ns=start_ns, gap_ns=gap_ns)
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
