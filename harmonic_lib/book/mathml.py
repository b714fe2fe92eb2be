"""Sphinx extension: TeX to MathML while the book is built: formulas without script or network.

Named in the ``extensions`` of ``_config.yml``, it makes itself the HTML maths renderer. A
formula that the converter does not understand is a build warning that names the page.
"""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

RELATIONS = set("=≤≥<>≈∝≔∈→↦,;")
TAG = re.compile(r"<(/?)(\w+)[^>]*?(/?)>([^<]*)")
LONG = 20  # visible symbols; about half of a phone's line
# Chromium does not grow a \bigr bracket that bears an index unless it sits in a row of its own.
SCRIPTED_BRACKET = re.compile(r"(<(?:msub|msup|msubsup)>)(<mo [^>]*minsize=[^>]*>[^<]*</mo>)")


def breakable(mathml: str) -> str:
    """Split a long inline formula after its outermost relations: a narrow screen can wrap it."""
    if len(re.sub(r"<[^>]*>|&\w+;", "", mathml)) < LONG or not mathml.startswith("<math>"):
        return mathml
    inner = mathml.removeprefix("<math>").removesuffix("</math>")
    parts: list[str] = []
    start = depth = brackets = 0
    text = ""
    for tag in TAG.finditer(inner):
        closing, name, alone, after = tag.groups()
        if closing:
            depth -= 1
            if name == "mo" and depth == 0 and brackets == 0 and text in RELATIONS:
                parts.append(inner[start : tag.start(4)])
                start = tag.start(4)
        else:
            depth += not alone
            text = html.unescape(after)
            if name == "mo":
                brackets += (text in tuple("([{⟨⌊⌈")) - (text in tuple(")]}⟩⌋⌉"))
    parts.append(inner[start:])
    return "<wbr>".join(f"<math>{part}</math>" for part in parts if part)


def convert(self: HTML5Translator, tex: str, node: nodes.Node, display: bool) -> str:
    """Return the MathML of ``tex``; on a mistake, warn at the node's place and show the source."""
    converter: LatexToMathML = self.config._mathml_converter
    try:
        mathml = converter.convert_with_local_state(tex, displaystyle=display)
        return SCRIPTED_BRACKET.sub(r"\1<mrow>\2</mrow>", mathml)
    except LatexError as error:
        logger.warning(
            "maths not understood: %s in %r", str(error), tex, location=node, type="mathml"
        )
        return f"<code>{html.escape(tex)}</code>"


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write an inline formula."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(breakable(convert(self, node.astext(), node, False)) + "</span>")
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number, in a box that scrolls by itself."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    tex = node.astext().strip()
    if node.get("number"):
        # Sphinx numbers an equation as a whole: an inner align must not add its own numbers.
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    tex = re.sub(r"\\(begin|end)\{(equation|align|gather|multline)\}", r"\\\1{\2*}", tex)
    tex = re.sub(r"\\(begin|end)\{split\}", r"\\\1{aligned}", tex)
    if r"\\" in tex and r"\begin{" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    self.body.append(f'<div class="math-scroll">{convert(self, tex, node, True)}</div></div>\n')
    raise nodes.SkipNode


def configure(app: Sphinx, config: Config) -> None:
    config.html_math_renderer = "mathml"
    config._mathml_converter = LatexToMathML(
        macros=config.mathml_macros, annotation=False, fancy_error=False
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer and the ``mathml_macros`` option (name without backslash -> TeX)."""
    app.add_config_value("mathml_macros", {}, "env", [dict])
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("config-inited", configure)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
