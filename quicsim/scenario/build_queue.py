"""Which discipline runs a queue, with which limits in bytes or packets? And what is wrong with one as it is written?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.net.queue import Discipline, DropTail
from quicsim.net.red import LinuxRed, Red
from quicsim.scenario.network import QUEUE_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from quicsim.scenario.errors import Key
    from quicsim.scenario.network import Queue, QueueLimit

__all__ = ["discipline", "queue_problems"]


def discipline(queue: Queue, sender: str, rate_bps: int, product_bytes: Fraction | None) -> Discipline:
    """How the queue before one direction of a link is run.

    Args:
        queue: as it is written.
        sender: who sends in this direction.
        rate_bps: the link's rate in this direction.
        product_bytes: what "1 BDP" is here; None where it is nothing.

    Raises:
        ValueError: its values do not go together.
    """
    limit = _amount(queue.limit_of(sender), product_bytes)
    in_packets = queue.limit.unit == "packets"
    match queue.kind:
        case "drop-tail":
            return DropTail(limit_packets=limit) if in_packets else DropTail(limit_bytes=limit)
        case "red":
            minimum, maximum = _thresholds(queue, limit, product_bytes)
            return Red(
                minimum=minimum,
                maximum=maximum,
                limit=limit,
                in_packets=in_packets,
                max_probability=queue.max_probability,
                weight=queue.weight,
                mean_packet_bytes=queue.mean_packet_bytes,
                packet_time_ns=queue.packet_time_ns,
                gentle=queue.gentle,
                wait=queue.wait,
                ecn=queue.ecn,
                hard_drop=queue.hard_drop,
            )
        case "linux-red":
            minimum, maximum = _thresholds(queue, limit, product_bytes)
            return LinuxRed(
                minimum_bytes=minimum,
                maximum_bytes=maximum,
                limit_bytes=limit,
                bandwidth_bps=rate_bps if queue.bandwidth_bps is None else queue.bandwidth_bps,
                max_probability=queue.max_probability,
                mean_packet_bytes=queue.mean_packet_bytes,
                burst_packets=queue.burst_packets,
                ecn=queue.ecn,
                hard_drop=queue.hard_drop,
            )


def queue_problems(
    queue: Queue, sender: str, rate_bps: int, product_bytes: Fraction | None
) -> Iterator[tuple[Key, str]]:
    """What is wrong with a queue where `sender` uses it: keys within its table, and a sentence for each."""
    own = QUEUE_KEYS[queue.kind]
    foreign = [key for key in queue.written_keys() if key not in (*own, "kind", "limit", "at_least")]
    for name in foreign:
        kinds = " or ".join(f'"{kind}"' for kind, keys in QUEUE_KEYS.items() if name in keys)
        yield (name,), f'is for a queue of kind {kinds}; this one is "{queue.kind}"'
    if foreign:
        return
    unit = queue.limit.unit
    if unit == "packets" and queue.kind == "linux-red":
        yield ("limit",), "Linux's red counts bytes; give a size, or BDP"
        return
    for key, threshold in queue.limits():
        if (threshold.unit == "packets") != (unit == "packets"):
            yield key, f"counts {threshold.unit} and limit counts {unit}"
            return
        if threshold.unit == "BDP" and product_bytes is None:
            yield key, "no route between client and server goes through this link: it has no BDP; give bytes or packets"
            return
    try:
        discipline(queue, sender, rate_bps, product_bytes)
    except ValueError as error:
        by_sender = any(threshold.unit == "BDP" for _, threshold in queue.limits())
        yield (), f'{error} (for what "{sender}" sends)' if by_sender else str(error)


def _thresholds(queue: Queue, limit: int, product_bytes: Fraction | None) -> tuple[int, int]:
    """The minimum and the maximum; where one is not given, what tc takes, after Floyd's advice."""
    minimum = 0 if queue.minimum is None else _amount(queue.minimum, product_bytes)
    if queue.maximum is not None:
        maximum = _amount(queue.maximum, product_bytes)
    else:
        maximum = limit // 4 if queue.minimum is None else 3 * minimum
    return (maximum // 3 if queue.minimum is None else minimum), maximum


def _amount(limit: QueueLimit, product_bytes: Fraction | None) -> int:
    """How many packets, or how many bytes."""
    if limit.unit == "BDP":
        assert product_bytes is not None  # queue_problems has seen to it
        return int(limit.amount * product_bytes)
    return int(limit.amount)
