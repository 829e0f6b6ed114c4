"""Does a DATAGRAM travel whole or not at all, within the window, and is its fate told? RFC 9221."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.quic.datagram_frames import LARGEST_HEADER_BYTES, largest_data_bytes
from quicsim.quic.errors import ConnectionFailed, QuicError
from quicsim.quic.frames import DatagramFrame, StreamFrame, decode_frames, encode_frame, frame_size
from quicsim.quic.interface import (
    DatagramAcknowledged,
    DatagramExpired,
    DatagramLost,
    DatagramReceived,
    HandshakeEvent,
    StreamReceived,
)
from quicsim.quic.packet import AEAD_TAG_BYTES
from quicsim.quic.parameters import TransportParameters
from quicsim.quic.states import ConnectionState
from tests.quic.network import Network
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, Pipe, both_confirmed, settled
from tests.quic.test_any_network import WEATHER, content, what_is_read
from tests.quic.test_connection import arriving

ANY = 65_535
FATES = (DatagramAcknowledged, DatagramLost, DatagramExpired)


def connected(profile="rfc9002", *, server_limit=ANY, **both):
    """Both ends are confirmed and take datagrams; what each end is told of them."""
    limits = {name: {"max_datagram_frame_bytes": limit} for name, limit in (("client", ANY), ("server", server_limit))}
    pipe = Pipe(profile, **limits, **both)
    pipe.connect()
    pipe.run(both_confirmed)
    noted = {"client": [], "server": []}
    for name, side in pipe.sides.items():
        side.on_event = noted[name].append
    return pipe, noted


def data_of(number, size=100):
    return number.to_bytes(4, "big").ljust(size, b"\0")


@pytest.mark.parametrize("profile", ["rfc9002", "picoquic", "mp-quic", "multipath"])
def test_what_is_sent_arrives_and_is_acknowledged(profile):
    pipe, noted = connected(profile)
    for number in range(50):
        pipe.client.send_datagram(data_of(number))
    pipe.flush("client")
    pipe.run()
    every = [data_of(number) for number in range(50)]
    assert [event.data for event in noted["server"] if isinstance(event, DatagramReceived)] == every
    assert sorted(event.data for event in noted["client"] if isinstance(event, DatagramAcknowledged)) == every


def test_a_lost_one_is_told_of_and_never_repeated():
    pipe, noted = connected()
    first = len(pipe.sides["client"].sizes)
    pipe.drops = lambda which: which[0] == "client" and which[1] in (first + 2, first + 5, first + 9)
    for number in range(10):
        pipe.client.send_datagram(data_of(number, 1_100))
        pipe.flush("client")
    pipe.run()
    lost = [data_of(number, 1_100) for number in (2, 5, 9)]
    assert [event.data for event in noted["client"] if isinstance(event, DatagramLost)] == lost
    arrived = [event.data for event in noted["server"] if isinstance(event, DatagramReceived)]
    assert not set(arrived) & set(lost)
    assert len(arrived) == 7
    assert pipe.client.path.bytes_in_flight == 0, "the last one's loss is found by a probe without it"


def test_the_window_holds_them_and_flow_control_does_not():
    pipe, noted = connected(max_data_bytes=100, max_stream_data_bytes=100)
    window = pipe.client.path.cwnd_bytes
    for number in range(200):
        pipe.client.send_datagram(data_of(number, 1_000))
    for datagram in pipe.client.datagrams_to_send(pipe.now_ns):
        pipe._send("client", datagram)
    assert pipe.client.path.bytes_in_flight <= window
    assert 100 < len(pipe.client.datagrams.waiting) < 200
    pipe.run()
    assert sum(isinstance(event, DatagramReceived) for event in noted["server"]) == 200
    assert pipe.client.flow.sent == 0


def test_they_go_before_stream_data_and_share_its_packets():
    pipe, _ = connected()
    pipe.client.send(pipe.client.open_stream(), 2_000)
    pipe.client.send_datagram(data_of(1))
    [first, *_] = [packet for datagram in pipe.client.datagrams_to_send(pipe.now_ns) for packet in datagram.packets]
    assert [type(frame) for frame in first.frames][-2:] == [DatagramFrame, StreamFrame]


def test_one_that_finds_no_room_in_time_is_not_sent():
    pipe, noted = connected()
    for number in range(60):
        pipe.client.send_datagram(data_of(number, 1_000), expires_ns=pipe.now_ns + 15 * MILLISECOND_NS)
    pipe.flush("client")
    pipe.run()
    fates = Counter(type(event) for event in noted["client"])
    assert fates[DatagramAcknowledged] + fates[DatagramExpired] == 60
    assert fates[DatagramExpired] > 30, "the window takes some ten, and acknowledgements need 20 ms"
    assert sum(isinstance(event, DatagramReceived) for event in noted["server"]) == fates[DatagramAcknowledged]


@pytest.mark.parametrize(
    ("datagram_bytes", "limit"), [(1_200, ANY), (1_200, 500), (1_200, 66), (1_200, 64), (65_000, ANY), (1_200, 1)]
)
def test_the_largest_that_fits(datagram_bytes, limit):
    largest = largest_data_bytes(datagram_bytes, limit)
    room = min(datagram_bytes - LARGEST_HEADER_BYTES - AEAD_TAG_BYTES, limit)
    if largest >= 0:
        assert frame_size(DatagramFrame(bytes(largest))) <= room
    assert frame_size(DatagramFrame(bytes(largest + 1))) > room


def test_what_is_too_large_is_refused_at_once():
    pipe, noted = connected()
    largest = largest_data_bytes(1_200, ANY)
    pipe.client.send_datagram(bytes(largest))
    with pytest.raises(QuicError, match=f"client: a DATAGRAM of {largest + 1} bytes; {largest} are the most here"):
        pipe.client.send_datagram(bytes(largest + 1))
    pipe.flush("client")
    pipe.run()
    assert noted["server"] == [DatagramReceived(bytes(largest))]


def test_a_peer_that_takes_none_is_sent_none():
    pipe, _ = connected(server_limit=0)
    with pytest.raises(QuicError, match="client: the peer takes no DATAGRAM frames"):
        pipe.client.send_datagram(b"x")
    pipe.server.send_datagram(b"x")


@pytest.mark.parametrize(("limit", "size"), [(0, 1), (100, 99)])
def test_one_larger_than_was_said_closes_the_connection(limit, size):
    pipe, _ = connected(server_limit=limit)
    frame = DatagramFrame(bytes(size))
    pipe.server.receive(arriving(frame, number=500), pipe.now_ns)
    assert pipe.server.complaint == f"a DATAGRAM frame of {frame_size(frame)} bytes, allowed {limit}"
    assert pipe.server.end.frame.error_code == 0x0A


def test_a_packet_that_is_held_back_keeps_them_in_order():
    pipe, noted = connected()
    sent = pipe.client.operations.send_packet
    held = []

    def hold_first(connection, path, packet):
        if not held:
            held.append(packet)
            return 0
        return sent(connection, path, packet)

    pipe.client.operations.send_packet = hold_first
    for number in range(30):
        pipe.client.send_datagram(data_of(number))
    pipe.flush("client")
    assert held[0].frames
    assert len(pipe.client.datagrams.waiting) == 30
    pipe.flush("client")
    pipe.run()
    every = [data_of(number) for number in range(30)]
    assert [event.data for event in noted["server"] if isinstance(event, DatagramReceived)] == every


def test_one_that_a_larger_header_leaves_no_room_for_is_given_up():
    pipe, noted = connected()
    header = pipe.client.operations.generate_header
    pipe.client.operations.generate_header = lambda *arguments: header(*arguments) + 30
    pipe.client.send_datagram(data_of(1, largest_data_bytes(1_200, ANY)))
    pipe.client.send_datagram(data_of(2))
    pipe.flush("client")
    pipe.run()
    assert [type(event) for event in noted["client"]] == [DatagramLost, DatagramAcknowledged]


def test_the_kind_without_a_length_takes_the_rest():
    assert decode_frames(b"\x30abc") == [DatagramFrame(b"abc")]
    assert decode_frames(b"\x31\x02abc"[:4]) == [DatagramFrame(b"ab")]
    assert encode_frame(DatagramFrame(b"ab")) == b"\x31\x02ab"


@pytest.mark.parametrize("limit", [0, 1, ANY])
def test_the_parameter_comes_back(limit):
    parameters = TransportParameters(1, 2, None, False, max_datagram_frame_bytes=limit)
    assert TransportParameters.decode(parameters.encode()) == parameters
    assert (b"\x20" in parameters.encode()) == bool(limit)


@settings(max_examples=40, deadline=None)
@given(
    profile=st.sampled_from(("rfc9002", "rfc9002", "picoquic", "mp-quic")),
    there=WEATHER,
    back=WEATHER,
    sizes=st.lists(st.integers(4, 1_100), min_size=1, max_size=40),
    lifetime_ms=st.sampled_from((0, 30)),
)
def test_each_arrives_once_or_not_at_all_and_streams_as_ever(profile, there, back, sizes, lifetime_ms):
    """Whatever the network does, a datagram's fate is told, and what was acknowledged has arrived."""
    network = Network(
        profile,
        weather={"client": there, "server": back},
        delay_ns=20 * MILLISECOND_NS,
        max_datagram_frame_bytes=ANY,
    )
    noted = {"client": [], "server": []}

    def on_client_event(event):
        noted["client"].append(event)
        if isinstance(event, HandshakeEvent) and event.state is ConnectionState.COMPLETE:
            network.client.send(network.client.open_stream(), content(0, 20_000), fin=True)
            expires_ns = lifetime_ms and network.now_ns + lifetime_ms * MILLISECOND_NS
            for number, size in enumerate(sizes):
                network.client.send_datagram(data_of(number, size), expires_ns=expires_ns)

    def on_server_event(event):
        noted["server"].append(event)
        if isinstance(event, StreamReceived):
            network.server.send(event.stream_id, content(1, 5_000), fin=True)

    network.sides["client"].on_event = on_client_event
    network.sides["server"].on_event = on_server_event
    network.connect()
    gave_up = False
    with what_is_read() as read:
        try:
            network.run(limit_ns=3_600 * SECOND_NS)
        except ConnectionFailed:
            assert profile == "picoquic", "only that stack gives up, at its sixth timeout in a row"
            gave_up = True
    arrived = Counter(event.data for event in noted["server"] if isinstance(event, DatagramReceived))
    told = {kind: {event.data for event in noted["client"] if isinstance(event, kind)} for kind in FATES}
    every = {data_of(number, size) for number, size in enumerate(sizes)}
    assert not arrived or max(arrived.values()) == 1
    assert arrived.keys() <= every
    assert told[DatagramAcknowledged] <= arrived.keys()
    assert not told[DatagramExpired] & arrived.keys()
    if gave_up:
        return
    assert set().union(*told.values()) == every
    assert settled(1)(network)
    for connection, more, length in ((network.server, 0, 20_000), (network.client, 1, 5_000)):
        assert bytes(read[id(connection.receiving_streams[0])]) == content(more, length)
