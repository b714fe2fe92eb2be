"""What must hold of every built page, read off its HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from harmonic_lib.book.chapters import Chapter
from harmonic_lib.book.outcomes import Outcome

TRACEBACK = re.compile(r"Traceback \(most recent call last\)")
FILE_NAME = re.compile(r"\.(png|svg|jpe?g|gif)$|_images|^image$", re.IGNORECASE)
#: the attributes by which a page makes a browser fetch something
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


def check_pages(
    html: Path, chapters: Sequence[Chapter], outcomes: Mapping[str, Outcome]
) -> list[str]:
    """Everything that is wrong with the pages of the table of contents, a line each."""
    parse.cache_clear()
    ids.cache_clear()
    wrong = []
    for chapter in chapters:
        page = html / "chapters" / f"{chapter.name}.html"
        if not page.is_file():
            wrong.append(f"{chapter.name}: no page was built")
            continue
        soup = parse(page)
        problems = [*texts(soup), *images(soup), *remote(soup), *links(soup, page, html)]
        if chapter.name in outcomes:
            problems += missing_outputs(soup, outcomes[chapter.name])
        wrong += [f"{chapter.name}: {problem}" for problem in problems]
    return wrong


@cache
def parse(page: Path) -> BeautifulSoup:
    """A page as a tree."""
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def texts(soup: BeautifulSoup) -> Iterator[str]:
    """Tracebacks that would read as results."""
    if TRACEBACK.search(soup.get_text()):
        yield "shows a traceback"


def images(soup: BeautifulSoup) -> Iterator[str]:
    """Images without words for those who do not see them."""
    for image in soup.select("main img"):
        alt = str(image.get("alt") or "").strip()
        if not alt or FILE_NAME.search(alt):
            yield f"image {image.get('src')} has no alt text that says what is in it"


def remote(soup: BeautifulSoup) -> Iterator[str]:
    """Anything that the page would fetch from another machine."""
    for tag, attribute in FETCHED.items():
        for element in soup.find_all(tag):
            address = str(element.get(attribute) or "")
            if tag == "link" and not fetches(element):
                continue
            if urlsplit(address).netloc:
                yield f"<{tag}> fetches {address}"


def fetches(link: Tag) -> bool:
    """Whether a <link> loads something, rather than naming a relation."""
    kinds = set(link.get_attribute_list("rel"))
    return bool(kinds & {"stylesheet", "icon", "preload", "prefetch", "modulepreload"})


def links(soup: BeautifulSoup, page: Path, html: Path) -> Iterator[str]:
    """Links within the book that lead nowhere."""
    for anchor in soup.select("a[href]"):
        parts = urlsplit(str(anchor["href"]))
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.is_relative_to(html.resolve()) or not target.is_file():
            yield f"link to {anchor['href']} leads nowhere"
        elif parts.fragment and target.suffix == ".html" and not has_id(target, parts.fragment):
            yield f"link to {anchor['href']}: the page has no such place"


def has_id(page: Path, fragment: str) -> bool:
    """Whether a page has an element of this id."""
    return unquote(fragment) in ids(page)


@cache
def ids(page: Path) -> frozenset[str]:
    """The ids of a page's elements."""
    return frozenset(str(element["id"]) for element in parse(page).find_all(id=True))


def missing_outputs(soup: BeautifulSoup, outcome: Outcome) -> Iterator[str]:
    """Figures and other outputs of the outcome that are not on the page."""
    shown = [
        cell
        for cell in outcome.notebook.cells
        if cell.cell_type == "code"
        and not any(tag.startswith("remove-") for tag in cell.metadata.get("tags", []))
    ]
    kinds = [output.get("data", {}) for cell in shown for output in cell.outputs]
    made = sum("image/png" in kind for kind in kinds)
    figures = len(soup.select("main .cell img"))
    if figures < made:
        yield f"shows {figures} of the chapter's {made} figures"
    speaking, heard = (
        sum(bool(cell.outputs) for cell in shown),
        len(soup.select("main .cell_output")),
    )
    if heard < speaking:
        yield f"shows the outputs of {heard} of the chapter's {speaking} cells that have any"
