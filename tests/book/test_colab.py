"""Chapters run where only the packages of Colab's image are, and those of their set-up cell."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import nbformat
import pytest
from folders import FILES, ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harmonic_lib.book.set_up import listed, set_up_cell

LINES = (FILES / "colab-packages.txt").read_text(encoding="utf-8").splitlines()
COLAB = {canonicalize_name(n): v for n, _, v in (s.partition("==") for s in LINES) if v}
LACKING = {canonicalize_name(Requirement(text).name) for text in listed(ROOT, "colab")}
CHAPTERS = {
    path.relative_to(ROOT).as_posix(): nbformat.read(path, as_version=4)
    for path in sorted(ROOT.glob("chapters/**/*.ipynb"))
}


def cells(notebook: nbformat.NotebookNode) -> list[str]:
    """The code of a chapter after its set-up cell, at `smoke`."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.id != "set-up"]
    return [cell.source.replace('profile = "quick"', 'profile = "smoke"') for cell in code]


def first_cells(notebook: nbformat.NotebookNode) -> list[str]:
    """The code up to the first figure."""
    code = cells(notebook)
    first = next(k for k, source in enumerate(code) if source.strip().endswith(");"))
    return code[: first + 1]


def work(**asked: Any) -> dict[str, Any]:
    """What the worker says; see there."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("colab_worker.py")],
        input=json.dumps(asked),
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    """What the worker says of all chapters, with nothing but what a reader on Colab has."""
    there = COLAB.keys() | LACKING | {"harmonic-lib"}
    hidden = [
        module
        for module, owners in packages_distributions().items()
        if not there & {canonicalize_name(owner) for owner in owners}
    ]
    return work(
        hidden=hidden,
        chapters={name: first_cells(notebook) for name, notebook in CHAPTERS.items()},
        sources=[source for notebook in CHAPTERS.values() for source in cells(notebook)],
    )


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_comes_to_its_first_figure(answer: dict[str, Any], name: str) -> None:
    assert answer["failed"][name] == ""


def test_no_later_import_fails(answer: dict[str, Any]) -> None:
    assert answer["missing"] == []


def test_imports_load_nothing_slow_besides_torch_and_matplotlib(answer: dict[str, Any]) -> None:
    """scipy.stats, seaborn or scikit-learn take over half of torch's time, Fabric all of it.

    pydantic, which records need, takes less than a tenth.
    """
    light = {"pydantic", "pydantic_core", "annotated_types", "typing_inspection"}
    assert set(answer["loaded"]) - light == {"harmonic_lib"}


def test_the_worker_hides_packages_and_sees_what_is_loaded() -> None:
    told = work(
        hidden=["scipy"],
        chapters={"one": ["import joblib", "1"], "two": ["import torch", "import scipy"]},
        sources=["def later():\n    from scipy.stats import t"],
    )
    error = "ModuleNotFoundError: No module named 'scipy'"
    assert told["failed"]["one"] == ""
    assert told["failed"]["two"].splitlines()[-1] == error
    assert told["missing"] == [error]
    assert "joblib" in told["loaded"]


def test_what_colab_has_is_in_the_ranges_that_chapters_need() -> None:
    wanted = [text for name in ("dependencies", "experiments", "hf") for text in listed(ROOT, name)]
    wanted += [text for name in LACKING for text in requires(name) or []]
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and name not in LACKING | {"harmonic-lib"}:
            assert requirement.specifier.contains(COLAB[name]), requirement


def test_what_the_set_up_cell_installs_is_not_on_colab() -> None:
    assert LACKING
    assert not LACKING & COLAB.keys()


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_set_up_cell_is_the_one_of_the_library(name: str) -> None:
    (cell,) = [cell for cell in CHAPTERS[name].cells if cell.id == "set-up"]
    assert cell.source == set_up_cell(ROOT)
    assert 'if {"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"} & os.environ.keys():' in cell.source
    assert "--no-deps" in cell.source  # so torch and numpy stay what they are


def test_ipython_is_asked_for_little() -> None:
    """Colab's IPython is 7.34, which has these three names."""
    library = [path for path in ROOT.glob("harmonic_lib/**/*.py") if "book" not in path.parts]
    sources = [path.read_text(encoding="utf-8") for path in library]
    sources += [source for notebook in CHAPTERS.values() for source in cells(notebook)]
    asked = {
        (node.module, alias.name)
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "IPython"
        for alias in node.names
    }
    assert asked == {("IPython.display", name) for name in ("HTML", "Markdown", "display")}
