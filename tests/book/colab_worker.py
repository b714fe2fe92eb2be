"""Run the beginnings of chapters with what Colab has; ``test_colab.py`` starts it.

stdin, as JSON: ``hidden``, the packages to hide; ``chapters``, each one's first cells by its
name, the imports first; ``sources``, every cell of every chapter. stdout, as JSON: ``loaded``,
what the imports of all chapters load beyond torch, matplotlib and IPython; ``failed``, by
chapter its error or ""; ``missing``, why some import in a chapter, or in a module of the
library that a chapter loads, would fail if it were reached.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import IPython.display  # noqa: F401  (a kernel has it before its first cell)
import matplotlib.pyplot as plt
import torch


class Without:
    """A finder that does not find the hidden packages."""

    def __init__(self, finder: Any, hidden: frozenset[str]) -> None:
        self.finder, self.hidden = finder, hidden

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        known = name.partition(".")[0] not in self.hidden
        return self.finder.find_spec(name, path, target) if known else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


def run(cells: list[str], scope: dict[str, Any]) -> str:
    """Run cells; the error of the first that fails, or ""."""
    try:
        with redirect_stdout(io.StringIO()):
            for source in cells:
                exec(source, scope)
    except Exception:
        return traceback.format_exc()
    finally:
        plt.close("all")
    return ""


def imported(source: str) -> Iterator[str]:
    """The modules that a source imports, also in functions that are not called."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def missing(sources: list[str]) -> list[str]:
    """Of the modules that the sources import, those that are not there."""
    names = {name for source in sources for name in imported(source)}
    errors = [run([f"import {name}"], {}) for name in sorted(names)]
    return [error.splitlines()[-1] for error in errors if error]


def packages() -> set[str]:
    """What is loaded: packages, and of torch, where some load for seconds, its parts."""
    names = [name.split(".") for name in sys.modules]
    return {".".join(n[:2]) if n[0] == "torch" else n[0] for n in names} - sys.stdlib_module_names


def main() -> None:
    torch.set_num_threads(1)
    asked = json.load(sys.stdin)
    hidden = frozenset(asked["hidden"])
    sys.meta_path[:] = [Without(finder, hidden) for finder in sys.meta_path]
    scopes: dict[str, dict[str, Any]] = {name: {} for name in asked["chapters"]}
    before = packages()
    failed = {name: run(cells[:1], scopes[name]) for name, cells in asked["chapters"].items()}
    loaded = sorted(packages() - before)
    for name, cells in asked["chapters"].items():
        failed[name] = failed[name] or run(cells[1:], scopes[name])
    library = [m for name, m in sys.modules.items() if name.partition(".")[0] == "harmonic_lib"]
    sources = [*asked["sources"], *(inspect.getsource(module) for module in library)]
    answer = {"loaded": loaded, "failed": failed, "missing": missing(sources)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
