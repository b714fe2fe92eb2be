"""A chapter's notebook that stands alone, from an executed chapter made by hand."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from folders import ROOT
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from harmonic_lib.book.chapters import Chapter
from harmonic_lib.book.editions import edition_of
from harmonic_lib.book.notebook_folder import write_notebooks
from harmonic_lib.book.notebooks import RenderedBook, stand_alone
from harmonic_lib.book.outcomes import Outcome
from harmonic_lib.book.repository import address, commit_of, page_on
from harmonic_lib.book.set_up import badge, library, set_up_cell, source_note

URL = address(ROOT)
PAGE = page_on(URL, "part/one")
QUESTION = {"question": "1 + 1?", "options": ["1", "2"], "answer": 2, "because": "Count them."}
FORM = (
    '<form class="quiz"><fieldset><label><input type="radio" name="q"> 1</label>'
    '<a href="two.html#x">see</a><button type="button">Check</button></fieldset></form>'
)
COMMIT = "0123456789abcdef"


def code(source: str, name: str, *outputs: NotebookNode, **metadata: Any) -> NotebookNode:
    """A cell of code that has run."""
    return new_code_cell(source, id=name, outputs=list(outputs), metadata=metadata)


def chapter() -> NotebookNode:
    """The source of a chapter, with the outputs of its run."""
    glue = new_output(
        "display_data",
        {"application/papermill.record/text/plain": "'42'"},
        metadata={"scrapbook": {"name": "sum"}},
    )
    figure = {"figure": {"caption": "A line.", "name": "fig-a"}, "image": {"alt": "It rises."}}
    quiz = yaml.safe_dump([QUESTION])
    title = f"# One\n\n{badge(ROOT, 'part/one')}Words."
    cells = [
        new_markdown_cell(source_note(ROOT, "part/one"), id="source", metadata=tags("source-only")),
        new_markdown_cell(title, id="title"),
        code(set_up_cell(ROOT), "set-up", tags=["hide-cell"]),
        code("import math\nfrom harmonic_lib.notebook import glue\n\nx = 1", "imports"),
        code('profile = "quick"', "parameters", tags=["parameters"]),
        code('profile = "smoke"', "injected", tags=["injected-parameters"]),
        code("glue(sum=42)", "sum-glue", glue, tags=["remove-cell"]),
        new_markdown_cell("The sum is {glue:text}`sum`.", id="words"),
        code("plot();", "plot", new_output("display_data", {"image/png": "eA=="}), mystnb=figure),
        code("answer = ...", "answer-1"),
        code("answer = 41 + 1", "solution-1", tags=["solution"]),
        code("check(1, answer, 42)", "check-1", tags=["hide-input"]),
        new_markdown_cell(f"## Quiz\n\n```{{quiz}}\n{quiz}```\n\nThe end.", id="quiz"),
    ]
    metadata = {"accelerator": "GPU", "language_info": {"name": "python"}, "harmonic": {"data": []}}
    return new_notebook(cells=cells, metadata=metadata)


def tags(*names: str) -> dict[str, list[str]]:
    """Metadata with these tags."""
    return {"tags": list(names)}


def rendered(tmp_path: Path, edition: str = "public", forms: int = 1) -> RenderedBook:
    """A build whose one page has a quiz."""
    html = tmp_path / "build" / "html"
    (html / "chapters" / "part").mkdir(parents=True, exist_ok=True)
    (html / "chapters" / "part" / "one.html").write_text(f"<main>{FORM * forms}</main>")
    references = {"roles": {"chapters/part/one": {}}, "labels": {"fig-a": "Fig. 7"}}
    (html / "references.json").write_text(json.dumps(references))
    return RenderedBook(ROOT, tmp_path / "source", html, edition, COMMIT)


def outcome(notebook: NotebookNode) -> Outcome:
    """The chapter as it was run."""
    facts = {"profile": "smoke", "device": "CPU, 1 thread", "finished": "2026-01-02T03:04"}
    notebook.metadata["harmonic_run"] = facts
    return Outcome(Chapter("part/one", Path("chapters/part/one.ipynb")), notebook)


def made(book: RenderedBook) -> dict[str, NotebookNode]:
    """The cells of the notebook, by name."""
    executed = edition_of(chapter(), book.edition)
    notebook = stand_alone(book, outcome(executed), executed)
    assert notebook.metadata["accelerator"] == "GPU"
    return {cell.id: cell for cell in notebook.cells}


def test_a_student_reads_and_runs_it_without_the_book(tmp_path: Path) -> None:
    cells = made(rendered(tmp_path))
    names = "about title set-up imports parameters words plot plot-caption answer-1 check-1 "
    assert list(cells) == [*names.split(), "quiz", "quiz-form", "quiz-after"]
    assert cells["about"].source.startswith("A chapter of [Harmonic loss](")
    assert f"[its page]({PAGE})" in cells["about"].source
    assert "[Colab](https://colab.research.google.com/" in cells["about"].source
    assert f'pip install "harmonic-lib[experiments] @ {library(ROOT)}@{COMMIT}"' in (
        cells["about"].source
    )
    assert "computed at `smoke` on CPU, 1 thread, 2026-01-02" in cells["about"].source
    assert "In an exercise" in cells["about"].source
    assert cells["title"].source == "# One\n\nWords."
    assert f"{library(ROOT)}@{COMMIT}" in cells["set-up"].source
    assert cells["imports"].source == "import math\n\nx = 1"
    assert cells["words"].source == "The sum is 42."
    assert cells["plot"].outputs[0].data["image/png"] == "eA=="
    assert cells["plot-caption"].source.startswith("**Fig. 7.** A line.\n\n<details>")
    assert "It rises." in cells["plot-caption"].source
    assert cells["parameters"].metadata == tags("parameters")
    assert cells["check-1"].metadata == {"jupyter": {"source_hidden": True}, "cellView": "form"}
    assert cells["quiz-after"].source == "The end."


def test_a_quiz_is_a_form_that_shows_itself(tmp_path: Path) -> None:
    cell = made(rendered(tmp_path))["quiz-form"]
    magic, _, html = cell.source.partition("\n")
    assert magic == "%%html"
    assert cell.outputs[0].data["text/html"] == html
    assert 'href="' + PAGE.replace("one", "two") + '#x"' in html
    assert html.count("data-lm-suppress-shortcuts") == 2  # the option and the button
    assert (ROOT / "_static" / "quiz.js").read_text(encoding="utf-8") in html


def test_only_the_instructors_has_solutions(tmp_path: Path) -> None:
    assert "Count" not in json.dumps(made(rendered(tmp_path)))
    cells = made(rendered(tmp_path, "instructor"))
    assert cells["solution-1"].source == "answer = 41 + 1"
    assert cells["solution-1"].metadata == tags("solution")
    assert "colab.research" not in cells["about"].source  # there is the student's


def test_a_page_with_two_quizzes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="takes one quiz"):
        made(rendered(tmp_path, forms=2))


def test_a_folder_has_what_its_hosts_need(tmp_path: Path) -> None:
    book, executed = rendered(tmp_path), edition_of(chapter(), "public")
    place = book.source / "chapters" / "part" / "one.ipynb"
    place.parent.mkdir(parents=True)
    nbformat.write(executed, place)
    (book.html / "notebooks" / "old").mkdir(parents=True)
    folder = write_notebooks(book, [outcome(executed)])
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    others = {"README.md", "requirements.txt", "runtime.txt", ".devcontainer/devcontainer.json"}
    assert files == {"part/one.ipynb", *others}
    assert "**Part**\n\n- [One](part/one.ipynb)\n" in (folder / "README.md").read_text("utf-8")
    assert f"{library(ROOT)}@{COMMIT}" in (folder / "requirements.txt").read_text("utf-8")


def test_the_commit_is_that_of_the_book_and_what_is_uncommitted_is_known(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert commit_of(tmp_path) == ("", False)
    git("init", "--quiet")
    with pytest.raises(ValueError, match="git rev-parse failed"):
        commit_of(tmp_path)  # no commit yet
    (tmp_path / "a.txt").write_text("a")
    git("add", "a.txt")
    git("commit", "--quiet", "-m", "a")
    assert commit_of(tmp_path) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "a.txt").write_text("b")
    assert commit_of(tmp_path) == (git("rev-parse", "HEAD"), True)
