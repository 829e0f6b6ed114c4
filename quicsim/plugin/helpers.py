"""Which functions does the host offer to plugins? One table: number, name, C signature, body.

Paper section 2: helpers do what a program cannot do in eBPF. A body gets the call's context, which knows the
connection.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Protocol

import vm

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path

__all__ = ["C_PROTOTYPES", "HELPERS", "PACKET_FORMAT", "CallContext"]

PACKET_FORMAT = struct.Struct("<QQII")
"""`struct quic_packet`: number, sent_ns, size_bytes, ack_eliciting."""


class CallContext(Protocol):
    """What a helper knows about the call that it is made from."""

    @property
    def connection(self) -> Connection:
        """The connection that the plugin is attached to."""

    @property
    def path(self) -> Path:
        """The path that the operation is about."""

    def argument(self, name: str) -> Any:
        """What the operation was called with under this name; raises HelperError where there is nothing of the kind."""

    def append_frame(self, frame_type: int, data: bytes) -> bool:
        """Put a frame into the packet being assembled; False: it may not go there now."""

    def random(self) -> int:
        """The next of the plugin's random numbers, 64 bits."""

    def packet_bytes(self) -> bytes:
        """The frames of the packet that the operation is about, as they stand on the wire."""

    def set_ecn(self, codepoint: int) -> None:
        """Send the path's datagrams with this codepoint from now on."""

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
    context.connection.counts.plugin_bytes_marshalled += PACKET_FORMAT.size
    PACKET_FORMAT.pack_into(target, 0, packet.number, packet.sent_ns, packet.size_bytes, packet.ack_eliciting)
    return True


def _time_ns(context: CallContext) -> int:
    return context.connection.now_ns


def _log(context: CallContext, value: int) -> None:
    context.log(value)


def _append_frame(context: CallContext, frame_type: int, data: memoryview) -> bool:
    context.connection.counts.plugin_bytes_marshalled += len(data)
    return context.append_frame(frame_type, bytes(data))


def _read_frame(context: CallContext, offset: int, target: memoryview) -> int:
    return _copy(context, context.argument("frame").data, offset, target)


def _packet_bytes(context: CallContext, offset: int, target: memoryview) -> int:
    return _copy(context, context.packet_bytes(), offset, target)


def _copy(context: CallContext, source: bytes, offset: int, target: memoryview) -> int:
    """Copy what there is from `offset` on; returns how many bytes that are."""
    piece = source[offset : offset + len(target)]
    target[: len(piece)] = piece
    context.connection.counts.plugin_bytes_marshalled += len(piece)
    return len(piece)


def _get_ecn(context: CallContext) -> int:
    return context.path.ecn_codepoint


def _set_ecn(context: CallContext, codepoint: int) -> None:
    if codepoint not in SENDERS_CODEPOINTS:
        raise vm.HelperError(f"set_ecn: a sender's codepoint is 0 (not ECT), 1 (ECT(1)) or 2 (ECT(0)), not {codepoint}")
    context.set_ecn(codepoint)


def _path_index(context: CallContext) -> int:
    return context.path.path_id


def _random_u64(context: CallContext) -> int:
    return context.random()


SENDERS_CODEPOINTS = range(3)
"""Congestion Experienced, 3, is the routers' to set (RFC 3168 section 5)."""

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
        vm.Helper(5, "append_frame", (vm.Scalar.U32, vm.Buffer()), vm.Scalar.BOOL, _append_frame),
        vm.Helper(6, "read_frame", (vm.Scalar.U32, vm.Buffer(writable=True)), vm.Scalar.U32, _read_frame),
        vm.Helper(7, "packet_bytes", (vm.Scalar.U32, vm.Buffer(writable=True)), vm.Scalar.U32, _packet_bytes),
        vm.Helper(8, "get_ecn", (), vm.Scalar.U32, _get_ecn),
        vm.Helper(9, "set_ecn", (vm.Scalar.U32,), None, _set_ecn),
        vm.Helper(10, "path_index", (), vm.Scalar.U32, _path_index),
        vm.Helper(11, "random_u64", (), vm.Scalar.U64, _random_u64),
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
    "append_frame": (
        "bool", "uint32_t type, const void *data, uint32_t length",
        "Append a frame of the plugin's own, in a program of GenerateFrames. An even type asks the peer for an ACK, an "
        "odd one does not. False: there is no room in the packet or, for one that asks for an ACK, in the congestion "
        "window; the peer does not have the plugin; or it is a packet of the handshake. A lost frame is not repeated.",
    ),
    "read_frame": (
        "uint32_t", "uint32_t offset, void *target, uint32_t length",
        "Copy bytes of the frame, in a program of ParseFrames:0x1c00 to :0x1cff; returns how many there were.",
    ),
    "packet_bytes": (
        "uint32_t", "uint32_t offset, void *target, uint32_t length",
        "Copy bytes of the packet that the operation is about: its frames, as they stand on the wire; returns how many "
        "there were.",
    ),
    "get_ecn": ("uint32_t", "void", "The codepoint that the path's datagrams are sent with: ECN_..."),
    "set_ecn": (
        "void", "uint32_t codepoint",
        "Send the path's datagrams with this codepoint, until the plugin is detached: ECN_NOT_ECT, ECN_ECT_1 or "
        "ECN_ECT_0.",
    ),
    "path_index": ("uint32_t", "void", "The path that the operation is about: its place in connection->paths."),
    "random_u64": (
        "uint64_t", "void",
        "The next draw of the plugin's own stream: the same in every run of a replication, whatever else happens.",
    ),
}  # fmt: skip
"""How each helper reads in C: return type, parameters, meaning."""
