"""What does a retransmission timeout change?

Paper section 2 (the computation of the retransmission timer); RFC 9002 section 6.2.1; RFC 6298 section 5.5. Only a
default SelectRetransmission that reports a timeout calls it: a tail loss probe cuts nothing.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW, SPACE
from quicsim.operations.operation import Field, Operation, Output, Rule, u8, u32, u64
from quicsim.quic.congestion.base import TIMEOUT
from quicsim.quic.errors import ConnectionFailed
from quicsim.quic.loss import declare_lost
from quicsim.quic.packet import APPLICATION
from quicsim.quic.states import ConnectionInput

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path
    from quicsim.quic.sent import PacketNumberSpace

__all__ = ["retransmission_timeout"]

MAXIMUM_BACK_OFF = 32  # assumed: 2**32 times any timeout is longer than any run
TIMEOUTS_OF_A_BROKEN_PATH = 2  # assumed: one may be a loss of the tail
MP_QUIC_GIVEN_UP = 2  # packets a timeout, while the path is heard of; mp-quic (2017)

retransmission_timeout = Operation(
    number=0x06,
    name="RetransmissionTimeout",
    meaning="Backs off after a timeout; some stacks also cut the window.",
    source="paper section 2; RFC 9002 section 6.2.1",
    arguments=("connection", "path", "space"),
    inputs=(
        NOW,
        SPACE,
        Field("pto_count", u32, "path.pto_count", "timeouts in a row on the path before this one", writable=True),
        Field(
            "space_timeouts", u32, "space.timeouts", "timeouts in a row in this space before this one", writable=True
        ),
        Field("ping_needed", u8, "space.ping_needed", "1: something ack-eliciting goes out at once", writable=True),
        Field("bytes_in_flight", u64, "path.bytes_in_flight", "bytes sent, not acknowledged and not lost"),
        Field("cwnd_bytes", u64, "path.cwnd_bytes", "congestion window"),
    ),
    output=Output(u32, "timeouts in a row, this one included; for information"),
    rules=(
        Rule(f"pto_count <= {MAXIMUM_BACK_OFF}"),
        Rule(f"space_timeouts <= {MAXIMUM_BACK_OFF}"),
        Rule("ping_needed <= 1"),
    ),
)


def count_timeout(connection: Connection, path: Path, space: PacketNumberSpace) -> None:
    """One more in a row; the connection fails at the profile's limit."""
    path.pto_count += 1
    connection.counts.timeouts += 1
    if space.timed_out_ns != connection.now_ns:
        space.timed_out_ns = connection.now_ns
        space.timeouts += 1
    limit = connection.profile.maximum_timeouts
    if limit and space.timeouts >= limit:
        connection.move(ConnectionInput.GIVE_UP)
        raise ConnectionFailed(f"{connection.recorder.name}: {space.timeouts} timeouts in a row without an answer")


@retransmission_timeout.default()
def probe(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """Back off and make sure that something ack-eliciting goes out, even with nothing to repeat (section 6.2.4).

    Before the handshake is confirmed it goes out in each of its spaces with packets in flight, coalesced: a peer that
    lacks the ServerHello cannot read what a probe in the Handshake space repeats.
    """
    count_timeout(connection, path, space)
    space.ping_needed = True
    for other in path.open_spaces:
        if other.ack_eliciting_in_flight and (other.kind is not APPLICATION or connection.early_data.may_be_sent):
            other.ping_needed = True
    return path.pto_count


@retransmission_timeout.default("multipath")
def probe_or_suspect(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """The same. A path that times out twice in a row seems broken: another one repeats what is in flight there."""
    count = probe(connection, path, space)
    if count >= TIMEOUTS_OF_A_BROKEN_PATH and space.kind is APPLICATION and not path.is_potentially_failed:
        path.is_potentially_failed = True
        space.duplicates.extend(space.outstanding)
    return count


@retransmission_timeout.default("picoquic")
def give_up_packet(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """Back off, take the oldest packet for lost, and restart from the minimum window; with none in flight, probe."""
    count_timeout(connection, path, space)
    if not space.outstanding:
        space.ping_needed = True
        return path.pto_count
    oldest = next(iter(space.outstanding.values()))
    declare_lost(connection, path, space, [oldest], "retransmission timeout")
    connection.operations.congestion_control(connection, path, TIMEOUT, oldest.size_bytes, oldest.sent_ns)
    return path.pto_count


@retransmission_timeout.default("mp-quic")
def give_up_two_packets_or_the_path(connection: Connection, path: Path, space: PacketNumberSpace) -> int:
    """Back off, take the two oldest packets for lost, restart from the minimum window.

    Where nothing has arrived on the path since the last packet went out, all packets are taken for lost, and with other
    paths about this one is left alone until something arrives on it, which a PING asks for.
    """
    if not connection.is_confirmed and path is connection.path:
        return probe(connection, path, space)
    count_timeout(connection, path, space)
    is_silent = path.last_received_ns <= path.last_sent_ns  # at one instant, what is sent answers what has arrived
    oldest = list(islice(space.outstanding.values(), None if is_silent else MP_QUIC_GIVEN_UP))
    if oldest:
        declare_lost(connection, path, space, oldest, "retransmission timeout")
        connection.operations.congestion_control(connection, path, TIMEOUT, oldest[-1].size_bytes, oldest[-1].sent_ns)
    if is_silent and len(connection.paths) > 1:
        path.is_potentially_failed = True
        space.ping_needed = True
    return path.pto_count
