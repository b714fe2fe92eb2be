"""The two editions of the book, as `make book` and the instructor's build leave them."""

from __future__ import annotations

import html
import json
from pathlib import Path

import nbformat
import pytest
from folders import ROOT

from harmonic_lib.book.editions import QUIZ
from harmonic_lib.book.quiz import read_questions

CHAPTERS = sorted(ROOT.glob("chapters/**/*.ipynb"))
BUILD = ROOT / "_build"

pytestmark = pytest.mark.slow


def built(folder: Path, command: str) -> Path:
    """The pages of an edition, which must have been built."""
    if not (folder / "index.html").is_file():
        pytest.fail(f"no book in {folder}: run `{command}` first")
    return folder


def prose(notebook: nbformat.NotebookNode) -> str:
    """A notebook's Markdown."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def answers() -> dict[str, set[str]]:
    """By chapter: lines of solutions that stand nowhere else in it, and reasons of its quiz."""
    found = {}
    for path in CHAPTERS:
        notebook = nbformat.read(path, as_version=4)
        open_cells = [c.source for c in notebook.cells if c.metadata.get("tags") != ["solution"]]
        public = {line.strip() for source in open_cells for line in source.splitlines()}
        lines = {
            line.strip()
            for cell in notebook.cells
            if cell.metadata.get("tags") == ["solution"]
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


def test_the_public_book_holds_no_answer() -> None:
    pages = built(BUILD / "html", "make book")
    pixels = pages / "chapters" / "vision" / "pixel_classifiers.html"
    assert "committed sample" in pixels.read_text("utf-8")
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in pages.rglob("*")
        if path.suffix in {".html", ".ipynb", ".md", ".js", ".txt", ".json"}
    }
    assert any(path.name == "searchindex.js" for path in texts)
    assert any("_sources" in path.parts for path in texts)
    for chapter, secrets in answers().items():
        for spelling in {each for secret in secrets for each in spellings(secret)}:
            assert not [str(p) for p, text in texts.items() if spelling in text], chapter


def test_the_instructors_book_has_every_solution_and_each_is_right() -> None:
    pages = built(BUILD / "instructor" / "html", "make instructor")
    sources = pages / "_sources" / "chapters"
    for path in CHAPTERS:
        notebook = nbformat.read(path, as_version=4)
        shown = nbformat.read(sources / path.relative_to(ROOT / "chapters"), as_version=4)
        solved = [c.source for c in notebook.cells if c.metadata.get("tags") == ["solution"]]
        assert [c.source for c in shown.cells if c.metadata.get("tags") == ["solution"]] == solved
        for cell in shown.cells:
            if cell.id.startswith("check-"):
                said = "".join(output.text for output in cell.outputs).splitlines()
                assert f"Exercise {cell.id.removeprefix('check-')}: right." in said
                assert not [line for line in said if "not yet" in line or "not answered" in line]
