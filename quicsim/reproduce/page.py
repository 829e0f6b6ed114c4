"""How does the whole look? One HTML file that needs no other: figures as SVG, styles inside, light and dark."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING, Literal

from quicsim.analysis.metrics import natural_view
from quicsim.analysis.page import html_page
from quicsim.analysis.statistics import quantiles
from quicsim.reproduce.document import samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quicsim.reproduce.parameters import Parameter
    from quicsim.reproduce.reproduction import Check, Claim, Drawing, Remark, Table
    from quicsim.reproduce.run import Report, Reproduced, Source
    from quicsim.results import Results

__all__ = ["claim_texts", "page"]

TITLE = "The paper, reproduced"
INTRODUCTION = (
    "Every figure and table of <em>The Case for Protocol Plugins</em> (De Coninck and Bonaventure, 2019) that quicsim "
    "reproduces, beside the paper's own numbers and curves. The plugins are real eBPF bytecode, pushed by the peer "
    "over the simulated connection as the paper pushes them. Same version, same seeds: the same numbers on any machine."
)
QUICK = (
    "This is the quick form: fewer replications than the paper's, and some studies left out. "
    "<code>quicsim reproduce</code> runs them all."
)


def claim_texts(claim: Claim) -> dict[str, str]:
    """The cells of a claim's row, by heading."""
    unit = f" {claim.view.unit}" if claim.view.unit else ""
    show = claim.view.text
    tolerance = f"±{show(claim.tolerance)}{unit}" if claim.absolute else f"±{claim.tolerance:.0%}"
    jitter = ""
    if claim.jitter is not None:
        low, high = (show(shift).lstrip("-") for shift in claim.jitter)
        jitter = f"−{low} to +{high}{unit}"
    return {
        "what": claim.name,
        "paper": f"{claim.paper * claim.view.factor:g}{unit}",
        "ours": f"{show(claim.ours)}{unit}",
        "ours / paper": f"{claim.ratio:.3f}",
        "tolerance": tolerance,
        "verdict": "within" if claim.within else "outside",
        "under host jitter": jitter,
    }


def page(report: Report) -> str:
    """The report as HTML."""
    quick = f'<p><span class="badge">quick form</span> {QUICK}</p>' if report.quick else ""
    body = "\n".join(_section(part) for part in report.parts)
    return html_page(
        TITLE,
        f"<p>{INTRODUCTION}</p>\n{quick}",
        [(part.reproduction.name, part.reproduction.name) for part in report.parts],
        f"{_overview(report)}\n{body}",
        f"quicsim {escape(report.version)}. Raw samples of every run: <code>quicsim reproduce --json</code>.",
    )


def _overview(report: Report) -> str:
    """Every claim in one table, and how many hold."""
    claims = [(part.reproduction.name, claim) for part in report.parts for claim in part.outcome.claims]
    if not claims:
        return ""
    good = sum(claim.within for _, claim in claims)
    checks = [check for part in report.parts for check in part.outcome.checks]
    sentence = f"{good} of {len(claims)} numbers lie within their tolerance"
    if checks:
        sentence += f"; {sum(check.holds for check in checks)} of {len(checks)} statements hold"
    shown = [heading for heading in _CLAIM_HEADINGS if heading not in ("tolerance", "under host jitter")]
    rows = [
        [("", f'<a href="#{name}">{escape(name)}</a>'), *(_claim_cells(claim)[heading] for heading in shown)]
        for name, claim in claims
    ]
    return f"<h2>At a glance</h2><p>{sentence}.</p>{_html_table(['of', *shown], rows, narrow='compact')}"


_CLAIM_HEADINGS = ("what", "paper", "ours", "ours / paper", "tolerance", "verdict", "under host jitter")
_NUMERIC = frozenset({"paper", "ours", "ours / paper", "tolerance", "under host jitter"})


def _claim_cells(claim: Claim) -> dict[str, tuple[str, str]]:
    """Class and HTML of each cell, by heading."""
    texts = claim_texts(claim)
    cells = {}
    for heading in _CLAIM_HEADINGS:
        text = escape(texts[heading])
        if heading == "verdict":
            text = _badge(claim.within, "within", "outside")
            if claim.above_jitter is False:
                text += ' <span class="badge bad">below the jitter: not claimed</span>'
        cells[heading] = ("number" if heading in _NUMERIC else "", text)
    return cells


def _badge(good: bool, yes: str, no: str) -> str:
    word = f'<span class="word">{yes if good else no}</span>'
    return f'<span class="badge {"good" if good else "bad"}">{"✓" if good else "✗"} {word}</span>'


def _section(part: Reproduced) -> str:
    reproduction, outcome = part.reproduction, part.outcome
    pieces = [
        f'<section id="{reproduction.name}"><h2>{escape(reproduction.title)}</h2>',
        f'<p class="says">The paper, section {escape(reproduction.section)}: {escape(reproduction.paper)}</p>',
        _figures(outcome.drawings),
        _claims(outcome.claims),
        _checks(outcome.checks),
        _remarks(outcome.remarks),
        *(_table(table) for table in outcome.tables),
        *(_parameters(source) for source in part.sources),
        _samples(part.main),
        _studies(part),
        "</section>",
    ]
    return "\n".join(filter(None, pieces))


def _figures(drawings: Sequence[Drawing]) -> str:
    figures = "".join(
        f"<figure>{drawing.svg}<figcaption><strong>{escape(drawing.title)}</strong>{escape(drawing.caption)}</figcaption>"
        "</figure>"
        for drawing in drawings
    )
    return f'<div class="figures">{figures}</div>' if figures else ""


def _claims(claims: Sequence[Claim]) -> str:
    if not claims:
        return ""
    named: dict[str, list[str]] = {}
    for claim in claims:
        named.setdefault(f"{claim.source} ({claim.statistic})", []).append(claim.name)
    sources = "; ".join(f"{source}: {', '.join(names)}" for source, names in named.items())
    rows = [list(_claim_cells(claim).values()) for claim in claims]
    return (
        f"<h3>Numbers</h3>{_html_table(list(_CLAIM_HEADINGS), rows, narrow='stacks')}"
        f'<p class="muted">From {escape(sources)}.</p>'
    )


def _checks(checks: Sequence[Check]) -> str:
    items = "".join(
        f"<li>{_badge(check.holds, 'holds', 'does not hold')} {escape(check.statement)}. "
        f'<span class="muted">{escape(check.evidence)}.</span></li>'
        for check in checks
    )
    return f'<h3>Statements</h3><ul class="checks">{items}</ul>' if items else ""


def _remarks(remarks: Sequence[Remark]) -> str:
    if not remarks:
        return ""
    paragraphs = "".join(f"<p><strong>{escape(remark.title)}.</strong> {escape(remark.text)}</p>" for remark in remarks)
    return f"<h3>Where ours differs, and why</h3>{paragraphs}"


def _table(table: Table) -> str:
    rows = [
        [
            ("number" if heading in table.numeric else "", escape(text))
            for heading, text in zip(table.headings, row, strict=True)
        ]
        for row in table.rows
    ]
    html = _html_table(list(table.headings), rows, numeric=table.numeric)
    return f'<h3>{escape(table.title)}</h3><p class="muted">{escape(table.caption)}</p>{html}'


def _parameters(source: Source) -> str:
    counts: dict[str, int] = {}
    for each in source.parameters:
        word = _origin(each)
        counts[word] = counts.get(word, 0) + 1
    summary = ", ".join(f"{number} {word}" for word, number in counts.items())
    rows = [
        [
            ("mono", escape(each.key)),
            ("mono", escape(each.value)),
            ("", f'<span class="badge">{_origin(each)}</span>'),
            ("", escape(each.reason)),
        ]
        for each in source.parameters
    ]
    return (
        f"<details><summary>Parameters of {escape(source.name)}: {summary}</summary>"
        f"{_html_table(['key', 'value', 'origin', 'reason'], rows, narrow='stacks')}</details>"
    )


def _origin(parameter: Parameter) -> str:
    return "not said" if parameter.origin is None else parameter.origin.value


def _samples(results: Results | None) -> str:
    """Quantiles of every metric of every variant, and the numbers themselves."""
    if results is None:
        return ""
    shares = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
    headings = ["variant", "metric", "n", "least", "5 %", "25 %", "median", "75 %", "95 %", "most"]
    rows, raw = [], []
    for variant, metrics in samples(results).items():
        for metric, found in metrics.items():
            view = natural_view(metric, median(found))
            cells = [view.text(value) for value in quantiles(found, shares)]
            texts = [variant, f"{view.label}", str(len(found)), *cells]
            rows.append([("number" if index > 1 else "", escape(text)) for index, text in enumerate(texts)])
            numbers = " ".join(f"{value:.9g}" for value in found)
            raw.append(f"<p><strong>{escape(variant)}, {escape(metric)}</strong> {numbers}</p>")
    table = _html_table(headings, rows, numeric=frozenset(headings[2:]))
    return (
        f"<details><summary>Samples: {len(results.runs)} runs</summary>{table}"
        f'<div class="raw mono">{"".join(raw)}</div></details>'
    )


def _studies(part: Reproduced) -> str:
    """What ran, and its digests."""
    rows = [
        [
            ("", escape(study.name)),
            ("mono", escape(study.scenario)),
            ("mono", escape(" ".join(results.overrides))),
            ("number", str(len(results.runs))),
            ("number", str(results.seed)),
            ("mono", escape(results.digest)),
        ]
        for study, results in part.studies
    ]
    if not rows:
        return ""
    runs = sum(len(results.runs) for _, results in part.studies)
    headings = ["study", "scenario", "overrides", "runs", "seed", "digest"]
    table = _html_table(headings, rows, numeric=frozenset({"runs", "seed"}), narrow="stacks")
    return f"<details><summary>Seeds and digests: {len(rows)} studies, {runs} runs</summary>{table}</details>"


def _html_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[tuple[str, str]]],
    numeric: frozenset[str] = _NUMERIC,
    *,
    narrow: Literal["stacks", "compact", ""] = "",
) -> str:
    """A table of cells (class, HTML). On a narrow screen it stacks into a card a row, or is compact, or scrolls."""
    head = "".join(
        f'<th{_class("number" if heading in numeric else "")} data-label="{escape(heading)}">{escape(heading)}</th>'
        for heading in headings
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td{_class(kind)} data-label="{escape(heading)}">{_wrapped(text, narrow == "stacks")}</td>'
            for heading, (kind, text) in zip(headings, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    table = f"<table{_class(narrow)}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _wrapped(text: str, stacks: bool) -> str:
    """In a card a cell's words stand beside its label, and are one thing there."""
    return f"<span>{text}</span>" if stacks and text else text


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
