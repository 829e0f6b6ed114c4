"""What do a scenario's hosts say to each other? Each application's table, turned into processes on two endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicsim.apps.bulk import Receiver, Sender
from quicsim.apps.messages import Listener, Talker
from quicsim.apps.requests import Answerer, Requester
from quicsim.scenario.measure import (
    Measuring,
    MessagesMeasured,
    OpenTransferMeasured,
    RequestsMeasured,
    TransferMeasured,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicsim.endpoint import Endpoint
    from quicsim.scenario.applications import Messages, Requests, Transfer
    from quicsim.scenario.build_connection import Place, Sides

__all__ = ["build_application"]

ENDLESS_BYTES = 1 << 60  # within what a stream may carry (RFC 9000 section 4.5), and beyond any run


def build_application(place: Place, sides: Sides) -> Measuring:
    """What a connection's hosts do, ready to start."""
    [name] = place.flow.chosen
    return BUILDERS[name](getattr(place.flow, name), sides["client"].endpoint, sides["server"].endpoint)


def _requests(table: Requests, client: Endpoint, server: Endpoint) -> Measuring:
    Answerer(server, response_bytes=table.response_size_bytes)
    requester = Requester(
        client,
        count=table.count,
        request_bytes=table.request_size_bytes,
        start_ns=table.start_ns,
        gap_ns=table.gap_ns,
    )
    return RequestsMeasured(requester)


def _messages(table: Messages, client: Endpoint, server: Endpoint) -> Measuring:
    talking, listening = (client, server) if table.sender == "client" else (server, client)
    talker = Talker(
        talking,
        count=table.count,
        message_bytes=table.size_bytes,
        start_ns=table.start_ns,
        gap_ns=table.gap_ns,
    )
    return MessagesMeasured(talker, Listener(listening, message_bytes=table.size_bytes))


def _transfer(table: Transfer, client: Endpoint, server: Endpoint) -> Measuring:
    sender, receiver = (server, client) if table.sender == "server" else (client, server)
    Sender(sender, size_bytes=table.size_bytes or ENDLESS_BYTES)
    received = Receiver(receiver, request_bytes=table.request_size_bytes)
    if table.until_ns is not None:
        return OpenTransferMeasured(receiver, table.until_ns)
    return TransferMeasured(received)


BUILDERS: Mapping[str, Callable[[Any, Endpoint, Endpoint], Measuring]] = {
    "requests": _requests,
    "transfer": _transfer,
    "messages": _messages,
}
"""By an application's name in a file."""
