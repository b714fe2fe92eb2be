"""Notebooks that stand alone, for Colab, Jupyter or a class: made from executed chapters.

They keep the outputs of the book's run, so that who opens one can read it before running it: a
sentence about a figure has its figure. Numbers in sentences are those of that run.
"""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from harmonic_lib.book.editions import QUIZ
from harmonic_lib.book.outcomes import Outcome, code_cells, tagged
from harmonic_lib.book.plain import Words, details, plain
from harmonic_lib.book.quiz_cells import HIDDEN, quiz_cells
from harmonic_lib.book.references import FILE
from harmonic_lib.book.repository import address, book_address, notebook_on, page_on
from harmonic_lib.book.set_up import BADGE, library, set_up_cell

GLUED = "application/papermill.record/text/plain"
GLUE = "from harmonic_lib.notebook import glue\n"


@dataclass(frozen=True)
class RenderedBook:
    """What the notebooks of one build are made from.

    source: the executed chapters, as their pages are rendered. html: the pages. commit: what the
    set-up cells install; "" for the newest.
    """

    root: Path
    source: Path
    html: Path
    edition: str
    commit: str

    @cached_property
    def references(self) -> dict[str, Any]:
        """What ``references.py`` wrote."""
        found: dict[str, Any] = json.loads((self.html / FILE).read_text(encoding="utf-8"))
        return found

    @property
    def url(self) -> str:
        """The address of the repository."""
        return address(self.root)

    @property
    def needed(self) -> str:
        """What pip installs to run the notebooks."""
        return f"harmonic-lib[experiments] @ {library(self.root, self.commit)}"


def stand_alone(book: RenderedBook, outcome: Outcome, executed: NotebookNode) -> NotebookNode:
    """The notebook of a chapter.

    executed: the chapter as its page is rendered: the source's cells with the run's outputs.

    Raises:
        ValueError: a reference leads nowhere, or something has no plain form.
    """
    name = outcome.chapter.name
    page = f"chapters/{name}"
    words = Words(
        roles=book.references["roles"][page],
        labels=book.references["labels"],
        values=glued(executed),
    )
    exercises = any(cell.id.startswith("check-") for cell in executed.cells)
    cells = [about(book, outcome, exercises)]
    for cell in copy.deepcopy(executed.cells):
        if tagged(cell, "remove-cell") or tagged(cell, "injected-parameters"):
            continue  # who runs the notebook needs neither glue nor the profile of the book's run
        if cell.id == "set-up":
            cell.source = set_up_cell(book.root, book.commit)
        if cell.cell_type == "code":
            cells += with_caption(cell, words)
        elif QUIZ.search(cell.source):
            html = (book.html / f"{page}.html").read_text(encoding="utf-8")
            script = book.root / "_static" / "quiz.js"
            cells += quiz_cells(cell, html, page_on(book.url, name), script, words)
        else:
            cells.append(new_markdown_cell(plain(BADGE.sub("", cell.source), words), id=cell.id))
    kept = ("kernelspec", "language_info", "accelerator")
    metadata = {key: executed.metadata[key] for key in kept if key in executed.metadata}
    made: NotebookNode = new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(made)
    return made


def glued(executed: NotebookNode) -> dict[str, str]:
    """The values that a chapter's cells have glued, by name."""
    return {
        output.metadata["scrapbook"]["name"]: ast.literal_eval(output.data[GLUED])
        for cell in code_cells(executed)
        for output in cell.outputs
        if GLUED in output.get("data", {})
    }


def about(book: RenderedBook, outcome: Outcome, exercises: bool) -> NotebookNode:
    """The first cell: where this notebook comes from, where it runs, and what is in it."""
    name, facts = outcome.chapter.name, outcome.facts
    on = {host: f"[{host}]({link})" for host, link in notebook_on(book.url, name).items()}
    where = (
        f" Run it on {on['Colab']}, {on['Kaggle']} or {on['Binder']}, or in {on['Codespaces']} (as"
        f" `{name}.ipynb`)."
        if book.edition == "public"
        else " This is the instructor's notebook, with all solutions and answers."
    )
    text = (
        f"A chapter of [Harmonic loss]({book_address(book.url)}):"
        f" [its page]({page_on(book.url, name)}).{where} On a machine of your own, first"
        f' `pip install "{book.needed}" jupyterlab`.\n\n'
        "All figures, tables and numbers that you see are the book's, computed at"
        f" `{facts['profile']}` on {facts['device']}, {facts['finished'][:10]}. The cell with"
        " `profile` chooses between `smoke` (seconds, only to try), `quick` and `full` (the papers'"
        " protocol); change it and run all cells. Outputs are then yours, and numbers in sentences"
        " stay the book's. *This page* is this notebook; theorems, formulas and figures have the"
        " numbers of the book, and links to them lead there."
    )
    if exercises:
        text += (
            "\n\nIn an exercise, put your answer in place of `...`, run the cell, then the one"
            " below it (its code is hidden), which says whether it is right."
        )
    cell: NotebookNode = new_markdown_cell(text, id="about")
    return cell


def with_caption(cell: NotebookNode, words: Words) -> Iterator[NotebookNode]:
    """A cell of code with its outputs; below a figure, its caption and what is to be seen."""
    shown, hidden = cell.metadata.get("mystnb", {}), tagged(cell, "hide-input")
    tags = [tag for tag in ("parameters", "solution") if tagged(cell, tag)]
    cell.metadata = {"tags": tags} if tags else {}
    if hidden:
        cell.metadata |= HIDDEN
    cell.source = cell.source.replace(GLUE, "")
    yield cell
    if "figure" in shown:
        name = words.of_label(shown["figure"].get("name"))
        text = f"**{name}.** {plain(shown['figure']['caption'], words)}"
        if "image" in shown:  # an animation says in its caption what is to be seen
            text += "\n\n" + details(f"{name} in words", shown["image"]["alt"])
        yield new_markdown_cell(text, id=f"{cell.id}-caption")
