"""A quiz in a notebook: the form of the page, with its style and script, in a cell of HTML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from harmonic_lib.book.editions import QUIZ
from harmonic_lib.book.plain import Words, plain
from harmonic_lib.book.quiz import read_questions

FORM = re.compile(r'<form class="quiz">.*?</form>', re.DOTALL)
HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # Jupyter's word, Colab's word
STYLE = """\
.quiz fieldset { border: 1px solid #8888; border-radius: 4px; margin: 0 0 1em; padding: 0.5em 1em; }
.quiz legend { font-weight: bold; padding: 0 0.3em; }
.quiz label { display: block; padding: 0.15em 0; }
.quiz button { margin: 0.4em 0.6em 0.2em 0; }"""


def quiz_cells(
    cell: NotebookNode, page: str, address: str, script: Path, words: Words
) -> list[NotebookNode]:
    """What stands for a cell with a quiz: its words, the form, and the answers if it has them.

    The form works without a kernel once its output is there; a viewer that trusts no stored
    output shows it when the cell is run.

    page: the HTML of the chapter, at this address.
    """
    before, quiz, after = QUIZ.split(cell.source)
    found = FORM.search(page)
    if found is None:
        raise ValueError(f"the page {address} has no quiz")
    hint = (
        "Choose an answer and press *Check*. If nothing happens, run the next cell, whose code is"
        " hidden: it shows the quiz anew."
    )
    cells = [new_markdown_cell(plain(f"{before.strip()}\n\n{hint}", words), id=cell.id)]
    cells.append(form_cell(found[0], address, script.read_text(encoding="utf-8")))
    cells[-1].id = f"{cell.id}-form"
    questions = read_questions(quiz)
    if any("answer" in asked for asked in questions):
        lines = [f"{k}. {answer_of(asked)}" for k, asked in enumerate(questions, 1)]
        text = plain("**Answers**\n\n" + "\n".join(lines), words)
        cells.append(new_markdown_cell(text, id=f"{cell.id}-answers"))
    if after.strip():
        cells.append(new_markdown_cell(plain(after.strip(), words), id=f"{cell.id}-after"))
    return cells


def form_cell(form: str, address: str, script: str) -> NotebookNode:
    """The form as a cell that shows it, with its output."""
    # else Jupyter takes the arrow keys for its own: they would leave the cell
    form = re.sub("<(input|button) ", r'<\1 data-lm-suppress-shortcuts="true" ', form)
    form = re.sub(r'href="([^"]+)"', lambda link: f'href="{urljoin(address, link[1])}"', form)
    html = f"<style>\n{STYLE}\n</style>\n{form}\n<script>\n{script}</script>"
    shown = {"text/html": html, "text/plain": "<IPython.core.display.HTML object>"}
    cell: NotebookNode = new_code_cell(
        f"%%html\n{html}", outputs=[new_output("display_data", shown)]
    )
    cell.metadata |= HIDDEN
    return cell


def answer_of(asked: dict[str, Any]) -> str:
    """The right option of a question, with its reason."""
    return f"**{asked['options'][asked['answer'] - 1]}** {asked['because']}"
