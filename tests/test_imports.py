"""Who may import whom? The rules of the house as one table, held against every import statement in quicsim and vm.

An import counts wherever it stands: at the top, inside a function, under `if TYPE_CHECKING:`, or as a text given to
`import_module`. A rule about a package that is not there yet is idle and acts once the package appears.
"""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


class When(Enum):
    """When does an import statement run?"""

    LOADING = "when the module is loaded"
    CALLED = "when a function is called"
    TYPING = "never, for the type checker only"


@dataclass(frozen=True, slots=True)
class Import:
    """One name imported by one module."""

    module: str
    line: int
    name: str
    when: When

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.name}"


# ----------------------------------------------------------------------------------------------------- the rules


@dataclass(frozen=True, slots=True)
class Never:
    """`who` does not import `what`, except those of it in `unless_typing`, for the type checker only."""

    who: str
    what: tuple[str, ...]
    why: str
    unless_typing: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    """Modules of `who` that are free of this rule."""

    def broken_by(self, imports: Iterable[Import]) -> Iterator[str]:
        """One message for each import that breaks this rule."""
        for one in imports:
            if not within(one.module, self.who) or within(one.module, *self.but) or not within(one.name, *self.what):
                continue
            if one.when is not When.TYPING or not within(one.name, *self.unless_typing):
                yield f"{one}: {self.who} must not, {self.why}"


@dataclass(frozen=True, slots=True)
class Only:
    """Beside itself and the standard library, `who` imports only `what`."""

    who: str
    what: tuple[str, ...]
    why: str

    def broken_by(self, imports: Iterable[Import]) -> Iterator[str]:
        """One message for each import that breaks this rule."""
        for one in imports:
            if within(one.module, self.who) and not within(one.name, self.who, *self.what, *sys.stdlib_module_names):
                yield f"{one}: {self.who} imports only {', '.join(self.what) or 'the standard library'}, {self.why}"


@dataclass(frozen=True, slots=True)
class Joins:
    """Only the parts in `who` of quicsim import (other than for typing) both from `one` and from `other`."""

    who: tuple[str, ...]
    one: str
    other: tuple[str, ...]
    why: str

    def broken_by(self, imports: Iterable[Import]) -> Iterator[str]:
        """One message for each part that breaks this rule, naming its first import from either side."""
        parts: dict[str, list[Import]] = {}
        for each in imports:
            if each.when is not When.TYPING and within(each.module, "quicsim"):
                parts.setdefault(part(each.module), []).append(each)
        for name, members in parts.items():
            one = next((each for each in members if within(each.name, self.one)), None)
            other = next((each for each in members if within(each.name, *self.other)), None)
            if one and other and not within(name, *self.who, self.one, *self.other):
                yield f"{one} and {other}: only {' and '.join(self.who)} may join the two, {self.why}"


@dataclass(frozen=True, slots=True)
class Late:
    """A module of quicsim or vm that is loaded imports `what` at once only in `places`; elsewhere inside a function."""

    what: str
    places: tuple[str, ...]
    why: str = "so that `quicsim --help` is quick"

    def broken_by(self, imports: Iterable[Import]) -> Iterator[str]:
        """One message for each import that breaks this rule."""
        for one in imports:
            if one.when is When.LOADING and within(one.name, self.what) and not within(one.module, *self.places):
                where = f"only {' and '.join(self.places)} may" if self.places else "it must wait for a call"
                yield f"{one} when it is loaded: {where}, {self.why}"


RULES = (
    Only("vm", ("elftools", "llvmlite"), "for it knows nothing of QUIC and is usable alone"),
    Never(
        "quicsim.quic",
        ("simpy", "vm", "quicsim.clock", "quicsim.net", "quicsim.plugin", "quicsim.endpoint", "quicsim.operations"),
        "for it is sans-IO and is handed its operation table",
        unless_typing=("quicsim.operations",),
    ),
    Never(
        "quicsim.operations",
        ("simpy", "vm", "quicsim.clock", "quicsim.net", "quicsim.plugin", "quicsim.endpoint"),
        "for an operation sees only the connection",
    ),
    Never(
        "quicsim.net",
        ("vm", "quicsim.quic", "quicsim.operations", "quicsim.plugin", "quicsim.endpoint", "quicsim.apps"),
        "for links carry opaque datagrams",
    ),
    Joins(("quicsim.plugin",), "vm", ("quicsim.operations",), "for that is what a plugin is"),
    Joins(
        ("quicsim.endpoint", "quicsim.scenario"),
        "quicsim.quic",
        ("quicsim.clock", "quicsim.net"),
        "so that any sans-IO stack can stand at a link",
    ),
    Never(
        "quicsim.analysis",
        (
            "vm",
            *(f"quicsim.{name}" for name in ("quic", "net", "operations", "plugin", "endpoint", "apps", "clock")),
            *(f"quicsim.{name}" for name in ("scenario", "sweep", "reproduce", "cli")),
        ),
        "for it works on plain tables",
    ),
    Never("quicsim.scenario", ("quicsim.sweep", "quicsim.cli"), "for a sweep is made of scenarios"),
    Never(
        "quicsim",
        ("quicsim.reproduce",),
        "for it stands on scenarios and results, and only the command line on it",
        but=("quicsim.reproduce", "quicsim.cli"),
    ),
    Never(
        "quicsim.reproduce",
        (
            "vm",
            "simpy",
            *(f"quicsim.{name}" for name in ("quic", "net", "operations", "endpoint", "apps", "clock")),
        ),
        "for it sees runs through their results and events",
    ),
    Never(
        "quicsim",
        ("quicsim.regression",),
        "for it holds results against results, and only pytest and the command line stand on it",
        but=("quicsim.regression", "quicsim.pytest_plugin", "quicsim.cli"),
    ),
    Never("quicsim", ("quicsim.cli",), "for all stand below the command line", but=("quicsim.cli", "quicsim.__main__")),
    Late("aioquic", ("quicsim.foreign",), "for it is an extra"),
    Late("quicsim.foreign", ("quicsim.foreign",), "for its stacks are extras"),
    Late("matplotlib", ("quicsim.analysis.plots",)),
    Late("scipy", ("quicsim.analysis",)),
    Late("numpy", ("quicsim.analysis",)),
    Late("elftools", ("vm.elf",)),
    Late("llvmlite", ("vm.jit",)),
    Late("pydantic", ("quicsim.scenario", "quicsim.plugin", "quicsim.sweep", "quicsim.regression")),
    Late("distributed", ()),
    Late("pandas", ()),
    Late("pyarrow", ()),
    Late("tqdm", ()),
    Late("pytest", ("quicsim.pytest_plugin", "quicsim.regression.guard"), "for only tests need it"),
    Late("rich", ("quicsim.cli",)),
    Late("typer", ("quicsim.cli",)),
)

HEAVY = ("matplotlib", "scipy", "numpy", "elftools", "llvmlite", "pandas", "pyarrow")
"""What must not be loaded with the command line's module, by whatever way."""


# ---------------------------------------------------------------------------------------------------- the walker


def within(name: str, *packages: str) -> bool:
    """Is `name` one of these packages, or inside one?"""
    return any(name == package or name.startswith(package + ".") for package in packages)


def part(module: str) -> str:
    """`quicsim.net` for `quicsim.net.link`: the part of the house a module belongs to."""
    return ".".join(module.split(".")[:2])


def imports_of(source: str, module: str, *, is_package: bool = False) -> list[Import]:
    """Every import in this source; `from a import b` counts as `a.b`, which is inside `a` whatever `b` is."""
    walker = _Walker(module, is_package)
    walker.visit(ast.parse(source))
    return walker.found


class _Walker(ast.NodeVisitor):
    def __init__(self, module: str, is_package: bool) -> None:
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.when = When.LOADING
        self.found: list[Import] = []

    def _add(self, node: ast.AST, name: str) -> None:
        self.found.append(Import(self.module, node.lineno, name, self.when))

    def _visit_all(self, nodes: Iterable[ast.AST], when: When) -> None:
        before = self.when
        if before is not When.TYPING:
            self.when = when
        for node in nodes:
            self.visit(node)
        self.when = before

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self.package.split(".")
            base = ".".join(filter(None, [*parents[: len(parents) - node.level + 1], base]))
        for alias in node.names:
            self._add(node, base if alias.name == "*" else f"{base}.{alias.name}")

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in {"import_module", "__import__"} and node.args and isinstance(node.args[0], ast.Constant):
            self._add(node, str(node.args[0].value))
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        test = ast.unparse(node.test).replace("typing.", "")
        self.visit(node.test)
        self._visit_all(node.body, When.TYPING if test == "TYPE_CHECKING" else self.when)
        self._visit_all(node.orelse, When.TYPING if test == "not TYPE_CHECKING" else self.when)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_all([*node.decorator_list, node.args], self.when)
        self._visit_all(node.body, When.CALLED)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all([node.body], When.CALLED)


def house() -> list[Import]:
    """Every import of every module of quicsim and vm."""
    found = []
    for file in sorted([*ROOT.glob("quicsim/**/*.py"), *ROOT.glob("vm/**/*.py")]):
        *parents, stem = file.relative_to(ROOT).with_suffix("").parts
        is_package = stem == "__init__"
        module = ".".join(parents if is_package else [*parents, stem])
        found += imports_of(file.read_text(), module, is_package=is_package)
    return found


# --------------------------------------------------------------------------------------------- the house is held


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{type(rule).__name__}-{getattr(rule, 'who', rule)}")
def test_the_house_holds(rule):
    assert list(rule.broken_by(house())) == []


def test_the_walk_reaches_the_house():
    seen = {(one.module, one.name) for one in house()}
    assert ("quicsim.locate", "pathlib.Path") in seen


@pytest.mark.parametrize(
    ("module", "light"), [("quicsim.cli", ()), ("quicsim.pytest_plugin", ("simpy", "pydantic", "rich", "typer", "vm"))]
)
def test_what_is_loaded_first_loads_nothing_heavy(module, light):
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted({*HEAVY, *light} & set(done.stdout.split())) == []


# ------------------------------------------------------------------------------------ the walker and rules are held

TYPING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
INSIDE = "def f():\n    "

BREACHES = [
    ("vm.elf", "import numpy"),
    ("vm.elf", "import quicsim.units"),
    ("vm.elf", INSIDE + "from quicsim import units"),
    ("vm.elf", TYPING + "import quicsim"),
    ("vm.verifier.check", "from ...quicsim import units"),
    ("quicsim.quic.connection", "import simpy"),
    ("quicsim.quic.connection", "import vm"),
    ("quicsim.quic.connection", INSIDE + "import vm.elf as elf"),
    ("quicsim.quic.connection", "from quicsim import net"),
    ("quicsim.quic.connection", "from ..net.link import Link"),
    ("quicsim.quic.connection", "from quicsim.operations import set_timer"),
    ("quicsim.quic.connection", "from .. import operations"),
    ("quicsim.quic.connection", INSIDE + "from quicsim import operations"),
    ("quicsim.quic.connection", TYPING + "from quicsim.plugin import host"),
    ("quicsim.quic.connection", TYPING + "pass\nelse:\n    import quicsim.operations"),
    ("quicsim.quic.congestion.cubic", "from ...plugin import host"),
    ("quicsim.quic.connection", "import importlib\nimportlib.import_module('quicsim.net')"),
    ("quicsim.quic.connection", "x = __import__('vm.elf')"),
    ("quicsim.operations.set_timer", "from vm import isa"),
    ("quicsim.operations.set_timer", "from simpy import Environment"),
    ("quicsim.operations.set_timer", "from quicsim.plugin.host import Host"),
    ("quicsim.net.link", "from quicsim.quic.packet import Packet"),
    ("quicsim.net.link", "import quicsim.operations"),
    ("quicsim.net.link", INSIDE + "import quicsim.plugin"),
    ("quicsim.endpoint", "import vm\nimport quicsim.operations"),
    ("quicsim.scenario.build", "from vm import elf\n" + INSIDE + "from quicsim import operations"),
    ("quicsim.apps.bulk", "from quicsim.quic import connection\nfrom quicsim.clock import Clock"),
    ("quicsim.plugin.host", "from quicsim.quic import connection\nfrom quicsim.net import link"),
    ("quicsim.analysis.plots", "from quicsim import scenario"),
    ("quicsim.analysis.plots", "import quicsim.sweep"),
    ("quicsim.analysis.plots", "from ..cli import run"),
    ("quicsim.analysis.plots", "from quicsim.quic import states"),
    ("quicsim.scenario.run", "from quicsim.sweep import plan"),
    ("quicsim.scenario.run", INSIDE + "from quicsim.cli import run"),
    ("quicsim.sweep.plan", "import quicsim.cli"),
    ("quicsim.scenario.run", INSIDE + "from quicsim.reproduce import run"),
    ("quicsim.analysis.inline", "from quicsim import reproduce"),
    ("quicsim.reproduce.page", "from quicsim.cli import options"),
    ("quicsim.reproduce.figure3", "from quicsim.quic.connection import Connection"),
    ("quicsim.reproduce.figure3", "import matplotlib"),
    ("quicsim.results", INSIDE + "from quicsim.regression import check"),
    ("quicsim.regression.check", "import pytest"),
    ("quicsim.units", "import quicsim.cli.run"),
    ("quicsim.endpoint", "from aioquic.quic.connection import QuicConnection"),
    ("quicsim.scenario.build", "from quicsim.foreign.aioquic import AioquicConnection"),
    ("quicsim.results", "import numpy as np"),
    ("quicsim.scenario.run", "try:\n    import matplotlib.pyplot as plt\nexcept ImportError:\n    pass"),
    ("quicsim.analysis.statistics", "class Figure:\n    from matplotlib import pyplot"),
    ("quicsim.results", "if True:\n    from scipy.stats import norm"),
    ("vm.program", "from elftools.elf.elffile import ELFFile"),
    ("quicsim.scenario.run", "from rich.progress import Progress"),
    ("quicsim.sweep.store", "import pyarrow"),
    ("quicsim.sweep.cluster", "from distributed import Client"),
    ("quicsim.sweep.result", "import pandas as pd"),
    ("quicsim.sweep.result", "from tqdm.auto import tqdm"),
    ("quicsim.results", "import typer"),
    ("quicsim.results", "from pydantic import BaseModel"),
    ("vm.interpreter", "import llvmlite.binding"),
]

ALLOWED = [
    (
        "vm.elf",
        "from elftools.elf.elffile import ELFFile\nimport struct\nfrom vm.errors import VmError\nfrom . import isa",
    ),
    ("vm.program", INSIDE + "import elftools"),
    ("vm.verifier.check", "from ..errors import Rejected"),
    ("quicsim.quic.connection", TYPING + "from quicsim.operations import Operations"),
    ("quicsim.quic.connection", "import typing\nif typing.TYPE_CHECKING:\n    import quicsim.operations.table"),
    ("quicsim.quic.connection", "from quicsim.quicker import x\nfrom quicsim.networks import y\nimport vmware"),
    ("quicsim.operations.set_timer", "from quicsim.quic.rtt import Rtt\nfrom .operation import Operation"),
    ("quicsim.net.link", "from quicsim.clock import Clock\nimport simpy"),
    ("quicsim.plugin.host", "import vm\nfrom quicsim import operations, quic"),
    ("quicsim.endpoint", "from quicsim import clock, net, quic"),
    ("quicsim.scenario.build", "from quicsim import apps, clock, endpoint, net, plugin, quic"),
    ("quicsim.apps.bulk", "from quicsim.clock import Clock\n" + TYPING + "from quicsim.quic import connection"),
    ("quicsim.sweep.plan", "from quicsim.scenario import run\nfrom quicsim.analysis import statistics"),
    ("quicsim.cli.run", "import typer, rich\nfrom quicsim.sweep import plan\nfrom quicsim.cli import scenarios"),
    ("quicsim.__main__", "from quicsim.cli import main"),
    ("quicsim.analysis.plots", "import matplotlib, numpy"),
    ("quicsim.results", INSIDE + "import numpy, scipy, matplotlib"),
    ("quicsim.results", TYPING + "import numpy"),
    ("quicsim.results", "plot = lambda: __import__('matplotlib')"),
]


def broken(module: str, source: str) -> list[str]:
    """The messages of every rule that this source breaks."""
    return [message for rule in RULES for message in rule.broken_by(imports_of(source, module))]


@pytest.mark.parametrize(("module", "source"), BREACHES)
def test_a_breach_is_caught(module, source):
    messages = broken(module, source)
    assert messages
    assert all(message.startswith(f"{module}:") for message in messages)


@pytest.mark.parametrize(("module", "source"), ALLOWED)
def test_what_is_allowed_passes(module, source):
    assert broken(module, source) == []


def test_every_rule_catches_something():
    idle = [rule for rule in RULES if not any([*rule.broken_by(imports_of(src, mod))] for mod, src in BREACHES)]
    assert [getattr(rule, "what", rule) for rule in idle] == []


def test_relative_imports_are_read_from_where_they_stand():
    source = "from . import a\nfrom .b import c\nfrom .. import d\nfrom ..e import *"
    module = [one.name for one in imports_of(source, "quicsim.net.link")]
    package = [one.name for one in imports_of(source, "quicsim.net", is_package=True)]
    assert module == ["quicsim.net.a", "quicsim.net.b.c", "quicsim.d", "quicsim.e"]
    assert package == module


def test_the_message_names_place_import_and_reason():
    (message,) = broken("quicsim.net.link", "\nfrom quicsim.quic import frames\n")
    assert message == (
        "quicsim.net.link:2 imports quicsim.quic.frames: quicsim.net must not, for links carry opaque datagrams"
    )
