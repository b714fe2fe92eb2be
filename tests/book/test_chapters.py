"""What every chapter must have, and that every chapter runs."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from folders import ROOT

from harmonic_lib.book.editions import QUIZ
from harmonic_lib.book.quiz import read_questions
from harmonic_lib.book.run_times import read_times, run_time_line, run_times_path
from harmonic_lib.book.set_up import SOURCE_ONLY, badge, source_note

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
    note, title = notebook.cells[:2]
    name = chapter.relative_to(ROOT / "chapters").with_suffix("").as_posix()
    assert note.metadata["tags"] == [SOURCE_ONLY]
    assert note.source == source_note(ROOT, name)
    opening = title.source
    assert opening.startswith("# ")
    assert badge(ROOT, name) in opening
    assert "**After this chapter you can**" in opening
    assert "**You need**" in opening
    times = read_times(run_times_path())
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
