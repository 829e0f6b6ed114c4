"""Every object of the house is accepted or refused rightly, against the contracts made of the declarations."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicsim import locate
from quicsim.plugin.package import load_plugin
from quicsim.plugin.verification import contract_of
from vm.verifier import Rejected, verify

OBJECTS = Path(__file__).parent / "objects"
LOOP = "endless loop: the loop comes back with nothing known to have changed"
REFUSED = {
    ("breaking_ecn", "before/DecideAck"): "out of bounds: write of 8 bytes of state, which has 328",
    ("endless", "replace/SetTimer"): LOOP,
    ("framing", "replace/GenerateFrames"): LOOP,
    ("hostile", "before/SetTimer"): LOOP,
    ("hostile", "after/SetTimer"): LOOP,
    ("hostile", "replace/SetTimer"): "recursion: 'deep' calls itself",
    ("hostile", "replace/CongestionControl"): "rule broken: the host asks for result <= 1 << 62",
    ("marking", "replace/SetTimer"): "helper: r1 of set_ecn() may be out of range",
    ("wild", "replace/SelectRetransmission"): "out of bounds: read of 8 bytes of state, which has 16",
}
"""Programs of the tests' own plugins that are refused, with the first line of why."""


def programs():
    objects = [directory / f"{directory.name}.o" for directory in locate.plugins().values()]
    for file in [*objects, *sorted(set(OBJECTS.rglob("*.o")) - set(OBJECTS.rglob("*.debug.o")))]:
        plugin = load_plugin(file.read_bytes(), source=str(file))
        for anchor in plugin.anchors:
            yield pytest.param(plugin, anchor, id=f"{file.stem}-{anchor.section}")


@pytest.mark.parametrize(("plugin", "anchor"), list(programs()))
def test_an_object_is_accepted_or_refused(plugin, anchor):
    name = Path(plugin.program.source).stem
    reason = REFUSED.get((name, anchor.section))
    if reason is None:
        proof = verify(plugin.program, anchor.section, contract_of(anchor, plugin))
        assert 0 < proof.worst_case_instructions <= 400
        return
    with pytest.raises(Rejected) as refusal:
        verify(plugin.program, anchor.section, contract_of(anchor, plugin))
    assert refusal.value.reason == reason


def test_every_refusal_is_of_a_program_that_exists():
    known = {(Path(plugin.program.source).stem, anchor.section) for plugin, anchor in (p.values for p in programs())}
    assert REFUSED.keys() <= known
