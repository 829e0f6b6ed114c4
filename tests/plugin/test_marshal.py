"""What does a program see of the connection, and which of its writes land? Driven by loads and stores, without code."""

from copy import copy
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vm
from quicsim.operations import OPERATIONS, PARAMETRISED, operation_named
from quicsim.plugin.context import MAXIMUM_PATHS
from quicsim.plugin.helpers import HELPERS, PACKET_FORMAT
from quicsim.plugin.journal import Journal
from quicsim.plugin.layout import CONNECTION, CONNECTION_SIZE, PATH, PATHS_OFFSET, operation_layout
from quicsim.plugin.marshal import (
    CONNECTION_REGION,
    OPERATION_REGION,
    ConnectionView,
    CopiedConnectionView,
    OperationView,
    RuleBroken,
)
from quicsim.quic.frames import PluginFrame
from quicsim.quic.interface import Counts
from quicsim.quic.packet import Packet, Space
from quicsim.quic.settings import Settings
from tests.plugin.pipe import Pipe

FIELDS = [(place, -1) for place in CONNECTION.places] + [
    (place, index) for index in range(MAXIMUM_PATHS) for place in PATH.places
]


@pytest.fixture(scope="module")
def used():
    """A connection in use: values of every field are set."""
    pipe = Pipe(client=Settings(max_ack_delay_ns=7_000_000), server=Settings(max_ack_delay_ns=15_000_000))
    pipe.connect()
    pipe.send(20_000)
    pipe.run_for(12_000_000)
    return pipe.client.connection


@pytest.fixture
def connection():
    pipe = Pipe()
    pipe.connect()
    pipe.send(3_000)
    return pipe.client.connection


class Seen:
    """A view, and the memory through which a program reaches it."""

    def __init__(self, view):
        self.view = view
        self.memory = vm.Memory()
        self.memory.map(view.region)

    def load(self, offset, size):
        return self.memory.load(vm.address(self.view.region.number, offset), size)

    def store(self, offset, size, value):
        self.memory.store(vm.address(self.view.region.number, offset), size, value)


by_view = pytest.mark.parametrize("view", [ConnectionView, CopiedConnectionView])


def seen_through(view, connection):
    """The connection's structure as a program finds it at the beginning of a call."""
    view = view(connection)
    view.reset()
    return Seen(view)


def offset_of(place, index):
    return place.offset if index < 0 else PATHS_OFFSET + index * PATH.size_bytes + place.offset


def path_field(name, index=0):
    return PATHS_OFFSET + index * PATH.size_bytes + next(p.offset for p in PATH.places if p.field.name == name)


def value_of(field, **scope):
    return int(eval(field.of, {}, scope))


def arguments_of(operation, connection):
    path = connection.path
    space = path.application
    packet = Packet(Space.APPLICATION, 7, 1_000, True)
    packet.size_bytes = 321

    class Frame:
        delay = 12
        range_count = 3
        frame_type = 0x1C07
        length = 5

    known = {
        "connection": connection, "path": path, "space": space, "packet": packet, "frame": Frame, "selected": 5,
        "retransmits": True,
        "sample_ns": 11_000_000, "ack_delay_ns": 1_000, "event": 1, "packet_bytes": 1_200, "packet_sent_ns": 99,
    }  # fmt: skip
    return {name: known[name] for name in operation.arguments}


# ------------------------------------------------------------------------------------------ the operation's structure


@pytest.mark.parametrize("operation", [*OPERATIONS, *PARAMETRISED], ids=lambda operation: operation.name)
def test_each_input_is_what_its_declaration_says(operation, used):
    given = arguments_of(operation, used)
    seen = Seen(OperationView(operation, Counts()))
    seen.view.load(tuple(given.values()), 2**64 - 3)
    assert seen.view.region.number == OPERATION_REGION
    given["result"] = 2**64 - 3
    for place in operation_layout(operation).places:
        assert seen.load(place.offset, place.field.type.size_bytes) == value_of(place.field, **given), place.field


@pytest.mark.parametrize("operation", [*OPERATIONS, *PARAMETRISED], ids=lambda operation: operation.name)
def test_only_writable_inputs_can_be_written_and_result_never(operation, used):
    seen = Seen(OperationView(operation, Counts()))
    seen.view.load(tuple(arguments_of(operation, used).values()), 0)
    writable = [place.field.name for place in operation_layout(operation).places if place.field.writable]
    for place in operation_layout(operation).places:
        if place.field.writable:
            seen.store(place.offset, place.field.type.size_bytes, 5)
        else:
            with pytest.raises(vm.AccessViolation) as refusal:
                seen.store(place.offset, 1, 5)
            assert "read-only" in str(refusal.value) if not writable else ", ".join(writable) in str(refusal.value)


def test_what_was_written_lands_on_commit_and_not_before(connection):
    operation = operation_named("UpdateRTT")
    arguments = tuple(arguments_of(operation, connection).values())
    seen = Seen(OperationView(operation, Counts()))
    seen.view.load(arguments, 0)
    offset = next(p.offset for p in operation_layout(operation).places if p.field.name == "smoothed_rtt_ns")
    before = connection.path.rtt.smoothed_ns
    seen.store(offset, 8, 123_456)
    assignments = seen.view.written()
    assert (len(assignments), connection.path.rtt.smoothed_ns) == (1, before)
    seen.view.commit(assignments, Journal())
    assert connection.path.rtt.smoothed_ns == 123_456


def test_writing_the_same_value_assigns_nothing(connection):
    operation = operation_named("UpdateRTT")
    seen = Seen(OperationView(operation, Counts()))
    seen.view.load(tuple(arguments_of(operation, connection).values()), 0)
    offset = next(p.offset for p in operation_layout(operation).places if p.field.name == "smoothed_rtt_ns")
    seen.store(offset, 8, connection.path.rtt.smoothed_ns)
    assert seen.view.written() == []


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        ("UpdateRTT", "smoothed_rtt_ns", 0),
        ("UpdateRTT", "smoothed_rtt_ns", 2**64 - 1),
        ("UpdateRTT", "rtt_variation_ns", 2**63),
        ("CongestionControl", "ssthresh_bytes", 2**62 + 1),
    ],
)
def test_a_written_field_is_held_to_the_rules(operation, field, value, connection):
    operation = operation_named(operation)
    seen = Seen(OperationView(operation, Counts()))
    seen.view.load(tuple(arguments_of(operation, connection).values()), 0)
    place = next(p for p in operation_layout(operation).places if p.field.name == field)
    seen.store(place.offset, 8, value)
    with pytest.raises(RuleBroken, match=rf"{operation.name} asks for {field} .*; here {field} = {value}"):
        seen.view.written()


def test_a_store_that_leaves_its_field_is_refused(connection):
    operation = operation_named("UpdateRTT")
    seen = Seen(OperationView(operation, Counts()))
    seen.view.load(tuple(arguments_of(operation, connection).values()), 0)
    places = {p.field.name: p for p in operation_layout(operation).places}
    with pytest.raises(vm.AccessViolation, match="writable there: smoothed_rtt_ns, rtt_variation_ns"):
        seen.store(places["smoothed_rtt_ns"].offset + 4, 8, 1)  # half of it in the next one, though both are writable


def test_rules_judge_the_inputs_of_the_call_whatever_the_default_made_of_them(connection):
    operation = operation_named("GenerateFrames")
    arguments = arguments_of(operation, connection)
    view = OperationView(operation, Counts())
    view.load(tuple(arguments.values()), 0)
    arguments["packet"].room_bytes = 0  # the default filled the packet
    view.refresh(1_000)
    view.check(1_000)
    with pytest.raises(RuleBroken, match="result <= room_bytes; here result = 1001, room_bytes = 1000"):
        view.check(1_001)


@pytest.mark.parametrize(("operation", "largest"), [("SendPacket", 255), ("ProcessAck", 2**32 - 1)])
def test_a_result_must_fit_its_type(operation, largest, connection):
    operation = operation_named(operation)
    view = OperationView(operation, Counts())
    view.load(tuple(arguments_of(operation, connection).values()), 0)
    with pytest.raises(RuleBroken, match=f"returned {largest + 1}, which is no {operation.output.type.c_name}"):
        view.check(largest + 1)


# ---------------------------------------------------------------------------------------- the connection's structure


@by_view
@pytest.mark.parametrize(("place", "index"), FIELDS, ids=lambda each: "")
def test_each_field_of_the_connection_is_what_its_declaration_says(view, place, index, used):
    seen = seen_through(view, used)
    assert seen.view.region.number == CONNECTION_REGION
    expected = 0
    if index <= 0:
        expected = value_of(place.field, connection=used, path=used.path)
    assert seen.load(offset_of(place, index), place.field.type.size_bytes) == expected


def test_most_fields_of_the_used_connection_are_not_zero(used):
    """Else the comparison above would compare nothing with nothing."""
    zero = {
        place.field.name
        for place, index in FIELDS
        if index <= 0 and not value_of(place.field, connection=used, path=used.path)
    }
    assert zero <= {"path_id", "pto_count", "packets_lost", "ecn_codepoint", "is_potentially_failed"}


@by_view
@given(data=st.data())
def test_any_access_reads_the_bytes_of_the_structure(used, view, data):
    """Unaligned and straddling loads see what a C structure filled at once would hold."""
    whole = bytearray(CONNECTION_SIZE)
    for place, index in FIELDS:
        if index <= 0:
            width = place.field.type.size_bytes
            at = offset_of(place, index)
            value = value_of(place.field, connection=used, path=used.path)
            whole[at : at + width] = value.to_bytes(width, "little")
    seen = seen_through(view, used)
    for _ in range(4):
        size = data.draw(st.sampled_from([1, 2, 4, 8]))
        offset = data.draw(st.integers(0, CONNECTION_SIZE - size))
        assert seen.load(offset, size) == int.from_bytes(whole[offset : offset + size], "little")


@pytest.mark.parametrize(("view", "seen_first"), [(ConnectionView, 40_000), (CopiedConnectionView, 30_000)])
def test_a_field_is_copied_when_it_is_first_touched_or_before_and_stays_for_the_call(view, seen_first, connection):
    path = connection.path
    path.cwnd_bytes = 30_000
    seen = seen_through(view, connection)
    path.cwnd_bytes = 40_000
    assert seen.load(path_field("cwnd_bytes"), 8) == seen_first
    path.cwnd_bytes = 50_000
    assert seen.load(path_field("cwnd_bytes"), 8) == seen_first
    seen.view.reset()
    assert seen.load(path_field("cwnd_bytes"), 8) == 50_000


@by_view
@pytest.mark.parametrize(("place", "index"), FIELDS, ids=lambda each: "")
def test_only_what_is_declared_writable_can_be_written(view, place, index, connection):
    seen = seen_through(view, connection)
    if place.field.writable and index == 0:
        seen.store(offset_of(place, index), place.field.type.size_bytes, 1)
        return
    with pytest.raises(vm.AccessViolation) as refusal:
        seen.store(offset_of(place, index), 1, 1)
    assert f"write to {place.field.name} of" in str(refusal.value)
    assert "may write cwnd_bytes and ssthresh_bytes of the 1 path(s) in use" in str(refusal.value)


@by_view
def test_a_write_lands_on_commit_in_full_and_in_part(view, connection):
    path = connection.path
    path.cwnd_bytes = 0x11223344
    seen = seen_through(view, connection)
    seen.store(path_field("cwnd_bytes") + 1, 2, 0xBEEF)
    assert path.cwnd_bytes == 0x11223344
    assert seen.load(path_field("cwnd_bytes"), 8) == 0x11BEEF44
    seen.view.check()
    seen.view.commit(Journal())
    assert path.cwnd_bytes == 0x11BEEF44


@by_view
def test_a_discarded_write_leaves_nothing_behind(view, connection):
    before = connection.path.cwnd_bytes
    seen = seen_through(view, connection)
    seen.store(path_field("cwnd_bytes"), 8, 99_999)
    seen.view.reset()
    seen.view.check()
    seen.view.commit(Journal())
    assert connection.path.cwnd_bytes == before
    assert seen.load(path_field("cwnd_bytes"), 8) == before


@by_view
@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        (
            "cwnd_bytes",
            3_071,
            "cwnd_bytes >= minimum_window_bytes; here cwnd_bytes = 3071, minimum_window_bytes = 3072",
        ),
        ("cwnd_bytes", 2**62 + 1, "cwnd_bytes <= 1 << 62"),
        ("ssthresh_bytes", 2**64 - 1, "ssthresh_bytes <= 1 << 62"),
    ],
)
def test_a_window_that_breaks_a_rule_is_refused(view, field, value, rule, connection):
    seen = seen_through(view, connection)
    seen.store(path_field(field), 8, value)
    with pytest.raises(RuleBroken, match=f"path 0 asks for {rule}"):
        seen.view.check()


@by_view
@pytest.mark.parametrize("value", [3_072, 2**62])
def test_the_edges_of_the_rules_are_allowed(view, value, connection):
    seen = seen_through(view, connection)
    seen.store(path_field("cwnd_bytes"), 8, value)
    seen.view.check()


@by_view
@pytest.mark.parametrize(
    "offset",
    [
        PATHS_OFFSET + 4,  # half of cwnd_bytes, half of ssthresh_bytes: both writable, but not at once
        PATHS_OFFSET - 4,  # padding of the connection and half of cwnd_bytes
        PATHS_OFFSET + 12,  # half of ssthresh_bytes, half of a read-only field
    ],
)
def test_a_store_across_two_fields_is_refused(view, offset, connection):
    with pytest.raises(vm.AccessViolation):
        seen_through(view, connection).store(offset, 8, 0)


@by_view
@pytest.mark.parametrize("offset", [place[0] for place in CONNECTION.padding] + [PATHS_OFFSET + PATH.padding[-1][0]])
def test_padding_is_no_place_to_keep_things(view, offset, connection):
    with pytest.raises(vm.AccessViolation, match="padding"):
        seen_through(view, connection).store(offset, 1, 1)


@by_view
def test_a_second_path_can_be_written_once_it_is_there(view, connection):
    second = copy(connection.path)
    second.path_id = 1
    connection.paths.append(second)
    seen = seen_through(view, connection)
    first = connection.path.cwnd_bytes
    seen.store(path_field("cwnd_bytes", 1), 8, 77_777)
    seen.view.check()
    seen.view.commit(Journal())
    assert (connection.path.cwnd_bytes, second.cwnd_bytes) == (first, 77_777)
    assert seen.load(path_field("path_id", 1), 1) == 1


# ------------------------------------------------------------------------------------------------- what is counted


def test_in_shared_memory_each_touched_field_counts_once_and_each_written_one_again(connection):
    counts = connection.counts
    seen = seen_through(ConnectionView, connection)
    assert counts.plugin_bytes_marshalled == 0
    seen.load(path_field("cwnd_bytes"), 8)
    seen.load(path_field("cwnd_bytes") + 4, 4)
    seen.load(path_field("pto_count"), 1)
    assert counts.plugin_bytes_marshalled == 8 + 4
    seen.store(path_field("ssthresh_bytes"), 8, 2**61)
    seen.view.check()
    seen.view.commit(Journal())
    assert counts.plugin_bytes_marshalled == 12 + 8 + 8  # read, since a store may be of a part, and written


def test_a_copy_counts_whole_whatever_is_touched(connection):
    counts = connection.counts
    seen = seen_through(CopiedConnectionView, connection)
    assert counts.plugin_bytes_marshalled == CONNECTION_SIZE
    seen.load(path_field("cwnd_bytes"), 8)
    seen.store(path_field("ssthresh_bytes"), 8, 2**61)
    seen.view.check()
    seen.view.commit(Journal())
    assert counts.plugin_bytes_marshalled == CONNECTION_SIZE + 16  # the two writable fields of the one path
    seen.view.reset()
    seen.view.check()
    seen.view.commit(Journal())
    assert counts.plugin_bytes_marshalled == 2 * (CONNECTION_SIZE + 16)


def test_an_operation_s_structure_counts_whole_and_its_writable_fields_again(connection):
    operation = operation_named("UpdateRTT")
    counts = Counts()
    view = OperationView(operation, counts)
    view.load(tuple(arguments_of(operation, connection).values()), 0)
    assert counts.plugin_bytes_marshalled == operation_layout(operation).size_bytes
    view.commit(view.written(), Journal())
    assert counts.plugin_bytes_marshalled == operation_layout(operation).size_bytes + 8 + 8 + 1 + 8 + 8


@pytest.mark.parametrize(
    ("helper", "arguments", "returned", "copied"),
    [
        ("append_frame", (0x1C01, memoryview(b"12345")), True, 5),
        ("read_frame", (0, memoryview(bytearray(8))), 8, 8),
        ("read_frame", (6, memoryview(bytearray(8))), 4, 4),
        ("read_frame", (10, memoryview(bytearray(8))), 0, 0),
        ("packet_bytes", (1, memoryview(bytearray(9))), 2, 2),
        ("outstanding", (0, memoryview(bytearray(PACKET_FORMAT.size))), True, PACKET_FORMAT.size),
        ("outstanding", (1, memoryview(bytearray(PACKET_FORMAT.size))), False, 0),
        ("path_index", (), 3, 0),
        ("get_ecn", (), 2, 0),
    ],
)
def test_what_a_helper_copies_counts(helper, arguments, returned, copied):
    counts = Counts()
    sent = Packet(Space.APPLICATION, 7, 1_000, True)
    sent.sent_ns = 12
    context = SimpleNamespace(
        connection=SimpleNamespace(counts=counts),
        path=SimpleNamespace(path_id=3, ecn_codepoint=2),
        argument={"frame": PluginFrame(0x1C01, b"0123456789")}.__getitem__,
        packet_bytes=lambda: b"abc",
        append_frame=lambda frame_type, data: True,
        outstanding=lambda index: None if index else sent,
    )
    assert HELPERS.by_name[helper].body(context, *arguments) == returned
    assert counts.plugin_bytes_marshalled == copied
