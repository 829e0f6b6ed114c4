"""Where does aioquic get its randomness, and how is each of these places fed from a named stream instead?

aioquic 1.7 draws connection IDs, tokens, path challenges and the client's random from `os.urandom`, makes ephemeral
keys with the cryptography package, and keeps streams in sets, which a stream's address would order. `replaced` puts
ours in their place in aioquic's own modules for the length of one call, so that other users of aioquic in the process
see nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aioquic.quic.connection
import aioquic.quic.packet
import aioquic.tls
from aioquic.quic.stream import QuicStream
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from quicsim.randomness import Stream

__all__ = ["Chance"]

WORD_BYTES = 8
X25519_KEY_BYTES = 32
X448_KEY_BYTES = 56


class NumberedStream(QuicStream):
    """A stream that sets order by its number."""

    def __hash__(self) -> int:
        return -2 if self.stream_id is None else self.stream_id

    def __eq__(self, other: object) -> bool:
        return self is other


class InPlaceOf:
    """A module of which some names are others; the rest is the module's."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class Chance:
    """One endpoint's source of random bytes: those of a stream, one after another."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._words = 0
        self._replacements = tuple(self._all_replacements())

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes; each call begins with a draw of its own."""
        words = -(-count // WORD_BYTES)
        drawn = [self._stream.u64(self._words + n).to_bytes(WORD_BYTES, "little") for n in range(words)]
        self._words += words
        return b"".join(drawn)[:count]

    @contextmanager
    def replaced(self) -> Iterator[None]:
        """Within this, aioquic draws from here."""
        before = [getattr(module, name) for module, name, _value in self._replacements]
        try:
            for module, name, value in self._replacements:
                setattr(module, name, value)
            yield
        finally:
            for (module, name, _value), value in zip(self._replacements, before, strict=True):
                setattr(module, name, value)

    def _all_replacements(self) -> Iterator[tuple[ModuleType, str, Any]]:
        for module in (aioquic.quic.connection, aioquic.quic.packet, aioquic.tls):
            yield module, "os", InPlaceOf(module.os, urandom=self.bytes)
        yield aioquic.quic.connection, "QuicStream", NumberedStream
        yield aioquic.tls, "ec", InPlaceOf(ec, generate_private_key=self._elliptic_curve_key)
        yield (
            aioquic.tls,
            "x25519",
            InPlaceOf(x25519, X25519PrivateKey=InPlaceOf(x25519.X25519PrivateKey, generate=self._x25519_key)),
        )
        yield (
            aioquic.tls,
            "x448",
            InPlaceOf(x448, X448PrivateKey=InPlaceOf(x448.X448PrivateKey, generate=self._x448_key)),
        )

    def _elliptic_curve_key(self, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        # Of the group's order a number so much shorter cannot be beyond; that it is never 0 is all that is asked of it.
        return ec.derive_private_key(1 + int.from_bytes(self.bytes(curve.key_size // 8 - 1), "little"), curve)

    def _x25519_key(self) -> x25519.X25519PrivateKey:
        return x25519.X25519PrivateKey.from_private_bytes(self.bytes(X25519_KEY_BYTES))

    def _x448_key(self) -> x448.X448PrivateKey:
        return x448.X448PrivateKey.from_private_bytes(self.bytes(X448_KEY_BYTES))
