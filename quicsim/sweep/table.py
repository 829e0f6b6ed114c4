"""What does the one tidy table say? A row for each point, in the plan's order, with all that it was made from.

Columns: the axes, variant, plugin, replication; status and reason; metrics and counts; digest, key, simulator; then
the effective configuration under `config.`. A quantity's unit is the end of its column's name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quicsim.sweep.file import SweepError
from quicsim.sweep.identity import digest, flattened, point_key
from quicsim.sweep.parts import as_parquet
from quicsim.sweep.plan import Configuration, Plan, Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from quicsim.sweep.store import Manifest, Store

__all__ = ["PlanFile", "arm_name", "places_of", "read_plan", "tidy"]

CONFIG = "config."
ROLES = b"quicsim"
"""The table's own metadata: which columns are axes, and which metrics."""


def arm_name(variant: str, plugin: str | None) -> str:
    """What an arm is called: a variant, with its plugin where that is an axis."""
    return f"{variant}, {plugin}" if plugin else variant


class PlanFile:
    """Gathers a plan's configurations while it is made, as they are stored."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    def note(self, configuration: Configuration, built_from: Mapping[str, Any]) -> None:
        """Take one configuration, with all that its simulation is built from."""
        recipe = configuration.recipe
        self._rows.append(
            {
                "key": configuration.key,
                "setting": configuration.setting,
                "values": json.dumps(dict(configuration.values)),
                "scenario": recipe.scenario,
                "overrides": list(recipe.overrides),
                "variant": recipe.variant,
                "plugin": recipe.plugin,
                "seed": recipe.seed,
                "config": json.dumps(flattened(built_from)),
            }
        )

    def content(self) -> bytes:
        """All of them as a Parquet file."""
        import pyarrow as pa

        text = pa.string()
        types = {"setting": pa.int64(), "overrides": pa.list_(text), "seed": pa.int64()}
        schema = pa.schema({name: types.get(name, text) for name in self._rows[0]})
        return as_parquet(pa.Table.from_pylist(self._rows, schema=schema))


def read_plan(path: Path, manifest: Manifest) -> Plan:
    """The plan as it is stored. SweepError where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = path.read_bytes()
        if digest(content) != manifest.configurations:
            raise OSError("its bytes are not those that were written")
        columns = ["key", "setting", "values", "scenario", "overrides", "variant", "plugin", "seed"]
        rows = pq.read_table(pa.BufferReader(content), columns=columns).to_pylist()
    except OSError as error:
        raise SweepError(f"{path} cannot be read: {error}; remove {path.parent / 'sweep.json'} to plan anew") from None
    configurations = tuple(
        Configuration(
            row["setting"],
            json.loads(row["values"]),
            Recipe(row["scenario"], tuple(row["overrides"]), row["variant"], row["plugin"], row["seed"]),
            row["key"],
        )
        for row in rows
    )
    return Plan(
        manifest.title,
        manifest.scenario,
        tuple(manifest.columns),
        manifest.replications,
        tuple(manifest.keep),
        configurations,
        manifest.inputs,
        manifest.simulators[-1],
    )


def tidy(store: Store, plan: Plan, *, mixed: bool = False) -> pa.Table:
    """The table of all points that are done or set aside.

    Raises SweepError where two results of one point differ, or two columns would have one name.
    """
    import pyarrow as pa

    points = list(plan.points())
    rows = list(store.rows())
    results = pa.concat_tables(rows) if rows else None
    places = places_of(results, plan, mixed=mixed) if results is not None else {}
    failures = store.failures()
    shown = [point for point in points if point.key in places or point.key in failures]
    at = pa.array([places.get(point.key) for point in shown], pa.int64())
    configurations = [point.configuration for point in shown]
    columns: dict[str, pa.Array] = {"setting": pa.array([each.setting for each in configurations], pa.int64())}
    for name in plan.columns:
        columns[name] = column([each.values.get(name) for each in configurations])
    columns["variant"] = column([each.recipe.variant for each in configurations])
    if any(each.recipe.plugin for each in plan.configurations):
        columns["plugin"] = column([each.recipe.plugin and Path(each.recipe.plugin).stem for each in configurations])
    columns["replication"] = pa.array([point.replication for point in shown], pa.int64())
    columns["status"] = column(["done" if point.key in places else "failed" for point in shown])
    columns["reason"] = column([None if point.key in places else failures[point.key] for point in shown])
    measured = _of_results(results, at)
    _add(columns, measured, plan)
    columns["key"] = column([point.key for point in shown])
    _add(columns, _configuration(store, configurations), plan)
    roles = {"axes": plan.columns, "metrics": [name for name in measured if pa.types.is_floating(measured[name].type)]}
    return pa.table(columns).replace_schema_metadata({ROLES: json.dumps(roles)})


def places_of(results: pa.Table, plan: Plan, *, mixed: bool) -> dict[str, int]:
    """Key -> where its result is. SweepError where two results of one point differ."""
    keys = results["key"].to_pylist()
    if mixed:
        asked = zip(results["configuration"].to_pylist(), results["replication"].to_pylist(), strict=True)
        keys = [point_key(*row, plan.simulator) for row in asked]
    digests = results["digest"].to_pylist()
    places: dict[str, int] = {}
    for place, key in enumerate(keys):
        first = places.setdefault(key, place)
        if digests[first] != digests[place] and not mixed:
            raise SweepError(
                f"point {key} has two results that differ, digests {digests[first]} and {digests[place]}: "
                "the simulator was not deterministic; please report it with the scenario"
            )
    return places


def _of_results(results: pa.Table | None, at: pa.Array) -> dict[str, pa.Array]:
    """Metrics, counts, digest and notes of the shown points; nothing for those that have no result."""
    import pyarrow as pa

    if results is None:
        return {"digest": at.cast(pa.string()), "notes": at.cast(pa.string()), "simulator": at.cast(pa.string())}
    taken = results.take(at)
    columns: dict[str, pa.Array] = {}
    for kind in ("metrics", "counts"):
        rows = [dict(row or ()) for row in taken[kind].to_pylist()]
        names = dict.fromkeys(name for row in rows for name in row)
        if kind == "metrics":
            names = dict.fromkeys(sorted(names))
        for name in names:
            columns[name] = pa.array([row.get(name) for row in rows], taken.schema.field(kind).type.item_type)
    columns["digest"] = taken["digest"]
    columns["notes"] = column(["; ".join(notes) if notes else None for notes in taken["notes"].to_pylist()])
    columns["simulator"] = taken["simulator"]
    return columns


def _configuration(store: Store, configurations: Sequence[Configuration]) -> dict[str, pa.Array]:
    """The effective configuration of each row, a column each key."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = pq.read_table(store.directory / "plan.parquet", columns=["key", "config"])
    config = dict(zip(stored["key"].to_pylist(), map(json.loads, stored["config"].to_pylist()), strict=True))
    number = {key: place for place, key in enumerate(config)}
    names = dict.fromkeys(name for each in config.values() for name in each)
    at = pa.array([number[each.key] for each in configurations], pa.int64())
    return {f"{CONFIG}{name}": column([each.get(name) for each in config.values()]).take(at) for name in names}


def column(values: Sequence[Any]) -> pa.Array:
    """A column of one type: whole numbers where all are, numbers where all are, else text."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if len(kinds) > 1:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return pa.array(values, None if kinds else pa.string())


def _add(columns: dict[str, pa.Array], more: Mapping[str, pa.Array], plan: Plan) -> None:
    for name, values in more.items():
        if name in columns:
            raise SweepError(
                f"two columns are called {name}; name that axis of the sweep ({', '.join(plan.columns)}) otherwise"
            )
        columns[name] = values
