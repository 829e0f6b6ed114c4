"""What is kept of runs, to hold later ones against? A JSON file in the user's repository, for people to read.

One line a metric, with the value of each replication in it; one line a digest. Behind them, compressed, the traces of
the first replications, so that the event at which later runs part from these can be named. The file is written whole
or not at all, and only where it would say something else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from quicsim.analysis.files import write_atomically
from quicsim.regression.parting import Recording, record
from quicsim.regression.records import RECORD_BYTES, Unreadable, digest_of, pack, records_of, unpack
from quicsim.scenario.identity import configuration_hash, plugin_hashes
from quicsim.version import version

if TYPE_CHECKING:
    from pathlib import Path

    from quicsim.results import Results

__all__ = ["FORMAT", "Baseline", "BaselineError", "VariantBaseline", "baseline_of", "read", "with_traces", "write"]

FORMAT: Final = 1
TRACE_RECORDS = 4_096
"""How many a variant may have in one file. assumed: they take 16 kB at most, so that files stay small."""


class BaselineError(ValueError):
    """A baseline that cannot be used; the text says what is wrong, and where in the file, but not the file's name."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Digest = Annotated[str, Field(pattern="^[0-9a-f]+$")]


class KeptTrace(_Part):
    """The beginning of a run's trace, or all of it."""

    records: int
    """How many the whole trace had."""
    digest: Digest
    """Of the records that are kept."""
    packed: list[str]
    """`quicsim.regression.records.pack`"""


class VariantBaseline(_Part):
    """One variant's runs; each list holds a value for each replication, counted from 0."""

    configuration: Digest
    """`quicsim.scenario.identity.configuration_hash`"""
    plugins: dict[str, Digest]
    """`quicsim.scenario.identity.plugin_hashes`"""
    metrics: dict[str, list[float | None]]
    """None: that run did not measure it."""
    counts: dict[str, list[int | None]]
    digests: Annotated[list[Digest], Field(min_length=1)]
    components: list[str]
    """The names of the traces' components."""
    traces: list[KeptTrace]
    """Of the first replications."""

    @model_validator(mode="after")
    def _of_as_many_runs(self) -> Self:
        runs = len(self.digests)
        lengths = {name: len(values) for name, values in self.metrics.items()}
        lengths |= {name: len(values) for name, values in self.counts.items()}
        for name, length in lengths.items():
            if length != runs:
                raise ValueError(f"{name} has {length} values, and there are digests of {runs} runs")
        return self

    def recording(self, replication: int) -> Recording:
        """What is kept of a trace. Raises BaselineError where it cannot be read, or is of another run."""
        kept = self.traces[replication]
        try:
            data = unpack(kept.packed)
        except Unreadable as error:
            raise BaselineError(f"the trace of replication {replication} cannot be read: {error}") from None
        records = records_of(data)
        is_whole = len(records) == kept.records
        if digest_of(data) != kept.digest or (is_whole and kept.digest != self.digests[replication]):
            raise BaselineError(f"the trace of replication {replication} is not the one of its digest")
        return Recording(tuple(self.components), records, is_whole=is_whole)

    def values(self, metric: str) -> dict[int, float]:
        """A metric or count by replication; empty where there is none of that name."""
        found = self.metrics.get(metric) or self.counts.get(metric) or []
        return {number: value for number, value in enumerate(found) if value is not None}


class Baseline(_Part):
    """All runs of a scenario as they were."""

    format: Literal[1]
    scenario: str
    overrides: tuple[str, ...]
    seed: int
    quicsim: str
    """The version that ran them."""
    digest: Digest
    """Of all runs together, as `Results.digest`."""
    variants: Annotated[dict[str, VariantBaseline], Field(min_length=1)]

    def without_traces(self) -> Self:
        """What it says beside the traces, which the digests stand for as well."""
        bare = {name: each.model_copy(update={"components": [], "traces": []}) for name, each in self.variants.items()}
        return self.model_copy(update={"variants": bare})

    def keeps_traces_of(self, other: Baseline) -> bool:
        """Whether it has the same traces. The same records may be compressed to other bytes on another machine."""
        for name, each in other.variants.items():
            own = self.variants[name]
            if own.components != each.components or len(own.traces) != len(each.traces):
                return False
            try:
                recordings = [(own.recording(number), each.recording(number)) for number in range(len(own.traces))]
            except BaselineError:
                return False
            if any(one != other for one, other in recordings):
                return False
        return True


def baseline_of(results: Results) -> Baseline:
    """What is to be kept of results, without traces.

    Raises ValueError unless they are of replications 0, 1, ... of each variant.
    """
    return Baseline(
        format=FORMAT,
        scenario=results.scenario,
        overrides=results.overrides,
        seed=results.seed,
        quicsim=version(),
        digest=results.digest,
        variants={variant: _variant_of(results, variant) for variant in results.variants},
    )


def _variant_of(results: Results, variant: str) -> VariantBaseline:
    runs = [run for run in results.runs if run.variant == variant]
    if [run.replication for run in runs] != list(range(len(runs))) or variant not in results.setups:
        raise ValueError(f"variant {variant}: not the results of quicsim.scenario(...).run(), replications 0, 1, ...")
    setup = results.setups[variant]
    return VariantBaseline(
        configuration=configuration_hash(setup),
        plugins=plugin_hashes(setup),
        metrics=_columns([run.metrics for run in runs]),
        counts=_columns([run.counts for run in runs]),
        digests=[run.digest for run in runs],
        components=[],
        traces=[],
    )


def with_traces(baseline: Baseline, results: Results) -> Baseline:
    """What is to be kept of results, with traces, for which the runs are simulated again.

    Of each variant TRACE_RECORDS records are kept, beginning with the first replication.
    """
    traced = {}
    for name, variant in baseline.variants.items():
        traces: list[KeptTrace] = []
        components: tuple[str, ...] = ()
        room = TRACE_RECORDS
        for replication in range(len(variant.digests)):
            if room <= 0:
                break
            data, whole = record(results, name, replication)
            kept = data[: room * RECORD_BYTES]
            traces.append(KeptTrace(records=len(whole.records), digest=digest_of(kept), packed=pack(kept)))
            components = whole.components
            room -= len(whole.records)
        traced[name] = variant.model_copy(update={"components": list(components), "traces": traces})
    return baseline.model_copy(update={"variants": traced})


def _columns(rows: list[Any]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def read(path: Path) -> Baseline:
    """Read a baseline's file. Raises BaselineError, FileNotFoundError where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise BaselineError(f"it cannot be read: {error}") from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        conflict = "; git left a conflict in it" if "\n<<<<<<< " in f"\n{text}" else ""
        raise BaselineError(f"line {error.lineno} is not JSON: {error.msg}{conflict}") from None
    if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
        raise BaselineError(f"format {document['format']!r} is not this quicsim's, {FORMAT}")
    try:
        return Baseline.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BaselineError(f"{place}: {first['msg']}") from None


def write(path: Path, baseline: Baseline) -> None:
    """Write a baseline's file. Raises BaselineError where that cannot be."""
    try:
        write_atomically(path, (_laid_out(baseline.model_dump(mode="json")) + "\n").encode())
    except OSError as error:
        raise BaselineError(f"{path} cannot be written: {error.strerror}") from None


def _laid_out(value: object, indent: str = "") -> str:
    """JSON with a line for each thing that may change on its own: a key, a text of a list, all numbers of a list."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{json.dumps(key)}: {_laid_out(each, deeper)}" for key, each in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, (str, dict, list)) for each in value):
        return "[\n" + ",\n".join(deeper + _laid_out(each, deeper) for each in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
