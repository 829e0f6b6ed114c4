"""Do our downloads take as long as aioquic's on links that the reference has no row of?

other_links.json has such rows, measured by tests/foreign/measure.py; `quicsim validate --stacks --reference` reads it.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from quicsim.validate.reference import read_rows
from quicsim.validate.stacks import ASKED, validate_stacks

OTHER = Path(__file__).with_name("other_links.json")


def kind(row):
    """What a row's name begins with, without numbers, and for bulk ones whether the buffer is shallow."""
    name = row.name.partition("-")[0].rstrip("0123456789")
    return name if name != "bulk" else "shallow" if row.bandwidth_delay_products < 1 else "deep"


@pytest.mark.long
def test_downloads_take_as_long_on_other_links():
    rows = read_rows(OTHER)
    report = validate_stacks(rows)
    for control in ("newreno", "cubic"):
        for name in dict.fromkeys(map(kind, rows)):
            ratios = [
                each.ratio
                for each in report.compared
                if (kind(each.row), each.row.congestion_control) == (name, control)
            ]
            print(f"{control} {name}: {len(ratios)} rows, {min(ratios):.3f} {median(ratios):.3f} {max(ratios):.3f}")
    print([(each.row.name, each.row.congestion_control, each.ratio) for each in report.compared if not each.within])
    assert report.share >= ASKED
