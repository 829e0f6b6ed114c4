"""Does the clock run entries in the order of its contract, in integers only?"""

import random

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from quicsim.clock import ARRIVAL, DEPARTURE, PROCESS, TIMER, Alarm, Clock


@pytest.fixture
def clock():
    return Clock()


def test_everything_simpy_declares_is_there(clock):
    assert isinstance(clock, simpy.Environment)
    for name in ("process", "timeout", "event", "all_of", "any_of"):
        assert name in vars(clock), f"{name} is not bound early"


def test_a_subclass_is_bound_early_too():
    class Slower(Clock):
        pass

    assert "timeout" in vars(Slower())


def test_ties_run_in_the_order_of_the_contract(clock):
    log = []

    def process(name):
        yield clock.timeout(10)
        log.append(name)

    clock.process(process("process 1"))
    clock.process(process("process 2"))
    entries = [
        (order, number, f"{name} {number}")
        for order, name in ((DEPARTURE, "departure"), (ARRIVAL, "arrival"), (TIMER, "timer"))
        for number in (1, 2, 1 << 50)
    ]
    shuffled = random.Random(7).sample(entries, len(entries))
    for order, number, text in shuffled:
        clock.call_at(10, order, number, log.append, text)
    clock.run()
    assert log == [text for _, _, text in entries] + ["process 1", "process 2"]
    assert clock.now == 10


def test_urgent_events_come_before_normal_ones_and_after_timers(clock):
    log = []
    for priority, text in ((1, "normal"), (0, "urgent")):
        event = clock.event()
        event._ok, event._value = True, None
        event.callbacks.append(lambda _, text=text: log.append(text))
        clock.schedule(event, priority, 5)
    clock.call_at(5, TIMER, 0, log.append, "timer")
    clock.run()
    assert log == ["timer", "urgent", "normal"]
    assert PROCESS > TIMER


def test_run_until_an_instant_stops_before_anything_at_it(clock):
    log = []
    clock.call_at(10, DEPARTURE, 0, log.append, "at 10")
    clock.timeout(9).callbacks.append(lambda _: log.append("at 9"))
    clock.run(until=10)
    assert (log, clock.now) == (["at 9"], 10)
    clock.run(until=11)
    assert (log, clock.now) == (["at 9", "at 10"], 11)


def test_the_rest_of_an_interrupted_event_comes_first_on_resuming(clock):
    log = []
    event = clock.timeout(5, "value")
    event.callbacks.append(lambda _: clock.call_at(5, DEPARTURE, 0, log.append, "departure"))
    assert clock.run(until=event) == "value"
    event.callbacks.append(lambda _: log.append("other waiter"))
    clock.run()
    assert log == ["other waiter", "departure"]


def test_a_run_that_failed_leaves_no_stop_behind(clock):
    def fail(_):
        raise IndexError("in the model")

    clock.call_at(5, TIMER, 0, fail)
    with pytest.raises(IndexError, match="in the model"):
        clock.run(until=10)
    log = []
    clock.call_at(20, TIMER, 0, log.append, "ran")
    clock.run()
    assert log == ["ran"]


def test_step_and_peek_see_calls(clock):
    log = []
    clock.call_at(3, TIMER, 0, log.append, "call")
    assert clock.peek() == 3
    clock.step()
    assert (log, clock.now, clock.peek()) == (["call"], 3, float("inf"))
    with pytest.raises(simpy.core.EmptySchedule):
        clock.step()


def test_active_process_is_known_inside_and_none_in_a_call(clock):
    seen = []

    def process():
        seen.append(clock.active_process)
        yield clock.timeout(1)

    clock.call_at(1, TIMER, 0, lambda _: seen.append(clock.active_process))
    running = clock.process(process())
    clock.run()
    assert seen == [running, None]


@pytest.mark.parametrize(
    "use",
    [
        lambda clock: clock.timeout(1.0),
        lambda clock: clock.run(until=1.0),
        lambda clock: clock.run(until="3"),
        lambda clock: clock.call_at(1.0, TIMER, 0, print),
        lambda clock: Alarm(clock, 0, print).set(1.0),
        lambda clock: Clock(0.0),
        lambda clock: clock.schedule(clock.event(), delay=0.5),
    ],
)
def test_time_that_is_no_int_is_refused(clock, use):
    with pytest.raises(TypeError, match="time is an int, in nanoseconds"):
        use(clock)


def test_ints_of_other_libraries_become_ints(clock):
    numpy = pytest.importorskip("numpy")
    clock.timeout(numpy.int64(7))
    clock.call_at(numpy.int64(9), TIMER, 0, lambda _: None)
    assert [type(entry[0]) for entry in clock.heap] == [int, int]


def test_the_past_is_refused(clock):
    clock.run(until=5)
    with pytest.raises(ValueError, match="time_ns is 4, which has passed: it is 5 now"):
        clock.call_at(4, TIMER, 0, print)
    with pytest.raises(ValueError, match="must be greater"):
        clock.run(until=5)


def test_an_alarm_moved_later_pushes_nothing(clock):
    fired = []
    alarm = Alarm(clock, 0, lambda: fired.append(clock.now))
    for deadline_ns in range(100, 200):
        alarm.set(deadline_ns)
    assert len(clock.heap) == 1
    clock.run()
    assert fired == [199]


def test_alternating_deadlines_leave_few_entries(clock):
    fired = []
    alarm = Alarm(clock, 0, lambda: fired.append(clock.now))
    for _ in range(1000):
        alarm.set(clock.now + 300)  # a probe timeout
        alarm.set(clock.now + 25)  # a delayed acknowledgement
        clock.run(until=clock.now + 26)
        assert len(clock.heap) <= 2
    assert len(fired) == 1000


def test_an_alarm_is_disarmed_fires_once_and_takes_the_past_as_now(clock):
    fired = []
    alarm = Alarm(clock, 0, lambda: fired.append(clock.now))
    alarm.set(10)
    alarm.set(None)
    clock.run(until=20)
    assert fired == []
    alarm.set(15)
    assert alarm.deadline_ns == 20
    clock.run()
    assert fired == [20]
    assert alarm.deadline_ns is None


def test_an_alarm_set_by_its_own_function_fires_again_at_the_same_instant(clock):
    fired = []

    def function():
        fired.append(clock.now)
        if len(fired) < 3:
            alarm.set(clock.now)

    alarm = Alarm(clock, 0, function)
    alarm.set(4)
    clock.run()
    assert fired == [4, 4, 4]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1), st.none() | st.integers(0, 20)), max_size=40))
def test_alarms_fire_as_if_each_deadline_had_an_entry_of_its_own(steps):
    """Two alarms, moved at random, against a plain model: fire at the deadline last set, if it is still set then."""
    clock, fired = Clock(), []
    alarms = [Alarm(clock, number, lambda number=number: fired.append((clock.now, number))) for number in (0, 1)]
    deadlines, expected = [None, None], []

    def model_until(end):
        due = sorted((at, number) for number, at in enumerate(deadlines) if at is not None and at < end)
        for _, number in due:
            deadlines[number] = None
        expected.extend(due)

    for wait, number, deadline in steps:
        if wait:
            model_until(clock.now + wait)
            clock.run(until=clock.now + wait)
        deadline_ns = None if deadline is None else clock.now - 5 + deadline
        alarms[number].set(deadline_ns)
        deadlines[number] = None if deadline_ns is None else max(deadline_ns, clock.now)
        assert len({entry[:3] for entry in clock.heap}) == len(clock.heap)
    model_until(1 << 60)
    clock.run()
    assert fired == expected
