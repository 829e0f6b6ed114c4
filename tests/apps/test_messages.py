"""Messages are written whether or not the last has arrived, and each one's arrival is noted, in order."""

import pytest

from quicsim.apps.messages import Listener, Talker
from tests.test_endpoint import MILLISECOND_NS, PROFILES, SECOND_NS, Joined

ONE_WAY_NS = 10 * MILLISECOND_NS
SIZE_BYTES = 40


def run(profile="rfc9002", *, sender="client", count=20, gap_ns=MILLISECOND_NS, start_ns=SECOND_NS, faults=()):
    joined = Joined(profile, faults=faults)
    talking, listening = (joined.endpoints[name] for name in (sender, "server" if sender == "client" else "client"))
    talker = Talker(talking, count=count, message_bytes=SIZE_BYTES, start_ns=start_ns, gap_ns=gap_ns)
    listener = Listener(listening, message_bytes=SIZE_BYTES)
    joined.client.connect()
    joined.clock.run(until=listener.finished)
    return talker.written_ns, listener.arrived_ns


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sender", ["client", "server"])
def test_each_message_takes_the_one_way_delay(profile, sender):
    written_ns, arrived_ns = run(profile, sender=sender)
    assert written_ns == [SECOND_NS + index * MILLISECOND_NS for index in range(20)]
    assert len(arrived_ns) == 20
    for written, arrived in zip(written_ns, arrived_ns, strict=True):
        assert ONE_WAY_NS < arrived - written < ONE_WAY_NS + MILLISECOND_NS // 2


def test_what_follows_a_lost_message_waits_for_it():
    written_ns, arrived_ns = run(faults=["datagram 15"])
    delays_ns = [arrived - written for written, arrived in zip(written_ns, arrived_ns, strict=True)]
    late = [index for index, delay in enumerate(delays_ns) if delay > ONE_WAY_NS + MILLISECOND_NS]
    assert late == list(range(late[0], late[0] + len(late)))
    assert len(late) > 5
    assert len({arrived_ns[index] for index in late[:-1]}) < len(late) - 1, "several come at once"


def test_a_start_before_the_handshake_is_over_waits_for_it():
    written_ns, _ = run(start_ns=0, count=1)
    assert written_ns[0] >= 2 * ONE_WAY_NS
