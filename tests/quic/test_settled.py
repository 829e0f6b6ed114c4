"""Is what the peer is known to have never sent again? RFC 9000 section 13.3."""

import pytest

from quicsim.quic.frames import (
    HandshakeDoneFrame,
    NewTokenFrame,
    PathRetireConnectionIdFrame,
    RetireConnectionIdFrame,
)
from quicsim.quic.needed import is_needed
from quicsim.quic.packet import APPLICATION, Packet
from quicsim.quic.settled import settle_acknowledged
from tests.quic.test_recovery import confirmed

ONCE = [HandshakeDoneFrame(), NewTokenFrame(b"token"), RetireConnectionIdFrame(0), PathRetireConnectionIdFrame(1, 0)]


@pytest.mark.parametrize("frame", ONCE, ids=lambda frame: type(frame).__name__)
def test_what_was_acknowledged_is_needed_no_more(frame):
    connection = confirmed()
    path, space = connection.path, connection.path.application
    connection.peer_knows_confirmation = False
    packet = Packet(APPLICATION, 1_000, 100, False)
    packet.frames.append(frame)
    assert is_needed(connection, space, frame)
    settle_acknowledged(connection, path, space, packet)
    assert not is_needed(connection, space, frame)
