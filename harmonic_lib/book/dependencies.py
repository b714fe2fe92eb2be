"""Which of the library's files a chapter depends on: what its cells import, and so on."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

from nbformat import NotebookNode

from harmonic_lib.paths import PACKAGE

#: a line of IPython's own, with the lines that continue it
MAGIC = re.compile(r"^([ \t]*)[%!](?:.*\\\n)*.*$", re.MULTILINE)


def files_behind(notebook: NotebookNode, package: Path = PACKAGE) -> list[Path]:
    """The modules that a chapter's code imports, directly or not, and the data beside them.

    A package counts with its ``__init__``, because an import runs it; so do the packages around
    a module. Imports inside functions count, too.
    """
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    found: dict[str, Path] = {}
    waiting = [name for cell in cells for name in imported(MAGIC.sub(r"\1pass", cell))]
    while waiting:
        name = waiting.pop()
        path = file_of(name, package)
        if name not in found and path is not None:
            found[name] = path
            waiting += imported(path.read_text(encoding="utf-8"))
    beside = {facts for path in found.values() for facts in path.parent.glob("*.ini")}
    return sorted({*found.values(), *beside})


@functools.cache
def imported(code: str) -> frozenset[str]:
    """The modules that import statements may name, and the packages around them."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names]
    return frozenset(".".join(part[: k + 1]) for part in parts for k in range(len(part)))


def file_of(module: str, package: Path) -> Path | None:
    """The file of a module of the library; None for anything else."""
    first, *rest = module.split(".")
    if first != package.name:
        return None
    stem = package.joinpath(*rest)
    candidates = [stem / "__init__.py", stem.with_suffix(".py")] if rest else [stem / "__init__.py"]
    return next((path for path in candidates if path.is_file()), None)
