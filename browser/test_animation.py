"""The frames of an animation in a browser: its controls, its still, and readers who want calm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from harmonic_lib.plots.animation import Panel, animation

FRAMES = 5
REMEMBER = """() => {
  for (const kind of ["button", "output"]) {
    const place = document.querySelector(kind), told = (window[`${kind}s`] = []);
    const remember = () => {
      if (place.textContent !== told.at(-1)) told.push(place.textContent);
    };
    new MutationObserver(remember).observe(
      place, { childList: true, characterData: true, subtree: true });
  }
}"""
"""What the play button and the frame's name say from now on, whenever that changes."""


def page() -> str:
    """Two panels of five frames each."""
    names = [f"epoch {k}" for k in range(FRAMES)]
    panels = [
        Panel(
            title,
            torch.randn(FRAMES, 7, 3, generator=torch.Generator().manual_seed(seed)),
            [*range(7), 0],
            [f"note {k}" for k in range(FRAMES)],
        )
        for seed, title in enumerate(("first", "second"))
    ]
    moving = animation("test", panels, names, "points that move", rate=2)
    head = "<!doctype html><html lang='en'><title>test</title><meta charset='utf-8'>"
    return f"{head}<main><h1>Test</h1>{moving}</main>"


@pytest.fixture(params=["no-preference", "reduce"])
def tab(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, for a reader who does not mind motion and for one who does; no script fails."""
    context = browser.new_context(reduced_motion=request.param)
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text))
    tab.set_content(page())
    yield tab
    context.close()
    assert not wrong


def shown(tab: Page) -> tuple[str, list[str], list[str]]:
    """The frame's name, the notes, and where the discs are."""
    discs = tab.eval_on_selector_all("svg g", "all => all.map(g => g.getAttribute('transform'))")
    return tab.inner_text("output"), tab.locator(".moving-note").all_inner_texts(), discs


def test_it_opens_on_the_last_frame_and_stands_still(tab: Page) -> None:
    first = shown(tab)
    assert first[:2] == ("epoch 4", ["note 4", "note 4"])
    tab.wait_for_timeout(200)
    assert shown(tab) == first


def test_frames_are_chosen_by_buttons_and_by_keys(tab: Page) -> None:
    last = shown(tab)
    tab.click("text=Back")
    assert shown(tab)[0] == "epoch 3"
    assert shown(tab)[2] != last[2]
    tab.click("text=Next")
    tab.click("text=Next")  # there is no frame after the last
    assert shown(tab) == last
    tab.focus("input[type=range]")
    tab.keyboard.press("ArrowLeft")
    assert shown(tab)[:2] == ("epoch 3", ["note 3", "note 3"])
    tab.keyboard.press("Home")
    assert shown(tab)[0] == "epoch 0"
    assert tab.get_attribute("input[type=range]", "aria-valuetext") == "epoch 0"


def test_it_plays_to_the_end_where_motion_is_welcome(tab: Page) -> None:
    play = tab.locator("button").first
    if tab.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches"):
        assert not play.is_visible()
        return
    last = shown(tab)
    tab.evaluate(REMEMBER)
    play.click()
    tab.wait_for_function("window.buttons.at(-1) === 'Play'")
    assert tab.evaluate("window.buttons") == ["Pause", "Play"]
    assert tab.evaluate("window.outputs") == [f"epoch {k}" for k in range(FRAMES)]
    assert shown(tab) == last
    play.focus()
    tab.keyboard.press("Space")
    tab.keyboard.press("Space")  # pauses on a whole frame
    assert play.inner_text() == "Play"
    assert shown(tab)[0] != "epoch 4"
    assert all("." not in place for place in shown(tab)[2])


def test_paper_has_the_picture_alone(tab: Page) -> None:
    tab.emulate_media(media="print")
    assert not tab.locator(".moving-controls").is_visible()
    assert tab.locator("svg").count() == 2


def test_it_is_accessible(tab: Page) -> None:
    found = Axe().run(tab).response["violations"]
    assert not [rule["id"] for rule in found]
