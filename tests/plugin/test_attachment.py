"""All or nothing: what lands of a program's work, what a fault costs, and in which order programs run."""

import pytest

from quicsim.events import Event, PacketReceived, PacketSent, PluginCalled, PluginDetached, PluginFaulted
from quicsim.operations import OPERATIONS, Slot, operation_named
from quicsim.operations.update_rtt import DAY_NS
from quicsim.plugin.attachment import INSTRUCTION_BUDGET, MAXIMUM_FAULTS
from quicsim.quic.congestion.base import ACKED
from quicsim.quic.errors import ConnectionFailed
from tests.plugin.pipe import MILLISECOND, Pipe, entry, is_default, plugin, set_word, state_of, word

(
    ENDLESS_LOOP, WILD_READ, WILD_WRITE, NULL_READ, STACK_OVERFLOW, DEEP_CALLS, DEFAULT_TWICE, HELPER_NULL,
    DEADLINE_PAST, DISARM, WRITE_INPUT, WRITE_BEYOND_PATHS, WRITE_READ_ONLY, WRITE_STRADDLING, WRITE_PADDING,
    WINDOW_TOO_SMALL, WINDOW_TOO_LARGE, WINDOW_THEN_LOOP, WINDOW_THEN_DEFAULT_THEN_WILD_READ, WINDOW_HALVES,
    WINDOW_TOO_SMALL_THEN_DEFAULT,
) = range(1, 22)  # fmt: skip
BEFORE_LOOPS, AFTER_LOOPS, AFTER_RUNS_DEFAULT, BEFORE_READS_WILD = range(40, 44)
(
    HOLD_BACK, READ_WITHOUT_NOTE, NO_FRAMES, NO_BACK_OFF, HUGE_RTT, HUGE_WINDOW, LARGEST_HEADER, TINY_FRAMES,
    ALWAYS_REPEAT, ZERO_RTT, HUGE_THRESHOLD,
) = range(60, 71)  # fmt: skip


@pytest.fixture
def pipe():
    """The client has sent a request that nobody has answered yet: the timer is running."""
    pipe = Pipe()
    pipe.connect()
    pipe.send(500)
    return pipe


def call_set_timer(side):
    connection = side.connection
    return connection.operations.set_timer(connection, connection.path)


def default_set_timer(side):
    connection = side.connection
    return operation_named("SetTimer").default_for(connection.profile.name)(connection, connection.path)


# --------------------------------------------------------------------------------------------------------- the order


def test_before_then_replace_then_after_which_sees_the_result(pipe):
    attachment = pipe.client.attach(plugin("order"))
    assert call_set_timer(pipe.client) == pipe.now_ns + 123_456_789
    assert pipe.client.logged == [1, 0, 2, 3, pipe.now_ns + 123_456_789]
    assert word(attachment, 0) == 3  # one memory for all of them
    calls = pipe.client.of(PluginCalled)
    assert [(call.plugin, call.anchor) for call in calls] == [
        ("order", "before/SetTimer"), ("order", "replace/SetTimer"), ("order", "after/SetTimer"),
    ]  # fmt: skip
    assert [call.result for call in calls] == [11, pipe.now_ns + 123_456_789, 33]


def test_calls_and_instructions_are_counted_exactly(pipe):
    counts = pipe.client.connection.counts
    pipe.client.attach(plugin("order"))
    pipe.client.events.clear()
    before = counts.plugin_calls, counts.plugin_instructions
    call_set_timer(pipe.client)
    calls = pipe.client.of(PluginCalled)
    assert counts.plugin_calls - before[0] == len(calls) == 3
    assert counts.plugin_instructions - before[1] == sum(call.instructions for call in calls) > 0


def test_a_faulting_call_counts_with_what_it_executed(pipe):
    counts = pipe.client.connection.counts
    pipe.client.attach(plugin("hostile"), word0=ENDLESS_LOOP)
    pipe.client.events.clear()
    call_set_timer(pipe.client)
    others = sum(call.instructions for call in pipe.client.of(PluginCalled))
    assert len(pipe.client.of(PluginCalled)) == 2  # before and after
    assert (counts.plugin_calls, counts.plugin_faults) == (3, 1)
    assert counts.plugin_instructions == INSTRUCTION_BUDGET + others


def test_programs_of_two_plugins_at_one_operation_run_in_the_order_of_attaching(pipe):
    first = pipe.client.attach(plugin("watcher"))
    second = pipe.client.attach(plugin("watcher"))
    pipe.client.events.clear()
    connection = pipe.client.connection
    connection.operations.select_retransmission(connection, connection.path, connection.path.application)
    assert [call.anchor.partition("/")[0] for call in pipe.client.of(PluginCalled)] == ["before"] * 2 + ["after"] * 2
    assert [word(each, 1) for each in (first, second)] == [1, 1]


# ------------------------------------------------------------------------------------------------------------ faults

FAULTS = [
    (ENDLESS_LOOP, "budget of 100000 instructions", False),
    (WILD_READ, "region 256, which is not mapped", True),
    (WILD_WRITE, "region 256, which is not mapped", True),
    (NULL_READ, "a NULL pointer", True),
    (STACK_OVERFLOW, "stack frame 0", True),
    (DEEP_CALLS, "deeper than 8 frames", False),
    (DEFAULT_TWICE, "run_default was called twice", False),
    (HELPER_NULL, "a NULL pointer", True),
    (DEADLINE_PAST, "SetTimer asks for result == 0 or result >= now_ns; here now_ns = ", False),
    (DISARM, "SetTimer asks for result != 0 when ack_eliciting_outstanding > 0", False),
    (WRITE_INPUT, "region 64 (set_timer), which is read-only", True),
    (WRITE_BEYOND_PATHS, "write to cwnd_bytes of path 1; a program may write cwnd_bytes and ssthresh_bytes", True),
    (WRITE_READ_ONLY, "write to bytes_in_flight of path 0", True),
    (WRITE_STRADDLING, "write to cwnd_bytes of path 0", True),
    (WRITE_PADDING, "padding", True),
    (WINDOW_TOO_SMALL, "path 0 asks for cwnd_bytes >= minimum_window_bytes; here cwnd_bytes = 3071", False),
    (WINDOW_TOO_SMALL_THEN_DEFAULT, "cwnd_bytes >= minimum_window_bytes; here cwnd_bytes = 1", False),
    (WINDOW_TOO_LARGE, "path 0 asks for cwnd_bytes <= 1 << 62", False),
]


@pytest.mark.parametrize(("mode", "reason", "ends"), FAULTS, ids=[str(row[0]) for row in FAULTS])
def test_a_fault_gives_the_default_and_says_why(mode, reason, ends, pipe):
    side = pipe.client
    value = 600 if mode == STACK_OVERFLOW else 0
    attachment = side.attach(plugin("hostile"), word0=mode, word2=value)
    window = side.connection.path.cwnd_bytes, side.connection.path.ssthresh_bytes
    assert call_set_timer(side) == default_set_timer(side)
    assert (side.connection.path.cwnd_bytes, side.connection.path.ssthresh_bytes) == window
    [fault] = side.of(PluginFaulted)
    assert reason in fault.reason
    assert (fault.plugin, fault.anchor, fault.component) == ("hostile", "replace/SetTimer", "client")
    assert side.connection.counts.plugin_faults == attachment.faults == 1
    assert side.troubles[0] is fault
    assert attachment.enabled is not ends
    assert is_default(side, "SetTimer") is ends
    assert bool(side.of(PluginDetached)) is ends


def test_the_limit_of_faults_ends_a_plugin_and_its_last_reason_is_told(pipe):
    side = pipe.client
    attachment = side.attach(plugin("hostile"), word0=DISARM)
    for number in range(1, MAXIMUM_FAULTS + 1):
        assert attachment.enabled
        assert call_set_timer(side) == default_set_timer(side)
        assert attachment.faults == number
    assert not attachment.enabled
    assert side.plugins.attachments == []
    assert all(is_default(side, operation.name) for operation in OPERATIONS)
    [detached] = side.of(PluginDetached)
    assert detached.reason == "after 3 faults"
    assert side.troubles[-1] is detached
    call_set_timer(side)
    assert attachment.faults == MAXIMUM_FAULTS


@pytest.mark.parametrize(
    ("mode", "anchor", "reason", "ends"),
    [
        (BEFORE_LOOPS, "before/SetTimer", "budget", False),
        (BEFORE_READS_WILD, "before/SetTimer", "not mapped", True),
        (AFTER_LOOPS, "after/SetTimer", "budget", False),
        (AFTER_RUNS_DEFAULT, "after/SetTimer", "run_default is for replace/ programs", False),
    ],
)
def test_a_fault_beside_the_operation_skips_only_that_program(mode, anchor, reason, ends, pipe):
    side = pipe.client
    other = side.attach(plugin("watcher"))
    attachment = side.attach(plugin("hostile"), word0=mode)
    side.events.clear()
    assert call_set_timer(side) == default_set_timer(side)
    [fault] = side.of(PluginFaulted)
    assert fault.anchor == anchor
    assert reason in fault.reason
    ran = {call.anchor for call in side.of(PluginCalled)}
    expected = {"before/SetTimer", "replace/SetTimer", "after/SetTimer"} - {anchor}
    assert ran == (set() if ends else expected)
    assert attachment.enabled is not ends
    assert other.enabled
    assert not is_default(side, "SelectRetransmission")


def test_other_plugins_stay_when_one_is_detached(pipe):
    side = pipe.client
    other = side.attach(plugin("watcher"))
    side.attach(plugin("hostile"), word0=NULL_READ)
    call_set_timer(side)
    assert side.plugins.attachments == [other]
    seen = word(other, 1)
    connection = side.connection
    connection.operations.select_retransmission(connection, connection.path, connection.path.application)
    assert word(other, 1) == seen + 1


def test_a_plugin_that_is_done_runs_no_more_within_the_same_call(pipe):
    """Its anchors are given back when the call ends; until then the entry is still the closure."""
    side = pipe.client
    attachment = side.attach(plugin("hostile"), word0=NULL_READ)
    side.connection._in_call = True
    closure = entry(side, "SetTimer")
    call_set_timer(side)
    calls = side.connection.counts.plugin_calls
    assert entry(side, "SetTimer") is closure
    assert call_set_timer(side) == default_set_timer(side)
    assert (side.connection.counts.plugin_calls, attachment.faults) == (calls, 1)


# -------------------------------------------------------------------------------------------------- all or nothing


def test_writes_of_a_program_that_returns_land(pipe):
    side = pipe.client
    side.connection.path.cwnd_bytes = 0x20000
    side.attach(plugin("hostile"), word0=WINDOW_HALVES)
    call_set_timer(side)
    assert side.connection.path.cwnd_bytes == 0x24321


def test_a_result_lands_before_the_programs_behind_it_and_their_writes_stay(pipe):
    side = pipe.client
    connection = side.connection
    attachment = side.attach(plugin("landing"), word0=54_321)
    connection.operations.congestion_control(connection, connection.path, ACKED, 1_200, connection.now_ns)
    assert (connection.path.cwnd_bytes, word(attachment, 1)) == (54_321, 1)
    connection.operations.update_rtt(connection, connection.path, connection.path.application, 7_000_000, 0)
    assert connection.path.rtt.smoothed_ns == 21_000_000
    assert connection.counts.plugin_faults == 0


def test_a_result_that_breaks_a_rule_does_not_land(pipe):
    side = pipe.client
    connection = side.connection
    before = connection.path.rtt.smoothed_ns
    side.attach(plugin("landing"))
    connection.operations.update_rtt(connection, connection.path, connection.path.application, DAY_NS, 0)
    assert connection.counts.plugin_faults == 1
    assert connection.path.rtt.smoothed_ns == before + (DAY_NS - before) // 8  # the default's


def test_a_deadline_goes_with_the_plugin_that_set_it(pipe):
    side = pipe.client
    connection = side.connection
    attachment = side.attach(plugin("order"))
    connection.datagrams_to_send(pipe.now_ns)
    assert connection.deadline_ns == pipe.now_ns + 123_456_789
    side.plugins.detach(attachment, "enough")
    assert connection.datagrams_to_send(pipe.now_ns) == []
    assert connection.deadline_ns == default_set_timer(side) != pipe.now_ns + 123_456_789


def test_each_call_sees_the_connection_as_it_is_then(pipe):
    side = pipe.client
    side.attach(plugin("hostile"), word0=WINDOW_HALVES)
    for high in (0x20000, 0x50000):
        side.connection.path.cwnd_bytes = high
        call_set_timer(side)
        assert side.connection.path.cwnd_bytes == high + 0x4321


def test_the_default_answers_for_its_own_result(pipe):
    """Its deadline may have passed by now; a program that hands it on is not to blame."""
    side = pipe.client
    side.attach(plugin("neutral"))
    side.connection.now_ns += 10_000 * MILLISECOND
    assert 0 < call_set_timer(side) == default_set_timer(side) < side.connection.now_ns
    assert side.connection.counts.plugin_faults == 0


def test_writes_of_a_program_that_faults_do_not(pipe):
    side = pipe.client
    before = side.connection.path.cwnd_bytes
    attachment = side.attach(plugin("hostile"), word0=WINDOW_THEN_LOOP)
    assert call_set_timer(side) == default_set_timer(side)
    assert (side.connection.path.cwnd_bytes, attachment.faults) == (before, 1)
    assert word(attachment, 1) > 1_000  # opaque memory stays as the fault left it
    set_word(attachment, 0, 0)
    call_set_timer(side)
    assert side.connection.path.cwnd_bytes == before  # nor do they with the next call


def test_run_default_is_a_commit_point(pipe):
    side = pipe.client
    connection = side.connection
    ran = []
    default = operation_named("SetTimer").defaults["picoquic"]

    def counted(connection, path):
        ran.append(path.cwnd_bytes)
        return default(connection, path)

    operation_named("SetTimer").defaults["picoquic"] = counted
    try:
        side.attach(plugin("hostile"), word0=WINDOW_THEN_DEFAULT_THEN_WILD_READ)
        result = call_set_timer(side)
    finally:
        operation_named("SetTimer").defaults["picoquic"] = default
    assert ran == [777_777]  # it saw what was written before, and ran once
    assert connection.path.cwnd_bytes == 777_777  # which stays; what came after does not
    assert result == default(connection, connection.path)
    assert side.logged == [result, 777_777]
    assert connection.counts.plugin_faults == 1


def test_memory_of_a_plugin_is_zeroed_and_one_for_all_its_programs(pipe):
    attachment = pipe.client.attach(plugin("order"))
    assert state_of(attachment) == bytes(8)
    assert len({id(program.machine.memory.locate(66 << 32, 8).data) for program in attachment.programs}) == 1


def test_data_sections_belong_to_an_attachment(pipe):
    def look(side):
        connection = side.connection
        connection.operations.select_retransmission(connection, connection.path, connection.path.application)

    here, there = pipe.client.attach(plugin("watcher")), pipe.server.attach(plugin("watcher"))
    look(pipe.client)
    assert (word(here, 3), word(here, 4)) == (9, 2)  # .data began at 7, .bss at 0; before and after share both
    look(pipe.server)
    assert (word(there, 3), word(there, 4)) == (9, 2)
    again = pipe.client.attach(plugin("watcher"))
    look(pipe.client)
    assert (word(again, 3), word(here, 3)) == (9, 11)


# ------------------------------------------------------------------------------------------------------ nested calls


def test_an_operation_called_by_a_replaced_one_s_default_has_its_programs_too():
    pipe = Pipe()
    pipe.connect()
    pipe.client.attach(plugin("nested"))
    pipe.drops = lambda sender, index, datagram: sender == "client"
    pipe.send(500)
    pipe.run_for(60 * MILLISECOND)
    # pto_count before, then inside: the outer's state word and its write, pto_count; then refreshed: pto_count, timer
    assert pipe.client.logged == [0, 1001, 55_555, 0, 1, 0, 2]
    assert pipe.client.connection.counts.plugin_faults == 0
    pipe.drops = lambda sender, index, datagram: False
    pipe.run_for(2_000 * MILLISECOND)
    assert pipe.server.delivered == {0: 500}


def test_what_the_host_raises_passes_through():
    """picoquic gives up at the sixth timeout, plugins or not."""
    pipe = Pipe()
    pipe.connect()
    attachment = pipe.client.attach(plugin("nested"))
    pipe.drops = lambda sender, index, datagram: sender == "client"
    pipe.send(500)
    with pytest.raises(ConnectionFailed, match="6 timeouts in a row"):
        pipe.run_for(120_000 * MILLISECOND)
    assert attachment.faults == 0


# -------------------------------------------------------------------------------------------------- neutral programs


def packets(pipe):
    return [event for event in pipe.events if isinstance(event, PacketSent | PacketReceived)]


@pytest.mark.parametrize("profile", ["picoquic", "rfc9002"])
def test_a_program_in_front_of_every_default_changes_no_packet(profile):
    def run(attached):
        pipe = Pipe(profile, drops=lambda sender, index, datagram: index % 7 == 5)
        if attached:
            pipe.client.attach(plugin("neutral"))
            pipe.server.attach(plugin("neutral"))
        pipe.connect()
        for size in (100, 30_000, 1):
            pipe.send(size)
            pipe.send(size, "server")
        pipe.settle()
        return pipe

    plain, plugged = run(False), run(True)
    assert len(packets(plain)) > 100
    assert packets(plugged) == packets(plain)
    assert plugged.client.connection.counts.plugin_faults == 0
    anchors = {call.anchor for event in plugged.events if isinstance(call := event, PluginCalled)}
    of_several_paths = {"SelectACKPath"}
    assert anchors == {
        f"replace/{operation.name}" for operation in OPERATIONS if operation.name not in of_several_paths
    }


# -------------------------------------------------------------------------------------------------- time and progress


@pytest.mark.parametrize("profile", ["picoquic", "rfc9002"])
@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize(
    "mode", [HOLD_BACK, READ_WITHOUT_NOTE, NO_FRAMES, NO_BACK_OFF, LARGEST_HEADER, TINY_FRAMES], ids=str
)
def test_time_goes_on_whatever_a_plugin_keeps_from_happening(mode, sender, profile):
    pipe = Pipe(profile, watched=False)
    pipe.MAXIMUM_STEPS = 10_000
    pipe.connect()
    pipe.client.attach(plugin("hostile"), word0=mode, word2=64)
    pipe.drops = lambda name, index, datagram: mode == NO_BACK_OFF and name == sender
    pipe.send(3_000, sender)
    pipe.run_for(400 * MILLISECOND)
    assert pipe.client.troubles == [] or mode == NO_BACK_OFF


@pytest.mark.parametrize("mode", [HUGE_RTT, ZERO_RTT, HUGE_WINDOW, HUGE_THRESHOLD], ids=str)
@pytest.mark.parametrize("profile", ["picoquic", "rfc9002"])
def test_numbers_that_would_wreck_the_host_are_refused(mode, profile):
    pipe = Pipe(profile)
    pipe.connect()
    side = pipe.client
    side.attach(plugin("hostile"), word0=mode)
    pipe.send(30_000)
    pipe.settle()
    assert pipe.server.delivered == {0: 30_000}
    assert side.connection.counts.plugin_faults == MAXIMUM_FAULTS
    assert side.connection.path.rtt.smoothed_ns < 100 * MILLISECOND
    assert side.connection.path.cwnd_bytes < 1 << 30


def test_a_packet_is_as_large_as_its_frames_whatever_a_plugin_says():
    def sizes(mode):
        pipe = Pipe()
        pipe.connect()
        pipe.client.attach(plugin("hostile"), word0=mode)
        pipe.send(5_000)
        pipe.settle()
        return [event.size_bytes for event in pipe.client.of(PacketSent)]

    assert sizes(TINY_FRAMES) == sizes(0)


def test_a_packet_held_back_goes_out_later_with_all_it_carried(pipe):
    side = pipe.client
    pipe.settle()
    attachment = side.attach(plugin("hostile"), word0=HOLD_BACK)
    stream = pipe.send(700)
    pipe.run_for(300 * MILLISECOND)
    assert stream not in pipe.server.delivered
    assert side.connection.path.bytes_in_flight == 0
    side.plugins.detach(attachment, "enough")
    pipe.settle()
    assert pipe.server.delivered[stream] == 700


# ----------------------------------------------------------------------------------------------------------- digests


def digest(attached=None, mode=0):
    pipe = Pipe(watched=False)
    pipe.connect()
    if attached is not None:
        pipe.client.attach(plugin(attached), word0=mode)
    pipe.send(2_000)
    pipe.settle()
    return pipe.trace.digest()


def test_the_digest_knows_of_plugins():
    runs = [
        digest(),
        digest("hostile"),
        digest("watcher"),
        digest("hostile", ENDLESS_LOOP),
        digest("hostile", NULL_READ),
    ]
    assert len(set(runs)) == len(runs)
    assert digest("hostile", ENDLESS_LOOP) == runs[3]


@pytest.mark.parametrize("mode", [0, ENDLESS_LOOP])
def test_each_call_and_each_fault_is_in_the_digest(mode, pipe):
    pipe.client.attach(plugin("hostile"), word0=mode)
    index = pipe.client.connection.recorder.index
    digests = {pipe.trace.digest()}
    for number in (1, 2):
        call_set_timer(pipe.client)
        digests.add(pipe.trace.digest())
        assert pipe.client.connection.recorder.index == index + 3 * number  # before, replace or its fault, after
    assert len(digests) == 3


def test_events_cost_nothing_to_the_digest():
    watched, unwatched = Pipe(), Pipe(watched=False)
    for each in (watched, unwatched):
        each.connect()
        each.client.attach(plugin("order"))
        each.send(2_000)
        each.run_for(500 * MILLISECOND)
    assert watched.trace.digest() == unwatched.trace.digest()
    assert any(isinstance(event, Event) for event in watched.events)
    assert not unwatched.events


def test_every_slot_has_its_bits():
    assert [operation_named("SetTimer").anchor(slot) for slot in Slot] == [0x0005, 0x4005, 0x8005]
