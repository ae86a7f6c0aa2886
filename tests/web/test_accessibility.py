"""The console in a real browser: what axe-core finds, the keyboard alone, narrow phones, a lost connection.

axe-core comes inside axe-playwright-python (MPL-2.0; the test extra, never part of what is installed to run).
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import PATIENCE_MS, VARIABLE, find_browser, launched
from tests.web.scene import PAST_CALL, TOKENS, Scene, make_scene
from tests.web.served import NOTE_WHAT_PASSES, wait_for_toast, wait_until_settled
from voicepipe.web.app import console_table
from voicepipe.web.language import LANGUAGES

pytestmark = pytest.mark.slow

WIDTHS = {"phone": (360, 740), "desk": (1280, 800), "wall": (2560, 1440)}
THEMES = ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOCALES = {"en": "en-GB", "ru": "ru-RU", "zh": "zh-CN"}


@dataclass(frozen=True)
class Site:
    """A console that is served on this machine."""

    address: str
    scene: Scene


@contextmanager
def served(scene: Scene) -> Iterator[Site]:
    """Serve a scene on a free port of the loopback for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(scene.app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Site(f"http://127.0.0.1:{port}", scene)
        scene.console.hub.close()
        server.should_exit = server.force_exit = True
        thread.join(10.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        pytest.skip(f"needs a Chromium; install one or name it in {VARIABLE}")
    with launched(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One console for the tests that only look."""
    scene = make_scene(tmp_path_factory.mktemp("site"))
    with scene.store, served(scene) as site:
        yield site


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Site]:
    """A console of one's own for a test that does something."""
    scene = make_scene(tmp_path)
    with scene.store, served(scene) as site:
        yield site


@contextmanager
def visit(
    browser: Browser,
    site: Site,
    *,
    person: str | None = "admin",
    language: str = "en",
    theme: str = "auto",
    width: str = "desk",
    **more: Any,
) -> Iterator[tuple[BrowserContext, Page]]:
    """Open a browser window, signed in; whatever it complains of fails the test."""
    wide, high = WIDTHS[width]
    settings = {"viewport": {"width": wide, "height": high}, "locale": LOCALES[language], "timezone_id": "Asia/Tokyo"}
    with browser.new_context(**{**settings, **more}) as context:
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies(
            [
                {"name": "voicepipe_language", "value": language, "url": site.address},
                {"name": "voicepipe_theme", "value": theme, "url": site.address},
            ]
        )
        page = context.new_page()
        page.add_init_script(NOTE_WHAT_PASSES)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text)
                if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource")
                else None
            ),
        )
        if person is not None:
            page.goto(f"{site.address}/console/sign-in")
            page.fill("input[name=token]", TOKENS[person])
            page.press("input[name=token]", "Enter")
            page.wait_for_url(lambda url: "sign-in" not in url)
        yield context, page
        assert errors == []


def places(site: Site) -> list[str]:
    """Return every address of the route table that a browser shows as a page, and one that isn't there."""
    call = quote("call-billing", safe="")
    found: list[str] = []
    for route in console_table(site.scene.console):
        if "GET" in route.methods and not route.streams and not route.path.startswith("/api/"):
            path = route.path.replace("{call_id:path}", call).replace("{call_id}", call)
            found.append(path.replace("{event_id}", site.scene.alert_id("call-billing")))
    return [*found, f"/console/calls/{PAST_CALL}", "/console/nothing-of-the-kind"]


def is_page(page: Page, site: Site, path: str) -> bool:
    """Go there; False for what is a part of a page or leads elsewhere."""
    answer = page.goto(site.address + path)
    assert answer is not None
    if page.locator("main").count() == 0:
        return False
    assert answer.status in (200, 404), f"{path}: {answer.status}"
    expect(page.locator("main .skeleton:visible")).to_have_count(0)
    return True


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(browser: Browser, site: Site, width: str, theme: str) -> None:
    axe = Axe()
    found: dict[str, list[str]] = {}
    seen = 0
    for person, paths in ((None, ["/console/sign-in"]), ("admin", places(site))):
        with visit(browser, site, person=person, width=width, theme=theme) as (_, page):
            for path in paths:
                if not is_page(page, site, path):
                    continue
                seen += 1
                results = axe.run(page, options={"runOnly": RULES})
                for violation in results.response["violations"]:
                    nodes = [f"{node['html'][:160]} {node['failureSummary'][:300]}" for node in violation["nodes"][:3]]
                    found.setdefault(f"{path} {violation['id']}", []).extend(nodes)
    assert found == {}
    assert seen >= 8


OVERFLOWING = """() => {
  const wide = document.documentElement.clientWidth;
  const scrolls = (element) => {
    for (let up = element; up; up = up.parentElement) {
      if (["auto", "scroll"].includes(getComputedStyle(up).overflowX) && up !== document.documentElement) return true;
      if (getComputedStyle(up).clipPath !== "none") return true;
      if (up.matches(".skip, template, dialog:not([open]), details:not([open]) .menu-panel")) return true;
    }
    return false;
  };
  const found = [];
  const all = document.documentElement.scrollWidth;
  if (all > wide) found.push(`the page is ${all} wide`);
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility() || scrolls(element) || element.closest("svg, canvas, .chart")) continue;
    const box = element.getBoundingClientRect();
    const said = element.outerHTML.slice(0, 120);
    if (box.width && (box.right > wide + 1 || box.left < -1)) found.push(`${said}: ${box.left}..${box.right}`);
    if (element.matches("button, .button, .badge, h1, h2, label, th") && element.scrollWidth > element.clientWidth + 2
        && getComputedStyle(element).textOverflow !== "ellipsis" && getComputedStyle(element).display !== "inline")
      found.push(`${said}: cut`);
  }
  return found.slice(0, 5);
}"""


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_nothing_sticks_out_of_a_phone(browser: Browser, site: Site, language: str) -> None:
    found: dict[str, list[str]] = {}
    for person, paths in ((None, ["/console/sign-in"]), ("admin", places(site))):
        with visit(browser, site, person=person, width="phone", language=language) as (_, page):
            for path in paths:
                if is_page(page, site, path) and (wide := page.evaluate(OVERFLOWING)):
                    found[path] = wide
    assert found == {}


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_pages_speak_the_viewers_language(browser: Browser, site: Site, language: str) -> None:
    """No message shows through in English: none of the longer English messages stands on a page."""
    english = site.scene.console.languages["en"]
    said = {
        text
        for name in english.messages
        if not name.startswith("feature-") and (text := _plain(english, name)) and len(text) > 12 and " " in text
    }
    with visit(browser, site, language=language) as (_, page):
        for path in places(site):
            if is_page(page, site, path):
                shown = page.inner_text("body")
                assert [text for text in said if text in shown] == [], path
                assert page.get_attribute("html", "lang") == language


def _plain(language: Any, name: str) -> str:
    try:
        return str(language.t(name))
    except LookupError:
        return ""


def test_the_keyboard_alone_is_enough(browser: Browser, fresh: Site) -> None:
    with visit(browser, fresh, person=None, permissions=["clipboard-read", "clipboard-write"]) as (_, page):
        keyboard = page.keyboard
        page.goto(f"{fresh.address}/console")
        expect(page.locator("input[name=token]")).to_be_focused()
        keyboard.type(TOKENS["supervisor"])
        keyboard.press("Enter")
        page.wait_for_url("**/console")
        expect(page.locator("#live-rows tr")).to_have_count(1)

        keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        keyboard.press("Enter")
        keyboard.press("j")
        expect(page.locator("#live-rows tr a")).to_be_focused()

        keyboard.press("?")
        expect(page.locator("#help")).to_be_visible()
        keyboard.press("Escape")
        expect(page.locator("#help")).to_be_hidden()

        page.clock.set_fixed_time(datetime.now(tz=UTC))  # two keys in quick succession, however busy the machine is
        keyboard.press("g")
        keyboard.press("a")
        page.wait_for_url("**/console/alerts")
        keyboard.press("j")
        first = page.locator("[data-alert]").first
        expect(first).to_be_focused()
        alert = page.locator(f"#{first.get_attribute('id')}")  # it moves down once it is judged
        keyboard.press("t")
        expect(alert).to_have_attribute("data-taken-by", "supervisor")
        keyboard.press("y")
        expect(alert).to_have_attribute("data-verdict", "justified")
        keyboard.press("m")
        expect(page.locator("#note textarea")).to_be_focused()
        keyboard.type("called back")
        keyboard.press("Control+Enter")
        expect(alert).to_contain_text("called back")
        alert.focus()
        keyboard.press("Enter")
        page.wait_for_url("**/console/calls/**")

        expect(page.locator("[data-copy]")).to_be_visible()
        with page.expect_response("**/console/call/copied/**"):
            keyboard.press("c")
        wait_for_toast(page, "Copied")
        assert "I have told you this three times" in page.evaluate("navigator.clipboard.readText()")
    actions = fresh.scene.actions()
    for action in ("take", "verdict", "note", "see_call", "copy_handoff"):
        assert any(done == ("supervisor", action) for *done_, _ in actions for done in [tuple(done_)]), action


def test_every_stop_of_the_tab_key_is_seen(browser: Browser, site: Site) -> None:
    """What has the focus shows it, stands on the screen, and has a name."""
    with visit(browser, site) as (_, page):
        for path in ("/console", "/console/alerts", "/console/calls/call-billing"):
            assert is_page(page, site, path)
            seen = set()
            for _ in range(25):
                page.keyboard.press("Tab")
                stop = page.evaluate(
                    """() => {
                      const at = document.activeElement;
                      const style = getComputedStyle(at);
                      const box = at.getBoundingClientRect();
                      return {
                        text: at.outerHTML.slice(0, 100), body: at === document.body,
                        marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
                        inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
                      };
                    }"""
                )
                if stop["body"]:
                    break
                seen.add(stop["text"])
                assert stop["marked"], (path, stop)
                assert stop["inside"], (path, stop)
            assert len(seen) > 8, path


@pytest.mark.parametrize(("key", "code"), [("о", "KeyJ"), ("ξ", "KeyJ")], ids=["russian", "greek"])
def test_letters_work_on_layouts_without_latin_ones(browser: Browser, site: Site, key: str, code: str) -> None:
    with visit(browser, site, language="ru") as (_, page):
        assert is_page(page, site, "/console/alerts")
        page.evaluate(
            "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code, bubbles: true}))",
            [key, code],
        )
        expect(page.locator("[data-alert]").first).to_be_focused()


def test_single_keys_can_be_switched_off(browser: Browser, site: Site) -> None:
    with visit(browser, site) as (_, page):
        page.goto(f"{site.address}/console/alerts")
        wait_until_settled(page)
        page.click("#settings > summary")
        page.uncheck("#single-keys")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.locator("#help")).to_be_hidden()
        page.reload()
        wait_until_settled(page)
        page.keyboard.press("?")
        expect(page.locator("#help")).to_be_hidden()


def test_language_and_appearance_are_chosen_and_kept(browser: Browser, site: Site) -> None:
    with visit(browser, site) as (_, page):
        page.goto(f"{site.address}/console")
        page.click("#settings > summary")
        with page.expect_navigation():
            page.select_option("#preferences [name=language]", "zh")
        expect(page.locator("h1")).to_have_text(site.scene.console.languages["zh"].t("live-title"))
        page.click("#settings > summary")
        with page.expect_navigation():
            page.select_option("#preferences [name=theme]", "dark")
        expect(page.locator("html[data-theme=dark]")).to_be_attached()
        assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
        page.goto(f"{site.address}/console/alerts")
        expect(page.locator("html[data-theme=dark][lang=zh]")).to_be_attached()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_device_decides_where_nobody_chose(browser: Browser, site: Site, scheme: str) -> None:
    with visit(browser, site, person=None, color_scheme=scheme) as (_, page):
        page.goto(f"{site.address}/console/sign-in")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(",")) > 380
        assert light == (scheme == "light")


def test_times_are_in_the_viewers_zone(browser: Browser, site: Site) -> None:
    with visit(browser, site) as (_, page):
        page.goto(f"{site.address}/console/audit")
        shown = page.locator("time[data-time=datetime]").first
        # The scene's clock stands at 10:00 UTC; the browser is in Tokyo.
        expect(shown).to_have_text("1 Mar, 19:00")


def test_a_lost_connection_is_told_and_goes_away_again(browser: Browser, site: Site) -> None:
    with visit(browser, site) as (_, page):
        page.clock.install()
        page.goto(f"{site.address}/console")
        expect(page.locator(".connection-text")).to_have_text("Live")
        page.evaluate("window.dispatchEvent(new Event('pagehide'))")  # the stream says no more that it is live
        page.clock.pause_at(datetime.now(tz=UTC) + timedelta(seconds=10))
        tell = "state => document.dispatchEvent(new CustomEvent('voicepipe:connection', {detail: {state}}))"
        page.evaluate(tell, "lost")
        expect(page.locator("#offline")).to_be_hidden()
        expect(page.locator(".connection-text")).to_have_text("Connecting again")
        page.clock.run_for(3000)
        expect(page.locator("#offline")).to_be_visible()
        page.evaluate(tell, "live")
        expect(page.locator("#offline")).to_be_hidden()


def test_who_is_signed_out_meanwhile_is_told(browser: Browser, fresh: Site) -> None:
    with visit(browser, fresh, person="supervisor") as (context, page):
        page.goto(f"{fresh.address}/console/alerts")
        expect(page.locator("[data-alert]").first).to_be_visible()
        context.clear_cookies()
        page.keyboard.press("t")
        expect(page.locator("#signed-out")).to_be_visible()
        expect(page.locator("#signed-out a")).to_have_attribute("href", "/console/sign-in?next=/console/alerts")


def test_on_the_wall_there_is_nothing_but_the_calls(browser: Browser, site: Site) -> None:
    with visit(browser, site, width="wall") as (_, page):
        page.goto(f"{site.address}/console?wall")
        expect(page.locator("#live-rows tr").first).to_be_visible()
        expect(page.locator(".top")).to_be_hidden()
        assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 22


def test_nothing_moves_for_those_who_do_not_want_it(browser: Browser, site: Site) -> None:
    with visit(browser, site, reduced_motion="reduce") as (_, page):
        page.goto(f"{site.address}/console")
        moving = "[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).animationName !== 'none').length"
        assert page.evaluate(moving) == 0
