"""From sources and outcomes to pages, with Jupyter Book."""

from __future__ import annotations

import copy
import errno
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from harmonic_lib.book.chapters import Chapter
from harmonic_lib.book.environment import own_environment
from harmonic_lib.book.folders import (
    empty,
    files_below,
    is_clutter,
    make_folder,
    make_room,
    make_writable,
    reason,
)
from harmonic_lib.book.notices import with_notice
from harmonic_lib.book.outcomes import Outcome, code_cells, tagged, tree_digest, write_whole
from harmonic_lib.interrupts import undisturbed
from harmonic_lib.paths import PACKAGE

#: what a page is made from besides the chapters themselves
COMMON = ("_config.yml", "_toc.yml", "references.bib", "_static", "_templates")
MARKER, INCOMING, OUTGOING = ".harmonic-book", ".incoming", ".outgoing"
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def rendered_copy(source: NotebookNode, outcome: NotebookNode) -> NotebookNode:
    """The source's cells with the outcome's outputs, and the parameters it was run with.

    The key of an outcome holds the code cells, so these are the same ones in the same
    order. Prose and metadata are those of the source, also where they have changed since.
    """
    ran = code_cells(outcome)
    injected = next((cell for cell in ran if tagged(cell, "injected-parameters")), None)
    results = iter([cell for cell in ran if cell is not injected])
    page = copy.deepcopy(source)
    page.metadata["language_info"] = outcome.metadata["language_info"]
    page.cells = []
    for cell in copy.deepcopy(source.cells):
        if cell.cell_type == "code":
            result = next(results)
            cell.outputs, cell.execution_count = result.outputs, result.execution_count
        page.cells.append(cell)
        if injected and tagged(cell, "parameters") and not says(cell, injected):
            page.cells.append(injected)
    return page


def says(cell: NotebookNode, injected: NotebookNode) -> bool:
    """Whether the chapter's own parameters are already those that it was run with."""
    return injected.source.strip().splitlines()[-1] in cell.source


def write_sources(
    root: Path,
    target: Path,
    chapters: Sequence[Chapter],
    notebooks: Mapping[str, NotebookNode],
    outcomes: Mapping[str, Outcome],
    written: Mapping[str, str],
) -> None:
    """Lay out everything that Jupyter Book reads, and nothing else.

    notebooks: the chapters that run, as this edition has them, by name.
    written: the text of pages that are made, not copied, by chapter name.
    """
    texts: dict[Path, str] = {}
    for chapter in chapters:
        place = target / chapter.path.relative_to(root)
        if chapter.name in written:
            texts[place] = written[chapter.name]
        elif chapter.runs:
            page = rendered_copy(notebooks[chapter.name], outcomes[chapter.name].notebook)
            texts[place] = nbformat.writes(with_notice(page))
    files = [path for name in COMMON for path in files_below(root / name)]
    files += [p for p in files_below(root / "chapters") if p.suffix not in (".ipynb", ".md")]
    files += [chapter.path for chapter in chapters if not chapter.runs]
    copies = {target / path.relative_to(root): path for path in files}
    make_folder(target)
    empty(target)
    for place, path in copies.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for place, text in texts.items():
        write_whole(place, text)


def jupyter_book(source: Path, staging: Path) -> None:
    """Render all pages anew, into ``html_of(staging)``.

    Raises:
        ValueError: Jupyter Book failed or warned; the message has its first lines.
        OSError: the disk is full.
    """
    make_folder(staging)
    empty(staging)  # else pages that are no more would stay
    # its trees live to the end: to look for cycles among them took a third of the time
    program = "import gc; gc.disable(); from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", str(source), "--path-output", str(staging)]
    done = subprocess.run(
        [*command, "-n", "-W", "--keep-going"],
        env=own_environment(staging.parent / "settings"),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        log = COLOUR.sub("", done.stdout + done.stderr)
        full = os.strerror(errno.ENOSPC)
        if full in log:
            raise OSError(errno.ENOSPC, full, str(staging))
        raise ValueError("Jupyter Book stopped:\n" + complaints(log))


def html_of(staging: Path) -> Path:
    """Where Jupyter Book puts the pages."""
    return staging / "_build" / "html"


def rendering_key(source: Path) -> str:
    """The digest of what pages are made and checked by: sources, our code, all packages."""
    own = tree_digest(PACKAGE, sorted((PACKAGE / "book").glob("*.py")))
    packages = sorted((d.name, d.version) for d in importlib.metadata.distributions())
    parts = tree_digest(source, sorted(files_below(source))), own, packages
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def complaints(log: str, most: int = 12) -> str:
    """The lines of a build log that say what is wrong."""
    lines = [line for line in log.splitlines() if line.strip()]
    wrong = [line for line in lines if any(word in line for word in ("WARNING", "ERROR", "Error"))]
    return "\n".join((wrong or lines)[:most])


def claim_folder(target: Path, build: Path) -> None:
    """Make sure that the pages can go to ``target``, and that nothing else would be lost.

    A marker in it lists what a book put there; anything else is somebody's.

    Raises:
        OSError: the folder cannot be made or written to.
        ValueError: it holds what is not a book's, or is a part of the pipeline's own folder.
    """
    if target != build / "html" and (target.is_relative_to(build) or build.is_relative_to(target)):
        raise ValueError(f"{target}: the pages cannot go where the chapters' outcomes are kept")
    make_folder(target)
    names = published(target)
    ours = {MARKER, f"{MARKER}.part", *names}
    entries = sorted(target.iterdir())
    foreign = [e.name for e in entries if e.name not in ours and not passes(e.name)]
    if foreign:
        raise ValueError(f"{target} holds {foreign[0]}, not a book's: choose an empty folder")
    for entry in entries:
        if entry.name in names and entry.is_dir():
            make_writable(entry)  # else it could not be moved away
    make_room(target / MARKER)
    write_whole(target / MARKER, "".join(f"{name}\n" for name in names))


def passes(name: str) -> bool:
    """Whether a file that no book has published may stay: clutter, or a rest of our own."""
    return is_clutter(name) or name.startswith((INCOMING, OUTGOING))


def published(target: Path) -> list[str]:
    """The names that a book has put into a folder."""
    marker = target / MARKER
    if not marker.is_file():
        return []
    names = marker.read_text(encoding="utf-8", errors="replace").splitlines()
    return [name for name in names if name not in ("", ".", "..") and Path(name).name == name]


def publish(html: Path, target: Path) -> None:
    """Replace the pages in ``target``: with all of the new ones, or not at all."""
    for leftover in target.iterdir():
        if leftover.name.startswith((INCOMING, OUTGOING)):
            shutil.rmtree(leftover, ignore_errors=True)
    incoming = Path(tempfile.mkdtemp(prefix=INCOMING, dir=target)) / "pages"
    outgoing = Path(tempfile.mkdtemp(prefix=OUTGOING, dir=target))
    try:
        shutil.copytree(html, incoming)
        old = published(target)
        new = sorted(entry.name for entry in incoming.iterdir() if not is_clutter(entry.name))
        taken = [name for name in new if name not in old and (target / name).exists()]
        if taken:
            raise OSError(f"{target / taken[0]} is not a book's")
        write_whole(target / MARKER, "".join(f"{name}\n" for name in sorted({*old, *new})))
        away = [(target / name, outgoing / name) for name in old if (target / name).exists()]
        with undisturbed():
            move([*away, *((incoming / name, target / name) for name in new)])
    except OSError as error:
        raise OSError(f"the pages could not be copied to {target}: {reason(error)}") from error
    finally:
        for folder in (incoming.parent, outgoing):
            shutil.rmtree(folder, ignore_errors=True)


def move(moves: Sequence[tuple[Path, Path]]) -> None:
    """Rename in this order; if one fails, take back those before it."""
    done = []
    try:
        for source, place in moves:
            source.rename(place)
            done.append((source, place))
    except OSError:
        for source, place in reversed(done):
            place.rename(source)
        raise
