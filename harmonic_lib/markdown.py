"""Tables of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

RULES = {"l": "---", "r": "--:"}


def table(columns: str, rows: Iterable[Sequence[object]], align: str = "") -> str:
    r"""A table in Markdown.

    columns: the titles, with " | " between them. rows: their cells may hold any text in one line.
    align: "l" (left) or "r" (right) for each column; default: the first left, the others right.

    >>> print(table("head | seeds", [("harmonic", 20), ("|x|", 5)]))
    | head | seeds |
    |---|--:|
    | harmonic | 20 |
    | \|x\| | 5 |
    """
    align = align or "l" + "r" * columns.count(" | ")
    rule = "|".join(RULES[each] for each in align)
    lines = [" | ".join(str(cell).replace("|", r"\|") for cell in row) for row in rows]
    return "\n".join([f"| {columns} |", f"|{rule}|", *(f"| {line} |" for line in lines)])
