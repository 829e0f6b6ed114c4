"""Does a scenario still do what it did? Each one that quicsim carries, held against its baseline to the bit.

A digest moves when behaviour does. Whoever meant that runs `make baselines`, and says in the commit what changed.
"""

from __future__ import annotations

import pytest

from quicsim import locate

SHORT = {
    "bulk_download": ((), 2),
    "fig3_tlp": ((), 2),
    "fig4_ecn": (("transfer.size=1MB",), 2),
    "fig5_ack_path": (("transfer.size=2MB",), 2),
    "fig6_rate_limit": (("transfer.until=3.1s",), 1),
    "household": ((), 1),
    "multipath": (("transfer.size=500kB",), 1),
    "nagle": ((), 2),
    "sharing": (("transfer.until=3s",), 1),
    "table1_cost": (("transfer.size=500kB",), 2),
    "table1_tlp": (("transfer.size=500kB",), 2),
}
"""By scenario: what is overridden to keep it short, and replications."""


def test_every_scenario_is_held():
    assert set(SHORT) == set(locate.scenarios())


@pytest.mark.parametrize("name", SHORT)
def test_the_runs_are_the_ones_that_were(name, scenario, baseline):
    overrides, replications = SHORT[name]
    baseline.check(scenario(name, overrides, replications=replications), {}, digest="strict")
