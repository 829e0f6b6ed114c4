"""How is a machine made for a test, given an engine's name? The one place where tests name engines."""

from __future__ import annotations

from typing import Any

import vm

ENGINES = vm.ENGINES


def machine(engine: str, program: vm.Program, helpers: vm.HelperTable | None = None, **options: Any) -> vm.Machine:
    """A machine that runs on the engine of this name."""
    return vm.Machine(program, helpers, engine=engine, **options)
