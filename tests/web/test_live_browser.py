"""The live view and the inbox in a real Chromium, before a server process that can be killed and started again."""

import json
import os
import queue
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect

from tests.patience import PATIENCE_S
from tests.ports import unused_port
from tests.web.nursery import Nursery
from tests.web.served import signed_in, wait_for_toast, wait_until_heard

pytestmark = pytest.mark.slow

TOKENS = {name: f"token-of-{name}-{name}" for name in ("anna", "ben", "wall")}

_LOST = ("Failed to load resource: net::ERR_CONNECTION", "Failed to load resource: net::ERR_INCOMPLETE")
"""What a browser itself says of a server that is gone."""


class Centre:
    """A made-up call centre with a console, in a process of its own."""

    def __init__(self, nursery: Nursery, store: Path) -> None:
        self.port = unused_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._nursery = nursery
        self._store = store
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()

    def begin(self) -> None:
        options = ["--port", str(self.port), "--store", str(self._store), "--people", "--linger-s", "1"]
        self._pid, self._commands, told = self._nursery.bear(options)
        self._reader = threading.Thread(target=self._read_on, args=(told,), daemon=True)
        self._reader.start()
        self._wait_for("ready")

    def do(self, do: str, call: str = "", **more: Any) -> None:
        """Let something happen."""
        print(json.dumps({"do": do, "call": call, **more}), file=self._commands, flush=True)
        self._wait_for("done")

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self.end()

    def end(self) -> None:
        self._commands.close()
        self._reader.join(PATIENCE_S)  # until the process is gone, and with it the other end
        assert not self._reader.is_alive()

    def _read_on(self, told: TextIO) -> None:
        with told:
            for line in told:
                self._answers.put(json.loads(line))

    def _wait_for(self, key: str) -> None:
        while key not in self._answers.get(timeout=PATIENCE_S):
            pass


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as opened:
        yield opened


@pytest.fixture
def centre(nursery: Nursery, tmp_path: Path) -> Iterator[Centre]:
    made = Centre(nursery, tmp_path / "store.db")
    made.begin()
    yield made
    made.end()


@pytest.fixture
def anna(browser: Browser, centre: Centre) -> Iterator[Page]:
    """The browser of a supervisor; the test fails if a page complains."""
    with signed_in(browser, centre.address, TOKENS["anna"]) as (page, complaints):
        yield page
        assert [one for one in complaints if not one.startswith(_LOST)] == []


def rows(page: Page) -> Locator:
    return page.locator("#live-rows tr:visible")


ORDER = "() => [...document.querySelectorAll('#live-rows tr:not([hidden])')].map((row) => row.dataset.call)"


def order(page: Page) -> list[str]:
    told: list[str] = page.evaluate(ORDER)
    return told


def expect_order(page: Page, *calls: str) -> None:
    """Wait until the list shows these calls, in this order."""
    try:
        page.wait_for_function(f"(calls) => String(({ORDER})()) === String(calls)", arg=calls)
    except Error as error:
        raise AssertionError(f"the list shows {order(page)}, not {list(calls)}") from error


def upset(centre: Centre, call: str, **more: Any) -> None:
    """Begin a call that opens an episode."""
    centre.do("start", call, **more)
    centre.do("say", call, stress=0.9, text="I have called three times")
    centre.do("open", call)


def wait_until_connected(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("data-connection", "live")


def wait_until_it_would_ring(page: Page) -> None:
    """Wait until the page knows the alerts that there are, and is the one of all open pages that tells of new ones."""
    wait_until_heard(page, "alerts")
    page.wait_for_function(
        "async () => (await navigator.locks.query()).held.some((lock) => lock.name === 'voicepipe-bell')"
    )


def test_calls_come_change_and_go_without_a_reload(centre: Centre, anna: Page) -> None:
    anna.goto(f"{centre.address}/console")
    expect(anna.locator("#live-empty")).to_be_visible()
    centre.do("start", "calm", queue="claims", agent="carl", language="ru", ago_s=65.0)
    centre.do("start", "upset", queue="billing", agent="bob", language="zh")
    expect(rows(anna)).to_have_count(2)
    centre.do("say", "calm", stress=0.1, text="хорошо")
    centre.do("say", "upset", stress=0.83, text="没有人给我回电话")
    row = anna.locator('[data-call="upset"]')
    expect(row).to_contain_text(re.compile("High.*83%.*billing.*bob.*Chinese.*100%", re.DOTALL))
    expect(anna.locator('[data-call="calm"]')).to_contain_text(
        re.compile(r"Calm.*10%.*claims.*carl.*Russian.*1:\d\d", re.DOTALL)
    )
    expect(row.locator("polyline")).to_have_attribute("points", re.compile(r"^\S+ \S+$"))
    expect(row.locator(".badge")).to_be_hidden()
    centre.do("open", "upset")
    expect(row.locator(".badge")).to_be_visible()
    expect(anna.locator("#alerts-open")).to_have_text("1")
    expect_order(anna, "upset", "calm")
    centre.do("close", "upset")
    expect(row.locator(".badge")).to_be_hidden()
    centre.do("end", "calm")
    expect(anna.locator('[data-call="calm"]')).to_contain_text("ended")
    expect(rows(anna)).to_have_count(1)
    centre.do("withdraw", "upset")
    expect(anna.locator("#live-empty")).to_be_visible()


def test_the_page_catches_up_by_itself_after_the_server_was_killed(centre: Centre, anna: Page) -> None:
    centre.do("start", "before")
    anna.goto(f"{centre.address}/console")
    expect(rows(anna)).to_have_count(1)
    anna.evaluate("window.isSamePage = true")
    centre.kill()
    expect(anna.locator("html")).to_have_attribute("data-connection", "lost")
    expect(anna.locator("#offline")).to_be_visible()
    expect(rows(anna)).to_have_count(1)
    centre.begin()
    upset(centre, "after", queue="claims")
    expect(anna.locator('[data-call="after"]')).to_be_visible()
    expect(anna.locator('[data-call="before"]')).to_have_count(0)
    expect(anna.locator("#offline")).to_be_hidden()
    assert anna.evaluate("window.isSamePage"), "nothing was loaded again"
    centre.do("say", "after", stress=0.2, text="…")
    expect(anna.locator('[data-call="after"]')).to_contain_text("Raised")


def test_the_inbox_too_catches_up_and_is_still_signed_in(centre: Centre, anna: Page) -> None:
    upset(centre, "one")
    anna.goto(f"{centre.address}/console/alerts")
    wait_until_connected(anna)
    centre.kill()
    expect(anna.locator("html")).to_have_attribute("data-connection", "lost")
    centre.begin()
    upset(centre, "two")
    expect(anna.locator("[data-alert]")).to_have_count(2)
    anna.keyboard.press("t")
    expect(anna.locator("#inbox")).to_contain_text("Taken by anna")


def test_after_a_night_with_the_lid_closed_the_page_is_up_to_date(centre: Centre, anna: Page) -> None:
    anna.clock.install()
    anna.goto(f"{centre.address}/console")
    wait_until_connected(anna)
    centre.do("start", "morning")
    with anna.expect_request("**/console/stream?*"):  # the connection of yesterday is trusted no longer
        anna.clock.fast_forward("08:00:00")
    expect(rows(anna)).to_have_count(1)
    wait_until_connected(anna)
    centre.do("start", "noon")
    expect(rows(anna)).to_have_count(2)


def test_a_row_stands_still_under_the_pointer(centre: Centre, anna: Page) -> None:
    for number, name in enumerate(("first", "second", "third", "fourth")):
        centre.do("start", name)
        centre.do("say", name, stress=0.8 - 0.2 * number, text="…")
    anna.goto(f"{centre.address}/console")
    wait_until_heard(anna, "calls")
    expect_order(anna, "first", "second", "third", "fourth")
    second = anna.locator('[data-call="second"]')
    second.hover()
    place = second.bounding_box()
    centre.do("say", "fourth", stress=1.0, text="…")
    centre.do("say", "fourth", stress=1.0, text="…")
    centre.do("open", "fourth")
    expect(anna.locator('[data-call="fourth"] .badge')).to_be_visible()
    expect_order(anna, "fourth", "second", "first", "third")
    assert second.bounding_box() == place
    anna.mouse.move(0, 0)
    expect_order(anna, "fourth", "first", "second", "third")


def test_the_focus_stays_on_its_row(centre: Centre, anna: Page) -> None:
    for name in ("one", "two", "three"):
        centre.do("start", name)
        centre.do("say", name, stress=0.3, text="…")
    anna.clock.install()
    anna.goto(f"{centre.address}/console")
    wait_until_heard(anna, "calls")
    expect_order(anna, "one", "three", "two")
    anna.keyboard.press("j")
    anna.keyboard.press("j")
    focused = "three"
    expect(anna.locator(f'[data-call="{focused}"] a')).to_be_focused()
    for name in ("one", "two", "three"):
        centre.do("say", name, stress=1.0, text="…")
        centre.do("open", name)
    centre.do("start", "new")
    upset(centre, "newer")
    expect(anna.locator(".badge:visible")).to_have_count(4)
    anna.clock.run_for(6000)  # longer than it takes to sort anew
    expect_order(anna, "newer", focused, "one", "two", "new")
    expect(anna.locator(f'[data-call="{focused}"] a')).to_be_focused()
    anna.keyboard.press("Enter")
    anna.wait_for_url(f"**/console/calls/{focused}")


def test_filters_and_search_show_what_fits_and_stand_in_the_address(centre: Centre, anna: Page) -> None:
    for name, queue_, agent, language in (
        ("a", "billing", "anna", "en"),
        ("b", "billing", "bob", "ru"),
        ("c", "claims", "anna", "zh"),
    ):
        centre.do("start", name, queue=queue_, agent=agent, language=language)
    upset(centre, "d", queue="claims", agent="dora")
    anna.goto(f"{centre.address}/console")
    expect(rows(anna)).to_have_count(4)
    filters = anna.locator("#live-filters")
    filters.get_by_label("Queue").select_option("billing")
    expect(rows(anna)).to_have_count(2)
    filters.get_by_label("Agent").select_option("bob")
    expect_order(anna, "b")
    expect(anna).to_have_url(re.compile("[?&]queue=billing"))
    anna.reload()
    wait_until_heard(anna, "calls")
    expect_order(anna, "b")
    expect(anna.locator("#live-count")).to_contain_text("1 of 4")
    filters.get_by_label("Language").select_option("zh")
    expect(anna.locator("#live-none")).to_be_visible()
    anna.get_by_role("button", name="Clear the filter").click()
    expect(rows(anna)).to_have_count(4)
    anna.keyboard.press("Escape")
    anna.locator("h1").click()
    anna.keyboard.press("/")
    anna.keyboard.type("ANNA claims")
    expect_order(anna, "c")
    anna.get_by_label("Search").fill("")
    anna.locator("h1").click()
    anna.keyboard.press("e")
    expect_order(anna, "d")
    centre.do("close", "d")
    expect(anna.locator("#live-none")).to_be_visible()


def test_two_supervisors_see_each_other_and_one_wins(centre: Centre, anna: Page, browser: Browser) -> None:
    anna.goto(f"{centre.address}/console/alerts")
    expect(anna.locator("#inbox-empty")).to_be_visible()
    with signed_in(browser, centre.address, TOKENS["ben"], locale="ru-RU") as (ben, complaints):
        ben.goto(f"{centre.address}/console/alerts")
        wait_until_connected(anna)
        wait_until_connected(ben)
        upset(centre, "one")
        expect(anna.locator("[data-alert]")).to_have_count(1)
        expect(anna.locator("#inbox-empty")).to_be_hidden()
        expect(anna.locator(".alert-why")).to_contain_text("I have called three times")
        expect(ben.locator("[data-alert]")).to_have_count(1)
        anna.keyboard.press("t")
        anna.wait_for_function("() => window.toasts.length === 1")
        expect(anna.locator("[data-alert]")).to_contain_text("Taken by anna")
        expect(ben.locator("[data-taken-by=anna]")).to_be_visible()
        ben.keyboard.press("t")
        wait_for_toast(ben, "anna")
        ben.keyboard.press("n")
        expect(anna.locator("[data-alert]")).to_contain_text("False alarm, says ben")
        anna.keyboard.press("y")
        wait_for_toast(anna, "ben was first and called it a false alarm")
        expect(ben.locator("[data-verdict=false_alarm]")).to_be_visible()
        ben.keyboard.press("y")
        expect(anna.locator("[data-alert]")).to_contain_text("Justified, says ben")
        ben.keyboard.press("u")
        wait_for_toast(ben, "Отмечено: неясно.")
        expect(anna.locator("[data-alert]")).to_contain_text("Unsure, says ben")
        anna.keyboard.press("m")
        anna.get_by_label("Your note").fill("She calls back at noon. <b>t</b>")
        anna.keyboard.press("Control+Enter")
        expect(ben.locator("[data-alert]")).to_contain_text("She calls back at noon. <b>t</b>")
        expect(ben.locator("#alerts-open")).to_be_hidden()
        assert complaints == []


def test_what_one_gives_back_another_takes(centre: Centre, anna: Page, browser: Browser) -> None:
    upset(centre, "one")
    anna.goto(f"{centre.address}/console/alerts")
    release = anna.get_by_role("button", name="Give back")
    with signed_in(browser, centre.address, TOKENS["ben"]) as (ben, complaints):
        ben.goto(f"{centre.address}/console/alerts")
        wait_until_connected(anna)
        wait_until_connected(ben)
        anna.keyboard.press("r")  # there is nothing to give back
        anna.keyboard.press("t")
        expect(release).to_be_visible()
        expect(anna.locator('[data-act="take"]')).to_be_hidden()
        expect(ben.locator("[data-taken-by=anna]")).to_be_visible()
        expect(ben.locator('[data-act="release"]')).to_be_hidden()
        expect(ben.locator("#alerts-open")).to_be_hidden()
        ben.keyboard.press("r")
        wait_for_toast(ben, "anna took it at")
        release.click()
        expect(ben.locator("[data-alert]")).to_contain_text("anna gave it back")
        expect(ben.locator("#alerts-open")).to_have_text("1")
        expect(ben.locator("[data-taken-by]")).to_have_count(0)
        ben.locator('[data-act="take"]').click()
        expect(anna.locator("[data-taken-by=ben]")).to_be_visible()
        expect(release).to_be_hidden()
        assert complaints == []


def test_the_calls_are_there_before_any_script_is(centre: Centre, browser: Browser) -> None:
    for name in ("one", "two"):
        upset(centre, name)
    with signed_in(browser, centre.address, TOKENS["anna"]) as (page, _):
        state = page.context.storage_state()
        page.goto(f"{centre.address}/console")
        expect(rows(page)).to_have_count(2)
        wait_until_heard(page, "calls")
        with_script = [row.inner_text() for row in rows(page).all()]
        points = page.locator("polyline").first.get_attribute("points")
    with browser.new_context(java_script_enabled=False, storage_state=state, locale="en-GB") as bare:
        page = bare.new_page()
        page.goto(f"{centre.address}/console")
        expect(rows(page)).to_have_count(2)
        without = [row.inner_text() for row in rows(page).all()]
        assert len(str(page.locator("polyline").first.get_attribute("points")).split()) == len(str(points).split())
    clock = re.compile(r"\d+:\d\d")
    assert [clock.sub("", text) for text in without] == [clock.sub("", text) for text in with_script]


def test_a_filter_on_a_phone_opens_on_demand(centre: Centre, anna: Page) -> None:
    for name in ("billing", "claims"):
        centre.do("start", name, queue=name)
    anna.set_viewport_size({"width": 360, "height": 740})
    anna.goto(f"{centre.address}/console")
    expect(rows(anna)).to_have_count(2)
    opener = anna.get_by_role("button", name="Filter", exact=True)
    expect(anna.get_by_label("Queue")).to_be_hidden()
    box = anna.locator("#live-filters").bounding_box()
    assert box is not None
    assert box["height"] < 100
    opener.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    anna.get_by_label("Queue").select_option("claims")
    expect(rows(anna)).to_have_count(1)
    opener.click()
    expect(anna.get_by_label("Queue")).to_be_hidden()
    expect(opener).to_have_class(re.compile("chosen")), "that a filter is in use is seen"
    anna.set_viewport_size({"width": 1280, "height": 800})
    expect(anna.get_by_label("Queue")).to_be_visible()
    expect(opener).to_be_hidden()


def test_unhandled_alerts_are_on_top_and_keys_walk_through_them(centre: Centre, anna: Page) -> None:
    def expect_cards(*calls: str) -> None:
        expect(anna.locator("[data-alert]")).to_have_count(len(calls))
        for number, call in enumerate(calls):
            link = anna.locator("[data-alert]").nth(number).locator(".alert-call")
            expect(link).to_have_attribute("href", f"/console/calls/{call}")

    for name in ("one", "two", "three"):
        upset(centre, name)
    anna.goto(f"{centre.address}/console/alerts")
    wait_until_heard(anna, "alerts")
    expect_cards("three", "two", "one")
    anna.keyboard.press("j")
    anna.keyboard.press("j")
    anna.keyboard.press("t")
    expect(anna.locator("[data-taken-by=anna]")).to_have_count(1)
    expect(anna.locator("#alerts-open")).to_have_text("2")  # the stream has told of it, too, and the page has sorted
    expect_cards("three", "two", "one")  # what one is at stays where it is
    anna.keyboard.press("k")
    expect(anna.locator("[data-alert]:focus")).to_contain_text("Take")
    anna.locator("body").evaluate("() => document.activeElement.blur()")
    upset(centre, "four")
    expect_cards("four", "three", "one", "two")
    centre.do("close", "three")
    expect(anna.locator("[data-alert]").nth(1)).to_contain_text(re.compile("calm", re.IGNORECASE))
    centre.do("end", "one")
    expect(anna.locator("[data-alert]").nth(2)).to_contain_text("ended")
    centre.do("withdraw", "four")
    expect(anna.locator("[data-alert]")).to_have_count(3)


def test_a_store_that_is_away_is_said_and_the_page_goes_on(centre: Centre, anna: Page) -> None:
    upset(centre, "one")
    anna.goto(f"{centre.address}/console/alerts")
    wait_until_connected(anna)
    centre.do("away", **{"is": True})
    expect(anna.locator("#store-away")).to_be_visible()
    expect(anna.locator("[data-alert]")).to_have_count(1)
    centre.do("away", **{"is": False})
    expect(anna.locator("#store-away")).to_be_hidden()
    anna.keyboard.press("t")
    expect(anna.locator("[data-taken-by=anna]")).to_be_visible()


def test_sound_is_off_until_it_is_wanted_and_remembered(centre: Centre, anna: Page) -> None:
    anna.add_init_script(
        "window.AudioContext = class extends AudioContext { constructor() { super(); window.audio = this; } };"
    )
    anna.goto(f"{centre.address}/console")
    wait_until_it_would_ring(anna)
    upset(centre, "one")
    expect(anna.locator("#alerts-open")).to_have_text("1")
    assert anna.locator("html").get_attribute("data-rang") is None
    anna.locator("#settings summary").click()
    anna.locator("#bell-sound").check()
    expect(anna.locator("html")).to_have_attribute("data-rang", "1")
    anna.goto(f"{centre.address}/console/alerts")
    expect(anna.locator("#bell-sound")).to_be_checked()
    anna.locator("h1").click()  # browsers let a page sound only after somebody has touched it
    anna.wait_for_function("() => window.audio?.state === 'running'")
    wait_until_it_would_ring(anna)
    expect(anna.locator("#alerts-open")).to_have_text("1")
    upset(centre, "two")
    expect(anna.locator("html")).to_have_attribute("data-rang", "1")


def test_a_desktop_notification_says_nothing_of_what_was_said(centre: Centre, anna: Page) -> None:
    anna.context.grant_permissions(["notifications"], origin=centre.address)
    anna.add_init_script(
        """window.shown = [];
        window.Notification = class { static permission = "granted"; static requestPermission() { return "granted"; }
          constructor(title, options) { window.shown.push([title, options.body]); } };"""
    )
    anna.goto(f"{centre.address}/console")
    wait_until_it_would_ring(anna)
    anna.locator("#settings summary").click()
    anna.locator("#bell-notify").check()
    upset(centre, "one", queue="claims")
    expect(anna.locator("#alerts-open")).to_have_text("1")
    assert anna.evaluate("window.shown.length") == 1
    assert "claims" in anna.evaluate("window.shown[0].join()")
    assert "three times" not in anna.evaluate("window.shown[0].join()")


def test_a_viewer_sees_figures_and_no_words(centre: Centre, browser: Browser) -> None:
    upset(centre, "one")
    with signed_in(browser, centre.address, TOKENS["wall"]) as (page, complaints):
        page.goto(f"{centre.address}/console?wall")
        wait_until_heard(page, "calls")
        expect(rows(page)).to_have_count(1)
        expect(page.locator("#live-rows a")).to_have_count(0)
        expect(page.locator("[data-nav=alerts]")).to_have_count(0)
        assert "three times" not in page.content()
        assert complaints == []


def test_three_hundred_calls_are_shown_and_filtered(centre: Centre, anna: Page) -> None:
    for number in range(300):
        centre.do("start", f"call-{number:03d}", queue=f"queue-{number % 5}", agent=f"agent-{number % 50}")
    anna.goto(f"{centre.address}/console")
    expect(anna.locator("#live-rows tr")).to_have_count(300)
    anna.get_by_label("Queue").select_option("queue-3")
    expect(anna.locator("#live-rows tr:not([hidden])")).to_have_count(60)
    upset(centre, "last", queue="queue-3")
    expect(anna.locator("#live-rows tr:not([hidden])").first).to_have_attribute("data-call", "last")
