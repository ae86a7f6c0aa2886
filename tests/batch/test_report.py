"""The report in a real browser: what a QA team sees, clicks and hears."""

import json
import math
import re
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect

from tests.batch.synthetic_run import SyntheticRun, synthetic_run
from tests.browser import processor_s
from voicepipe.batch.report.write import write_report
from voicepipe.terminal import stress_bar
from voicepipe.web.api_types import rounded
from voicepipe.web.language import Languages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser import Tab

VIEWS = ("", "#view=calls", "#view=agents", "#view=about")
N_CALLS = 240


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    """240 calls, one of which has a recording beside the report."""
    made = synthetic_run(N_CALLS)
    short = made.calls[5]
    short["error"] = "It breaks off."
    made.errors = [
        {"path": "recordings/broken.wav", "call_id": None, "stage": "read", "error": "It is no audio file."},
        {"path": short["path"], "call_id": short["call_id"], "stage": "decode", "error": short["error"]},
    ]
    return made


@pytest.fixture(scope="module")
def heard(run: SyntheticRun) -> dict[str, Any]:
    """Row of a call with an alert; its recording exists."""
    persisted = {one["call_id"] for one in run.episodes if one["reasons"] == "stress_persisted"}
    asked = {one["call_id"] for one in run.episodes if one["reasons"] == "human_requested"}
    return next(call for call in run.calls if call["call_id"] in persisted - asked and call["language"] == "en")


@pytest.fixture(scope="module")
def report(run: SyntheticRun, heard: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the run."""
    out = run.write(tmp_path_factory.mktemp("report") / "night")
    recording = out.parent / "recordings" / f"{heard['call_id']}.wav"
    recording.parent.mkdir()
    write_silence(recording, duration_s=heard["duration_s"])
    return write_report(out, audio_root=out.parent)


def write_silence(path: Path, *, duration_s: float) -> None:
    """Write a stereo recording of nothing."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(4 * math.ceil(duration_s * 8000)))


def wait_for_found(page: "Page", text: str) -> None:
    """Wait until the list says so how many calls fit the filters, and no search goes on that would draw it again."""
    expect(page.locator(".found")).to_have_text(re.compile(f"^{re.escape(text)}"))
    expect(page.locator(".found .faint")).to_have_count(0)


def open_call(tab: "Tab", report: Path, call_id: str) -> "Page":
    """Open the page of a call; its details are unpacked only after the report is ready."""
    page = tab.open(report, f"#view=calls&call={call_id}")
    wait_for_call(page)
    return page


def wait_for_call(page: "Page") -> None:
    """Wait until the page of a call is drawn, its timeline too."""
    page.wait_for_selector(".callhead")
    page.wait_for_selector(".lanes svg")


def turn_to(page: "Page", view: str) -> None:
    """Go to a view as a link to it does, and wait until it is drawn, its charts too."""
    page.evaluate(
        """(hash) => new Promise((drawn) => {
          const frames = () => requestAnimationFrame(() => requestAnimationFrame(drawn));
          if (hash === location.hash) return frames();
          addEventListener("hashchange", frames, { once: true });
          location.hash = hash;
        })""",
        view,
    )
    if "call=" in view:
        wait_for_call(page)


def play_slowly(page: "Page") -> None:
    """Wait for the recording, and let it play so slowly that it stays where it is put, however busy the machine is."""
    page.wait_for_function("() => document.querySelector('audio')?.readyState >= 1")
    page.evaluate("() => { document.querySelector('audio').playbackRate = 0.0625; }")


def seconds(clock: str) -> int:
    """Read ``1:07``."""
    minutes, rest = clock.split(":")
    return 60 * int(minutes) + int(rest)


class TestOpening:
    @pytest.mark.parametrize("view", VIEWS)
    def test_every_view_opens_without_a_complaint(self, tab: "Tab", report: Path, view: str) -> None:
        page = tab.open(report, view)
        expect(page.locator("h1")).to_have_text("night")
        expect(page.locator("main .panel").first).to_be_visible()

    def test_the_overview_counts_what_the_tables_hold(self, tab: "Tab", report: Path, run: SyntheticRun) -> None:
        page = tab.open(report)
        tiles = {
            name: value for name, value, *_ in (one.split("\n") for one in page.locator(".tile").all_inner_texts())
        }
        assert tiles["Calls"] == str(N_CALLS)
        assert tiles["Calls with an alert"].split()[0] == str(sum(call["alert"] for call in run.calls))
        assert tiles["Asked for a person"].split()[0] == str(sum(bool(call["human_requests"]) for call in run.calls))
        assert "1 could not be scored, 1 only in part" in page.inner_text(".tiles")
        assert "an index, not a prediction" in page.inner_text(".tiles")

    def test_what_failed_is_told_with_its_reason(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report, "#view=about")
        failed = page.locator(".panel", has_text="What could not be scored").locator("tbody tr")
        assert failed.all_inner_texts() == ["recordings/broken.wav\tIt is no audio file."]
        in_part = page.locator(".panel", has_text="What was scored only in part").locator("tbody tr")
        expect(in_part).to_have_count(1)
        expect(in_part).to_contain_text("It breaks off.")

    def test_the_policy_lets_nothing_out(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report)
        outcome = page.evaluate("() => fetch('https://example.com/').then(() => 'let out', () => 'refused')")
        assert outcome == "refused"
        assert any("Content Security Policy" in error for error in tab.errors)
        tab.errors.clear()

    def test_everything_is_in_one_file(self, report: Path) -> None:
        page = report.read_text(encoding="utf-8")
        assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in page
        assert "<link" not in page
        assert " src=" not in page


class TestFilters:
    def test_a_filter_narrows_every_view_and_is_kept_in_the_address(
        self, tab: "Tab", report: Path, run: SyntheticRun
    ) -> None:
        page = tab.open(report)
        page.click("button[name=alert]")
        wanted = sum(call["alert"] for call in run.calls)
        wait_for_found(page, f"{wanted} of {N_CALLS} calls")
        expect(page.locator("button[name=alert]")).to_have_attribute("aria-pressed", "true")
        page.select_option("select[name=queue]", "Billing")
        both = sum(call["alert"] and call["queue"] == "Billing" for call in run.calls)
        wait_for_found(page, f"{both} of {N_CALLS} calls")
        expect(page).to_have_url(re.compile("#queue=Billing&alert=1$"))
        page.click(".tabs a:has-text('Calls')")
        expect(page.locator("table.calls tbody tr")).to_have_count(min(50, both))
        page.reload()
        page.wait_for_selector("[data-ready]")
        wait_for_found(page, f"{both} of {N_CALLS} calls")
        page.click("text=Clear filters")
        wait_for_found(page, f"{N_CALLS} calls")

    def test_each_filter_finds_what_the_tables_say(self, tab: "Tab", report: Path, run: SyntheticRun) -> None:
        page = tab.open(report)
        for name, value, wanted in (
            ("agent", "Grace Kim", sum(call["agent"] == "Grace Kim" for call in run.calls)),
            ("lang", "zh", sum(call["language"] == "zh" for call in run.calls)),
        ):
            page.select_option(f"select[name={name}]", value)
            wait_for_found(page, f"{wanted} of {N_CALLS} calls")
            page.select_option(f"select[name={name}]", "")
            wait_for_found(page, f"{N_CALLS} calls")
        page.click("button[name=human]")
        wait_for_found(page, f"{sum(bool(call['human_requests']) for call in run.calls)} of {N_CALLS} calls")

    def test_dates_are_days_in_the_readers_own_zone(self, tab: "Tab", report: Path, run: SyntheticRun) -> None:
        page = tab.open(report, "#from=2026-11-03&to=2026-11-05")
        # The made-up calls start between 08:00 and 18:00 UTC: the same day in Berlin.
        wanted = sum("2026-11-03" <= call["started_at"].isoformat()[:10] <= "2026-11-05" for call in run.calls)
        wait_for_found(page, f"{wanted} of {N_CALLS} calls")

    def test_search_reads_the_transcripts(self, tab: "Tab", report: Path, run: SyntheticRun) -> None:
        words = "прошу прощения"
        wanted = len({one["call_id"] for one in run.utterances if words in one["text"].lower()})
        assert wanted > 0
        page = tab.open(report, "#view=calls")
        page.fill("input[name=q]", words)
        wait_for_found(page, f"{wanted} of {N_CALLS} calls")
        page.click("table.calls a.call >> nth=0")
        page.wait_for_selector(".said mark")
        assert {mark.lower() for mark in page.locator(".said mark").all_inner_texts()} == {words}

    def test_a_sorted_column_sorts(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report, "#view=calls")
        lengths = page.locator("table.calls tbody td.num:nth-child(6)")
        by_length = page.locator("th", has_text="Length")
        by_length.get_by_role("button").click()
        expect(by_length).to_have_attribute("aria-sort", "descending")
        longest_first = [seconds(cell) for cell in lengths.all_inner_texts()]
        assert longest_first == sorted(longest_first, reverse=True)
        by_length.get_by_role("button").click()
        expect(by_length).to_have_attribute("aria-sort", "ascending")
        shortest_first = [seconds(cell) for cell in lengths.all_inner_texts()]
        assert shortest_first == sorted(shortest_first)

    def test_pages_turn(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report, "#view=calls")
        calls, shown = page.locator("table.calls a.call"), page.locator("nav.pager span")
        first = calls.all_inner_texts()
        page.get_by_role("button", name="Next").click()
        expect(shown).to_contain_text("51")
        second = calls.all_inner_texts()
        assert len(first) == len(second) == 50
        assert not set(first) & set(second)
        page.go_back()
        expect(calls.first).to_have_text(first[0])


class TestOneCall:
    def test_a_click_on_a_line_plays_from_there_and_lights_it(
        self, tab: "Tab", report: Path, run: SyntheticRun, heard: dict[str, Any]
    ) -> None:
        page = open_call(tab, report, heard["call_id"])
        line = sorted(run.said_in(heard["call_id"]), key=lambda row: row["start_s"])[7]
        play_slowly(page)
        button = page.locator(".said li:not(.gap):not(.edge) > button").nth(7)
        button.click()
        page.wait_for_function("() => !document.querySelector('audio').paused")
        at_s = page.evaluate("() => document.querySelector('audio').currentTime")
        assert line["start_s"] - 0.1 <= at_s <= line["end_s"]
        expect(button).to_have_attribute("aria-current", "true")
        expect(page.locator(".said button[aria-current]")).to_have_count(1)

    def test_a_click_on_the_timeline_goes_there(self, tab: "Tab", report: Path, heard: dict[str, Any]) -> None:
        page = open_call(tab, report, heard["call_id"])
        play_slowly(page)
        box = page.locator(".lanes").bounding_box()
        assert box is not None
        page.locator(".lanes").click(position={"x": 76 + (box["width"] - 76) * 0.5, "y": 60})
        page.wait_for_function("() => document.querySelector('audio').currentTime > 1")
        at_s = page.evaluate("() => document.querySelector('audio').currentTime")
        assert at_s == pytest.approx(heard["duration_s"] / 2, abs=3)

    def test_the_list_leads_to_the_moment_that_mattered(self, tab: "Tab", report: Path, heard: dict[str, Any]) -> None:
        page = tab.open(report, f"#q={heard['call_id']}")
        wait_for_found(page, f"1 of {N_CALLS} calls")
        page.click(f".listen a:has-text('{heard['call_id']}')")
        page.wait_for_function("() => document.querySelector('audio')?.currentTime > 0")
        at_s = page.evaluate("() => document.querySelector('audio').currentTime")
        assert at_s == pytest.approx(heard["first_opened_s"], abs=0.1)
        assert page.evaluate("() => document.querySelector('audio').paused")
        third = page.locator(".said li:not(.gap):not(.edge) > button").nth(2)
        third.click()
        expect(third).to_have_attribute("aria-current", "true")
        kept = page.evaluate("() => location.href")
        page.goto("about:blank")
        page.goto(kept)
        page.wait_for_function("() => document.querySelector('audio')?.currentTime > 0")
        expect(third).to_have_attribute("aria-current", "true")

    def test_the_page_tells_the_call(self, tab: "Tab", report: Path, run: SyntheticRun, heard: dict[str, Any]) -> None:
        page = open_call(tab, report, heard["call_id"])
        said = run.said_in(heard["call_id"])
        texts = page.locator(".said .text").all_text_contents()
        assert texts == [row["text"] for row in sorted(said, key=lambda row: row["start_s"])]
        side = page.inner_text(".side")
        episode = next(one for one in run.episodes if one["call_id"] == heard["call_id"])
        assert f"{round(episode['stressed_speech_s'])} s of stressed speech in 5 utterances" in side
        assert "above this caller's normal" in side
        assert "a budget of 1 false alarm in 100 call-hours" in side
        assert "An index, not a prediction" in side
        assert "Agent's warmth, from words and turn-taking" in side

    @pytest.mark.parametrize("stress", [0.8353, 0.9148, 0.8348])
    def test_a_score_is_the_same_here_in_the_terminal_and_in_the_console(
        self, tab: "Tab", tmp_path: Path, stress: float
    ) -> None:
        run = synthetic_run(1)
        for row in run.utterances:
            row["stress"] = None if row["stress"] is None else stress
        page = open_call(tab, write_report(run.write(tmp_path / "one")), run.calls[0]["call_id"])
        shown = set(page.locator("main .how b").all_inner_texts())
        assert shown == {stress_bar(stress).plain.split()[-1]}
        assert {f"{float(one):.0%}" for one in shown} == {Languages.load()["en"].percent(rounded(stress) or 0.0)}

    def test_a_request_for_a_person_is_told_as_one(self, tab: "Tab", report: Path, run: SyntheticRun) -> None:
        persisted = {one["call_id"] for one in run.episodes if one["reasons"] == "stress_persisted"}
        request = next(
            one for one in run.episodes if one["reasons"] == "human_requested" and one["call_id"] not in persisted
        )
        page = open_call(tab, report, request["call_id"])
        assert "The caller asks for a person: alert" in page.inner_text(".said li.edge")
        assert page.locator(".said li.edge").count() == 1
        assert page.locator(".lanes .episode").count() == 0
        side = page.inner_text(".side")
        assert "The caller asked for a person at " in side
        assert "stressed speech" not in side

    def test_nothing_of_the_agents_voice_is_shown(self, tab: "Tab", report: Path, heard: dict[str, Any]) -> None:
        page = open_call(tab, report, heard["call_id"])
        assert page.locator(".said li.agent").count() > 3
        assert page.locator(".said li.agent .how").all_inner_texts() == [""] * page.locator(".said li.agent").count()
        heights = page.eval_on_selector_all(".lanes .u-agent", "bars => bars.map(bar => bar.getAttribute('height'))")
        assert set(heights) == {"12"}

    def test_a_missing_recording_is_said_kindly_and_can_be_chosen(
        self, tab: "Tab", report: Path, run: SyntheticRun, heard: dict[str, Any]
    ) -> None:
        other = next(call for call in run.calls if call["call_id"] != heard["call_id"])
        page = tab.open(report, f"#view=calls&call={other['call_id']}")
        page.wait_for_selector(".notice:not([hidden])")
        assert other["path"] in page.inner_text(".notice")
        expect(page.locator("button.play")).to_be_disabled()
        page.set_input_files(".notice input", report.parent.parent / "recordings" / f"{heard['call_id']}.wav")
        page.wait_for_function("() => document.querySelector('audio').readyState >= 1")
        expect(page.locator("button.play")).to_be_enabled()
        page.click("button.play")
        page.wait_for_function("() => document.querySelector('audio').currentTime > 0")
        assert len(tab.missing) == 1

    def test_a_link_to_an_unknown_call_is_answered(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report, "#view=calls&call=nobody")
        assert "This call is not in the report" in page.inner_text("main")


class TestKeyboard:
    def test_from_the_search_to_a_playing_call_and_back(self, tab: "Tab", report: Path, heard: dict[str, Any]) -> None:
        page = tab.open(report, "#view=calls")
        page.keyboard.press("/")
        expect(page.locator("input[name=q]")).to_be_focused()
        page.keyboard.type(heard["call_id"])
        expect(page).to_have_url(re.compile(f"[#&]q={re.escape(heard['call_id'])}(&|$)"))  # all of it, not a part
        wait_for_found(page, f"1 of {N_CALLS} calls")
        link = page.locator("table.calls a.call")
        expect(link).to_have_count(1)
        link.focus()
        expect(link).to_be_focused()
        page.keyboard.press("Enter")
        wait_for_call(page)
        page.wait_for_function("() => document.querySelector('audio').readyState >= 1")
        for _ in range(3):
            page.keyboard.press("j")
        page.keyboard.press("k")
        expect(page.locator(".said li > button:first-child").nth(1)).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_function("() => !document.querySelector('audio').paused")
        page.evaluate("() => document.activeElement.blur()")
        page.keyboard.press(" ")
        page.wait_for_function("() => document.querySelector('audio').paused")
        page.keyboard.press("Escape")
        page.wait_for_selector("table.calls")

    def test_brackets_walk_through_the_filtered_calls(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report, "#view=calls&alert=1")
        first, second = page.locator("table.calls a.call").all_inner_texts()[:2]
        page.click("table.calls a.call >> nth=0")
        page.wait_for_selector(f".callhead h2:text-is('{first}')")
        page.keyboard.press("]")
        page.wait_for_selector(f".callhead h2:text-is('{second}')")
        page.keyboard.press("[")
        page.wait_for_selector(f".callhead h2:text-is('{first}')")

    def test_the_first_tab_skips_to_the_content(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report)
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()


class TestAgents:
    def test_nobody_is_judged_on_a_few_calls(self, tab: "Tab", report: Path, run: SyntheticRun) -> None:
        assert sum(call["agent"] == "Liam Byrne" for call in run.calls) == 2
        page = tab.open(report, "#view=agents")
        row = page.locator("tr", has_text="Liam Byrne")
        assert "too few calls to say" in row.inner_text()
        assert "%" not in row.inner_text()

    def test_the_figures_are_those_of_the_table(self, tab: "Tab", report: Path) -> None:
        agents = {row["agent"]: row for row in pq.read_table(report.parent / "agents.parquet").to_pylist()}
        page = tab.open(report, "#view=agents")
        compared = 0
        for row in page.locator("table.agents > tbody > tr:not(.few):not(.more)").all():
            cells = row.locator("> td").all_inner_texts()
            agent = agents[cells[0]]
            assert cells[1] == str(agent["calls"])
            low, high = agent["alert_share_low"], agent["alert_share_high"]
            assert f"{_percent(low)} … {_percent(high)}" in cells[3]
            value, ends = cells[5].split("\n")
            assert value == str(round(agent["warmth"]))
            assert ends == f"{round(agent['warmth_low'])} … {round(agent['warmth_high'])}"
            compared += 1
        assert compared >= 5

    def test_a_scorecard_opens_onto_the_signs_of_warmth_and_the_calls(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report, "#view=agents")
        page.locator("table.agents button").first.click()
        expect(page.locator("tr.more:not([hidden])")).to_contain_text("Empathy and apology")
        page.locator("tr.more .listen li a").first.click()
        page.wait_for_selector(".callhead")


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{math.floor(value + 0.5)} %"


class TestAnyText:
    NASTY = (
        "</script><script>window.pwned = 1</script>",
        "<img src=x onerror='window.pwned = 1'>",
        "\"'`${window.pwned = 1}`<!-- --> ]]> &lt;b&gt;",
        "مرحبا، أريد التحدث إلى المشرف <b>الآن</b>",
        "👩‍👩‍👧‍👦 🇪🇺 e\u0301 \u202emirrored\u202c \x00 \x1b \u2028",
    )

    def test_data_stays_text(self, tab: "Tab", tmp_path: Path) -> None:
        run = synthetic_run(len(self.NASTY))
        for call, nasty in zip(run.calls, self.NASTY, strict=True):
            for row in (
                *run.said_in(call["call_id"]),
                *(one for one in run.episodes if one["call_id"] == call["call_id"]),
            ):
                row.update({"call_id": nasty})
                if "text" in row:
                    row.update(
                        {"text": nasty, "language": "ar", "human_request": "human", "human_request_quote": nasty}
                    )
                    row.update({"reasons": nasty, "frustration_words": nasty, "frustration": 0.9})
            call.update(dict.fromkeys(("call_id", "path", "agent", "queue", "human_request_quote", "error"), nasty))
            quotes = json.dumps([{"sign": nasty, "channel": "agent", "index": 0, "start_s": 0.0, "text": nasty}])
            call.update(dict.fromkeys(("warmth_quotes", "wants", "tried", "open_question"), quotes))
            call.update({"language": "ar", "human_requests": 1, "alert": True})
        run.errors = [{"path": nasty, "error": nasty} for nasty in self.NASTY]
        report = write_report(run.write(tmp_path / "nasty <b>"))
        page = tab.open(report)
        for view in VIEWS:
            turn_to(page, view)
        for number, nasty in enumerate(self.NASTY):
            turn_to(page, "#view=calls&sort=id")
            page.locator("table.calls a.call").nth(sorted(range(5), key=lambda n: self.NASTY[n]).index(number)).click()
            wait_for_call(page)
            assert page.locator(".said .text").first.evaluate("node => node.textContent") == nasty
            assert page.locator(".said .text").first.get_attribute("lang") == "ar"
            assert page.locator(".said .text").first.get_attribute("dir") == "auto"
        assert page.evaluate("() => window.pwned") is None
        assert page.locator("main img, main b:not(.how b)").count() == 0

    def test_a_line_of_a_megabyte_is_cut_and_can_be_shown(self, tab: "Tab", tmp_path: Path) -> None:
        run = synthetic_run(1)
        run.utterances[0]["text"] = "long " * 200_000
        page = open_call(tab, write_report(run.write(tmp_path / "out")), run.calls[0]["call_id"])
        assert len(page.locator(".said .text").first.inner_text()) < 3000
        page.click("text=Show more: 998,000 characters are left")
        expect(page.locator(".said button.more")).to_have_text("Show more: 978,000 characters are left")
        assert page.locator(".said .text").first.evaluate("node => node.textContent.length") == 22_000


class TestEmpty:
    def test_no_calls_at_all(self, tab: "Tab", tmp_path: Path) -> None:
        page = tab.open(write_report(SyntheticRun().write(tmp_path / "none")))
        assert "There are no calls in this folder yet" in page.inner_text("main")
        for view in VIEWS[1:]:
            turn_to(page, view)
            expect(page.locator("main")).not_to_be_empty()

    def test_calm_calls_of_nobody_at_no_time(self, tab: "Tab", tmp_path: Path) -> None:
        run = synthetic_run(30, sensitivity=0.1)
        for call in run.calls:
            call.update(dict.fromkeys(("agent", "queue", "started_at", "csi", "ces", "warmth", "language")))
            call.update(
                {"human_requests": 0, "alert": False, "stress_shift": 0.0, "stress_end": 0.1, "agent_silence_s": 0.0}
            )
            call.update({"agent_interruptions": 0, "coverage": 1.0})
        for row in run.utterances:
            row["human_request"] = None
        page = tab.open(write_report(run.write(tmp_path / "calm")))
        content = page.inner_text("main")
        assert "Nothing stands out" in content
        assert "No start times" in content
        assert "No queue is known of these calls." in content
        page.click(".tabs a:has-text('Agents')")
        expect(page.locator("main")).to_contain_text("No agent is known")

    def test_filters_that_fit_nothing(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report, "#view=calls&agent=Nobody")
        assert "No call fits these filters" in page.inner_text("main")

    def test_a_mixed_track_and_a_call_without_speech(self, tab: "Tab", tmp_path: Path) -> None:
        run = synthetic_run(2)
        mixed, silent = run.calls
        for row in run.said_in(mixed["call_id"]):
            row.update(
                {
                    "channel": "mixed",
                    "index": 2 * row["index"] + (row["channel"] == "caller"),
                    "stress": row["stress"] or 0.1,
                }
            )
        mixed.update({"roles": "unknown", "channels": "mixed"})
        run.utterances = run.said_in(mixed["call_id"])
        empty = (
            "stress_peak",
            "stress_start",
            "stress_end",
            "stress_shift",
            "language",
            "csi",
            "ces",
            "warmth",
            "coverage",
        )
        silent.update(dict.fromkeys(empty))
        report = write_report(run.write(tmp_path / "odd"))
        page = open_call(tab, report, mixed["call_id"])
        assert "One mixed track" in page.inner_text(".callhead")
        assert page.locator(".said .agent").count() == 0
        turn_to(page, f"#view=calls&call={silent['call_id']}")
        page.wait_for_selector("text=No speech was found in this recording.")


CONTRAST = """
() => {
  const channel = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const ground = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const colour = parse(getComputedStyle(up).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const low = new Set();
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) continue;
    if (!node.checkVisibility({ checkOpacity: true })) continue;
    if (node.closest("script, style, noscript, [disabled], option")) continue;
    const svg = node instanceof SVGElement;
    const style = getComputedStyle(node);
    if (svg && node.tagName === "title") continue;
    const [a, b] = [luminance(parse(svg ? style.fill : style.color)), luminance(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.add(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 100)}`);
  }
  return [...low];
}
"""

NAMELESS = """
() => [...document.querySelectorAll("button, a, input, select, [role=img]")]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length))
  .map((node) => node.outerHTML.slice(0, 120))
"""


class TestSurveys:
    def test_what_was_fitted_is_set_against_the_answers_and_the_rest_stays_an_index(
        self, tab: "Tab", tmp_path: Path
    ) -> None:
        run = synthetic_run(40)
        pairs = [{"call_id": call["call_id"], "estimate": call["csi"], "answer": 75.0} for call in run.calls]
        run.surveys = {
            "csi": {"n": 40, "text": "Off by 12 points.", "pairs": pairs},
            "ces": None,
            "notes": ["Too few."],
        }
        run.calls[0]["survey_csi"] = 75.0
        page = tab.open(write_report(run.write(tmp_path / "out")), "#view=about")
        expect(page.locator("circle")).to_have_count(40)
        assert "Off by 12 points." in page.inner_text("main")
        assert "Too few." in page.inner_text("main")
        turn_to(page, f"#view=calls&call={run.calls[0]['call_id']}")
        told = page.inner_text(".side section:last-child")
        assert "The caller's own answer: 75" in told
        assert told.index("Fitted to your own survey answers") < told.index("An index, not a prediction")


class TestForEveryone:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_all_text_has_contrast_and_all_controls_a_name(
        self, browser: "Browser", report: Path, heard: dict[str, Any], theme: Any
    ) -> None:
        from tests.browser import open_tab

        with open_tab(browser, color_scheme=theme) as tab:
            page = tab.open(report)
            assert page.evaluate("() => document.documentElement.dataset.theme") == theme
            for view in (*VIEWS, f"#view=calls&call={heard['call_id']}"):
                turn_to(page, view)
                page.wait_for_selector("main .panel")
                assert page.evaluate(CONTRAST) == [], view
                assert page.evaluate(NAMELESS) == [], view
            tab.check()

    def test_the_theme_can_be_changed_and_stays(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report)
        ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        page.click("text=Dark")
        expect(page.locator("body")).not_to_have_css("background-color", ground)
        page.reload()
        page.wait_for_selector("[data-ready]")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    @pytest.mark.parametrize("width", [360, 768, 1920])
    def test_nothing_runs_off_the_side(
        self, browser: "Browser", report: Path, heard: dict[str, Any], width: int
    ) -> None:
        from tests.browser import open_tab

        with open_tab(browser, viewport={"width": width, "height": 800}) as tab:
            page = tab.open(report)
            for view in (*VIEWS, f"#view=calls&call={heard['call_id']}"):
                turn_to(page, view)
                assert page.evaluate("() => document.documentElement.scrollWidth") <= width, view
            tab.check()

    def test_it_prints(self, tab: "Tab", report: Path) -> None:
        page = tab.open(report)
        pdf = page.pdf(format="A4")
        assert pdf.startswith(b"%PDF")
        page.emulate_media(media="print")
        expect(page.locator(".filters")).to_be_hidden()
        expect(page.locator(".tiles")).to_be_visible()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,000 calls with transcripts, as hard to compress as speech."""
    run = synthetic_run(5000, filler_words=6)
    return run.write(tmp_path_factory.mktemp("many") / "many")


@pytest.mark.slow
class TestMany:
    def test_five_thousand_calls_open_within_three_seconds(self, tab: "Tab", many: Path) -> None:
        """In seconds of the page's own process: other work on the machine does not count."""
        report = write_report(many)
        page = tab.open(report)
        page.wait_for_function("() => performance.getEntriesByName('voicepipe-ready').length")
        spent_s = processor_s(page)
        ready_s = page.evaluate("() => performance.getEntriesByName('voicepipe-ready')[0].startTime") / 1000
        print(f"ready in {ready_s:.2f} s, {spent_s:.2f} s of its process")
        assert spent_s < 3.0
        wait_for_found(page, "5,000 calls")
        page.fill("input[name=q]", "nobody calls back")
        found = f"{_calls_with(many, 'nobody calls back'):,} of 5,000 calls"
        page.wait_for_function("words => document.querySelector('.found').innerText.startsWith(words)", arg=found)


def _calls_with(out: Path, words: str) -> int:
    rows = pq.read_table(out / "utterances.parquet", columns=["call_id", "text"]).to_pylist()
    return len({row["call_id"] for row in rows if words in row["text"]})
