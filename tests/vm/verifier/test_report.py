"""What a refusal says, as text, as JSON, as an exception; and whether the page says what is so."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

import vm
from tests.vm.verifier.test_precision import cases
from tests.vm.verifier.test_soundness import PLANTED
from vm.fuzz.soundness import CONTRACT
from vm.verifier import Category, Contract, PointerTo, Range, RegionType, Rejected, SizeOf, verify

PAGE = Path(__file__).parents[3] / "docs" / "verifier.md"
OBJECTS = Path(__file__).parents[1] / "objects"
CLAMPED_ONCE = "r0 = 0\nif r5 s> 56 goto out\nif r4 == 0 goto out\nr1 += r5\nr0 = *(u64 *)(r1 + 0)\nout: exit"


def refusal_of(text: str) -> Rejected:
    with pytest.raises(Rejected) as refusal:
        verify(vm.Program.from_text(text, source="one.s"), "main", CONTRACT)
    return refusal.value


def test_a_refusal_has_everything_as_attributes():
    error = refusal_of(CLAMPED_ONCE)
    assert error.category is Category.OUT_OF_BOUNDS
    assert str(error) == "one.s: section 'main': out of bounds: read of 8 bytes of memory, which has 64"
    assert (error.entry, error.pc, error.subject, error.region) == ("main", 4, "r1", "memory")
    assert (error.seen, error.allowed) == ("offset -2^63 to 56", "offset 0 to 56")
    assert [(branch.place.pc, branch.taken) for branch in error.path] == [(1, False), (2, False)]
    assert error.suggestion == "compare the offset with 0, signed, or make it unsigned, before r1 is used"


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("r1 += r5\nr0 = *(u64 *)(r1 + 0)\nexit", "compare the offset with 56, or mask it, before r1 is used"),
        ("if r5 > 60 goto +2\nr1 += r5\nr0 = *(u64 *)(r1 + 0)\nexit", "compare the offset with 56, or mask it, before"),
        ("r0 = *(u64 *)(r1 + 64)\nexit", "stay within the 64 bytes"),
    ],
    ids=["unknown", "bound too wide", "known"],
)
def test_out_of_bounds_suggests_what_is_missing(text, suggestion):
    assert refusal_of(text).suggestion.startswith(suggestion)


def test_the_text_begins_with_one_line_and_may_be_coloured():
    error = refusal_of(CLAMPED_ONCE)
    first, *others = error.text().splitlines()
    assert first == "refused: one.s: main: out of bounds: read of 8 bytes of memory, which has 64"
    assert [line.split()[0] for line in others] == [
        "at",
        "subject",
        "region",
        "seen",
        "allowed",
        "path",
        "path",
        "help",
    ]
    coloured = error.text(is_coloured=True)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == error.text() != coloured


def test_json_and_pickle_lose_nothing():
    error = refusal_of(CLAMPED_ONCE)
    said = json.loads(json.dumps(error.as_json()))
    assert (said["accepted"], said["category"], said["message"]) == (False, "out of bounds", error.reason)
    assert said["path"][0] == {**said["place"], "pc": 1, "taken": False}
    again = pickle.loads(pickle.dumps(error))
    assert again.text() == error.text()
    assert str(again) == str(error)


def test_a_long_way_is_cut():
    error = refusal_of("\n".join([*(f"if r5 == {each} goto +0" for each in range(20)), "r0 = r9", "exit"]))
    assert len(error.path) == 8
    assert error.path[-1].place.pc == 19
    assert ("path", "...") in error.details()


def test_a_field_is_named():
    error = refusal_of("*(u64 *)(r2 + 0) = 1\nr0 = 0\nexit")
    assert (error.region, error.field) == ("fields", "value")
    assert error.allowed == "writable in fields: half, pairs[].second"


def test_the_line_of_c_is_named():
    program = vm.load((OBJECTS / "linking_debug.o").read_bytes(), helpers={"add_two": 8})
    with pytest.raises(Rejected) as refusal:
        verify(program, "replace/Text", Contract(arguments=(Range(),)))
    line = refusal.value.place.line
    assert line is not None
    assert line.text.endswith("{ return greeting[index]; }")
    assert ("line", line.text) in refusal.value.details()


BYTES = RegionType(64, "bytes", 4096)
CONTRACTS = {
    "main/sieve": Contract((Range(),)),
    "main/checksum": Contract((PointerTo(BYTES), SizeOf(BYTES))),
    "main/frames": Contract((Range(),)),
    "main/network": Contract((PointerTo(BYTES),)),
    "main/switch": Contract((Range(),)),
    "main/count": Contract(),
    "main/parameter": Contract(),
}


@pytest.mark.parametrize("entry", CONTRACTS)
def test_compiled_c_is_accepted(entry):
    program = vm.load((OBJECTS / "programs.o").read_bytes())
    assert verify(program, entry, CONTRACTS[entry]).worst_case_instructions > 0


def test_the_page_s_example_prints_what_it_says(capsys):
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"  # (.*)", code)


def test_the_page_counts_right():
    text = PAGE.read_text()
    assert f"{len(list(cases()))} small programs" in text
    assert f"{len(list((PAGE.parents[1] / 'tests/vm/hostile').glob('*.s')))} hostile ones" in text
    assert len(PLANTED) == 18
    assert "Eighteen bugs" in text
