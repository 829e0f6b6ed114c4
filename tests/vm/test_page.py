"""Does docs/vm.md say what is so? Its C is what is compiled here, its Python runs, its tables are the code's."""

import contextlib
import io
import re
from importlib import import_module
from pathlib import Path

import pytest

import vm
from tests.vm.conftest import OBJECTS
from vm import memory

PAGE = (Path(__file__).parents[2] / "docs" / "vm.md").read_text()


def test_its_program_is_the_object_that_runs():
    [shown] = re.findall(r"```c\n(.*?)```", PAGE, re.DOTALL)
    assert shown == (OBJECTS / "average.c").read_text()


def test_its_examples_print_what_it_says(tmp_path, monkeypatch):
    (tmp_path / "average.o").write_bytes((OBJECTS / "average.o").read_bytes())
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == PAGE.count("```python") > 0
    names: dict = {}
    for code, promised in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == promised


def rows(title):
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [
        [cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\|.*\|$", section, re.MULTILINE)
    ]


def test_its_limits_are_the_code_s():
    limits = rows("Limits")[2:]
    assert len(limits) >= 12
    for _, value, name in limits:
        module, _, constant = name.strip("`").rpartition(".")
        assert getattr(import_module(module), constant) == int(value.replace(",", "")), name


def test_it_names_every_kind_of_error():
    named = {name.strip("`") for name, *_ in rows("When it goes wrong")[2:]}
    kinds = {name for name, kind in vars(vm).items() if isinstance(kind, type) and issubclass(kind, vm.VmError)}
    assert kinds - {"VmError", "Fault"} == named


@pytest.mark.parametrize(
    ("row", "first", "last"),
    [
        ("1 to 8", memory.STACK_REGION, memory.STACK_REGION + memory.MAX_CALL_DEPTH - 1),
        ("9", memory.HEAP_REGION, memory.HEAP_REGION),
        ("15", memory.CODE_REGION, memory.CODE_REGION),
        ("16 to 63", memory.DATA_REGION, memory.HOST_REGION - 1),
        ("64 and up", memory.HOST_REGION, None),
    ],
)
def test_its_regions_are_the_code_s(row, first, last):
    assert row in [number for number, _ in rows("Memory")]
    assert [int(number) for number in re.findall(r"\d+", row)] == sorted({first, first if last is None else last})
