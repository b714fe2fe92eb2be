"""The cells of a chapter's source that are the same in every chapter.

    python -m harmonic_lib.book.set_up

writes them anew: the note at the top, the badge, and the set-up cell, which installs what a
notebook needs on Colab besides itself. ``pyproject.toml`` says what that is: the repository's
own address, and the extra ``colab``.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

from harmonic_lib.book.chapters import read_toc
from harmonic_lib.book.outcomes import read_notebook, write_whole
from harmonic_lib.book.repository import address, notebook_on, page_on

CELL = """\
# On Colab and Kaggle: install the library and what they lack; all else stays as
# it is, torch and numpy too. Elsewhere: nothing.
import os

if {"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"} & os.environ.keys():
    %pip install --quiet --no-deps"""
BADGE = re.compile(r"^\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)\n\n", re.MULTILINE)
SOURCE_ONLY = "source-only"  # the tag of a cell that is in no edition


def listed(root: Path, name: str) -> list[str]:
    """The requirements of a list in ``pyproject.toml``: an extra's, or the "dependencies"."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(rf"^{name} = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{root / 'pyproject.toml'} has no list {name} = ...")
    return re.findall(r'^ +"([^"]+)"', found.group(1), re.MULTILINE)


def library(root: Path, commit: str = "") -> str:
    """What pip installs the library from; "" is the newest commit."""
    return f"git+{address(root)}" + (f"@{commit}" if commit else "")


def set_up_cell(root: Path, commit: str = "") -> str:
    """The set-up cell: one command, a line for each package."""
    packages = [f"harmonic-lib @ {library(root, commit)}", *listed(root, "colab")]
    return " \\\n        ".join([CELL, *(f'"{package}"' for package in packages)])


def badge(root: Path, name: str) -> str:
    """The paragraph of the button that opens a chapter on Colab; the image is the book's own."""
    image = "../" * (name.count("/") + 1) + "_static/colab.svg"
    return f"[![Open in Colab]({image})]({notebook_on(address(root), name)['Colab']})\n\n"


def source_note(root: Path, name: str) -> str:
    """What the source of a chapter says of itself to who opens it."""
    url = address(root)
    return (
        "*This is the source of a chapter. It holds the solutions of the exercises and the answers"
        " of the quiz. To read the chapter, open"
        f" [its page]({page_on(url, name)}); to run it, take"
        f" [the student's notebook]({notebook_on(url, name)['GitHub']}).*"
    )


def update(root: Path) -> None:
    """Write the cells into every chapter."""
    for chapter in read_toc(root):
        if chapter.runs:
            notebook = read_notebook(chapter.path)
            cells = {cell.id: cell for cell in notebook.cells}
            cells["set-up"].source = set_up_cell(root)
            title = cells["title"]
            title.source = BADGE.sub(badge(root, chapter.name), title.source)
            note = new_markdown_cell(
                source_note(root, chapter.name), id="source", metadata={"tags": [SOURCE_ONLY]}
            )
            others = [cell for cell in notebook.cells if cell.id != "source"]
            notebook.cells = [note, *others]
            write_whole(chapter.path, nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    update(Path.cwd())
