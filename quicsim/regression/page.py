"""How does a comparison of two builds look? One HTML file that needs no other, light and dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from quicsim.analysis.inline import distributions
from quicsim.analysis.metrics import natural_view
from quicsim.regression.report import headline, parting_lines
from quicsim.regression.tolerance import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicsim.regression.builds import Comparison
    from quicsim.results import Results

__all__ = ["page"]

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --back: #ffffff; --paper: #6e7781; --grid: #d9d9d9; --soft: #f3f3f3;
  --series-1: #0b62a4; --series-2: #c2410c; --series-3: #2e7d32; --series-4: #7b3fa0; --series-5: #8a6d00;
  --worse: #b3261e; --better: #1b6e3c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --back: #161616; --paper: #9aa4af; --grid: #3a3a3a;
  --soft: #232323;
  --series-1: #6db3f2; --series-2: #ff9d5c; --series-3: #7fce83; --series-4: #c79be6; --series-5: #e0c04c;
  --worse: #ff8a80; --better: #7fce9b; } }
body { margin: 2rem auto; padding: 0 1rem; max-width: 70rem; color: var(--ink); background: var(--back);
  font: 1rem/1.5 system-ui, sans-serif; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--grid); text-align: left; white-space: nowrap; }
.worse { color: var(--worse); font-weight: 600; } .better { color: var(--better); }
pre { padding: .8rem; background: var(--soft); overflow-x: auto; }
.pictures { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
svg { width: 100%; height: auto; }
"""


def page(comparison: Comparison) -> str:
    """The comparison as HTML."""
    finding = comparison.finding
    what, runs = comparison.heading().split("\n")
    headings, rows = comparison.rows()
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "".join(
        f'<tr class="{row[0]}">' + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    traces = "\n".join(
        line for variant in finding.parted for line in parting_lines(finding, variant, comparison.c_lines)
    )
    notes = "\n".join(finding.notes)
    parts = [
        f"<h1>{escape(what)}</h1><p>{escape(runs)}</p>",
        *(f'<p class="worse">{escape(line)}</p>' for line in comparison.refusal_lines()),
        f'<p class="{comparison.verdict.value}">{comparison.verdict.value}: {escape(headline(finding))}</p>',
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>' if rows else "",
        f"<h2>Where the traces part</h2><pre>{escape(traces)}</pre>" if traces else "",
        f"<h2>Notes of the runs</h2><pre>{escape(notes)}</pre>" if notes else "",
        *_pictures(comparison),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(what)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _pictures(comparison: Comparison) -> Iterator[str]:
    """The distribution of each metric that changed and has a tolerance, over the replications."""
    drawn = [
        _picture(comparison, each.variant, each.metric)
        for each in comparison.finding.changes
        if each.tolerance is not None and each.verdict is not Verdict.SAME and each.difference.count > 1
    ]
    if drawn:
        yield f'<h2>Distributions</h2><div class="pictures">{"".join(drawn)}</div>'


def _picture(comparison: Comparison, variant: str, metric: str) -> str:
    before, now = (_values(results, variant, metric) for results in comparison.results)
    view = natural_view(metric, max(map(abs, [*before, *now])))
    series = {
        f"before: {comparison.names[0]}": [value * view.factor for value in before],
        f"now: {comparison.names[1]}": [value * view.factor for value in now],
    }
    return f"<figure>{distributions(f'{variant}: {view.name}', series, f'{variant}: {view.label}')}</figure>"


def _values(results: Results, variant: str, metric: str) -> list[float]:
    runs = [run for run in results.runs if run.variant == variant]
    return [float(run.metrics[metric] if metric in run.metrics else run.counts[metric]) for run in runs]
