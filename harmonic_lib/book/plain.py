"""From the book's Markdown to Markdown that any notebook viewer reads.

Roles become text and links, theorems and proofs quotations, dropdowns and admonitions
``<details>``; everything else stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

ROLE = re.compile(r"\{[\w:]+\}`[^`]+`")
DIRECTIVE = re.compile(r"^(`{3,})\{([\w:]+)\} *([^\n]*)\n(.*?)^\1 *$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"\A:(\w+): *([^\n]*)\n")
EQUATION = re.compile(r"^\$\$\n(.*?)\n\$\$ \(([\w-]+)\)", re.MULTILINE | re.DOTALL)
PARAGRAPH = re.compile(r"(?!\$\$|[-*] |\d+\. |`{3}|> )")  # no formula, list or other block
DISPLAY = re.compile(r"^\$\$\n(.*?)\n\$\$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Words:
    """What stands for the references of one page.

    roles: a role as it is written, to the text that it stands for. labels: the label of a
    theorem, an equation or a figure to its name. values: what the cells have glued.
    """

    roles: Mapping[str, str]
    labels: Mapping[str, str]
    values: Mapping[str, str]

    def of(self, role: str) -> str:
        """The text of a role.

        Raises:
            ValueError: it stands for nothing that the book knows.
        """
        name, _, content = role.partition("}`")
        table, key = (self.values, content[:-1]) if name == "{glue:text" else (self.roles, role)
        if key not in table:
            raise ValueError(f"nothing is known for {role}")
        return table[key]


def plain(text: str, words: Words) -> str:
    """A cell's text without anything that only MyST understands.

    Raises:
        ValueError: a reference leads nowhere, or there is no plain form of a directive.
    """
    return ROLE.sub(lambda role: words.of(role[0]), blocks(text, words))


def blocks(text: str, words: Words) -> str:
    """The text with its directives and its numbered equations in plain form."""

    def directive(found: re.Match[str]) -> str:
        _, name, title, body = found.groups()
        options: dict[str, str] = {}
        while option := OPTION.match(body):
            options[option[1]] = option[2]
            body = body[option.end() :]
        body = blocks(body.strip("\n"), words)
        if name.startswith("prf:"):
            return theorem(name.removeprefix("prf:"), title, options.get("label"), body, words)
        if name in ("dropdown", "admonition"):
            return details(title, body)
        raise ValueError(f"a notebook has no plain form of the directive {name}")

    def equation(found: re.Match[str]) -> str:
        return f"$$\n{found[1]}\n\\tag{{{words.labels[found[2]]}}}\n$$"

    return EQUATION.sub(equation, DIRECTIVE.sub(directive, text))


def theorem(kind: str, title: str, label: str | None, body: str, words: Words) -> str:
    """A theorem or one of its kin as a quotation, under the name that the book gives it."""
    if kind == "proof":
        head, end = "*Proof.*", "\n\n∎" if body.endswith("```") else " ∎"
    else:
        name = words.labels[label] if label else kind.title()
        head, end = f"**{name}{f' ({title})' if title else ''}.**", ""
    gap = " " if PARAGRAPH.match(body) else "\n\n"
    return quotation(f"{head}{gap}{body}{end}")


def quotation(text: str) -> str:
    """A block quotation. Its formulas get one line each: a `>` inside would be part of them."""

    def flat(formula: re.Match[str]) -> str:
        return f"$$ {' '.join(formula[1].split())} $$"

    return "\n".join(f"> {line}".rstrip() for line in DISPLAY.sub(flat, text).splitlines())


def details(summary: str, body: str) -> str:
    """Text that opens on a click. The empty lines make a viewer read Markdown inside."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"
