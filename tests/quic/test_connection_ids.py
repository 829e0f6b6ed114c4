"""Are connection IDs issued, used and retired as RFC 9000 sections 5.1, 9.5, 19.15 and 19.16 have it?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.quic.errors import ConnectionIdLimitError, ProtocolViolation, QuicError
from quicsim.quic.frames import NewConnectionIdFrame, PathResponseFrame, RetireConnectionIdFrame, frame_size
from quicsim.quic.packet import Address
from quicsim.quic.states import ConnectionState
from tests.quic.pipe import SECOND_NS, Pipe, both_confirmed, request_answers, settled
from tests.quic.test_connection import arriving
from tests.quic.test_migration import FAIR, HOME, ROAD, a_network, frames_sent, hand_over, in_the_middle, rebind


def at_rest(pipe):
    return both_confirmed(pipe) and not pipe.heap


def held(connection):
    """How many active IDs of its peer's a connection holds."""
    return len(connection.ids.of_path(0).usable)


@pytest.mark.parametrize(
    ("client", "server", "at_client", "at_server"),
    [(8, 8, 8, 8), (2, 8, 2, 8), (8, 2, 8, 2), (None, None, 8, 8), (30, 5, 8, 5)],
)
def test_each_end_issues_what_the_other_takes_and_no_more_than_eight(client, server, at_client, at_server):
    limits = {
        name: {"active_connection_id_limit": limit} for name, limit in (("client", client), ("server", server)) if limit
    }
    pipe = Pipe(**limits)
    pipe.connect()
    pipe.run(at_rest)
    assert (held(pipe.client), held(pipe.server)) == (at_client, at_server)


@pytest.mark.parametrize("profile", ["picoquic", "mp-quic"])
def test_the_stacks_of_2018_issue_none(profile):
    network, events = a_network(profile=profile)
    network.run(settled(1))
    assert not frames_sent(events, "client", NewConnectionIdFrame)
    assert not frames_sent(events, "server", NewConnectionIdFrame)


def test_a_limit_below_two_is_refused():
    with pytest.raises(QuicError, match="active_connection_id_limit is 1; the least is 2"):
        Pipe(active_connection_id_limit=1)


def test_an_id_takes_28_bytes():
    _, events = a_network()
    network, events = a_network()
    network.run(at_rest)
    issued = [frame for _, frame in frames_sent(events, "server", NewConnectionIdFrame)]
    assert [frame.sequence_number for frame in issued] == list(range(1, 8))
    assert {frame_size(frame) for frame in issued} == {28}
    assert len({frame.connection_id for frame in issued}) == 7


def test_lost_ones_are_repeated_under_the_same_number():
    """Section 13.3: the information, and only what is not known to have arrived."""
    lost = []

    def loses_ids(pipe, name, datagram):
        frames = [f for p in datagram.packets for f in p.frames if isinstance(f, NewConnectionIdFrame)]
        if frames and len(lost) < 3:
            lost.append(frames)
            return True
        return False

    pipe = Pipe()
    send = pipe._send

    def losing(name, datagram):
        if loses_ids(pipe, name, datagram):
            pipe.drops = lambda sent: True
        send(name, datagram)
        pipe.drops = lambda sent: False

    pipe._send = losing
    request_answers(pipe, response_bytes=30_000)
    pipe.connect()
    pipe.run(settled(1))
    pipe.run(lambda p: held(p.client) == held(p.server) == 8)
    assert len(lost) == 3
    for side in (pipe.client, pipe.server):
        assert sorted(side.ids.of_path(0).usable) == list(range(8))
        assert side.ids.of_path(0).next_issued == 8


def test_a_handover_takes_a_fresh_id_at_both_ends_and_retires_the_old():
    """Sections 5.1.2 and 9.5; the retired are replaced."""
    network, events = a_network()
    in_the_middle(network)
    hand_over(network)
    network.run(settled(1))
    network.run(lambda n: held(n.client) == held(n.server) == 8)
    for name in ("client", "server"):
        ids = network.sides[name].connection.ids.of_path(0)
        assert ids.current == 1
        assert [frame for _, frame in frames_sent(events, name, RetireConnectionIdFrame)] == [
            RetireConnectionIdFrame(0)
        ]
        assert ids.usable.keys() == set(range(1, 9))
    new = [d for _, address, _, d in network.sent_to if address == ROAD]
    assert {d.connection_id for d in new} == {1}
    before = [d for _, address, _, d in network.sent_to if address == HOME]
    assert {d.connection_id or 0 for d in before} == {0}


def test_who_only_has_another_port_keeps_its_id():
    """Section 9.5: a change that the peer does not know of comes with the same ID."""
    network, _ = a_network()
    in_the_middle(network)
    rebind(network)
    network.run(settled(1))
    for side in (network.client, network.server):
        assert side.ids.of_path(0).current == 0
        assert not side.ids.of_path(0).retired


def test_without_an_unused_id_a_client_may_not_move():
    network, _ = a_network(active_connection_id_limit=2)
    in_the_middle(network)
    hand_over(network)
    with pytest.raises(QuicError, match="client may not change its address: its peer has issued no connection"):
        network.client.change_local_address(network.now_ns)
    network.run(settled(1))
    network.run(lambda n: held(n.client) == 2)
    network.client.change_local_address(network.now_ns)
    assert network.client.ids.of_path(0).current == 2


def test_the_id_that_an_answer_about_the_address_left_took_is_replaced():
    """Section 5.1.2: else there is one less for later moves."""
    network, events = a_network(active_connection_id_limit=3)
    in_the_middle(network)
    hand_over(network, keep=True)
    network.run(settled(1))
    network.run(at_rest)
    ids = network.client.ids.of_path(0)
    assert len(frames_sent(events, "client", PathResponseFrame)) == 2, "one of them about the address that was left"
    assert ids.current == 1
    assert len(ids.usable.keys() - ids.used) == 2
    assert ids.usable.keys() == network.server.ids.of_path(0).issued.keys()


def test_a_peer_that_issued_none_is_not_followed():
    """Section 9.5: nor can a probe of its be answered."""
    network, _ = a_network()
    network.run(at_rest)
    network.server.ids.of_path(0).usable = {0: b""}
    hand_over(network, keep=True)
    network.run(lambda n: n.client.addresses.deadline_ns(n.client, 0) == 0)
    assert network.server.addresses.current == HOME
    assert not network.server.addresses.have_changed


def test_an_endpoint_may_ask_for_its_ids_to_be_renewed():
    """Section 5.1.2: the peer retires what it has, and goes on with the new."""
    network, events = a_network()
    in_the_middle(network)
    server = network.server
    server.ids.renew(server)
    network.run(settled(1))
    network.run(lambda n: held(n.client) == 8)
    ids = network.client.ids.of_path(0)
    assert ids.usable.keys() == set(range(8, 16))
    assert ids.current == 8
    assert {frame.sequence_number for _, frame in frames_sent(events, "client", RetireConnectionIdFrame)} == set(
        range(8)
    )
    assert server.ids.of_path(0).issued.keys() == ids.usable.keys()
    assert network.client.ids.have_changed


def an_id(number, content=None, retires=0):
    return NewConnectionIdFrame(number, retires, content or number.to_bytes(8, "big"), bytes(16))


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        ([an_id(1, b"not this")], ProtocolViolation, "connection ID 1 is "),
        ([an_id(8)], ConnectionIdLimitError, "9 connection IDs are active; this end takes 8"),
        ([an_id(8, retires=1)], None, ""),
        ([an_id(8, retires=1), an_id(9, retires=1)], ConnectionIdLimitError, "9 connection IDs are active"),
        ([an_id(9, retires=9), an_id(8)], None, ""),
        ([RetireConnectionIdFrame(8)], ProtocolViolation, "connection ID 8 was retired, of which 8 were issued"),
        ([RetireConnectionIdFrame(0)], ProtocolViolation, "retired by a packet that is addressed to it"),
        ([RetireConnectionIdFrame(3), RetireConnectionIdFrame(3)], None, ""),
    ],
)
def test_what_a_peer_may_do_and_what_not(frames, error, message):
    pipe = Pipe()
    pipe.connect()
    pipe.run(at_rest)
    client = pipe.client
    client.receive(arriving(*frames, number=1_000), pipe.now_ns)
    assert message in client.complaint
    if error is None:
        assert client.state is ConnectionState.CONFIRMED
        assert not client.complaint
        pipe.flush("client")
    else:
        assert client.end.frame.error_code == error.code


def test_an_id_that_comes_late_and_is_to_be_retired_is_retired_at_once():
    """Section 19.15."""
    pipe = Pipe()
    pipe.connect()
    pipe.run(at_rest)
    pipe.client.receive(arriving(an_id(9, retires=9), an_id(8), number=1_000), pipe.now_ns)
    ids = pipe.client.ids.of_path(0)
    assert ids.usable.keys() == {9}
    assert ids.current == 9
    assert ids.retired == set(range(9))


@settings(max_examples=40, deadline=None)
@given(
    there=FAIR,
    back=FAIR,
    changes=st.lists(
        st.tuples(st.integers(1, 50), st.sampled_from(("rebind", "hand over", "renew"))), min_size=1, max_size=4
    ),
    limit=st.sampled_from((2, 3, 8)),
)
def test_whatever_is_lost_late_or_doubled_no_id_goes_with_two_hosts(there, back, changes, limit):
    """Section 9.5. In the end either holds as many as it takes, and none that was not issued or is retired."""
    network, _ = a_network(
        response_bytes=60_000, there=there, back=back, idle_timeout_ns=60 * SECOND_NS, active_connection_id_limit=limit
    )
    from_client = []
    send = network._send

    def noting(name, datagram):
        if name == "client":
            from_client.append((network.client_address, datagram.connection_id or 0))
        send(name, datagram)

    network._send = noting
    for number, (steps, kind) in enumerate(changes, start=1):
        for _ in range(steps):
            network.step()
        if not (network.client.is_confirmed and network.server.is_confirmed):
            continue
        left = network.client_address
        if kind == "renew":
            network.server.ids.renew(network.server)
        elif kind == "rebind":
            network.client_address = Address(left.host, left.port + number)
            network.reachable = {network.client_address}
        elif network.client.ids.of_path(0).unused is not None:
            network.client_address = Address(f"place {number}", 0)
            network.reachable = {network.client_address}
            network.client.change_local_address(network.now_ns)
            network.flush("client")
    network.run(settled(1), limit_ns=3_600 * SECOND_NS)
    for sent in (from_client, [(address, d.connection_id or 0) for _, address, _, d in network.sent_to]):
        hosts = {}
        for address, number in sent:
            hosts.setdefault(number, set()).add(address.host)
        assert all(len(places) == 1 for places in hosts.values()), hosts
    for one, other in ((network.client, network.server), (network.server, network.client)):
        assert one.ids.of_path(0).usable.keys() <= set(range(other.ids.of_path(0).next_issued))
        if settled(1)(network):
            assert one.ids.of_path(0).usable.keys() <= other.ids.of_path(0).issued.keys()
