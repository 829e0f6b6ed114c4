"""How many lines of C is that? Lines that hold code, by the part of the file they stand in."""

from __future__ import annotations

import re

__all__ = ["code_lines", "function_lines"]

_COMMENTS = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def _code(source: str) -> list[str]:
    without = _COMMENTS.sub(lambda match: "\n" * match[0].count("\n"), source)
    return [line.strip() for line in without.splitlines() if line.strip()]


def code_lines(source: str) -> int:
    """Lines of a C file that are neither blank nor comment."""
    return len(_code(source))


def function_lines(source: str) -> int:
    """Lines inside the bodies of functions that say something: no blank, no comment, no brace alone."""
    depth, in_function, count = 0, False, 0
    before = ""
    for line in _code(source):
        if depth == 0 and "{" in line:
            in_function = before.rstrip().endswith(")") if line == "{" else line.split("{")[0].rstrip().endswith(")")
        elif depth > 0 and in_function and line.strip("{};"):
            count += 1
        depth += line.count("{") - line.count("}")
        before = line
    return count
