"""What do the records of a trace say, and how are they kept in little room?

A record is six numbers (quicsim.events). Columns of differences, compressed, take about two bytes a record.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from quicsim.event_text import aligned, field_texts, milliseconds
from quicsim.events import (
    RECORD_FORMAT,
    Code,
    DatagramMarked,
    Event,
    PacketDropped,
    PacketLost,
    PacketReceived,
    PacketSent,
    PluginAccepted,
    PluginAttached,
    PluginCalled,
    PluginDetached,
    PluginFaulted,
    PluginOffered,
    PluginRecalled,
    PluginRefused,
    PluginRemoved,
    PluginReplaced,
    PluginStopped,
)
from quicsim.quic.packet import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quicsim.operations import Operation

__all__ = [
    "RECORD_BYTES",
    "Record",
    "Unreadable",
    "anchor_section",
    "digest_of",
    "moved_ns",
    "pack",
    "record_text",
    "records_of",
    "step",
    "unpack",
]

_STRUCT = struct.Struct("<" + RECORD_FORMAT)
_LINE = 100

RECORD_BYTES = _STRUCT.size


class Unreadable(ValueError):  # noqa: N818
    """Packed records that cannot be unpacked."""


class Record(NamedTuple):
    """One record of a trace: what happened, in which component, its number there, when, and two values."""

    code: int
    component: int
    number: int
    time_ns: int
    first: int
    second: int


class Counts(Enum):
    """What another second value means."""

    STEP = "another step"
    SIZE = "the same step, of another size"
    RESULT = "what the operation's output says"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: the event it stands for, how its two values read, what another second value means.

    Another first value is always another step.
    """

    event: type[Event]
    text: Callable[[int, int], str]
    second: Counts = Counts.STEP


def _packet(first: int, second: int) -> str:
    number = (first & (1 << 56) - 1) >> 2
    return f"space={_space(first & 3)} number={number} size_bytes={second} path_id={first >> 56}"


def _lost(first: int, second: int) -> str:
    return f"space={_space(first & 0xFF)} number={second} path_id={first >> 8}"


def _space(number: int) -> str:
    return Space(number).name.lower()


def _datagram(first: int, second: int) -> str:
    return f"index={first} size_bytes={second}"


def _request(first: int, _second: int) -> str:
    return f"request={first}"


def _called(first: int, second: int) -> str:
    result = f"{milliseconds(second)}ms" if _unit(first) == "ns" else second
    return f"anchor={anchor_section(first)} result={result}"


def _programs(first: int, second: int) -> str:
    return f"programs={first} faults={second}"


KINDS: dict[int, Kind] = {
    Code.PACKET_SENT: Kind(PacketSent, _packet, Counts.SIZE),
    Code.PACKET_RECEIVED: Kind(PacketReceived, _packet, Counts.SIZE),
    Code.DATAGRAM_DROPPED: Kind(PacketDropped, _datagram, Counts.SIZE),
    Code.DATAGRAM_MARKED: Kind(DatagramMarked, _datagram, Counts.SIZE),
    Code.PACKET_LOST: Kind(PacketLost, _lost),
    Code.PLUGIN_OFFERED: Kind(PluginOffered, lambda first, second: f"request={first} size_bytes={second}", Counts.SIZE),
    Code.PLUGIN_ATTACHED: Kind(
        PluginAttached, lambda first, second: f"anchors={first} size_bytes={second}", Counts.SIZE
    ),
    Code.PLUGIN_REFUSED: Kind(PluginRefused, lambda _first, _second: ""),
    Code.PLUGIN_CALLED: Kind(PluginCalled, _called, Counts.RESULT),
    Code.PLUGIN_FAULTED: Kind(
        PluginFaulted, lambda first, second: f"anchor={anchor_section(first)} instructions={second}", Counts.SIZE
    ),
    Code.PLUGIN_DETACHED: Kind(PluginDetached, _programs),
    Code.PLUGIN_ACCEPTED: Kind(PluginAccepted, _request),
    Code.PLUGIN_REPLACED: Kind(PluginReplaced, _programs),
    Code.PLUGIN_RECALLED: Kind(PluginRecalled, _request),
    Code.PLUGIN_REMOVED: Kind(PluginRemoved, _request),
    Code.PLUGIN_STOPPED: Kind(PluginStopped, lambda _first, _second: ""),
}
"""By code."""


@cache
def _anchor(number: int) -> tuple[str, Operation]:
    """The section's name and the operation of an anchor's number."""
    from quicsim.operations import OPERATIONS, PARAMETRISED
    from quicsim.operations.operation import Slot

    for slot in Slot:
        for operation in OPERATIONS:
            if operation.anchor(slot) == number:
                return f"{slot.name.lower()}/{operation.name}", operation
        for operation in PARAMETRISED:
            if operation.anchor(slot) == number & 0xFFFF:
                return f"{slot.name.lower()}/{operation.name}:{number >> 16:#x}", operation
    raise ValueError(f"{number:#x} is no anchor")


def anchor_section(number: int) -> str:
    """The section of a plugin whose program stands at an anchor: `replace/SetTimer`."""
    return _anchor(number)[0]


def _unit(number: int) -> str | None:
    """The unit of what a program at this anchor returns, empty for a choice; None where the result is ignored."""
    section, operation = _anchor(number)
    return operation.output.unit if section.startswith("replace/") else None


def record_text(record: Record, components: Sequence[str], event: Event | None = None) -> str:
    """A record as one line of text; with its event, also what that says beyond the record."""
    kind = KINDS[record.code]
    texts = kind.text(record.first, record.second)
    if event is not None:
        said = {text.partition("=")[0] for text in texts.split(" ")}
        more = {name: text for name, text in field_texts(event).items() if name not in said}
        texts = " ".join([texts, *more.values()]).strip()
    return aligned(record.time_ns, components[record.component - 1], kind.event.qlog_name, texts)


def step(record: Record) -> tuple[int, ...]:
    """What happened, without when, how large, or which amount came of it: equal for one and the same step."""
    counts = KINDS[record.code].second
    is_choice = counts is Counts.STEP or (counts is Counts.RESULT and _unit(record.first) == "")
    return record.code, record.component, record.first, record.second if is_choice else 0


def moved_ns(old: Record, new: Record) -> int:
    """By how much two records of one step are apart: their instants, or what a program made of one."""
    apart = abs(new.time_ns - old.time_ns)
    if KINDS[new.code].second is Counts.RESULT and _unit(new.first) == "ns":
        apart = max(apart, abs(new.second - old.second))
    return apart


def records_of(data: bytes) -> list[Record]:
    """The records that a trace kept, `quicsim.events.Trace.records`."""
    return [Record(*fields) for fields in _STRUCT.iter_unpack(data)]


def digest_of(data: bytes) -> str:
    """The digest of a run whose trace these records are."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


# --------------------------------------------------------------------------------------------------- in little room


def pack(data: bytes) -> list[str]:
    """A trace's records as lines of text: instants and values as differences, column by column, compressed.

    The two values follow those of the last record of the same kind and component.
    """
    columns: list[list[int]] = [[], [], [], [], []]
    time_ns = 0
    last: dict[tuple[int, int], tuple[int, int]] = {}
    for code, component, _index, now_ns, first, second in _STRUCT.iter_unpack(data):
        before = last.get((code, component), (0, 0))
        row = (code, component, now_ns - time_ns, first - before[0], second - before[1])
        for column, value in zip(columns, row, strict=True):
            column.append(value)
        time_ns = now_ns
        last[code, component] = first, second
    text = base64.b64encode(zlib.compress(b"".join(map(_varints, columns)), 9)).decode()
    return [text[start : start + _LINE] for start in range(0, len(text), _LINE)]


def unpack(lines: Iterable[str]) -> bytes:
    """The records that were packed. Raises Unreadable."""
    try:
        numbers = _numbers(zlib.decompress(base64.b64decode("".join(lines), validate=True)))
    except (binascii.Error, zlib.error, ValueError) as error:
        raise Unreadable(str(error)) from None
    count, rest = divmod(len(numbers), 5)
    if rest:
        raise Unreadable("its columns are of different lengths")
    columns = [numbers[count * place : count * (place + 1)] for place in range(5)]
    rows: list[int] = []
    time_ns = 0
    indices: dict[int, int] = {}
    last: dict[tuple[int, int], tuple[int, int]] = {}
    for code, component, later_ns, more_first, more_second in zip(*columns, strict=True):
        time_ns += later_ns
        indices[component] = index = indices.get(component, 0) + 1
        before = last.get((code, component), (0, 0))
        first, second = before[0] + more_first, before[1] + more_second
        last[code, component] = first, second
        rows += (code, component, index, time_ns, first, second)
    try:
        return struct.pack("<" + RECORD_FORMAT * count, *rows)
    except struct.error as error:
        raise Unreadable(str(error)) from None


def _varints(numbers: Iterable[int]) -> bytes:
    """Each number in groups of seven bits, the lowest first, its sign in the last bit: small ones take a byte."""
    out = bytearray()
    for number in numbers:
        rest = number << 1 if number >= 0 else (-number << 1) - 1
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _numbers(data: bytes) -> list[int]:
    found: list[int] = []
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(-(number + 1 >> 1) if number & 1 else number >> 1)
            number = shift = 0
    if shift:
        raise ValueError("the last number has no end")
    return found
