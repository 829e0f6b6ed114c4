"""Does nothing come of nothing: the same packets with it and without, two instructions a call?"""

import pytest

from quicsim.scenario.build import simulate
from quicsim.scenario.load import load

INSTRUCTIONS = 2  # r0 = 0; exit


@pytest.mark.parametrize(("profile", "control"), [("mp-quic", "olia"), ("picoquic", "newreno")])
def test_the_packets_are_the_same_and_every_call_is_counted(profile, control):
    both = {"profile": profile, "congestion_control": control}
    hosts = [f"hosts.{host}.{key}={value}" for host in ("client", "server") for key, value in both.items()]

    def run(*overrides):
        scenario = load("bulk_download", [*hosts, "transfer.size=500kB", *overrides])
        return simulate(scenario.variant("default"), "default", 0)

    without, plugged = run(), run('plugins=[{name="no_op", from="server"}]')
    assert plugged.metrics == without.metrics
    assert plugged.notes == ()
    of_plugins = {name for name in without.counts if name.startswith("plugin_")}
    assert {name: plugged.counts[name] for name in plugged.counts if name not in of_plugins} == {
        name: without.counts[name] for name in without.counts if name not in of_plugins
    }
    calls = plugged.counts["plugin_calls"]
    assert calls >= 500_000 / 1_200
    assert plugged.counts["plugin_instructions"] == INSTRUCTIONS * calls
