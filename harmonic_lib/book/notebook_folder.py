"""The folder of all notebooks, which is also the branch that Colab and others open them from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat

from harmonic_lib.book.folders import empty, make_folder, reason
from harmonic_lib.book.notebooks import RenderedBook, stand_alone
from harmonic_lib.book.outcomes import Outcome, read_notebook, write_whole
from harmonic_lib.book.repository import book_address

PLACE = "notebooks"
FOLDERS = {"public": "student", "instructor": "instructor"}
"""Of each edition, the name of its notebooks' folder."""

README = """\
# Notebooks of the harmonic-loss book

The chapters of [the book]({book}) as notebooks, {what}, made from
[its repository]({url}){commit}.
Work on a copy: the next build of the book replaces this folder.

On Colab a notebook installs what it needs in its first cell of code (on Kaggle, too, but that is
not tested); Binder and Codespaces install it before they start. On a machine of your own, with
Python 3.11 or later and git, in this folder:

```sh
python3 -m venv .venv && source .venv/bin/activate
pip install -r requirements.txt    # on Linux, PyTorch with CUDA: some GB
jupyter lab
```

Begin with [the idea]({first}). Every notebook keeps the outputs of the book's own run; its first
cell says how to run it yourself.
{chapters}

Code is under Apache 2.0, text and figures under CC BY 4.0.
"""
WHAT = {
    "public": "without solutions (the answers of a quiz are encoded)",
    "instructor": "with all solutions and answers",
}
DEVCONTAINER = {
    "image": "mcr.microsoft.com/devcontainers/python:3.12",
    "postCreateCommand": "pip install -r requirements.txt",
    "customizations": {"vscode": {"extensions": ["ms-toolsai.jupyter"]}},
}


def write_notebooks(book: RenderedBook, outcomes: Sequence[Outcome]) -> Path:
    """Write all notebooks among the pages, as files and as a zip, for their buttons; the folder."""
    folder = book.html / PLACE
    shutil.rmtree(folder, ignore_errors=True)
    for outcome in outcomes:
        executed = read_notebook(book.source / "chapters" / f"{outcome.chapter.name}.ipynb")
        made = stand_alone(book, outcome, executed)
        write_whole(folder / f"{outcome.chapter.name}.ipynb", nbformat.writes(made) + "\n")
    for name, text in beside(book, outcomes).items():
        write_whole(folder / name, text)
    shutil.make_archive(str(folder), "zip", folder)
    return folder


def keep(made: Path, folder: Path) -> None:
    """Copy the notebooks out of the pages, in place of older ones."""
    make_folder(folder)
    empty(folder)
    try:
        shutil.copytree(made, folder, dirs_exist_ok=True)
    except OSError as error:
        raise OSError(f"no notebooks could be written to {folder}: {reason(error)}") from error


def beside(book: RenderedBook, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """The files that people, Binder and Codespaces need beside the notebooks."""
    readme = README.format(
        book=book_address(book.url),
        url=book.url,
        what=WHAT[book.edition],
        first=f"{outcomes[0].chapter.name}.ipynb",
        commit=f" at commit {book.commit[:12]}" if book.commit else "",
        chapters=contents(outcomes),
    )
    return {
        "README.md": readme,
        "requirements.txt": f"{book.needed}\njupyterlab\n",
        "runtime.txt": "python-3.12\n",
        ".devcontainer/devcontainer.json": json.dumps(DEVCONTAINER, indent=2) + "\n",
    }


def contents(outcomes: Sequence[Outcome]) -> str:
    """A list of links to the notebooks, under the names of their folders."""
    lines: list[str] = []
    for outcome in outcomes:
        part, slash, _ = outcome.chapter.name.partition("/")
        heading = f"\n**{part.capitalize()}**\n"
        if slash and heading not in lines:
            lines.append(heading)
        title = next(cell.source for cell in outcome.notebook.cells if cell.id == "title")
        words = title.splitlines()[0].removeprefix("# ")
        lines.append(f"- [{words}]({outcome.chapter.name}.ipynb)")
    return "\n".join(lines)
