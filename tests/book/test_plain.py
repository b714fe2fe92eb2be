"""From the book's Markdown to any viewer's."""

from __future__ import annotations

import pytest

from harmonic_lib.book.plain import Words, plain

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
        ("It is {glue:text}`share`.", "It is 57 %."),
        ("See {numref}`fig-a`,", "See [Fig. 3](https://book/a.html#fig-a),"),
        ("| {doc}`the atlas </atlas>` |", "| [the atlas](https://book/atlas.html) |"),
        ("$$\na = b\n$$ (eq-a)\n\nx", "$$\na = b\n\\tag{7}\n$$\n\nx"),
        ("$$\na = b\n$$\n\n$x_{i}$ and `{a}`", "$$\na = b\n$$\n\n$x_{i}$ and `{a}`"),
        ("```{dropdown} Hint\nWords.\n```", None),
        ("```python\n{'a': 1}\n```", "```python\n{'a': 1}\n```"),
    ],
)
def test_what_a_viewer_reads(written: str, read: str | None) -> None:
    hint = "<details>\n<summary>Hint</summary>\n\nWords.\n\n</details>"
    assert plain(written, WORDS) == (read or hint)


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


@pytest.mark.parametrize("written", ["{numref}`fig-b`", "{glue:text}`none`", "```{figure} a\n```"])
def test_what_has_no_plain_form_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"no plain form|nothing is known"):
        plain(written, WORDS)
