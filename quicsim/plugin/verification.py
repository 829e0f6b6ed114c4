"""May this plugin run, and what can it touch? What the verifier has to know of the host, from the declarations.

Paper section 4 leaves open how a received plugin is checked. `vm.verifier` knows nothing of QUIC: here each anchor's
operation, the connection, the plugin's memory, its parameters and the helpers become a contract.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from quicsim.operations import Rule, Slot, u64
from quicsim.plugin.attachment import GENERATE_FRAMES, INSTRUCTION_BUDGET
from quicsim.plugin.context import MAXIMUM_PATHS
from quicsim.plugin.errors import PluginError
from quicsim.plugin.helpers import HELPERS, SENDERS_CODEPOINTS
from quicsim.plugin.layout import CONNECTION, CONNECTION_SIZE, PATH, PATHS_OFFSET, Layout, operation_layout
from quicsim.plugin.marshal import CONNECTION_REGION, OPERATION_REGION, STATE_REGION
from quicsim.plugin.parameters import VALUE_SECTION
from quicsim.plugin.parameters import layout as parameter_layout
from quicsim.quic.frames import PLUGIN_FRAME_TYPES
from vm.verifier import Array, Contract, Field, PointerTo, Proof, Range, RegionType, Rejected, Terms, verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicsim.operations import Operation
    from quicsim.plugin.package import Anchor, Plugin

__all__ = ["PluginRejected", "contract_of", "verified"]


class PluginRejected(PluginError):  # noqa: N818
    """The verifier refuses a plugin; `refusal` says all about it, the text only the first line."""

    def __init__(self, name: str, refusal: Rejected) -> None:
        super().__init__(f"plugin {name}: {refusal.entry}: {refusal.reason}")
        self.refusal = refusal


TERMS = MappingProxyType(
    {
        HELPERS.by_name[name].number: terms
        for name, terms in {
            "run_default": Terms(at_most_once=True, is_hosts_own=True),
            "append_frame": Terms(arguments={1: Range(PLUGIN_FRAME_TYPES[0], PLUGIN_FRAME_TYPES[-1])}),
            "set_ecn": Terms(arguments={1: Range(SENDERS_CODEPOINTS[0], SENDERS_CODEPOINTS[-1])}),
            "path_index": Terms(result=Range(0, MAXIMUM_PATHS - 1)),
            "get_ecn": Terms(result=Range(0, 3)),
        }.items()
    }
)
"""What holds of some helpers beyond their C types."""


def _fields(layout: Layout, *, is_guarded: bool = False) -> tuple[Field, ...]:
    return tuple(
        Field(
            place.field.name,
            place.offset,
            place.field.type.size_bytes,
            maximum=place.field.type.maximum if place.field.maximum is None else place.field.maximum,
            is_writable=place.field.writable,
            is_guarded=is_guarded and place.field.writable,
        )
        for place in layout.places
    )


CONNECTION_TYPE = RegionType(
    CONNECTION_REGION,
    "quic_connection",
    CONNECTION_SIZE,
    fields=_fields(CONNECTION),
    # Whether a path is in use is seen when it is written to.
    arrays=(Array("paths", PATHS_OFFSET, PATH.size_bytes, MAXIMUM_PATHS, _fields(PATH, is_guarded=True)),),
)


def _unavailable(operation: Operation, slot: Slot) -> Mapping[int, str]:
    """Why some helpers may not be called at an anchor; they refuse it at run time as well."""
    reasons: dict[str, str] = {}
    if slot is not Slot.REPLACE:
        reasons["run_default"] = "it is for replace/ programs, and this one runs beside the default"
    if operation is not GENERATE_FRAMES:
        reasons["append_frame"] = f"it is for programs of {GENERATE_FRAMES.name}"
    for helper, argument in (("read_frame", "frame"), ("packet_bytes", "packet")):
        if argument not in operation.arguments:
            reasons[helper] = f"{operation.name} is about no {argument}"
    return MappingProxyType({HELPERS.by_name[name].number: reason for name, reason in reasons.items()})


def _rules(operation: Operation) -> tuple[Rule, ...]:
    """What the host asks of a result, its type included: a number that is none of it ends the call with a fault."""
    most = operation.output.type.maximum
    return operation.rules if most == u64.maximum else (Rule(f"result <= {most}"), *operation.rules)


def contract_of(anchor: Anchor, plugin: Plugin) -> Contract:
    """What a plugin's program at this anchor can rely on, and may do."""
    operation = anchor.operation
    inputs = operation_layout(operation)
    operation_type = RegionType(OPERATION_REGION, operation.attribute, inputs.size_bytes, fields=_fields(inputs))
    state_type = RegionType(STATE_REGION, "state", plugin.state_bytes, is_writable=True)
    data: dict[str, RegionType] = {}
    if plugin.parameters:
        values = parameter_layout(plugin.parameters)
        chosen = tuple(
            Field(parameter.name, place.offset, parameter.type.size_bytes, parameter.minimum, parameter.maximum)
            for parameter, place in zip(plugin.parameters, values.places, strict=True)
        )
        data[VALUE_SECTION] = RegionType(0, "parameters", values.size_bytes, fields=chosen)
    return Contract(
        arguments=(PointerTo(operation_type), PointerTo(CONNECTION_TYPE), PointerTo(state_type)),
        helpers=HELPERS,
        terms=TERMS,
        unavailable=_unavailable(operation, anchor.slot),
        data=MappingProxyType(data),
        rules=_rules(operation) if anchor.slot is Slot.REPLACE else (),
        limit=INSTRUCTION_BUDGET,
    )


KEPT = 64
_judged: dict[tuple[bytes, int, bool], Mapping[str, Proof] | PluginRejected] = {}
"""Verdicts by what is judged, the object and the size of its memory, and by whether its lines of C are known: the same
bytes are pushed on many connections.
"""


def verified(plugin: Plugin) -> Mapping[str, Proof]:
    """A proof for each of a plugin's anchors, by section. Raises PluginRejected where one has none."""
    key = plugin.data, plugin.state_bytes, plugin.program.lines is not None
    verdict = _judged.get(key)
    if verdict is None:
        verdict = _judge(plugin)
        if len(_judged) >= KEPT:
            del _judged[next(iter(_judged))]
        _judged[key] = verdict
    if isinstance(verdict, PluginRejected):
        raise PluginRejected(plugin.name, verdict.refusal)
    if all(proof.program is plugin.program for proof in verdict.values()):
        return verdict
    # The same bytes, loaded from elsewhere: the same code, so what was proved of the one program holds of the other.
    return {section: replace(proof, program=plugin.program) for section, proof in verdict.items()}


def _judge(plugin: Plugin) -> Mapping[str, Proof] | PluginRejected:
    """All programs together get the steps that one may take: a peer chooses how many there are."""
    proofs: dict[str, Proof] = {}
    for anchor in plugin.anchors:
        try:
            spent = sum(proof.steps for proof in proofs.values())
            contract = contract_of(anchor, plugin)
            proofs[anchor.section] = verify(plugin.program, anchor.section, contract, spent_steps=spent)
        except Rejected as refusal:
            return PluginRejected(plugin.name, refusal)
    return MappingProxyType(proofs)
