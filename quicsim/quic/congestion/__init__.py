"""Which congestion controllers are there? One file each; `CONTROLLERS` is the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.quic.congestion.base import CongestionController, CongestionEvent
from quicsim.quic.congestion.newreno import NewReno

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONTROLLERS", "CongestionController", "CongestionEvent"]

CONTROLLERS: dict[str, Callable[..., CongestionController]] = {"newreno": NewReno}
