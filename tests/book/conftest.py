"""The small book on disk, and the pipeline without its slow half."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from folders import ROOT
from small_book import FIGURE, TOC, chapter

from harmonic_lib.book import pipeline, render
from harmonic_lib.book.notebooks import RenderedBook


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of two short chapters and the statistics page; the current folder."""
    root = tmp_path / "book"
    (root / "chapters" / "appendices").mkdir(parents=True)
    for name in ("_config.yml", "references.bib", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for name in ("_static", "_templates"):
        shutil.copytree(ROOT / name, root / name)
    (root / "_toc.yml").write_text(TOC)
    nbformat.write(chapter("Intro", "print(6 * 7)", FIGURE), root / "chapters" / "intro.ipynb")
    nbformat.write(chapter("Sums", "print(1 + 1)", FIGURE), root / "chapters" / "sums.ipynb")
    page = "# Run statistics\n\n<!-- run statistics -->\n"
    (root / "chapters" / "appendices" / "run_statistics.md").write_text(page)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def quiet_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what renders and checks, where a test is about running only."""

    def no_pages(source: Path, staging: Path) -> None:
        pages = render.html_of(staging)
        pages.mkdir(parents=True, exist_ok=True)
        (pages / "index.html").write_text("<p>pages</p>")

    def no_notebooks(book: RenderedBook, outcomes: object) -> Path:
        folder = book.html / "notebooks"
        folder.mkdir(exist_ok=True)
        return folder

    monkeypatch.setattr(pipeline, "jupyter_book", no_pages)
    monkeypatch.setattr(pipeline, "write_notebooks", no_notebooks)
    monkeypatch.setattr(pipeline, "check_pages", lambda *_: [])
