"""Which code an outcome depends on, as a hash: a module and all of the library behind it."""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Callable, Iterator

from harmonic_lib.distances.base import DISTANCES
from harmonic_lib.paths import PACKAGE

LIBRARY = PACKAGE.name
#: Only stores results; neither it nor what it imports can influence them.
BOOKKEEPING = f"{LIBRARY}.evidence"
#: imports every family of distances, of which a run uses one or none
FAMILIES = f"{LIBRARY}.distances"

Source = Callable[[str], "str | None"]
"""The text of a module of the library by its dotted name, or None where there is none."""


def installed(module: str) -> str | None:
    """The source of a module as it lies on the disk."""
    stem = PACKAGE.parent.joinpath(*module.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path.read_text(encoding="utf-8")  # line ends as in the repository, everywhere
    return None


@functools.cache
def code_hash(module: str, distance: str | None, source: Source = installed) -> str:
    """The first 12 digits of the SHA-256 of a module and of the modules that it depends on.

    These are the modules of the library that its import statements name, those that theirs
    name, and so on, sorted by name; a package counts where something is imported from its
    ``__init__``, not where it merely contains the module. Of the families of distances, which
    all stand in one list, the one that is used counts, and those that others build upon.
    What a source says to its readers alone does not count: see :func:`meaning`.

    Raises:
        ValueError: the library has no such module.
    """
    digest = hashlib.sha256()
    for name, text in sorted(behind(module, distance, source).items()):
        digest.update(f"{name}\n{meaning(text)}\n".encode())
    return digest.hexdigest()[:12]


def meaning(text: str) -> str:
    """A source without its comments, docstrings and white space, but with its indents.

    >>> meaning("def f(x):\\n    'Twice x.'\\n    return 2 * x  # not x * x")
    'deff(x):\\n>\\nreturn2*x\\n<'
    """
    kept: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.NL):
            continue
        # a string that is a whole statement
        if token.type == tokenize.NEWLINE and kept and kept[-1].type == tokenize.STRING:
            before = kept[-2].type if len(kept) > 1 else tokenize.NEWLINE
            if before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                kept.pop()
                continue
        kept.append(token)
    marks = {tokenize.INDENT: ">\n", tokenize.DEDENT: "<", tokenize.NEWLINE: "\n"}
    words = (marks.get(token.type, "".join(token.string.split())) for token in kept)
    # Python 3.12 and later read a doubled brace of an f-string as one
    return "".join(words).replace("{{", "{").replace("}}", "}")


def behind(module: str, distance: str | None, source: Source = installed) -> dict[str, str]:
    """A module and the modules it depends on with this distance or none: name -> source."""
    others = {f"{FAMILIES}.{name}" for name in DISTANCES if name != distance}
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and not f"{name}.".startswith(f"{BOOKKEEPING}."):
            text = source(name)
            if text is None:
                raise ValueError(f"the library has no module {name}")
            found[name] = text
            named = set(imported(text, source))
            waiting += named - others if name == FAMILIES else named
    return found


def imported(text: str, source: Source) -> Iterator[str]:
    """The modules of the library that import statements name, wherever these stand."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and ours(node.module):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.module if source(inner) is None else inner


def ours(module: str) -> bool:
    """Whether it is the library or a part of it."""
    return module.split(".")[0] == LIBRARY
