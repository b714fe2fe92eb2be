"""A build that is stopped: it names what was running, keeps what is done, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_book import edit

from harmonic_lib import cli
from harmonic_lib.book import pipeline, render
from harmonic_lib.cli import main
from harmonic_lib.interrupts import as_ctrl_c

WAITS = """import os, time, pathlib
pathlib.Path("kernel").write_text(str(os.getpid()))
while True: time.sleep(0.1)"""
COMMAND = [sys.executable, "-c", "import sys; from harmonic_lib.cli import main; sys.exit(main())"]


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def until(condition: Callable[[], object]) -> None:
    """Wait for something, at most a minute."""
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX's")
def test_stopped_by_ci_it_names_the_cell_and_leaves_no_kernel(book: Path) -> None:
    edit(book / "chapters" / "intro.ipynb", "cell-0", lambda _: WAITS)
    done = book / "_build" / "outcomes" / "quick" / "sums.ipynb"
    note = book / "chapters" / "kernel"
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, "book"], cwd=book, stdout=pipe, stderr=pipe) as process:
        until(lambda: done.is_file() and note.is_file() and note.read_text())
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.decode() == (
        "harmonic book: interrupted in intro, code cell 2 (import os, time, pathlib);"
        " the chapters that were done are kept\n"
    )
    until(lambda: not is_alive(int(note.read_text())))


@pytest.mark.usefixtures("quiet_build")
@pytest.mark.parametrize("step", ["plan", "lay_out", "jupyter_book", "check_pages", "publish"])
def test_ctrl_c_at_any_step_is_one_line_and_leaves_the_pages(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    monkeypatch.setattr(pipeline, "plan", lambda *_: ([], []))
    monkeypatch.setattr(pipeline, "lay_out", lambda *_: None)
    monkeypatch.setattr(pipeline, "read_toc", lambda _: [])
    assert main(["book"]) == 0
    page = book / "_build" / "html" / "index.html"
    before = page.stat().st_mtime_ns
    (book / "_build" / "staging" / "key").unlink()
    capsys.readouterr()

    def stopped(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(pipeline, step, stopped)
    assert main(["book"]) == 130
    assert capsys.readouterr().err == "harmonic book: interrupted\n"
    assert page.stat().st_mtime_ns == before


def test_ctrl_c_between_two_renames_does_not_leave_half_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    html, target = tmp_path / "html", tmp_path / "target"
    html.mkdir()
    for name in ("a.html", "b.html"):
        (html / name).write_text("new")
    render.claim_folder(target, tmp_path / "_build")
    rename = Path.rename

    def stopped(self: Path, place: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        return rename(self, place)

    monkeypatch.setattr(Path, "rename", stopped)
    with as_ctrl_c():
        render.publish(html, target)
    assert sorted(path.name for path in target.iterdir()) == [render.MARKER, "a.html", "b.html"]


def test_a_rename_that_fails_leaves_the_old_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    html, target = tmp_path / "html", tmp_path / "target"
    html.mkdir()
    for age in ("old", "new"):
        for name in ("a.html", "b.html"):
            (html / name).write_text(age)
        if age == "old":
            render.claim_folder(target, tmp_path / "_build")
            render.publish(html, target)
    rename = Path.rename

    def refused(self: Path, place: Path) -> Path:
        if place == target / "b.html" and self.read_text() == "new":
            raise PermissionError("a virus scanner has it open")
        return rename(self, place)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="virus scanner"):
        render.publish(html, target)
    assert [(target / name).read_text() for name in ("a.html", "b.html")] == ["old", "old"]


def test_when_nobody_reads_any_more_the_command_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(cli, "print_report", lambda _: print("a table", file=pipe) or 0)
        monkeypatch.setattr(sys, "stdout", pipe)
        assert cli.main(["report"]) == 1
    assert capfd.readouterr().err == ""
