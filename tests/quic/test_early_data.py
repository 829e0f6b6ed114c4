"""Does a resumed connection save its round trip, and lose nothing where the server will not have it? RFC 9001 4.6."""

import aioquic.quic.packet as theirs
import pytest
from aioquic.buffer import Buffer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quicsim.events import PacketLost, PacketReceived, PacketSent
from quicsim.quic import headers
from quicsim.quic.errors import ConnectionFailed
from quicsim.quic.frames import FRAMES, AckFrame, CryptoFrame, HandshakeDoneFrame, NewTokenFrame, StreamFrame
from quicsim.quic.headers import PacketType
from quicsim.quic.interface import (
    DatagramAcknowledged,
    DatagramLost,
    DatagramReceived,
    HandshakeEvent,
    ReadyToSend,
    StreamReceived,
)
from quicsim.quic.parameters import advertised
from quicsim.quic.profiles import profile_named
from quicsim.quic.settings import Settings, ZeroRtt
from quicsim.quic.states import ConnectionState, EarlyDataState
from tests.quic.network import Network, Weather
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, Pipe, both_confirmed, settled
from tests.quic.test_any_network import WEATHER, content, what_is_read
from tests.quic.test_connection import arriving

PROFILES = ("rfc9002", "picoquic", "mp-quic", "multipath")
CHAIN = {"certificate_chain_bytes": 500}
"""The whole of a full handshake's flight fits in what the server may send."""

OF_THE_NETWORK = ("delay_ns", "drops", "weather")


def resumed(policy, *, kind=Pipe, profile="rfc9002", then=None, server=None, **both):
    """A client that was connected to a server with the settings `then`, by default those of now; None: it was not."""
    server = {**CHAIN, **(server or {})}
    of_settings = {name: value for name, value in both.items() if name not in OF_THE_NETWORK}
    kept = advertised(profile_named(profile), Settings(**of_settings, **(server if then is None else then)))
    remembered = None if policy is None else kept
    return kind(profile, client={"remembered": remembered}, server={"zero_rtt": policy, **server}, **both)


def asking(pipe, *, request_bytes=100, response_bytes=200, streams=1, with_content=False):
    """The client asks as soon as it may; each end's events are noted."""
    noted = {"client": [], "server": []}

    def on_client_event(event):
        noted["client"].append(event)
        if isinstance(event, ReadyToSend):
            for _ in range(streams):
                stream_id = pipe.client.open_stream()
                pipe.client.send(
                    stream_id, content(stream_id, request_bytes) if with_content else request_bytes, fin=True
                )

    def on_server_event(event):
        noted["server"].append(event)
        if isinstance(event, StreamReceived) and not pipe.server.sending_streams[event.stream_id].is_reset:
            answer = content(event.stream_id + 1, response_bytes) if with_content else response_bytes
            pipe.server.send(event.stream_id, answer, fin=True)

    pipe.sides["client"].on_event = on_client_event
    pipe.sides["server"].on_event = on_server_event
    pipe.trace.subscribers.append((events := []).append)
    pipe.connect()
    return noted, events


def packets(events, name, kind=PacketSent, space="0-rtt"):
    return [e for e in events if isinstance(e, kind) and e.component == name and e.space == space]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("delay_ms", [1, 10, 150])
@pytest.mark.parametrize(
    ("policy", "round_trips"), [(None, 2), (ZeroRtt.ACCEPTED, 1), (ZeroRtt.REJECTED, 2)], ids=["full", "yes", "no"]
)
def test_an_answer_takes_one_round_trip_less(profile, delay_ms, policy, round_trips):
    pipe = resumed(policy, profile=profile, delay_ns=delay_ms * MILLISECOND_NS)
    asking(pipe)
    pipe.run(settled(1))
    assert pipe.sides["client"].finished == {0: round_trips * 2 * delay_ms * MILLISECOND_NS}
    pipe.run()
    assert both_confirmed(pipe)
    assert pipe.client.path.bytes_in_flight == pipe.server.path.bytes_in_flight == 0


def test_the_application_may_send_once_and_is_told_once():
    for policy in (None, *ZeroRtt):
        pipe = resumed(policy)
        noted, _ = asking(pipe)
        pipe.run()
        for name in ("client", "server"):
            assert sum(isinstance(event, ReadyToSend) for event in noted[name]) == 1
        first = noted["client"].index(ReadyToSend())
        assert noted["client"][first - 1] == HandshakeEvent(
            ConnectionState.COMPLETE if policy is None else ConnectionState.HANDSHAKING
        )


def test_without_a_ticket_the_server_begins_from_scratch():
    """A client that remembers, and a server that resumes nothing: its certificate travels, the data goes out again."""
    pipe = resumed(ZeroRtt.ACCEPTED, server={"zero_rtt": None})
    pipe = Pipe(client={"remembered": pipe.client.early_data.remembered}, server={"certificate_chain_bytes": 500})
    _, events = asking(pipe)
    pipe.run(settled(1))
    assert pipe.client.early_data.state is pipe.server.early_data.state is EarlyDataState.REJECTED
    flight = sum(
        len(frame.data)
        for event in packets(events, "server", space="handshake")
        for frame in event.frames
        if isinstance(frame, CryptoFrame)
    )
    assert flight > 500


@pytest.mark.parametrize("policy", ZeroRtt)
def test_a_resumed_handshake_carries_no_certificate(policy):
    pipe = resumed(policy, server={"certificate_chain_bytes": 9_000})
    _, events = asking(pipe)
    pipe.run(settled(1))
    flight = sum(
        len(frame.data)
        for event in packets(events, "server", space="handshake")
        for frame in event.frames
        if isinstance(frame, CryptoFrame)
    )
    assert flight < 200


# What is on the wire


def test_aioquic_reads_the_packets_and_their_numbers_go_on():
    """The first datagram: an Initial packet, then a 0-RTT packet, together padded to 1200 bytes."""
    pipe = resumed(ZeroRtt.ACCEPTED)
    send, found = pipe._send, []

    def encode(name, datagram):
        encoded = headers.encode_datagram(datagram, b"to-peer!", b"fromhere")
        assert len(encoded) == datagram.size_bytes
        offset = 0
        for packet in datagram.packets:
            read = theirs.pull_quic_header(Buffer(data=encoded[offset:]), host_cid_length=8)
            header, _, end = headers.decode_packet(encoded, offset)
            assert read.packet_length == end - offset == packet.size_bytes
            assert (header.kind is PacketType.ZERO_RTT) == (read.packet_type is theirs.QuicPacketType.ZERO_RTT)
            assert (header.kind is PacketType.ZERO_RTT) == packet.is_early
            found.append((name, read.packet_type.name, header.number, len(datagram.packets), datagram.size_bytes))
            offset = end
        send(name, datagram)

    pipe._send = encode
    asking(pipe, request_bytes=3_000)
    pipe.run(settled(1))
    of_client = [entry[1:3] for entry in found if entry[0] == "client" and entry[1] != "HANDSHAKE"]
    assert found[0] == ("client", "INITIAL", 0, 2, 1_200)
    assert found[1] == ("client", "ZERO_RTT", 0, 2, 1_200)
    assert of_client[:4] == [("INITIAL", 0), ("ZERO_RTT", 0), ("ZERO_RTT", 1), ("ZERO_RTT", 2)]
    assert [number for kind, number in of_client if kind in ("ZERO_RTT", "ONE_RTT")] == list(
        range(sum(kind in ("ZERO_RTT", "ONE_RTT") for kind, _ in of_client))
    ), "one packet number space (RFC 9000 section 12.3)"
    assert ("ONE_RTT", 4) in of_client


def test_0_rtt_packets_are_acknowledged_in_1_rtt_packets():
    pipe = resumed(ZeroRtt.ACCEPTED)
    _, events = asking(pipe)
    pipe.run(settled(1))
    acked = [e for e in packets(events, "server", space="application")
             if any(isinstance(frame, AckFrame) and frame.ranges[-1][0] == 0 for frame in e.frames)]  # fmt: skip
    assert acked
    assert acked[0].time_ns == 10 * MILLISECOND_NS, "with the answer"
    assert not packets(events, "server")


@pytest.mark.parametrize(
    "frame", [AckFrame(((0, 0),), 0), CryptoFrame(0, b"x"), HandshakeDoneFrame(), NewTokenFrame(b"x")]
)
def test_what_may_not_stand_in_a_0_rtt_packet_closes_the_connection(frame):
    pipe = resumed(ZeroRtt.ACCEPTED)
    asking(pipe)
    pipe.run(lambda pipe: pipe.server.state is ConnectionState.HANDSHAKING)
    datagram = arriving(frame, number=50)
    datagram.packets[0].is_early = True
    pipe.server.receive(datagram, pipe.now_ns)
    assert pipe.server.complaint == f"a {FRAMES[type(frame)].name} frame has no place in a packet of type 0-rtt"


def test_the_answer_keeps_to_three_times_what_came():
    """The pipe checks it after every call; here the limit is met, and lifted by the client's Handshake packet."""
    pipe = resumed(ZeroRtt.ACCEPTED)
    asking(pipe, response_bytes=9_000)
    pipe.run(lambda pipe: pipe.server.state is ConnectionState.HANDSHAKING)
    assert pipe.server.path.bytes_received == 1_200
    assert 3_500 < pipe.server.path.bytes_sent <= 3_600
    pipe.run(settled(1))
    assert 40 * MILLISECOND_NS <= pipe.sides["client"].finished[0] < 60 * MILLISECOND_NS, "one round trip more"


def test_more_0_rtt_data_lets_more_of_the_answer_out():
    pipe = resumed(ZeroRtt.ACCEPTED)
    asking(pipe, request_bytes=4_000, response_bytes=9_000)
    pipe.run(settled(1))
    assert pipe.sides["client"].finished == {0: 20 * MILLISECOND_NS}


# Losses


@pytest.mark.parametrize("policy", ZeroRtt)
def test_a_lost_first_datagram_is_repeated_whole(policy):
    pipe = resumed(policy, drops=[("client", 0)])
    _, events = asking(pipe)
    pipe.run(settled(1))
    timeout_ns = 999 * MILLISECOND_NS  # RFC 9002 section 6.2.2: twice, with its variation, 333 ms
    round_trips = 1 if policy is ZeroRtt.ACCEPTED else 2
    assert pipe.sides["client"].finished == {0: timeout_ns + round_trips * 20 * MILLISECOND_NS}
    early = packets(events, "client")
    assert [packet.number for packet in early] == [0, 1]
    assert all(any(isinstance(frame, StreamFrame) for frame in packet.frames) for packet in early)


def test_what_overtakes_the_initial_packet_is_dropped_and_repeated():
    pipe = resumed(ZeroRtt.ACCEPTED)
    send, held = pipe._send, []

    def overtake(name, datagram):
        if name == "client" and not held:
            held.append(datagram)  # the one with the Initial packet
            pipe._measure(name, datagram)
            return
        send(name, datagram)
        if name == "client" and len(held) == 1:
            held.append(None)
            send(name, held[0])

    pipe._send = overtake
    pipe.check = lambda name: None  # the late datagram is counted twice
    _, events = asking(pipe, request_bytes=1_500)
    pipe.run(settled(1))
    assert pipe.client.early_data.state is EarlyDataState.ACCEPTED
    assert len(packets(events, "client")) == 2
    assert len(packets(events, "server", PacketReceived)) == 1, "the server had no keys for the other"
    assert pipe.server.receiving_streams[0].delivered == 1_500


def test_the_server_keeps_the_keys_for_three_timeouts():
    pipe = resumed(ZeroRtt.ACCEPTED)
    asking(pipe)
    pipe.run(both_confirmed)
    server = pipe.server
    until_ns = server.early_data._kept_until_ns
    assert until_ns > pipe.now_ns + 3 * 2 * pipe.delay_ns
    for number, now_ns, taken in ((100, until_ns - 1, True), (101, until_ns, False)):
        datagram = arriving(StreamFrame(4 * number, 0, 1, True), number=number)
        datagram.packets[0].is_early = True
        server.receive(datagram, now_ns)
        assert (4 * number in server.receiving_streams) == taken


# Rejection


def test_rejected_packets_leave_the_flight_and_the_window_as_it_was():
    pipe = resumed(ZeroRtt.REJECTED)
    _, events = asking(pipe, request_bytes=9_000)
    window, in_flight = pipe.client.path.cwnd_bytes, pipe.client.path.bytes_in_flight
    early = packets(events, "client")
    assert in_flight > 9_000
    pipe.run(lambda pipe: pipe.client.state is ConnectionState.COMPLETE)
    assert pipe.client.early_data.state is EarlyDataState.REJECTED
    assert pipe.client.path.cwnd_bytes >= window
    assert pipe.client.path.ssthresh_bytes == 1 << 62
    assert pipe.client.counts.packets_lost == 0
    assert not [event for event in events if isinstance(event, PacketLost)]
    outstanding = pipe.client.path.application.outstanding
    assert min(outstanding) == len(early), "numbers go on (RFC 9000 section 17.2.3)"
    assert pipe.client.flow.sent == sum(f.length for p in outstanding.values() for f in p.frames
                                        if isinstance(f, StreamFrame))  # fmt: skip
    pipe.run(settled(1))
    assert pipe.server.receiving_streams[0].delivered == 9_000
    assert not packets(events, "server", PacketReceived)


def test_the_limits_of_the_last_time_hold_until_others_are_known():
    """RFC 9000 section 7.4.1: 1000 bytes and a stream go out at once, the rest when the server has said more."""
    then = {**CHAIN, "max_stream_data_bytes": 1_000, "max_streams": 1}
    pipe = resumed(ZeroRtt.ACCEPTED, then=then, server={"max_stream_data_bytes": 5_000, "max_streams": 2})
    asking(pipe, request_bytes=3_000, streams=3)
    assert pipe.client.flow.sent == 1_000
    pipe.run(settled(2))
    pipe.run(settled(3))
    assert pipe.sides["server"].delivered == {0: 3_000, 4: 3_000, 8: 3_000}


@pytest.mark.parametrize(
    ("name", "then", "now"),
    [
        ("max_data", {"max_data_bytes": 5_000}, {"max_data_bytes": 4_999}),
        ("max_stream_data", {"max_stream_data_bytes": 5_000}, {"max_stream_data_bytes": 4_000}),
        ("max_streams", {"max_streams": 5}, {"max_streams": 4}),
        ("max_datagram_frame_bytes", {"max_datagram_frame_bytes": 500}, {"max_datagram_frame_bytes": 0}),
    ],
)
def test_who_accepts_may_not_have_reduced_a_limit(name, then, now):
    pipe = resumed(ZeroRtt.ACCEPTED, then=then, server=now)
    asking(pipe)
    pipe.check = lambda side: None
    pipe.run(lambda pipe: pipe.client.complaint)
    assert pipe.client.complaint.startswith(f"the server accepted 0-RTT and reduced {name} from ")
    assert pipe.client.end.frame.error_code == 0x0A


def test_who_rejects_may_have_reduced_all_of_them():
    """What was sent beyond them was never sent; the second stream waits for the first one to end."""
    then = {"max_data_bytes": 50_000, "max_stream_data_bytes": 50_000, "max_streams": 9}
    now = {"max_data_bytes": 2_000, "max_stream_data_bytes": 1_500, "max_streams": 1}
    pipe = resumed(ZeroRtt.REJECTED, then=then, server=now)
    asking(pipe, request_bytes=4_000, streams=3)
    assert pipe.client.flow.sent > 8_000
    pipe.run(settled(3))
    assert pipe.sides["server"].delivered == {0: 4_000, 4: 4_000, 8: 4_000}
    pipe.run()
    assert pipe.client.flow.sent == pipe.server.flow.received == 12_000


@pytest.mark.parametrize("policy", ZeroRtt)
@pytest.mark.parametrize("limit", [None, 1])
def test_streams_that_ended_early_end_early_with_a_server_that_rejects_too(policy, limit):
    then = {**CHAIN, "max_streams": 4}
    pipe = resumed(policy, then=then, server={"max_streams": 4 if policy is ZeroRtt.ACCEPTED else limit or 4})
    asking(pipe, request_bytes=500, response_bytes=2_000, streams=3)
    pipe.client.reset_stream(0, 7)
    pipe.client.stop_sending(0, 7)
    pipe.client.stop_sending(4, 7)
    pipe.flush("client")
    pipe.run(lambda pipe: 8 in pipe.sides["client"].finished)
    pipe.run()
    client, server = pipe.client, pipe.server
    assert all(stream.is_over for stream in (*client.sending_streams.values(), *server.sending_streams.values()))
    assert client.sending_streams[0].is_reset
    assert server.sending_streams[0].is_reset
    assert server.sending_streams[4].is_reset or server.sending_streams[4].sent == 2_000
    assert client.flow.sent == server.flow.received
    assert server.flow.sent == client.flow.received


@pytest.mark.parametrize("policy", ZeroRtt)
def test_a_datagram_goes_early_and_is_lost_where_it_is_rejected(policy):
    pipe = resumed(policy, max_datagram_frame_bytes=1_000)
    noted, events = asking(pipe)
    pipe.client.send_datagram(b"first")
    pipe.flush("client")
    pipe.run()
    assert len(packets(events, "client")) == 2
    kinds = {name: {type(event) for event in events} for name, events in noted.items()}
    assert (DatagramReceived in kinds["server"]) == (policy is ZeroRtt.ACCEPTED)
    assert (DatagramAcknowledged in kinds["client"]) == (policy is ZeroRtt.ACCEPTED)
    assert (DatagramLost in kinds["client"]) == (policy is ZeroRtt.REJECTED)


def test_a_datagram_that_waits_is_lost_where_the_server_takes_none_any_more():
    """More than the window holds: some are on their way, others wait, and a server that rejects may take none."""
    then = {**CHAIN, "max_datagram_frame_bytes": 2_000}
    pipe = resumed(ZeroRtt.REJECTED, then=then, server={"max_datagram_frame_bytes": 0})
    noted, _ = asking(pipe)
    for _ in range(30):
        pipe.client.send_datagram(bytes(1_000))
    pipe.flush("client")
    assert pipe.client.datagrams.waiting
    pipe.run()
    assert sum(isinstance(event, DatagramLost) for event in noted["client"]) == 30
    assert not pipe.client.datagrams.waiting
    assert settled(1)(pipe)


def test_a_client_may_close_before_it_has_heard_anything():
    pipe = resumed(ZeroRtt.ACCEPTED)
    asking(pipe)
    pipe.client.close(pipe.now_ns)
    [datagram] = pipe.client.datagrams_to_send(pipe.now_ns)
    assert [(packet.space.name, packet.is_early) for packet in datagram.packets] == [
        ("INITIAL", False), ("APPLICATION", True)
    ]  # fmt: skip


# Any network


@settings(max_examples=60, deadline=None)
@given(
    profile=st.sampled_from(("rfc9002", "rfc9002", *PROFILES)),
    policy=st.sampled_from((ZeroRtt.ACCEPTED, ZeroRtt.REJECTED)),
    there=WEATHER,
    back=WEATHER,
    streams=st.sampled_from((1, 3)),
    request_bytes=st.sampled_from((1, 2_000, 20_000)),
    response_bytes=st.sampled_from((0, 500, 30_000)),
    then=st.sampled_from((None, 700, 5_000)),
    limit=st.sampled_from((None, 1)),
)
@example("rfc9002", ZeroRtt.REJECTED, Weather(lost=frozenset({0, 2})), Weather(), 3, 2_000, 500, 5_000, 1)
def test_every_byte_is_delivered_exactly_once_and_in_order(
    profile, policy, there, back, streams, request_bytes, response_bytes, then, limit
):
    """Whatever the network does and the server decides; and only what may stand in 0-RTT packets does."""
    of_then = {**CHAIN} if then is None else {**CHAIN, "max_data_bytes": then, "max_stream_data_bytes": then}
    network = resumed(
        policy,
        kind=Network,
        profile=profile,
        then=of_then if policy is ZeroRtt.ACCEPTED else CHAIN,
        server={} if policy is ZeroRtt.ACCEPTED else {**of_then, "max_streams": limit},
        weather={"client": there, "server": back},
        delay_ns=20 * MILLISECOND_NS,
    )
    with what_is_read() as read:
        try:
            _, events = asking(
                network, request_bytes=request_bytes, response_bytes=response_bytes, streams=streams, with_content=True
            )
            network.run(limit_ns=3_600 * SECOND_NS)
        except ConnectionFailed:
            assert profile == "picoquic", "only that stack gives up, at its sixth timeout in a row"
            return
    assert settled(streams)(network)
    for connection, more, length in ((network.client, 1, response_bytes), (network.server, 0, request_bytes)):
        assert sorted(connection.receiving_streams) == [4 * number for number in range(streams)]
        for stream_id, stream in connection.receiving_streams.items():
            assert bytes(read.get(id(stream), b"")) == content(stream_id + more, length)
    early = packets(events, "client")
    assert early
    assert all("0" in FRAMES[type(frame)].packets for event in early for frame in event.frames)
    if policy is ZeroRtt.REJECTED:
        assert not packets(events, "server", PacketReceived)
    assert network.client.flow.sent == network.server.flow.received == streams * request_bytes


@pytest.mark.parametrize("policy", ZeroRtt)
def test_a_retry_has_the_data_sent_again_and_numbers_go_on(policy):
    """RFC 9000 section 17.2.5.3: a client that begins again sends its 0-RTT packets again, with other numbers."""
    pipe = resumed(policy, server={"retries": True})
    _, events = asking(pipe)
    pipe.run(settled(1))
    early = packets(events, "client")
    assert [packet.number for packet in early] == [0, 1]
    assert len(packets(events, "server", PacketReceived)) == (policy is ZeroRtt.ACCEPTED)
    round_trips = 2 if policy is ZeroRtt.ACCEPTED else 3
    assert pipe.sides["client"].finished == {0: round_trips * 20 * MILLISECOND_NS}
