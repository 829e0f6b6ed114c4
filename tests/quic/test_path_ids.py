"""Are paths opened only where both ends allow them and IDs are there? draft-ietf-quic-multipath sections 3 and 4."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quicsim.quic import path_control
from quicsim.quic.errors import ConnectionIdLimitError, ProtocolViolation
from quicsim.quic.frames import (
    MaxPathIdFrame,
    NewConnectionIdFrame,
    PathCidsBlockedFrame,
    PathNewConnectionIdFrame,
    PathRetireConnectionIdFrame,
    PathsBlockedFrame,
    frame_size,
)
from quicsim.quic.states import ConnectionState, EcnState, PathState
from tests.quic.pipe import both_confirmed, request_answers, settled
from tests.quic.test_connection import arriving
from tests.quic.test_ietf_multipath import Paths, downloaded

NEW = PathNewConnectionIdFrame


def held(connection, path_id):
    """The peer's IDs that a connection may use on a path."""
    return set(connection.ids.of_path(path_id).usable)


def test_each_path_that_may_be_opened_has_an_id_and_one_in_use_has_a_spare():
    pipe = downloaded()
    for connection in (pipe.client, pipe.server):
        assert [held(connection, path_id) for path_id in range(9)] == [{0, 1}, {0, 1}, *[{0}] * 6, set()]
    issued = [frame for _now, _path, frame in pipe.frames("server", NEW)]
    assert [(frame.path_id, frame.sequence_number) for frame in issued] == [*((n, 0) for n in range(1, 8)), (1, 1)]
    assert {frame_size(frame) for frame in issued} == {30}


@pytest.mark.parametrize("name", ["client", "server"])
def test_without_its_ids_a_path_is_not_used_and_the_peer_hears_of_it(name):
    """The first ones are lost: the path opens, or answers, once they are repeated."""
    lost = []

    class Losing(Paths):
        def _send(self, sender, datagram):
            frames = [frame for packet in datagram.packets for frame in packet.frames]
            if sender == name and any(isinstance(frame, NEW) for frame in frames) and len(lost) < 2:
                self.lost = frozenset({(sender, datagram.path_id, self.carried[sender, datagram.path_id])})
                lost.append(self.now_ns)
            super()._send(sender, datagram)

    pipe = Losing(delays_ms=(10, 30), client={"address_count": 2})
    pipe.connect()
    pipe.run(lambda p: all(len(s.paths) == 2 and s.paths[1].state is PathState.VALIDATED for s in (p.client, p.server)))
    other = "client" if name == "server" else "server"
    blocked = [frame for _now, _path, frame in pipe.frames(other, PathCidsBlockedFrame)]
    assert len(lost) == 2
    if name == "server":  # what confirms the handshake is lost as well, so that nobody wants a path before
        assert blocked == []
    first = min(now for now, path, _ in pipe.frames(other, object) if path == 1)
    assert first > lost[-1] + 10_000_000


def test_a_client_that_lacks_an_id_says_so_once():
    pipe = Paths(delays_ms=(10, 30), client={"address_count": 2})
    pipe.connect()
    pipe.run(lambda p: p.server.is_confirmed)
    pipe.client.ids.of_path(1).usable.clear()
    for _ in range(2):
        path_control.open_all(pipe.client)
    waiting = [f for f in pipe.client.path.application.pending if isinstance(f, PathCidsBlockedFrame)]
    assert waiting == [PathCidsBlockedFrame(1, 0)]
    pipe.run(lambda p: len(p.client.paths) == 2)


def test_where_the_limit_stops_a_path_it_waits_until_another_is_abandoned():
    """Three addresses, two paths: the peer hears that a third is wanted, and allows it when there is a place."""
    pipe = downloaded(
        delays_ms=(10, 30, 20),
        answer_bytes=3_000_000,
        server={"initial_max_path_id": 1},
        during=lambda pipe: path_control.abandon(pipe.client, 1),
    )
    assert [frame for _now, _path, frame in pipe.frames("client", PathsBlockedFrame)] == [PathsBlockedFrame(1)]
    assert [frame for _now, _path, frame in pipe.frames("server", MaxPathIdFrame)] == [MaxPathIdFrame(2)]
    for connection in (pipe.client, pipe.server):
        assert [path.is_open for path in connection.paths] == [True, False, True]
        assert connection.paths[2].state is PathState.VALIDATED
        assert held(connection, 1) == set()
        assert not connection.ids.of_path(1).issued
    assert not pipe.frames("client", PathRetireConnectionIdFrame), "the path takes its IDs with it"


def test_the_ids_of_a_path_can_be_renewed():
    pipe = downloaded(
        answer_bytes=2_000_000,
        server={"scheduler": "round-robin"},
        during=lambda pipe: pipe.server.ids.renew(pipe.server, 1),
    )
    retired = {(f.path_id, f.sequence_number) for _now, _path, f in pipe.frames("client", PathRetireConnectionIdFrame)}
    assert retired == {(1, 0), (1, 1)}
    assert held(pipe.client, 1) == {2, 3}
    to_new = [d for _now, d in pipe.log["client", 1] if d.connection_id == 2]
    assert to_new
    assert held(pipe.client, 0) == {0, 1}


def an_id(path_id, number, content=b"8 bytes!"):
    return NEW(path_id, number, 0, content, bytes(16))


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        ([an_id(8, 0)], ProtocolViolation, "speaks of path 8; the largest allowed is 7"),
        ([an_id(3, 0), an_id(3, 0, b"another.")], ProtocolViolation, "connection ID 0 is "),
        ([an_id(3, 1), an_id(3, 2)], ConnectionIdLimitError, "3 connection IDs are active"),
        ([PathRetireConnectionIdFrame(9, 0)], ProtocolViolation, "speaks of path 9"),
        ([PathRetireConnectionIdFrame(3, 1)], ProtocolViolation, "connection ID 1 was retired, of which 1 were"),
        ([PathRetireConnectionIdFrame(3, 0)], None, ""),
        ([MaxPathIdFrame(6)], ProtocolViolation, "MAX_PATH_ID 6; 7 was advertised"),
        ([MaxPathIdFrame(1 << 32)], ProtocolViolation, "MAX_PATH_ID 4294967296"),
        ([MaxPathIdFrame((1 << 32) - 1)], None, ""),
        ([PathsBlockedFrame(8)], ProtocolViolation, "speaks of path 8"),
        ([PathsBlockedFrame(7)], None, ""),
        ([PathCidsBlockedFrame(8, 0)], ProtocolViolation, "speaks of path 8"),
        ([PathCidsBlockedFrame(3, 2)], ProtocolViolation, "waits for connection ID 2; 1 were issued"),
        ([PathCidsBlockedFrame(3, 1)], None, ""),
    ],
)
def test_what_a_peer_may_say_and_what_not(frames, error, message):
    pipe = Paths(delays_ms=(10, 30), client={"address_count": 1})
    pipe.connect()
    pipe.run(lambda p: both_confirmed(p) and not p.heap)
    client = pipe.client
    client.receive(arriving(*frames, number=1_000), pipe.now_ns)
    assert message in client.complaint
    if error is None:
        assert client.state is ConnectionState.CONFIRMED
        assert not client.complaint
    else:
        assert client.end.frame.error_code == error.code


def test_a_retired_id_of_a_path_is_replaced():
    pipe = Paths(delays_ms=(10, 30), client={"address_count": 1})
    pipe.connect()
    pipe.run(lambda p: both_confirmed(p) and not p.heap)
    pipe.client.receive(arriving(PathRetireConnectionIdFrame(3, 0), number=1_000), pipe.now_ns)
    assert pipe.client.ids.of_path(3).issued.keys() == {1, 2}
    waiting = [f for f in pipe.client.path.application.pending if isinstance(f, NEW | NewConnectionIdFrame)]
    assert [(f.path_id, f.sequence_number) for f in waiting] == [(3, 1), (3, 2)]


# ECN, path by path


class Marking(Paths):
    """What `arrives` says becomes of a codepoint: by path, a function of it and of the number that were sent there."""

    def __init__(self, arrives, **how):
        super().__init__(**how)
        self.arrives = arrives

    def _send(self, name, datagram):
        become = self.arrives.get((name, datagram.path_id))
        if become is not None and datagram.ecn:
            datagram.ecn = become(self.carried[name, datagram.path_id])
        super()._send(name, datagram)


def marked(arrives):
    """A download under round robin with what becomes of the server's marks on each path."""
    ends = {"client": {"address_count": 2, "ecn": True}, "server": {"ecn": True, "scheduler": "round-robin"}}
    pipe = Marking(arrives, delays_ms=(10, 30), **ends)
    request_answers(pipe, response_bytes=400_000)
    pipe.connect()
    pipe.run(settled(1))
    return pipe


BLEACHED, CARRIED, ONE_MARKED = (lambda n: 0), (lambda n: 2), (lambda n: 3 if n == 8 else 2)


@pytest.mark.parametrize(
    ("first", "second", "states"),
    [
        (CARRIED, CARRIED, [EcnState.CAPABLE, EcnState.CAPABLE]),
        (BLEACHED, CARRIED, [EcnState.FAILED, EcnState.CAPABLE]),
        (CARRIED, BLEACHED, [EcnState.CAPABLE, EcnState.FAILED]),
        (BLEACHED, BLEACHED, [EcnState.FAILED, EcnState.FAILED]),
        (CARRIED, lambda n: 1, [EcnState.CAPABLE, EcnState.FAILED]),
    ],
)
def test_each_path_is_tested_for_its_marks_by_itself(first, second, states):
    pipe = marked({("server", 0): first, ("server", 1): second})
    assert [path.ecn.state for path in pipe.server.paths] == states
    assert [path.ecn_codepoint for path in pipe.server.paths] == [
        2 if state is EcnState.CAPABLE else 0 for state in states
    ]


def test_congestion_that_one_path_s_marks_tell_of_cuts_that_path_s_window_only():
    plain = marked({("server", 0): CARRIED, ("server", 1): CARRIED})
    pipe = marked({("server", 0): CARRIED, ("server", 1): ONE_MARKED})
    assert pipe.server.paths[0].ssthresh_bytes == plain.server.paths[0].ssthresh_bytes
    assert pipe.server.paths[1].ssthresh_bytes < plain.server.paths[1].ssthresh_bytes
    assert pipe.server.counts.packets_lost == 0


@settings(max_examples=25, deadline=None)
@given(
    delays_ms=st.lists(st.integers(1, 80), min_size=2, max_size=4),
    lost=st.frozensets(
        st.tuples(st.sampled_from(("client", "server")), st.integers(0, 3), st.integers(0, 40)), max_size=14
    ),
    limit=st.sampled_from((1, 2, 7)),
    ecn=st.booleans(),
    leaves=st.none() | st.tuples(st.sampled_from(("client", "server")), st.integers(1, 3), st.integers(1, 80)),
)
@example([24, 1, 31], frozenset(), 2, False, ("client", 2, 1))  # PATH_ABANDON overtakes what opens the path
def test_whatever_is_lost_and_whichever_path_is_abandoned_all_arrives(delays_ms, lost, limit, ecn, leaves):
    """And no packet is addressed to an ID that its path's peer has not issued (`pipe.check` sees to the limits)."""

    def leave(pipe):
        if leaves is not None:
            name, path_id, steps = leaves
            for _ in range(steps):
                pipe.step()
            connection = pipe.sides[name].connection
            if path_id < len(connection.paths) and connection.paths[path_id].is_open:
                path_control.abandon(connection, path_id)
                pipe.flush(name)

    pipe = downloaded(
        delays_ms=delays_ms, lost=lost, client={"ecn": ecn},
        server={"ecn": ecn, "scheduler": "round-robin", "initial_max_path_id": limit}, answer_bytes=150_000,
        during=leave,
    )  # fmt: skip
    for name, other in (("client", pipe.server), ("server", pipe.client)):
        for path_id in range(len(pipe.sides[name].connection.paths)):
            issued = other.ids.of_path(path_id).next_issued
            assert all((d.connection_id or 0) < issued for _now, d in pipe.log[name, path_id])
        assert len(other.paths) <= limit + 1 + len(other.abandoned_paths)
