"""Do texts with units become exact integers, and is what they cannot say refused with advice?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.units import (
    UnitError,
    duration_ns,
    format_duration,
    format_rate,
    format_size,
    rate_bps,
    size_bytes,
)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (duration_ns, "5ms", 5_000_000),
        (duration_ns, "1.5s", 1_500_000_000),
        (duration_ns, "0.1us", 100),
        (duration_ns, "3 µs", 3000),
        (duration_ns, "2min", 120_000_000_000),
        (duration_ns, "1.000000001s", 1_000_000_001),
        (duration_ns, " 7ns ", 7),
        (duration_ns, "0", 0),
        (duration_ns, 0, 0),
        (duration_ns, "0.0", 0),
        (rate_bps, "10Mbps", 10_000_000),
        (rate_bps, "0.3Mbps", 300_000),
        (rate_bps, "2.5 Gbps", 2_500_000_000),
        (rate_bps, "17bps", 17),
        (size_bytes, "64KiB", 65536),
        (size_bytes, "100000B", 100_000),
        (size_bytes, "5MB", 5_000_000),
        (size_bytes, "1.5KiB", 1536),
        (size_bytes, "1MiB", 1 << 20),
        (size_bytes, "2GiB", 2 << 30),
        (size_bytes, "1kB", 1000),
    ],
)
def test_text_becomes_an_exact_integer(read, text, value):
    assert read(text) == value
    assert type(read(text)) is int


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (duration_ns, "0.3ns", r"duration '0.3ns' is 0.3ns; give a whole number of ns"),
        (size_bytes, "1.5B", r"size '1.5B' is 1.5B; give a whole number of B"),
        (size_bytes, "0.0001kB", r"is 0.1B; give a whole number of B"),
        (duration_ns, "-5ms", r"duration '-5ms' is negative; give 0ns or more"),
        (duration_ns, 5, r"duration 5 has no unit; give text such as 5ms or 1.5s \(units: ns, us, ms, s, min\)"),
        (duration_ns, False, r"duration False has no unit"),
        (duration_ns, 0.5, r"duration 0.5 has no unit"),
        (rate_bps, "10", r"rate '10': the unit is missing; give text such as 10Mbps"),
        (rate_bps, "10mbps", r"rate '10mbps': 'mbps' is no unit of rate; give Mbps \(units: bps, kbps, Mbps, Gbps\)"),
        (rate_bps, "10MB", r"'MB' is no unit of rate; give text such as 10Mbps"),
        (size_bytes, "64KB", r"'KB' is no unit of size; give kB or KiB"),
        (size_bytes, "64mib", r"'mib' is no unit of size; give MB or MiB"),
        (duration_ns, "5 hours", r"'hours' is no unit of duration; give text such as 5ms"),
        (duration_ns, "", r"duration '' is no number with a unit"),
        (duration_ns, "ms", r"is no number with a unit"),
        (duration_ns, "1e3ms", r"is no number with a unit|is no unit of duration"),
        (duration_ns, "1,5s", r"is no number with a unit|is no unit of duration"),
        (duration_ns, "٣ms", r"is no number with a unit"),
        (duration_ns, "5ms 3ms", r"is no number with a unit"),
        (size_bytes, "9" * 50 + "B", r"is no number with a unit"),
        (duration_ns, "nan", r"is no number with a unit"),
    ],
)
def test_what_cannot_be_said_exactly_is_refused_with_advice(read, text, message):
    with pytest.raises(UnitError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (format_duration, 5_000_000, "5ms"),
        (format_duration, 1_500_000, "1.5ms"),
        (format_duration, 100_000_000, "100ms"),
        (format_duration, 90_000_000_000, "90s"),
        (format_duration, 1_234_567, "1234567ns"),
        (format_duration, 0, "0ns"),
        (format_rate, 10_000_000, "10Mbps"),
        (format_rate, 2_500_000_000, "2.5Gbps"),
        (format_size, 65536, "64KiB"),
        (format_size, 100_000, "100kB"),
        (format_size, 1350, "1350B"),
        (format_size, 1_000_000, "1MB"),
    ],
)
def test_integers_are_written_short(write, value, text):
    assert write(value) == text


@given(st.integers(0, 10**18) | st.integers(0, 10**6).map(lambda kibi: kibi * 1024))
def test_what_is_written_is_read_as_the_same(value):
    assert duration_ns(format_duration(value)) == value
    assert rate_bps(format_rate(value)) == value
    assert size_bytes(format_size(value)) == value


def test_a_negative_value_is_not_written():
    with pytest.raises(UnitError, match="negative"):
        format_size(-1)
