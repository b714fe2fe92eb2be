"""A book of two short chapters for the tests of the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TOC = """format: jb-book
root: chapters/intro
chapters:
  - file: chapters/sums
  - file: chapters/appendices/run_statistics
"""
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
FIGURE = f"import base64\nfrom IPython.display import Image\nImage(base64.b64decode({PIXEL!r}))"


def chapter(title: str, *code: str) -> nbformat.NotebookNode:
    """A notebook with a parameters cell and these code cells; the last one draws."""
    parameters = new_code_cell('profile = "quick"', id="parameters")
    parameters.metadata["tags"] = ["parameters"]
    cells = [new_markdown_cell(f"# {title}\n\nWords.", id="title"), parameters]
    cells += [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(code)]
    cells[-1].metadata["mystnb"] = {"image": {"alt": "a line that rises"}}
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    return notebook


def edit(path: Path, cell: str, change: Callable[[str], str]) -> None:
    """Change the source of one cell of a notebook on disk."""
    notebook = nbformat.read(path, as_version=4)
    found = next(c for c in notebook.cells if c.id == cell)
    found.source = change(found.source)
    nbformat.write(notebook, path)
