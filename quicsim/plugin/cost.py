"""What does it cost a host to run plugins? Paper section 3.3.

The price of a call, of each byte that is marshalled for it and of each instruction that it executes. What is counted is
exact and the VM's own; the prices are what a calibration says of a machine and a bridge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicsim.quic.connection import Counts

__all__ = ["PluginPrices"]


@dataclass(frozen=True, slots=True)
class PluginPrices:
    """What a host's core takes for plugins, in picoseconds."""

    call_ps: int = 0
    """One program run at its anchor: into the virtual machine and out of it."""
    byte_ps: int = 0
    """One byte copied between the connection and a program's memory, either way."""
    instruction_ps: int = 0

    def total_ps(self, counts: Counts) -> int:
        """All that a connection's plugins have taken so far."""
        return (
            self.call_ps * counts.plugin_calls
            + self.byte_ps * counts.plugin_bytes_marshalled
            + self.instruction_ps * counts.plugin_instructions
        )
