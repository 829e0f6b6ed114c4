"""A stand-in for quicsim.scenario.build.simulate: quick, seeded like the real one, and able to misbehave on request."""

import os
import random
import sys
from types import ModuleType

from quicsim.events import PacketSent, PluginCalled
from quicsim.results import RunRecord

SCENARIO = """
title = "Two variants"
source = "this test"
replications = 8

[hosts.client]
profile = "picoquic"
[hosts.server]
profile = "picoquic"

[links.access]
between = ["client", "server"]
rate = "10Mbps"
delay = { client = "5ms", server = "7ms" }
queue = { kind = "drop-tail", limit = "64KiB", at_least = { client = "100000B" } }
[[links.access.faults]]
drop = "first packet of each request"
from = "client"

[requests]
count = 3
request_size = "100B"
response_size = "500B"

[variants.plain]
[variants.plugged]
plugins = [{ name = "./some.o", from = "server", to = "client" }]
[variants.slow]
links.access.rate = "1Mbps"

[[paper.marks]]
variant = "plugged"
metric = "reaction_s"
value = "30ms"
source = "this test"
"""

REACTION_S = {"plain": 0.05, "plugged": 0.03, "slow": 0.04}


class MisbehaviourError(Exception):
    """What a simulation may fail with."""


def simulate(setup, variant, replication, subscribers=(), engine="jit"):
    """`requests.count` numbers drawn from (seed, replication), and never from the variant."""
    match setup.time_limit_ns:
        case 1:
            raise MisbehaviourError("as asked")
        case 2:
            os._exit(9)
        case 3:
            raise KeyboardInterrupt
    chance = random.Random(f"{setup.seed}/{replication}")
    jitter_s = [chance.random() / 1000 if variant != "plain" else 0.0 for _ in range(setup.requests.count)]
    reaction_s = tuple(REACTION_S[variant] + each for each in jitter_s)
    for subscriber in subscribers:
        subscriber(PacketSent(1_234_567, "client", "initial", 0, 1200, (b"12345",), False, 0))
        subscriber(PluginCalled(2_000_000, "server", "tlp", "replace/SetTimer", 7, 91))
    return RunRecord(
        variant,
        replication,
        {"reaction_s": sorted(reaction_s)[1], "completion_s": sum(reaction_s)},
        {"packets_sent": replication, "plugin_calls": len(setup.plugins)},
        {"reaction_s": reaction_s},
        f"{setup.seed:016x}{replication:016x}",
        ("the plugin was detached",) if setup.plugins else (),
    )


def install(monkeypatch, directory):
    """Put it in the place of the real one, and write a scenario with its plugin; the scenario's path."""
    module = ModuleType("quicsim.scenario.build")
    module.simulate = simulate
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (directory / "some.o").write_bytes(b"\x7fELF")
    path = directory / "two.toml"
    path.write_text(SCENARIO)
    return path
