"""How long does a plugin wait for its proof? A whole plugin, a counting loop, and the longest that a refusal takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import vm
from benchmarks.measure import Contestant, Target
from quicsim import locate
from quicsim.plugin.package import read_plugin
from quicsim.plugin.verification import contract_of
from vm.verifier import Category, Contract, Rejected, verify
from vm.verifier.check import MAXIMUM_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 1_000
COUNTING = f"r0 = 0\nloop: r0 += 1\nif r0 < {ROUNDS} goto loop\nexit"
ENDLESS = "r0 = 0\nloop: r0 += 1\nif r0 != 0 goto loop\nexit"
"""It ends after 2^64 rounds, and no state comes again."""


def plugin_named(name: str) -> Callable[[], int]:
    plugin = read_plugin(locate.plugin(name) / f"{name}.o")

    def work() -> int:
        for anchor in plugin.anchors:
            verify(plugin.program, anchor.section, contract_of(anchor, plugin))
        return 1

    return work


def counting() -> Callable[[], int]:
    program = vm.Program.from_text(COUNTING)

    def work() -> int:
        verify(program, "main", Contract())
        return ROUNDS

    return work


def given_up() -> Callable[[], int]:
    program = vm.Program.from_text(ENDLESS)
    contract = Contract(limit=10 * MAXIMUM_STEPS)

    def work() -> int:
        try:
            verify(program, "main", contract)
        except Rejected as refusal:
            return int(refusal.category is Category.TOO_COMPLEX)
        return 0

    return work


ECN = "verify ecn, 177 instructions"
GIVEN_UP = "verify until it is too complex"
CONTESTANTS = (
    Contestant(ECN, "plugins", lambda: plugin_named("ecn")),
    Contestant("verify lowest_latency", "plugins", lambda: plugin_named("lowest_latency")),
    Contestant("verify a loop", "iterations", counting),
    Contestant(GIVEN_UP, "refusals", given_up),
)
TARGETS = (Target(ECN, None, 1 / 0.050), Target(GIVEN_UP, None, 1 / 3))
