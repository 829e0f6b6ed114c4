"""How fast do packets leave, and does pacing keep slow start from doubling its window?"""

from __future__ import annotations

from math import exp, log

import pytest

from quicsim.operations.pace_packet import PACING_GAIN, SLOW_START_PACING_GAIN
from quicsim.quic.packet import APPLICATION
from tests.quic.pipe import MILLISECOND_NS, SECOND_NS
from tests.quic.test_recovery import acknowledge, confirmed, send

RTT_NS = 100 * MILLISECOND_NS
FULL_BYTES = 1_200


def a_path(*, acknowledged, threshold_bytes, window_packets):
    """A server with one round trip behind it, in the handshake or with data, and a window of so many packets."""
    connection = confirmed()
    path = connection.path
    if acknowledged:
        send(connection, SECOND_NS)
        acknowledge(connection, SECOND_NS + RTT_NS, (0, 0))
    else:
        path.rtt.begin(RTT_NS)
    path.cwnd_bytes, path.ssthresh_bytes = window_packets * FULL_BYTES, threshold_bytes
    path.pacing_schedule_ns = 0
    connection.now_ns = 2 * SECOND_NS
    return connection


@pytest.mark.parametrize("window_packets", [10, 12, 40, 1_000])
@pytest.mark.parametrize(
    ("acknowledged", "threshold_bytes", "windows_a_round_trip"),
    [
        (False, 1 << 62, 1.25),  # the first window: nothing doubles it yet
        (True, 1 << 62, 2),
        (True, 0, 1.25),  # congestion avoidance
    ],
    ids=["first window", "slow start", "congestion avoidance"],
)
def test_so_many_windows_leave_a_round_trip_after_a_burst(
    acknowledged, threshold_bytes, windows_a_round_trip, window_packets
):
    connection = a_path(acknowledged=acknowledged, threshold_bytes=threshold_bytes, window_packets=window_packets)
    path, began_ns = connection.path, connection.now_ns
    left = []
    for _ in range(3 * window_packets):
        send(connection, connection.now_ns)
        packet = path.application.outstanding[path.application.next_number - 1]
        left.append(connection.now_ns - began_ns)
        connection.now_ns = max(connection.now_ns, connection.operations.pace_packet(connection, path, packet))
    burst = left.count(0)
    assert burst == max(2, min(window_packets // 4, 9)) + 1, "a quarter of the window and a packet, at most ten"
    a_round_trip = (len(left) - burst) / (left[-1] / RTT_NS)
    assert a_round_trip / window_packets == pytest.approx(windows_a_round_trip, rel=0.05)


def growth(windows_a_round_trip):
    """What a window becomes in a round trip when each packet adds its size a round trip after it left, at that pace."""
    exponent = 1.0
    for _ in range(100):  # x exp(x) = N, by Newton's method
        exponent -= (exponent * exp(exponent) - windows_a_round_trip) / ((exponent + 1) * exp(exponent))
    return exp(exponent)


def test_the_pace_of_slow_start_lets_the_window_double_and_the_other_does_not():
    assert growth(2 * log(2)) == pytest.approx(2)
    assert growth(SLOW_START_PACING_GAIN[0] / SLOW_START_PACING_GAIN[1]) > 2
    assert growth(PACING_GAIN[0] / PACING_GAIN[1]) == pytest.approx(1.92, abs=0.005)


def test_nothing_waits_before_there_is_a_round_trip_time_or_outside_the_application_space():
    connection = confirmed()
    send(connection, SECOND_NS)
    [packet] = connection.path.application.outstanding.values()
    assert packet.space is APPLICATION
    assert connection.operations.pace_packet(connection, connection.path, packet) == 0
