"""What is around every report? One HTML file that needs no other: its style inside, light and dark, wide and narrow."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["html_page", "html_table"]


def html_page(title: str, introduction: str, links: Sequence[tuple[str, str]], main: str, footer: str) -> str:
    """A whole page. `links` are names and ids of its sections; all but the title and their names is HTML."""
    style = (files("quicsim.analysis") / "data" / "page.css").read_text(encoding="utf-8")
    listed = "".join(f'<li><a href="#{target}">{escape(name)}</a></li>' for name, target in links)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{introduction}
<nav aria-label="Sections"><ul>{listed}</ul></nav>
</header>
<main>
{main}
</main>
<footer>{footer}</footer>
</body>
</html>
"""


def html_table(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> str:
    """A table. Headings say whether their column holds numbers; the cells are texts."""

    def line(tag: str, cells: Sequence[str]) -> str:
        texts = zip(cells, headings, strict=True)
        return "<tr>" + "".join(
            f"<{tag}{' class=number' if numeric else ''}>{escape(text)}</{tag}>" for text, (_, numeric) in texts
        ) + "</tr>"  # fmt: skip

    body = "".join(line("td", row) for row in rows)
    return (
        f'<div class="scroll"><table><thead>{line("th", [name for name, _ in headings])}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
