"""What was measured of other QUIC stacks, and how near to that must a run of ours come?

quic_stacks.json says how the stacks were run, and its `tolerance` in words what TOLERANCES below has as a table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "PACKAGED",
    "SEEDS",
    "Bounds",
    "Row",
    "WrongReference",
    "bounds",
    "read_rows",
    "rows_named",
]  # fmt: skip

PACKAGED = Path(__file__).with_name("quic_stacks.json")
SEEDS = 20
"""Runs of a row with random loss: as many as the reference's medians are of."""

BASELINE = "aioquic_rfc"
"""The stack that was patched to do as RFC 9002 says: what a row of ours is held against."""

SPARSE_LOSS_DATAGRAMS = 400
LARGEST_SMALL_BYTES = 1_000_000
SLOWEST_SMALL_BPS = 1_000_000


class WrongReference(ValueError):  # noqa: N818
    """A file of reference rows cannot be used; the message names the file, the row and the key."""


@dataclass(frozen=True, slots=True)
class Row:
    """One download over one link, and how long each stack took for it."""

    name: str
    congestion_control: str
    rate_bps: int
    one_way_delay_ns: int
    buffer_bytes: int
    download_bytes: int
    loss: Fraction
    drop_every: int
    completion_s: dict[str, float]
    """By stack, the median where it ran several times; without those that did not finish."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """What makes the scenario bulk_download this row."""
        return (
            f"quic.congestion_control={self.congestion_control}",
            f"links.bottleneck.rate={self.rate_bps}bps",
            f"links.bottleneck.delay={self.one_way_delay_ns}ns",
            f"links.bottleneck.queue.limit={self.buffer_bytes}B",
            f"links.bottleneck.loss={self.loss}",
            f"links.bottleneck.drop_every={self.drop_every}",
            f"transfer.size={self.download_bytes}B",
        )

    @property
    def runs(self) -> int:
        """How often it is run: once where nothing is left to chance."""
        return SEEDS if self.loss else 1

    @property
    def is_lossy(self) -> bool:
        """Whether datagrams are lost that the buffer had room for."""
        return bool(self.loss or self.drop_every)

    @property
    def bandwidth_delay_products(self) -> Fraction:
        """The buffer, in products of the rate and the round trip without queueing."""
        return Fraction(self.buffer_bytes * 8 * 1_000_000_000, self.rate_bps * 2 * self.one_way_delay_ns)


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where to where a completion time is within, in seconds, and why."""

    reference_s: float
    low_s: float
    high_s: float
    rule: str

    def holds(self, completion_s: float) -> bool:
        """Whether this time lies within."""
        return self.low_s <= completion_s <= self.high_s


TOLERANCES: tuple[tuple[str, Callable[[Row], bool], float], ...] = (
    ("random loss", lambda row: bool(row.loss), 0.10),
    ("sparse periodic loss", lambda row: row.drop_every >= SPARSE_LOSS_DATAGRAMS, 0.15),
    ("periodic loss", lambda row: bool(row.drop_every), 0.05),
    (
        "small transfer",
        lambda row: row.download_bytes <= LARGEST_SMALL_BYTES and row.rate_bps > SLOWEST_SMALL_BPS,
        0.05,
    ),
    ("bulk, deep buffer", lambda row: row.bandwidth_delay_products >= 1, 0.02),
    ("bulk, shallow buffer", lambda row: True, 0.06),
)
"""What a row is, tried in this order; the tolerance relative to BASELINE."""

CUBIC_WIDENED = 0.15
CUBIC_STACKS = (BASELINE, "aioquic_stock", "quicly")
"""Whose CUBIC counts under loss: the reference says that picoquic's ignores sparse loss and is not to be compared."""


def bounds(row: Row, rows: Sequence[Row]) -> Bounds:
    """The tolerance of a row; `rows` are all rows, among which CUBIC's are held against NewReno's.

    Raises WrongReference where there is nothing to hold it against.
    """
    if BASELINE not in row.completion_s:
        raise WrongReference(f"row {row.name}, {row.congestion_control}: completion_s has no {BASELINE}")
    reference_s = row.completion_s[BASELINE]
    if row.congestion_control == "cubic" and row.is_lossy:
        times_s = [row.completion_s[stack] for stack in CUBIC_STACKS if stack in row.completion_s]
        for other in rows:
            if other.name == row.name and other.congestion_control == "newreno" and BASELINE in other.completion_s:
                times_s.append(other.completion_s[BASELINE])
        low_s, high_s = min(times_s) * (1 - CUBIC_WIDENED), max(times_s) * (1 + CUBIC_WIDENED)
        return Bounds(reference_s, low_s, high_s, f"CUBIC under loss, {low_s:.3f} to {high_s:.3f} s")
    rule, tolerance = next((text, tolerance) for text, applies, tolerance in TOLERANCES if applies(row))
    low_s, high_s = reference_s * (1 - tolerance), reference_s * (1 + tolerance)
    return Bounds(reference_s, low_s, high_s, f"{rule}, {tolerance:.0%}")


def read_rows(path: Path = PACKAGED) -> tuple[Row, ...]:
    """The rows of a file like the packaged one. Raises WrongReference."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WrongReference(f"there is no file {path} of reference rows") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongReference(f"{path} cannot be read: {error}") from None
    except json.JSONDecodeError as error:
        raise WrongReference(f"{path} is not JSON: {error}") from None
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        raise WrongReference(f'{path}: needs a list "rows", as {PACKAGED.name} has')
    return tuple(_row(f"{path}: rows[{number}]", row) for number, row in enumerate(rows))


def rows_named(rows: Sequence[Row], parts: Sequence[str] | None) -> tuple[Row, ...]:
    """The rows whose name has one of these texts in it; all of them for None. Raises WrongReference for none left."""
    chosen = tuple(row for row in rows if parts is None or any(part in row.name for part in parts))
    if not chosen:
        names = ", ".join(dict.fromkeys(row.name for row in rows))
        raise WrongReference(f"no row's name has {' or '.join(parts or ())} in it; the rows are {names}")
    return chosen


def _row(place: str, row: Any) -> Row:
    if not isinstance(row, dict):
        raise WrongReference(f"{place} is no object")

    def number(key: str) -> Fraction:
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise WrongReference(f"{place}: {key} is {value!r}; give a number that is not negative")
        return Fraction(repr(value))

    def whole(key: str, unit: int = 1) -> int:
        value = number(key) * unit
        if value.denominator != 1:
            raise WrongReference(f"{place}: {key} is {row[key]!r}, which comes to no whole number")
        return int(value)

    for key in ("name", "congestion_control"):
        if not isinstance(row.get(key), str):
            raise WrongReference(f"{place}: {key} is {row.get(key)!r}; give a text")
    times = row.get("completion_s")
    if not isinstance(times, dict):
        raise WrongReference(f"{place}: completion_s is {times!r}; give a time for each stack")
    return Row(
        name=row["name"],
        congestion_control=row["congestion_control"],
        rate_bps=whole("rate_mbps", 1_000_000),
        one_way_delay_ns=whole("one_way_delay_ms", 1_000_000),
        buffer_bytes=whole("buffer_bytes"),
        download_bytes=whole("download_bytes"),
        loss=number("loss"),
        drop_every=whole("drop_every_nth_server_datagram"),
        completion_s={stack: _seconds(place, stack, time) for stack, time in times.items() if time is not None},
    )


def _seconds(place: str, stack: str, time: Any) -> float:
    value = time.get("median") if isinstance(time, dict) else time
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise WrongReference(f"{place}: completion_s.{stack} is {time!r}; give seconds, or an object with their median")
    return float(value)
