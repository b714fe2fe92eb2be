"""What only the instructor's edition may hold, and how it may be spelt."""

from __future__ import annotations

import html
import json

import nbformat
from folders import ROOT

from harmonic_lib.book.editions import QUIZ
from harmonic_lib.book.outcomes import tagged
from harmonic_lib.book.quiz import read_questions

CHAPTERS = sorted(ROOT.glob("chapters/**/*.ipynb"))


def prose(notebook: nbformat.NotebookNode) -> str:
    """A notebook's Markdown."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def answers() -> dict[str, set[str]]:
    """By chapter: lines of solutions that stand nowhere else in it, and reasons of its quiz."""
    found = {}
    for path in CHAPTERS:
        notebook = nbformat.read(path, as_version=4)
        open_cells = [c.source for c in notebook.cells if not tagged(c, "solution")]
        public = {line.strip() for source in open_cells for line in source.splitlines()}
        lines = {
            line.strip()
            for cell in notebook.cells
            if tagged(cell, "solution")
            for line in cell.source.splitlines()
        }
        # What a function is called and takes is in its stub, too.
        secret = {line for line in lines - public if len(line) > 20 and not line.startswith("def ")}
        for quiz in QUIZ.findall(prose(notebook)):
            secret |= {question["because"] for question in read_questions(quiz)}
        found[path.stem] = secret
    return found


def spellings(secret: str) -> set[str]:
    """How a text may stand in a page, in a notebook or in a search index."""
    return {secret, html.escape(secret), html.escape(secret, quote=False), json.dumps(secret)[1:-1]}
