"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is left-aligned, the others right.

    >>> print(table(["peer", "ms"], [["a", 1.5]]))
    | peer | ms |
    |---|---:|
    | a | 1.5 |
    """
    marks = ["---", *["---:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(marks) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float | None, digits: int = 2) -> str:
    """A figure for a table; a dash where nothing was measured."""
    return "-" if value is None else f"{value:.{digits}f}"
