import re
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.events.calls import make_call
from tests.web.dialogue import keep_long_call, make_long_call
from tests.web.scene import NOW, PAST_CALL, TOKENS, Scene, call_of
from voicepipe.conversation import TurnConfig
from voicepipe.types import (
    Basis,
    CallStarted,
    CallSummary,
    Channel,
    ConsentApplied,
    Coverage,
    Erasure,
    Roles,
    Scope,
)
from voicepipe.web.call_page import LINES, Measures
from voicepipe.web.language import Languages
from voicepipe.web.story import Story, evidence_of, lines_of, pieces_of, timeline_of, told_of

LANGUAGES = Languages.load()


def keys_in(page: str) -> list[str]:
    return re.findall(r'id="u-([a-z]+-\d+)"', page)


def keep(scene: Scene, call_id: str, *, utterances: int = 20, queue: str | None = "billing", **changes: object) -> None:
    """Write a call that is over, without an alert."""
    call = replace(call_of(call_id, queue, started_at=NOW - timedelta(hours=4)), **changes)  # type: ignore[arg-type]
    said = make_long_call(call_id, utterances=utterances)
    ended = CallSummary(call=call, duration_s=90.0, language="en", coverage=Coverage(speech_s=60.0), reason="end")
    scene.store.record([CallStarted(call=call), *said, ended], [])


@pytest.mark.parametrize("call_id", ["call-billing", PAST_CALL])
def test_a_call_is_told_live_and_past_alike(scene: Scene, call_id: str) -> None:
    browser = scene.client("supervisor")
    page = browser.get(f"/console/calls/{call_id}").text
    assert keys_in(page) == ["caller-0", "agent-0", "caller-1", "caller-2"]
    assert "Nobody listens to me" in page
    assert f"alert-{scene.alert_id(call_id)}" in page
    drawn = browser.get(f"/console/call/timeline/{call_id}").json()
    assert drawn["caller"] == [[0.0, 3.0, 0.2], [8.0, 11.0, 0.9], [14.0, 17.0, 0.95]]
    assert drawn["agent"] == [[4.0, 7.0]]
    assert drawn["episodes"] == [[5.0, None if call_id == "call-billing" else 25.0]]
    told = browser.get(f"/console/call/story/{call_id}").text
    assert "I have told you this three times" in told


def test_a_turn_that_was_cut_ends_with_an_ellipsis(scene: Scene) -> None:
    keep(scene, "call-long", utterances=16)
    page = scene.client("admin").get("/console/call/story/call-long").text
    turns = re.findall(r'<li class="turn">.*?<span class="any"[^>]*>(.*?)</span></li>', page)
    assert turns[-1] == "Hello, my internet has been down since Monday and nobody…"
    assert "Caller: “Hello, my internet has been down since Monday and nobody…”" in page


def test_opening_a_call_is_noted_each_time_and_its_parts_now_and_then(scene: Scene) -> None:
    browser = scene.client("supervisor")
    for _ in range(2):
        browser.get("/console/calls/call-billing")
    browser.get("/console/call/timeline/call-billing")
    assert scene.actions()[-2:] == [("supervisor", "see_call", "call call-billing")] * 2
    scene.clock.advance(minutes=16)
    browser.get("/console/call/timeline/call-billing")
    assert len([line for line in scene.actions() if line[1] == "see_call"]) == 3


def test_a_part_that_is_asked_for_without_its_page_is_noted_too(scene: Scene) -> None:
    scene.client("supervisor").get("/console/call/story/call-billing")
    assert scene.actions()[-1] == ("supervisor", "see_call", "call call-billing")


@pytest.mark.parametrize(
    "place", ["calls/{}", "call/timeline/{}", "call/story/{}", "call/news/{}", "call/news/{}?epoch=-&caller=0"]
)
def test_calls_of_other_queues_are_not_there(scene: Scene, place: str) -> None:
    keep(scene, "past-claims", queue="claims")
    keep(scene, "past-none", queue=None)
    browser = scene.client("supervisor")
    for call_id in ("call-claims", "call-none", "past-claims", "past-none", "unknown"):
        assert browser.get(f"/console/{place.format(call_id)}").status_code == 404
    assert scene.client("viewer").get(f"/console/{place.format('call-billing')}").status_code == 403
    assert scene.client("supervisor-of-none").get(f"/console/{place.format('call-billing')}").status_code == 404
    assert not [line for line in scene.actions() if line[1] == "see_call"]


def test_copying_the_handoff_is_noted(scene: Scene) -> None:
    browser = scene.client("supervisor")
    assert browser.post("/console/call/copied/call-billing").status_code == 204
    assert scene.actions()[-1] == ("supervisor", "copy_handoff", "call call-billing")
    assert browser.post("/console/call/copied/call-claims").status_code == 404
    assert scene.actions()[-1] == ("supervisor", "copy_handoff", "call call-billing")


def test_a_call_id_may_hold_slashes(scene: Scene) -> None:
    keep(scene, "trunk/7/a b")
    browser = scene.client("admin")
    page = browser.get("/console/calls/trunk/7/a%20b")
    assert page.status_code == 200
    place = re.search(r'hx-get="([^"]+)"', page.text)
    assert place is not None
    assert browser.get(place[1]).status_code == 200


def test_news_bring_what_came_since(scene: Scene) -> None:
    browser = scene.client("supervisor")
    page = browser.get("/console/calls/call-billing").text
    epoch = re.search(r'data-epoch="([^"]*)"', page)
    assert epoch is not None
    query = {"epoch": epoch[1], "caller": "3", "agent": "1"}
    assert browser.get("/console/call/news/call-billing", params=query).json()["lines"] == []
    fresh = replace(make_long_call("call-billing", utterances=10)[-1], index=3, start_s=20.0, end_s=23.0)
    scene.board.on_call_event(fresh)
    news = browser.get("/console/call/news/call-billing", params=query).json()
    assert [keys_in(line) for line in news["lines"]] == [["caller-3"]]
    assert news["timeline"]["caller"][0][:2] == [20.0, 23.0]
    assert news["counts"] == {"caller": 4, "agent": 1}
    again = {**query, "alerts": news["alerts"]["mark"]}
    assert browser.get("/console/call/news/call-billing", params=again).json()["alerts"]["html"] is None
    scene.store.take_alert(scene.alert_id("call-billing"), by="ann")
    assert "ann" in browser.get("/console/call/news/call-billing", params=again).json()["alerts"]["html"]


def test_what_a_caller_takes_back_vanishes_from_open_pages(scene: Scene) -> None:
    browser = scene.client("supervisor")
    call = replace(call_of("call-billing", "billing"), basis=Basis.WITHDRAWN)
    withdrawn = ConsentApplied(call=call, at_s=20.0, scope=Scope.TRANSCRIPT_ONLY, erases=Erasure.ACOUSTICS)
    scene.store.record([withdrawn], [])
    scene.board.on_call_event(withdrawn)
    assert browser.get("/console/call/news/call-billing", params={"epoch": "-"}).json() == {"reload": True}
    page = browser.get("/console/calls/call-billing").text
    assert LANGUAGES["en"].t("call-told-withdrawn") in page
    assert "semitones" not in page
    assert browser.get("/console/call/timeline/call-billing").json()["caller"][2] == [14.0, 17.0, None]


@pytest.mark.parametrize(
    ("changes", "keeps", "told"),
    [
        ({"basis": Basis.NONE}, "words", ["refused"]),
        ({"basis": Basis.UNRECOGNISED}, "words", ["unrecognised"]),
        ({"basis": Basis.NOTICE}, "words", ["unscored"]),
        ({"basis": Basis.NOTICE}, "scores", ["wordless"]),
        ({"basis": Basis.NOTICE}, "nothing", ["nothing"]),
        ({"basis": Basis.NOTICE}, "all", []),
        ({"basis": None, "channels": (Channel.MIXED,), "roles": Roles.UNKNOWN}, "all", ["mixed"]),
    ],
)
def test_the_page_says_what_may_not_be_scored_and_what_is_not_kept(
    changes: dict[str, object], keeps: str, told: list[str]
) -> None:
    said = make_long_call("call-1", utterances=8) if keeps != "nothing" else ()
    story = Story(
        call=replace(make_call("call-1"), **changes),  # type: ignore[arg-type]
        language="en",
        is_live=False,
        length_s=60.0,
        coverage=1.0,
        scope=None,
        utterances=tuple(
            replace(
                one,
                score=one.score if keeps in ("scores", "all") else None,
                transcript=one.transcript if keeps in ("words", "all") else None,
            )
            for one in said
        ),
        episodes=(),
    )
    assert list(told_of(story)) == told


def test_the_agent_has_a_voice_but_no_stress() -> None:
    said = make_long_call("call-1", utterances=4)
    # Even if a score came with it by mistake.
    wrong = replace(said[0], score=said[1].score, frustration=said[3].frustration)
    (line,) = lines_of([wrong], episodes=(), language=LANGUAGES["en"])
    assert (line.level, line.stress, line.evidence) == (None, None, ())


def test_marks_are_told_in_the_viewers_language() -> None:
    pieces = pieces_of("Card [card], PIN [code] and [contract_number]", LANGUAGES["ru"])
    assert [piece.text for piece in pieces if piece.is_mark] == ["номер карты", "код", "contract number"]
    assert "".join(piece.text for piece in pieces if not piece.is_mark) == "Card , PIN  and "
    assert pieces_of("", LANGUAGES["en"]) == ()


@pytest.mark.parametrize(("code", "words"), [("en", "semitones"), ("ru", "полутон"), ("zh", "半音")])
def test_evidence_is_in_plain_words_of_the_viewers_language(code: str, words: str) -> None:
    said = [one for one in make_long_call("call-1", utterances=40) if one.score and one.score.stress > 0.5]
    assert words in " ".join(evidence_of(said[0], LANGUAGES[code]))


def test_sentences_of_an_older_store_are_shown_as_they_are() -> None:
    from voicepipe.events.rows import deviations_of

    said = make_long_call("call-1", utterances=2)[1]
    assert said.score is not None
    old = replace(said, score=replace(said.score, top_features=deviations_of('["pitch 4.1 semitones above normal"]')))
    assert evidence_of(old, LANGUAGES["ru"]) == ("Pitch 4.1 semitones above normal",)


def test_what_callers_say_stays_text(scene: Scene) -> None:
    said = make_long_call("call-billing", utterances=2)[1]
    assert said.transcript is not None
    nasty = replace(said, index=9, transcript=replace(said.transcript, text="<script>alert(1)</script>"))
    scene.board.on_call_event(nasty)
    page = scene.client("supervisor").get("/console/calls/call-billing").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_long_call_is_shown_in_pages(scene: Scene) -> None:
    keep_long_call(scene.store, call_of("long", "billing", started_at=NOW - timedelta(hours=4)), utterances=2000)
    browser = scene.client("supervisor")
    first = browser.get("/console/calls/long").text
    assert len(keys_in(first)) == LINES
    assert f'href="?first={LINES}"' in first
    assert keys_in(browser.get(f"/console/calls/long?first={LINES}").text)[0] == f"agent-{LINES // 2}"
    there = keys_in(browser.get("/console/calls/long?at=3600").text)
    assert len(there) == LINES
    last = browser.get("/console/calls/long?at=99999").text
    assert keys_in(last)[-1] == "caller-999"
    for odd in ("first=-1", "first=nan", "first=inf", "at=abc", "first=999999"):
        assert browser.get(f"/console/calls/long?{odd}").status_code == 200


def test_two_hours_are_drawn_and_shown_at_once(scene: Scene) -> None:
    """2,000 utterances, in seconds of this process's own time: other work on the machine does not count."""
    keep_long_call(scene.store, call_of("long", "billing", started_at=NOW - timedelta(hours=4)), utterances=2000)
    browser = scene.client("supervisor")
    for place in ("calls", "call/story"):
        browser.get(f"/console/{place}/call-billing")  # templates and phrases are read once
    took = {}
    for name, place in (
        ("page", "calls"),
        ("timeline", "call/timeline"),
        ("story", "call/story"),
        ("again", "call/story"),
    ):
        began_s = time.process_time()
        answer = browser.get(f"/console/{place}/long")
        took[name] = time.process_time() - began_s
        assert answer.status_code == 200
        assert len(answer.content) < 600_000
    print({name: f"{seconds:.3f} s" for name, seconds in took.items()})
    assert took["page"] < 1.0
    assert took["timeline"] < 0.5
    assert took["story"] < 4.0
    assert took["again"] < 0.5


def test_measures_are_kept_until_the_call_changes() -> None:
    said = make_long_call("call-1", utterances=30)
    story = Story(
        call=make_call("call-1"),
        language="en",
        is_live=False,
        length_s=120.0,
        coverage=1.0,
        scope=None,
        utterances=said,
        episodes=(),
    )
    measures = Measures()
    first = measures.of(story)
    assert measures.of(story) is first
    assert measures.of(replace(story, utterances=said[:-1])) is not first
    erased = replace(story, utterances=tuple(replace(one, transcript=None) for one in said))
    assert not measures.of(erased).handoff.wants
    live = replace(story, is_live=True)
    measured = measures.of(live)
    assert measures.of(replace(live, utterances=said[:-1])) is measured
    withdrawn = replace(live, call=replace(live.call, basis=Basis.WITHDRAWN))
    assert measures.of(withdrawn) is not measured


def test_turns_are_told_with_the_padding_of_the_settings(scene: Scene) -> None:
    def told() -> tuple[str, float]:
        page = scene.client("supervisor").get(f"/console/call/story/{PAST_CALL}").text
        bearer = {"authorization": f"Bearer {TOKENS['supervisor']}"}
        answer = scene.client().get(f"/api/v1/calls/{PAST_CALL}", headers=bearer).json()
        return re.findall(r"[\d.]+ s \(median\)", page)[0], answer["measures"]["silence_s"]

    assert told() == ("1.3 s (median)", 48.98)
    scene.console.turns = TurnConfig(padding_s=0.0)
    assert told() == ("1.0 s (median)", 45.5)


def test_a_timeline_has_two_lanes_and_stress_for_one() -> None:
    said = make_long_call("call-1", utterances=6)
    story = Story(
        call=make_call("call-1"),
        language=None,
        is_live=True,
        length_s=30.0,
        coverage=None,
        scope=None,
        utterances=said,
        episodes=(),
    )
    timeline = timeline_of(story)
    assert len(timeline.caller) == len(timeline.agent) == 3
    assert all(0.0 <= (stress or 0.0) <= 1.0 for _, _, stress in timeline.caller)
    assert all(len(span) == 2 for span in timeline.agent)


def test_a_timeline_and_the_transcript_beside_it_round_a_score_alike() -> None:
    said = make_long_call("call-1", utterances=2)[1]
    assert said.score is not None
    story = Story(
        call=make_call("call-1"),
        language=None,
        is_live=True,
        length_s=30.0,
        coverage=None,
        scope=None,
        utterances=(replace(said, score=replace(said.score, stress=0.9148)),),
        episodes=(),
    )
    [(*_, drawn)] = timeline_of(story).caller
    assert LANGUAGES["en"].percent(drawn or 0.0) == LANGUAGES["en"].percent(0.9148) == "91%"
