"""Which certificate does a foreign server show? One of a given weight, the same bytes on every run.

Ed25519 (RFC 8032), since its signatures are functions of key and message and always 64 bytes long; those of ECDSA draw
a nonce, and their length varies.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from quicsim.quic.errors import QuicError

__all__ = ["certificate", "private_key"]

MESSAGE_BYTES = 13
"""What a Certificate message with one entry and no extensions has beside the certificate (RFC 8446 section 4.4.2)."""
FILLING = x509.ObjectIdentifier("2.25.1")  # of the arc for UUIDs, where nobody needs to register (X.667)
NOT_BEFORE, NOT_AFTER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def private_key() -> Ed25519PrivateKey:
    """The server's key. It guards nothing: it is as public as this line."""
    return Ed25519PrivateKey.from_private_bytes(b"quicsim: a key that is no secret")


@lru_cache
def certificate(chain_bytes: int) -> x509.Certificate:
    """A self-signed certificate with which the Certificate message weighs `chain_bytes`, or a few less.

    A few, since an ASN.1 length that takes one byte more leaves weights out. Raises QuicError where the least weighs
    more.
    """
    wanted_bytes = chain_bytes - MESSAGE_BYTES
    least_bytes = _weight(_certificate(0))
    if wanted_bytes < least_bytes:
        least = least_bytes + MESSAGE_BYTES
        raise QuicError(f"certificate_chain is {chain_bytes} bytes; aioquic's server can show {least} or more")
    filling = wanted_bytes - least_bytes
    while _weight(made := _certificate(filling)) > wanted_bytes:
        filling -= 1
    return made


def _weight(made: x509.Certificate) -> int:
    return len(made.public_bytes(Encoding.DER))


def _certificate(filling: int) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "quicsim")])
    key = private_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.UnrecognizedExtension(FILLING, bytes(filling)), critical=False)
    )
    return builder.sign(key, None)
