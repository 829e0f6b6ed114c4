"""What do Retry, tokens and other versions cost a scenario's connections?"""

import pytest

from quicsim.quic.errors import ConnectionFailed
from quicsim.scenario.build import simulate
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load

ROUND_TRIP_S = 0.040
"""bulk_download's."""
LONG_CHAIN = "hosts.server.certificate_chain=9kB"
RETRY, TOKEN, NEW_TOKEN = "hosts.server.retry=true", "hosts.client.token=true", "hosts.server.new_token=true"


def record(*overrides):
    scenario = load("bulk_download", overrides=["transfer.size=10kB", *overrides])
    return simulate(scenario.setups["default"], "default", 0)


def completion_s(*overrides):
    return record(*overrides).metrics["completion_s"]


@pytest.mark.parametrize(
    ("overrides", "round_trips_more"),
    [
        ([RETRY], 1),
        ([TOKEN], 0),
        ([RETRY, TOKEN], 0),
        ([RETRY, LONG_CHAIN], 1),
        ([LONG_CHAIN], 1),
        ([TOKEN, LONG_CHAIN], 0),
        (["hosts.client.versions=[0x1a2a3a4a, 1]"], 1),
        (["hosts.client.versions=[0x6b3343cf]", "hosts.server.versions=[1, 0x6b3343cf]"], 0),
        (["hosts.client.versions=[0x1a2a3a4a, 1]", RETRY], 2),
    ],
)
def test_each_costs_its_round_trips(overrides, round_trips_more):
    more = completion_s(*overrides) - completion_s()
    assert more == pytest.approx(round_trips_more * ROUND_TRIP_S, abs=0.25 * ROUND_TRIP_S)


def test_a_later_connection_of_the_same_hosts_uses_what_an_earlier_one_was_given():
    flows = ["flows.all.count=2", "flows.all.spacing=1s", RETRY]
    first, second = record(*flows).samples["all.completion_s"]
    assert first == second
    first_given, second_given = record(*flows, NEW_TOKEN).samples["all.completion_s"]
    assert first_given == pytest.approx(first, abs=0.001)
    assert second - second_given == pytest.approx(ROUND_TRIP_S, abs=0.1 * ROUND_TRIP_S)


def test_without_a_version_in_common_the_run_fails():
    with pytest.raises(ConnectionFailed, match="no version in common: the client has 0x1a2a3a4a, the server 0x1"):
        record("hosts.client.versions=[0x1a2a3a4a]")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hosts.client.versions=[]", "is empty; give the version numbers that this host has"),
        ("hosts.client.versions=[0]", "greater than or equal to 1; got 0"),
        ("hosts.server.token=true", "token"),
        ("hosts.client.retry=true", "retry"),
        ("hosts.client.active_connection_id_limit=1", "greater than or equal to 2; got 1"),
        ("quic.profile=aioquic", None),
    ],
)
def test_what_cannot_be_is_refused(override, message):
    overrides = [override] if message else [override, RETRY]
    with pytest.raises(ScenarioError, match=message or 'profile "aioquic" has no such choice'):
        load("bulk_download", overrides=overrides)


def test_an_answer_takes_a_core_the_time_of_a_packet():
    """One packet of 1 ms more at either end, and the round trip."""
    cores = ['hosts.client.cpu={ packet_sent = "1ms", packet_received = "1ms" }',
             'hosts.server.cpu={ packet_sent = "1ms", packet_received = "1ms" }']  # fmt: skip
    more = completion_s(RETRY, *cores) - completion_s(*cores)
    plain = completion_s(RETRY) - completion_s()
    assert more - plain == pytest.approx(0.004, abs=0.0005)
