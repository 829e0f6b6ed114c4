"""What if nothing gets through on any path for a while? The connection goes on when the network does."""

import pytest

from tests.quic.pipe import MILLISECOND_NS, Pipe, request_answers, settled

STARTS_NS = 100 * MILLISECOND_NS
"""In the middle of the answer."""


@pytest.mark.parametrize("seconds", [1, 2, 5, 20])
@pytest.mark.parametrize("addresses", [1, 2, 3])
def test_an_outage_of_all_paths_ends(addresses, seconds):
    ends_ns = STARTS_NS + seconds * 1_000 * MILLISECOND_NS
    pipe = Pipe("mp-quic", client={"address_count": addresses}, drops=lambda _: STARTS_NS < pipe.now_ns < ends_ns)
    request_answers(pipe, response_bytes=2_000_000)
    pipe.connect()
    pipe.run(settled(1), limit_ns=4 * ends_ns)
    [finished_ns] = pipe.sides["client"].finished.values()
    assert finished_ns > ends_ns, "the outage came too late"


def test_a_path_recovers_whose_sibling_stays_dead():
    """What was lost on the dead one waits for a path, and the other's timer must run meanwhile."""
    ends_ns = STARTS_NS + 5_000 * MILLISECOND_NS
    last: list[int] = []
    pipe = Pipe("mp-quic", client={"address_count": 2})
    send = pipe._send

    def send_unless_dead(name, datagram):
        last[:] = [datagram.path_id]
        send(name, datagram)

    pipe._send = send_unless_dead
    pipe.drops = lambda _: pipe.now_ns > STARTS_NS and (last == [1] or pipe.now_ns < ends_ns)
    request_answers(pipe, response_bytes=2_000_000)
    pipe.connect()
    pipe.run(lambda pipe: pipe.now_ns > ends_ns)
    assert [path.is_potentially_failed for path in pipe.server.paths] == [False, True, True]
    pipe.run(lambda pipe: not pipe.server.paths[2].is_potentially_failed, limit_ns=3 * ends_ns)


@pytest.mark.parametrize("profile", ["rfc9002", "picoquic", "mp-quic"])
def test_the_smallest_window_holds_datagrams_of_any_size(profile):
    """A timeout leaves the smallest window; one below a datagram would never open again."""
    ends_ns = STARTS_NS + 3_000 * MILLISECOND_NS
    pipe = Pipe(profile, drops=lambda _: STARTS_NS < pipe.now_ns < ends_ns, datagram_bytes=9_000)
    request_answers(pipe, response_bytes=2_000_000)
    pipe.connect()
    pipe.run(settled(1), limit_ns=10 * ends_ns)
    assert pipe.server.counts.timeouts
    assert pipe.sides["client"].finished
