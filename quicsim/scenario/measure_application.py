"""What did an application see? The numbers taken from it when the run is over.

Metrics carry their unit last; where there is a sample for each request or message, the metric is their median.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simpy.events import Event

    from quicsim.apps.bulk import Receiver
    from quicsim.apps.datagrams import Sink, Source
    from quicsim.apps.messages import Listener, Talker
    from quicsim.apps.requests import Requester
    from quicsim.apps.video import Player
    from quicsim.apps.web import Page
    from quicsim.endpoint import Endpoint

__all__ = [
    "DatagramsMeasured",
    "Measured",
    "Measuring",
    "MessagesMeasured",
    "OpenTransferMeasured",
    "PageMeasured",
    "RequestsMeasured",
    "TransferMeasured",
    "VideoMeasured",
]

NANOSECONDS_PER_SECOND = 1_000_000_000

Measured = tuple[dict[str, float], dict[str, tuple[float, ...]]]
"""Metrics of one connection, and samples of each of its requests or messages."""


class Measuring(Protocol):
    """An application that can be asked what it saw once it is over."""

    finished: Event
    """A process or a plain event, for SimPy's conditions stop watching what those within them wait for."""

    def measure(self, started_ns: int) -> Measured:
        """What it saw on a connection whose client connected then."""


class RequestsMeasured:
    """Completion of each request, and how soon its lost first packet was repaired."""

    def __init__(self, requester: Requester, *, counts_abandoned: bool = False) -> None:
        self._requester = requester
        self._counts_abandoned = counts_abandoned
        self.finished: Event = requester.finished

    def measure(self, started_ns: int) -> Measured:
        """`completion_s`: from writing a request to its answer's last byte.

        `reaction_s`: from the first packet with the request's beginning to the next one with it; absent where no
        request was sent twice. Where requests may be abandoned, `abandoned` is how many were, and `abandoned_bytes`
        what had come for nothing of their answers; `completion_s` is of the others, and absent where there are none.
        """
        requester = self._requester
        starts = requester.endpoint.stream_starts_ns
        sent_ns = [starts.get(f"stream-start:{stream_id}", ()) for stream_id in requester.stream_ids]
        completions = tuple(ns / NANOSECONDS_PER_SECOND for ns in requester.completions_ns if ns)
        samples = {"completion_s": completions} if completions else {}
        reactions = tuple((times[1] - times[0]) / NANOSECONDS_PER_SECOND for times in sent_ns if len(times) > 1)
        if reactions:
            samples["reaction_s"] = reactions
        metrics = {name: median(values) for name, values in samples.items()}
        if self._counts_abandoned:
            metrics |= abandoned(requester.abandoned_bytes)
        return metrics, samples


def abandoned(each_bytes: Sequence[int]) -> dict[str, float]:
    """What was abandoned: how often, and how many bytes had come for nothing."""
    return {"abandoned": float(len(each_bytes)), "abandoned_bytes": float(sum(each_bytes))}


class MessagesMeasured:
    """How long each message was under way."""

    def __init__(self, talker: Talker, listener: Listener) -> None:
        self._talker = talker
        self._listener = listener
        self.finished: Event = listener.finished

    def measure(self, started_ns: int) -> Measured:
        """`delay_s`: from writing a message to its last byte at the other end, in order."""
        pairs = zip(self._talker.written_ns, self._listener.arrived_ns, strict=True)
        delays = tuple((arrived_ns - written_ns) / NANOSECONDS_PER_SECOND for written_ns, arrived_ns in pairs)
        return {"delay_s": median(delays)}, {"delay_s": delays}


class DatagramsMeasured:
    """How many datagrams arrived, how many of them in time, and how evenly."""

    def __init__(self, source: Source, sink: Sink, deadline_ns: int) -> None:
        self._source = source
        self._sink = sink
        self._deadline_ns = deadline_ns
        self.finished: Event = source.finished

    def measure(self, started_ns: int) -> Measured:
        """`arrived_ratio` and `in_time_ratio`: of all that were to be sent; `expired` and `reported_lost`: how many.

        `delay_s`: from handing one to the stack to its arrival, and `jitter_s`, RFC 3550's over all arrivals; both
        absent where none arrived.
        """
        source, arrived_ns = self._source, self._sink.arrived_ns
        delays_ns = {number: instant_ns - source.sent_ns[number] for number, instant_ns in arrived_ns.items()}
        count = len(source.sent_ns)
        in_time = sum(delay_ns <= self._deadline_ns for delay_ns in delays_ns.values())
        metrics = {
            "arrived_ratio": len(delays_ns) / count,
            "in_time_ratio": in_time / count,
            "expired": float(source.expired),
            "reported_lost": float(source.reported_lost),
        }
        if not delays_ns:
            return metrics, {}
        delays = tuple(delay_ns / NANOSECONDS_PER_SECOND for delay_ns in delays_ns.values())
        metrics |= {"delay_s": median(delays), "jitter_s": interarrival_jitter(delays)}
        return metrics, {"delay_s": delays}


def interarrival_jitter(delays: Sequence[float]) -> float:
    """RFC 3550 section 6.4.1, in the delays' unit and the order of arrival: J += (|D| - J) / 16."""
    jitter = 0.0
    for before, after in pairwise(delays):
        jitter += (abs(after - before) - jitter) / 16
    return jitter


class TransferMeasured:
    """Completion of the one transfer."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.finished: Event = receiver.finished

    def measure(self, started_ns: int) -> Measured:
        """`completion_s`: from connecting to the last byte, handshake and request included; `goodput_bps` over it."""
        duration_ns = self._receiver.completed_ns - started_ns
        goodput_bps = self._receiver.received_bytes * 8 * NANOSECONDS_PER_SECOND / duration_ns
        return {"completion_s": duration_ns / NANOSECONDS_PER_SECOND, "goodput_bps": goodput_bps}, {}


class OpenTransferMeasured:
    """What one transfer without an end delivered until an instant."""

    def __init__(self, endpoint: Endpoint, until_ns: int) -> None:
        self._connection = endpoint.connection
        self._until_ns = until_ns
        self.finished: Event = endpoint.clock.timeout(until_ns)

    def measure(self, started_ns: int) -> Measured:
        """`goodput_bps`: the application's data delivered in order, from connecting on."""
        streams = self._connection.receiving_streams
        delivered_bytes = sum(stream.delivered for stream_id, stream in streams.items() if not stream_id & 2)
        return {"goodput_bps": delivered_bytes * 8 * NANOSECONDS_PER_SECOND / (self._until_ns - started_ns)}, {}


class VideoMeasured:
    """How a film played."""

    def __init__(self, player: Player, *, counts_abandoned: bool = False) -> None:
        self._player = player
        self._counts_abandoned = counts_abandoned
        self.finished: Event = player.finished

    def measure(self, started_ns: int) -> Measured:
        """`stalls` and `stalled_s`: how often and for how long playing stopped.

        `startup_s`: from connecting to its start; `bitrate_bps`: the mean over the segments, as they play alike;
        `switches`: how often it changed; `completion_s`: of each segment's download, from the first asking on;
        `abandoned` and `abandoned_bytes` where segments may be abandoned.
        """
        player = self._player
        chosen = player.chosen_bps
        completions = tuple(ns / NANOSECONDS_PER_SECOND for ns in player.downloads_ns)
        metrics = {
            "stalls": float(player.stalls),
            "stalled_s": player.stalled_ns / NANOSECONDS_PER_SECOND,
            "startup_s": (player.first_played_ns - started_ns) / NANOSECONDS_PER_SECOND,
            "bitrate_bps": sum(chosen) / len(chosen),
            "switches": float(sum(one != other for one, other in pairwise(chosen))),
            "completion_s": median(completions),
        }
        if self._counts_abandoned:
            metrics |= abandoned(player.abandoned_bytes)
        return metrics, {"completion_s": completions}


class PageMeasured:
    """How long a page took."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.finished: Event = page.finished

    def measure(self, started_ns: int) -> Measured:
        """`load_s`: from connecting to the last object's last byte; `completion_s`: of each from being asked for."""
        page = self._page
        completions = tuple(ns / NANOSECONDS_PER_SECOND for ns in page.completions_ns)
        metrics = {"load_s": (page.loaded_ns - started_ns) / NANOSECONDS_PER_SECOND}
        return metrics | {"completion_s": median(completions)}, {"completion_s": completions}
