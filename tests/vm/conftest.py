"""The engines that every execution test runs on, and the objects that were compiled from objects/*.c.

With ziglang 0.17.1: `python -m ziglang cc -target bpfel-freestanding -O2 -mcpu=v3 -c x.c -o x.o`;
linking_debug.o is linking.c with `-g -fdebug-compilation-dir=.`
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import vm

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECTS = Path(__file__).parent / "objects"
ENGINES = {"interpreter": vm.Machine}

Engine = type[vm.Machine]


@pytest.fixture(params=ENGINES.values(), ids=ENGINES.keys())
def engine(request: pytest.FixtureRequest) -> Engine:
    """A class of machines; tests that take this run on each."""
    kind: Engine = request.param
    return kind


@pytest.fixture(scope="session")
def compiled() -> Callable[[str], bytes]:
    """The bytes of an object file beside its C source."""
    return lambda name: (OBJECTS / f"{name}.o").read_bytes()
