"""Whatever the network does, every byte is delivered exactly once and in order, and it ends.

Under any loss, reordering, duplication and pattern of rates: limits are never exceeded, bytes in flight never negative,
no timer lies in the past (the pipe checks these after every call), and with content of which each byte counts.
"""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quicsim.quic.congestion import CONTROLLERS
from quicsim.quic.errors import ConnectionFailed
from quicsim.quic.interface import HandshakeEvent, StreamReceived
from quicsim.quic.profiles import PROFILES
from quicsim.quic.settings import AckFrequency
from quicsim.quic.states import ConnectionState
from quicsim.quic.streams import ReceivingStream
from tests.quic.network import Network, Weather
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS, settled

ASKING = {"min_ack_delay_ns": MILLISECOND_NS, "ack_frequency": AckFrequency(10, 25 * MILLISECOND_NS, 3)}
FIRST = 150
"""So many datagrams of each side meet the weather."""
INDICES = st.integers(0, FIRST - 1)

WEATHER = st.builds(
    Weather,
    lost=st.frozensets(INDICES, max_size=60),
    late_ms=st.lists(st.tuples(INDICES, st.sampled_from((1, 7, 40, 300))), max_size=30).map(tuple),
    doubled_ms=st.lists(st.tuples(INDICES, st.sampled_from((0, 1, 50, 2_000))), max_size=15).map(tuple),
    marked=st.frozensets(INDICES, max_size=40),
    bleached=st.just(frozenset()) | st.frozensets(INDICES, max_size=FIRST),
    rates=st.lists(st.tuples(st.integers(1, 400), st.sampled_from((0, 64, 500, 3_000, 40_000))), max_size=4)
    .filter(lambda rates: not rates or any(rate for _, rate in rates))
    .map(tuple),
    queue_bytes=st.sampled_from((3_000, 20_000, 1 << 30)),
)
LATE_AND_DOUBLED = Weather(late_ms=((1, 300),), doubled_ms=((0, 2_000),))
EVERY_THIRD_LOST = Weather(lost=frozenset(range(0, 60, 3)))
SHORT_QUEUE = Weather(rates=((50, 500), (300, 0)), queue_bytes=3_000)
OUTAGES = Weather(rates=((50, 0), (50, 500)))


def content(stream_id, length):
    """Bytes of which no two stretches are alike."""
    return bytes((stream_id + index * 37 + (index >> 8) * 11) & 0xFF for index in range(length))


@contextmanager
def what_is_read():
    """Every stream's content as it is delivered, by the stream's part."""
    read = {}
    receive = ReceivingStream.receive

    def noting(stream, frame):
        result = receive(stream, frame)
        if stream.stream_id >= 0:
            read.setdefault(id(stream), bytearray()).extend(result[2])
            assert len(read[id(stream)]) == stream.delivered, "each byte once"
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReceivingStream, "receive", noting)
        yield read


def exchange(network, *, streams, request_bytes, response_bytes):
    """Each stream carries a request with content, and an answer with content of its own; to the end."""

    def on_client_event(event):
        if isinstance(event, HandshakeEvent) and event.state is ConnectionState.COMPLETE:
            for _ in range(streams):
                stream_id = network.client.open_stream()
                network.client.send(stream_id, content(stream_id, request_bytes), fin=True)

    def on_server_event(event):
        if isinstance(event, StreamReceived):
            network.server.send(event.stream_id, content(event.stream_id + 1, response_bytes), fin=True)

    network.sides["client"].on_event = on_client_event
    network.sides["server"].on_event = on_server_event
    network.connect()
    network.run(settled(streams), limit_ns=3_600 * SECOND_NS)
    assert settled(streams)(network), f"nothing happens any more at {network.now_ns} ns"


@settings(max_examples=100, deadline=None)
@given(
    profile=st.sampled_from(("rfc9002", "rfc9002", "picoquic", "mp-quic")),
    controller=st.sampled_from((None, *CONTROLLERS)),
    there=WEATHER,
    back=WEATHER,
    delay_ms=st.sampled_from((1, 20, 150)),
    streams=st.sampled_from((1, 3)),
    request_bytes=st.sampled_from((1, 2_000, 20_000)),
    response_bytes=st.sampled_from((0, 500, 60_000)),
    window=st.sampled_from((None, 5_000)),
    ecn=st.booleans(),
    asks=st.booleans(),
    options=st.fixed_dictionaries(
        {"proportional_rate_reduction": st.booleans(), "undoes_spurious_losses": st.sampled_from((None, False, True))}
    ),
)
@example("rfc9002", None, LATE_AND_DOUBLED, EVERY_THIRD_LOST, 20, 3, 2_000, 60_000, 5_000, False, False, {})
@example("rfc9002", None, OUTAGES, SHORT_QUEUE, 20, 1, 1, 60_000, None, True, False, {})
@example("rfc9002", "cubic", LATE_AND_DOUBLED, EVERY_THIRD_LOST, 20, 3, 2_000, 60_000, None, True, True, {})
def test_every_byte_is_delivered_exactly_once_and_in_order(
    profile, controller, there, back, delay_ms, streams, request_bytes, response_bytes, window, ecn, asks, options
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, profile, replace(PROFILES[profile], **options))
        network = Network(
            profile,
            weather={"client": there, "server": back},
            delay_ns=delay_ms * MILLISECOND_NS,
            congestion_control=controller,
            max_data_bytes=window and 2 * window,
            max_stream_data_bytes=window,
            ecn=ecn and profile == "rfc9002",
            **(ASKING if asks and profile == "rfc9002" else {}),
        )
    with what_is_read() as read:
        try:
            exchange(network, streams=streams, request_bytes=request_bytes, response_bytes=response_bytes)
        except ConnectionFailed:
            assert profile == "picoquic", "only that stack gives up, at its sixth timeout in a row"
            return
    for connection, more, length in ((network.client, 1, response_bytes), (network.server, 0, request_bytes)):
        streams_read = connection.receiving_streams
        assert sorted(streams_read) == [4 * number for number in range(streams)]
        for stream_id, stream in streams_read.items():
            assert bytes(read.get(id(stream), b"")) == content(stream_id + more, length)
    while network.heap:  # what is still under way changes nothing
        network.step()
    assert network.sent == network.arrived + network.dropped
