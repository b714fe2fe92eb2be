"""Which code an outcome depends on, as a hash of the definitions behind a function."""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harmonic_lib.paths import PACKAGE

LIBRARY = PACKAGE.name
#: raise errors or write outcomes down; a number that comes out does not depend on them
APART = (f"{LIBRARY}.checks", f"{LIBRARY}.evidence")

Source = Callable[[str], "str | None"]
"""The text of a module of the library by its dotted name, or None where there is none."""


def installed(module: str) -> str | None:
    """The source of a module in this installation."""
    stem = PACKAGE.parent.joinpath(*module.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path.read_text(encoding="utf-8")  # line ends as in the repository, everywhere
    return None


@functools.cache
def code_hash(
    module: str, name: str, unused: frozenset[str] = frozenset(), source: Source = installed
) -> str:
    """The first 12 digits of the SHA-256 of a definition and of all that it depends on.

    These are the library's definitions that its text names, those that theirs name, and so
    on, and statements that bind no name in the modules where these stand. The hash does not
    depend on the modules' names, on import statements, on the order of definitions, on
    comments, docstrings or white space (:func:`meaning`), nor on definitions that nothing
    behind ``name`` uses.

    Args:
        unused: keys of registries, such as names of distances, that the run does not use. A
            registry is a dict from texts to definitions; its other entries count.

    Raises:
        ValueError: the library has no such definition.
    """
    texts = {meaning(text) for text in library(source).behind(module, name, unused)}
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:12]


@functools.cache
def meaning(text: str) -> str:
    """A statement without its comments, docstrings and white space, but with its indents.

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


@dataclass
class Module:
    """A module's top-level statements, by the names that they bind.

    imports: by the name in the module, where it comes from: (module, name), or (module, "").
    effects: the statements that bind no name, such as a call.
    """

    text: str
    bound: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)

    def __post_init__(self) -> None:
        tree = ast.parse(self.text)
        for node in ast.walk(tree):  # imports inside functions, too
            if isinstance(node, ast.ImportFrom) and ours(node.module):
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = (str(node.module), alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if ours(alias.name):
                        whole = alias.name if alias.asname else LIBRARY
                        self.imports[alias.asname or LIBRARY] = (whole, "")
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom) or is_text(statement):
                continue
            names = set(bindings(statement))
            for name in names:
                self.bound.setdefault(name, []).append(statement)
            if not names:
                self.effects.append(statement)

    def parts(self, statement: ast.stmt, unused: frozenset[str]) -> Iterator[tuple[str, ast.AST]]:
        """A statement's text and tree; of a registry, those of each entry that is used."""
        value = getattr(statement, "value", None)
        keys = value.keys if isinstance(value, ast.Dict) else []
        if isinstance(value, ast.Dict) and keys and all(map(is_text, keys)):
            name = "".join(sorted(bindings(statement)))
            for key, entry in zip(keys, value.values, strict=True):
                word = ast.literal_eval(key) if key is not None else ""
                if word not in unused:
                    yield f"{name}[{word!r}] = {ast.get_source_segment(self.text, entry)}\n", entry
        else:
            yield self.segment(statement), statement

    def segment(self, statement: ast.stmt) -> str:
        """The source of a statement, with its decorators."""
        decorators = [each.lineno for each in getattr(statement, "decorator_list", [])]
        first = min([statement.lineno, *decorators])
        return "\n".join(self.lines[first - 1 : statement.end_lineno]) + "\n"

    @functools.cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Library:
    """The modules of the library, parsed as they are asked for."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.modules: dict[str, Module | None] = {}
        self.uses: dict[ast.AST, frozenset[tuple[str, str]]] = {}

    def module(self, name: str) -> Module | None:
        if name not in self.modules:
            text = self.source(name)
            self.modules[name] = None if text is None else Module(text)
        return self.modules[name]

    def behind(self, module: str, name: str, unused: frozenset[str]) -> Iterator[str]:
        """The texts of a definition and of everything behind it.

        Raises:
            ValueError: the library has no such definition.
        """
        if self.find(module, name) is None:
            raise ValueError(f"the library has no {name} in {module}")
        waiting, seen = [(module, name)], set[tuple[str, str]]()
        while waiting:
            found = self.find(*waiting.pop())
            if found is None or found in seen or apart(found[0]):
                continue
            seen.add(found)
            owner = self.module(found[0])
            assert owner is not None
            waiting.append((found[0], ""))
            for statement in owner.bound[found[1]] if found[1] else owner.effects:
                for text, node in owner.parts(statement, unused):
                    yield text
                    waiting += self.used(node, found[0])

    def find(self, module: str, name: str) -> tuple[str, str] | None:
        """Where a name is defined that a module uses: (module, name), or (module, "") for a module.

        None: not in the library.
        """
        if not name:
            return (module, "") if self.module(module) is not None else None
        owner = self.module(module)
        if owner is not None and name in owner.bound:
            return module, name
        if owner is not None and owner.imports.get(name, (module, name)) != (module, name):
            return self.find(*owner.imports[name])
        return self.find(f"{module}.{name}", "")

    def used(self, node: ast.AST, module: str) -> frozenset[tuple[str, str]]:
        """What a part of a module uses: names, and names that it takes from other modules."""
        if node not in self.uses:
            self.uses[node] = frozenset(self.names(node, module))
        return self.uses[node]

    def names(self, node: ast.AST, module: str) -> Iterator[tuple[str, str]]:
        for child in ast.walk(node):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load):
                yield module, child.id
            elif isinstance(child, ast.Attribute):
                base = self.resolve(child.value, module)
                if base is not None and not base[1]:
                    yield base[0], child.attr

    def resolve(self, node: ast.AST, module: str) -> tuple[str, str] | None:
        """What a name, or a chain of attributes of modules, stands for."""
        if isinstance(node, ast.Name):
            return self.find(module, node.id)
        if isinstance(node, ast.Attribute):
            base = self.resolve(node.value, module)
            return self.find(base[0], node.attr) if base is not None and not base[1] else None
        return None


library = functools.cache(Library)


def bindings(statement: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement binds."""
    for node in [statement] if isinstance(statement, DEFINITION) else ast.walk(statement):
        if isinstance(node, DEFINITION):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def is_text(node: ast.AST | None) -> bool:
    """Whether it is a string, perhaps as a whole statement."""
    inner = node.value if isinstance(node, ast.Expr) else node
    return isinstance(inner, ast.Constant) and isinstance(inner.value, str)


def ours(module: str | None) -> bool:
    """Whether it is the library or a part of it."""
    return module is not None and module.split(".")[0] == LIBRARY


def apart(module: str) -> bool:
    """Whether no number depends on the module."""
    return module.startswith(APART)
