"""What is in a plugin's ELF file? Its manifest and the anchors that its sections name.

One object is one plugin: `SEC("replace/SetTimer")` names an anchor, the section `quicsim.plugin` holds name, version,
ABI and the size of the opaque memory. Beside `x.o` may lie `x.debug.o`, the same code built with its source lines: the
object without them is what travels and is measured, the other only lets faults say which line of C they are at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import vm
from quicsim.operations import OPERATIONS, Operation, Slot, operation_named
from quicsim.plugin.context import ABI_MAJOR, ABI_MINOR
from quicsim.plugin.errors import PluginError
from quicsim.plugin.helpers import HELPERS
from quicsim.plugin.parameters import Parameter, declared

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "DEBUG_SUFFIX", "MANIFEST_SECTION", "MAXIMUM_STATE_BYTES", "Anchor", "Plugin", "PluginError", "load_plugin",
    "read_plugin",
]  # fmt: skip

DEBUG_SUFFIX = ".debug.o"

MANIFEST_SECTION = "quicsim.plugin"
MANIFEST = struct.Struct("<HHI32s16s")
"""ABI major and minor, bytes of opaque memory, name, version: `struct quicsim_manifest` in quicsim.h."""

APPEND_FRAME = next(helper.number for helper in HELPERS if helper.name == "append_frame")

MAXIMUM_STATE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Anchor:
    """A slot of an operation, and the section whose program goes there."""

    operation: Operation
    slot: Slot
    section: str

    @property
    def number(self) -> int:
        """The anchor's unique identifier."""
        return self.operation.anchor(self.slot)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A loaded plugin, not attached to anything yet."""

    name: str
    version: str
    state_bytes: int
    anchors: tuple[Anchor, ...]
    program: vm.Program
    data: bytes
    """The ELF file: what travels."""
    parameters: tuple[Parameter, ...] = ()
    """What may be chosen when it is attached."""
    debug: bytes | None = None
    """The object with the source lines, if there is one."""

    @property
    def has_frames(self) -> bool:
        """Whether it sends or reads frames of its own, so that two ends that run it have something to say.

        What is called through a register is not known beforehand: it may be `append_frame`.
        """
        return (
            APPEND_FRAME in self.program.helper_calls
            or self.program.calls_through_registers
            or any(each.operation.value is not None for each in self.anchors)
        )


def read_plugin(path: Path) -> Plugin:
    """The plugin of an object file, with source lines if `x.debug.o` lies beside `x.o`. Raises PluginError, OSError."""
    debug = path.with_name(path.stem + DEBUG_SUFFIX)
    return load_plugin(path.read_bytes(), source=str(path), debug=debug.read_bytes() if debug.is_file() else None)


@lru_cache(maxsize=64)
def load_plugin(data: bytes, *, source: str, debug: bytes | None = None) -> Plugin:
    """Read a plugin's ELF file, and the source lines of its debug object.

    Raises PluginError, which names `source` and the section; or the debug object, if that is of something else.
    """
    try:
        program = vm.load(data, source=source, helpers=HELPERS.numbers())
        if debug is not None:
            beside = source.removesuffix(".o") + DEBUG_SUFFIX
            program = program.with_lines_of(vm.load(debug, source=beside, helpers=HELPERS.numbers()))
    except vm.LoadError as error:
        raise PluginError(str(error)) from error
    manifest = program.sections.get(MANIFEST_SECTION)
    if manifest is None:
        raise PluginError(
            f"{source}: no section {MANIFEST_SECTION!r}; a plugin says QUICSIM_PLUGIN(name, version, state)"
        )
    if len(manifest) != MANIFEST.size:
        raise PluginError(f"{source}: section {MANIFEST_SECTION!r} has {len(manifest)} bytes, not {MANIFEST.size}")
    major, minor, state_bytes, raw_name, raw_version = MANIFEST.unpack(manifest)
    if major != ABI_MAJOR or minor > ABI_MINOR:
        raise PluginError(f"{source}: built for ABI {major}.{minor}; this is {ABI_MAJOR}.{ABI_MINOR}: build it again")
    if state_bytes > MAXIMUM_STATE_BYTES:
        raise PluginError(f"{source}: asks for {state_bytes} bytes of memory; at most {MAXIMUM_STATE_BYTES} are given")
    anchors = tuple(anchor_of(section, source) for section in program.entries)
    if not anchors:
        raise PluginError(f'{source}: no program; a section such as SEC("replace/SetTimer") holds one')
    for number, anchor in enumerate(anchors):
        if twin := [other.section for other in anchors[:number] if other.number == anchor.number]:
            raise PluginError(f"{source}: sections {twin[0]!r} and {anchor.section!r} are the same anchor")
    if missing := [number for number in program.helper_calls if number not in HELPERS.by_number]:
        known = ", ".join(f"{helper.number} ({helper.name})" for helper in HELPERS)
        raise PluginError(f"{source}: calls helper {missing[0]}, which does not exist; the helpers are {known}")
    return Plugin(
        name=text(raw_name, "name", source),
        version=text(raw_version, "version", source),
        state_bytes=state_bytes,
        anchors=anchors,
        program=program,
        data=data,
        parameters=declared(program.sections, source),
        debug=debug,
    )


def anchor_of(section: str, source: str) -> Anchor:
    """The anchor that a code section's name stands for. Raises PluginError with the names that exist."""
    slot_name, separator, operation_name = section.partition("/")
    base = operation_name.partition(":")[0]
    slots = {slot.name.lower(): slot for slot in Slot}
    if not separator or slot_name not in slots:
        raise PluginError(
            f"{source}: section {section!r} is no anchor; write replace/, before/ or after/ and an operation"
        )
    try:
        operation = operation_named(operation_name)
    except KeyError:
        known = ", ".join(operation.name for operation in OPERATIONS)
        raise PluginError(f"{source}: section {section!r}: no operation {base!r}; there are {known}") from None
    except ValueError as error:
        raise PluginError(f"{source}: section {section!r}: {error}") from None
    return Anchor(operation, slots[slot_name], section)


def text(raw: bytes, what: str, source: str) -> str:
    """A NUL-padded string of the manifest. Raises PluginError unless it is printable ASCII and not empty."""
    value = raw.split(b"\0", 1)[0].decode("ascii", errors="replace")
    if not value or not value.isprintable() or not value.isascii():
        raise PluginError(f"{source}: section {MANIFEST_SECTION!r}: the {what} {raw!r} is no printable ASCII text")
    return value
