"""Does a peer that breaks a rule end the connection, and is it told why? RFC 9000 sections 11.1 and 12.4."""

from dataclasses import replace

import pytest
from hypothesis import Phase, find, settings

from quicsim.events import PacketSent
from quicsim.quic.errors import (
    FinalSizeError,
    FlowControlError,
    FrameEncodingError,
    ProtocolViolation,
    StreamLimitError,
    StreamStateViolation,
    TransportParameterError,
)
from quicsim.quic.frames import FRAMES, AckFrame, ConnectionCloseFrame, PingFrame, StreamFrame, may_travel
from quicsim.quic.handshake import Handshake
from quicsim.quic.packet import APPLICATION, HANDSHAKE, INITIAL, Datagram, Packet
from quicsim.quic.receiving import check_frames
from quicsim.quic.states import ConnectionState
from quicsim.scenario.build import Unfinished, simulate
from quicsim.scenario.load import load
from tests.quic.pipe import Pipe, both_confirmed
from tests.quic.test_frames import FRAMES_OF

TABLE_3 = {
    "padding": "IH01", "ping": "IH01", "ack": "IH_1", "reset_stream": "__01", "stop_sending": "__01",
    "crypto": "IH_1", "new_token": "___1", "stream": "__01", "max_data": "__01", "max_stream_data": "__01",
    "max_streams": "__01", "data_blocked": "__01", "stream_data_blocked": "__01", "streams_blocked": "__01",
    "new_connection_id": "__01", "retire_connection_id": "__01", "path_challenge": "__01", "path_response": "___1",
    "connection_close": "ih01", "handshake_done": "___1",
    "datagram": "__01",  # RFC 9221 section 4
}  # fmt: skip
"""RFC 9000 section 12.4, as it stands there."""
OF_OTHERS = {
    "paths": "___1",  # mp-quic's
    "plugin": "___1",  # the paper's
    "ack_frequency": "___1",  # draft-ietf-quic-ack-frequency-14 section 3
    "immediate_ack": "___1",
    **{row.name: "___1" for row in FRAMES.values() if row.types[0] in range(0x3E75, 0x3E7D) or row.name == "path_ack"},
}
"""draft-ietf-quic-multipath section 4: its frames travel in 1-RTT packets only."""


def listed(name, frame):
    letters = (OF_OTHERS | TABLE_3)[name]
    return letters.upper() if isinstance(frame, ConnectionCloseFrame) and frame.frame_type is not None else letters


ONE = settings(max_examples=1, phases=(Phase.generate,), derandomize=True, database=None)
"""The first frame that comes to mind: which one does not matter, and looking for the simplest takes seconds."""


def examples():
    for kind, row in FRAMES.items():
        yield row.name, find(FRAMES_OF[kind], lambda frame: True, settings=ONE)
    yield "connection_close", ConnectionCloseFrame(0, 0)
    yield "connection_close", ConnectionCloseFrame(0, None)


EXAMPLES = list(examples())


@pytest.mark.parametrize("packet_type", "IH01")
@pytest.mark.parametrize(("name", "frame"), EXAMPLES)
def test_a_frame_stands_where_the_table_says(name, frame, packet_type):
    assert may_travel(frame, packet_type) == (packet_type in listed(name, frame))


def packet_with(space, *frames, number=10_000):
    packet = Packet(space, number, 0, False)
    packet.frames.extend(frames)
    packet.size_bytes = 1_200
    packet.ack_eliciting = True
    return Datagram((packet,), 1_200, ())


@pytest.mark.parametrize(("space", "letter"), [(INITIAL, "I"), (HANDSHAKE, "H")])
@pytest.mark.parametrize(("name", "frame"), EXAMPLES)
def test_a_frame_where_it_may_not_stand_closes_the_connection(name, frame, space, letter):
    """A server has the keys of both spaces until the client's first Handshake packet comes."""
    pipe = Pipe()
    pipe.connect()
    pipe.run(lambda p: p.server.state is ConnectionState.HANDSHAKING)
    server = pipe.server
    datagram = packet_with(space, frame)
    if letter in listed(name, frame):
        check_frames(datagram.packets[0])
        return
    server.receive(datagram, pipe.now_ns)
    assert server.state is ConnectionState.CLOSING
    kind = {"I": "Initial", "H": "Handshake"}[letter]
    assert server.complaint == f"a {name} frame has no place in a packet of type {kind}"
    assert server.end.frame.error_code == 0x0A
    assert server.end.frame.frame_type in FRAMES[type(frame)].types or name == "plugin"
    sent = [f for d in server.datagrams_to_send(pipe.now_ns) for p in d.packets for f in p.frames]
    assert server.end.frame in sent


def test_the_peer_learns_why():
    pipe = Pipe()
    pipe.trace.subscribers.append((events := []).append)
    pipe.connect()
    pipe.run(both_confirmed)
    pipe.run(lambda p: not p.heap)
    pipe.client.receive(packet_with(APPLICATION, AckFrame(((0, 77_777),), 0)), pipe.now_ns)
    assert pipe.client.complaint.startswith("packet 77777 was acknowledged")
    for datagram in pipe.client.datagrams_to_send(pipe.now_ns):
        pipe.server.receive(datagram, pipe.now_ns)
    assert pipe.server.state is ConnectionState.DRAINING
    assert pipe.server.end.frame == ConnectionCloseFrame(0x0A, 0, pipe.client.complaint.encode())
    assert not pipe.server.complaint
    assert any(pipe.server.end.frame in event.frames for event in events if isinstance(event, PacketSent))


def test_the_codes_are_those_of_the_registry():
    codes = {ProtocolViolation: 0x0A, FlowControlError: 0x03, FinalSizeError: 0x06, FrameEncodingError: 0x07}
    codes |= {StreamLimitError: 0x04, StreamStateViolation: 0x05}
    assert {kind: kind.code for kind in codes} == codes


def test_a_transport_parameter_that_may_not_be_ends_the_handshake():
    """Section 18.2: no endpoint takes fewer than two connection IDs."""
    pipe = Pipe()
    pipe.server.handshake.parameters = replace(pipe.server.handshake.parameters, active_connection_id_limit=1)
    pipe.connect()
    with pytest.raises(AssertionError, match="client: active_connection_id_limit is 1; the least is 2"):
        pipe.run(both_confirmed)
    assert pipe.client.end.frame.error_code == TransportParameterError.code == 0x08


def test_a_first_packet_that_breaks_a_rule_is_not_answered():
    """The server has no connection yet, and nothing to say it with."""
    pipe = Pipe()
    server = pipe.server
    server.receive(packet_with(INITIAL, StreamFrame(0, 0, 1, False)), 0)
    assert server.state is ConnectionState.IDLE
    assert server.datagrams_to_send(0) == []
    pipe.connect()
    pipe.run(both_confirmed)


def test_whoever_asks_why_a_run_did_not_finish_is_told(monkeypatch):
    """A stack that says too much: as if a message of TLS of ours were wrong."""
    finished = Handshake.client_finished
    monkeypatch.setattr(Handshake, "client_finished", lambda self: finished(self) + b"\x0b\0\0\0")
    with pytest.raises(Unfinished, match=r"server is closed for a mistake of its peer's \(handshake message 11 has no"):
        simulate(load("bulk_download", overrides=["time_limit=20s"]).setups["default"], "default", 0)


def test_what_may_travel_is_let_in():
    packet = packet_with(INITIAL, PingFrame(), AckFrame(((0, 0),), 0)).packets[0]
    check_frames(packet)
    packet.frames.append(StreamFrame(0, 0, 1, False))
    with pytest.raises(ProtocolViolation, match="a stream frame has no place in a packet of type Initial"):
        check_frames(packet)
