"""Does a plugin see what the congestion controller paces by, and what the peer has asked of its acknowledgements?"""

import pytest

from quicsim.quic.settings import AckFrequency, Settings
from tests.plugin.pipe import MILLISECOND, Pipe, plugin, word

ASKING = Settings(min_ack_delay_ns=MILLISECOND, ack_frequency=AckFrequency(10, 25 * MILLISECOND, 3))


@pytest.mark.parametrize(("controller", "paces"), [("bbr", True), ("newreno", False)])
def test_a_plugin_sees_the_pacing_rate(controller, paces):
    """A window of 12 kB each 10 ms, times Startup's gain; a controller without a rate of its own shows 0."""
    pipe = Pipe("rfc9002", client=Settings(congestion_control=controller), verify=True)
    attachment = pipe.client.attach(plugin("pacing"))
    pipe.connect()
    pipe.send(20_000)
    pipe.run_for(100 * MILLISECOND)
    rate, quantum = word(attachment, 0), word(attachment, 1)
    assert (rate > 2.5 * 12_000 / 0.01) is paces
    assert quantum == rate // 1_000, "what leaves in a millisecond"
    assert rate <= pipe.client.connection.path.pacing_rate


def test_a_plugin_sees_what_the_peer_has_asked_for():
    pipe = Pipe("rfc9002", client=ASKING, server=ASKING, verify=True)
    attachment = pipe.server.attach(plugin("pacing"))
    pipe.connect()
    pipe.send(100_000)
    pipe.run_for(200 * MILLISECOND)
    asked = pipe.server.connection.ack_frequency
    assert (word(attachment, 2), word(attachment, 3)) == (asked.threshold, 3)
    assert asked.threshold > 1
