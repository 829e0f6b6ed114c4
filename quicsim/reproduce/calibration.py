"""Which model is held against table 1? Its lines, the prices made from them, the prediction and its tolerance.

docs/cost.md has the reasons, and the prediction as it was written down before it was run; quicsim.plugin.cost has the
arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from quicsim.plugin.cost import Lines, Native, Parts, loss, parts_of

__all__ = ["ALLOCATED_SHARE", "CALIBRATED_ON", "CALIBRATION", "LINES", "NATIVE", "PREDICTED", "TOLERANCE", "Line",
           "Role", "overrides", "predicted", "prices"]  # fmt: skip

CALIBRATION = "mp_quic_2018"


class Role(Enum):
    """What a line of the table is to the model."""

    CALIBRATED = "calibrated on it"
    FOLLOWS = "follows from the others"
    PREDICTED = "predicted"
    OURS = "not in the paper"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: our variant of it, and its throughput against the native one."""

    variant: str
    label: str
    short: str
    """The label below a bar."""
    paper: Fraction | None
    role: Role
    tolerance: float = 0.003
    """Of a line that the model was calibrated on: what start-up and rounding may leave, in shares of throughput."""


LINES = (
    Line("cgo-no-op", "cgo no-op", "cgo", Fraction("-0.049"), Role.CALIBRATED),
    Line("bpf-no-op", "BPF no-op", "BPF", Fraction("-0.061"), Role.CALIBRATED),
    Line("preparing", "preparing the structure", "prepare", Fraction("-0.089"), Role.CALIBRATED),
    Line("empty-to-bpf", "empty structure to BPF", "empty, BPF", Fraction("-0.217"), Role.CALIBRATED, tolerance=0.005),
    # By how much the two no-ops of the paper differ, where it finds no difference with a structure.
    Line("empty-to-cgo", "empty structure to cgo", "empty, cgo", Fraction("-0.217"), Role.FOLLOWS, tolerance=0.012),
    Line("bpf-scheduler", "BPF code, the scheduler", "BPF code", Fraction("-0.251"), Role.PREDICTED),
    Line("fields-used", "BPF code, only the fields used", "fields used", None, Role.OURS),
)
"""given: table 1."""

CALIBRATED_ON = Lines(*(-line.paper for line in LINES if line.paper is not None and line.role is Role.CALIBRATED))
ALLOCATED_SHARE = Fraction(1, 2)  # as much for zeroing the structure as for filling it: docs/cost.md
NATIVE = Native(busy_ps=2_470_390_008_000, calls=56_815, bytes_marshalled=122_265_880)
"""Of the scenario without any plugin's price; the prices in the calibration's file are for these."""
NATIVE_MBPS = 160  # assumed: what section 3.3 gives for picoquic
INSTRUCTION_PS = 10_000  # uBPF interpreting: docs/cost.md
NO_OP_INSTRUCTIONS = 2
SCHEDULER_INSTRUCTIONS = Fraction(834_004, 56_815)  # a call, with one path


def predicted(allocated_share: Fraction, native_mbps: int = NATIVE_MBPS) -> float:
    """The scheduler's line by arithmetic alone: change of throughput, where the native one was `native_mbps`."""
    instructions = (SCHEDULER_INSTRUCTIONS - NO_OP_INSTRUCTIONS) * INSTRUCTION_PS * NATIVE.calls / NATIVE.busy_ps
    instructions *= Fraction(native_mbps, NATIVE_MBPS)
    return -float(loss(parts_of(CALIBRATED_ON, allocated_share).whole + instructions))


PREDICTED = predicted(ALLOCATED_SHARE)
TOLERANCE = abs(predicted(Fraction(0)) - predicted(Fraction(1))) / 2
"""Half of what the paper's lines leave open: any share of preparing may be allocation, which two lines hold."""


def prices(parts: Parts) -> dict[str, dict[str, str]]:
    """What a calibration's file says of these parts."""

    def per_byte(part: Fraction) -> str:
        return f"{parts.byte_price_ps(part, NATIVE)}ps"

    vm_ps = parts.call_price_ps(parts.vm, NATIVE) - NO_OP_INSTRUCTIONS * INSTRUCTION_PS
    return {
        "anchor_call": {"cgo": f"{parts.call_price_ps(parts.bridge, NATIVE)}ps", "vm": f"{vm_ps}ps"},
        "byte_marshalled": {
            "allocated": per_byte(parts.allocated),
            "filled": per_byte(parts.filled),
            "passed": per_byte(parts.passed),
        },
    }


def overrides(prices: dict[str, dict[str, str]]) -> tuple[str, ...]:
    """The same, laid over the scenario's."""
    return tuple(
        f"hosts.server.cpu.{key}.{part}={price}" for key, parts in prices.items() for part, price in parts.items()
    )
