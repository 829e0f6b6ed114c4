"""A transfer in either direction arrives whole, is asked for once, and is timed to its last byte."""

import pytest

from quicsim.apps.bulk import Receiver, Sender
from tests.test_endpoint import MILLISECOND_NS, PROFILES, Joined


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize("size_bytes", [0, 1, 50_000])
def test_a_transfer(profile, sender, size_bytes):
    joined = Joined(profile)
    receiver = "server" if sender == "client" else "client"
    Sender(joined.endpoints[sender], size_bytes=size_bytes)
    application = Receiver(joined.endpoints[receiver], request_bytes=77)
    joined.client.connect()
    joined.clock.run(until=application.finished)
    assert application.received_bytes == size_bytes
    assert application.completed_ns == joined.clock.now
    streams = joined.client.connection.sending_streams
    assert list(streams) == [0], "one stream, opened by the client"
    assert streams[0].written == (size_bytes if sender == "client" else 77)


def test_a_download_takes_its_handshake_its_request_and_its_bytes():
    joined = Joined(rate_bps=8_000_000, delay_ns=10 * MILLISECOND_NS, certificate_chain_bytes=1_000)
    Sender(joined.server, size_bytes=5_000)
    application = Receiver(joined.client, request_bytes=100)
    joined.client.connect()
    joined.clock.run(until=application.finished)
    every_byte_ns = (joined.link.forward.delivered_bytes + joined.link.backward.delivered_bytes) * 1_000
    own_bytes_ns = (5_000 + 100 + 1_000 + 1_200) * 1_000
    assert 40 * MILLISECOND_NS + own_bytes_ns < application.completed_ns < 40 * MILLISECOND_NS + every_byte_ns
