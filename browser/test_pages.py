"""Every built page as a reader has it: light and dark, on a wide screen and on a phone.

The static checks of ``harmonic book`` read the HTML; these need a browser that lays it out.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import HTML
from playwright.sync_api import Browser, Page, Route

WIDE = 1280
SKIPPED = ("_static", "_images", "notebooks")
PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if path.relative_to(HTML).parts[0] not in SKIPPED and path.name != "genindex.html"
)


def opened(browser: Browser, address: str, page: str, scheme: str, width: int) -> tuple[Page, list]:
    """A page, and a list to which everything goes that it complains of or asks the network for."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    tab = context.new_page()
    wrong: list[str] = []

    def only_here(route: Route) -> None:
        url = route.request.url
        if url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            wrong.append(f"asks for {urlsplit(url).netloc}")
            route.abort()

    tab.route("**/*", only_here)
    tab.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    tab.on(
        "console",
        lambda message: (
            wrong.append(f"{message.text} {message.location['url']}")
            if message.type == "error"
            else None
        ),
    )
    tab.goto(address + page, wait_until="load")
    tab.evaluate("document.fonts.ready")
    tab.wait_for_timeout(200)
    return tab, wrong


def violations(tab: Page, context: dict | None = None, **options: object) -> list[dict]:
    """The rules of accessibility that a page breaks."""
    options["resultTypes"] = ["violations"]
    return Axe().run(tab, context=context, options=options).response["violations"]


def broken_rules(tab: Page, scheme: str, width: int) -> list[dict]:
    """Contrast in both schemes; all other rules, which do not depend on it, in the light one.

    The contrast of code and formulas is looked at on wide pages alone: it does not depend on the
    width, and their thousands of words take most of the time.
    """
    without_code = None if width == WIDE else {"exclude": [["pre"], ["math"]]}
    found = violations(tab, without_code, runOnly=["color-contrast"])
    if scheme == "light":
        found += violations(tab, rules={"color-contrast": {"enabled": False}})
    return found


def test_there_are_pages() -> None:
    assert "index.html" in PAGES
    assert len(PAGES) > 3


@pytest.mark.parametrize("width", [WIDE, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_page(browser: Browser, address: str, page: str, scheme: str, width: int) -> None:
    tab, seen = opened(browser, address, page, scheme, width)
    wrong = list(seen)  # a copy: what axe itself asks for is not the page's doing
    over = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if over > 2:
        wrong.append(f"scrolls sideways by {over} px")
    wrong += [
        f"{rule['id']}: {node['html']}"
        for rule in broken_rules(tab, scheme, width)
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    tab.context.close()
    assert not wrong


def test_formulas_are_drawn(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address, "index.html", "light", 1280)
    heights = tab.eval_on_selector_all(
        "math", "all => all.map(m => m.getBoundingClientRect().height)"
    )
    tab.context.close()
    assert heights
    assert min(heights) > 5


def test_there_is_one_search_field_and_no_bar_above_the_page(
    browser: Browser, address: str
) -> None:
    for width in (1280, 390):
        tab, _ = opened(browser, address, "index.html", "light", width)
        assert tab.locator("header:visible").count() == 0
        fields = tab.locator(".search-button__button:visible")
        assert fields.count() == 1
        fields.click()
        tab.wait_for_selector("#pst-search-dialog input:visible")
        tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_captions_are_no_hairlines(browser: Browser, address: str, scheme: str) -> None:
    tab, _ = opened(browser, address, "index.html", scheme, 1280)
    weights = tab.eval_on_selector_all(
        "figcaption .caption-text", "all => all.map(c => Number(getComputedStyle(c).fontWeight))"
    )
    tab.context.close()
    assert weights
    assert min(weights) >= 400


def test_the_index_leads_into_its_own_sections(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address, "index.html", "light", 1280)
    tab.click("a.nav-link[href*='#how-to-run-it']:visible")
    tab.wait_for_selector("#how-to-run-it:target")
    tab.context.close()


def test_search_finds_a_word(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address, "search.html?q=prototype", "light", 1280)
    tab.wait_for_selector("#search-results li a")
    tab.context.close()
