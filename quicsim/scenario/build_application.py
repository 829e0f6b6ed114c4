"""What do a scenario's hosts say to each other? Each application's table, turned into processes on two endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicsim.apps.asking import Answerer, Asker
from quicsim.apps.bulk import Receiver, Sender
from quicsim.apps.datagrams import Sink, Source
from quicsim.apps.messages import Listener, Talker
from quicsim.apps.requests import Drawn, Requester
from quicsim.apps.video import Film, Player
from quicsim.apps.web import Page, PageObject
from quicsim.scenario.measure_application import (
    DatagramsMeasured,
    MessagesMeasured,
    OpenTransferMeasured,
    PageMeasured,
    RequestsMeasured,
    TransferMeasured,
    VideoMeasured,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicsim.distributions import Distribution
    from quicsim.endpoint import Endpoint
    from quicsim.scenario.applications import Datagrams, Messages, Requests, Transfer, Video, Web
    from quicsim.scenario.build_connection import Place, Sides
    from quicsim.scenario.measure_application import Measuring

__all__ = ["build_application"]

ENDLESS_BYTES = 1 << 60  # within what a stream may carry (RFC 9000 section 4.5), and beyond any run


def build_application(place: Place, sides: Sides) -> Measuring:
    """What a connection's hosts do, ready to start."""
    [name] = place.flow.chosen
    return BUILDERS[name](getattr(place.flow, name), place, sides["client"].endpoint, sides["server"].endpoint)


def _requests(table: Requests, place: Place, client: Endpoint, server: Endpoint) -> Measuring:
    def drawn(distribution: Distribution, of: str) -> Drawn:
        return Drawn(distribution, place.streams.stream(place.component(f"requests:{of}")))

    requester = Requester(
        Asker(client, Answerer(server)),
        count=table.count,
        request_bytes=drawn(table.request_size_bytes, "request_size"),
        response_bytes=drawn(table.response_size_bytes, "response_size"),
        start_ns=table.start_ns,
        gap_ns=drawn(table.gap_ns, "gap"),
        streams=table.streams,
        every_ns=None if table.every_ns is None else drawn(table.every_ns, "every"),
        abandon_after_ns=table.abandon_after_ns,
    )
    return RequestsMeasured(requester, counts_abandoned=table.abandon_after_ns is not None)


def _messages(table: Messages, place: Place, client: Endpoint, server: Endpoint) -> Measuring:
    talking, listening = (client, server) if table.sender == "client" else (server, client)
    talker = Talker(
        talking,
        count=table.count,
        message_bytes=table.size_bytes,
        start_ns=table.start_ns,
        gap_ns=table.gap_ns,
    )
    return MessagesMeasured(talker, Listener(listening, message_bytes=table.size_bytes))


def _datagrams(table: Datagrams, place: Place, client: Endpoint, server: Endpoint) -> Measuring:
    sending, receiving = (client, server) if table.sender == "client" else (server, client)
    source = Source(
        sending,
        count=table.count,
        data_bytes=table.size_bytes,
        gap_ns=table.gap_ns,
        deadline_ns=table.deadline_ns,
        start_ns=table.start_ns,
        lifetime_ns=table.lifetime_ns,
    )
    return DatagramsMeasured(source, Sink(receiving), table.deadline_ns)


def _transfer(table: Transfer, place: Place, client: Endpoint, server: Endpoint) -> Measuring:
    sender, receiver = (server, client) if table.sender == "server" else (client, server)
    size_bytes = table.size_bytes or ENDLESS_BYTES
    Sender(sender, size_bytes=size_bytes, rate_bps=table.rate_bps, write_every_ns=table.write_every_ns)
    received = Receiver(receiver, request_bytes=table.request_size_bytes)
    if table.until_ns is not None:
        return OpenTransferMeasured(receiver, table.until_ns)
    return TransferMeasured(received)


def _video(table: Video, place: Place, client: Endpoint, server: Endpoint) -> Measuring:
    film = Film(
        segments=table.segments,
        segment_ns=table.segment_ns,
        bitrates_bps=table.bitrates_bps,
        buffer_ns=table.buffer_ns,
        startup_ns=table.startup_ns,
    )
    asker = Asker(client, Answerer(server))
    player = Player(
        asker,
        film,
        adaptation=table.adaptation,
        request_bytes=table.request_size_bytes,
        abandon_after_ns=table.abandon_after_ns,
    )
    return VideoMeasured(player, counts_abandoned=table.abandon_after_ns is not None)


def _web(table: Web, place: Place, client: Endpoint, server: Endpoint) -> Measuring:
    request_bytes = table.request_size_bytes
    objects = [
        PageObject(each.name, each.size_bytes, request_bytes, each.after, each.wait_ns) for each in table.objects
    ]
    return PageMeasured(Page(Asker(client, Answerer(server)), objects))


BUILDERS: Mapping[str, Callable[[Any, Place, Endpoint, Endpoint], Measuring]] = {
    "requests": _requests,
    "transfer": _transfer,
    "messages": _messages,
    "datagrams": _datagrams,
    "video": _video,
    "web": _web,
}
"""By an application's name in a file."""
