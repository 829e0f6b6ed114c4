"""What is BBR about, and what does that make of its model? draft-ietf-ccwg-bbr-06 sections 5.1 and 5.6.1."""

from __future__ import annotations

import enum
from typing import NamedTuple

__all__ = ["ACCELERATING", "GAINS", "PROBE_BW", "AckPhase", "BbrState", "Gains"]


class BbrState(enum.Enum):
    """What the sender is about (section 5.1)."""

    STARTUP = "startup"
    DRAIN = "drain"
    DOWN = "ProbeBW down"
    CRUISE = "ProbeBW cruise"
    REFILL = "ProbeBW refill"
    UP = "ProbeBW up"
    PROBE_RTT = "ProbeRTT"


class Gains(NamedTuple):
    """What a state multiplies bandwidth and bandwidth-delay product by, in hundredths."""

    pacing: int
    window: int


GAINS = {  # section 5.6.1
    BbrState.STARTUP: Gains(277, 200),
    BbrState.DRAIN: Gains(50, 200),
    BbrState.DOWN: Gains(90, 200),
    BbrState.CRUISE: Gains(100, 200),
    BbrState.REFILL: Gains(100, 200),
    BbrState.UP: Gains(125, 225),
    BbrState.PROBE_RTT: Gains(100, 50),
}
PROBE_BW = (BbrState.DOWN, BbrState.CRUISE, BbrState.REFILL, BbrState.UP)
ACCELERATING = (BbrState.STARTUP, BbrState.REFILL, BbrState.UP)


class AckPhase(enum.Enum):
    """What acknowledgements tell of the bandwidth probe (section 2.14)."""

    INIT = enum.auto()
    REFILLING = enum.auto()
    PROBE_STARTING = enum.auto()
    PROBE_FEEDBACK = enum.auto()
    PROBE_STOPPING = enum.auto()
