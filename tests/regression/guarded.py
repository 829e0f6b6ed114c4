"""A directory with one test that guards a scenario, and whole pytest runs in it."""

from __future__ import annotations

import json

import pytest

TEST = """
from quicsim.regression import Tolerance

def test_reaction(scenario, baseline):
    results = scenario("fig3_tlp", ["requests.count=2"], variants=["rfc9002"], replications=2)
    baseline.check(results, {"reaction_s": Tolerance(0.02, worse="higher")})
"""
KEPT = "baselines/test_guard/test_reaction.json"


@pytest.fixture
def guard(pytester):
    """A directory with one test, and a call of pytest in it."""
    pytester.makepyfile(test_guard=TEST)
    return pytester


def run(guard, *options):
    return guard.runpytest_inprocess("-p", "no:cacheprovider", *options)


def as_if(guard, override):
    """Let the baseline be of another behaviour: that of the same test with an override, said to be without."""
    run(guard, "--quicsim-update")
    file = guard.path / KEPT
    own = json.loads(file.read_text())
    guard.makepyfile(test_guard=TEST.replace('"requests.count=2"', f'"requests.count=2", "{override}"'))
    run(guard, "--quicsim-update")
    guard.makepyfile(test_guard=TEST)
    other = json.loads(file.read_text())
    assert other["digest"] != own["digest"]
    other["variants"]["rfc9002"]["configuration"] = own["variants"]["rfc9002"]["configuration"]
    file.write_text(json.dumps(other))
    return own, other


NEARER, FARTHER = "links.access.delay=4ms", "links.access.delay=7ms"
HARDLY = "hosts.client.receive_jitter=21us"
