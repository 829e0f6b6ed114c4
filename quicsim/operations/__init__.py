"""Which operations are there? The numbered table. Paper section 2; one file an operation, named as the paper names it.

A connection calls an operation through its `OperationTable`: while nothing is attached, the table's entry *is* the
profile's default function. Where an operation takes a parameter, the entry is a dictionary by the parameter's value; it
is empty while nothing is attached.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from quicsim.operations.congestion_control import congestion_control
from quicsim.operations.decide_ack import decide_ack
from quicsim.operations.detect_loss import detect_loss
from quicsim.operations.generate_frames import generate_frames
from quicsim.operations.generate_header import generate_header
from quicsim.operations.init_opaque_data import init_opaque_data
from quicsim.operations.operation import CType, Field, Operation, Output, Parameter, Rule, Slot, u8, u16, u32, u64
from quicsim.operations.pace_packet import pace_packet
from quicsim.operations.parse_frames import parse_frame, parse_frames
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
    from quicsim.quic.frames import AckFrame, PathAckFrame, PluginFrame
    from quicsim.quic.packet import Packet
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["OPERATIONS", "PARAMETRISED", "CType", "Field", "Operation", "OperationTable", "Output", "Parameter", "Rule",
           "Slot", "operation_named", "u8", "u16", "u32", "u64"]  # fmt: skip

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

PARAMETRISED: tuple[Operation, ...] = (parse_frame,)
"""Operations that take a parameter: the same name and number as one above, and a value behind both."""

_BY_NAME = {operation.name: operation for operation in OPERATIONS}
_PARAMETRISED_BY_NAME = {operation.name: operation for operation in PARAMETRISED}


@cache
def operation_named(name: str) -> Operation:
    """The operation of this name, `SetTimer` or `ParseFrames:0x1c00`: always the same object.

    Raises KeyError with the known names, ValueError for a parameter that the operation does not take.
    """
    base, separator, parameter = name.partition(":")
    if base not in _BY_NAME:
        raise KeyError(f"there is no operation {base!r}; the operations are {', '.join(_BY_NAME)}")
    if not separator:
        return _BY_NAME[base]
    operation = _PARAMETRISED_BY_NAME.get(base, _BY_NAME[base])
    if operation.parameter is not None and not re.fullmatch("0x[0-9a-fA-F]{1,8}", parameter):
        example = operation.parameter.values[0]
        raise ValueError(f"{parameter!r} is no {operation.parameter.meaning} in hexadecimal; one is {example:#x}")
    value = int(parameter, 16) if operation.parameter is not None else 0
    canonical = f"{base}:{value:#x}"
    return operation.with_value(value) if name == canonical else operation_named(canonical)


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
    parse_frame: dict[int, Callable[[Connection, Path, PacketNumberSpace, Packet, PluginFrame], int]]
    default_select_retransmission: Callable[[Connection, Path, PacketNumberSpace], int]
    default_set_timer: Callable[[Connection, Path], int]

    __slots__ = (
        *(operation.attribute for operation in (*OPERATIONS, *PARAMETRISED)),
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
        for parametrised in PARAMETRISED:
            setattr(self, parametrised.attribute, {})
        self.default_select_retransmission = select_retransmission.default_for(profile_name)
        self.default_set_timer = set_timer.default_for(profile_name)

    def restore(self, operation: Operation) -> None:
        """Let the call site call the default again."""
        if operation.value is None:
            setattr(self, operation.attribute, operation.default_for(self.profile_name))
        else:
            getattr(self, operation.attribute).pop(operation.value, None)

    def install(self, operation: Operation, function: Callable[..., int]) -> None:
        """Let the call site call `function`, which takes the operation's arguments."""
        if operation.value is None:
            setattr(self, operation.attribute, function)
        else:
            getattr(self, operation.attribute)[operation.value] = function
