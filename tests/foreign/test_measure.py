"""Is aioquic measured here as the reference measured it, so that rows of other links are of the same kind?"""

import json

import pytest

from quicsim.validate.reference import PACKAGED

measure = pytest.importorskip("tests.foreign.measure", reason="the extra aioquic is not installed")

REFERENCE = {(row["name"], row["congestion_control"]): row for row in json.loads(PACKAGED.read_text())["rows"]}
TO_THE_MICROSECOND = [
    ("small-1M-r100-rtt50", "newreno"),
    ("small-1M-r100-rtt50", "cubic"),
    ("bulk-1M-r1-rtt40-b1", "newreno"),
    ("bulk-1M-r1-rtt40-b1", "cubic"),
    ("bulk-5M-r10-rtt40-b2", "newreno"),
]


@pytest.mark.parametrize("row", TO_THE_MICROSECOND, ids="-".join)
def test_a_row_of_the_reference_comes_out_to_the_microsecond(row):
    assert measure.measured(REFERENCE[row]) == REFERENCE[row]["completion_s"]["aioquic_rfc"]


def is_quick(row):
    return not row["loss"] and row["name"].startswith(("small", "bulk-5M", "bulk-10M"))


@pytest.mark.parametrize("row", [key for key, row in REFERENCE.items() if is_quick(row)], ids="-".join)
def test_the_others_come_near(row):
    """aioquic draws keys and signs with nonces: handshakes differ by a few bytes, and losses then by a packet."""
    assert measure.measured(REFERENCE[row]) == pytest.approx(REFERENCE[row]["completion_s"]["aioquic_rfc"], rel=0.002)


def test_without_the_patches_it_is_another_stack():
    row = REFERENCE["bulk-1M-r1-rtt40-b1", "newreno"]
    assert measure.Download(row).run() == pytest.approx(row["completion_s"]["aioquic_stock"], rel=0.002)
    assert measure.Download(row).run() > 1.003 * row["completion_s"]["aioquic_rfc"]
