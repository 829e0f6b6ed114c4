"""Does a connection outlive a change of address, and does nobody get to misuse it? RFC 9000 sections 8.2 and 9."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.events import PacketSent
from quicsim.quic.congestion import CONTROLLERS
from quicsim.quic.errors import QuicError
from quicsim.quic.frames import PathChallengeFrame, PathResponseFrame, PingFrame
from quicsim.quic.packet import APPLICATION, Address, Datagram, Packet
from quicsim.quic.path import AMPLIFICATION_FACTOR
from quicsim.quic.states import ConnectionState, EcnState, PathState
from tests.quic.network import Network, Weather
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, both_confirmed, request_answers, settled
from tests.quic.test_any_network import WEATHER

FAIR = st.builds(
    replace,
    WEATHER,
    rates=st.sampled_from(((), ((100, 3_000), (100, 0)), ((20, 500), (300, 40_000)))),
    queue_bytes=st.sampled_from((3_000, 20_000)),
)
"""Anything may be lost, late or doubled; but an answer comes within the three timeouts that a new path has."""
HOME, ROAD, PORT = Address("home", 0), Address("road", 0), Address("home", 1)


def a_network(*, response_bytes=400_000, there=None, back=None, **how):
    network = Network(weather={"client": there or Weather(), "server": back or Weather()}, **how)
    request_answers(network, response_bytes=response_bytes)
    network.client_address = HOME
    network.reachable = {HOME}
    network.trace.subscribers.append((events := []).append)
    network.sent_to = []
    send = network._send

    def noting(name, datagram):
        if name == "server":
            network.sent_to.append((network.now_ns, datagram.address or HOME, datagram.size_bytes, datagram))
        send(name, datagram)

    network._send = noting
    network.connect()
    return network, events


def rebind(network):
    """An address translator gives the client another port, and forgets the old one."""
    network.client_address = PORT
    network.reachable = {PORT}


def hand_over(network, *, keep=False):
    """The client takes another interface; what is under way to the old one is lost unless it is kept."""
    network.client_address = ROAD
    network.reachable = {ROAD, HOME} if keep else {ROAD}
    network.client.change_local_address(network.now_ns)
    network.flush("client")


def in_the_middle(network):
    network.run(lambda n: n.sides["client"].delivered.get(0, 0) > 100_000)


def frames_sent(events, name, kind):
    return [
        (event, frame)
        for event in events
        if isinstance(event, PacketSent) and event.component == name
        for frame in event.frames
        if isinstance(frame, kind)
    ]


@pytest.mark.parametrize("change", [rebind, hand_over])
def test_a_download_goes_on_at_the_new_address(change):
    network, events = a_network()
    in_the_middle(network)
    change(network)
    network.run(settled(1))
    assert network.sides["client"].delivered == {0: 400_000}
    assert network.server.addresses.current == network.client_address
    assert network.server.path.state is PathState.VALIDATED
    assert not network.server.path.is_limited
    challenges = [frame.data for _, frame in frames_sent(events, "server", PathChallengeFrame)]
    responses = [frame.data for _, frame in frames_sent(events, "client", PathResponseFrame)]
    assert set(responses) <= set(challenges)
    assert len(set(challenges)) == len(challenges), "each challenge has bytes of its own (section 8.2.1)"


def test_challenges_and_responses_are_expanded():
    """Sections 8.2.1 and 8.2.2, where the amplification limit leaves room."""
    network, events = a_network()
    in_the_middle(network)
    hand_over(network)
    network.run(settled(1))
    for name in ("client", "server"):
        sizes = [e.size_bytes for e, _ in frames_sent(events, name, PathChallengeFrame | PathResponseFrame)]
        assert sizes[-1] == 1_200
        assert sizes
    assert network.client.path.state is PathState.VALIDATED


def test_a_new_port_keeps_the_window_and_the_round_trip_time_a_new_host_does_not():
    """Section 9.4."""
    before, after = {}, {}
    for change in (rebind, hand_over):
        network, _ = a_network()
        in_the_middle(network)
        path = network.server.path
        before[change] = (path.cwnd_bytes, path.rtt.smoothed_ns)
        change(network)
        network.run(lambda n: n.server.addresses.have_changed)
        after[change] = (network.server.path.cwnd_bytes, network.server.path.rtt.has_sample)
    assert before[rebind][0] > 12_000
    assert after[rebind][0] >= before[rebind][0]
    assert after[rebind][1]
    assert after[hand_over] == (12_000, False)


def test_an_acknowledgement_of_what_was_sent_before_gives_no_round_trip_time():
    """Section 9.4: nor does it grow the window."""
    network, _ = a_network(delay_ns=100 * MILLISECOND_NS)
    in_the_middle(network)
    hand_over(network, keep=True)
    network.run(lambda n: n.server.addresses.have_changed)
    server = network.server.path
    begun_ns = server.began_ns
    assert begun_ns == network.now_ns
    network.run(lambda n: server.rtt.has_sample)
    assert network.now_ns >= begun_ns + 2 * network.delay_ns
    network.run(settled(1))
    assert network.sides["client"].delivered == {0: 400_000}


def test_until_it_is_validated_an_address_gets_three_times_what_came_from_it():
    """Section 9.3: nothing that the client sends to acknowledge or answer arrives after its first packets there."""
    lost = frozenset(range(10_000))
    network, _ = a_network(response_bytes=2_000_000)
    in_the_middle(network)
    hand_over(network)
    network.run(lambda n: n.server.addresses.have_changed)
    network.weather["client"] = Weather(lost=lost)
    moved_ns = network.now_ns
    network.run(lambda n: n.now_ns > moved_ns + 300 * MILLISECOND_NS)
    arrived = network.server.path.bytes_received - network.server.path._uncounted_received
    to_road = sum(size for _, address, size, _ in network.sent_to if address == ROAD)
    assert 0 < to_road <= AMPLIFICATION_FACTOR * arrived


def test_an_address_that_does_not_answer_is_left_again():
    """Section 9.3.2: an attacker forwards a packet from elsewhere; the peer is where it was."""
    network, _ = a_network(response_bytes=2_000_000)
    in_the_middle(network)
    network.client_address = ROAD  # its packets seem to come from there; what goes there is lost
    network.run(lambda n: n.server.addresses.have_changed)
    network.client_address = HOME
    assert network.server.addresses.current == ROAD
    network.run(settled(1), limit_ns=60 * SECOND_NS)
    assert network.server.addresses.current == HOME
    assert network.server.path.state is PathState.VALIDATED
    assert network.sides["client"].delivered == {0: 2_000_000}


def test_silence_after_a_false_move_ends_in_the_old_address():
    """The attacker's packet is the last that arrives for a while: only the timer brings the server back."""
    network, _ = a_network(response_bytes=300_000)
    in_the_middle(network)
    network.client_address = ROAD
    network.run(lambda n: n.server.addresses.have_changed)
    network.weather["client"] = Weather(lost=frozenset(range(100_000)))
    begun_ns = network.now_ns
    network.run(lambda n: n.server.addresses.current == HOME)
    assert network.server.path.state is PathState.VALIDATED
    assert not network.server.path.is_limited
    assert network.now_ns - begun_ns >= 3 * 999 * MILLISECOND_NS, "three timeouts of a new path (section 8.2.4)"
    network.weather["client"] = Weather()
    network.client_address = HOME
    network.run(settled(1))
    assert network.sides["client"].delivered == {0: 300_000}


def test_the_answer_to_an_earlier_challenge_counts():
    """Section 8.2.3: the round trip is longer than the time after which the next challenge goes out."""
    network, events = a_network(response_bytes=300_000, delay_ns=600 * MILLISECOND_NS)
    in_the_middle(network)
    hand_over(network)
    network.run(lambda n: n.server.addresses.have_changed and n.server.path.state is PathState.VALIDATED)
    assert network.server.addresses.current == ROAD
    assert len(frames_sent(events, "server", PathChallengeFrame)) >= 3, "one of them to the address left"
    network.run(settled(1))


def test_the_address_that_was_left_is_challenged_too():
    """Section 9.3.3: whoever was there may still be."""
    network, _ = a_network()
    in_the_middle(network)
    hand_over(network)
    network.run(settled(1))
    first = next(i for i, (_, address, _, _) in enumerate(network.sent_to) if address == ROAD)
    back = [d for _, address, _, d in network.sent_to[first:] if address == HOME]
    assert [type(frame) for d in back for p in d.packets for frame in p.frames].count(PathChallengeFrame) == 1
    assert len(back) == 1


def probing(*frames, number=10_000, address=ROAD):
    packet = Packet(APPLICATION, number, 0, False)
    packet.frames.extend(frames)
    packet.size_bytes = 1_200
    packet.ack_eliciting = True
    return Datagram((packet,), 1_200, (), address=address)


def test_a_probe_is_answered_where_it_came_from_and_moves_nothing():
    """Sections 8.2.2 and 9.1."""
    network, _ = a_network()
    network.run(both_confirmed)
    server = network.server
    server.receive(probing(PathChallengeFrame(b"abcdefgh")), network.now_ns)
    answers = server.datagrams_to_send(network.now_ns)
    to_road = [datagram for datagram in answers if datagram.address == ROAD]
    assert next(f for d in to_road for p in d.packets for f in p.frames) == PathResponseFrame(b"abcdefgh")
    assert to_road[0].size_bytes == 1_200
    assert server.addresses.current == HOME
    assert not server.addresses.have_changed


@pytest.mark.parametrize(
    ("number", "profile", "moves"), [(10_000, "rfc9002", True), (0, "rfc9002", False), (10_000, "picoquic", False)]
)
def test_only_what_is_newer_than_all_before_moves_the_peer(number, profile, moves):
    """Section 9.3: what was delayed on the old path does not bring it back. Nor do all stacks migrate."""
    network, _ = a_network(profile=profile)
    network.run(both_confirmed)
    network.server.receive(probing(PingFrame(), number=number), network.now_ns)
    assert (network.server.addresses.current == ROAD) == moves


def test_before_the_handshake_is_confirmed_nobody_moves():
    network, _ = a_network(certificate_chain_bytes=9_000)
    network.step()
    with pytest.raises(QuicError, match=r"client may not change its address: .* is handshaking"):
        network.client.change_local_address(network.now_ns)
    network.client_address = ROAD
    network.reachable = {HOME, ROAD}
    network.run(settled(1))
    assert network.sides["client"].delivered == {0: 400_000}


@pytest.mark.parametrize(("name", "profile"), [("server", "rfc9002"), ("client", "picoquic"), ("client", "mp-quic")])
def test_who_does_not_migrate_says_so(name, profile):
    network, _ = a_network(profile=profile)
    network.run(both_confirmed)
    with pytest.raises(QuicError, match=f"{name} may not change its address: .* profile {profile}"):
        network.sides[name].connection.change_local_address(network.now_ns)


def test_marks_are_tested_again_and_their_counts_go_on():
    network, _ = a_network(ecn=True)
    in_the_middle(network)
    assert network.server.path.ecn.state is EcnState.CAPABLE
    hand_over(network)
    network.run(lambda n: n.server.addresses.have_changed)
    assert network.server.path.ecn.state in (EcnState.TESTING, EcnState.UNKNOWN)
    network.run(settled(1))
    assert network.server.path.ecn.state is EcnState.CAPABLE


def test_a_challenge_that_had_to_be_short_is_followed_by_a_full_one():
    """Section 8.2.1: else nobody knows that the path carries 1,200 bytes."""
    network, events = a_network(response_bytes=100)
    network.run(settled(1))
    network.run(lambda n: not n.heap)
    rebind(network)
    network.client.send(network.client.open_stream(), 10)
    network.flush("client")
    network.run(lambda n: not n.heap and not n.server.addresses.is_busy)
    sizes = [event.size_bytes for event, _ in frames_sent(events, "server", PathChallengeFrame)]
    assert sizes[0] < 1_200
    assert sizes[-1] == 1_200
    assert network.server.path.state is PathState.VALIDATED
    assert network.server.addresses.deadline_ns(network.server, 0) == 0


@settings(max_examples=60, deadline=None)
@given(
    there=FAIR,
    back=FAIR,
    changes=st.lists(
        st.tuples(st.integers(1, 60), st.sampled_from(("rebind", "hand over", "keep"))), min_size=1, max_size=4
    ),
    delay_ms=st.sampled_from((1, 20, 150)),
    controller=st.sampled_from((None, *CONTROLLERS)),
)
def test_wherever_the_client_goes_and_whatever_is_lost_it_ends(there, back, changes, delay_ms, controller):
    """Everything arrives; or so much is lost that the server goes back (section 9.3.2), and then both fall silent."""
    network, _ = a_network(
        response_bytes=60_000,
        there=there,
        back=back,
        delay_ns=delay_ms * MILLISECOND_NS,
        idle_timeout_ns=60 * SECOND_NS,
        congestion_control=controller,
    )
    for number, (steps, kind) in enumerate(changes, start=1):
        for _ in range(steps):
            network.step()
        if not (network.client.is_confirmed and network.server.is_confirmed):
            continue
        left = network.client_address
        arrives = Address(left.host, left.port + number) if kind == "rebind" else Address(f"place {number}", 0)
        network.client_address = arrives
        network.reachable = {arrives, left} if kind == "keep" else {arrives}
        if kind != "rebind":
            network.client.change_local_address(network.now_ns)
            network.flush("client")
    network.run(settled(1), limit_ns=3_600 * SECOND_NS)
    if not settled(1)(network):
        states = {side.connection.state for side in network.sides.values()}
        assert states <= {ConnectionState.CLOSED, ConnectionState.IDLE}, states
        return
    assert network.sides["client"].delivered == {0: 60_000}
