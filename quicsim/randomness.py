"""What does chance decide here? Named streams, in which draw n depends on nothing but its name and n.

Draw n of a stream is a pure function of (scenario seed, replication, name, n), with n the index of the packet or event
that it decides. So a new component, or a packet more in one place, moves no draw elsewhere, and draws may be
taken in any order.

The function is BLAKE2b (RFC 7693) in counter mode: a 32-byte key from seed, replication and name, then 64 bytes for
each block of eight draws. It is the same everywhere, needs no argument about statistical quality, and at a block for
eight draws costs no more in Python than a 64-bit mixing function, whose multiplications make big integers.
Everything after it is integer arithmetic; no library's distributions, whose algorithms change between versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["Stream", "Streams", "threshold"]

_EIGHT_WORDS = Struct("<8Q")


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one replication.

    Attributes:
        seed: the scenario's seed, 0 or more. The variant never enters it: variants meet the same chance.
        replication: number of the replication, 0 or more.

    Raises:
        ValueError: seed or replication is negative.
    """

    seed: int
    replication: int

    def __post_init__(self) -> None:
        for name, value in (("seed", self.seed), ("replication", self.replication)):
            if value < 0:
                raise ValueError(f"{name} is {value}; give 0 or more")

    def stream(self, name: str) -> Stream:
        """The stream of the component called `name`; the same name gives the same draws."""
        return Stream(blake2b(f"{self.seed}/{self.replication}/{name}".encode(), digest_size=32).digest())


class Stream:
    """One component's draws, by index. A draw leaves no trace: the same index gives the same value again.

    Args:
        key: 32 bytes, from `Streams.stream`.
    """

    __slots__ = ("_block", "_key", "_words")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._block = -1
        self._words: tuple[int, ...] = ()

    def u64(self, n: int) -> int:
        """Draw n (0 to 2**67 - 1): uniform on 0 to 2**64 - 1."""
        block = n >> 3
        if block != self._block:
            digest = blake2b(block.to_bytes(8, "little"), key=self._key).digest()
            self._words = _EIGHT_WORDS.unpack(digest)
            self._block = block
        return self._words[n & 7]

    def below(self, n: int, bound: int) -> int:
        """Draw n, as an integer from 0 to bound - 1.

        It is draw n times bound, over 2**64, rounded down: no value's probability is off by more than 2**-64.

        Raises:
            ValueError: bound is not from 1 to 2**64.
        """
        if not 1 <= bound <= 1 << 64:
            raise ValueError(f"bound is {bound}; give 1 to 2**64")
        return self.u64(n) * bound >> 64

    def bernoulli(self, n: int, probability: Fraction) -> bool:
        """Whether the event of this probability happens at draw n; integers decide it, to within 2**-64.

        Raises:
            ValueError: probability is not from 0 to 1.
        """
        return self.u64(n) < threshold(probability)


def threshold(probability: Fraction) -> int:
    """The count of 64-bit draws, 0 to 2**64, that make an event of this probability happen: `u64(n) < threshold`.

    Raises:
        ValueError: probability is not from 0 to 1.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"probability is {probability}; give 0 to 1")
    return probability.numerator * (1 << 64) // probability.denominator
