"""Is each operation declared once and soundly, does its declaration fit a live connection, does its default keep it?"""

import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.operations import (
    OPERATIONS,
    Field,
    Operation,
    OperationTable,
    Output,
    Rule,
    Slot,
    operation_named,
    u8,
    u64,
)
from quicsim.quic.profiles import PROFILES
from tests.plugin.pipe import MILLISECOND, Pipe

by_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
by_profile = pytest.mark.parametrize("profile", PROFILES)

# ------------------------------------------------------------------------------------------------------- the table


def test_numbers_names_attributes_and_anchors_are_unique():
    for part in (
        [operation.number for operation in OPERATIONS],
        [operation.name for operation in OPERATIONS],
        [operation.attribute for operation in OPERATIONS],
        [operation.anchor(slot) for operation in OPERATIONS for slot in Slot],
    ):
        assert len(part) == len(set(part))
    assert [operation.number for operation in OPERATIONS] == sorted(operation.number for operation in OPERATIONS)


def test_the_operations_of_figure_1_and_of_reception_are_there():
    wanted = (
        "SelectRetransmission GenerateHeader GenerateFrames SendPacket SetTimer ReadPacket ParseFrames ProcessAck "
        "CongestionControl InitOpaqueData"
    )
    assert set(wanted.split()) <= {operation.name for operation in OPERATIONS}


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("SetTimer", "set_timer"), ("UpdateRTT", "update_rtt"), ("SelectACKPath", "select_ack_path"), ("ACK", "ack"),
        ("InitOpaqueData", "init_opaque_data"), ("ProcessAck", "process_ack"),
    ],
)  # fmt: skip
def test_attributes_come_from_names(name, attribute):
    assert Operation(1, name, "", "", (), Output(u8, "")).attribute == attribute


@given(st.integers(1, 0x3FFF), st.integers(1, 0x3FFF), st.sampled_from(Slot), st.sampled_from(Slot))
def test_no_two_anchors_share_a_number(first, second, slot, other):
    def anchor(number, slot):
        return Operation(number, "X", "", "", (), Output(u8, "")).anchor(slot)

    assert (anchor(first, slot) == anchor(second, other)) == ((first, slot) == (second, other))
    assert anchor(first, slot) <= 0xFFFF


@by_operation
def test_an_operation_says_what_it_is_and_where_it_comes_from(operation):
    assert operation.meaning.endswith(".")
    assert re.search(r"(paper|RFC \d+) section", operation.source.replace("sections", "section"))
    assert operation.output.meaning
    assert all(field.meaning for field in operation.inputs)
    module = inspect.getmodule(next(iter(operation.defaults.values())))
    assert module is not None
    assert operation_named(operation.name) is operation


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(KeyError, match="no operation 'SetTimex'; the operations are SelectRetransmission, Generate"):
        operation_named("SetTimex")


@by_operation
def test_slots_of_the_table_and_arguments_of_defaults_match_the_declaration(operation):
    assert operation.attribute in OperationTable.__slots__
    assert operation.attribute in OperationTable.__annotations__
    assert operation.arguments[:2] == ("connection", "path")
    for default in operation.defaults.values():
        assert len(inspect.signature(default).parameters) == len(operation.arguments)


@by_profile
def test_without_plugins_an_entry_is_the_default_itself(profile):
    table = OperationTable(profile)
    for operation in OPERATIONS:
        default = operation.defaults.get(profile, operation.defaults.get("*"))
        assert getattr(table, operation.attribute) is default

        def stranger(*arguments):
            return 0

        table.install(operation, stranger)
        assert getattr(table, operation.attribute) is stranger
        table.restore(operation)
        assert getattr(table, operation.attribute) is default


def test_two_tables_share_nothing():
    first, second = OperationTable("picoquic"), OperationTable("picoquic")
    first.install(operation_named("SetTimer"), lambda connection, path: 1)
    assert second.set_timer is operation_named("SetTimer").default_for("picoquic")


# ------------------------------------------------------------------------------------------------- bad declarations


def declared(number=1, inputs=(), rules=(), arguments=("connection", "path"), result_goes_to=""):
    output = Output(u8, "", of=result_goes_to)
    return Operation(number, "Odd", "", "", tuple(inputs), output, arguments=arguments, rules=tuple(rules))


WORD = Field("word", u64, "connection.now_ns", "")


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ({"number": 0}, "number 0x0 must lie in 1..0x3fff"),
        ({"number": 0x4000}, "number 0x4000 must lie in"),
        ({"inputs": [Field("x", u8, "packet.number", "")]}, "field x reads 'packet.number', but the arguments are"),
        ({"rules": [Rule("result < word")]}, "rule 'result < word' names word, which is no input"),
        ({"rules": [Rule("result < 1", when="other > 0")]}, "names other, which is no input"),
        ({"result_goes_to": "packet.number"}, "its result goes to 'packet.number', but the arguments are connection"),
        ({"inputs": [WORD, WORD]}, "two fields are named word"),
        ({"inputs": [Field("result", u8, "path.x", "")]}, "two fields are named result"),
        ({"inputs": [Field("p", u8, "path", "", writable=True)]}, "field p is writable, but 'path' is no attribute"),
    ],
)
def test_a_bad_declaration_is_refused(declaration, reason):
    with pytest.raises(ValueError, match=re.escape(reason)) as refusal:
        declared(**declaration)
    assert "operation Odd" in str(refusal.value)


def test_a_second_default_for_a_profile_is_refused():
    operation = declared()
    operation.default("picoquic")(lambda connection, path: 1)
    operation.default()(lambda connection, path: 2)
    with pytest.raises(ValueError, match="profile 'picoquic' already has a default"):
        operation.default("picoquic")(lambda connection, path: 3)
    assert operation.default_for("picoquic")(None, None) == 1
    assert operation.default_for("rfc9002")(None, None) == 2


# ------------------------------------------------------------------------------------------------------ whole runs


class Watch:
    """Stands in front of every default: reads each declared field, then judges the default's result by the rules."""

    def __init__(self, side, profile):
        self.seen = set()
        table = side.connection.operations
        for operation in OPERATIONS:
            table.install(operation, self.wrapped(operation, operation.default_for(profile)))

    def wrapped(self, operation, default):
        readers = [(field, compile(field.of, "<field>", "eval")) for field in operation.inputs]

        def watched(*arguments):
            scope = dict(zip(operation.arguments, arguments, strict=True))
            values = {}
            for field, reader in readers:
                value = eval(reader, {}, scope)
                assert isinstance(value, int), (operation.name, field.name, value)
                assert 0 <= value <= field.type.maximum, (operation.name, field.name, value)
                values[field.name] = value
            result = default(*arguments)
            assert isinstance(result, int)
            assert 0 <= result <= operation.output.type.maximum, (operation.name, result)
            for rule in operation.rules:
                broken = rule.broken_by({**values, "result": result})
                assert not broken, (operation.name, rule.text, rule.when, values, result)
            self.seen.add(operation.name)
            return result

        return watched


RUNS = {
    "quiet": lambda sender, index, datagram: False,
    "every third of the client's": lambda sender, index, datagram: sender == "client" and index % 3 == 2,
    "every fourth of both": lambda sender, index, datagram: index % 4 == 1,
    "a long silence": lambda sender, index, datagram: 12 <= index < 15,
}


@by_profile
@pytest.mark.parametrize("drops", RUNS.values(), ids=RUNS)
def test_over_whole_runs_fields_fit_their_types_and_defaults_keep_their_rules(profile, drops):
    pipe = Pipe(profile, drops=drops, watched=False)
    watches = [Watch(side, profile) for side in pipe.sides.values()]
    pipe.connect()
    sent = {pipe.send(size): size for size in (1, 2_000, 40_000)}
    back = {pipe.send(size, "server"): size for size in (30_000, 7)}
    pipe.settle()
    pipe.now_ns += 3_000 * MILLISECOND
    sent[pipe.send(900)] = 900
    pipe.settle()
    assert pipe.server.delivered == sent
    assert pipe.client.delivered == back
    rare = {
        "SelectPath",
        "SelectACKPath",
        "InitOpaqueData",
        "RetransmissionTimeout",
        "DetectLoss",
        "SelectRetransmission",
    }
    assert {operation.name for operation in OPERATIONS} - watches[0].seen <= rare


@pytest.mark.parametrize(
    ("name", "values", "broken"),
    [
        ("SetTimer", {"result": 60 * 10**9}, 0),
        ("SetTimer", {"result": 60 * 10**9 + 1}, 1),
        ("SetTimer", {"result": 2**64 - 1}, 1),
        ("SetTimer", {"result": 0, "ack_eliciting_outstanding": 1, "handshake_confirmed": 1}, 1),
        ("UpdateRTT", {"result": 1, "smoothed_rtt_ns": 1, "has_sample": 2}, 1),
        ("UpdateRTT", {"result": 1, "smoothed_rtt_ns": 1, "minimum_rtt_ns": 2**63}, 1),
        ("RetransmissionTimeout", {"pto_count": 33}, 1),
        ("RetransmissionTimeout", {"pto_count": 32, "space_timeouts": 32, "ping_needed": 1}, 0),
    ],
)
def test_rules_keep_a_connection_alive(name, values, broken):
    operation = operation_named(name)
    given = {field.name: 0 for field in operation.inputs} | {"result": 0} | values
    assert sum(rule.broken_by(given) for rule in operation.rules) == broken
