"""Which operations are there? The numbered table. Paper section 2; one file an operation, named as the paper names it.

A connection calls an operation through its `OperationTable`: while nothing is attached, the table's entry *is* the
profile's default function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.congestion_control import congestion_control
from quicsim.operations.decide_ack import decide_ack
from quicsim.operations.detect_loss import detect_loss
from quicsim.operations.generate_frames import generate_frames
from quicsim.operations.generate_header import generate_header
from quicsim.operations.init_opaque_data import init_opaque_data
from quicsim.operations.operation import CType, Field, Operation, Output, Rule, Slot, u8, u16, u32, u64
from quicsim.operations.pace_packet import pace_packet
from quicsim.operations.parse_frames import parse_frames
from quicsim.operations.process_ack import process_ack
from quicsim.operations.read_packet import read_packet
from quicsim.operations.retransmission_timeout import retransmission_timeout
from quicsim.operations.select_ack_path import select_ack_path
from quicsim.operations.select_path import select_path
from quicsim.operations.select_retransmission import select_retransmission
from quicsim.operations.send_packet import send_packet
from quicsim.operations.set_timer import set_timer
from quicsim.operations.update_rtt import update_rtt

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicsim.quic.connection import Connection
    from quicsim.quic.frames import AckFrame, PathAckFrame
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["OPERATIONS", "CType", "Field", "Operation", "OperationTable", "Output", "Rule", "Slot", "operation_named",
           "u8", "u16", "u32", "u64"]  # fmt: skip

OPERATIONS: tuple[Operation, ...] = tuple(
    sorted(
        (
            select_retransmission,
            generate_header,
            generate_frames,
            send_packet,
            set_timer,
            retransmission_timeout,
            decide_ack,
            select_path,
            select_ack_path,
            pace_packet,
            read_packet,
            parse_frames,
            process_ack,
            update_rtt,
            detect_loss,
            congestion_control,
            init_opaque_data,
        ),
        key=lambda operation: operation.number,
    )
)

_BY_NAME = {operation.name: operation for operation in OPERATIONS}


def operation_named(name: str) -> Operation:
    """The operation of this name. Raises KeyError with the known names."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise KeyError(f"there is no operation {name!r}; the operations are {', '.join(_BY_NAME)}") from None


class OperationTable:
    """One connection's operations: an attribute is what the call site calls, a default or a closure."""

    select_retransmission: Callable[[Connection, Path, PacketNumberSpace], int]
    generate_header: Callable[[Connection, Path, Packet], int]
    generate_frames: Callable[[Connection, Path, PacketNumberSpace, Packet, int], int]
    send_packet: Callable[[Connection, Path, Packet], int]
    set_timer: Callable[[Connection, Path], int]
    retransmission_timeout: Callable[[Connection, Path, PacketNumberSpace], int]
    decide_ack: Callable[[Connection, Path, PacketNumberSpace, Packet], int]
    select_path: Callable[[Connection, Path, bool], int]
    select_ack_path: Callable[[Connection, Path], int]
    pace_packet: Callable[[Connection, Path, Packet], int]
    read_packet: Callable[[Connection, Path, Packet], int]
    parse_frames: Callable[[Connection, Path, PacketNumberSpace, Packet], int]
    process_ack: Callable[[Connection, Path, PacketNumberSpace, AckFrame | PathAckFrame], int]
    update_rtt: Callable[[Connection, Path, PacketNumberSpace, int, int], int]
    detect_loss: Callable[[Connection, Path, PacketNumberSpace], int]
    congestion_control: Callable[[Connection, Path, int, int, int], int]
    init_opaque_data: Callable[[Connection, Path], int]
    default_select_path: Callable[[Connection, Path, bool], int]
    default_select_retransmission: Callable[[Connection, Path, PacketNumberSpace], int]
    default_set_timer: Callable[[Connection, Path], int]

    __slots__ = (
        *(operation.attribute for operation in OPERATIONS),
        "default_select_path",
        "default_select_retransmission",
        "default_set_timer",
        "profile_name",
    )

    def __init__(self, profile_name: str) -> None:
        self.profile_name = profile_name
        for operation in OPERATIONS:
            self.restore(operation)
        self.default_select_path = select_path.default_for(profile_name)
        self.default_select_retransmission = select_retransmission.default_for(profile_name)
        self.default_set_timer = set_timer.default_for(profile_name)

    def restore(self, operation: Operation) -> None:
        """Let the call site call the default again."""
        setattr(self, operation.attribute, operation.default_for(self.profile_name))

    def install(self, operation: Operation, function: Callable[..., int]) -> None:
        """Let the call site call `function`, which takes the operation's arguments."""
        setattr(self, operation.attribute, function)
