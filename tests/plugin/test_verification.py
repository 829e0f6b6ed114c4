"""Every object of the house is accepted or refused rightly, against the contracts made of the declarations."""

from __future__ import annotations

from pathlib import Path

import pytest

import vm
from quicsim import locate
from quicsim.operations import OPERATIONS, Slot, operation_named
from quicsim.plugin.context import MAXIMUM_PATHS
from quicsim.plugin.helpers import HELPERS
from quicsim.plugin.package import Anchor, load_plugin
from quicsim.plugin.verification import PluginRejected, contract_of, verified
from tests.plugin.pipe import Pipe, compiled, plugin
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


def test_a_plugin_that_is_refused_is_not_attached():
    pipe = Pipe(verify=True)
    with pytest.raises(
        PluginRejected, match=f"plugin wild: {next(iter(plugin('wild').anchors)).section}: out of"
    ) as no:
        pipe.client.plugins.attach(plugin("wild"))
    assert no.value.refusal.region == "state"
    assert pipe.client.plugins.attachments == []
    Pipe(verify=False).client.plugins.attach(plugin("wild"))


def test_a_push_that_is_refused_is_answered_with_the_first_line():
    pipe = Pipe(verify=True)
    pipe.server.plugins.push(plugin("endless"))
    pipe.connect()
    reasons = [event.reason for side in (pipe.client, pipe.server) for event in side.troubles]
    said = f"plugin endless: replace/SetTimer: {LOOP}"
    assert reasons == [said, f"by the peer: {said}"]


def test_the_worst_case_is_the_budget():
    pipe = Pipe(verify=True)
    tlp = load_plugin((locate.plugin("tlp") / "tlp.o").read_bytes(), source="tlp")
    pipe.client.plugins.attach(tlp)
    [attachment] = pipe.client.plugins.attachments
    budgets = {each.anchor.section: each.machine.budget for each in attachment.programs}
    assert budgets == {section: proof.worst_case_instructions for section, proof in verified(tlp).items()}


def test_the_same_bytes_are_judged_once_wherever_they_come_from(monkeypatch):
    first, again = (load_plugin(compiled("watcher"), source=name) for name in ("here", "there"))
    proofs = verified(first)
    monkeypatch.setattr("quicsim.plugin.verification._judge", None)
    assert verified(first) is proofs
    assert verified(again).keys() == proofs.keys()
    vm.Machine(again.program, HELPERS, proofs=tuple(verified(again).values()))  # which refuses those of another program


@pytest.mark.parametrize("slot", Slot)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_helpers_are_there_where_they_work(operation, slot):
    unavailable = contract_of(Anchor(operation, slot, ""), plugin("wild")).unavailable
    names = {HELPERS.by_number[number].name for number in unavailable}
    assert ("run_default" in names) == (slot is not Slot.REPLACE)
    assert ("append_frame" in names) == (operation.name != "GenerateFrames")
    assert ("packet_bytes" in names) == ("packet" not in operation.arguments)


def test_an_index_that_the_host_bounds_needs_no_comparison():
    """What a field's `maximum` says is kept by the connection, which opens no more paths."""
    largest = {"connection.path_count": MAXIMUM_PATHS, "path.path_id": MAXIMUM_PATHS - 1}
    fields = [field for operation in OPERATIONS for field in operation.inputs if field.of in largest]
    assert len(fields) > 3
    assert [field.maximum for field in fields] == [largest[field.of] for field in fields]


@pytest.mark.parametrize(
    ("helper", "number", "is_allowed"),
    [
        ("append_frame", 0x1C00, True),
        ("append_frame", 0x1CFF, True),
        ("append_frame", 0x1BFF, False),
        ("append_frame", 0x1D00, False),
        ("set_ecn", 2, True),
        ("set_ecn", 3, False),
    ],
)
def test_a_helper_gets_no_number_that_it_refuses(helper, number, is_allowed):
    contract = contract_of(Anchor(operation_named("GenerateFrames"), Slot.AFTER, ""), plugin("wild"))
    number_of = HELPERS.by_name[helper].number
    code = f"r1 = {number}\n r2 = 0\n r3 = 0\n call {number_of}\n r0 = 0\n exit"
    program = vm.Program.from_text(code)
    if is_allowed:
        assert verify(program, "main", contract).helpers == (helper,)
        return
    with pytest.raises(Rejected, match=rf"r1 of {helper}\(\) is out of range"):
        verify(program, "main", contract)


def test_all_programs_of_a_plugin_share_the_steps(monkeypatch):
    """A peer may send hundreds of programs, each of which alone is simple enough."""
    tlp = load_plugin((locate.plugin("tlp") / "tlp.o").read_bytes(), source="tlp")
    steps = [proof.steps for proof in verified(tlp).values()]
    assert len(steps) == 2
    monkeypatch.setattr("quicsim.plugin.verification._judged", {})
    monkeypatch.setattr("vm.verifier.check.MAXIMUM_STEPS", sum(steps))
    assert [proof.steps for proof in verified(tlp).values()] == steps
    monkeypatch.setattr("quicsim.plugin.verification._judged", {})
    monkeypatch.setattr("vm.verifier.check.MAXIMUM_STEPS", steps[0] + 1)
    with pytest.raises(PluginRejected, match="too complex: given up after") as refused:
        verified(tlp)
    assert refused.value.refusal.entry == tlp.anchors[1].section


@pytest.mark.parametrize(("result", "is_allowed"), [(0, True), (0xFFFF, True), (0x1_0000, False)])
def test_a_result_fits_the_type_of_the_output(result, is_allowed):
    """ParseFrames has no rules, and an output of 16 bits: the host takes no other number."""
    operation = operation_named("ParseFrames")
    contract = contract_of(Anchor(operation, Slot.REPLACE, ""), plugin("wild"))
    program = vm.Program.from_text(f"r0 = {result}\n exit")
    if is_allowed:
        [rule] = verify(program, "main", contract).rules
        assert (rule.text, rule.is_proved) == ("result <= 65535", True)
        return
    with pytest.raises(Rejected, match="rule broken: the host asks for result <= 65535"):
        verify(program, "main", contract)
