"""Sphinx extension: the menus at the top of a page. All of them lead to the student's notebook.

They take the place of the theme's own, which lead to the source of the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from harmonic_lib.book.repository import notebook_on

ICONS = {
    "Colab": "_static/images/logo_colab.png",
    "Kaggle": "fab fa-kaggle",
    "Binder": "_static/images/logo_binder.svg",
    "Codespaces": "fab fa-github",
}


def add_menus(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Add to a page's buttons where its notebook runs, and what can be downloaded."""
    if tree is None:
        return  # search and index are no chapters
    downloads = [button("Print to PDF", icon="fas fa-file-pdf", javascript="window.print()")]
    if Path(app.env.doc2path(page)).suffix == ".ipynb":
        name, pathto = page.removeprefix("chapters/"), context["pathto"]
        places = notebook_on(app.config.html_theme_options["repository_url"], name)
        runs = [button(host, icon=icon, url=places[host]) for host, icon in ICONS.items()]
        context["header_buttons"].insert(0, menu("Run this chapter", "fas fa-rocket", runs))
        one, all_of_them = pathto(f"notebooks/{name}.ipynb", 1), pathto("notebooks.zip", 1)
        downloads = [
            button("This notebook", icon="fas fa-download", url=one),
            button("All notebooks (zip)", icon="fas fa-file-archive", url=all_of_them),
            *downloads,
        ]
    context["header_buttons"].append(menu("Download this page", "fas fa-download", downloads))


def button(text: str, **what: str) -> dict[str, Any]:
    """An entry of a menu, as the theme takes it: ``what`` is its icon, and a url or javascript."""
    return {"type": "link" if "url" in what else "javascript", "text": text, **what}


def menu(text: str, icon: str, buttons: list[dict[str, Any]]) -> dict[str, Any]:
    """A menu, as the theme takes it."""
    return {"type": "group", "tooltip": text, "icon": icon, "buttons": buttons}


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it behind the theme, which begins the list of buttons."""
    app.connect("html-page-context", add_menus, priority=502)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
