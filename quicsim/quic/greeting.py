"""May the handshake begin? Version negotiation, address validation by Retry or by a token. RFC 9000 sections 6 and 8.1.

Before a server takes part in a handshake it may answer a client's first packet with a Version Negotiation packet or a
Retry; the client then begins again, once for each. Either costs a round trip. RFC 9002 section 6.3; RFC 9368 section
2.3. Tokens are not encrypted here; their size is that of sealed ones.
"""

from __future__ import annotations

import enum
from hashlib import blake2b
from typing import TYPE_CHECKING

from quicsim.events import Code, PacketReceived, PacketSent
from quicsim.quic.datagram_frames import report_lost
from quicsim.quic.ending import violated
from quicsim.quic.errors import ConnectionFailed, InvalidTokenError, QuicError
from quicsim.quic.headers import encode_answer
from quicsim.quic.packet import (
    CONNECTION_ID_BYTES,
    INITIAL,
    Datagram,
    Retry,
    VersionNegotiation,
)
from quicsim.quic.rtt import RttEstimator
from quicsim.quic.states import ConnectionInput, PathInput

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.packet import Address, Answer

__all__ = ["Greeting", "TokenKind", "begin_again", "mint"]

TOKEN_BYTES = 32
"""Assumed: who may use it, and when, in 16 bytes, and an AEAD's tag. aioquic's have 256 bytes, quic-go's about 100."""
AEAD_TAG_BYTES = 16
UNNUMBERED = 3
"""Where the space of a packet stands in the digest: it has none."""


class TokenKind(enum.IntEnum):
    """What a token is from (RFC 9000 section 8.1.1: a server must be able to tell)."""

    RETRY = 1
    NEW_TOKEN = 2


def mint(kind: TokenKind, address: Address | None) -> bytes:
    """A token for a client at this address; of one in a NEW_TOKEN frame the port does not count (section 8.1.3)."""
    place = "" if address is None else address.host if kind is TokenKind.NEW_TOKEN else f"{address.host}:{address.port}"
    binding = blake2b(place.encode(), digest_size=TOKEN_BYTES - AEAD_TAG_BYTES - 1).digest()
    return bytes([kind]) + binding + bytes(AEAD_TAG_BYTES)


class Greeting:
    """What one end may do until the handshake has begun."""

    __slots__ = ("_answers", "_has_begun_again", "_retries", "_versions")

    def __init__(self, versions: tuple[int, ...], *, retries: bool) -> None:
        if not versions or min(versions) < 1:
            raise QuicError(f"versions are {list(versions)}; give one or more, of which none is 0")
        self._versions = versions
        """In the order of preference."""
        self._retries = retries
        """A server validates the address of whoever has no token."""
        self._answers: list[Answer] = []
        self._has_begun_again: set[type[Answer]] = set()
        """Because of which kinds of answer a client has (sections 6.2 and 17.2.5.2: once each)."""

    @property
    def preferred(self) -> int:
        """The version that a client offers first."""
        return self._versions[0]

    def lets_in(self, connection: Connection, datagram: Datagram) -> bool:
        """Whether a datagram's packets are to be processed; the greeting is over with the first that are.

        Raises ConnectionFailed where client and server have no version in common.
        """
        if datagram.answer is not None:
            if connection.is_client:
                note_received(connection, datagram)
                self._take(connection, datagram.answer)
            return False
        if connection.is_client:
            connection.greeting = None
            return True
        if datagram.packets[0].space is not INITIAL:
            return True
        answer = self._answer_to(connection, datagram)
        if answer is None:
            connection.greeting = None
            return connection.end is None
        connection.path.bytes_received += datagram.size_bytes
        self._answers.append(answer)
        return False

    # The server

    def _answer_to(self, connection: Connection, datagram: Datagram) -> Answer | None:
        """What a client gets in the place of a handshake; None: it may begin (sections 5.2.2, 6.1, 8.1.2, 8.1.3)."""
        if datagram.version not in self._versions:
            return VersionNegotiation(self._versions)
        kind = kind_of(datagram.token, datagram.address)
        if kind is not None:
            connection.path.move(PathInput.TOKEN)
            connection.path.is_limited = False
        elif datagram.token[:1] == bytes([TokenKind.RETRY]):
            connection.move(ConnectionInput.START)
            connection.path.open(INITIAL)
            connection.path.bytes_received += datagram.size_bytes
            violated(connection, InvalidTokenError("the token of a Retry was used from another address"))
        elif self._retries:
            return Retry(mint(TokenKind.RETRY, datagram.address))
        return None

    def datagrams_to_send(self, connection: Connection) -> list[Datagram]:
        """The answers that are owed."""
        datagrams = [answering(answer) for answer in self._answers]
        self._answers.clear()
        for datagram in datagrams:
            note_sent(connection, datagram)
        return datagrams

    # The client

    def _take(self, connection: Connection, answer: Answer) -> None:
        """Begin again as the server's answer asks, unless it asks twice, or for nothing (sections 6.2, 17.2.5.2)."""
        if answer.__class__ in self._has_begun_again:
            return
        if isinstance(answer, VersionNegotiation):
            if connection.version in answer.versions:
                return
            common = next((version for version in self._versions if version in answer.versions), None)
            if common is None:
                connection.move(ConnectionInput.GIVE_UP)
                connection.path.give_up()
                raise ConnectionFailed(
                    f"no version in common: the client has {listed(self._versions)}, the server "
                    f"{listed(answer.versions)}"
                )
            connection.version = common
        elif not answer.token:
            return
        else:
            connection.token = answer.token
        self._has_begun_again.add(answer.__class__)
        begin_again(connection, numbers_go_on=isinstance(answer, Retry))


def kind_of(token: bytes, address: Address | None) -> TokenKind | None:
    """What a token from this address is from; None: it is none, or another client's."""
    return next((kind for kind in TokenKind if token == mint(kind, address)), None)


def listed(versions: tuple[int, ...]) -> str:
    """Versions as a reader knows them."""
    return ", ".join(f"{version:#x}" for version in versions)


def begin_again(connection: Connection, *, numbers_go_on: bool) -> None:
    """Send the ClientHello once more: nothing of the first attempt counts (RFC 9002 section 6.3).

    After a Retry packet numbers go on (RFC 9000 section 17.2.5.3); another version is another attempt. The time until
    the answer is taken for the initial round-trip time where it answers the only packet that was sent.
    """
    path, now_ns = connection.path, connection.now_ns
    space = path.spaces[INITIAL]
    sent = list(space.outstanding.values())
    path.restart(INITIAL, keeps_number=numbers_go_on)
    report_lost(connection, path.application.outstanding.values())
    path.begin_anew(connection.profile, connection.new_controller(), now_ns)
    if len(sent) == 1:
        path.rtt = RttEstimator(now_ns - sent[0].sent_ns)
    space.crypto.sending.write(connection.handshake.client_hello(), fin=False)


def answering(answer: Answer) -> Datagram:
    """A datagram with an answer, as large as it is encoded."""
    size_bytes = len(encode_answer(answer, bytes(CONNECTION_ID_BYTES), bytes(CONNECTION_ID_BYTES)))
    return Datagram((), size_bytes, (), answer=answer)


def note_sent(connection: Connection, datagram: Datagram) -> None:
    """Account for an answer that goes out: it counts against the amplification limit as anything does."""
    path, recorder, now_ns = connection.path, connection.recorder, connection.now_ns
    size_bytes = datagram.size_bytes
    path.bytes_sent += size_bytes
    connection.counts.packets_sent += 1
    recorder.record(Code.PACKET_SENT, now_ns, path.trace_base + UNNUMBERED, size_bytes)
    if recorder.subscribers:
        kind = packet_type(datagram)
        recorder.emit(PacketSent(now_ns, recorder.name, kind, 0, size_bytes, (), False, path.path_id))


def note_received(connection: Connection, datagram: Datagram) -> None:
    """Account for an answer that came."""
    path, recorder, now_ns = connection.path, connection.recorder, connection.now_ns
    path.bytes_received += datagram.size_bytes
    connection.counts.packets_received += 1
    recorder.record(Code.PACKET_RECEIVED, now_ns, path.trace_base + UNNUMBERED, datagram.size_bytes)
    if recorder.subscribers:
        kind = packet_type(datagram)
        recorder.emit(PacketReceived(now_ns, recorder.name, kind, 0, datagram.size_bytes, (), path.path_id))


def packet_type(datagram: Datagram) -> str:
    """What stands in the trace in the place of a packet number space: qlog's name of the packet's type."""
    return "retry" if isinstance(datagram.answer, Retry) else "version_negotiation"
