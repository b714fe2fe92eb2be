"""Sphinx extension: questions with one right answer, which work without a kernel.

The directive holds YAML, a list of questions:

    ```{quiz}
    - question: "What does HarMax do with a distance of zero?"
      options: ["It fails.", "It gives probability 1.", "It ignores it."]
      answer: 2
      because: "The logit has no bound there."
    ```

A page holds answer and reason in base64, so that nobody reads them by accident, in the page or
in its source; ``_static/quiz.js`` decodes them. They are not secret.
"""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

FIELDS = {"question", "options", "answer", "because"}
ENCODED = {"question", "options", "encoded"}


def read_questions(text: str) -> list[dict[str, Any]]:
    """The questions of a quiz.

    Raises:
        ValueError: it is no YAML list of questions, or a question lacks something.
    """
    try:
        questions = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"a quiz is not YAML: {error}") from error
    if not isinstance(questions, list) or not questions:
        raise ValueError("a quiz must be a list of questions")
    for question in questions:
        if not isinstance(question, dict) or set(question) not in (FIELDS, ENCODED):
            raise ValueError(f"a question of a quiz must have {sorted(FIELDS)}, got {question!r}")
        options = question["options"]
        if not isinstance(options, list) or not all(isinstance(o, str) for o in options):
            raise ValueError(f"the options of a question must be texts, got {options!r}")
        if "answer" in question and question["answer"] not in range(1, len(options) + 1):
            raise ValueError(
                f"the answer must be an option from 1 to {len(options)}, got {question['answer']!r}"
            )
    return questions


def encode(question: dict[str, Any]) -> dict[str, Any]:
    """The question with answer and reason in base64, as the public edition holds it."""
    if "encoded" in question:
        return question
    secret = json.dumps({"answer": question["answer"], "because": question["because"]})
    shown = {key: question[key] for key in ("question", "options")}
    return shown | {"encoded": base64.b64encode(secret.encode()).decode()}


class QuizForm(nodes.General, nodes.Element):  # type: ignore[misc]
    """All questions."""


class QuizQuestion(nodes.General, nodes.Element):  # type: ignore[misc]
    """One question: a legend, options, and room for the verdict."""


class QuizLegend(nodes.General, nodes.TextElement):  # type: ignore[misc]
    """What is asked."""


class QuizOption(nodes.General, nodes.TextElement):  # type: ignore[misc]
    """One answer to choose."""


class Quiz(SphinxDirective):
    """The directive."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            questions = read_questions("\n".join(self.content))
        except ValueError as error:
            raise self.error(str(error)) from error
        whole = QuizForm()
        for number, asked in enumerate(questions, 1):
            one = QuizQuestion(encoded=encode(asked)["encoded"])
            one += QuizLegend("", "", *self.inline(f"{number}. {asked['question']}"))
            for index, text in enumerate(asked["options"], 1):
                one += QuizOption("", "", *self.inline(text), name=f"quiz-{number}", index=index)
            whole += one
        if any("answer" in asked for asked in questions):
            whole += self.answers(questions)
        return [whole]

    def inline(self, text: str) -> list[nodes.Node]:
        found, messages = self.state.inline_text(text, self.lineno)
        return [*found, *messages]

    def answers(self, questions: list[dict[str, Any]]) -> nodes.Node:
        """For instructors: the right options, with their reasons."""
        listed = nodes.enumerated_list(classes=["quiz-answers"])
        for asked in questions:
            right = asked["options"][asked["answer"] - 1]
            words = [*self.inline(right), nodes.Text(f" {asked['because']}")]
            listed += nodes.list_item("", nodes.paragraph("", "", *words))
        return listed


def visit_quiz(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append('<form class="quiz">\n')


def depart_quiz(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append("</form>\n")


def visit_question(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append(f'<fieldset data-encoded="{escape(node["encoded"])}">')


def depart_question(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append('<button type="button">Check</button> <output></output></fieldset>\n')


def visit_legend(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append("<legend>")


def depart_legend(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append("</legend>")


def visit_option(self: HTML5Translator, node: nodes.Element) -> None:
    name, index = escape(node["name"]), node["index"]
    # A formula alone gives a label no text: then its TeX is the name.
    alone = all(isinstance(child, nodes.math) for child in node.children)
    label = f' aria-label="{escape(node.astext())}"' if alone else ""
    self.body.append(f'<label><input type="radio" name="{name}" value="{index}"{label}> <span>')


def depart_option(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append("</span></label>")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and its nodes."""
    app.add_node(QuizForm, html=(visit_quiz, depart_quiz))
    app.add_node(QuizQuestion, html=(visit_question, depart_question))
    app.add_node(QuizLegend, html=(visit_legend, depart_legend))
    app.add_node(QuizOption, html=(visit_option, depart_option))
    app.add_directive("quiz", Quiz)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
