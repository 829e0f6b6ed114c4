"""A deterministic discrete-event simulator of plugin-enabled QUIC.

figure3 = quicsim.scenario("fig3_tlp").run()
figure3.plot.ecdf("completion_ms", by="variant")
figure3.summary()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicsim.scenario.load import load as scenario
    from quicsim.sweep.face import sweep

__all__ = ["scenario", "sweep"]


def __getattr__(name: str) -> object:
    """Import what `__all__` names when it is first asked for: `import quicsim` alone costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
