"""What a cell shows is cut where it is too long for a page, and says so."""

from __future__ import annotations

import json

from nbformat import NotebookNode
from nbformat.v4 import new_output

#: characters of text that one cell may show; the most that a chapter shows is 61,000
LIMIT = 1_000_000
#: characters of a printed line; to render one takes time that grows with its square
LINE = 5_000


def cut(notebook: NotebookNode, limit: int = LIMIT, line: int = LINE) -> None:
    """Cut the lines that each cell prints to ``line`` characters, and all its text to ``limit``.

    A note says so. Of markup, a part would break the page, so it is left out whole. Pictures
    that are not text stay, and what went to stderr, which is a fault.
    """
    for cell in notebook.cells:
        if not cell.get("outputs"):
            continue
        total = sum(map(text_length, cell.outputs))
        cell.outputs = [with_short_lines(each, line) for each in merged(cell.outputs)]
        if sum(map(text_length, cell.outputs)) > limit:
            cell.outputs = shortened(cell.outputs, limit)
            note = f"\n[cut after {limit / 1000:g} kB: the cell shows {total / 1000:.0f} kB]\n"
            cell.outputs.append(new_output("stream", name="stdout", text=note))


def merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs, with what was printed piece by piece in one."""
    pieces: list[list[NotebookNode]] = []
    for output in outputs:
        if pieces and is_printed(output) and is_printed(pieces[-1][0]):
            pieces[-1].append(output)
        else:
            pieces.append([output])
    for first, *rest in pieces:
        if rest:
            first.text = "".join(each.text for each in (first, *rest))
    return [first for first, *_ in pieces]


def with_short_lines(output: NotebookNode, most: int) -> NotebookNode:
    """An output whose printed lines are cut after ``most`` characters."""
    if is_printed(output) and len(output.text) > most:
        lines = output.text.split("\n")
        output.text = "\n".join(
            each if len(each) <= most else f"{each[:most]} [cut: a line of {len(each)} characters]"
            for each in lines
        )
    return output


def shortened(outputs: list[NotebookNode], left: int) -> list[NotebookNode]:
    """The outputs with at most ``left`` characters of text."""
    kept = []
    for output in outputs:
        length = text_length(output)
        if length > left and is_printed(output):
            output.text, left = output.text[:left], 0
        elif length > left:
            output.data = {k: value for k, value in output.data.items() if not is_text(k)}
        else:
            left -= length
        if output.get("text", True) and output.get("data", True):
            kept.append(output)
    return kept


def text_length(output: NotebookNode) -> int:
    """How many characters of text an output has."""
    if is_printed(output):
        return len(output.text)
    values = [value for kind, value in output.get("data", {}).items() if is_text(kind)]
    return sum(len(v if isinstance(v, str) else json.dumps(v)) for v in values)


def is_printed(output: NotebookNode) -> bool:
    """Whether a cell printed this to stdout."""
    return bool(output.get("name") == "stdout")


def is_text(kind: str) -> bool:
    """Whether a MIME type's data stand in a page as text.

    >>> [is_text(kind) for kind in ("text/html", "image/svg+xml", "image/png")]
    [True, True, False]
    """
    return kind == "image/svg+xml" or not kind.startswith(("image/", "audio/", "video/"))
