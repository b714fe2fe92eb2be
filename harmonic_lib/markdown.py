"""Tables of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: str, rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown: the first column to the left, the others to the right.

    >>> print(table("head | seeds", [("harmonic", 20)]))
    | head | seeds |
    |---|--:|
    | harmonic | 20 |
    """
    rule = "|---|" + "--:|" * columns.count("|")
    lines = [" | ".join(map(str, row)) for row in rows]
    return "\n".join([f"| {columns} |", rule, *(f"| {line} |" for line in lines)])
