"""Which congestion controllers are there? One file each; `CONTROLLERS` is the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.congestion.base import CongestionController, CongestionEvent
from quicsim.quic.congestion.bbr import Bbr
from quicsim.quic.congestion.cubic import Cubic
from quicsim.quic.congestion.newreno import NewReno
from quicsim.quic.congestion.olia import Olia

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicsim.quic.path import Path
    from quicsim.quic.profiles import Profile

__all__ = ["CONTROLLERS", "CongestionController", "CongestionEvent"]

CONTROLLERS: dict[str, Callable[[Profile, list[Path]], CongestionController]] = {
    "newreno": NewReno,
    "cubic": Cubic,
    "bbr": Bbr,
    "olia": Olia,
}
"""Each makes the controller of one path out of the profile and the connection's paths, its own among them once it is
there: a list that grows, where a coupled controller finds its siblings as `path.congestion`.
"""
