"""What only a drawn page shows: that nothing is squeezed into one line, left behind or named without a name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.scene import TOKENS, Scene, add_nameless, call_of, make_scene, reroute_of
from tests.web.served import served, signed_in, wait_for_toast, wait_until_heard
from voicepipe.events.envelope import message_of
from voicepipe.web.language import LANGUAGES

pytestmark = pytest.mark.slow

NARROW = {"width": 800, "height": 900}
DESK_WIDTHS_PX = (1024, 1240, 1280, 1366, 1600, 2200, 2560)

BROKEN_WORDS = """() => {
  const broken = [];
  for (const cell of document.querySelectorAll(".live-table :is(th, td)")) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const { index, 0: word } of texts.currentNode.data.matchAll(/[^\\s-]+-?/g)) {
        const range = new Range();
        range.setStart(texts.currentNode, index);
        range.setEnd(texts.currentNode, index + word.length);
        const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
        if (lines.size > 1) broken.push(word);
      }
    }
  }
  return broken;
}"""
"""The words of the live view's table that stand on more than one line."""


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[tuple[Scene, str]]:
    scene = make_scene(tmp_path)
    with scene.store, served(scene.app) as address:
        yield scene, address


def test_a_copied_handoff_keeps_its_lines(centre: tuple[Scene, str], browser: Browser) -> None:
    _, address = centre
    with signed_in(browser, address, TOKENS["supervisor"], permissions=["clipboard-read"]) as (page, complaints):
        page.goto(f"{address}/console/calls/call-billing")
        page.click("#handoff-copy")
        wait_for_toast(page, "Copied")
        lines = page.evaluate("navigator.clipboard.readText()").splitlines()
        assert len(lines) > 1
        assert [line.partition(":")[0] for line in lines][:1] == ["Wants"]
        assert complaints == []


def test_on_a_narrow_screen_only_cards_are_drawn_and_nothing_unsaid_in_them(
    centre: tuple[Scene, str], browser: Browser
) -> None:
    _, address = centre
    with signed_in(browser, address, TOKENS["admin"], viewport=NARROW) as (page, complaints):
        page.goto(f"{address}/console")
        wait_until_heard(page, "calls")
        queue = "td:nth-child(4)"
        expect(page.locator(f'[data-call="call-billing"] {queue}')).to_have_text("billing")
        expect(page.locator(f'[data-call="call-billing"] {queue}')).to_be_visible()
        expect(page.locator(f'[data-call="call-none"] {queue}')).to_be_hidden()
        for path in ("/console", "/console/history", "/console/quality", "/console/audit"):
            page.goto(f"{address}{path}")
            behind = page.locator("table.cards").first.evaluate("(table) => getComputedStyle(table).backgroundColor")
            assert behind == "rgba(0, 0, 0, 0)", f"a block shows behind the cards of {path}"
        assert complaints == []


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_at_no_width_of_a_screen_does_the_live_view_break_a_word(
    centre: tuple[Scene, str], browser: Browser, language: str
) -> None:
    _, address = centre
    with signed_in(browser, address, TOKENS["admin"], locale=language) as (page, complaints):
        for path in ("/console", "/console?wall"):
            page.goto(f"{address}{path}")
            wait_until_heard(page, "calls")
            for width in DESK_WIDTHS_PX:
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate(BROKEN_WORDS) == [], f"{path} at {width} px"
        assert complaints == []


def test_the_count_of_open_alerts_and_the_connection_are_on_every_page(
    centre: tuple[Scene, str], browser: Browser
) -> None:
    scene, address = centre
    with signed_in(browser, address, TOKENS["admin"]) as (page, complaints):
        page.goto(f"{address}/console/alerts")
        unhandled = page.locator("[data-alert][data-handled='0']").count()
        assert unhandled > 0
        for path in ("history", "quality", "audit", "calls/call-billing"):
            page.goto(f"{address}/console/{path}")
            expect(page.locator("#alerts-open")).to_have_text(str(unhandled))
            expect(page.locator("#connection")).to_be_visible()
        scene.store.record([], [message_of(reroute_of(call_of("call-new", "billing")))])
        expect(page.locator("#alerts-open")).to_have_text(str(unhandled + 1))
        assert complaints == []


def test_a_note_is_written_on_a_call_that_is_named(centre: tuple[Scene, str], browser: Browser) -> None:
    scene, address = centre
    add_nameless(scene, "call-x")
    with signed_in(browser, address, TOKENS["admin"]) as (page, complaints):
        page.goto(f"{address}/console/alerts")
        page.locator("[data-alert]", has_text="Call call-x").locator("[data-act=note]").click()
        expect(page.locator("#note-why")).to_contain_text("Call call-x · ")
        assert complaints == []
