"""The notebooks that stand alone, as `make book` and the instructor's build leave them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from folders import ROOT
from solutions import CHAPTERS, answers, spellings

from harmonic_lib.book.check import has_id
from harmonic_lib.book.outcomes import tagged
from harmonic_lib.book.plain import CODE_OR_ROLE, LEFT_OVER
from harmonic_lib.book.repository import address, book_address, notebook_on, page_on
from harmonic_lib.book.set_up import set_up_cell

BUILD = ROOT / "_build"
NAMES = [path.relative_to(ROOT / "chapters").with_suffix("").as_posix() for path in CHAPTERS]
LINK = re.compile(r"\]\((\S+?)\)|(?:href|src)=\"([^\"]+)\"")
FIGURE = re.compile(r"\*\*Fig\. \d+\.\*\* \S")

pytestmark = pytest.mark.slow


@cache
def notebook(folder: str, name: str) -> nbformat.NotebookNode:
    """A notebook of an edition, which must have been built."""
    path = BUILD / "notebooks" / folder / f"{name}.ipynb"
    if not path.is_file():
        pytest.fail(f"no {path}: run `make book`, `make instructor` first")
    return nbformat.read(path, as_version=4)


def texts(made: nbformat.NotebookNode) -> Iterator[str]:
    """Every text that a reader sees: of cells, and of their outputs."""
    for cell in made.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (shown for kind, shown in output.get("data", {}).items() if "text" in kind)


def links(made: nbformat.NotebookNode) -> list[str]:
    """Where the links and images of words and of rendered outputs lead."""
    shown = [cell.source for cell in made.cells if cell.cell_type == "markdown"]
    outputs = [output for cell in made.cells for output in cell.get("outputs", [])]
    for kind in ("text/markdown", "text/html"):
        shown += [output.data[kind] for output in outputs if kind in output.get("data", {})]
    return [a or b for text in shown for a, b in LINK.findall(text)]


@pytest.mark.parametrize("folder", ["student", "instructor"])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_and_reads_without_the_book(name: str, folder: str) -> None:
    made = notebook(folder, name)
    nbformat.validate(made)
    for text in texts(made):
        left = LEFT_OVER.search(CODE_OR_ROLE.sub("", text))
        assert not left, (left, text[:300])
    assert "glue" not in "".join(cell.source for cell in made.cells)
    drawn = [k for k, c in enumerate(made.cells) if c.source.rstrip().endswith(");")]
    assert drawn
    for k in drawn:  # a figure, and its caption below
        assert any("image/png" in output.get("data", {}) for output in made.cells[k].outputs)
        assert FIGURE.match(made.cells[k + 1].source)
        assert "in words</summary>" in made.cells[k + 1].source


def test_no_student_notebook_holds_an_answer() -> None:
    """Nor do the zip's and the pages' copies: they are made from the same files."""
    folder = BUILD / "notebooks" / "student"
    files = {path: path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}
    assert len([path for path in files if path.suffix == ".ipynb"]) == len(NAMES)
    for name in NAMES:
        files[Path(name)] = "\n".join(texts(notebook("student", name)))
        tags = [tag for c in notebook("student", name).cells for tag in c.metadata.get("tags", [])]
        assert "solution" not in tags
    for chapter, secrets in answers().items():
        for spelling in {each for secret in secrets for each in spellings(secret)}:
            assert not [str(path) for path, text in files.items() if spelling in text], chapter
    assert not re.search(r'answer\\?"?: *\d', "\n".join(files.values()))


def test_the_instructors_have_every_solution_right_and_every_answer_with_its_reason() -> None:
    for name, path in zip(NAMES, CHAPTERS, strict=True):
        source, made = nbformat.read(path, as_version=4), notebook("instructor", name)
        cells = {cell.id: cell for cell in made.cells}
        for cell in source.cells:
            if tagged(cell, "solution") and cell.cell_type == "code":
                assert cells[cell.id].source == cell.source
            if cell.id.startswith("check-"):
                said = "".join(output.text for output in cells[cell.id].outputs)
                assert f"{cell.id.removeprefix('check-')}: right." in said, (name, cell.id, said)
        if "quiz" in cells:
            answers = cells["quiz-form"].source.partition("quiz-answers")[2]
            assert answers.partition("</ol>")[0].count("<li>") == 5


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_page_and_a_place_of_the_book(name: str) -> None:
    url = address(ROOT)
    book, html = book_address(url), BUILD / "html"
    hosts = {link for n in NAMES for link in notebook_on(url, n).values()}
    found = links(notebook("student", name))
    inside = [link for link in found if link.startswith(book)]
    assert page_on(url, name) in inside
    for link in set(found) - hosts - set(inside):
        assert urlsplit(link).netloc, link  # a link to another site, whole
        assert url not in link or link == url
    for link in set(inside):
        parts = urlsplit(link.removeprefix(book))
        page = html / (parts.path or "index.html")
        assert page.is_file(), link
        assert not parts.fragment or has_id(page, unquote(parts.fragment)), link


@pytest.mark.parametrize("folder", ["student", "instructor"])
def test_no_cell_needs_what_a_cell_of_glue_defines(folder: str, tmp_path: Path) -> None:
    """The cells of glue are left out: all names of the others must be defined without them."""
    for name in NAMES:
        cells = [c for c in notebook(folder, name).cells if c.cell_type == "code"]
        code = [c.source for c in cells if c.id not in ("set-up", "quiz-form")]
        (tmp_path / f"{Path(name).stem}.py").write_text("\n".join(code) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select=F821"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_it_asks_for_a_gpu_where_one_pays_and_installs_the_commit_it_was_built_from(
    name: str,
) -> None:
    made = notebook("student", name)
    trains_networks = name.startswith(("algorithmic/", "vision/"))
    assert (made.metadata.get("accelerator") == "GPU") == trains_networks
    (set_up,) = [cell.source for cell in made.cells if cell.id == "set-up"]
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    assert set_up == set_up_cell(ROOT, commit)


def test_every_button_of_a_page_leads_to_its_student_notebook() -> None:
    url = address(ROOT)
    for name in NAMES:
        page = (BUILD / "html" / "chapters" / f"{name}.html").read_text("utf-8")
        links = set(re.findall(r'href="([^"]+)"', page))
        places = notebook_on(url, name)
        assert {places[host] for host in ("Colab", "Kaggle", "Binder", "Codespaces")} <= links
        up = "../" * (name.count("/") + 1)
        assert f"{up}notebooks/{name}.ipynb" in links
        assert f"{up}notebooks.zip" in links
        hosts = ("colab.", "kaggle.", "mybinder.", "codespaces.")
        others = [link for link in links if any(host in link for host in hosts)]
        assert set(others) <= set(places.values())
        assert "_sources" not in page


def test_the_folder_says_what_it_is_and_what_it_needs() -> None:
    folder = BUILD / "notebooks" / "student"
    readme = (folder / "README.md").read_text("utf-8")
    assert set(re.findall(r"^- \[.*\]\((\S+)\.ipynb\)$", readme, re.M)) == set(NAMES)
    needed = (folder / "requirements.txt").read_text("utf-8")
    assert f"harmonic-lib[experiments] @ git+{address(ROOT)}@" in needed
    assert json.loads((folder / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
