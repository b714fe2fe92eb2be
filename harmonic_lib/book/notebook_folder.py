"""The folder of all notebooks, which is also the branch that Colab and others open them from."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nbformat

from harmonic_lib.book.notebooks import Build, stand_alone
from harmonic_lib.book.outcomes import Outcome, read_notebook, write_whole
from harmonic_lib.book.repository import book_address
from harmonic_lib.book.set_up import library

FOLDERS = {"public": "student", "instructor": "instructor"}
"""Of each edition, the name of its notebooks' folder."""

README = """\
# Notebooks of the harmonic-loss book

The chapters of [the book]({book}) as notebooks {what} solutions and answers, made from
[its repository]({url}){commit}.
Work on a copy: the next build of the book replaces this folder.

On Colab and Kaggle a notebook installs what it needs in its first cell of code; on Binder and in
Codespaces that is done. On a machine of your own, with Python 3.11 or later and git, in this
folder:

```sh
python3 -m venv .venv && source .venv/bin/activate
pip install -r requirements.txt    # on Linux, PyTorch with CUDA: some GB
jupyter lab
```

Begin with [the idea]({first}). Every notebook keeps the outputs of the book's own run; its first
cell says how to run it yourself.
{chapters}

Code is under Apache 2.0, text and figures under CC BY 4.0.
"""
DEVCONTAINER = {
    "image": "mcr.microsoft.com/devcontainers/python:3.12",
    "postCreateCommand": "pip install -r requirements.txt",
    "customizations": {"vscode": {"extensions": ["ms-toolsai.jupyter"]}},
}


def write_notebooks(build: Build, edition: str, outcomes: Sequence[Outcome], target: Path) -> None:
    """Write the folder, and put it among the pages, as it is and as a zip, for their buttons."""
    shutil.rmtree(target, ignore_errors=True)
    write_folder(build, edition, outcomes, target)
    among = build.html / "notebooks"
    shutil.rmtree(among, ignore_errors=True)
    shutil.copytree(target, among)
    shutil.make_archive(str(among), "zip", target)


def write_folder(build: Build, edition: str, outcomes: Sequence[Outcome], target: Path) -> None:
    """Write the notebook of every chapter, and what Binder, Codespaces and people need beside."""
    lines: list[str] = []
    for outcome in outcomes:
        executed = read_notebook(build.source / "chapters" / f"{outcome.chapter.name}.ipynb")
        made = stand_alone(build, outcome, executed)
        path = target / f"{outcome.chapter.name}.ipynb"
        write_whole(path, nbformat.writes(made) + "\n")
        title = executed.cells[0].source.splitlines()[0].removeprefix("# ")
        part = f"\n**{outcome.chapter.name.partition('/')[0].capitalize()}**\n"
        if "/" in outcome.chapter.name and part not in lines:
            lines.append(part)
        lines.append(f"- [{title}]({outcome.chapter.name}.ipynb)")
    readme = README.format(
        book=book_address(build.url),
        url=build.url,
        what="without" if edition == "public" else "with",
        first=f"{outcomes[0].chapter.name}.ipynb",
        commit=f" at commit {build.commit[:12]}" if build.commit else "",
        chapters="\n".join(lines),
    )
    needed = "# What the notebooks need, at the commit of the book that they were made from.\n"
    needed += f"harmonic-lib[experiments] @ {library(build.root, build.commit)}\njupyterlab\n"
    write_whole(target / "README.md", readme)
    write_whole(target / "requirements.txt", needed)
    write_whole(target / ".devcontainer" / "devcontainer.json", json.dumps(DEVCONTAINER, indent=2))


def commit_of(root: Path) -> tuple[str, str]:
    """The commit that the set-up cells install, and what to say of it.

    "" where the book is not in a git checkout: then they install the newest commit.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        top, commit = Path(git("rev-parse", "--show-toplevel")), git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "", "the notebooks install the newest commit: the book is in no git checkout"
    if top.resolve() != root.resolve():
        return "", "the notebooks install the newest commit: the checkout is not the book's own"
    if changed:
        return commit, f"the notebooks install commit {commit[:12]}, without what is uncommitted"
    return commit, ""
