"""May a scenario's client change its address, and what comes of it?"""

import pytest

from quicsim.quic.errors import QuicError
from quicsim.scenario.build import simulate
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load

LTE = 'links.lte={ between = ["client", "server"], rate = "4Mbps", delay = "60ms", queue = { kind = "drop-tail", limit = "100kB" } }'  # noqa: E501


def run(*overrides):
    scenario = load("bulk_download", overrides=["transfer.size=2MB", *overrides])
    return simulate(scenario.setups["default"], "default", 0)


def moves(text):
    return f"hosts.client.moves=[{text}]"


@pytest.fixture(scope="module")
def at_home():
    return run()


def test_a_handover_in_the_middle_takes_the_other_links_time(at_home):
    """2 MB at 10 Mbit/s, of which the second half goes at 4."""
    moved = run(LTE, moves('{ at = "1s", to = "lte" }'))
    assert at_home.metrics["completion_s"] == pytest.approx(1.9, abs=0.1)
    assert moved.metrics["completion_s"] == pytest.approx(1 + 0.9 * 10 / 4, rel=0.2)


def test_a_handover_there_and_back(at_home):
    both = run(LTE, moves('{ at = "0.5s", to = "lte" }, { at = "1.2s", to = "bottleneck" }'))
    assert at_home.metrics["completion_s"] < both.metrics["completion_s"] < 3.5


def test_a_new_port_costs_an_upload_next_to_nothing():
    """The next packet tells the server; only the acknowledgements under way to the old port are gone."""
    still = run("transfer.from=client")
    rebound = run("transfer.from=client", moves('{ at = "1s", rebind = true }'))
    assert rebound.digest != still.digest
    assert rebound.metrics["completion_s"] == pytest.approx(still.metrics["completion_s"], rel=0.05)
    assert rebound.counts["packets_lost"] == still.counts["packets_lost"]


def test_what_comes_before_the_handshake_is_confirmed_waits_for_it():
    """And then takes as long as on that link from the start: the old one leaves no trace."""
    moved = run(LTE, moves('{ at = "0s", to = "lte" }'))
    queue = 'links.bottleneck.queue={ kind = "drop-tail", limit = "100kB" }'
    there = run("links.bottleneck.rate=4Mbps", "links.bottleneck.delay=60ms", queue)
    assert moved.metrics["completion_s"] == pytest.approx(there.metrics["completion_s"], rel=0.02)


THERE_AND_BACK_AT_ONCE = moves('{ at = "1s", to = "lte" }, { at = "1.01s", to = "bottleneck" }')


def test_who_moves_again_before_its_peer_has_issued_another_id_stops_the_run():
    """RFC 9000 section 9.5: with the usual eight it goes on."""
    assert run(LTE, THERE_AND_BACK_AT_ONCE).metrics["completion_s"] > 1.5
    with pytest.raises(QuicError, match="client may not change its address: its peer has issued no connection ID"):
        run(LTE, THERE_AND_BACK_AT_ONCE, "hosts.client.active_connection_id_limit=2")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([moves('{ at = "1s", to = "wifi" }')], 'there is no link "wifi" of the client'),
        ([moves('{ at = "1s" }')], "to and rebind = true each say what happens; give exactly one"),
        ([moves('{ at = "1s", to = "bottleneck", rebind = true }')], "give exactly one"),
        (
            ["hosts.server.profile=picoquic", moves('{ at = "1s", rebind = true }')],
            'profile "picoquic" of the server does not migrate; take profile "rfc9002"',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(overrides, message):
    with pytest.raises(ScenarioError, match=message):
        load("bulk_download", overrides=overrides)
