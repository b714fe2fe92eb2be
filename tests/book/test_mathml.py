"""Formulas in pages, built by Sphinx itself."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

PAGE = """# Page

Inline $x_k^2$ and long $a_1 + b_1 = c_1 + d_1 = e_1 + f_1 = g_1 + h_1 = i_1 + j_1$.

$$
p_k = \\frac{d_k^{-n}}{\\sum_j d_j^{-n}}
$$ (eq-harmax)

$$
a &= b \\\\
c &= d
$$

See {eq}`eq-harmax`.
"""


def build(tmp_path: Path, text: str) -> tuple[str, str, str]:
    """The HTML of a page, that of the index, and what Sphinx warned of."""
    source = tmp_path / "source"
    (source / "chapters").mkdir(parents=True)
    (source / "chapters" / "page.md").write_text(text)
    config = {
        "extensions": ["myst_parser", "harmonic_lib.book.mathml", "harmonic_lib.book.pages"],
        "myst_enable_extensions": ["dollarmath", "amsmath"],
        "root_doc": "chapters/page",
    }
    out = tmp_path / "out"
    warnings = (tmp_path / "warnings").open("w+")
    app = Sphinx(
        str(source), None, str(out), str(tmp_path / "trees"), "html", config, None, warnings
    )
    app.build()
    warnings.seek(0)
    return (
        (out / "chapters" / "page.html").read_text(),
        (out / "index.html").read_text(),
        warnings.read(),
    )


def test_formulas_become_mathml_with_numbers_and_references(tmp_path: Path) -> None:
    page, index, warned = build(tmp_path, PAGE)
    assert warned == ""
    assert "<msubsup>" in page
    assert "<mfrac>" in page
    assert "<mtable" in page
    assert '<span class="eqno">(1)' in page
    assert 'href="#equation-eq-harmax">(1)</a>' in page
    assert "https://" not in page.split("</head>")[0]
    assert page.count("<wbr>") == 4  # the long formula may break after each "="
    assert '<base href="chapters/" />' in index
    assert 'href="page.html#equation-eq-harmax"' in index


def test_a_formula_that_is_not_understood_is_a_warning_that_names_its_line(tmp_path: Path) -> None:
    page, _, warned = build(tmp_path, "# Page\n\nA $\\nonsense{x}$ formula.\n")
    assert "page.md:3: WARNING: maths not understood" in warned
    assert "<code>\\nonsense{x}</code>" in page


def test_labels_that_hide_the_visible_text_are_removed(tmp_path: Path) -> None:
    label = '<summary aria-label="Toggle hidden content">Show</summary>'
    page, _, _ = build(tmp_path, f"# Page\n\n<details>{label}</details>\n")
    assert "<summary>Show</summary>" in page


def test_no_line_begins_with_the_full_stop_of_a_formula(tmp_path: Path) -> None:
    page, _, _ = build(tmp_path, PAGE + "\n($a$), **$b$**. $c$ $d$\n")
    kept = re.findall(r'<span class="nowrap">(<math>.*?</math>)([^<]*)</span></span>', page)
    assert [after for _, after in kept] == [".", "),"]
    assert re.sub("<[^>]*>", "", kept[0][0]) == "i1+j1"  # it may still break before
    assert page.count("<wbr>") == 4
    assert page.count("<math>") == 1 + 5 + 4
