"""Where do results lie, and which points are done? A directory that survives any kill and belongs to one plan.

sweep.json      the manifest: which plan, made by which simulator from which files
plan.parquet    its configurations            parts/     rows as workers wrote them
failed/         one file a point set aside    samples/ series/   beside the rows, where asked for
corrupt/        parts that were damaged       table.parquet      the tidy table, made anew from all this
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicsim.analysis.files import write_atomically
from quicsim.sweep.file import SweepError
from quicsim.sweep.identity import digest, point_key
from quicsim.sweep.parts import BESIDE, CorruptPart, read_part, write_part

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from quicsim.sweep.plan import Plan

__all__ = ["MANIFEST", "Manifest", "Store"]

MANIFEST = "sweep.json"
_FORMAT = 1
_ROWS_A_PART = 50_000
"""Of a compacted part: some ten megabytes, so that compaction needs little memory."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store says of itself."""

    name: str
    title: str
    scenario: str
    plan: str
    """The plan's digest."""
    configurations: str
    """The hash of plan.parquet."""
    request: str
    """The digest of what the sweep file said."""
    inputs: Mapping[str, str]
    columns: Sequence[str]
    replications: int
    keep: Sequence[str]
    simulators: Sequence[str]
    """Those that may have made its points, the latest last; more than one only where that was asked for."""

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return {"format": _FORMAT, **{name: getattr(self, name) for name in self.__slots__}}


class Store:
    """One store. What it reads is checked; what it writes is whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    # ------------------------------------------------------------------------------------------------ the manifest

    def manifest(self) -> Manifest | None:
        """What the store says of itself; None where there is no store yet. SweepError where it cannot be read."""
        path = self.directory / MANIFEST
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            if said.pop("format") != _FORMAT:
                raise SweepError(f"{path}: another version of quicsim laid it out; give another --output")
            return Manifest(**said)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, SweepError):
                raise
            raise SweepError(f"{path} is no manifest of a sweep: {error}; give another --output") from None

    def write_manifest(self, manifest: Manifest) -> None:
        """Write it; the last step of making a store."""
        write_atomically(self.directory / MANIFEST, (json.dumps(manifest.to_json(), indent=1) + "\n").encode())

    # -------------------------------------------------------------------------------------------------- the points

    def parts(self) -> list[Path]:
        """Every part, by name."""
        return sorted((self.directory / "parts").glob("[!.]*.parquet"))

    def corrupt_parts(self) -> list[tuple[Path, str]]:
        """The parts that cannot be read, and why."""
        found = []
        for path in self.parts():
            with suppress(FileNotFoundError):
                try:
                    read_part(self.directory, path.name)
                except CorruptPart as error:
                    found.append((path, str(error)))
        return found

    def set_aside(self, path: Path) -> Path:
        """Move a corrupt part, and what is beside it, out of the way."""
        home = self.directory / "corrupt"
        home.mkdir(exist_ok=True)
        for kind in (*BESIDE, "parts"):
            old = self.directory / kind / path.name
            if old.exists():
                old.replace(home / f"{kind}-{path.name}")
        return home / f"parts-{path.name}"

    def rows(self) -> Iterator[pa.Table]:
        """The rows of every sound part."""
        return (tables["parts"] for tables in self._sound_parts())

    def _sound_parts(self) -> Iterator[dict[str, pa.Table]]:
        """Every part that can be read, with what is beside it; a row twice where somebody compacts meanwhile."""
        seen: set[str] = set()
        while unseen := [path.name for path in self.parts() if path.name not in seen]:
            for name in unseen:
                with suppress(
                    CorruptPart, FileNotFoundError
                ):  # compacted away: its rows are in a part of the next look
                    yield read_part(self.directory, name)
            seen.update(unseen)

    def finished(self, simulator: str, *, mixed: bool = False) -> set[str]:
        """The keys of all points with a result; where versions are mixed, those that this simulator would give them."""
        keys: set[str] = set()
        for table in self.rows():
            if mixed:
                columns = (table["configuration"].to_pylist(), table["replication"].to_pylist())
                keys.update(point_key(*row, simulator) for row in zip(*columns, strict=True))
            else:
                keys.update(table["key"].to_pylist())
        return keys

    # ------------------------------------------------------------------------------------------ points set aside

    def failures(self) -> dict[str, str]:
        """Key and reason of each point that was set aside."""
        found = {}
        for path in sorted((self.directory / "failed").glob("[!.]*.json")):
            with suppress(FileNotFoundError, ValueError, KeyError):  # one that is damaged is tried again
                found[path.stem] = str(json.loads(path.read_text(encoding="utf-8"))["reason"])
        return found

    def fail(self, key: str, reason: str) -> None:
        """Set a point aside."""
        write_atomically(self.directory / "failed" / f"{key}.json", (json.dumps({"reason": reason}) + "\n").encode())

    def forgive(self, keys: Collection[str]) -> None:
        """Take points back that were set aside."""
        for key in keys:
            (self.directory / "failed" / f"{key}.json").unlink(missing_ok=True)

    # -------------------------------------------------------------------------------------------- house-keeping

    @contextmanager
    def locked(self, *, alone: bool) -> Iterator[bool]:
        """Hold the store, together with others or alone; whether that was to be had. A kill lets go of it.

        Who would share it waits for the one who is alone, which is never long. Where a system has no such locks nobody
        is ever alone.
        """
        try:
            import fcntl
        except ImportError:
            yield not alone
            return
        with (self.directory / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            except OSError:
                yield False
            else:
                yield True

    @contextmanager
    def table_locked(self) -> Iterator[None]:
        """Wait for whoever else makes the table: the last to begin has seen every row, and writes last."""
        try:
            import fcntl
        except ImportError:
            yield
            return
        with (self.directory / ".table.lock").open("a") as file:
            with suppress(OSError):  # a system without such locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def sweep_up(self) -> None:
        """Remove what killed workers left half-written; only for who is alone here."""
        for kind in ("", "parts", "failed", *BESIDE):
            for path in (self.directory / kind).glob(".*.parquet.*" if kind != "failed" else ".*.json.*"):
                path.unlink(missing_ok=True)

    def compact(self, *, least: int = 2) -> int:
        """Merge parts into few large ones, if there are `least`; how many there are then. Only for who is alone here.

        Killed at any moment, it leaves each row at least once. Damaged parts stay as they are.
        """
        paths = self.parts()
        if len(paths) < least:
            return len(paths)
        seen: set[str] = set()
        gathered: list[Path] = []
        rows = 0
        for path in paths:
            try:
                rows += len(read_part(self.directory, path.name)["parts"])
            except CorruptPart:
                continue
            gathered.append(path)
            if rows >= _ROWS_A_PART:
                self._merge(gathered, seen)
                gathered, rows = [], 0
        self._merge(gathered, seen)
        return len(self.parts())

    def _merge(self, paths: Sequence[Path], seen: set[str]) -> None:
        """Write one part for all of these, then remove them; a row that was seen before is not written again."""
        import pyarrow as pa

        tables: dict[str, list[pa.Table]] = {}
        for path in paths:
            found = read_part(self.directory, path.name)
            own = set(found["parts"]["key"].to_pylist()) - seen
            seen |= own
            for kind, table in found.items():
                tables.setdefault(kind, []).append(_only(table, own))
        if not tables:
            return
        merged = {kind: pa.concat_tables(found) for kind, found in tables.items()}
        name = write_part(self.directory, merged) if len(merged["parts"]) else None
        for path in paths:
            for kind in ("parts", *BESIDE):
                if path.name != name:
                    (self.directory / kind / path.name).unlink(missing_ok=True)

    def take_from(self, other: Store, wanted: Collection[str]) -> int:
        """Copy the rows with these keys from another store, with all that this one keeps; how many there were."""
        manifest, theirs = self.manifest(), other.manifest()
        if manifest is None or theirs is None or not set(manifest.keep) <= set(theirs.keep):
            return 0
        taken: set[str] = set()
        for found in other._sound_parts():
            own = {key for key in found["parts"]["key"].to_pylist() if key in wanted and key not in taken}
            if own:
                write_part(self.directory, {kind: _only(found[kind], own) for kind in ("parts", *manifest.keep)})
                taken |= own
        return len(taken)


def _only(table: pa.Table, keys: Collection[str]) -> pa.Table:
    """The rows with these keys."""
    import pyarrow as pa

    return table.filter(pa.array([key in keys for key in table["key"].to_pylist()], pa.bool_()))


def plan_digest(plan: Plan) -> str:
    """What a plan is about, whoever simulates it: configurations in their order, and how often each runs."""
    said = (
        json.dumps([each.setting, list(each.values.items()), each.recipe.variant, each.key])
        for each in plan.configurations
    )
    return digest(str(plan.replications), *plan.columns, *said)


def writable(directory: Path) -> None:
    """Raise SweepError, before anything is simulated, if nothing could be written there; make nothing."""
    nearest = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise SweepError(f"{directory}: {nearest} is no directory; give another --output")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise SweepError(f"{directory}: {nearest} cannot be written; give another --output")
