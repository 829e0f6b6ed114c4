"""What does it cost a host to run plugins? Paper section 3.3, table 1.

The price of a call, of each byte that is marshalled for it and of each instruction that it executes. What is counted is
exact and the VM's own; the prices are what a calibration says of a machine and a bridge. The calibration that is done
here takes table 1 apart, and says beforehand what the line must come to that it was not made from. docs/cost.md has the
reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction

    from quicsim.quic.interface import Counts

__all__ = ["Lines", "Native", "Parts", "PluginPrices", "extra_time", "loss", "parts_of"]


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


def extra_time(loss: Fraction) -> Fraction:
    """The time that a packet takes beyond the native one, in native ones, where throughput is lower by `loss`."""
    return 1 / (1 - loss) - 1


def loss(extra_time: Fraction) -> Fraction:
    """By which share throughput is lower where a packet takes so much longer; the inverse of `extra_time`."""
    return 1 - 1 / (1 + extra_time)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of table 1 that the calibration is made from: the share of native throughput that each loses."""

    cgo_no_op: Fraction
    """A call through the bridge, of nothing and with nothing."""
    bpf_no_op: Fraction
    """The same into the virtual machine."""
    preparing: Fraction
    """A structure of the connection made and filled, and not passed on."""
    empty_structure: Fraction
    """One made and passed on, through the bridge into the virtual machine, but not filled."""


@dataclass(frozen=True, slots=True)
class Native:
    """What one and the same run, without any plugin's cost, takes and does."""

    busy_ps: int
    calls: int
    """Of the anchor, and so of a program there."""
    bytes_marshalled: int
    """Where the whole structure goes in and comes back at each call."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a call consists of, each part in native times of all that is done for a packet."""

    bridge: Fraction
    """Out of the host's language, and back."""
    vm: Fraction
    """Into the virtual machine and out of it, two instructions included."""
    allocated: Fraction
    """The structure is allocated and zeroed."""
    filled: Fraction
    """Its fields are written."""
    passed: Fraction
    """What its size adds to the bridge."""

    @property
    def whole(self) -> Fraction:
        """A call with everything, before a plugin's instructions."""
        return self.bridge + self.vm + self.allocated + self.filled + self.passed

    def call_price_ps(self, part: Fraction, native: Native) -> int:
        """One part of a call, per call."""
        return round(part * native.busy_ps / native.calls)

    def byte_price_ps(self, part: Fraction, native: Native) -> int:
        """One part of a call, per byte marshalled."""
        return round(part * native.busy_ps / native.bytes_marshalled)


def parts_of(lines: Lines, allocated_share: Fraction) -> Parts:
    """The lines taken apart: parts that add up to each line exactly, whatever share of preparing is allocation.

    Two lines hold the allocation, so their sum counts it twice: `allocated_share` of `lines.preparing` overlaps. No
    line separates it from filling, so any share from 0 to 1 fits.
    """
    bridge = extra_time(lines.cgo_no_op)
    vm = extra_time(lines.bpf_no_op) - bridge
    preparing = extra_time(lines.preparing)
    allocated = preparing * allocated_share
    passed = extra_time(lines.empty_structure) - bridge - vm - allocated
    return Parts(bridge, vm, allocated, preparing - allocated, passed)
