"""What does a worker leave behind? Parquet parts of a few rows each, every one written whole or not at all.

A part is named by the hash of its bytes, and of those kept beside it: its name tells whether it is sound, and whoever
writes the same rows again writes the same file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicsim.analysis.files import write_atomically
from quicsim.sweep.identity import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from quicsim.results import RunRecord

__all__ = ["BESIDE", "KINDS", "CorruptPart", "Row", "as_parquet", "read_part", "write_part", "write_rows"]

BESIDE = ("samples", "series")
"""What may be kept beside the rows: directories of parts with the same names."""

KINDS = (*BESIDE, "parts")
"""All of a part, in the order in which it is written and hashed."""


class CorruptPart(Exception):  # noqa: N818
    """A file that is no sound part; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One point's result as a worker stores it."""

    key: str
    configuration: str
    replication: int
    simulator: str
    record: RunRecord


def schemas() -> dict[str, pa.Schema]:
    """Of the rows, and of what is beside them, by directory."""
    import pyarrow as pa

    text = pa.string()
    return {
        "parts": pa.schema(
            {
                "key": text,
                "configuration": text,
                "replication": pa.int64(),
                "simulator": text,
                "digest": text,
                "notes": pa.list_(text),
                "metrics": pa.map_(text, pa.float64()),
                "counts": pa.map_(text, pa.int64()),
            }
        ),
        "samples": pa.schema({"key": text, "name": text, "index": pa.int64(), "value": pa.float64()}),
        "series": pa.schema({"key": text, "name": text, "time_s": pa.float64(), "value": pa.float64()}),
    }


def write_rows(directory: Path, rows: Sequence[Row], keep: Sequence[str]) -> None:
    """Write a part of these rows, and before it what is kept beside them. OSError where there is no writing."""
    import pyarrow as pa

    tables = {kind: pa.Table.from_pylist(_beside(rows, kind), schema=schemas()[kind]) for kind in keep}
    tables["parts"] = pa.Table.from_pylist([_as_stored(row) for row in rows], schema=schemas()["parts"])
    write_part(directory, tables)


def write_part(directory: Path, tables: Mapping[str, pa.Table]) -> str:
    """Write one part's tables, the rows last: whoever sees the rows finds the rest. Its name."""
    contents = {kind: as_parquet(tables[kind]) for kind in KINDS if kind in tables}
    name = f"{digest(*contents.values())}.parquet"
    for kind, content in contents.items():
        write_atomically(directory / kind / name, content)
    return name


def as_parquet(table: pa.Table) -> bytes:
    """The bytes of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = pa.BufferOutputStream()
    pq.write_table(table, stream, compression="zstd")
    return bytes(stream.getvalue())


def read_part(directory: Path, name: str) -> dict[str, pa.Table]:
    """One part's tables, by directory. Raises CorruptPart, and OSError where there is no reading."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = {kind: directory / kind / name for kind in KINDS}
    contents = {kind: path.read_bytes() for kind, path in paths.items() if kind == "parts" or path.exists()}
    if f"{digest(*contents.values())}.parquet" != name:
        raise CorruptPart("its bytes are not those that were written")
    tables = {kind: pq.read_table(pa.BufferReader(content), use_threads=False) for kind, content in contents.items()}
    for kind, table in tables.items():
        if not table.schema.equals(schemas()[kind]):
            raise CorruptPart("its columns are those of another version of quicsim")
    return tables


def _as_stored(row: Row) -> dict[str, Any]:
    record = row.record
    return {
        "key": row.key,
        "configuration": row.configuration,
        "replication": row.replication,
        "simulator": row.simulator,
        "digest": record.digest,
        "notes": list(record.notes),
        "metrics": list(record.metrics.items()),
        "counts": list(record.counts.items()),
    }


def _beside(rows: Sequence[Row], kind: str) -> list[dict[str, Any]]:
    if kind == "samples":
        return [
            {"key": row.key, "name": name, "index": index, "value": value}
            for row in rows
            for name, values in row.record.samples.items()
            for index, value in enumerate(values)
        ]
    return [
        {"key": row.key, "name": name, "time_s": time_s, "value": value}
        for row in rows
        for name, points in row.record.series.items()
        for time_s, value in points
    ]
