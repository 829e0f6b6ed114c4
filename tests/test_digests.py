"""Does a scenario still do what it did? Digests of a few runs, the same on every machine.

A digest moves when behaviour does. Whoever meant that puts the new one here, and says in the commit what changed.
"""

from __future__ import annotations

import pytest

import quicsim

BASELINES = {
    "fig4_ecn": "c08d0620ed53433eebcad84ea3215ddf",
    "fig3_tlp": "273422c0f6495815f71bfea8d0e55d65",
    "bulk_download": "3c14c855b2777bb92493b58be0940ee8",
}


def test_every_scenario_has_a_baseline():
    from quicsim import locate

    assert set(BASELINES) == set(locate.scenarios())


@pytest.mark.parametrize(("name", "digest"), BASELINES.items())
def test_the_digest_is_the_one_that_was(name, digest):
    assert quicsim.scenario(name).run(replications=2).digest == digest
