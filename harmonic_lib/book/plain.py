"""From the book's Markdown to Markdown that any notebook viewer reads.

Roles become text and links, theorems and proofs quotations, dropdowns ``<details>``; everything
else stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

CODE = r"(?P<code>(`{1,2}(?!`)|`{3,}(?![`{])).+?(?<!`)\2(?!`))"
CODE_OR_ROLE = re.compile(CODE + r"|\{[\w:+-]+\}`[^`]+`", re.DOTALL)
DIRECTIVE = re.compile(r"^(`{3,})\{([\w:]+)\} *([^\n]*)\n(.*?)^\1 *$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"\A:([\w-]+): *([^\n]*)\n")
EQUATION = re.compile(r"^\$\$\n(.*?)\n\$\$ \(([\w-]+)\)", re.MULTILINE | re.DOTALL)
DISPLAY = re.compile(r"^\$\$\n(.*?)\n\$\$", re.MULTILINE | re.DOTALL)
PARAGRAPH = re.compile(r"(?!\$\$|[-*] |\d+\. |`{3}|> )")  # no formula, list or other block
#: what no viewer but MyST's reads: roles, directives of all fences, labels
LEFT_OVER = re.compile(r"\{[\w:+-]+\}`|^[\s>]*(:{3,}|(`{3,}|~{3,})\{)|^\(\S+\)=$", re.MULTILINE)


@dataclass(frozen=True)
class Words:
    """What stands for the references of one page.

    roles: a role as it is written, to the text that it stands for. labels: the label of a
    theorem, an equation or a figure to its name. values: what the cells have glued.
    """

    roles: Mapping[str, str]
    labels: Mapping[str, str]
    values: Mapping[str, str]

    def of_role(self, role: str) -> str:
        """The text of a role; ValueError if the book knows nothing of it."""
        name, _, content = role.partition("}`")
        table, key = (self.values, content[:-1]) if name == "{glue:text" else (self.roles, role)
        if key not in table:
            raise ValueError(f"nothing is known for {role}")
        return table[key]

    def of_label(self, label: str | None) -> str:
        """The name that the book gives what has this label; ValueError if it has none."""
        if label is None or label not in self.labels:
            raise ValueError(f"the book has no number for the label {label}")
        return self.labels[label]


def plain(text: str, words: Words) -> str:
    """A cell's text without anything that only MyST understands.

    Raises:
        ValueError: a reference leads nowhere, or something has no plain form.
    """

    def role(found: re.Match[str]) -> str:
        return found[0] if found["code"] else words.of_role(found[0])

    made = CODE_OR_ROLE.sub(role, blocks(text, words))
    left = LEFT_OVER.search(CODE_OR_ROLE.sub("", made))
    if left:
        raise ValueError(f"a notebook has no plain form of {left[0].strip()!r}")
    return made


def blocks(text: str, words: Words) -> str:
    """The text with its directives and its numbered equations in plain form."""

    def directive(found: re.Match[str]) -> str:
        _, name, title, body = found.groups()
        options: dict[str, str] = {}
        while option := OPTION.match(body):
            options[option[1]] = option[2]
            body = body[option.end() :]
        if not options.keys() <= {"label", "class"}:
            raise ValueError(f"a notebook has no plain form of the options {sorted(options)}")
        body = blocks(body.strip("\n"), words)
        if name == "prf:proof":
            return headed("*Proof.*", f"{body}\n\n∎" if body.endswith("```") else f"{body} ∎")
        if name.startswith("prf:"):
            number = words.of_label(options.get("label"))
            return headed(f"**{number}{f' ({title})' if title else ''}.**", body)
        if name == "dropdown":
            return details(title, body)
        if name == "admonition":
            return quotation(f"**{title}**\n\n{body}")
        raise ValueError(f"a notebook has no plain form of the directive {name}")

    def equation(found: re.Match[str]) -> str:
        return f"$$\n{found[1]}\n\\tag{{{words.of_label(found[2])}}}\n$$"

    return EQUATION.sub(equation, DIRECTIVE.sub(directive, text))


def headed(head: str, body: str) -> str:
    """A theorem or a proof as a quotation that begins with its name."""
    return quotation(head + (" " if PARAGRAPH.match(body) else "\n\n") + body)


def quotation(text: str) -> str:
    """A block quotation. Its formulas get one line each: a `>` inside would be part of them."""

    def flat(formula: re.Match[str]) -> str:
        return f"$$ {' '.join(formula[1].split())} $$"

    return "\n".join(f"> {line}".rstrip() for line in DISPLAY.sub(flat, text).splitlines())


def details(summary: str, body: str) -> str:
    """Text that opens on a click. The empty lines make a viewer read Markdown inside."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"
