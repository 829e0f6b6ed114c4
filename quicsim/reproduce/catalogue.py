"""Which figures and tables are reproduced? The one list, in the paper's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.scenario.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicsim.reproduce.reproduction import Reproduction

__all__ = ["REPRODUCTIONS", "chosen"]


def _figure3() -> Reproduction:
    from quicsim.reproduce.figure3 import FIGURE3

    return FIGURE3


def _figure4() -> Reproduction:
    from quicsim.reproduce.figure4 import FIGURE4

    return FIGURE4


def _figure5() -> Reproduction:
    from quicsim.reproduce.figure5 import FIGURE5

    return FIGURE5


def _figure6() -> Reproduction:
    from quicsim.reproduce.figure6 import FIGURE6

    return FIGURE6


def _table1() -> Reproduction:
    from quicsim.reproduce.table1 import TABLE1

    return TABLE1


def _table2() -> Reproduction:
    from quicsim.reproduce.table2 import table2

    return table2()


REPRODUCTIONS: dict[str, Callable[[], Reproduction]] = {
    "fig3": _figure3,
    "fig4": _figure4,
    "fig5": _figure5,
    "fig6": _figure6,
    "table1": _table1,
    "table2": _table2,
}
"""Name -> what makes it; nothing is imported or read before it is asked for."""


def chosen(only: Sequence[str] | None = None) -> list[Reproduction]:
    """The reproductions of these names, in the paper's order; all without names. ScenarioError names the known ones."""
    for name in only or ():
        if name not in REPRODUCTIONS:
            raise ScenarioError(f'there is no figure or table "{name}"; known: {", ".join(REPRODUCTIONS)}')
    return [make() for name, make in REPRODUCTIONS.items() if not only or name in only]
