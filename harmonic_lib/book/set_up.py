"""The set-up cell of every chapter: what its notebook needs on Colab besides itself.

    python -m harmonic_lib.book.set_up

writes the cell into every chapter anew. ``pyproject.toml`` says what it installs: the
repository's own address, and the extra ``colab``.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from harmonic_lib.book.chapters import read_toc
from harmonic_lib.book.outcomes import read_notebook, write_whole
from harmonic_lib.book.repository import address

CELL = """\
# On Colab: install the library and what Colab lacks; all else stays as it is,
# torch and numpy too. Elsewhere: nothing.
import os

if "COLAB_RELEASE_TAG" in os.environ:
    %pip install --quiet --no-deps"""


def listed(root: Path, name: str) -> list[str]:
    """The requirements of a list in ``pyproject.toml``: an extra's, or the "dependencies"."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(rf"^{name} = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{root / 'pyproject.toml'} has no list {name} = ...")
    return re.findall(r'^ +"([^"]+)"', found.group(1), re.MULTILINE)


def set_up_cell(root: Path) -> str:
    """The set-up cell: one command, a line for each package."""
    packages = [f"harmonic-lib @ git+{address(root)}", *listed(root, "colab")]
    return " \\\n        ".join([CELL, *(f'"{package}"' for package in packages)])


def update(root: Path) -> None:
    """Write the cell into every chapter."""
    for chapter in read_toc(root):
        if chapter.runs:
            notebook = read_notebook(chapter.path)
            (old,) = [cell for cell in notebook.cells if cell.id == "set-up"]
            old.source = set_up_cell(root)
            write_whole(chapter.path, nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    update(Path.cwd())
