"""From the book's Markdown to any viewer's."""

from __future__ import annotations

import pytest

from harmonic_lib.book.plain import Words, plain

HINT = "<summary>Hint</summary>"
WORDS = Words(
    roles={
        "{numref}`fig-a`": "[Fig. 3](https://book/a.html#fig-a)",
        "{doc}`the atlas </atlas>`": "[the atlas](https://book/atlas.html)",
    },
    labels={"thm-a": "Theorem 2", "eq-a": "7", "fig-a": "Fig. 3"},
    values={"share": "57 %"},
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("`{a}` and `b`, ``{c}`d` ``", "`{a}` and `b`, ``{c}`d` ``"),
        ("It is {glue:text}`share`.", "It is 57 %."),
        ("See {numref}`fig-a`,", "See [Fig. 3](https://book/a.html#fig-a),"),
        ("| {doc}`the atlas </atlas>` |", "| [the atlas](https://book/atlas.html) |"),
        ("$$\na = b\n$$ (eq-a)\n\nx", "$$\na = b\n\\tag{7}\n$$\n\nx"),
        ("$$\na = b\n$$\n\n$x_{i}$ and `{a}`", "$$\na = b\n$$\n\n$x_{i}$ and `{a}`"),
        ("```{dropdown} Hint\nWords.\n```", f"<details>\n{HINT}\n\nWords.\n\n</details>"),
        ("```{admonition} Old\n:class: warning\nTwo.\n```", "> **Old**\n>\n> Two."),
        ("```python\n{numref}`fig-a`\n```", "```python\n{numref}`fig-a`\n```"),
    ],
)
def test_what_a_viewer_reads(written: str, read: str) -> None:
    assert plain(written, WORDS) == read


def test_a_theorem_is_a_numbered_quotation_and_its_formulas_have_a_line_each() -> None:
    written = (
        "```{prf:theorem} A floor\n:label: thm-a\n\nIf $a$, then\n\n$$\na\n= b\n$$ (eq-a)\n```\n\n"
        "````{prf:proof}\n1. First.\n\n```text\ncode\n```\n````"
    )
    assert plain(written, WORDS).splitlines() == [
        "> **Theorem 2 (A floor).** If $a$, then",
        ">",
        "> $$ a = b \\tag{7} $$",
        "",
        "> *Proof.*",
        ">",
        "> 1. First.",
        ">",
        "> ```text",
        "> code",
        "> ```",
        ">",
        "> ∎",
    ]


@pytest.mark.parametrize(
    "written",
    [
        "{numref}`fig-b`",
        "{glue:text}`none`",
        "```{figure} a\n```",
        "```{code-block} a\n```",
        ":::{quiz}\n- answer: 2\n:::",
        "~~~{quiz}\n- answer: 2\n~~~",
        "  ```{note}\n  a\n  ```",
        "(a-label)=\n# Words",
        "```{dropdown} Hint\n:open:\nWords.\n```",
        "```{prf:lemma} Words\nWithout a label.\n```",
        "$$\na\n$$ (eq-unknown)",
    ],
)
def test_what_has_no_plain_form_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"no plain form|nothing is known|no number"):
        plain(written, WORDS)
