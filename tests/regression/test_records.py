"""Do packed records come back as they were, and does every kind read as its event does?"""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

import quicsim
from quicsim.events import RECORD_FORMAT, Code, Event
from quicsim.operations import OPERATIONS
from quicsim.operations.operation import Slot
from quicsim.plugin.package import anchor_of
from quicsim.regression.parting import record
from quicsim.regression.records import (
    KINDS,
    Record,
    Unreadable,
    anchor_section,
    digest_of,
    moved_ns,
    pack,
    record_text,
    step,
    unpack,
)

CODES = {name: value for name, value in vars(Code).items() if name.isupper()}

U64 = st.integers(0, 2**64 - 1)


@st.composite
def traces(draw):
    """Records such as a trace makes: instants ascend, each component counts its own."""
    rows, counted, time_ns = [], {}, 0
    for code, component, later_ns, first, second in draw(
        st.lists(st.tuples(st.integers(1, 255), st.integers(1, 4), st.integers(0, 2**40), U64, U64), max_size=40)
    ):
        time_ns += later_ns
        counted[component] = counted.get(component, 0) + 1
        rows += (code, component, counted[component], time_ns, first, second)
    return struct.pack("<" + RECORD_FORMAT * (len(rows) // 6), *rows)


@given(traces())
def test_what_is_packed_is_unpacked(data):
    lines = pack(data)
    assert all(len(line) <= 100 and line.isascii() for line in lines)
    assert unpack(lines) == data
    assert digest_of(data) == hashlib.blake2b(data, digest_size=16).hexdigest()


@given(st.text(max_size=60))
def test_what_was_not_packed_is_unreadable(text):
    try:
        data = unpack([text])
    except Unreadable:
        return
    assert unpack(pack(data)) == data


@pytest.fixture(scope="module")
def results():
    return quicsim.scenario("fig3_tlp", ["requests.count=3"]).run(["with-tlp"], 1)


def test_a_real_trace_takes_little_room(results):
    data, _recording = record(results, "with-tlp", 0)
    assert unpack(lines := pack(data)) == data
    assert sum(map(len, lines)) < len(data) / 5
    assert digest_of(data) == results.runs[0].digest


def test_a_damaged_line_is_noticed(results):
    data, _recording = record(results, "with-tlp", 0)
    lines = pack(data)
    with pytest.raises(Unreadable):
        unpack(lines[:-1])
    with pytest.raises(Unreadable):
        unpack(["!" + lines[0][1:], *lines[1:]])


def test_every_code_has_a_kind():
    assert set(KINDS) == set(CODES.values())
    assert all(issubclass(kind.event, Event) for kind in KINDS.values())


ANCHOR = next(each for each in OPERATIONS if each.name == "SetTimer").anchor(Slot.REPLACE)
CHOICE = next(each for each in OPERATIONS if each.name == "SelectPath").anchor(Slot.REPLACE)
AFTER = next(each for each in OPERATIONS if each.name == "SetTimer").anchor(Slot.AFTER)

TEXTS = [  # code, the two values, what is read
    (Code.PACKET_SENT, 3 << 56 | 17 << 2 | 2, 90, "packet_sent  space=application number=17 size_bytes=90 path_id=3"),
    (Code.PACKET_LOST, 1 << 8 | 2, 9, "packet_lost  space=application number=9 path_id=1"),
    (Code.DATAGRAM_DROPPED, 5, 100, "datagram_dropped  index=5 size_bytes=100"),
    (Code.PLUGIN_CALLED, ANCHOR, 1_500_000, "plugin_called  anchor=replace/SetTimer result=1.500000ms"),
    (Code.PLUGIN_CALLED, CHOICE, 2, "plugin_called  anchor=replace/SelectPath result=2"),
    (Code.PLUGIN_FAULTED, AFTER, 12, "plugin_faulted  anchor=after/SetTimer instructions=12"),
    (Code.PLUGIN_REFUSED, 0, 0, "plugin_refused"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "first", "second", "text"), TEXTS)
def test_a_record_reads_as_its_event(code, first, second, text):
    line = record_text(Record(code, 2, 1, 42_000_001, first, second), ("client", "server"))
    assert line.split(maxsplit=2)[:2] == ["42.000001", "ms"]
    assert line.endswith(f":{text}")
    assert " server " in line


def test_a_watched_record_says_what_its_event_says(results):
    _data, recording = record(results, "with-tlp", 0)
    assert set(recording.events) == set(range(1, len(recording.records) + 1))
    for number, each in enumerate(recording.records, start=1):
        event = recording.events[number]
        assert (event.time_ns, event.component) == (each.time_ns, recording.components[each.component - 1])
        assert type(event) is KINDS[each.code].event
        for name in ("number", "size_bytes", "space", "path_id", "index", "anchor"):
            if hasattr(event, name) and f"{name}=" in record_text(each, recording.components):
                assert f"{name}={getattr(event, name)}" in record_text(each, recording.components)
    sent = next(n for n, each in recording.events.items() if each.qlog_name == "quic:packet_sent")
    assert "frames=[" in recording.text(sent)


@pytest.mark.parametrize("slot", Slot)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_anchor_reads_as_the_section_that_stands_for_it(operation, slot):
    section = anchor_section(operation.anchor(slot))
    assert anchor_of(section, "here").number == operation.anchor(slot)


def test_an_anchor_with_a_parameter_reads_as_its_section():
    anchor = anchor_of("replace/ParseFrames:0x1c00", "here")
    assert anchor_section(anchor.number) == "replace/ParseFrames:0x1c00"


STEPS = [  # two records, whether they are one step, how far apart
    ((Code.PACKET_SENT, 4, 1200), (Code.PACKET_SENT, 4, 1100), True, 0),
    ((Code.PACKET_SENT, 4, 1200), (Code.PACKET_SENT, 8, 1200), False, None),
    ((Code.PACKET_SENT, 4, 1200), (Code.PACKET_RECEIVED, 4, 1200), False, None),
    ((Code.PLUGIN_CALLED, ANCHOR, 10_000), (Code.PLUGIN_CALLED, ANCHOR, 25_000), True, 15_000),
    ((Code.PLUGIN_CALLED, CHOICE, 1), (Code.PLUGIN_CALLED, CHOICE, 2), False, None),
    ((Code.PLUGIN_CALLED, AFTER, 1), (Code.PLUGIN_CALLED, AFTER, 2_000), True, 0),
    ((Code.PACKET_LOST, 2, 5), (Code.PACKET_LOST, 2, 6), False, None),
]


@pytest.mark.parametrize(("old", "new", "is_one", "apart_ns"), STEPS)
def test_one_step_may_come_at_another_instant_or_size(old, new, is_one, apart_ns):
    one, other = (Record(code, 1, 1, 0, first, second) for code, first, second in (old, new))
    assert (step(one) == step(other)) is is_one
    if is_one:
        assert moved_ns(one, other) == apart_ns
        assert moved_ns(one, other._replace(time_ns=10**9)) == 10**9
