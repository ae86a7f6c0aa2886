"""A call's page, history and quality in a real browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import processor_s
from tests.events.calls import make_episode
from tests.web.dialogue import fill, keep_long_call, make_long_call
from tests.web.scene import NOW, TOKENS, Scene, call_of, make_scene
from tests.web.served import served, signed_in, wait_for_toast
from voicepipe.stress.profile import read_calm_reference
from voicepipe.types import Basis, CallStarted, CallSummary, ConsentApplied, Coverage, Erasure, Scope

pytestmark = pytest.mark.slow

MODEL = Path(__file__).parents[2] / "models" / "stress-4"
DRAWN = "#call[data-drawn]"


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[tuple[Scene, str]]:
    scene = make_scene(tmp_path)
    with scene.store, served(scene.app) as address:
        yield scene, address


def test_a_live_call_goes_on_under_the_eyes_of_the_supervisor(centre: tuple[Scene, str], browser: Browser) -> None:
    scene, address = centre
    with signed_in(browser, address, TOKENS["supervisor"]) as (page, complaints):
        page.goto(f"{address}/console/calls/call-billing")
        page.wait_for_selector(f'{DRAWN}[data-drawn="3"]')
        page.wait_for_selector('html[data-connection="live"]')
        expect(page.locator("#lines > li")).to_have_count(4)
        expect(page.locator(".line-evidence").first).to_be_attached()
        fresh = make_long_call("call-billing", utterances=12)[11]
        scene.board.on_call_event(replace(fresh, index=3, start_s=20.0, end_s=23.0))
        page.wait_for_selector("#u-caller-3")
        page.wait_for_selector(f'{DRAWN}[data-drawn="4"]')
        # One that came late stands where it was said.
        scene.board.on_call_event(replace(make_long_call("call-billing", utterances=1)[0], index=1, start_s=12.0))
        page.wait_for_selector("#u-agent-1")
        order = page.eval_on_selector_all("#lines > li", "lines => lines.map((line) => line.id)")
        assert order == ["u-caller-0", "u-agent-0", "u-caller-1", "u-agent-1", "u-caller-2", "u-caller-3"]
        second = replace(make_episode(call_id="call-billing", index=1), opened_s=20.0, coverage=Coverage(speech_s=9.0))
        scene.board.on_call_event(second)
        expect(page.locator("#episodes a")).to_have_count(2)
        # Somebody else takes the alert: it is seen here.
        scene.store.take_alert(scene.alert_id("call-billing"), by="ann")
        page.wait_for_selector('#call-alerts [data-taken-by="ann"]')
        # The caller takes the consent back: what was found out vanishes.
        call = replace(call_of("call-billing", "billing"), basis=Basis.WITHDRAWN)
        gone = ConsentApplied(call=call, at_s=25.0, scope=Scope.TRANSCRIPT_ONLY, erases=Erasure.ACOUSTICS)
        scene.store.record([gone], [])
        scene.board.on_call_event(gone)
        page.wait_for_selector("#call > .notice-warning")
        page.wait_for_selector(DRAWN)
        expect(page.locator(".line-evidence")).to_have_count(0)
        assert complaints == []


def test_the_handoff_is_copied_as_text_and_noted(centre: tuple[Scene, str], browser: Browser) -> None:
    scene, address = centre
    with signed_in(browser, address, TOKENS["supervisor"], permissions=["clipboard-read"]) as (page, complaints):
        page.goto(f"{address}/console/calls/call-billing")
        with page.expect_response(lambda answer: "/console/call/copied/" in answer.url) as noted:
            page.click("#handoff-copy")
        assert noted.value.status == 204
        wait_for_toast(page, "Copied")
        text = page.evaluate("navigator.clipboard.readText()")
        assert "I have told you this three times" in text
        assert scene.actions()[-1] == ("supervisor", "copy_handoff", "call call-billing")
        # Where a page has no clipboard of its own (http in a local network), the old way does it.
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
        page.evaluate("document.addEventListener('copy', () => { window.copied = getSelection().toString(); })")
        with page.expect_response(lambda answer: "/console/call/copied/" in answer.url):
            page.keyboard.press("c")
        page.wait_for_function("() => window.copied?.includes('three times')")
        assert complaints == []


def test_two_hours_stay_fast(centre: tuple[Scene, str], browser: Browser) -> None:
    scene, address = centre
    keep_long_call(scene.store, call_of("long", "billing", started_at=NOW - timedelta(hours=4)), utterances=2000)
    with signed_in(browser, address, TOKENS["supervisor"]) as (page, complaints):
        before_s = processor_s(page)
        page.goto(f"{address}/console/calls/long")
        page.wait_for_selector(f'{DRAWN}[data-drawn="1000"]')
        spent_s = processor_s(page) - before_s
        print(f"a call of two hours is laid out and drawn in {spent_s:.2f} s of the page's process")
        assert spent_s < 3.0
        # A click on the picture leads to the words of that moment, on whatever page of the transcript they stand.
        over = page.locator("#timeline .u-over")
        box = over.bounding_box()
        assert box is not None
        with page.expect_navigation():
            over.click(position={"x": box["width"] * 0.5, "y": 20})
        chosen = page.locator(".line.chosen")
        expect(chosen).to_be_in_viewport()
        assert float(chosen.get_attribute("data-start") or 0) == pytest.approx(3500, abs=400)
        page.wait_for_selector(DRAWN)
        before = chosen.get_attribute("id")
        page.keyboard.press("j")
        expect(page.locator("#lines > .line:focus")).to_have_id(re.compile(f"^(?!{before}$)"))
        assert complaints == []


def test_a_phone_shows_all_of_a_call(centre: tuple[Scene, str], browser: Browser) -> None:
    scene, address = centre
    keep_long_call(scene.store, call_of("call-x", "billing", started_at=NOW - timedelta(hours=4)), utterances=60)
    viewport = {"width": 360, "height": 740}
    with signed_in(browser, address, TOKENS["admin"], viewport=viewport, has_touch=True) as (page, complaints):
        for place in ("calls/call-x", "history", "quality"):
            page.goto(f"{address}/console/{place}")
            expect(page.locator("main .skeleton:visible")).to_have_count(0)
            if place.startswith("calls"):
                page.wait_for_selector(DRAWN)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, place
        assert complaints == []


def test_quality_is_drawn_in_both_themes(centre: tuple[Scene, str], browser: Browser) -> None:
    scene, address = centre
    fill(scene.store, now=NOW, calls=400, alerts=100, scored_calls=60)
    scene.console.calm = lambda: read_calm_reference(MODEL)
    with signed_in(browser, address, TOKENS["admin"]) as (page, complaints):
        page.goto(f"{address}/console/quality")
        page.wait_for_selector("#weeks[data-drawn]")
        page.wait_for_selector('#drift[data-drawn="10"]')

        def pixels() -> str:
            return str(page.evaluate("document.querySelector('#drift canvas').toDataURL()"))

        light = pixels()
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("(light) => document.querySelector('#drift canvas').toDataURL() !== light", arg=light)
        assert complaints == []


def test_on_paper_pictures_are_drawn_light(centre: tuple[Scene, str], browser: Browser) -> None:
    scene, address = centre
    fill(scene.store, now=NOW, calls=400, alerts=100, scored_calls=60)
    brightness = """async (where) => {
        for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
        const canvas = document.querySelector(where);
        const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
        let [sum, count] = [0, 0];
        for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 250) { sum += pixels[i + 1]; count += 1; }
        return sum / count;
    }"""
    for path, where in (("quality", "#weeks canvas"), ("calls/call-billing", "#timeline canvas")):
        for scheme in ("light", "dark"):
            with signed_in(browser, address, TOKENS["admin"], color_scheme=scheme) as (page, complaints):
                page.goto(f"{address}/console/{path}")
                page.wait_for_selector(where)
                on_screen = page.evaluate(brightness, where)
                page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
                on_paper = page.evaluate(brightness, where)
                if scheme == "light":
                    light = on_paper
                    assert on_paper == pytest.approx(on_screen, abs=1.0)
                else:
                    assert on_paper == pytest.approx(light, abs=1.0)
                    assert abs(on_screen - light) > 20.0, "on the screen it is drawn for the dark"
                page.evaluate("window.dispatchEvent(new Event('afterprint'))")
                assert page.evaluate(brightness, where) == pytest.approx(on_screen, abs=1.0)
                assert complaints == []


def test_a_story_that_cannot_be_told_is_said_so_and_asked_for_again(
    centre: tuple[Scene, str], browser: Browser
) -> None:
    _, address = centre
    with signed_in(browser, address, TOKENS["admin"]) as (page, _):
        page.clock.install()
        page.route("**/console/call/story/**", lambda route: route.fulfill(status=503, body="away"))
        page.goto(f"{address}/console/calls/call-billing")
        expect(page.locator("#story .notice-error")).to_be_visible()
        expect(page.locator("#story .skeleton")).to_have_count(0)
        page.unroute("**/console/call/story/**")
        page.clock.run_for(10_000)
        expect(page.locator("#handoff-copy")).to_be_visible()


def test_a_call_that_ends_is_said_to_have_ended(centre: tuple[Scene, str], browser: Browser) -> None:
    scene, address = centre
    call = call_of("short", "billing", started_at=NOW - timedelta(seconds=30))
    scene.board.on_call_event(CallStarted(call=call))
    scene.store.record([CallStarted(call=call)], [])
    with signed_in(browser, address, TOKENS["supervisor"]) as (page, complaints):
        page.goto(f"{address}/console/calls/short")
        page.wait_for_selector('html[data-connection="live"]')
        expect(page.locator("#lines-empty")).to_be_visible()
        said = make_long_call("short", utterances=2)
        for one in said:
            scene.board.on_call_event(one)
        page.wait_for_selector("#u-caller-0")
        ended = CallSummary(call=call, duration_s=30.0, language="en", coverage=Coverage(speech_s=6.0), reason="end")
        scene.store.record([*said, ended], [])
        scene.board.on_call_event(ended)
        page.wait_for_selector('#call[data-live="0"]')
        assert complaints == []
