"""What did the runs give? Records of single runs, and the tables, files and figures made of them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from html import escape
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quicsim.analysis.files import write_atomically
from quicsim.analysis.metrics import View, natural_view, view
from quicsim.analysis.report import Reference, Summary, summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quicsim.analysis.plots import Chart
    from quicsim.scenario.schema import PaperMark, ResolvedScenario


@dataclass(frozen=True, slots=True, repr=False)
class RunRecord:
    """One replication of one variant.

    `metrics` are numbers of the whole run, their unit last in their names (`completion_s`, `goodput_bps`);
    `samples` hold one number for each request, in order, under the same names; `counts` are events;
    `digest` is the hexadecimal digest of the run's event trace;
    `series` follow something over time, as (instant in seconds, value), the unit last in the name;
    `notes` are sentences for the reader of the results, such as a plugin's detachment;
    `refused` are the plugins that were refused and never attached in this run, with the reason.
    """

    variant: str
    replication: int
    metrics: dict[str, float]
    counts: dict[str, int]
    samples: dict[str, tuple[float, ...]]
    digest: str
    notes: tuple[str, ...] = ()
    series: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name}={value:g}" for name, value in self.metrics.items())
        return f"<RunRecord {self.variant} {self.replication}: {metrics or 'no metrics'}>"


@dataclass(frozen=True, slots=True, repr=False)
class Results:
    """All runs of a scenario, variant by variant in the scenario's order, replication by replication."""

    scenario: str
    title: str
    seed: int
    overrides: tuple[str, ...]
    plugin: str | None
    """What stood in for the variants' own plugins."""
    runs: tuple[RunRecord, ...]
    marks: tuple[PaperMark, ...] = ()
    setups: Mapping[str, ResolvedScenario] = field(default_factory=dict)
    """What each variant was simulated from, complete: any of the runs can be had again."""

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that ran."""
        return tuple(dict.fromkeys(run.variant for run in self.runs))

    @property
    def changes(self) -> str:
        """In what the runs differ from the scenario as it is written; empty if in nothing but the seed."""
        plugin = [f"plugin {self.plugin} in place of the variants' own"] if self.plugin else []
        return "; ".join((*self.overrides, *plugin))

    @property
    def digest(self) -> str:
        """BLAKE2b over the runs' digests, in hexadecimal: same scenario, seed and plugins, same digest, anywhere."""
        together = hashlib.blake2b(digest_size=16)
        for run in self.runs:
            together.update(f"{run.variant}/{run.replication}/{run.digest}\n".encode())
        return together.hexdigest()

    @property
    def plot(self) -> Plots:
        """The figures."""
        return Plots(self)

    def notes(self) -> list[str]:
        """What the runs' notes say, each once, with the number of runs that say it."""
        found = Counter(note for run in self.runs for note in dict.fromkeys(run.notes))
        return [f"note, in {runs} of {len(self.runs)} runs: {note}" for note, runs in found.items()]

    def summary(self) -> Summary:
        """Median, 95 % interval and paired difference of each metric, beside the paper's numbers."""
        measured: dict[tuple[str, str], dict[int, float]] = {}
        for run in self.runs:
            for metric, value in run.metrics.items():
                measured.setdefault((run.variant, metric), {})[run.replication] = value
        references = {
            (mark.variant, mark.metric): Reference(mark.value, mark.tolerance, mark.source) for mark in self.marks
        }
        return summarise(measured, references)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data: what `quicsim run --json` prints."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "seed": self.seed,
            "overrides": list(self.overrides),
            "plugin": self.plugin,
            "digest": self.digest,
            "runs": [asdict(run) for run in self.runs],
            "summary": self.summary().to_json(),
            "marks": [mark.model_dump() for mark in self.marks],
        }

    def save(self, directory: Path | str) -> list[Path]:
        """Write result.json, runs.csv and, where there are any, samples.csv and series.csv; each whole or not at all.

        What earlier results left there under these names, or as pictures of metrics that these have not, is removed.
        """
        home = Path(directory)
        files = {home / "result.json": json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n"}
        files[home / "runs.csv"] = self._runs_csv()
        if any(run.samples for run in self.runs):
            files[home / "samples.csv"] = self._samples_csv()
        if any(run.series for run in self.runs):
            files[home / "series.csv"] = self._series_csv()
        for path, text in files.items():
            write_atomically(path, text.encode())
        for name in ("samples.csv", "series.csv"):
            if home / name not in files:
                (home / name).unlink(missing_ok=True)
        self.plot.remove_others(home)
        return list(files)

    def _runs_csv(self) -> str:
        metrics = _names(run.metrics for run in self.runs)
        counts = _names(run.counts for run in self.runs)
        return _csv(
            ["variant", "replication", *metrics, *counts, "digest", "notes"],
            (
                [
                    run.variant,
                    run.replication,
                    *(run.metrics.get(name, "") for name in metrics),
                    *(run.counts.get(name, "") for name in counts),
                    run.digest,
                    "; ".join(run.notes),
                ]
                for run in self.runs
            ),
        )

    def _samples_csv(self) -> str:
        names = _names(run.samples for run in self.runs)
        return _csv(
            ["variant", "replication", "index", *names],
            (
                [run.variant, run.replication, index, *("" if value is None else value for value in values)]
                for run in self.runs
                for index, values in enumerate(zip_longest(*(run.samples.get(name, ()) for name in names)))
            ),
        )

    def _series_csv(self) -> str:
        return _csv(
            ["variant", "replication", "series", "time_s", "value"],
            (
                [run.variant, run.replication, name, time_s, value]
                for run in self.runs
                for name, points in run.series.items()
                for time_s, value in points
            ),
        )

    def __str__(self) -> str:
        return f"{self.heading(f'scenario {self.scenario}')}\n\n{self.summary()}"

    def __repr__(self) -> str:
        return str(self)

    def heading(self, source: str) -> str:
        """What stands over a table: title; where it is from, seed and digest; what was changed, if any."""
        changes = f"\nchanged: {self.changes}" if self.changes else ""
        return f"{self.title}\n{source}; seed {self.seed}, digest {self.digest}{changes}"

    def _repr_html_(self) -> str:
        lines = self.heading(f"scenario {self.scenario}").splitlines()
        return f"<p>{'<br>'.join(map(escape, lines))}</p>{self.summary()._repr_html_()}"


@dataclass(frozen=True, slots=True)
class Plots:
    """The figures of some results."""

    results: Results

    def metrics(self) -> list[str]:
        """What can be drawn: what was sampled for each request or, where nothing was, measured of each run."""
        runs = self.results.runs
        return _names(run.samples for run in runs) or _names(run.metrics for run in runs)

    def ecdf(self, metric: str = "completion_ms", by: Literal["variant", "replication"] = "variant") -> Chart:
        """The distribution of a metric, a line for each variant, with the paper's numbers.

        The metric may be named with another unit than its own: `completion_ms` for `completion_s`.
        All requests of all runs count where requests were sampled. ValueError names the metrics there are.
        """
        if by not in ("variant", "replication"):
            raise ValueError(f'by is {by!r}; write "variant" or "replication"')
        return self._ecdf(view(metric, self.metrics()), by)

    def save(self, directory: Path | str) -> list[Path]:
        """Write the distribution of each metric as PNG and SVG, in a unit that suits it.

        One sample of a variant is no distribution: a metric of which no variant has more is not drawn. Pictures of
        other metrics that earlier results left there are removed.
        """
        self.remove_others(directory)
        written: list[Path] = []
        for metric in self._distributed():
            largest = max(max(values) for run in self.results.runs if (values := _values(run, metric)))
            written += self._ecdf(natural_view(metric, largest), "variant").save(directory, f"ecdf_{metric}")
        return written

    def remove_others(self, directory: Path | str) -> None:
        """Remove the pictures that earlier results left in a directory and these would not replace."""
        own = {f"ecdf_{metric}" for metric in self._distributed()}
        for path in Path(directory).glob("ecdf_*"):
            if path.suffix in (".png", ".svg") and path.stem not in own and path.is_file():
                path.unlink()

    def _distributed(self) -> list[str]:
        """The metrics of which some variant has more than one sample."""
        samples = Counter(
            (metric, run.variant)
            for run in self.results.runs
            for metric in self.metrics()
            for _ in _values(run, metric)
        )
        return [
            metric
            for metric in self.metrics()
            if any(samples[metric, variant] > 1 for variant in self.results.variants)
        ]

    def _ecdf(self, seen: View, by: Literal["variant", "replication"]) -> Chart:
        from quicsim.analysis.plots import Mark, ecdf

        series: dict[str, list[float]] = {}
        for run in self.results.runs:
            values = _values(run, seen.metric)
            series.setdefault(str(getattr(run, by)), []).extend(value * seen.factor for value in values)
        marks = [
            Mark(
                mark.variant,
                mark.value * seen.factor,
                f"paper, {mark.variant}: {mark.value * seen.factor:g} {seen.unit}",
            )
            for mark in self.results.marks
            if mark.metric == seen.metric and mark.variant in self.results.variants
        ]
        drawn = {name: values for name, values in series.items() if values}
        return ecdf(drawn, seen.label, self.results.title, marks, self.results.changes)


def _values(run: RunRecord, metric: str) -> tuple[float, ...]:
    """What a run says about a metric: a number for each request, or one for the run, or nothing."""
    if metric in run.samples:
        return run.samples[metric]
    return (run.metrics[metric],) if metric in run.metrics else ()


def _names(tables: Iterable[Iterable[str]]) -> list[str]:
    """Every name that occurs, in the order of first occurrence."""
    return list(dict.fromkeys(name for table in tables for name in table))


def _csv(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)
    return text.getvalue()
