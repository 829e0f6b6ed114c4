"""Does a scenario still do what it did? Digests of a few runs, the same on every machine.

A digest moves when behaviour does. Whoever meant that puts the new one here, and says in the commit what changed.
"""

from __future__ import annotations

import pytest

import quicsim

BASELINES = {
    "bulk_download": ((), 2, "8390b04d61e3df78834f1ac832f5ff13"),
    "fig3_tlp": ((), 2, "3b5abfddccf5ec457b59cd4007dc4c99"),
    "fig4_ecn": (("transfer.size=1MB",), 2, "f7f368de21c65f5e2a1fd3f80d92afe4"),
    "fig5_ack_path": (("transfer.size=2MB",), 2, "bc9087a619a6e51f4ab596f8bb63d201"),
    "fig6_rate_limit": (("transfer.until=3.1s",), 1, "62f7af5d6e63c1854dd2ac06e7c3b860"),
    "nagle": ((), 2, "a50758e161d00d3ab80ca70642fbc8b3"),
    "table1_cost": (("transfer.size=500kB",), 2, "3bc1e3b382355b9383fb02a1eb64ff1f"),
    "table1_tlp": (("transfer.size=500kB",), 2, "92277dec59e1f9a32144c5995fa655e7"),
}
"""By scenario: what is overridden to keep it short, replications, digest."""


def test_every_scenario_has_a_baseline():
    from quicsim import locate

    assert set(BASELINES) == set(locate.scenarios())


@pytest.mark.parametrize(("name", "overrides", "replications", "digest"), [(n, *row) for n, row in BASELINES.items()])
def test_the_digest_is_the_one_that_was(name, overrides, replications, digest):
    assert quicsim.scenario(name, overrides=overrides).run(replications=replications).digest == digest
