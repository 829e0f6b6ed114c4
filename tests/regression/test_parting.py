"""Is the event at which two traces part the first one that differs, and the far one the first that is far apart?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import quicsim
from quicsim.events import Code
from quicsim.regression.parting import Recording, part, record
from quicsim.regression.records import Record

COMPONENTS = ("client", "server")


def recording(*rows, is_whole=True):
    """A trace of sent packets: (component, instant in ns, packet number), each component's counted."""
    counted = [0, 0]
    records = []
    for component, time_ns, number in rows:
        counted[component] += 1
        records.append(Record(Code.PACKET_SENT, component + 1, counted[component], time_ns, number << 2 | 2, 100))
    return Recording(COMPONENTS, records, is_whole=is_whole)


BEFORE = ((0, 100, 1), (1, 2_000, 1), (0, 50_000, 2), (1, 90_000, 2))
PARTINGS = [  # the trace after, and the places: distance in ns, event before, event now
    (((0, 100, 1), (1, 2_001, 1), (0, 50_001, 2), (1, 90_001, 2)), [(0, 2, 2)]),
    (((0, 100, 1), (1, 2_001, 1), (0, 51_000, 2), (1, 90_001, 2)), [(0, 2, 2), (1_000, 3, 3)]),
    (((0, 100, 1), (1, 3_000, 1), (0, 50_000, 2), (1, 90_000, 2)), [(0, 2, 2)]),  # at once 1 us apart
    (((0, 100, 1), (1, 2_001, 1), (0, 52_000, 2), (1, 9_000_000, 2)), [(0, 2, 2), (1_000, 3, 3), (1_000_000, 4, 4)]),
    (((0, 100, 1), (1, 2_001, 1), (0, 50_001, 7), (1, 90_001, 2)), [(0, 2, 2), (1_000, 3, 3)]),  # another step
    (((0, 100, 1), (1, 2_000, 1), (0, 50_000, 2)), [(0, 4, None)]),
    ((*BEFORE, (0, 95_000, 3)), [(0, None, 5)]),
    # Two components that swap are no steps of another kind: only the order is another one.
    (((0, 100, 1), (1, 2_000, 1), (1, 49_999, 2), (0, 50_000, 2)), [(0, 3, 3), (1_000, 4, 3)]),
    ((), [(0, 1, None)]),
]


@pytest.mark.parametrize(("after", "places"), PARTINGS)
def test_traces_part_at_the_first_event_that_is_so_far_apart(after, places):
    found = part("v", 0, recording(*BEFORE), recording(*after))
    assert [(place.distance_ns, place.old, place.new) for place in found.places] == places


BEGUN = [  # of the trace before, two events were kept: the trace after, and the places
    (BEFORE, []),
    (((0, 100, 1), (1, 2_000, 1), (0, 99_000, 2)), []),
    (((0, 100, 1), (1, 2_001, 1), (0, 99_000, 2)), [(0, 2, 2)]),  # what was not kept is not far apart
    (((0, 100, 1),), [(0, 2, None)]),
]


@pytest.mark.parametrize(("after", "places"), BEGUN)
def test_of_a_trace_that_was_begun_only_the_beginning_is_compared(after, places):
    found = part("v", 0, recording(*BEFORE[:2], is_whole=False), recording(*after))
    assert [(place.distance_ns, place.old, place.new) for place in found.places] == places


def test_equal_traces_do_not_part():
    assert part("v", 0, recording(*BEFORE), recording(*BEFORE)) is None


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 3)), max_size=12),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 3)), max_size=12),
)
def test_everything_before_the_first_difference_is_equal_and_it_is_not(before, after):
    before, after = recording(*before), recording(*after)
    found = part("v", 0, before, after)
    if found is None:
        assert before == after
        return
    at = max(number for number in (found.places[0].old, found.places[0].new) if number is not None)
    assert before.records[: at - 1] == after.records[: at - 1]
    assert before.records[at - 1 : at] != after.records[at - 1 : at]


def test_a_changed_parameter_parts_the_traces_where_it_is_used():
    """5 ms later on the wire: the first event that can know of it is the arrival of the first packet."""
    runs = [
        quicsim.scenario("fig3_tlp", ["requests.count=2", f"links.access.delay={delay}"]).run(["without"], 1)
        for delay in ("5ms", "10ms")
    ]
    before, after = (record(run, "without", 0)[1] for run in runs)
    found = part("without", 0, before, after)
    first = found.places[0]
    assert (first.old, first.new) == (2, 2)
    assert "packet_received" in before.text(2)
    assert after.records[1].time_ns - before.records[1].time_ns == 5_000_000
    assert [place.distance_ns for place in found.places] == [0]  # 1 us and 1 ms apart at that event already
    assert first.section == ""
