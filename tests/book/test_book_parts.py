"""The pipeline's parts, each by itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from folders import ROOT
from nbformat.v4 import new_code_cell, new_notebook, new_output

from harmonic_lib.book import pipeline, repository
from harmonic_lib.book.chapters import Chapter, select
from harmonic_lib.book.check import check_pages
from harmonic_lib.book.execute import Job
from harmonic_lib.book.outcomes import (
    Outcome,
    chapter_key,
    data_digests,
    library_digest,
    read_notebook,
)
from harmonic_lib.book.pipeline import longest_first
from harmonic_lib.book.render import (
    MARKER,
    claim_folder,
    publish,
    rendered_copy,
    write_sources,
)
from harmonic_lib.book.run_times import read_times, spoken, update
from harmonic_lib.book.statistics import statistics_page

GOOD = """<html><body><main><h1 id="top">A page</h1><a href="#top">up</a>
<div class="cell"><div class="cell_output"><img src="a.png" alt="a line that rises"></div></div>
</main></body></html>"""


def outcome(name: str, *outputs: nbformat.NotebookNode, seconds: float = 1.0) -> Outcome:
    """An executed chapter of one cell."""
    cell = new_code_cell("1", id="only", outputs=list(outputs), execution_count=1)
    cell.metadata["papermill"] = {"duration": 0.5}
    notebook = new_notebook(cells=[cell])
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["harmonic_run"] = {
        "seconds": seconds,
        "profile": "quick",
        "finished": "2026-01-02T03:04:05+00:00",
        "device": "CPU, 2 threads",
        "versions": {"torch": "2"},
    }
    return Outcome(Chapter(name, Path(f"{name}.ipynb")), notebook)


def checked(tmp_path: Path, html: str, *outputs: nbformat.NotebookNode) -> list[str]:
    """What the checks say of a page."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "a.html").write_text(html)
    ran = outcome("a", *outputs)
    return check_pages(tmp_path, [ran.chapter], {"a": ran})


def test_a_good_page_passes(tmp_path: Path) -> None:
    figure = new_output("display_data", data={"image/png": "..."})
    assert checked(tmp_path, GOOD, figure) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("A page", "Traceback (most recent call last): ...", "shows a traceback"),
        ('alt="a line that rises"', "", "has no alt text"),
        ("a line that rises", "../_images/a.png", "has no alt text"),
        ('href="#top"', 'href="#nowhere"', "the page has no such place"),
        ('href="#top"', 'href="b.html"', "leads nowhere"),
        ('href="#top"', 'href="../../outside.html"', "leads nowhere"),
        ("<main>", '<script src="https://cdn.example/x.js"></script><main>', "fetches https://cdn"),
        ("<main>", '<script src="//cdn.example/x.js"></script><main>', "fetches //cdn"),
        ("<main>", '<link rel="stylesheet" href="https://x.example/"><main>', "<link> fetches"),
        (re.search("<img.*?>", GOOD).group(), "", "shows 0 of the chapter's 1 figures"),
    ],
)
def test_a_bad_page_is_found(tmp_path: Path, old: str, new: str, said: str) -> None:
    figure = new_output("display_data", data={"image/png": "..."})
    problem, *_ = checked(tmp_path, GOOD.replace(old, new), figure)
    assert said in problem


def test_an_output_that_is_not_on_the_page_is_found(tmp_path: Path) -> None:
    text = new_output("stream", name="stdout", text="42")
    (problem,) = checked(tmp_path, GOOD.replace("cell_output", "gone"), text)
    assert problem == "a: shows the outputs of 0 of the chapter's 1 cells that have any"


def test_links_elsewhere_and_relations_are_left_alone(tmp_path: Path) -> None:
    head = '<link rel="canonical" href="https://x.example/"><a href="https://x.example/">x</a>'
    assert checked(tmp_path, GOOD.replace("<main>", f"{head}<main>")) == []


def test_a_page_that_was_not_built_is_found(tmp_path: Path) -> None:
    ran = outcome("a")
    assert check_pages(tmp_path, [ran.chapter], {"a": ran}) == ["a: no page was built"]


def test_the_key_depends_on_code_parameters_library_and_data_but_not_on_prose() -> None:
    notebook = outcome("a").notebook
    base = chapter_key(notebook, "quick", "library", {"data": "1"})
    assert chapter_key(notebook, "full", "library", {"data": "1"}) != base
    assert chapter_key(notebook, "quick", "other", {"data": "1"}) != base
    assert chapter_key(notebook, "quick", "library", {"data": "2"}) != base
    notebook.cells.append(nbformat.v4.new_markdown_cell("words"))
    assert chapter_key(notebook, "quick", "library", {"data": "1"}) == base
    notebook.cells[0].source = "2"
    assert chapter_key(notebook, "quick", "library", {"data": "1"}) != base


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small library of that name: what a chapter on heads imports, and what it does not."""
    files = {
        "__init__.py": "from harmonic_lib.head import Head\n",
        "head.py": "import torch\n",
        "cli.py": "from harmonic_lib import book\n",
        "book/__init__.py": "",
        "chapters/__init__.py": "",
        "chapters/heads/__init__.py": "",
        "chapters/heads/figures.py": "def f():\n    from harmonic_lib.plots.style import style\n",
        "chapters/heads/facts.ini": "",
        "chapters/tails/__init__.py": "",
        "chapters/tails/figures.py": "",
        "plots/__init__.py": "",
        "plots/style.py": "",
    }
    root = tmp_path / "harmonic_lib"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("head.py", True),
        ("chapters/heads/figures.py", True),
        ("chapters/heads/facts.ini", True),
        ("chapters/__init__.py", True),
        ("plots/style.py", True),
        ("cli.py", False),
        ("book/__init__.py", False),
        ("chapters/tails/figures.py", False),
    ],
)
def test_a_chapter_depends_on_what_it_imports_and_on_nothing_else(
    package: Path, file: str, counts: bool
) -> None:
    magic = "if 1:\n    %pip install \\\n        x\n"
    source = magic + "from harmonic_lib.chapters.heads import figures as draw\n"
    notebook = new_notebook(cells=[new_code_cell(source)])
    before = library_digest(notebook, package)
    path = package / file
    path.write_text(path.read_text() + "# a comment\n")
    assert (library_digest(notebook, package) != before) == counts


def test_outputs_stay_with_their_cells_when_prose_changes() -> None:
    ran = outcome("a", new_output("stream", name="stdout", text="out"))
    source = new_notebook(
        cells=[nbformat.v4.new_markdown_cell("new", id="new"), new_code_cell("1", id="only")]
    )
    page = rendered_copy(source, ran.notebook)
    assert page.cells[1].outputs[0].text == "out"


def test_sources_are_laid_out_and_stale_ones_removed(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    (root / "chapters").mkdir(parents=True)
    page = root / "chapters" / "words.md"
    page.write_text("words")
    (root / "_toc.yml").write_text("root: chapters/words")
    target.mkdir()
    (target / "stale.md").write_text("gone")
    chapter = Chapter("words", page)
    write_sources(root, target, [chapter], {}, {}, {})
    assert sorted(p.name for p in target.rglob("*") if p.is_file()) == ["_toc.yml", "words.md"]
    write_sources(root, target, [chapter], {}, {}, {"words": "other words"})
    assert (target / "chapters" / "words.md").read_text() == "other words"


def test_the_statistics_tell_time_and_slowest_cell() -> None:
    page = statistics_page(
        "# Title\n<!-- run statistics -->\n", [outcome("a", seconds=2), outcome("b")]
    )
    assert "| {doc}`/chapters/a` | quick | 2.0 | 1 of 1: 0.5 s |" in page
    assert "**3.0**" in page
    with pytest.raises(ValueError, match="has no line"):
        statistics_page("# Title\n", [outcome("a")])


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"thesis\.tex, not a book's: choose an empty folder"):
        claim_folder(tmp_path, tmp_path.parent / "book" / "_build")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_only_what_a_book_put_into_a_folder_is_replaced(tmp_path: Path) -> None:
    html, target = tmp_path / "html", tmp_path / "target"
    html.mkdir()
    for page in ("old.html", "new.html"):
        (html / "index.html").write_text(page)
        (html / page).write_text(page)
        claim_folder(target, tmp_path / "_build")
        publish(html, target)
        (html / page).unlink()
    assert sorted(path.name for path in target.iterdir()) == [MARKER, "index.html", "new.html"]
    (target / "CNAME").write_text("book.example.org")
    with pytest.raises(ValueError, match="CNAME"):
        claim_folder(target, tmp_path / "_build")


@pytest.mark.parametrize("place", ["_build", "_build/outcomes", "."])
def test_the_pages_never_replace_what_was_computed(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match="outcomes are kept"):
        claim_folder(tmp_path / place, tmp_path / "_build")


def test_a_short_name_that_two_chapters_have_is_refused() -> None:
    chapters = [Chapter(name, Path(f"{name}.md")) for name in ("a/scale", "b/scale", "b/other")]
    assert select(chapters, ["other", "a/scale"]) == [chapters[0], chapters[2]]
    with pytest.raises(ValueError, match="could be any of a/scale, b/scale"):
        select(chapters, ["scale"])


def test_changed_data_change_the_digests(tmp_path: Path) -> None:
    notebook = outcome("a").notebook
    notebook.metadata["harmonic"] = {"data": ["folder", "file"]}
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("1")
    (tmp_path / "file").write_text("1")
    before = data_digests(notebook, tmp_path, "a")
    (tmp_path / "folder" / "inner").rename(tmp_path / "folder" / "renamed")
    after = data_digests(notebook, tmp_path, "a")
    assert before["file"] == after["file"]
    assert before["folder"] != after["folder"]
    (tmp_path / "file").write_text("2")
    assert data_digests(notebook, tmp_path, "a")["file"] != after["file"]


def test_a_file_that_is_no_notebook_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("<<<<<<< HEAD")
    with pytest.raises(ValueError, match=r"a\.ipynb is not a notebook"):
        read_notebook(tmp_path / "a.ipynb")


@pytest.mark.parametrize(
    ("seconds", "said"), [(1, "1 s"), (59, "59 s"), (60, "1 min 0 s"), (135, "2 min 15 s")]
)
def test_times_are_spoken(seconds: int, said: str) -> None:
    assert spoken(seconds) == said


def test_measured_times_reach_the_table_and_the_chapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "run_times.csv"
    table.write_text("chapter,profile,seconds,device,date\na,full,700,GPU,2026-01-01\n")
    monkeypatch.setattr("harmonic_lib.book.run_times.run_times_path", lambda: table)
    (tmp_path / "_toc.yml").write_text("root: chapters/a")
    text = "# A\n\n**Run time**, measured: not yet.\n\nMore."
    words = nbformat.v4.new_markdown_cell(text, id="title")
    (tmp_path / "chapters").mkdir()
    nbformat.write(new_notebook(cells=[words]), tmp_path / "chapters" / "a.ipynb")
    kept = tmp_path / "_build" / "outcomes" / "quick"
    kept.mkdir(parents=True)
    nbformat.write(outcome("a", seconds=75).notebook, kept / "a.ipynb")

    update(tmp_path)
    assert {key: row.seconds for key, row in read_times(table).items()} == {
        ("a", "full"): 700,
        ("a", "quick"): 75,
    }
    opening = nbformat.read(tmp_path / "chapters" / "a.ipynb", as_version=4).cells[0].source
    line = "1 min 15 s at `quick` (CPU, 2 threads); 11 min 40 s at `full` (GPU)."
    assert opening == f"# A\n\n**Run time**, measured: {line}\n\nMore."


def test_every_file_agrees_with_the_one_address() -> None:
    url = repository.address(ROOT)
    slug, site = repository.names(url)
    texts = {
        place: (ROOT / place).read_text(encoding="utf-8")
        for place in ("README.md", "_config.yml", "CITATION.cff")
    }
    assert f"pip install git+{url}" in texts["README.md"]
    assert f"url: {url}\n" in texts["_config.yml"]
    assert re.search(rf'^repository-code: "?{re.escape(url)}"?$', texts["CITATION.cff"], re.M)
    assert site in texts["CITATION.cff"]
    colab = "https://colab.research.google.com/github"
    for path in ROOT.glob("chapters/**/*.ipynb"):
        place = path.relative_to(ROOT / "chapters").as_posix()
        note, opening, setup, *_ = nbformat.read(path, as_version=4).cells
        assert f"(https://github.com/{slug}/blob/notebooks/{place})" in note.source
        assert f"({colab}/{slug}/blob/notebooks/{place})" in opening.source
        assert f"git+{url}" in setup.source


def test_one_command_moves_the_project_everywhere(tmp_path: Path) -> None:
    for path in repository.files(ROOT):
        place = tmp_path / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    old, _ = repository.names(repository.address(tmp_path))
    repository.move(tmp_path, "https://github.com/Me/my-fork.git")
    assert repository.address(tmp_path) == "https://github.com/Me/my-fork"
    for path in repository.files(tmp_path):
        assert old not in path.read_text(encoding="utf-8"), path
    assert "https://me.github.io/my-fork" in (tmp_path / "CITATION.cff").read_text()


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "https://example.org/a/b", "https://github.com/a"]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="expected https://github"):
        repository.names(url)


def test_the_command_says_what_it_wants(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harmonic_lib.book.repository"]
    for words in ([], ["not-an-address"]):
        done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1
        assert "https://github.com/OWNER/NAME" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_longest_chapters_run_first_and_those_never_timed_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "run_times.csv"
    rows = ["chapter,profile,seconds,device,date", "a,quick,9,,", "b,quick,5,,", "b,smoke,20,,"]
    kept.write_text("\n".join(rows))
    monkeypatch.setattr(pipeline, "run_times_path", lambda: kept)
    jobs = [Job(Chapter(name, tmp_path), new_notebook(), "smoke", "") for name in "cab"]
    assert [job.chapter.name for job in longest_first(jobs)] == ["c", "b", "a"]
