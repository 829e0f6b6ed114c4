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


def test_a_source_writes_at_its_rate_and_no_byte_is_late():
    joined = Joined()
    sender = Sender(joined.client, size_bytes=10_000, rate_bps=1_234_567, write_every_ns=7 * MILLISECOND_NS)
    application = Receiver(joined.server, request_bytes=1)
    written = []
    send = joined.client.connection.send

    def noting(stream_id, data, *, fin=False):
        written.append((joined.clock.now, data, fin))
        send(stream_id, data, fin=fin)

    joined.client.connection.send = noting
    joined.client.connect()
    joined.clock.run(until=application.finished)
    begun_ns = written[0][0] - 7 * MILLISECOND_NS
    total = 0
    for number, (instant_ns, count, fin) in enumerate(written, 1):
        assert instant_ns == begun_ns + number * 7 * MILLISECOND_NS
        total += count
        assert total == min(1_234_567 * (instant_ns - begun_ns) // 8_000_000_000, sender.size_bytes)
        assert fin == (total == sender.size_bytes)
    assert application.received_bytes == total == 10_000


def test_a_download_takes_its_handshake_its_request_and_its_bytes():
    joined = Joined(rate_bps=8_000_000, delay_ns=10 * MILLISECOND_NS, certificate_chain_bytes=1_000)
    Sender(joined.server, size_bytes=5_000)
    application = Receiver(joined.client, request_bytes=100)
    joined.client.connect()
    joined.clock.run(until=application.finished)
    every_byte_ns = (joined.link.forward.delivered_bytes + joined.link.backward.delivered_bytes) * 1_000
    own_bytes_ns = (5_000 + 100 + 1_000 + 1_200) * 1_000
    assert 40 * MILLISECOND_NS + own_bytes_ns < application.completed_ns < 40 * MILLISECOND_NS + every_byte_ns
