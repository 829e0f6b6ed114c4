"""Does the code read as CONTRIBUTING.md says? Only what a program can judge without being wrong.

Lines, docstrings, where output may go, and that no wall clock, no process and no hash order can reach a result.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAX_LINES = 500

SPEAKS = ("quicsim/cli/", "quicsim/plugin/build.py", "vm/conformance.py", "__main__.py")
"""Where `print` is the purpose: the command line, and the modules made for `python -m`."""

KNOWS_THE_TIME = ("quicsim/cli/", "quicsim/sweep/stopwatch.py", "vm/fuzz/")
"""Where the machine's clock and process may be asked: for a person, for who gives out work, and by fuzzers, which stop
after so many minutes and take their chance from a seed; never in a result."""

MODULES = {"random", "secrets", "uuid"}
CALLS = {"id", "hash"}
ATTRIBUTES = {
    *(
        f"time.{name}"
        for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time", "localtime", "gmtime")
    ),
    *(f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("os.getpid", "os.getppid", "os.urandom", "os.times", "threading.get_ident"),
}

UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")


CODE = ("quicsim/**/*.py", "vm/**/*.py")


def found(check: Callable[[str], Iterable[str]], *patterns: str, but: tuple[str, ...] = ()) -> list[str]:
    """What the check finds in every file of these patterns, each with its file; `but` are directories or file names."""
    faults = []
    for file in sorted({path for pattern in patterns for path in ROOT.glob(pattern)}):
        name = file.relative_to(ROOT).as_posix()
        if not any(name.startswith(place) if place.endswith("/") else name.endswith(place) for place in but):
            faults += [f"{name}: {fault}" for fault in check(file.read_text())]
    return faults


# ----------------------------------------------------------------------------------------------------- the checks


def length(source: str) -> Iterator[str]:
    """More lines than are read at a sitting."""
    lines = len(source.splitlines())
    if lines > MAX_LINES:
        yield f"{lines} lines, {MAX_LINES} are the most"


def docstring_faults(source: str) -> Iterator[str]:
    """The module's docstring is there, and its first line is a whole sentence."""
    docstring = ast.get_docstring(ast.parse(source))
    if not docstring:
        yield "no docstring"
    elif not docstring.partition("\n")[0].endswith((".", "?", "!", ":")):
        yield f"the docstring's first line is no sentence: {docstring.partition(chr(10))[0]!r}"


def prints(source: str) -> Iterator[str]:
    """Every call of `print`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"line {node.lineno}: print"


def chances(source: str) -> Iterator[str]:
    """Whatever differs from run to run on one machine: clock, process, address, hash order, unseeded chance."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases if alias.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module), names=aliases):
                whole = [f"{module}.{alias.name}" for alias in aliases]
                names = [name for name in whole if module.partition(".")[0] in MODULES or name in ATTRIBUTES]
            case ast.Attribute():
                dotted = ".".join(ast.unparse(node).split(".")[-2:])
                names = [dotted] if dotted in ATTRIBUTES else []
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                names = [name]
        yield from (f"line {node.lineno}: {name}" for name in names)


# ------------------------------------------------------------------------------------------------ the house is held


def test_every_docstring_opens_with_a_sentence():
    patterns = (*CODE, "benchmarks/**/*.py", "tests/**/test_*.py", "plugins/**/test_*.py")
    assert found(docstring_faults, *patterns, but=("tests/simpy_suite/",)) == []


def test_every_file_is_read_at_a_sitting():
    assert found(length, *CODE) == []


def test_only_the_command_line_prints():
    assert found(prints, *CODE, but=SPEAKS) == []


def test_nothing_that_differs_from_run_to_run_is_asked():
    assert found(chances, *CODE, but=KNOWS_THE_TIME) == []


def test_nothing_is_left_for_later():
    assert found(UNFINISHED.findall, *CODE, "tests/**/*.py", "benchmarks/**/*.py", "plugins/**/*.[ch]") == []


# ----------------------------------------------------------------------------------------------- the checks are held


def test_the_check_reaches_every_file_but_those_left_out():
    everything = found(lambda source: [str(len(source) > 0)], *CODE)
    assert "quicsim/locate.py: True" in everything
    without = found(lambda source: ["x"], *CODE, but=("vm/", "locate.py"))
    assert [fault for fault in without if fault.startswith("vm/") or "locate" in fault] == []


def test_a_long_file_is_caught():
    assert list(length("x\n" * (MAX_LINES + 1))) == ["501 lines, 500 are the most"]
    assert list(length("x\n" * MAX_LINES)) == []


def test_a_missing_or_unfinished_docstring_is_caught():
    assert list(docstring_faults("x = 1")) == ["no docstring"]
    assert list(docstring_faults('"""Ranges of packet numbers\n\nMore.\n"""'))
    assert list(docstring_faults('"""Which packet numbers arrived? RFC 9000 section 13.2."""')) == []


def test_a_print_is_caught_and_the_word_is_not():
    assert list(prints("def f():\n    print('x')")) == ["line 2: print"]
    assert list(prints("'print(x)'  # print(x)\nfigure.print(x)")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from random import Random",
        "import uuid as u",
        "import time\ntime.time()",
        "import time\nstart = time.perf_counter_ns",
        "from time import monotonic",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.now()",
        "import os\nos.getpid()",
        "from os import urandom",
        "key = id(packet)",
        "sorted(names, key=lambda name: hash(name))",
    ],
)
def test_what_differs_from_run_to_run_is_caught(source):
    assert list(chances(source))


@pytest.mark.parametrize(
    "source",
    [
        "from quicsim.randomness import Stream",
        "from quicsim import randomness\nrandomness.Stream()",
        "packet.id(3)\npacket.hash(4)",
        "clock.time(3)",
        "from time import strftime",
        "'time.time() and id(x)'",
        "identity(x)",
    ],
)
def test_what_only_looks_like_it_passes(source):
    assert list(chances(source)) == []


def test_a_word_for_later_is_caught():
    assert UNFINISHED.findall("# TO" + "DO: later")
    assert UNFINISHED.findall("methodology, hacking, XX" + "XL") == []
