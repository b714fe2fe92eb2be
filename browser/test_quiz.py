"""The quizzes, by keyboard alone; and that their page's source does not show the reasons."""

from __future__ import annotations

import re

import nbformat
import pytest
import yaml
from conftest import HTML
from playwright.sync_api import Browser, Page

CHAPTERS = HTML.parents[1] / "chapters"
NOTEBOOKS = HTML.parent / "notebooks" / "student"
QUIZ = re.compile(r"^```\{quiz\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def quizzes() -> dict[str, list[dict]]:
    """The questions of each chapter, from its source."""
    found = {}
    for path in sorted(CHAPTERS.glob("**/*.ipynb")):
        text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells)
        for quiz in QUIZ.finditer(text):
            found[path.relative_to(CHAPTERS).with_suffix("").as_posix()] = yaml.safe_load(quiz[1])
    return found


QUIZZES = quizzes()


@pytest.mark.parametrize("chapter", QUIZZES)
def test_a_quiz_is_taken_by_keyboard_and_its_source_shows_no_reason(
    chapter: str, browser: Browser, address: str
) -> None:
    tab = browser.new_page()
    tab.goto(f"{address}chapters/{chapter}.html", wait_until="load")
    take(tab, chapter, (HTML / "chapters" / f"{chapter}.html").read_text(encoding="utf-8"))
    tab.close()


@pytest.mark.parametrize("chapter", QUIZZES)
def test_so_is_the_one_of_the_notebook(chapter: str, browser: Browser) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", 4)
    (cell,) = [cell for cell in notebook.cells if cell.id == "quiz-form"]
    tab = browser.new_page()
    tab.set_content(cell.outputs[0].data["text/html"])
    take(tab, chapter, nbformat.writes(notebook))
    tab.close()


def take(tab: Page, chapter: str, source: str) -> None:
    """Try every option of every question by keyboard: one is right, and tells its reason."""
    boxes = tab.locator(".quiz fieldset")
    assert boxes.count() == len(QUIZZES[chapter])
    for number, asked in enumerate(QUIZZES[chapter]):
        assert asked["because"] not in source
        box = boxes.nth(number)
        said = []
        box.locator("input").first.focus()
        for option in range(len(asked["options"])):
            tab.keyboard.press("ArrowDown" if option else "Space")
            tab.keyboard.press("Tab")
            tab.keyboard.press("Enter")
            said.append(box.locator("output").inner_text())
            tab.keyboard.press("Shift+Tab")
        right = [option for option, words in enumerate(said, 1) if words.startswith("Right")]
        assert right == [asked["answer"]]
        assert said[asked["answer"] - 1] == " ".join(f"Right. {asked['because']}".split())
