"""The engines that every execution test runs on, and the objects that objects/build.py compiled from objects/*.c."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.vm.engines import ENGINES, machine

if TYPE_CHECKING:
    from collections.abc import Callable

    import vm

OBJECTS = Path(__file__).parent / "objects"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Callable[..., vm.Machine]:
    """Makes machines, as `vm.Machine` does; tests that take this run on each engine."""
    return partial(machine, request.param)


@pytest.fixture(scope="session")
def compiled() -> Callable[[str], bytes]:
    """The bytes of an object file beside its C source."""
    return lambda name: (OBJECTS / f"{name}.o").read_bytes()
