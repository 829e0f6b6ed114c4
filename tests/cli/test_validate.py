"""quicsim validate as its users meet it."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from quicsim.cli import app
from quicsim.validate.reference import PACKAGED


def quicsim(*arguments):
    return CliRunner().invoke(app, ["validate", "--jobs", "1", *arguments])


def test_the_table_and_its_verdict():
    done = quicsim("--stacks", "--only", "small-10K")
    assert (done.exit_code, done.stderr) == (0, "")
    heading, first, second, empty, verdict = done.stdout.splitlines()
    assert re.split("  +", heading) == [
        "row", "control", "ours", "aioquic", "ours/aioquic", "within", "tolerance", "picoquic", "ours/picoquic",
        "quicly", "ours/quicly",
    ]  # fmt: skip
    texts = dict(zip(re.split("  +", heading), re.split("  +", first), strict=True))
    assert (texts["row"], texts["control"]) == ("small-10K-r10-rtt20", "newreno")
    ours_s = float(texts["ours"].removesuffix(" s"))
    for stack, time_s in (("aioquic", 0.055049), ("picoquic", 0.051285), ("quicly", 0.048371)):
        assert texts[stack] == f"{time_s:.4g} s"
        assert float(texts[f"ours/{stack}"]) == pytest.approx(ours_s / time_s, abs=0.002)
    assert second.split()[:2] == ["small-10K-r10-rtt20", "cubic"]
    assert (empty, verdict) == ("", "2 of 2 rows within, 100.0%; 95% are asked: as asked")


def test_rows_of_one_s_own_and_a_failure(tmp_path):
    document = json.loads(PACKAGED.read_text())
    row = document["rows"][0] | {"name": "mine", "completion_s": {"aioquic_rfc": 1.0}}
    (tmp_path / "rows.json").write_text(json.dumps({"rows": [row]}))
    done = quicsim("--stacks", "--reference", str(tmp_path / "rows.json"), "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert (report["within"], report["of"], report["holds"]) == (0, 1, False)
    assert (report["rows"][0]["row"], report["rows"][0]["within"]) == ("mine", False)


def test_a_stack_that_no_row_has_gets_no_column(tmp_path):
    document = json.loads(PACKAGED.read_text())
    rows = [document["rows"][0] | {"completion_s": {"aioquic_rfc": 0.055, "quicly": time_s}} for time_s in (0.05, None)]
    (tmp_path / "rows.json").write_text(json.dumps({"rows": rows}))
    heading, first, second, *_ = quicsim("--stacks", "--reference", str(tmp_path / "rows.json")).stdout.splitlines()
    assert "picoquic" not in heading
    assert heading.split()[-2:] == ["quicly", "ours/quicly"]
    assert (first.split()[-3:-1], second.split()[-2:]) == (["0.05", "s"], ["-", "-"])


def test_what_is_wrong_is_one_line():
    done = quicsim("--stacks", "--reference", "nowhere.json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "quicsim: there is no file nowhere.json of reference rows\n"
    assert quicsim().exit_code == 2
    assert quicsim("--stacks", "--only", "large").exit_code == 2
