"""What the book consists of: the pages of its table of contents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harmonic_lib.checks import unknown_name


@dataclass(frozen=True)
class Chapter:
    """A page of the book. ``name`` is its path below ``chapters/``, without the ending."""

    name: str
    path: Path

    @property
    def runs(self) -> bool:
        """Whether it is a notebook; other pages are only rendered."""
        return self.path.suffix == ".ipynb"


def read_toc(root: Path) -> list[Chapter]:
    """The chapters that ``_toc.yml`` names, in its order.

    Raises:
        FileNotFoundError: there is no ``_toc.yml``, or a page that it names is not there.
    """
    toc = root / "_toc.yml"
    if not toc.is_file():
        raise FileNotFoundError(f"no _toc.yml in {root}: run this in the root of the repository")
    chapters = []
    for file in files_of(yaml.safe_load(toc.read_text(encoding="utf-8"))):
        candidates = [root / f"{file}{ending}" for ending in (".ipynb", ".md")]
        found = [path for path in candidates if path.is_file()]
        if not found:
            raise FileNotFoundError(
                f"_toc.yml names {file}, but neither {candidates[0]} nor {candidates[1]} exists"
            )
        chapters.append(Chapter(file.removeprefix("chapters/"), found[0]))
    return chapters


def files_of(node: Any) -> Iterator[str]:
    """Every ``root`` and ``file`` of a table of contents, however deep, in reading order."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("root", "file"):
                yield value
            else:
                yield from files_of(value)
    elif isinstance(node, list):
        for item in node:
            yield from files_of(item)


def select(chapters: Sequence[Chapter], names: Sequence[str] | None) -> list[Chapter]:
    """The chapters of these names (with or without their folder); None for all.

    Raises:
        ValueError: no chapter has such a name (the message gives the nearest), or several.
    """
    if names is None:
        return list(chapters)
    chosen = set()
    for name in names:
        meant = [c.name for c in chapters if name in (c.name, c.name.rsplit("/")[-1])]
        if not meant:
            raise ValueError(unknown_name("chapter", name, [c.name for c in chapters]))
        if len(meant) > 1 and name not in meant:
            raise ValueError(f"chapter {name!r} could be any of {', '.join(meant)}")
        chosen.add(name if name in meant else meant[0])
    return [chapter for chapter in chapters if chapter.name in chosen]
