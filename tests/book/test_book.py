"""The pipeline on a small book: what runs, what is kept, what is said, what survives."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest
from filelock import FileLock
from small_book import edit

from harmonic_lib.book import pipeline, render
from harmonic_lib.book.pipeline import make
from harmonic_lib.cli import main

THEOREM = """

```{prf:theorem} Sums
:label: thm-sums

They add up:

$$
1 + 1 = 2
$$ (eq-sums)
```

{prf:ref}`thm-sums` has {eq}`eq-sums`."""


def pages(root: Path) -> dict[str, bytes]:
    """The content of every built chapter page."""
    html = root / "_build" / "html" / "chapters"
    return {p.relative_to(html).as_posix(): p.read_bytes() for p in html.rglob("*.html")}


def test_only_what_changed_is_run_and_only_its_page_changes(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(book / "chapters" / "sums.ipynb", "title", lambda text: text + THEOREM)
    assert make() == 0
    said = capsys.readouterr().out
    assert "2 chapters to run (quick), 0 kept" in said
    assert said.rstrip().endswith(str(book / "_build" / "html" / "index.html"))
    first = pages(book)
    assert b"42" in first["intro.html"]
    assert b'alt="a line that rises"' in first["intro.html"]
    assert b"injected" not in first["intro.html"]
    made = nbformat.read(book / "_build" / "notebooks" / "student" / "sums.ipynb", as_version=4)
    assert made.cells[1].source.endswith(
        "> **Theorem 1 (Sums).** They add up:\n>\n> $$ 1 + 1 = 2 \\tag{1} $$\n\n"
        "[Theorem 1](https://harmonic-loss.github.io/harmonic-loss-book/chapters/sums.html#thm-sums)"
        " has [(1)](https://harmonic-loss.github.io/harmonic-loss-book/chapters/sums.html"
        "#equation-eq-sums)."
    )
    published = book / "_build" / "html" / "notebooks" / "sums.ipynb"
    assert nbformat.read(published, as_version=4) == made
    with ZipFile(book / "_build" / "html" / "notebooks.zip") as packed:
        assert {"intro.ipynb", "sums.ipynb", "README.md"} <= set(packed.namelist())

    edit(book / "chapters" / "sums.ipynb", "title", lambda text: text + " More words.")
    assert make() == 0
    assert "0 chapters to run (quick), 2 kept" in capsys.readouterr().out
    second = pages(book)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"sums.html"}
    assert b"More words." in second["sums.html"]

    (book / "_build" / "html" / "chapters" / "sums.html").unlink()
    rendered = (book / "_build" / "staging" / "key").stat().st_mtime_ns
    assert make() == 0
    assert pages(book) == second
    assert (book / "_build" / "staging" / "key").stat().st_mtime_ns == rendered

    edit(book / "chapters" / "intro.ipynb", "cell-0", lambda _: "print(6 * 9)")
    assert make() == 0
    assert "1 chapters to run (quick), 1 kept" in capsys.readouterr().out
    assert b"54" in pages(book)["intro.html"]


@pytest.mark.usefixtures("quiet_build")
def test_a_failing_chapter_is_named_and_the_others_are_kept(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(book / "chapters" / "intro.ipynb", "cell-0", lambda _: "1/0  # x[:3] [/path]")
    assert make() == 1
    said = capsys.readouterr().out
    assert (
        "failed intro, code cell 2 (1/0  # x[:3] [/path]): ZeroDivisionError: division by zero"
        in said
    )
    assert (book / "_build" / "outcomes" / "quick" / "sums.ipynb").is_file()
    assert not (book / "_build" / "html" / "index.html").exists()

    edit(book / "chapters" / "intro.ipynb", "cell-0", lambda _: "print(1)")
    assert make() == 0
    assert "1 chapters to run (quick), 1 kept" in capsys.readouterr().out


@pytest.mark.usefixtures("quiet_build")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(0)", "code cell 2 (import sys; sys.exit(0)): it ends the kernel"),
        ("import sys; print('Oh', file=sys.stderr)", ": it wrote to stderr: Oh"),
        ("import warnings; warnings.warn('Ah')", ": it wrote to stderr: "),
    ],
)
def test_what_is_no_outcome_is_not_kept(
    book: Path, capsys: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    edit(book / "chapters" / "sums.ipynb", "cell-0", lambda _: code)
    assert make(chapters=["sums"]) == 1
    assert said in capsys.readouterr().out
    assert not (book / "_build" / "outcomes" / "quick" / "sums.ipynb").exists()
    edit(book / "chapters" / "sums.ipynb", "cell-0", lambda _: "print(1 + 1)")
    assert make(chapters=["sums"]) == 0


@pytest.mark.usefixtures("quiet_build")
def test_a_figure_that_is_missing_is_told_before_the_outcome_is_kept(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(book / "chapters" / "sums.ipynb", "cell-1", lambda _: "print('no picture')")
    assert make(chapters=["sums"]) == 1
    said = capsys.readouterr().out
    assert "failed sums, code cell 3 (print('no picture')): its figure is missing" in said
    assert not (book / "_build" / "outcomes" / "quick" / "sums.ipynb").exists()


@pytest.mark.usefixtures("quiet_build")
def test_two_runs_in_one_folder_do_not_meet(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (book / "_build").mkdir()
    with FileLock(book / "_build" / ".lock"):
        assert main(["book"]) == 1
    assert "another `harmonic book` is at work" in capsys.readouterr().err


@pytest.mark.usefixtures("quiet_build")
def test_a_dying_kernel_fails_its_own_chapter_alone(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(book / "chapters" / "intro.ipynb", "cell-0", lambda _: "import os; os._exit(3)")
    assert make() == 1
    said = capsys.readouterr().out
    assert "failed intro, code cell 2 (import os; os._exit(3)): DeadKernelError" in said
    assert "sums: done" in said


@pytest.mark.usefixtures("quiet_build")
def test_options_choose_what_runs(
    book: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make(chapters=["sums"]) == 0
    said = capsys.readouterr().out
    assert "1 chapters to run" in said
    assert "not run in this profile yet: intro" in said

    assert make(html=book / "pages", jobs=1) == 0
    assert "1 chapters to run (quick), 1 kept, 1 at a time" in capsys.readouterr().out
    assert (book / "pages" / "index.html").is_file()

    assert make(chapters=["sums"], force=True) == 0
    assert "1 chapters to run (quick), 1 kept" in capsys.readouterr().out

    monkeypatch.setattr(pipeline, "library_digest", lambda *_: "another library")
    assert make() == 0
    assert "2 chapters to run (quick), 0 kept" in capsys.readouterr().out


@pytest.mark.usefixtures("quiet_build")
def test_the_notebooks_alone_leave_the_pages_as_they_are(book: Path) -> None:
    (book / "_build" / "html").mkdir(parents=True)
    (book / "_build" / "html" / "index.html").write_text("somebody's")
    assert main(["notebooks"]) == 0
    assert (book / "_build" / "notebooks" / "student").is_dir()
    assert [path.name for path in (book / "_build" / "html").iterdir()] == ["index.html"]


@pytest.mark.usefixtures("quiet_build")
def test_the_profile_reaches_the_chapter_and_is_shown_where_it_is_not_the_default(
    book: Path,
) -> None:
    edit(book / "chapters" / "sums.ipynb", "cell-0", lambda _: "print('profile:', profile)")
    assert make(profile="smoke") == 0
    page = nbformat.read(book / "_build" / "source" / "chapters" / "sums.ipynb", as_version=4)
    assert page.cells[2].source.strip() == '# Parameters\nprofile = "smoke"'
    assert page.cells[3].outputs[0].text == "profile: smoke\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--profile", "quik"], "unknown profile 'quik'; did you mean 'quick'"),
        (["--chapters", "summs"], "unknown chapter 'summs'; did you mean 'sums'"),
        (["--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["--html", "chapters"], "not a book's: choose an empty folder"),
        (["--html", "_build/outcomes"], "cannot go where the chapters' outcomes are kept"),
        (["--html", "_toc.yml"], "file already exists|File exists"),
    ],
)
def test_bad_options_get_one_clear_line(
    book: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["book", *words]) == 1
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert said.count("\n") == 1
    assert (book / "chapters" / "sums.ipynb").is_file()


def test_a_chapter_missing_from_disk_gets_one_clear_line(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (book / "chapters" / "sums.ipynb").unlink()
    assert main(["book"]) == 1
    assert "_toc.yml names chapters/sums, but neither" in capsys.readouterr().err


def test_outside_a_book_it_says_where_to_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["book"]) == 1
    assert "run this in the root of the repository" in capsys.readouterr().err


def test_named_data_that_are_missing_are_named(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = book / "chapters" / "sums.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["harmonic"] = {"data": ["samples/nothing"]}
    nbformat.write(notebook, path)
    assert main(["book"]) == 1
    assert "chapter sums names the data" in capsys.readouterr().err


@pytest.mark.usefixtures("quiet_build")
def test_a_full_disk_leaves_the_published_pages_as_they_were(
    book: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["book"]) == 0
    target = book / "_build" / "html"
    before = sorted(path.name for path in target.iterdir())
    (target / "index.html").write_text("the pages of yesterday")

    def full(source: Path, place: Path, **_: bool) -> None:
        place.mkdir(exist_ok=True)
        (place / "half").write_text("a page")
        raise shutil.Error([(str(source), str(place), "[Errno 28] No space left on device")])

    monkeypatch.setattr(render.shutil, "copytree", full)
    capsys.readouterr()
    assert main(["book"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "No space left on device" in said
    assert (target / "index.html").read_text() == "the pages of yesterday"
    assert sorted(path.name for path in target.iterdir()) == before


@pytest.mark.usefixtures("quiet_build")
def test_an_outcome_that_cannot_be_written_fails_that_chapter(
    book: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("harmonic_lib.book.execute.write_whole", full)
    assert make(chapters=["sums"]) == 1
    assert "failed sums: OSError: [Errno 28] No space left on device" in capsys.readouterr().out


def test_a_warning_of_jupyter_book_stops_the_build(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(book / "chapters" / "sums.ipynb", "title", lambda text: text + "\n\n{doc}`nowhere`")
    assert main(["book"]) == 1
    said = capsys.readouterr().err
    assert "Jupyter Book stopped" in said
    assert "nowhere" in said
    assert not (book / "_build" / "html" / "index.html").exists()


def test_a_page_that_fails_its_check_is_not_published(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = book / "chapters" / "sums.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].metadata.clear()
    nbformat.write(notebook, path)
    assert make() == 1
    said = capsys.readouterr().out
    assert "wrong sums: image" in said
    assert "has no alt text" in said
    assert not (book / "_build" / "html" / "index.html").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX's")
def test_killed_in_the_middle_the_finished_chapters_are_not_run_again(book: Path) -> None:
    edit(book / "chapters" / "sums.ipynb", "cell-0", lambda _: "import time; time.sleep(60)")
    program = "import sys; from harmonic_lib.cli import main; sys.exit(main(['book']))"
    command = [sys.executable, "-c", program]
    finished = book / "_build" / "outcomes" / "quick" / "intro.ipynb"
    with subprocess.Popen(command, cwd=book, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not finished.is_file() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    stamp = finished.stat().st_mtime_ns

    edit(book / "chapters" / "sums.ipynb", "cell-0", lambda _: "print(1 + 1)")
    subprocess.run(command, cwd=book, check=True, stdout=subprocess.DEVNULL)
    assert finished.stat().st_mtime_ns == stamp
    assert (book / "_build" / "html" / "chapters" / "sums.html").is_file()
