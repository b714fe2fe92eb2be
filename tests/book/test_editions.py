"""The public edition withholds the answers; a quiz has them encoded."""

from __future__ import annotations

import base64
import json
import re

import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from harmonic_lib.book.editions import edition_of
from harmonic_lib.book.quiz import encode, read_questions
from harmonic_lib.exercises import check

QUESTION = {
    "question": "What is $1 + 1$?",
    "options": ["1", "2", "3"],
    "answer": 2,
    "because": "Count: one, two — λ.",
}
QUIZ = "## Quiz\n\n```{quiz}\n" + yaml.safe_dump([QUESTION], allow_unicode=True) + "```\n"


def decoded(question: dict[str, object]) -> object:
    """What a browser reads: `atob` gives one character a byte."""
    return json.loads(base64.b64decode(str(question["encoded"])).decode("latin-1"))


def test_an_encoded_answer_is_read_by_the_browser_and_not_at_a_glance() -> None:
    question = encode(QUESTION)
    assert decoded(question) == {key: QUESTION[key] for key in ("answer", "because")}
    assert set(question) == {"question", "options", "encoded"}
    assert encode(question) is question


def test_the_public_edition_has_neither_solutions_nor_answers() -> None:
    solution = new_code_cell("answer = 42")
    solution.metadata["tags"] = ["solution"]
    notebook = new_notebook(
        cells=[new_markdown_cell(QUIZ), new_code_cell("answer = ..."), solution]
    )
    public = edition_of(notebook, "public")
    assert [cell.source for cell in public.cells][1:] == ["answer = ..."]
    assert "Count" not in public.cells[0].source
    assert "answer" not in public.cells[0].source
    (question,) = read_questions(public.cells[0].source.split("```")[1].removeprefix("{quiz}"))
    assert decoded(question) == {key: QUESTION[key] for key in ("answer", "because")}
    assert len(notebook.cells) == 3
    assert edition_of(notebook, "instructor") == notebook


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": 4}, "from 1 to 3"),
        ({"options": [1, 2, 3]}, "must be texts"),
        ({"hint": "no"}, "must have"),
    ],
)
def test_a_bad_quiz_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_questions(yaml.safe_dump([QUESTION | change]))


@pytest.mark.parametrize("text", ["", "- [", "just words"])
def test_what_is_no_quiz_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a quiz"):
        read_questions(text)


@pytest.mark.parametrize(
    ("given", "expected", "said"),
    [
        (..., 1.0, "not answered yet"),
        (lambda: None, 1.0, "not answered yet"),
        (0.5, lambda: 0.5 + 1e-9, "right"),
        ([1.0, 2.0], [1.0, 2.0], "right"),
        ("manhattan", "manhattan", "right"),
        (False, True, "not the answer"),
        (0.5, 0.6, "off by up to 0.1"),
        ([1.0], [1.0, 2.0], r"shape \(2,\)"),
        ("words", 1.0, "Expected numbers"),
        (float("nan"), 1.0, "not finite"),
    ],
)
def test_a_check_says_what_an_answer_is(
    given: object, expected: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check(1, given, expected)
    assert re.search(said, capsys.readouterr().out)
