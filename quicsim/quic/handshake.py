"""Which handshake messages travel, and what do they unlock? RFC 9001 section 4, RFC 8446 section 4.

The messages are TLS 1.3's in number, order, framing and size. Of their content only the transport parameters mean
anything here; the rest is zeros, since no key is ever computed.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from quicsim.quic import path_control
from quicsim.quic.errors import ProtocolViolation
from quicsim.quic.frames import HandshakeDoneFrame, NewTokenFrame
from quicsim.quic.greeting import TokenKind, mint
from quicsim.quic.packet import APPLICATION, HANDSHAKE, INITIAL, Space
from quicsim.quic.parameters import TransportParameters
from quicsim.quic.states import ConnectionInput
from quicsim.quic.stream_control import take_limits

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection

__all__ = ["Handshake", "HandshakeProgress", "advance_handshake"]

CLIENT_HELLO_BYTES = 280  # assumed: one X25519 key share, a server name, ALPN, QUIC parameters
SERVER_HELLO_BYTES = 90  # RFC 8446 section 4.1.3: two extensions, an X25519 key share
ENCRYPTED_EXTENSIONS_BYTES = 100  # assumed: ALPN and QUIC parameters
CERTIFICATE_VERIFY_BYTES = 264  # RFC 8446 section 4.4.3: an RSA-PSS signature of 256 bytes
FINISHED_BYTES = 36  # RFC 8446 section 4.4.4 with SHA-256
TICKET_BYTES = 192  # assumed: a stateless ticket, encrypted by the server (RFC 5077 section 4 shows its parts)
EARLY_DATA_BYTES = 4  # RFC 8446 section 4.2.10: an extension without content
OFFERED_KEY_BYTES = 6 + 4 + 2 + 2 + TICKET_BYTES + 4 + 2 + 1 + 32
"""Sections 4.2.9 and 4.2.11: psk_key_exchange_modes; a pre_shared_key with one identity, its age and its binder."""
CHOSEN_KEY_BYTES = 6  # section 4.2.11: which of the offered keys


class Message(enum.IntEnum):
    """The handshake types of RFC 8446 section 4."""

    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    ENCRYPTED_EXTENSIONS = 8
    CERTIFICATE = 11
    CERTIFICATE_VERIFY = 15
    FINISHED = 20


class Resumption(enum.IntFlag):
    """What a ClientHello asks for, or EncryptedExtensions grant, of an earlier connection's (RFC 8446 section 2.3)."""

    NOTHING = 0
    KEY = 1
    """The server proves who it is by the key that both have, and sends no certificate."""
    EARLY_DATA = 2


class HandshakeProgress(enum.Enum):
    """What the message just received means for the connection."""

    CLIENT_HELLO = enum.auto()
    SERVER_HELLO = enum.auto()
    SERVER_FINISHED = enum.auto()
    CLIENT_FINISHED = enum.auto()


class Handshake:
    """One side's handshake: bytes to send by packet number space, progress from bytes received."""

    def __init__(self, *, is_client: bool, parameters: TransportParameters, certificate_chain_bytes: int) -> None:
        self.is_client = is_client
        self.parameters = parameters
        self.certificate_chain_bytes = certificate_chain_bytes
        self.peer_parameters: TransportParameters | None = None
        self.resumption = Resumption.NOTHING
        """What this end asks for or grants."""
        self.peer_resumption = Resumption.NOTHING
        self._received = {INITIAL: bytearray(), HANDSHAKE: bytearray()}

    def client_hello(self) -> bytes:
        """The client's only Initial message."""
        size_bytes = CLIENT_HELLO_BYTES + (OFFERED_KEY_BYTES + EARLY_DATA_BYTES if self.resumption else 0)
        return _message(Message.CLIENT_HELLO, size_bytes, self.parameters, self.resumption)

    def server_hello(self) -> bytes:
        """The server's Initial message."""
        return _message(Message.SERVER_HELLO, SERVER_HELLO_BYTES + (CHOSEN_KEY_BYTES if self.resumption else 0))

    def server_flight(self) -> bytes:
        """The server's Handshake messages, the certificate chain among them unless an earlier connection goes on."""
        granted_bytes = EARLY_DATA_BYTES if Resumption.EARLY_DATA in self.resumption else 0
        extensions = _message(
            Message.ENCRYPTED_EXTENSIONS, ENCRYPTED_EXTENSIONS_BYTES + granted_bytes, self.parameters, self.resumption
        )
        if self.resumption:
            return extensions + _message(Message.FINISHED, FINISHED_BYTES)
        return (
            extensions
            + _message(Message.CERTIFICATE, self.certificate_chain_bytes)
            + _message(Message.CERTIFICATE_VERIFY, CERTIFICATE_VERIFY_BYTES)
            + _message(Message.FINISHED, FINISHED_BYTES)
        )

    def client_finished(self) -> bytes:
        """The client's Handshake message."""
        return _message(Message.FINISHED, FINISHED_BYTES)

    def receive(self, space: Space, data: bytes) -> list[HandshakeProgress]:
        """Take contiguous handshake bytes; returns what whole messages among them bring about."""
        buffer = self._received[space]
        buffer += data
        progress = []
        while len(buffer) >= 4:
            length = int.from_bytes(buffer[1:4], "big")
            if len(buffer) < 4 + length:
                break
            kind, body = buffer[0], bytes(buffer[4 : 4 + length])
            del buffer[: 4 + length]
            if step := self._on_message(kind, body):
                progress.append(step)
        return progress

    def _on_message(self, kind: int, body: bytes) -> HandshakeProgress | None:
        if kind not in ((2, 8, 11, 15, 20) if self.is_client else (1, 20)):
            raise ProtocolViolation(f"handshake message {kind} has no place on this side")
        if kind in (Message.CLIENT_HELLO, Message.ENCRYPTED_EXTENSIONS):
            size = int.from_bytes(body[:2], "big")
            self.peer_parameters = TransportParameters.decode(body[2 : 2 + size])
            self.peer_resumption = Resumption(body[2 + size]) if len(body) > 2 + size else Resumption.NOTHING
        if kind == Message.CLIENT_HELLO:
            return HandshakeProgress.CLIENT_HELLO
        if kind == Message.SERVER_HELLO:
            return HandshakeProgress.SERVER_HELLO
        if kind == Message.FINISHED:
            return HandshakeProgress.SERVER_FINISHED if self.is_client else HandshakeProgress.CLIENT_FINISHED
        return None


def _message(
    kind: Message,
    size_bytes: int,
    parameters: TransportParameters | None = None,
    resumption: Resumption = Resumption.NOTHING,
) -> bytes:
    """A message of `size_bytes` with its header, its parameters (if any) and what it resumes first, zeros behind."""
    content = b""
    if parameters is not None:
        encoded = parameters.encode()
        content = len(encoded).to_bytes(2, "big") + encoded + (bytes([resumption]) if resumption else b"")
    body_bytes = max(size_bytes - 4, len(content))
    return bytes([kind]) + body_bytes.to_bytes(3, "big") + content.ljust(body_bytes, b"\0")


def advance_handshake(connection: Connection, progress: HandshakeProgress) -> None:
    """What a whole message brings about: keys (RFC 9001 section 4.1.4), the next message, a state."""
    path, handshake = connection.path, connection.handshake
    if progress is HandshakeProgress.CLIENT_HELLO:
        connection.move(ConnectionInput.START)
        handshake.resumption = connection.early_data.granted(handshake.peer_resumption)
        take_peer_parameters(connection)
        path.open(INITIAL)
        path.open(HANDSHAKE)
        path.open_for_sending(APPLICATION)
        path.spaces[INITIAL].crypto.sending.write(handshake.server_hello(), fin=False)
        path.spaces[HANDSHAKE].crypto.sending.write(handshake.server_flight(), fin=False)
    elif progress is HandshakeProgress.SERVER_HELLO:
        path.open(HANDSHAKE)
    elif progress is HandshakeProgress.SERVER_FINISHED:
        connection.early_data.answered(connection, handshake)
        take_peer_parameters(connection)
        path.open(APPLICATION)
        path.spaces[HANDSHAKE].crypto.sending.write(handshake.client_finished(), fin=False)
        path_control.open_at_once(connection)
        connection.move(ConnectionInput.HANDSHAKE_COMPLETE)
        connection.ids.replenish(connection, 0)
        connection.path_numbers.issue(connection)
    else:
        connection.early_data.completed(connection)
        path.open(APPLICATION)
        connection.move(ConnectionInput.HANDSHAKE_COMPLETE)
        connection.ids.replenish(connection, 0)
        connection.path_numbers.issue(connection)
        path.application.pending.append(HandshakeDoneFrame())  # with it, a client opens paths that need the IDs
        if connection.issues_tokens:
            path.application.pending.append(NewTokenFrame(mint(TokenKind.NEW_TOKEN, connection.addresses.current)))
        connection.confirm_handshake()


def take_peer_parameters(connection: Connection) -> None:
    """The peer's transport parameters are known (RFC 9000 section 7.4)."""
    parameters = connection.handshake.peer_parameters
    if parameters is None:
        raise ProtocolViolation("the peer's handshake carries no transport parameters")
    take_limits(connection, parameters)
    connection.path_numbers.agree(parameters.maximum_paths)
    connection.peer_accepts_plugins = parameters.accepts_plugins
    connection.idle.agree(parameters.idle_timeout_ns)
    connection.ack_frequency.agree(parameters)
    if parameters.max_ack_delay_ns is not None:
        connection.peer_max_ack_delay_ns = parameters.max_ack_delay_ns
