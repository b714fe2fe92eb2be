"""Sphinx extension: what each reference of the book became, for notebooks that stand alone.

Among the pages it writes ``references.json`` with two dictionaries:

- ``roles``, by page: a reference as it is written, such as ``{numref}`fig-border```, to Markdown:
  the text that the page shows, with a link into the published book;
- ``labels``: the label of a theorem, an equation or a figure to its name, such as "Theorem 3".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from docutils import nodes
from docutils.utils import new_document
from sphinx import addnodes
from sphinx.application import Sphinx

from harmonic_lib.book.repository import page_on

FILE = "references.json"


def write_references(app: Sphinx, exception: Exception | None) -> None:
    """Write the file when all pages are built."""
    if exception is not None or app.builder.name != "html":
        return
    roles = {page: resolved(app, page) for page in sorted(app.env.found_docs)}
    content = {"roles": roles, "labels": labels(app.env)}
    place = Path(app.outdir) / FILE
    place.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def resolved(app: Sphinx, page: str) -> dict[str, str]:
    """The references of a page, each resolved by Sphinx as if it stood in a paragraph alone."""
    tree = app.env.get_doctree(page)
    found = {node.rawsource: node for node in tree.findall(addnodes.pending_xref)}
    alone = new_document(page, tree.settings)
    alone += [nodes.paragraph("", "", node.deepcopy()) for node in found.values()]
    app.env.resolve_references(alone, page, app.builder)
    url = app.config.html_theme_options["repository_url"]
    here = page_on(url, page.removeprefix("chapters/"))
    texts = [markdown(paragraph, here) for paragraph in alone.children]
    return {spelt(raw): text for raw, text in zip(found, texts, strict=True) if raw}


def spelt(raw: str) -> str:
    """A role as MyST spells it.

    >>> spelt(":prf:ref:`thm-floor`")
    '{prf:ref}`thm-floor`'
    """
    role, _, rest = raw.removeprefix(":").partition(":`")
    return f"{{{role}}}`{rest}"


def markdown(node: nodes.Node, here: str) -> str:
    """The inline Markdown of a resolved reference; its links begin at the page ``here``."""
    if isinstance(node, nodes.Text):
        return str(node)
    if isinstance(node, nodes.math):
        return f"${node.astext()}$"
    inner = "".join(markdown(child, here) for child in node.children)
    if isinstance(node, nodes.reference):
        target = node.get("refuri") or f"#{node['refid']}"
        return f"[{inner}]({urljoin(here, target)})"
    return f"*{inner}*" if isinstance(node, nodes.emphasis) else inner


def labels(env: Any) -> dict[str, str]:
    """The names of all theorems and their kin, equations and figures."""
    found = {}
    for label, proof in getattr(env, "proof_list", {}).items():  # the first proof makes it
        if not proof["nonumber"]:
            number = env.toc_fignumbers[proof["docname"]][proof["countertype"]][label]
            found[label] = f"{proof['realtype'].title()} {dotted(number)}"
    for label, (page, _) in env.get_domain("math").equations.items():
        place = nodes.make_id(f"equation-{label}")
        found[label] = dotted(env.toc_fignumbers[page]["displaymath"][place])
    for label, (page, place) in env.get_domain("std").anonlabels.items():
        number = env.toc_fignumbers.get(page, {}).get("figure", {}).get(place)
        if number:
            found[label] = env.config.numfig_format["figure"] % dotted(number)
    return found


def dotted(number: tuple[int, ...]) -> str:
    """A number as pages show it: (2, 1) is "2.1"."""
    return ".".join(map(str, number))


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it."""
    app.connect("build-finished", write_references)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
