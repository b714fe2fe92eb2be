"""The repository's address: one place holds it, and one command moves the project.

    python -m harmonic_lib.book.repository https://github.com/me/my-fork

``pyproject.toml`` is the place. The other files that name it are listed here, and a test
holds them to it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ADDRESS = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)")
BRANCH = "notebooks"  # has the student's notebooks and nothing else; the workflow publishes it
PLACES = (
    "README.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "LICENSE-TEXT.md",
    "_config.yml",
    "chapters/**/*.md",
    "chapters/**/*.ipynb",
    "pyproject.toml",  # last: until it changes, the same command can be given again
)


def address(root: Path) -> str:
    """The repository's address, from ``pyproject.toml``."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{root / 'pyproject.toml'} has no line Repository = ...")
    return found.group(1)


def names(url: str) -> tuple[str, str]:
    """What stands for a repository in links: OWNER/NAME, and OWNER.github.io/NAME.

    Raises:
        ValueError: the address is not that of a GitHub repository.
    """
    found = ADDRESS.fullmatch(url.rstrip("/").removesuffix(".git"))
    if found is None:
        raise ValueError(f"expected https://github.com/OWNER/NAME, got {url!r}")
    owner, name = found.groups()
    return f"{owner}/{name}", f"{owner.lower()}.github.io/{name}"


def book_address(url: str) -> str:
    """Where the published book of a repository is, with a slash at the end."""
    return f"https://{names(url)[1]}/"


def page_on(url: str, name: str) -> str:
    """The published page of a chapter, such as "theory/harmax"."""
    return f"{book_address(url)}chapters/{name}.html"


def notebook_on(url: str, name: str) -> dict[str, str]:
    """Where the student's notebook of a chapter opens, by host; all are on ``BRANCH``."""
    repository = names(url)[0]
    file = f"https://github.com/{repository}/blob/{BRANCH}/{name}.ipynb"
    return {
        "GitHub": file,
        "Colab": f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{name}.ipynb",
        "Kaggle": f"https://kaggle.com/kernels/welcome?src={file}",
        "Binder": f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?urlpath=lab/tree/{name}.ipynb",
        "Codespaces": f"https://codespaces.new/{repository}/tree/{BRANCH}",
    }


def commit_of(root: Path) -> tuple[str, bool]:
    """The commit of the book's checkout, and whether something in it is uncommitted.

    "" where the book is in no checkout of its own.

    Raises:
        ValueError: git does not say; the message has its words.
    """
    if not (root / ".git").exists():
        return "", False

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise ValueError(f"git {words[0]} failed in {root}: {done.stderr.strip()}")
        return done.stdout.strip()

    return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))


def files(root: Path) -> Iterator[Path]:
    """The files that name the repository."""
    for place in PLACES:
        yield from sorted(root.glob(place))


def move(root: Path, url: str) -> list[Path]:
    """Give the project another address, everywhere; the files that changed."""
    pairs = list(zip(names(address(root)), names(url), strict=True))
    changed = []
    for path in files(root):
        old = text = path.read_text(encoding="utf-8")
        for before, after in pairs:
            text = text.replace(before, after)
        if text != old:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the new address: make fork URL=https://github.com/OWNER/NAME")
    try:
        for moved in move(Path.cwd(), sys.argv[1]):
            print(moved)
    except ValueError as error:
        sys.exit(str(error))
