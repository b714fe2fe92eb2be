"""What running a chapter gave, kept with the key of everything that it depends on."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from harmonic_lib.book.chapters import Chapter
from harmonic_lib.book.dependencies import files_behind
from harmonic_lib.paths import PACKAGE

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "matplotlib", "seaborn")

#: what is kept of a run, besides what its cells gave
FACTS = ("key", "profile", "seconds", "finished", "device", "versions")


@dataclass(frozen=True)
class Outcome:
    """An executed chapter, with the facts of its run in ``notebook.metadata.harmonic_run``."""

    chapter: Chapter
    notebook: NotebookNode

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.notebook.metadata["harmonic_run"]
        return facts


def chapter_key(notebook: NotebookNode, profile: str, library: str, data: dict[str, str]) -> str:
    """The digest of what a chapter's outcome depends on.

    Its code cells, its parameters, the modules of the library behind its imports, the versions
    of the packages that compute and draw, and the data that it names. Prose is left out: it is
    rendered from the source, whatever the key.
    """
    content = {
        "cells": [cell.source for cell in notebook.cells if cell.cell_type == "code"],
        "parameters": {"profile": profile},
        "library": library,
        "versions": versions(),
        "data": data,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def library_digest(notebook: NotebookNode, package: Path = PACKAGE) -> str:
    """The digest of the library's files that a chapter depends on."""
    return tree_digest(package, files_behind(notebook, package))


def data_digests(notebook: NotebookNode, data: Path, chapter: str) -> dict[str, str]:
    """The digests of the files and folders below ``data/`` that a chapter names.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    digests = {}
    for name in notebook.metadata.get("harmonic", {}).get("data", []):
        path = data / name
        if not path.exists():
            raise FileNotFoundError(f"chapter {chapter} names the data {path}, which do not exist")
        files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
        digests[name] = tree_digest(data, files)
    return digests


def versions() -> dict[str, str]:
    """The installed versions of what chapters compute and draw with."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def read_notebook(path: Path) -> NotebookNode:
    """A notebook from a file.

    Raises:
        ValueError: the file is not a notebook; the message names it.
    """
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is not a notebook: {first_line(str(error))}") from error
    return notebook


def tagged(cell: NotebookNode, tag: str) -> bool:
    """Whether a cell has this tag."""
    return tag in cell.metadata.get("tags", [])


def first_line(text: str) -> str:
    """The first line that is not blank, at most 60 characters of it."""
    return next((line for line in text.splitlines() if line.strip()), "")[:60]


def tree_digest(base: Path, files: list[Path]) -> str:
    """The digest of files: of their names below ``base`` and of their content."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(base).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def outcome_path(build: Path, chapter: Chapter, profile: str) -> Path:
    """Where the last outcome of a chapter in a profile is kept."""
    return build / "outcomes" / profile / f"{chapter.name}.ipynb"


def load_outcome(build: Path, chapter: Chapter, profile: str, key: str) -> Outcome | None:
    """The kept outcome of a chapter, if it has this key.

    Raises:
        ValueError: the file that should hold it does not; the message names it.
    """
    path = outcome_path(build, chapter, profile)
    if not path.is_file():
        return None
    notebook = read_outcome(path)
    if notebook.metadata.harmonic_run["key"] != key:
        return None
    wrong = next(faults(notebook), None)
    if wrong:
        raise ValueError(f"{path} is not an outcome: {wrong[1]}")
    return Outcome(chapter, notebook)


def read_outcome(path: Path) -> NotebookNode:
    """An executed chapter from a file: all that its page and the statistics need is there.

    Raises:
        ValueError: it is not such a file; the message names it.
    """
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        needed = [*(notebook.metadata["harmonic_run"][name] for name in FACTS)]
        needed += [notebook.metadata["language_info"]]
        needed += [cell.metadata["papermill"]["duration"] for cell in code_cells(notebook)]
    except Exception as error:  # a damaged file can be wrong in any way
        why = f"{type(error).__name__}: {first_line(str(error))}"
        raise ValueError(f"{path} is not an outcome: {why}") from error
    return notebook


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """A notebook's code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def faults(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """The cells that keep an executed chapter from being an outcome, and what is wrong with each.

    In an outcome every cell has run, wrote nothing to stderr, and shows an image where its
    metadata describe one.
    """
    for cell in notebook.cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        if any(output.output_type == "error" for output in cell.outputs):
            yield cell, "it ends the kernel"  # sys.exit(0), which papermill takes for success
        elif cell.execution_count is None:
            yield cell, "it was not run"
        for output in cell.outputs:
            if output.get("name") == "stderr":
                yield cell, f"it wrote to stderr: {first_line(output.text)}"
        kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
        drawn = any(kind.startswith("image/") for kind in kinds)
        if "image" in cell.metadata.get("mystnb", {}) and not drawn:
            yield cell, "its figure is missing"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that, at every moment, it is the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        error.filename = error.filename or str(path)  # a full disk is not told with a name
        raise
