"""A quiz in a notebook: the form of the page, with its style and script, in a cell of HTML."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from harmonic_lib.book.editions import QUIZ
from harmonic_lib.book.plain import Words, plain

FORM = re.compile(r'<form class="quiz">.*?</form>', re.DOTALL)
HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # Jupyter's word, Colab's word
HINT = (
    "Choose an answer and press *Check*. If nothing happens, run the next cell, whose code is"
    " hidden: it shows the quiz anew."
)
STYLE = """\
.quiz fieldset { border: 1px solid #8888; border-radius: 4px; margin: 0 0 1em; padding: 0.5em 1em; }
.quiz legend { font-weight: bold; padding: 0 0.3em; }
.quiz label { display: block; padding: 0.15em 0; }
.quiz button { margin: 0.4em 0.6em 0.2em 0; }"""


def quiz_cells(
    cell: NotebookNode, page: str, address: str, script: Path, words: Words
) -> list[NotebookNode]:
    """What stands for a cell with a quiz: its words, and the form, which works without a kernel.

    A viewer that runs no script of a stored output shows the working form when the cell is run.

    page: the HTML of the chapter, at this address; the instructor's has the answers in the form.

    Raises:
        ValueError: the cell has two quizzes, or the page has not exactly one.
    """
    forms = FORM.findall(page)
    parts = QUIZ.split(cell.source)
    if len(forms) != 1 or len(parts) != 3:
        raise ValueError(f"a notebook takes one quiz; {address} has {len(forms)}")
    before, _, after = parts
    words_before = plain(f"{before.strip()}\n\n{HINT}", words)
    cells = [new_markdown_cell(words_before, id=cell.id)]
    cells.append(form_cell(f"{cell.id}-form", forms[0], address, script.read_text("utf-8")))
    if after.strip():
        cells.append(new_markdown_cell(plain(after.strip(), words), id=f"{cell.id}-after"))
    return cells


def form_cell(name: str, form: str, address: str, script: str) -> NotebookNode:
    """The form as a cell that shows it, with its output."""
    # else Jupyter takes the arrow keys for its own: they would leave the cell
    form = re.sub("<(input|button) ", r'<\1 data-lm-suppress-shortcuts="true" ', form)
    form = re.sub(r'href="([^"]+)"', lambda link: f'href="{urljoin(address, link[1])}"', form)
    html = f"<style>\n{STYLE}\n</style>\n{form}\n<script>\n{script}</script>"
    shown = {"text/html": html, "text/plain": "<IPython.core.display.HTML object>"}
    output = new_output("display_data", shown)
    cell: NotebookNode = new_code_cell(f"%%html\n{html}", id=name, outputs=[output])
    cell.metadata |= HIDDEN
    return cell
