"""Sphinx extension: small repairs of the written pages.

``REPAIRS`` mends HTML of other packages that screen readers (and axe) stumble over; delete
a line when the package named beside it has fixed its own output. The last line is for our own
formulas: what follows one is not known where it is written.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

REPAIRS: tuple[tuple[re.Pattern[str], str], ...] = (
    # myst-nb 1.4: the label hides the text that is seen ("Show code cell source").
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    # docutils 0.21: a list may not hold doc-biblioentry as its children.
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    # Sphinx 7 marks up the arguments of a long signature as dd without dt.
    (
        re.compile(r'<dd>(<em class="sig-param">.*</em>,?)</dd>'),
        r'<span class="parameter">\1</span>',
    ),
    (re.compile(r'<dl>\n((?:<span class="parameter">.*\n)+)</dl>'), r"\1"),
    # A line may break after a formula, whatever follows; Chromium honours no word joiner there.
    (
        re.compile(r"(<math>(?:(?!</math>).)*</math>)</span>([.,;:?!)”’]+)", re.DOTALL),
        r'<span class="nowrap">\1\2</span></span>',
    ),
)


def repair(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Apply ``REPAIRS`` to the body of one page."""
    body = context.get("body")
    if body:
        for pattern, replacement in REPAIRS:
            body = pattern.sub(replacement, body)
        context["body"] = body


def write_index(app: Sphinx, exception: Exception | None) -> None:
    """Write the root page a second time as ``index.html``, in place of a redirect to it."""
    if exception is not None or app.builder.name != "html":
        return
    out, root = Path(app.outdir), Path(app.builder.get_target_uri(app.config.root_doc))
    page = (out / root).read_text(encoding="utf-8")
    head = f'<base href="{root.parent.as_posix()}/" />\n<link rel="canonical" href="{root.name}" />'
    page = re.sub(r"(<head[^>]*>)", rf"\1\n{head}", page, count=1)
    page = page.replace('href="#', f'href="{root.name}#')  # a bare fragment would lead to the base
    (out / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect both; ``write_index`` before sphinx-external-toc looks for ``index.html``."""
    app.connect("html-page-context", repair)
    app.connect("build-finished", write_index, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
