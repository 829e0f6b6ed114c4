"""Two paths between two hosts: does every byte arrive whatever one of them does, and each packet by its path?"""

from itertools import pairwise

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from quicsim.quic.errors import QuicError
from quicsim.quic.frames import (
    AckFrame,
    CryptoFrame,
    HandshakeDoneFrame,
    MaxDataFrame,
    MaxStreamDataFrame,
    PathAckFrame,
    PathsFrame,
    PingFrame,
    StreamFrame,
)
from quicsim.quic.interface import ReadyToSend
from quicsim.quic.packet import HANDSHAKE
from quicsim.quic.parameters import advertised
from quicsim.quic.profiles import profile_named
from quicsim.quic.settings import Settings, ZeroRtt
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, Pipe, a_connection, both_confirmed, request_answers, settled
from tests.quic.several_paths import SeveralPaths

MS = MILLISECOND_NS
UNSHRUNK = [Phase.explicit, Phase.reuse, Phase.generate]
"""A run that does not end takes long: the first example that shows it will do."""


def downloading(response_bytes=200_000, *, request_bytes=100, streams=1, pipe=SeveralPaths, **wire):
    """A pipe over which a client asks as soon as it can."""
    asking = request_answers(pipe(**wire), request_bytes=request_bytes, response_bytes=response_bytes, streams=streams)
    asking.connect()
    return asking


def downloaded(response_bytes=200_000, *, streams=1, limit_ns=60 * SECOND_NS, **wire):
    """The same once every answer is there."""
    pipe = downloading(response_bytes, streams=streams, **wire)
    pipe.run(lambda pipe: len(pipe.sides["client"].finished) == streams, limit_ns=limit_ns)
    assert set(pipe.sides["client"].delivered.values()) == {response_bytes}
    return pipe


def dies(path, *, at_ms=0, until_ms=1 << 40, deaf=("client", "server")):
    """What these ends send on a path does not arrive for a while."""
    return lambda sender, path_id, now_ns: path_id == path and sender in deaf and at_ms * MS <= now_ns < until_ms * MS


def data_on(pipe, name, path_id):
    """Instants at which an end sent stream data on a path, with its length."""
    return [(now_ns, frame.length) for now_ns, path, frame in pipe.frames(name, StreamFrame) if path == path_id]


# ---------------------------------------------------------------------------------------------- every byte arrives

LOSSES = st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(0, 2), st.integers(0, 60)), max_size=25)
DELAYS_MS = st.tuples(st.integers(1, 80), st.integers(1, 80))


@settings(max_examples=50, deadline=None, phases=UNSHRUNK)
@given(
    delays_ms=DELAYS_MS,
    lost=LOSSES,
    request_bytes=st.sampled_from([1, 100, 60_000]),
    response_bytes=st.sampled_from([1, 5_000, 150_000]),
    streams=st.integers(1, 3),
)
def test_whatever_either_path_loses_every_byte_arrives(delays_ms, lost, request_bytes, response_bytes, streams):
    pipe = downloading(response_bytes, request_bytes=request_bytes, streams=streams, delays_ms=delays_ms, lost=lost)
    pipe.run(settled(streams), limit_ns=300 * SECOND_NS)
    assert set(pipe.sides["client"].delivered.values()) == {response_bytes}
    assert set(pipe.sides["server"].delivered.values()) == {request_bytes}


@settings(max_examples=40, deadline=None, phases=UNSHRUNK)
@given(
    delays_ms=DELAYS_MS,
    path=st.integers(1, 2),
    at_ms=st.integers(0, 1_500),
    deaf=st.sampled_from([("client",), ("client", "server")]),
    request_bytes=st.sampled_from([100, 80_000]),
)
@example(delays_ms=(38, 39), path=2, at_ms=494, deaf=("client", "server"), request_bytes=100)
def test_a_path_that_dies_in_mid_transfer_leaves_the_rest_to_the_other(delays_ms, path, at_ms, deaf, request_bytes):
    """In both directions or in the one of the ACKs, at any instant: the other path brings every byte.

    It may take long. When the last to happen on a path is that something arrives, mp-quic does not take it for failed:
    nothing was sent after that which could have been answered. Two packets a timeout then move to the other path.
    """
    dead = dies(path, at_ms=at_ms, deaf=deaf)
    pipe = downloaded(400_000, request_bytes=request_bytes, delays_ms=delays_ms, dead=dead, limit_ns=600 * SECOND_NS)
    assert pipe.sides["server"].delivered == {0: request_bytes}


def test_a_path_that_dies_in_the_direction_of_the_data_slows_a_transfer_and_does_not_stop_it():
    """What arrives on a failed path makes it a good one again for mp-quic, though nothing it sends there gets back: the
    client's limits, which go out on every path, draw a few packets there each time, which wait for a timeout.
    """
    pipe = downloading(400_000, delays_ms=(52, 1), dead=dies(2, at_ms=261, deaf=("server",)))
    delivered = []
    for until_s in (2, 20, 100):
        pipe.run(lambda pipe, until_s=until_s: pipe.now_ns >= until_s * SECOND_NS)
        delivered.append(pipe.sides["client"].delivered[0])
    assert 49_000 < delivered[0] < delivered[1] < delivered[2]
    assert pipe.server.counts.timeouts > 5


@settings(max_examples=25, deadline=None, phases=UNSHRUNK)
@given(
    delays_ms=DELAYS_MS,
    outages=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3_000), st.integers(1, 3_000)), min_size=1, max_size=4
    ),
)
def test_outages_of_all_paths_at_once_delay_and_lose_nothing(delays_ms, outages):
    dead = [dies(path, at_ms=at_ms, until_ms=at_ms + length_ms) for path, at_ms, length_ms in outages]
    downloaded(
        300_000, delays_ms=delays_ms, dead=lambda *sent: any(rule(*sent) for rule in dead), limit_ns=300 * SECOND_NS
    )


# ------------------------------------------------------------------------------------------------ a path that failed


def test_a_path_where_nothing_is_heard_is_given_up_at_its_first_timeout():
    """Two probes, then a timeout: all that was on it goes out on the other at once, and nothing new follows there."""
    pipe = downloading(3_000_000, dead=dies(2, at_ms=150))
    pipe.run(lambda pipe: pipe.server.paths[-1].is_potentially_failed)
    failed_ns, path = pipe.now_ns, pipe.server.paths[2]
    assert path.pto_count == 3
    assert path.cwnd_bytes == path.minimum_window_bytes
    assert not path.application.lost, "its content was sent again in the same run"
    pipe.run(lambda pipe: len(pipe.sides["client"].finished) == 1)
    assert [now_ns for now_ns, _ in data_on(pipe, "server", 2) if now_ns > failed_ns] == []
    assert sum(length for now_ns, length in data_on(pipe, "server", 1) if now_ns > failed_ns) > 1_000_000


def test_a_path_where_something_is_heard_gives_up_two_packets_a_timeout():
    """The client's own packets arrive: the path carries the server's still, two packets fewer a timeout."""
    pipe = downloading(3_000_000, dead=dies(2, at_ms=150, deaf=("server",)))
    pipe.run(lambda pipe: pipe.now_ns >= 160 * MS)
    path = pipe.server.paths[2]
    outstanding = len(path.application.outstanding)
    assert outstanding > 10
    connection = pipe.server
    connection.now_ns = path.last_sent_ns + 400 * MS
    for last_received_ns, left in ((path.last_sent_ns + 1, outstanding - 2), (path.last_sent_ns, 0)):
        path.last_received_ns = last_received_ns
        path.is_potentially_failed = False
        connection.operations.retransmission_timeout(connection, path, path.application)
        assert len(path.application.outstanding) == left
        assert path.is_potentially_failed == (left == 0)


def test_a_path_that_comes_back_is_asked_by_pings_and_used_again():
    pipe = downloaded(8_000_000, delays_ms=(150, 100), dead=dies(2, at_ms=900, until_ms=4_000))
    pings = [now_ns // MS for now_ns, path, _frame in pipe.frames("server", PingFrame) if path == 2]
    on_it = [now_ns // MS for now_ns, _length in data_on(pipe, "server", 2)]
    assert any(2_000 < at_ms < 4_000 for at_ms in pings)
    assert not any(2_200 < at_ms < 4_000 for at_ms in on_it)
    assert any(at_ms > 4_100 for at_ms in on_it)
    assert not pipe.server.paths[2].is_potentially_failed


def test_reports_do_not_put_off_the_timer_of_a_path_that_died():
    """Two round trips are longer than the interval of PATHS frames here; they go where the round trip is shortest."""
    pipe = downloading(8_000_000, delays_ms=(150, 120), dead=dies(2, at_ms=900))
    pipe.run(lambda pipe: len(pipe.server.paths) == 3 and pipe.server.paths[2].is_potentially_failed)
    assert pipe.now_ns < 3 * SECOND_NS
    pipe.run(lambda pipe: len(pipe.sides["client"].finished) == 1, limit_ns=10 * SECOND_NS)
    last = [path for _now, path, _frame in pipe.frames("server", PathsFrame)][-3:]
    assert last == [1, 1, 1]


def test_a_confirmation_that_arrived_is_not_repeated_for_ever():
    """The peer's delayed ACK comes later than the probe of a path of 14 ms, so a probe is outstanding at any time."""
    pipe = downloading(1, request_bytes=1, delays_ms=(7, 1), lost={("server", 1, 1)})
    pipe.run(settled(1), limit_ns=2 * SECOND_NS)
    assert 1 < len(pipe.frames("server", HandshakeDoneFrame)) < 6


def test_a_stack_with_one_path_never_leaves_it():
    pipe = downloaded(500_000, delays_ms=(10,), dead=dies(0, at_ms=70, until_ms=2_000))
    assert [path.path_id for path in pipe.server.paths] == [0]
    assert not pipe.server.path.is_potentially_failed
    assert pipe.server.counts.timeouts > 0


# --------------------------------------------------------------------------------------- which packet takes which path


def test_after_the_handshake_the_first_path_carries_only_what_it_has_left():
    pipe = downloaded()
    kinds = {
        frame.__class__
        for name in pipe.sides
        for _now, datagram in pipe.log[name, 0]
        for packet in datagram.packets
        if packet.space.name == "APPLICATION"
        for frame in packet.frames
    }
    assert kinds <= {HandshakeDoneFrame, PathAckFrame}
    assert {path for _now, path, _frame in pipe.frames("server", CryptoFrame)} == {0}
    assert data_on(pipe, "server", 1)
    assert data_on(pipe, "server", 2)


def test_the_path_of_the_shorter_round_trip_fills_first():
    pipe = downloaded(1_000_000, delays_ms=(40, 10))
    near, far = (sum(length for _now, length in data_on(pipe, "server", path)) for path in (2, 1))
    assert near > 2 * far
    short = downloaded(20_000, delays_ms=(40, 10), streams=1)
    late = [now_ns for now_ns, _length in data_on(short, "server", 1) if now_ns > 300 * MS]
    assert late == []


def test_no_path_exceeds_its_window_by_more_than_a_packet():
    """mp-quic begins a packet as long as the window is not exceeded yet; only what is repeated goes beyond."""
    pipe = downloading(1_000_000)
    pipe.run(lambda pipe: both_confirmed(pipe) and len(pipe.server.paths) == 3)
    most = 0

    def done(pipe):
        nonlocal most
        for path in pipe.server.paths[1:]:
            over = path.bytes_in_flight - path.cwnd_bytes
            assert over <= path.datagram_bytes
            most = max(most, over)
        return len(pipe.sides["client"].finished) == 1

    pipe.run(done)
    assert most > 0


@pytest.mark.parametrize("delays_ms", [(10, 10), (100, 10)])
def test_the_handshake_is_acknowledged_in_its_own_packets_though_further_paths_are_open(delays_ms):
    """RFC 9000 section 12.3: where a client resumes, packets of the handshake are still under way then."""
    remembered = advertised(profile_named("mp-quic"), Settings())
    client = {"address_count": 2, "remembered": remembered}
    pipe = SeveralPaths(delays_ms=delays_ms, client=client, server={"zero_rtt": ZeroRtt.ACCEPTED})

    def asks_at_once(event):
        if isinstance(event, ReadyToSend):
            pipe.client.send(pipe.client.open_stream(), 100, fin=True)

    request_answers(pipe)
    pipe.sides["client"].on_event = asks_at_once
    pipe.connect()
    pipe.run(settled(1), limit_ns=60 * SECOND_NS)
    assert settled(1)(pipe)
    carrying_acks = [
        packet.space
        for (sender, _path_id), sent in pipe.log.items()
        for _now_ns, datagram in sent
        for packet in datagram.packets
        if sender == "client" and any(isinstance(frame, AckFrame) for frame in packet.frames)
    ]
    assert HANDSHAKE in carrying_acks


@pytest.mark.parametrize("delays_ms", [(10, 10), (5, 40), (40, 5)])
def test_a_path_s_packets_are_acknowledged_on_it(delays_ms):
    pipe = downloaded(300_000, delays_ms=delays_ms)
    for name in pipe.sides:
        acks = pipe.frames(name, PathAckFrame)
        assert {frame.path_id for _now, _path, frame in acks} >= {1, 2}
        assert all(path == frame.path_id for _now, path, frame in acks)


def test_where_the_chosen_path_is_not_open_the_ack_goes_where_the_data_came():
    """What arrives on path 2 first makes a server list path 1 as well, which it must not send on yet."""
    pipe = downloading(delays_ms=(80, 5), dead=dies(1, deaf=("client",)))
    pipe.run(lambda pipe: len(pipe.server.paths) == 3)
    server = pipe.server
    assert [path.is_open for path in server.paths] == [True, False, True]
    server.operations.select_ack_path = lambda connection, path: 2
    pipe.run(lambda pipe: server.paths[1].is_open)  # by the client's PATHS frame
    assert {path for _now, path, frame in pipe.frames("server", PathAckFrame) if frame.path_id == 2} == {2}
    opened_ns = pipe.now_ns
    pipe.run(lambda pipe: len(pipe.sides["client"].finished) == 1)
    late = {path for now_ns, path, frame in pipe.frames("server", PathAckFrame) if now_ns > opened_ns}
    assert late == {1}


# --------------------------------------------------------------------------- what is repeated while nothing is known


def test_while_nothing_is_known_of_a_path_its_packets_go_out_on_the_other_too():
    """The request is the client's first packet on the new paths; no sample exists, so it takes both."""
    pipe = downloaded(delays_ms=(5, 80))
    (first_ns, first, one), (again_ns, again, other), *_ = pipe.frames("client", StreamFrame)
    assert (first_ns, one) == (again_ns, other)
    assert {first, again} == {1, 2}
    alone = downloaded(delays_ms=(5, 80), dead=dies(1))
    assert alone.sides["server"].finished[0] == (4 * 5 + 80) * MS, "the copy arrived on the path that lives"


def test_once_a_path_has_a_sample_nothing_is_sent_twice():
    pipe = downloaded(1_000_000, delays_ms=(20, 10))
    sampled_ns = (
        max(
            min(now_ns for now_ns, path, _frame in pipe.frames("client", PathAckFrame) if path == each)
            for each in (1, 2)
        )
        + 20 * MS
    )
    late = [frame.offset for now_ns, _path, frame in pipe.frames("server", StreamFrame) if now_ns > sampled_ns]
    assert len(late) == len(set(late)) > 300


# ------------------------------------------------------------------------------------------ what paths tell the peer


def test_limits_are_announced_on_every_path_but_the_first():
    pipe = downloaded(500_000)
    for kind in (MaxDataFrame, MaxStreamDataFrame):
        by_path = {path: [] for path in (1, 2)}
        for _now, path, frame in pipe.frames("client", kind):
            by_path[path].append(frame.maximum)
        assert by_path[1] == by_path[2] != []


def test_round_trip_times_are_reported_five_times_a_second_while_a_stream_is_open():
    pipe = downloaded(10_000_000, delays_ms=(300, 200))
    finished_ns = pipe.now_ns
    assert finished_ns > 4 * SECOND_NS
    pipe.run(lambda pipe: pipe.now_ns > finished_ns + 2 * SECOND_NS)
    for name in pipe.sides:
        instants = [now_ns for now_ns, _path, _frame in pipe.frames(name, PathsFrame)]
        gaps = [after - before for before, after in pairwise(instants)]
        assert min(gaps) >= 200 * MS
        assert sorted(gaps)[len(gaps) // 2] < 240 * MS
        assert max(instants) < finished_ns + 500 * MS
    _now, _path, last = pipe.frames("server", PathsFrame)[-1]
    reported = dict(last.paths)
    assert reported[1] == pytest.approx(600_000, rel=0.1)
    assert reported[2] == pytest.approx(400_000, rel=0.1)
    assert [path.peer_rtt_ns for path in pipe.client.paths] == [reported[each] * 1_000 for each in range(3)]


# --------------------------------------------------------------------------------------------- ends that know one path


@pytest.mark.parametrize("other", ["rfc9002", "picoquic"])
@pytest.mark.parametrize("several", ["client", "server"])
def test_with_an_end_that_knows_one_path_there_is_one(other, several):
    pipe = SeveralPaths()
    side = "server" if several == "client" else "client"
    connection = a_connection(side, other, pipe.trace, **({"address_count": 2} if side == "client" else {}))
    pipe.sides[side].connection = connection
    request_answers(pipe, response_bytes=100_000)
    pipe.connect()
    pipe.run(lambda pipe: len(pipe.sides["client"].finished) == 1)
    assert pipe.sides["client"].delivered == {0: 100_000}
    assert {path_id for (_name, path_id), count in pipe.carried.items() if count} == {0}
    assert [len(each.connection.paths) for each in pipe.sides.values()] == [1, 1]


def test_more_addresses_than_paths_are_refused_in_words():
    with pytest.raises(QuicError, match="8 addresses; a connection has at most 7"):
        a_connection("client", "mp-quic", address_count=8)


def test_seven_addresses_are_seven_paths():
    pipe = downloaded(500_000, delays_ms=(30, 25, 20, 15, 10, 5, 1))
    assert [path.path_id for path in pipe.server.paths] == list(range(8))
    assert all(data_on(pipe, "server", path) for path in range(1, 8))


def test_a_client_of_one_address_stays_on_it():
    pipe = downloading(pipe=Pipe, profile="mp-quic")
    pipe.run(settled(1))
    assert [len(side.connection.paths) for side in pipe.sides.values()] == [1, 1]
