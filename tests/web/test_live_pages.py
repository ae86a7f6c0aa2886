"""The live view and the inbox: what each person may see and do, and what becomes of it."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any, get_args

import pytest
from starlette.testclient import TestClient

from tests.web.scene import PAST_CALL, Scene, add_nameless, call_of
from voicepipe.events.feedback import FEEDBACK_TOPIC, Verdict
from voicepipe.types import CallStarted, StoreError
from voicepipe.web import inbox
from voicepipe.web.api_calls import CallInProgress
from voicepipe.web.live_pages import FIRST_ROWS, sparkline

Client = Callable[..., TestClient]
AS_SCRIPT = {"accept": "application/json"}


def alerts_in(page: str) -> list[str]:
    return re.findall(r'data-alert="([^"]+)"', page)


def test_the_live_view_asks_for_what_the_person_may_see(client: Client) -> None:
    page = client("supervisor").get("/console").text
    assert '<meta name="voicepipe-stream" content="live=1&amp;alerts=brief">' in page
    page = client("viewer").get("/console").text
    assert '<meta name="voicepipe-stream" content="live=1">' in page
    assert "bell.js" not in page


def rows_in(page: str) -> list[str]:
    return re.findall(r'<tr role="row" data-call="([^"]+)"', page)


def test_the_live_view_comes_with_the_rows_of_its_calls_those_that_need_help_first(client: Client) -> None:
    browser = client("admin")
    page = browser.get("/console").text
    calls = browser.get("/api/v1/calls").json()["calls"]
    assert rows_in(page) == [call["call_id"] for call in calls]
    for call in calls:
        row = page.partition(f'data-call="{call["call_id"]}"')[2].partition("</tr>")[0]
        told = [re.sub("<[^>]+>|\\s+", " ", cell).split() for cell in re.findall("<t[dh].*?</t[dh]>", row, re.DOTALL)]
        assert told == [
            ["High", f"{call['stress']:.0%}"],
            [],
            ["Open", "4:55"],
            [call["queue"] or "–"],
            ["agent-7"],
            ["English"],
            ["5:00"],
            ["100%"],
            [call["call_id"]],
        ]
    assert "3 in progress, 3 with an open episode" in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("queue=claims", ["call-claims"]),
        ("agent_id=agent-7&open=1", ["call-billing", "call-claims", "call-none"]),
        ("language=ru", []),
        ("q=BILL%20agent", ["call-billing"]),
        ("q=english%20none", ["call-none"]),
    ],
)
def test_the_rows_are_those_that_the_address_asks_for(client: Client, query: str, shown: list[str]) -> None:
    page = client("admin").get(f"/console?{query}").text
    assert sorted(rows_in(page)) == shown
    assert ('<div id="live-none">' in page) == (shown == [])


def test_a_page_brings_the_rows_of_a_screen_and_not_of_all_calls(scene: Scene, client: Client) -> None:
    for number in range(100):
        scene.board.on_call_event(CallStarted(call=call_of(f"more-{number}", "billing")))
    page = client("admin").get("/console").text
    assert len(rows_in(page)) == FIRST_ROWS
    assert "103 in progress" in page


def test_a_call_s_name_cannot_become_markup(scene: Scene, client: Client) -> None:
    name = '</script><script>alert(1)</script>&"'
    scene.board.on_call_event(CallStarted(call=call_of(name, "<b>")))
    page = client("admin").get("/console").text
    assert "<script>alert(1)" not in page
    assert "<b>" not in page
    assert len(rows_in(page)) == 4
    assert "/console/calls/%3C%2Fscript%3E" in page


def test_the_line_of_a_call_s_stress(scene: Scene) -> None:
    call = CallInProgress.of(scene.board.calls({"billing"})[0])
    line = call.model_copy(update={"trend": ((100.0, 0.0), (250.0, 1.0), (290.0, 0.5)), "duration_s": 300.0})
    assert sparkline(line) == "70.0,2.0 110.0,12.0 120.0,12.0"
    assert sparkline(line.model_copy(update={"trend": ()})) == ""
    assert sparkline(line.model_copy(update={"duration_s": 900.0})) == ""


@pytest.mark.parametrize(
    ("base_url", "site", "packed"),
    [
        ("https://voice.example", "same-origin", True),
        ("https://voice.example", "none", True),
        ("https://voice.example", "cross-site", False),
        ("https://voice.example", "same-site", False),
        ("https://voice.example", None, False),
        ("http://127.0.0.1:8780", None, True),
    ],
)
def test_pages_are_packed_unless_another_site_had_them_opened(
    client: Client, base_url: str, site: str | None, packed: bool
) -> None:
    browser = client(None, base_url=base_url)
    answer = browser.get("/console/sign-in", headers={"sec-fetch-site": site} if site else {})
    assert (answer.headers.get("content-encoding") == "gzip") == packed
    assert "</html>" in answer.text
    plain = browser.get("/console/sign-in", headers={"sec-fetch-site": "none", "accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers


def test_who_does_not_see_the_live_view_is_led_to_the_alerts(client: Client) -> None:
    answer = client("qa").get("/console")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/alerts")


def test_the_inbox_shows_the_alerts_of_ones_queues_unhandled_first(scene: Scene, client: Client) -> None:
    mine, past = scene.alert_id("call-billing"), scene.alert_id(PAST_CALL)
    supervisor = client("supervisor")
    assert alerts_in(supervisor.get("/console/alerts").text) == [mine, past]
    scene.store.take_alert(mine, by="supervisor")
    assert alerts_in(supervisor.get("/console/alerts").text) == [past, mine]
    assert len(alerts_in(client("admin").get("/console/alerts").text)) == 4
    empty = client("supervisor-of-none").get("/console/alerts").text
    assert alerts_in(empty) == []
    assert client("viewer").get("/console/alerts").status_code == 403


def test_alerts_of_other_queues_push_nothing_out_of_the_inbox(
    scene: Scene, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_ALERTS", 2)
    for number in range(3):
        add_nameless(scene, f"call-{number}")
    assert alerts_in(client("supervisor").get("/console/alerts").text) == [
        scene.alert_id("call-billing"),
        scene.alert_id(PAST_CALL),
    ]


def test_an_alert_says_why_how_sure_and_for_how_long(client: Client) -> None:
    page = client("admin").get("/console/alerts").text
    assert "Nobody listens to me" in page
    assert "1 false alarm" in page
    assert "Going on for" in page


def test_alerts_of_unknown_agents_are_told_apart_by_their_calls(scene: Scene, client: Client) -> None:
    for call_id in ("call-x", "call-y"):
        add_nameless(scene, call_id)
    page = client("admin").get("/console/alerts").text
    assert [one for one in ("call-x", "call-y", "call-none") if f">Call {one}</span>" in page] == ["call-x", "call-y"]
    links = re.findall(r'<a class="alert-call" [^>]+>(.+)</a>', page)
    assert {re.sub("<[^>]+>", "", link) for link in links} >= {"Open the call call-x", "Open the call call-y"}


def test_a_caller_s_words_cannot_become_markup(scene: Scene, client: Client) -> None:
    scene.store.note_alert(scene.alert_id("call-billing"), note="<script>alert(1)</script>", by="<b>eve</b>")
    page = client("admin").get("/console/alerts").text
    assert "<script>alert(1)" not in page
    assert "<b>eve" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("path", ["/console/alerts", "/console/calls/call-billing"])
def test_every_verdict_has_a_button_and_a_key_that_the_help_names(client: Client, path: str) -> None:
    page = client("supervisor").get(path).text
    keys = dict(re.findall(r'aria-keyshortcuts="(\w)" data-act="(\w+)"', page))
    assert {key for key, act in keys.items() if act in get_args(Verdict)} == {"y", "n", "u"}
    told = re.findall(r"<dt><kbd>(\w)</kbd></dt>", page)
    assert {"y", "n", "u"} <= set(told)


def test_taking_answers_with_the_alert_as_it_is_now(scene: Scene, client: Client) -> None:
    event_id = scene.alert_id("call-billing")
    told = client("supervisor").post(f"/console/alerts/{event_id}/take", headers=AS_SCRIPT).json()
    assert (told["won"], told["kind"], told["by"]) == (True, "take", "supervisor")
    assert 'data-taken-by="supervisor"' in told["html"]
    assert ("supervisor", "take", f"alert {event_id}") in scene.actions()
    (feedback,) = scene.store.feedback_of(event_id)
    assert (feedback.outcome, feedback.given_by) == ("taken", "supervisor")
    assert [row.topic for row in scene.store.events_of("call-billing")].count(FEEDBACK_TOPIC) == 1


def test_the_second_is_told_who_was_first(scene: Scene, client: Client) -> None:
    event_id = scene.alert_id("call-billing")
    client("qa").post(f"/console/alerts/{event_id}/verdict", data={"verdict": "false_alarm"}, headers=AS_SCRIPT)
    answer = client("supervisor").post(
        f"/console/alerts/{event_id}/verdict", data={"verdict": "justified"}, headers=AS_SCRIPT
    )
    told = answer.json()
    assert (told["won"], told["by"], told["verdict"]) == (False, "qa", "false_alarm")
    assert "False alarm, says qa" in told["html"]


def test_of_two_who_press_at_the_same_time_one_wins(scene: Scene, client: Client) -> None:
    event_id = scene.alert_id("call-billing")
    browsers = [client(name) for name in ("supervisor", "qa", "admin")]
    barrier = threading.Barrier(len(browsers))

    def press(browser: TestClient) -> Any:
        barrier.wait()
        return browser.post(f"/console/alerts/{event_id}/take", headers=AS_SCRIPT).json()

    with ThreadPoolExecutor(len(browsers)) as pool:
        told = list(pool.map(press, browsers))
    assert sorted(one["won"] for one in told) == [False, False, True]
    assert len({one["by"] for one in told}) == 1


def test_what_was_taken_is_given_back_by_who_took_it_or_an_admin(scene: Scene, client: Client) -> None:
    event_id = scene.alert_id("call-billing")
    supervisor, qa, admin = (client(person) for person in ("supervisor", "qa", "admin"))

    def press(browser: TestClient, what: str) -> tuple[bool, str]:
        told = browser.post(f"/console/alerts/{event_id}/{what}", headers=AS_SCRIPT).json()
        assert told["kind"] == what
        return told["won"], told["by"]

    assert press(supervisor, "take") == (True, "supervisor")
    assert press(qa, "release") == (False, "supervisor")
    assert press(supervisor, "release") == (True, "supervisor")
    assert press(supervisor, "release") == (True, "supervisor"), "nobody holds it: so it is as was asked"
    assert "supervisor gave it back" in client("qa").get("/console/alerts").text
    assert press(qa, "take") == (True, "qa")
    assert press(admin, "release") == (True, "admin")
    assert [line for line in scene.actions() if line[1] != "sign_in"] == [
        (who, what, f"alert {event_id}")
        for who, what in (("supervisor", "take"), ("supervisor", "release"), ("qa", "take"), ("admin", "release"))
    ]
    alert = scene.store.alert(event_id)
    assert alert is not None
    assert not alert.is_handled


def test_a_note_is_kept_under_the_name_of_who_wrote_it(scene: Scene, client: Client) -> None:
    event_id = scene.alert_id("call-billing")
    told = client("supervisor").post(
        f"/console/alerts/{event_id}/note", data={"note": "  calls back\r\nat noon "}, headers=AS_SCRIPT
    )
    assert told.json()["won"]
    (feedback,) = scene.store.feedback_of(event_id)
    assert (feedback.note, feedback.given_by) == ("calls back\nat noon", "supervisor")


@pytest.mark.parametrize(
    ("path", "fields"),
    [("verdict", {}), ("verdict", {"verdict": "maybe"}), ("note", {"note": "  "}), ("note", {"note": "x" * 4001})],
)
def test_what_makes_no_sense_is_refused(scene: Scene, client: Client, path: str, fields: dict[str, str]) -> None:
    event_id = scene.alert_id("call-billing")
    assert client("supervisor").post(f"/console/alerts/{event_id}/{path}", data=fields).status_code == 422
    assert scene.store.feedback_of(event_id) == ()


@pytest.mark.parametrize("path", ["", "/take", "/release", "/verdict", "/note"])
def test_alerts_of_other_queues_are_not_there(scene: Scene, client: Client, path: str) -> None:
    browser, event_id = client("supervisor"), scene.alert_id("call-claims")
    fields = {"verdict": "justified", "note": "hello"}
    for one in (event_id, "00000000-0000-4000-8000-000000000000", "nonsense"):
        address = f"/console/alerts/{one}{path}"
        answer = browser.post(address, data=fields) if path else browser.get(address)
        assert answer.status_code == 404
    assert scene.store.feedback_of(event_id) == ()


def test_without_a_script_one_comes_back_to_the_inbox(scene: Scene, client: Client) -> None:
    event_id = scene.alert_id("call-billing")
    answer = client("supervisor").post(f"/console/alerts/{event_id}/take")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/alerts#alert-{event_id}")


def test_a_link_to_an_alert_leads_to_its_call(scene: Scene, client: Client) -> None:
    event_id = scene.alert_id("call-billing")
    answer = client("supervisor").get(f"/console/alerts/{event_id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/calls/call-billing#alert-{event_id}")


def test_while_the_store_is_away_nothing_can_be_taken(
    scene: Scene, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, event_id = client("supervisor"), scene.alert_id("call-billing")

    def fail(*_: object, **__: object) -> None:
        raise StoreError("away")

    monkeypatch.setattr(scene.store, "take_alert", fail)
    answer = browser.post(f"/console/alerts/{event_id}/take", headers=AS_SCRIPT | {"sec-fetch-mode": "cors"})
    assert answer.status_code == 503


@pytest.mark.parametrize(
    ("person", "query", "status"),
    [
        ("viewer", "alerts=brief", 403),
        ("viewer", "call=call-billing", 403),
        ("qa", "live=1", 403),
        ("supervisor", "call=call-claims", 404),
    ],
)
def test_the_stream_has_no_more_than_the_person_may_see(client: Client, person: str, query: str, status: int) -> None:
    assert client(person).get(f"/console/stream?{query}").status_code == status


def test_too_many_consoles_are_told_to_come_later(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.web.hub.MOST_CONSOLES", 0)
    answer = client("viewer").get("/console/stream?live=1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


PAGES = {
    "/console": "live=1&amp;alerts=brief",
    "/console/alerts": "alerts=cards&amp;known=",
    "/console/calls/call-billing": "alerts=brief&amp;call=call-billing",
    "/console/history": "alerts=brief",
    "/console/quality": "alerts=brief",
    "/console/audit": "alerts=brief",
    "/console/nothing-of-the-kind": "alerts=brief",
}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_counts_the_open_alerts(client: Client, path: str) -> None:
    page = client("admin").get(path).text
    assert f'<meta name="voicepipe-stream" content="{PAGES[path]}' in page
    assert page.count("/static/stream.js") == page.count("/static/bell.js") == 1
    assert page.count('id="alerts-open"') == page.count('id="bell-sound"') == 1


def test_who_is_not_signed_in_follows_nothing(client: Client) -> None:
    page = client().get("/console/sign-in").text
    assert "voicepipe-stream" not in page
    assert "bell.js" not in page


@pytest.mark.parametrize("path", PAGES)
def test_the_help_names_the_key_of_the_search_where_there_is_one(client: Client, path: str) -> None:
    page = client("admin").get(path).text
    assert ("<kbd>/</kbd>" in page) == ('type="search"' in page)


@pytest.mark.parametrize("path", PAGES)
def test_what_the_page_says_by_script_is_in_the_page(client: Client, path: str) -> None:
    """Every text that a script asks for is carried by the page, whoever looks at it."""
    page = client("admin").get(path).text
    carried = set(re.findall(r'<template data-text="([^"]+)">', page))
    asked: set[str] = set()
    for script in re.findall(r"/static/([a-z]+\.js)", page):
        text = (files("voicepipe.web") / "static" / script).read_text("utf-8")
        asked |= set(re.findall(r'\bt\("([a-z-]+)"', text))
    assert {"live-count"} <= asked or path != "/console"
    assert asked <= carried, asked - carried
