"""Do paths come, carry, rank and go as draft-ietf-quic-multipath has it, whatever the scheduler and the losses?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.quic import path_control
from quicsim.quic.errors import QuicError
from quicsim.quic.frames import (
    PathAbandonFrame,
    PathAckFrame,
    PathBackupFrame,
    PathChallengeFrame,
    PathResponseFrame,
    StreamFrame,
)
from quicsim.quic.schedulers import SCHEDULERS
from quicsim.quic.states import PathState
from tests.quic.pipe import MILLISECOND_NS, OTHER, request_answers, settled
from tests.quic.several_paths import SeveralPaths

ANSWER_BYTES = 400_000
by_scheduler = pytest.mark.parametrize("scheduler", SCHEDULERS)


class Paths(SeveralPaths):
    """Two connections of the multipath profile, with a path for each delay, from path 0 on."""

    profile = "multipath"
    paths_beside_those_of_addresses = 0


def downloaded(*, delays_ms=(10, 30), answer_bytes=ANSWER_BYTES, client=(), server=(), during=None, **network):
    pipe = Paths(
        delays_ms=delays_ms,
        client={"address_count": len(delays_ms), **dict(client)},
        server=dict(server),
        **network,
    )
    request_answers(pipe, response_bytes=answer_bytes)
    pipe.connect()
    if during is not None:
        pipe.run(lambda pipe: pipe.now_ns > 150 * MILLISECOND_NS)
        during(pipe)
    is_done = settled(1) if network.get("dead") is None else lambda pipe: pipe.sides["client"].finished
    pipe.run(is_done, limit_ns=120_000 * MILLISECOND_NS)
    assert pipe.sides["client"].finished, "the answer did not arrive whole"
    return pipe


def data_bytes(pipe, path_id):
    return sum(frame.length for _now, path, frame in pipe.frames("server", StreamFrame) if path == path_id)


@by_scheduler
def test_both_paths_are_validated_and_carry_what_the_scheduler_gives_them(scheduler):
    pipe = downloaded(server={"scheduler": scheduler})
    for side in (pipe.client, pipe.server):
        assert [path.state for path in side.paths] == [PathState.VALIDATED] * 2
    for name in ("client", "server"):
        assert {path for _now, path, _frame in pipe.frames(name, PathChallengeFrame)} == {1}
        assert {path for _now, path, _frame in pipe.frames(name, PathResponseFrame)} == {1}
        first = {path: datagrams[0][0] for (who, path), datagrams in pipe.log.items() if who == name}
        assert first[1] > first[0]
    carried = [data_bytes(pipe, path_id) for path_id in (0, 1)]
    assert carried[0]
    spread = scheduler in ("round-robin", "redundant")
    assert (carried[1] > ANSWER_BYTES // 100) == spread, "the fast path's window is hardly ever full here"
    if scheduler == "redundant":
        assert sum(carried) > ANSWER_BYTES + carried[1] // 2
    else:
        assert sum(carried) == ANSWER_BYTES


def test_no_data_goes_on_a_path_before_its_challenge_is_answered():
    pipe = downloaded(server={"scheduler": "round-robin"})
    [answered_ns, *_] = [now for now, _path, _frame in pipe.frames("client", PathResponseFrame)]
    on_second = [now for now, path, _frame in pipe.frames("server", StreamFrame) if path == 1]
    assert min(on_second) >= answered_ns + 30 * MILLISECOND_NS


def test_a_lost_challenge_is_made_again_with_other_bytes():
    pipe = downloaded(lost={("client", 1, 0), ("server", 1, 1)})
    sides = (pipe.client, pipe.server)
    pipe.run(lambda _: all(len(side.paths) == 2 and side.paths[1].state is PathState.VALIDATED for side in sides))
    assert [side.paths[1].state for side in sides] == [PathState.VALIDATED] * 2
    for name in ("client", "server"):
        challenges = [frame.data for _now, _path, frame in pipe.frames(name, PathChallengeFrame)]
        assert len(challenges) == len(set(challenges)) > (name == "client")


def test_challenges_are_expanded():
    pipe = downloaded()
    for name in ("client", "server"):
        for _now, datagram in pipe.log[name, 1]:
            frames = [frame for packet in datagram.packets for frame in packet.frames]
            if any(isinstance(frame, PathChallengeFrame) for frame in frames):
                assert datagram.size_bytes >= 1_130


def test_a_backup_path_carries_nothing_until_it_is_the_only_one():
    assert data_bytes(downloaded(client={"backup_paths": (1,)}), 1) == 0
    pipe = downloaded(
        answer_bytes=4_000_000,
        client={"backup_paths": (1,)},
        dead=lambda sender, path_id, now_ns: path_id == 0 and now_ns > 200 * MILLISECOND_NS,
    )
    assert next(frame.path_id for _now, _path, frame in pipe.frames("client", PathBackupFrame)) == 1
    assert data_bytes(pipe, 1) > 0


def test_a_rank_can_be_taken_back_and_late_frames_say_nothing():
    pipe = downloaded(client={"backup_paths": (1,)})
    path_control.rank(pipe.client, 1, is_backup=False)
    assert not pipe.client.paths[1].is_backup
    path_control.ranked(pipe.server, PathBackupFrame(1, 1))
    assert pipe.server.paths[1].is_backup
    path_control.ranked(pipe.server, PathBackupFrame(1, 3)._replace(sequence_number=0))
    assert pipe.server.paths[1].peer_status_sequence == 1


@by_scheduler
@pytest.mark.parametrize("dead", [0, 1])
def test_a_path_that_dies_does_not_take_the_transfer_with_it(scheduler, dead):
    downloaded(
        answer_bytes=2_500_000,
        server={"scheduler": scheduler},
        client={"scheduler": scheduler},
        dead=lambda sender, path_id, now_ns: path_id == dead and now_ns > 200 * MILLISECOND_NS,
    )


@pytest.mark.parametrize("by", ["client", "server"])
@pytest.mark.parametrize("gone", [0, 1])
def test_an_abandoned_path_leaves_its_data_to_another(by, gone):
    pipe = downloaded(answer_bytes=2_000_000, during=lambda pipe: path_control.abandon(pipe.sides[by].connection, gone))
    assert next(frame.path_id for _now, _path, frame in pipe.frames(by, PathAbandonFrame)) == gone
    assert next(frame.path_id for _now, _path, frame in pipe.frames(OTHER[by], PathAbandonFrame)) == gone
    for side in (pipe.client, pipe.server):
        assert [path.is_open for path in side.paths] == [path_id != gone for path_id in (0, 1)]
        assert side.paths[gone].bytes_in_flight == 0


def test_the_last_path_cannot_be_abandoned():
    pipe = downloaded(answer_bytes=2_000_000, during=lambda pipe: path_control.abandon(pipe.client, 0))
    with pytest.raises(QuicError, match="path 1 is the last one that is left; close the connection to end it"):
        path_control.abandon(pipe.client, 1)


def test_the_minimum_begins_anew_where_acknowledgements_change_their_way():
    pipe = downloaded()
    path = pipe.server.paths[0]
    before_ns = path.rtt.minimum_ns
    path_control.acknowledged_by(path, path)
    assert path.rtt.minimum_ns == before_ns
    path_control.acknowledged_by(path, pipe.server.paths[1])
    assert path.rtt.minimum_ns > before_ns
    assert path.rtt.smoothed_ns < path.rtt.minimum_ns


def test_acknowledgements_name_their_path():
    pipe = downloaded()
    named = {frame.path_id for _now, _path, frame in pipe.frames("client", PathAckFrame)}
    assert named == {0, 1}


@settings(max_examples=25, deadline=None)
@given(
    scheduler=st.sampled_from(sorted(SCHEDULERS)),
    delays_ms=st.lists(st.integers(1, 80), min_size=1, max_size=3),
    lost=st.frozensets(
        st.tuples(st.sampled_from(("client", "server")), st.integers(0, 2), st.integers(0, 60)), max_size=12
    ),
)
def test_every_byte_arrives_whatever_is_lost(scheduler, delays_ms, lost):
    pipe = downloaded(delays_ms=delays_ms, lost=lost, server={"scheduler": scheduler}, answer_bytes=120_000)
    assert all(path.bytes_in_flight >= 0 for path in pipe.server.paths)
