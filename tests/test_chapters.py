"""What every chapter must have, and that every chapter runs."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from harmonic_lib.book import make
from harmonic_lib.book.editions import QUIZ
from harmonic_lib.book.quiz import read_questions
from harmonic_lib.book.render import COMMON, files_below
from harmonic_lib.book.run_times import read_times, run_time_line, table

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted(ROOT.glob("chapters/**/*.ipynb"))
IDS = [path.stem for path in CHAPTERS]
PARAMETERS = 'profile = "quick"  # "smoke", "quick" or "full"\nseed = 0'


@pytest.fixture(params=CHAPTERS, ids=IDS)
def chapter(request: pytest.FixtureRequest) -> Path:
    """Each chapter's path."""
    path: Path = request.param
    return path


@pytest.fixture
def notebook(chapter: Path) -> nbformat.NotebookNode:
    """Each chapter's notebook."""
    return nbformat.read(chapter, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """A notebook's code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook: nbformat.NotebookNode) -> str:
    """A notebook's Markdown."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_no_outputs_are_committed(notebook: nbformat.NotebookNode) -> None:
    assert not any(cell.outputs or cell.execution_count for cell in code(notebook))


def test_the_format_is_valid_and_cells_have_names(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len(set(ids)) == len(ids)


def test_it_opens_with_what_a_reader_needs(chapter: Path, notebook: nbformat.NotebookNode) -> None:
    opening = notebook.cells[0].source
    assert opening.startswith("# ")
    assert "**After this chapter you can**" in opening
    assert "**You need**" in opening
    assert "[![Open in Colab](" in opening
    times = read_times(table())
    name = chapter.relative_to(ROOT / "chapters").with_suffix("").as_posix()
    known = [times[name, profile] for profile in ("quick", "full") if (name, profile) in times]
    assert known
    assert run_time_line(known) in opening


def test_the_parameters_are_the_same_everywhere(notebook: nbformat.NotebookNode) -> None:
    (parameters,) = [c for c in code(notebook) if "parameters" in c.metadata.get("tags", [])]
    assert parameters.source == PARAMETERS


def test_figures_have_alt_text_a_caption_and_a_sentence_on_what_to_see(
    notebook: nbformat.NotebookNode,
) -> None:
    drawing = [cell for cell in code(notebook) if cell.source.strip().endswith(");")]
    assert drawing
    for cell in drawing:
        about = cell.metadata["mystnb"]
        assert len(about["image"]["alt"]) > 40
        assert about["figure"]["caption"].endswith(".")
        assert f"{{numref}}`{about['figure']['name']}`" in prose(notebook)
    assert prose(notebook).count("What to see in") == len(drawing)


def test_cells_are_short(notebook: nbformat.NotebookNode) -> None:
    assert max(len(cell.source.splitlines()) for cell in code(notebook)) <= 25


def test_glued_numbers_are_all_used(notebook: nbformat.NotebookNode) -> None:
    assert ("{glue:text}" in prose(notebook)) == any("glue(" in c.source for c in code(notebook))


@pytest.mark.parametrize("path", [p for p in CHAPTERS if p.stem != "intro"], ids=lambda p: p.stem)
def test_it_ends_with_key_points_exercises_and_a_quiz(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert "\n## Key points\n" in prose(notebook)
    cells = {cell.id: cell for cell in notebook.cells}
    numbers = [int(name.split("-")[1]) for name in cells if re.fullmatch(r"exercise-\d+", name)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3
    for n in numbers:
        heading = rf"^### Exercise {n} \((easy|medium|hard)\): "
        assert re.search(heading, cells[f"exercise-{n}"].source, re.MULTILINE)
        assert "{dropdown} Hint" in cells[f"exercise-{n}"].source
        assert "..." in cells[f"answer-{n}"].source
        assert cells[f"solution-{n}"].metadata["tags"] == ["solution"]
        assert f"check({n}," in "".join(cells[f"check-{n}"].source.split())
    solutions = [cell.id for cell in notebook.cells if cell.metadata.get("tags") == ["solution"]]
    assert all(name.startswith("solution-") for name in solutions)
    (quiz,) = QUIZ.findall(cells["quiz"].source)
    assert len(read_questions(quiz)) == 5


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the book's sources."""
    root = tmp_path_factory.mktemp("book")
    for path in [
        p for name in (*COMMON, "chapters", "pyproject.toml") for p in files_below(ROOT / name)
    ]:
        place = root / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return root


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


def test_the_public_book_builds_at_smoke_and_holds_no_answer(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(profile="smoke", root=book) == 0, capsys.readouterr().out
    pages = book / "_build" / "html"
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


def test_the_instructors_book_has_every_solution_and_each_is_right(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(profile="smoke", root=book, edition="instructor") == 0, capsys.readouterr().out
    sources = book / "_build" / "instructor" / "html" / "_sources" / "chapters"
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
