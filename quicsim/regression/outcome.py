"""What does a CI service show of checks? A Markdown summary, annotations at lines of code, a word in the terminal.

An outcome is plain data, since xdist's workers send it to the process that reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from quicsim.analysis.files import write_atomically

__all__ = ["COLUMNS", "Outcome", "annotation", "as_markdown", "terminal_lines", "write_summaries"]

State = Literal["failed", "changed", "better", "same", "written"]

COLUMNS = ("verdict", "variant", "metric", "before -> now", "paired difference", "tolerated")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check."""

    test: str
    baseline: str
    state: State
    headline: str
    """In a line."""
    text: str
    """All of it."""
    file: str
    """Where to look: the C source of the program that ran last where the traces part, else the test."""
    line: int
    rows: list[list[str]]
    """Below COLUMNS."""
    notes: list[str] = field(default_factory=list)
    """Of the runs; in `text` as well."""


def terminal_lines(outcomes: list[Outcome]) -> list[str]:
    """What did not fail and is worth a word all the same."""
    lines = []
    for each in outcomes:
        if each.state in ("changed", "better", "written") or (each.notes and each.state == "same"):
            lines.append(f"{each.baseline}: {each.headline}")
        if each.state == "changed":
            lines += [f"  {line}" for line in each.text.splitlines()]
        elif each.state != "failed":
            lines += [f"  {note}" for note in each.notes]
    return lines


def annotation(outcome: Outcome) -> str | None:
    """The line that makes GitHub show a message at a line of code; None where there is nothing to show."""
    level = {"failed": "error", "changed": "warning"}.get(outcome.state)
    if level is None:
        return None
    message = f"{outcome.test}: {outcome.headline}\n{outcome.text}".rstrip()
    file = _escaped(outcome.file).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} file={file},line={outcome.line},title=quicsim::{_escaped(message)}"


def _escaped(text: str) -> str:
    """As GitHub's runner reads it: https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def as_markdown(outcomes: list[Outcome]) -> str:
    """A table of all metrics; the text of every check that failed or whose traces are other ones, of others notes."""
    count = sum(each.state == "failed" for each in outcomes)
    lines = ["## quicsim", "", f"{len(outcomes)} checks, {count} failed", ""]
    rows = [(each, row) for each in outcomes for row in each.rows]
    if rows:
        lines += ["| test | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
        lines += ["| " + " | ".join(_cell(text) for text in (each.test, *row)) + " |" for each, row in rows]
        lines.append("")
    for each in outcomes:
        if each.state in ("failed", "changed"):
            lines += [f"### {_cell(each.test)}", "", _cell(each.headline), ""]
            lines += ["~~~text", each.text, "~~~", ""] if each.text else []
        elif each.notes:
            lines += [f"### {_cell(each.test)}", "", "~~~text", *each.notes, "~~~", ""]
    return "\n".join(lines)


def write_summaries(outcomes: list[Outcome], file: str | None, step_summary: str | None) -> None:
    """Write the Markdown to `file`, and add it to GitHub's step summary; OSError where that cannot be."""
    text = as_markdown(outcomes)
    if file is not None:
        write_atomically(Path(file), text.encode())
    if step_summary:
        with open(step_summary, "a", encoding="utf-8") as stream:  # other steps of the job write there as well
            stream.write(text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
