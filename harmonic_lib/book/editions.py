"""Two editions of one source: the public one withholds the answers."""

from __future__ import annotations

import copy
import re

import yaml
from nbformat import NotebookNode

from harmonic_lib.book.outcomes import tagged
from harmonic_lib.book.quiz import encode, read_questions
from harmonic_lib.book.set_up import SOURCE_ONLY

EDITIONS = ("public", "instructor")
QUIZ = re.compile(r"^```\{quiz\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def edition_of(notebook: NotebookNode, edition: str) -> NotebookNode:
    """The notebook as an edition has it: the public one has no solutions and encoded quizzes.

    It is made before anything else, so that nothing that is made from it (outcomes, sources,
    pages, notebooks, the search index) can hold an answer.

    Raises:
        ValueError: a quiz is not one; the message says what is wrong.
    """
    made = copy.deepcopy(notebook)
    made.cells = [cell for cell in made.cells if not tagged(cell, SOURCE_ONLY)]
    if edition == "public":
        made.cells = [cell for cell in made.cells if not tagged(cell, "solution")]
        for cell in made.cells:
            if cell.cell_type == "markdown":
                cell.source = QUIZ.sub(encoded, cell.source)
    return made


def encoded(quiz: re.Match[str]) -> str:
    """A quiz directive with its answers encoded."""
    questions = [encode(question) for question in read_questions(quiz[1])]
    text: str = yaml.safe_dump(questions, allow_unicode=True, sort_keys=False)
    return f"```{{quiz}}\n{text}```"
