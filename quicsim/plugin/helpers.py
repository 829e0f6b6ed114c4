"""Which functions does the host offer to plugins? One table: number, name, C signature, body.

Paper section 2: helpers do what a program cannot do in eBPF. A body gets the call's context, which knows the
connection.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

import vm

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Packet

__all__ = ["C_PROTOTYPES", "HELPERS", "PACKET_FORMAT", "CallContext"]

PACKET_FORMAT = struct.Struct("<QQII")
"""`struct quic_packet`: number, sent_ns, size_bytes, ack_eliciting."""


class CallContext(Protocol):
    """What a helper knows about the call that it is made from."""

    @property
    def connection(self) -> Connection:
        """The connection that the plugin is attached to."""

    def run_default(self) -> int:
        """Commit what the program wrote, run the profile's default, show the program what it changed."""

    def outstanding(self, index: int) -> Packet | None:
        """The index-th packet of the application space in flight, the oldest first; None: there are fewer."""

    def log(self, value: int) -> None:
        """Put a number into the trace."""


def _run_default(context: CallContext) -> int:
    return context.run_default()


def _outstanding(context: CallContext, index: int, target: memoryview) -> bool:
    packet = context.outstanding(index)
    if packet is None:
        return False
    PACKET_FORMAT.pack_into(target, 0, packet.number, packet.sent_ns, packet.size_bytes, packet.ack_eliciting)
    return True


def _time_ns(context: CallContext) -> int:
    return context.connection.now_ns


def _log(context: CallContext, value: int) -> None:
    context.log(value)


HELPERS = vm.HelperTable(
    (
        vm.Helper(1, "run_default", (), vm.Scalar.U64, _run_default),
        vm.Helper(
            2,
            "outstanding",
            (vm.Scalar.U32, vm.Buffer(PACKET_FORMAT.size, writable=True)),
            vm.Scalar.BOOL,
            _outstanding,
        ),
        vm.Helper(3, "time_ns", (), vm.Scalar.U64, _time_ns),
        vm.Helper(4, "log_value", (vm.Scalar.U64,), None, _log),
    )
)

C_PROTOTYPES = {
    "run_default": (
        "uint64_t", "void",
        "What the operation's default returns. Only in a replace/ program and at most once a call; what the program "
        "wrote so far takes effect first.",
    ),
    "outstanding": (
        "bool", "uint32_t index, struct quic_packet *packet",
        "Fill `packet` with the index-th packet of the application space in flight, the oldest first; false: none.",
    ),
    "time_ns": ("uint64_t", "void", "The simulation clock, nanoseconds."),
    "log_value": ("void", "uint64_t value", "Put a number into the trace."),
}  # fmt: skip
"""How each helper reads in C: return type, parameters, meaning."""
