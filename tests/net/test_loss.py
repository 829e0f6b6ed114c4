"""Which datagrams does each rule take?"""

import pytest

from quicsim.net.datagram import Datagram
from quicsim.net.loss import FaultError, fault_matcher

MILLISECOND = 1_000_000


def taken(rule, labels):
    """Indices that the rule takes of datagrams with these labels, one a millisecond."""
    matches = fault_matcher(rule)
    return [
        index
        for index, each in enumerate(labels, start=1)
        if matches(index, Datagram(None, 100, each), index * MILLISECOND)
    ]


@pytest.mark.parametrize(
    ("rule", "indices"),
    [
        ("datagram 3", [3]),
        ("datagrams 5 and 7", [5, 7]),
        ("datagrams 1, 2 and 9", [1, 2, 9]),
        ("datagrams 1,2,9", [1, 2, 9]),
        ("Datagrams  4  and 2", [2, 4]),
        ("every 4th datagram", [4, 8, 12]),
        ("every 3rd datagram", [3, 6, 9, 12]),
        ("every 100th datagram", []),
        ("first packet of each request", []),
        ("first datagram after 5ms", [5]),
        ("first packet after 4.1 ms", [5]),
        ("first datagram after 0s", [1]),
        ("first datagram after 1s", []),
    ],
)
def test_rules_by_index(rule, indices):
    assert taken(rule, [()] * 12) == indices


@pytest.mark.parametrize(
    ("labels", "indices"),
    [
        ([("stream-start:0",), ("stream-start:0",), ("stream-start:4",)], [1, 3]),
        ([(), ("stream-start:0",), (), ("stream-start:0",)], [2]),
        ([("stream-start:0", "stream-start:4"), ("stream-start:4",), ("stream-start:8",)], [1, 3]),
        ([("stream-start:0",), ("stream-start:0", "stream-start:4")], [1, 2]),
        ([("stream-end:0",), ("ack",)], []),
        ([("stream-start:40",), ("stream-start:4",)], [1, 2]),
    ],
)
def test_the_first_datagram_of_each_request(labels, indices):
    assert taken("first packet of each request", labels) == indices


def test_requests_of_two_flows_are_two():
    matches = fault_matcher("first packet of each request")
    flows = [Datagram(None, 100, ("stream-start:0",), flow=flow) for flow in (0, 1, 0, 1)]
    assert [matches(index, datagram, 0) for index, datagram in enumerate(flows, 1)] == [True, True, False, False]


def test_each_matcher_has_a_memory_of_its_own():
    labels = [("stream-start:0",)]
    assert taken("first packet of each request", labels) == taken("first packet of each request", labels) == [1]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "rule '' is not known; give 'first packet of each request', 'datagram 3'"),
        ("last packet of each request", "is not known"),
        ("datagrams", "is not known"),
        ("datagram three", "is not known"),
        ("datagrams 5 and", "is not known"),
        ("every 2 datagrams", "'every 100th datagram' or"),
        ("datagram -1", "is not known"),
        ("first datagram after noon", "is not known"),
        ("first datagram after 5 bananas", "bananas"),
        ("datagram 0", "rule 'datagram 0': datagrams are counted from 1; give 1 or more"),
        ("every 0th datagram", "counted from 1"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_would_be(rule, message):
    with pytest.raises(FaultError, match=message):
        fault_matcher(rule)
