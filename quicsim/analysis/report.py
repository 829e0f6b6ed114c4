"""What does the table of results say? A median with its interval for each metric, beside the paper's number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from quicsim.analysis.metrics import View, natural_view
from quicsim.analysis.statistics import Estimate, Spread, median_estimate, paired_difference


@dataclass(frozen=True, slots=True)
class Reference:
    """A published number for one metric of one variant."""

    value: float
    tolerance: float
    source: str


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one variant over its replications, and against the first variant's."""

    variant: str
    metric: str
    estimate: Estimate
    reference: Reference | None
    difference: Estimate | None
    """This variant minus the first one, replication by replication; None for the first one itself."""

    @property
    def ratio(self) -> float | None:
        """Ours to the published number."""
        return None if self.reference is None else self.estimate.median / self.reference.value

    @property
    def within(self) -> bool | None:
        """Whether ours is as near the published number as its tolerance asks."""
        if self.reference is None or self.ratio is None:
            return None
        return abs(self.ratio - 1) <= self.reference.tolerance

    def to_json(self) -> dict[str, object]:
        """The row as plain data."""
        return {
            "variant": self.variant,
            "metric": self.metric,
            **_estimate_json(self.estimate),
            "paper": None if self.reference is None else self.reference.value,
            "ratio": self.ratio,
            "within": self.within,
            "difference": None if self.difference is None else _estimate_json(self.difference),
        }


def _estimate_json(estimate: Estimate) -> dict[str, object]:
    return {
        "n": estimate.count,
        "median": estimate.median,
        "interval": [estimate.low, estimate.high] if estimate.spread is Spread.INTERVAL else estimate.spread.value,
    }


def _view(metric: str, estimate: Estimate) -> View:
    """The unit of a median and of its interval alike: the interval may reach far from a median of 0."""
    ends = (estimate.low, estimate.high) if estimate.spread is Spread.INTERVAL else ()
    return natural_view(metric, max(estimate.median, *ends, key=abs) if ends else estimate.median)


def quantity(metric: str, value: float, sign: str = "", view: View | None = None) -> str:
    """A metric's value in this unit, or in one that suits it; `sign` stands before what is greater than 0."""
    view = view or natural_view(metric, value)
    text = view.text(value)
    return f"{sign if value > 0 and text != '0' else ''}{text}{f' {view.unit}' if view.unit else ''}"


def _median(metric: str, estimate: Estimate, sign: str = "") -> str:
    return quantity(metric, estimate.median, sign, _view(metric, estimate))


def _names(rows: Sequence[Row]) -> dict[str, str]:
    """What each metric is called: without its unit, unless another would then be called the same."""
    short = {row.metric: natural_view(row.metric, 0).name for row in rows}
    named = Counter(short.values())
    return {metric: name if named[name] == 1 else metric.replace("_", " ") for metric, name in short.items()}


def _interval(metric: str, estimate: Estimate) -> str:
    match estimate.spread:
        case Spread.DETERMINISTIC:
            return "deterministic"
        case Spread.TOO_FEW if estimate.count == 1:
            return "one run"
        case Spread.TOO_FEW:
            return "too few runs"
        case Spread.INTERVAL:
            view = _view(metric, estimate)
            return f"{view.text(estimate.low)} to {view.text(estimate.high)}"


def _reference(row: Row) -> str:
    if row.reference is None:
        return ""
    view = natural_view(row.metric, row.reference.value)
    return f"{row.reference.value * view.factor:g} {view.unit}".rstrip()


def _verdict(row: Row) -> str:
    if row.reference is None or row.ratio is None:
        return ""
    return f"{row.ratio:.3f}, {'within' if row.within else 'outside'} {row.reference.tolerance:.0%}"


def _difference(row: Row) -> str:
    if row.difference is None:
        return ""
    median = _median(row.metric, row.difference, sign="+")
    return f"{median} ({_interval(row.metric, row.difference)})"


COLUMNS: tuple[tuple[str, bool, Callable[[Row, Mapping[str, str]], str]], ...] = (
    ("variant", False, lambda row, _: row.variant),
    ("metric", False, lambda row, names: names[row.metric]),
    ("n", True, lambda row, _: str(row.estimate.count)),
    ("median", True, lambda row, _: _median(row.metric, row.estimate)),
    ("95 % interval", True, lambda row, _: _interval(row.metric, row.estimate)),
    ("paper", True, lambda row, _: _reference(row)),
    ("ours / paper", True, lambda row, _: _verdict(row)),
    ("paired difference", True, lambda row, _: _difference(row)),
)
"""Of the table, wherever it is shown: heading, whether it holds numbers, and a row's text, given the metrics' names."""


class TextTable:
    """A table of texts: `str()` and a notebook show it."""

    __slots__ = ()

    def columns(self) -> list[tuple[str, bool, list[str]]]:
        """Heading, whether it holds numbers, and texts of each column."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        padded = []
        for heading, numeric, texts in self.columns():
            width = max(map(len, (heading, *texts)))
            padded.append([text.rjust(width) if numeric else text.ljust(width) for text in (heading, *texts)])
        return "\n".join("  ".join(line).rstrip() for line in zip(*padded, strict=True))

    def _repr_html_(self) -> str:
        columns = self.columns()
        style = ' style="text-align:right"'
        cells = [[heading for heading, _, _ in columns], *zip(*(texts for _, _, texts in columns), strict=True)]
        lines = [
            "<tr>"
            + "".join(
                f"<{tag}{style if numeric else ''}>{escape(text)}</{tag}>"
                for text, (_, numeric, _) in zip(line, columns, strict=True)
            )
            + "</tr>"
            for tag, line in zip(("th", *("td" for _ in cells[1:])), cells, strict=True)
        ]
        return f"<table>{''.join(lines)}</table>"


@dataclass(frozen=True, slots=True, repr=False)
class Summary(TextTable):
    """The table of results. `str()` and a notebook show it; `rows` hold the numbers."""

    rows: tuple[Row, ...]

    def columns(self) -> list[tuple[str, bool, list[str]]]:
        """The columns that say anything: heading, whether it holds numbers, texts."""
        names = _names(self.rows)
        columns = [(heading, numeric, [text(row, names) for row in self.rows]) for heading, numeric, text in COLUMNS]
        return [column for column in columns if any(column[2])]

    def to_json(self) -> list[dict[str, object]]:
        """The rows as plain data."""
        return [row.to_json() for row in self.rows]


Measured = Mapping[tuple[str, str], Mapping[int, float]]
"""(variant, metric) -> replication -> value."""


def summarise(measured: Measured, references: Mapping[tuple[str, str], Reference]) -> Summary:
    """The table of everything measured; the variant that comes first is the baseline of the differences."""
    baseline = next(iter(measured), ("", ""))[0]
    rows = []
    for (variant, metric), values in measured.items():
        base = measured.get((baseline, metric), {})
        pairs = [number for number in values if number in base] if variant != baseline else []
        difference = None
        if pairs:
            difference = paired_difference([values[number] for number in pairs], [base[number] for number in pairs])
        estimate = median_estimate(list(values.values()))
        rows.append(Row(variant, metric, estimate, references.get((variant, metric)), difference))
    return Summary(tuple(rows))
