"""The public book, as `make book` leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import ROOT
from solutions import answers, spellings

pytestmark = pytest.mark.slow


def built(folder: Path, command: str) -> Path:
    """The pages of an edition, which must have been built."""
    if not (folder / "index.html").is_file():
        pytest.fail(f"no book in {folder}: run `{command}` first")
    return folder


def test_the_public_book_holds_no_answer() -> None:
    pages = built(ROOT / "_build" / "html", "make book")
    pixels = pages / "chapters" / "vision" / "pixel_classifiers.html"
    assert "committed sample" in pixels.read_text("utf-8")
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in pages.rglob("*")
        if path.suffix in {".html", ".ipynb", ".md", ".js", ".txt", ".json"}
    }
    assert any(path.name == "searchindex.js" for path in texts)
    assert any("notebooks" in path.parts for path in texts)
    for chapter, secrets in answers().items():
        for spelling in {each for secret in secrets for each in spellings(secret)}:
            assert not [str(p) for p, text in texts.items() if spelling in text], chapter
