"""What others leave in the build folder or do to it: harmless, or told before a chapter runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harmonic_lib.book import pipeline
from harmonic_lib.book.folders import empty
from harmonic_lib.book.pipeline import make
from harmonic_lib.book.render import MARKER, claim_folder, publish
from harmonic_lib.cli import main

LEFT = (".DS_Store", "Thumbs.db", ".directory", ".intro.md.swp", "notes.txt~", ".nfs0001", "._a")


@pytest.mark.usefixtures("quiet_build")
def test_what_desktops_leave_is_ignored(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "plan", lambda *_: ([], []))
    monkeypatch.setattr(pipeline, "lay_out", lambda *_: None)
    monkeypatch.setattr(pipeline, "read_toc", lambda _: [])
    build = book / "_build"
    assert make() == 0
    for folder in ("", "html", "source", "staging", "staging/_build/html", "outcomes", "settings"):
        (build / folder).mkdir(exist_ok=True)
        for name in LEFT:
            (build / folder / name).write_bytes(b"\xff\x00")
    assert make() == 0
    assert (build / "html" / "index.html").is_file()
    for name in LEFT:
        assert (build / "html" / name).read_bytes() == b"\xff\x00"


def a_link_that_leads_nowhere(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.parent / "not" / "there")


def a_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file")


def a_folder(path: Path) -> None:
    path.mkdir(parents=True)


@pytest.mark.usefixtures("quiet_build")
@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (a_link_that_leads_nowhere, "_build"),
        (a_link_that_leads_nowhere, "_build/html"),
        (a_link_that_leads_nowhere, "_build/outcomes"),
        (a_link_that_leads_nowhere, "_build/staging"),
        (a_file, "_build"),
        (a_file, "_build/html"),
        (a_file, "_build/source"),
        (a_file, "_build/staging"),
        (a_file, "_build/running"),
        (a_file, "_build/settings"),
        (a_file, "_build/outcomes/quick"),
        (a_folder, "_build/.lock"),
        (a_folder, f"_build/html/{MARKER}"),
        (a_folder, "_build/outcomes/quick/sums.ipynb"),
        (a_folder, "_build/outcomes/quick/sums.ipynb.part"),
        (a_folder, "_build/running/intro.ipynb"),
    ],
)
def test_what_is_in_the_way_is_told_before_a_chapter_runs(
    book: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    place: str,
) -> None:
    spoil(book / place)
    monkeypatch.setattr(pipeline, "run_all", lambda *_: pytest.fail("a chapter was run"))
    assert main(["book"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("harmonic book: ")
    assert str(book / place) in said
    assert said.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.usefixtures("quiet_build")
@pytest.mark.parametrize("place", ["_build", "_build/staging"])
def test_a_link_to_another_disk_is_as_good_as_the_folder(book: Path, place: str) -> None:
    disk = book.parent / "disk"
    disk.mkdir()
    (book / place).parent.mkdir(exist_ok=True)
    (book / place).symlink_to(disk)
    assert make() == 0
    assert make() == 0
    assert (book / place).is_symlink()
    assert (book / "_build" / "html" / "index.html").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_pages_do_not_go_to_the_outcomes_by_way_of_a_link(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (book.parent / "disk").mkdir()
    (book / "_build").symlink_to(book.parent / "disk")
    assert main(["book", "--html", "_build/outcomes"]) == 1
    assert "cannot go where the chapters' outcomes are kept" in capsys.readouterr().err


@pytest.mark.usefixtures("quiet_build")
def test_pages_that_somebody_changed_are_rendered_again(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "plan", lambda *_: ([], []))
    monkeypatch.setattr(pipeline, "lay_out", lambda *_: None)
    monkeypatch.setattr(pipeline, "read_toc", lambda _: [])
    staging = book / "_build" / "staging"
    assert make() == 0
    for damage in (
        lambda: (staging / "key").write_bytes(b"\xff\xfe"),
        lambda: (staging / "_build" / "html" / "index.html").unlink(),
        lambda: (staging / "_build" / "html" / "index.html").write_text("half"),
    ):
        damage()
        assert make() == 0
        assert (book / "_build" / "html" / "index.html").read_text() == "<p>pages</p>"


def test_rests_of_an_earlier_run_do_not_keep_new_pages_out(tmp_path: Path) -> None:
    html, target = tmp_path / "html", tmp_path / "target"
    html.mkdir()
    (html / "index.html").write_text("new")
    for rest in (".incoming/a", ".outgoing/index.html"):
        a_file(target / rest)
    (target / f"{MARKER}.part").write_text("")
    (target / MARKER).write_bytes(b"index.html\n../html\n\xff\n..\n")
    claim_folder(target, tmp_path / "_build")
    publish(html, target)
    assert (target / "index.html").read_text() == "new"
    assert not (target / ".outgoing").exists()
    assert (html / "index.html").is_file()


def test_what_somebody_put_there_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    html, target = tmp_path / "html", tmp_path / "target"
    html.mkdir()
    (html / "index.html").write_text("new")
    claim_folder(target, tmp_path / "_build")
    (target / "index.html").write_text("somebody's")
    with pytest.raises(OSError, match=r"index\.html is not a book's"):
        publish(html, target)
    assert (target / "index.html").read_text() == "somebody's"


def test_a_folder_is_emptied_of_everything_but_not_beyond_its_links(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    a_file(other / "kept")
    a_file(folder / "sub" / "read_only")
    (folder / "sub" / "read_only").chmod(0o400)
    if sys.platform != "win32":
        (folder / "link").symlink_to(other)
        a_link_that_leads_nowhere(folder / "sub" / "nowhere")
        (folder / "sub").chmod(0o500)
    empty(folder)
    assert not list(folder.iterdir())
    assert (other / "kept").is_file()
