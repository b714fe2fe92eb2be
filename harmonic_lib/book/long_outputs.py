"""What a cell shows is cut where it is too long for a page, and says so."""

from __future__ import annotations

import json

from nbformat import NotebookNode
from nbformat.v4 import new_output

#: characters of text that one cell may show; the most that a chapter shows is 61,000
LIMIT = 1_000_000


def cut(notebook: NotebookNode, limit: int = LIMIT) -> None:
    """Cut the text that each cell shows to ``limit`` characters; a note says so.

    What is printed is cut at the limit. Of markup, a part would break the page, so it is left
    out whole. Pictures that are not text stay, and what went to stderr, which is a fault.
    """
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        total = sum(map(text_length, outputs))
        if total > limit:
            cell.outputs = shortened(outputs, limit)
            note = f"\n[cut after {limit / 1000:g} kB: the cell shows {total / 1000:.0f} kB]\n"
            cell.outputs.append(new_output("stream", name="stdout", text=note))


def shortened(outputs: list[NotebookNode], left: int) -> list[NotebookNode]:
    """The outputs with at most ``left`` characters of text."""
    kept = []
    for output in outputs:
        length = text_length(output)
        if length > left and "data" in output:
            output.data = {k: value for k, value in output.data.items() if not is_text(k)}
            if not output.data:
                continue
        elif length > left:
            output.text, left = output.text[:left], 0
            if not output.text:
                continue
        else:
            left -= length
        kept.append(output)
    return kept


def text_length(output: NotebookNode) -> int:
    """How many characters of text an output has."""
    if output.get("name") == "stdout":
        return len(output.text)
    values = [value for kind, value in output.get("data", {}).items() if is_text(kind)]
    return sum(len(v if isinstance(v, str) else json.dumps(v)) for v in values)


def is_text(kind: str) -> bool:
    """Whether a MIME type's data stand in a page as text.

    >>> [is_text(kind) for kind in ("text/html", "image/svg+xml", "image/png")]
    [True, True, False]
    """
    return kind == "image/svg+xml" or not kind.startswith(("image/", "audio/", "video/"))
