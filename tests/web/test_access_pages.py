"""Coming in and going out: sessions, cookies, forged requests, wrong tokens, and what the audit log says of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.web.scene import PEOPLE, TOKENS, Scene, csrf_in, make_scene, sign_in
from voicepipe.types import StoreError
from voicepipe.web.access_pages import place_within
from voicepipe.web.app import guarded
from voicepipe.web.config import ConsoleConfig
from voicepipe.web.frame import ConsoleRoute
from voicepipe.web.people import Permission
from voicepipe.web.sessions import csrf_of, new_secret
from voicepipe.web.visit import Visit, visit_of

COOKIE = "voicepipe"


def attempt(browser: TestClient, token: str, **fields: str) -> Any:
    """Send the form of the sign-in once more, without loading it anew."""
    return browser.post("/console/sign-in", data={"csrf": csrf_of(browser.cookies[COOKIE]), "token": token, **fields})


def test_nobody_is_led_to_the_sign_in_and_back(scene: Scene) -> None:
    browser = scene.client()
    assert browser.get("/").headers["location"] == "/console/sign-in"
    answer = browser.get("/console/audit?before=7")
    assert answer.headers["location"] == "/console/sign-in?next=/console/audit%3Fbefore%3D7"
    page = browser.get(answer.headers["location"]).text
    assert 'name="next" value="/console/audit?before=7"' in page
    answer = sign_in(browser, TOKENS["admin"], next="/console/audit?before=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/audit?before=7")
    assert browser.get("/console/audit").status_code == 200


@pytest.mark.parametrize(("role", "place"), [("viewer", "/console"), ("qa", "/console/alerts")])
def test_everybody_begins_where_they_may(scene: Scene, role: str, place: str) -> None:
    assert scene.client(role).get("/").headers["location"] == place


def test_a_script_and_a_part_of_a_page_are_not_led_away(scene: Scene) -> None:
    browser = scene.client()
    part = browser.get("/console/alerts", headers={"hx-request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/console/sign-in")
    script = browser.post("/console/alerts/x/take", headers={"sec-fetch-mode": "cors"})
    assert (script.status_code, script.headers["content-type"]) == (401, "text/plain; charset=utf-8")


ELSEWHERE = (
    "//evil.example/console", "https://evil.example/console", "/\\evil.example", "/console\\..\\..", "/console/../x",
    "javascript:alert(1)", "console", "", "/", "/consolex", "/console\n/x", "/console/%2e./\t", "//[",
    "http:/console", "/console\x00", "\t//evil.example", "/api/v1/me", "/static/x",
)  # fmt: skip


def test_the_way_back_leads_nowhere_else(scene: Scene) -> None:
    browser = scene.client()
    browser.get("/console/sign-in")
    assert [path for path in ELSEWHERE if place_within(path) is not None] == []
    for path in ELSEWHERE[:6]:
        assert attempt(browser, TOKENS["viewer"], next=path).headers["location"] == "/"


@pytest.mark.parametrize("path", ["/console", "/console/calls/a%2Fb?at=3", "/console/alerts#alert-1"])
def test_the_way_back_leads_to_pages(path: str) -> None:
    assert place_within(path) == path


def test_a_wrong_token_gets_one_sentence_whoever_may_be_meant(scene: Scene) -> None:
    answers = []
    for token in ("no such token at all", TOKENS["admin"][:-1], TOKENS["admin"] + "x", "", "ä" * 40):
        browser = scene.client()
        browser.get("/console/sign-in")
        answers.append(attempt(browser, token))
    assert {answer.status_code for answer in answers} == {401}
    pages = {
        answer.text.replace(csrf_in(answer.text), "").partition("<main")[2].partition("</main>")[0]
        for answer in answers
    }
    assert len(pages) == 1
    assert "This token is not known." in pages.pop()
    assert scene.actions() == [("", "sign_in_refused", "console")] * 5


def test_wrong_tokens_of_an_address_are_counted(scene: Scene) -> None:
    browser = scene.client()
    browser.get("/console/sign-in")
    statuses = [attempt(browser, f"wrong token number {i}").status_code for i in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    right = attempt(browser, TOKENS["admin"])
    assert right.status_code == 429
    assert 0 < int(right.headers["retry-after"]) <= 60
    assert (
        scene.client("admin", address="192.0.2.7", base_url="http://127.0.0.1:8780").get("/console").status_code == 200
    )
    assert browser.get("/api/v1/me", headers={"authorization": f"Bearer {TOKENS['admin']}"}).status_code == 429
    scene.clock.advance(seconds=61)
    assert attempt(browser, TOKENS["admin"]).status_code == 303
    assert len(scene.actions()) == 12


def test_wrong_tokens_of_all_addresses_are_counted(tmp_path: Path) -> None:
    config = ConsoleConfig(people=PEOPLE, sign_in_attempts_per_minute_in_total=20)
    with (scene := make_scene(tmp_path, config=config)).store:
        app = scene.app
        known = TestClient(app, client=("192.0.2.200", 1), base_url="http://127.0.0.1", follow_redirects=False)
        sign_in(known, TOKENS["viewer"])
        statuses = []
        for i in range(25):
            browser = TestClient(app, client=(f"198.51.100.{i}", 1), base_url="http://127.0.0.1")
            browser.get("/console/sign-in")
            statuses.append(attempt(browser, "a wrong token again").status_code)
        assert statuses == [401] * 20 + [429] * 5
        assert known.get("/api/v1/me", headers={"authorization": f"Bearer {TOKENS['viewer']}"}).status_code == 200
        assert known.get("/console").status_code == 200


@pytest.mark.parametrize(
    ("base_url", "public_url", "name", "secure"),
    [
        ("http://127.0.0.1:8780", None, "voicepipe", False),
        ("https://console.example.org", None, "__Host-voicepipe", True),
        ("http://127.0.0.1:8780", "https://console.example.org", "__Host-voicepipe", True),
    ],
)
def test_the_cookie(tmp_path: Path, base_url: str, public_url: str | None, name: str, secure: bool) -> None:
    config = ConsoleConfig(people=PEOPLE, public_url=public_url)
    with (scene := make_scene(tmp_path, config=config)).store:
        browser = scene.client(base_url=base_url)
        cookie = browser.get("/console/sign-in").headers["set-cookie"]
        value, *attributes = cookie.split("; ")
        assert value.startswith(f"{name}=")
        assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=lax"} | ({"Secure"} if secure else set())
        likes = browser.post(
            "/console/preferences",
            data={"csrf": csrf_of(value.partition("=")[2]), "language": "ru"},
            headers={"cookie": value},
        )
        assert ("Secure" in likes.headers["set-cookie"]) is secure


def test_signing_in_gives_a_new_secret(scene: Scene) -> None:
    browser, planted = scene.client(), new_secret()
    browser.cookies.set(COOKIE, planted, domain="127.0.0.1", path="/")
    assert browser.get("/console/sign-in").status_code == 200
    answer = attempt(browser, TOKENS["admin"])
    assert answer.status_code == 303
    assert planted not in answer.headers["set-cookie"]
    thief = scene.client()
    thief.cookies.set(COOKIE, planted, domain="127.0.0.1", path="/")
    assert thief.get("/console").status_code == 303


def test_signing_in_again_ends_the_session_before(scene: Scene) -> None:
    browser = scene.client("admin")
    before = browser.cookies[COOKIE]
    assert attempt(browser, TOKENS["viewer"]).status_code == 303
    assert browser.get("/api/v1/me").json()["name"] == "viewer"
    old = scene.client()
    old.cookies.set(COOKIE, before, domain="127.0.0.1", path="/")
    assert old.get("/console").status_code == 303


def test_the_store_holds_no_secret(scene: Scene, tmp_path: Path) -> None:
    browser = scene.client("admin")
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert browser.cookies[COOKIE].encode() not in kept
    assert not [token for token in TOKENS.values() if token.encode() in kept]


def test_signing_out_ends_the_session_on_the_server(scene: Scene) -> None:
    browser = scene.client("supervisor")
    secret = browser.cookies[COOKIE]
    assert browser.post("/console/sign-out").headers["location"] == "/console/sign-in"
    assert browser.get("/console").status_code == 303
    copied = scene.client()
    copied.cookies.set(COOKIE, secret, domain="127.0.0.1", path="/")
    assert copied.get("/console").status_code == 303
    assert [action for _, action, _ in scene.actions()] == ["sign_in", "sign_out"]


def test_a_session_outlives_a_restart(scene: Scene, tmp_path: Path) -> None:
    secret = scene.client("supervisor").cookies[COOKIE]
    scene.store.close()
    with (again := make_scene(tmp_path)).store:
        browser = again.client()
        browser.cookies.set(COOKIE, secret, domain="127.0.0.1", path="/")
        assert browser.get("/api/v1/me").json()["name"] == "supervisor"
        assert browser.get("/console").status_code == 200


def test_a_session_ends_when_it_is_not_used(scene: Scene) -> None:
    browser = scene.client("viewer")
    for _ in range(4):
        scene.clock.advance(minutes=59)
        assert browser.get("/console").status_code == 200
    scene.clock.advance(minutes=60)
    assert browser.get("/console").status_code == 303
    scene.clock.advance(minutes=-60)
    assert browser.get("/console").status_code == 303


def test_a_session_ends_however_much_it_is_used(scene: Scene) -> None:
    browser = scene.client("viewer")
    for _ in range(23):
        scene.clock.advance(minutes=30)
        assert browser.get("/console").status_code == 200
    scene.clock.advance(minutes=30)
    assert browser.get("/console").status_code == 303


@pytest.mark.parametrize("change", ["token", "gone"])
def test_a_session_ends_with_the_token_that_opened_it(scene: Scene, tmp_path: Path, change: str) -> None:
    secret = scene.client("qa").cookies[COOKIE]
    others = tuple(person for person in PEOPLE if person.name != "qa")
    qa = next(person for person in PEOPLE if person.name == "qa")
    fresh = (qa.model_copy(update={"token": SecretStr("another-token-of-qa")}),) if change == "token" else ()
    scene.store.close()
    with (again := make_scene(tmp_path, config=ConsoleConfig(people=others + fresh))).store:
        browser = again.client()
        browser.cookies.set(COOKIE, secret, domain="127.0.0.1", path="/")
        assert browser.get("/console/alerts").status_code == 303


@pytest.mark.parametrize("value", ["", "x", "a" * 43, "é" * 43, "../" * 20, "a" * 5000])
def test_a_cookie_that_is_none_of_ours_opens_nothing(scene: Scene, value: str) -> None:
    browser = scene.client()
    answer = browser.get("/console", headers=[("cookie", f"{COOKIE}={value}".encode())])
    assert answer.status_code == 303


FORGERIES: dict[str, Callable[[TestClient], dict[str, Any]]] = {
    "no token": lambda browser: {"headers": {"x-csrf-token": ""}},
    "another's token": lambda browser: {"headers": {"x-csrf-token": csrf_of(new_secret())}},
    "a token that is no text": lambda browser: {"headers": [("x-csrf-token", "\xff".encode("latin-1"))]},
    "the secret itself": lambda browser: {"headers": {"x-csrf-token": browser.cookies[COOKIE]}},
    "the right token from another site": lambda browser: {"headers": {"sec-fetch-site": "cross-site"}},
    "the right token from a sister site": lambda browser: {"headers": {"sec-fetch-site": "same-site"}},
    "the token in the query": lambda browser: {
        "headers": {"x-csrf-token": ""},
        "params": {"csrf": csrf_of(browser.cookies[COOKIE])},
    },
}


@pytest.mark.parametrize(
    "path", ["/console/sign-out", "/console/preferences", "/console/alerts/{}/take", "/api/v1/alerts/{}/take"]
)
def test_a_forged_request_changes_nothing(scene: Scene, path: str) -> None:
    browser = scene.client("supervisor")
    address, before = path.format(scene.alert_id("call-billing")), scene.actions()
    for forgery, forged in FORGERIES.items():
        answer = browser.post(address, **forged(browser))
        assert answer.status_code == 403, forgery
        assert "set-cookie" not in answer.headers
        assert scene.actions() == before
    assert browser.post(address).status_code in (200, 303)


def test_signing_in_cannot_be_forged(scene: Scene) -> None:
    """Else a page of another site could sign somebody in as its owner, and read what they then note."""
    browser = scene.client()
    assert browser.post("/console/sign-in", data={"token": TOKENS["admin"]}).status_code == 403
    browser.get("/console/sign-in")
    assert browser.post("/console/sign-in", data={"token": TOKENS["admin"]}).status_code == 403
    assert scene.actions() == []


def test_bodies_that_are_not_read(scene: Scene) -> None:
    browser = scene.client("admin")
    form = "application/x-www-form-urlencoded"
    cases = [
        (b"a=" + b"x" * 70_000, form, 413),
        (b"a=1", "multipart/form-data; boundary=x", 415),
        (b"a=1", "text/plain", 415),
        (b"a=\xff", form, 400),
        (b"a=%ff", form, 400),
        (b"&".join(b"a%d=1" % i for i in range(60)), form, 400),
        (b"language=xx", form, 400),
        (b"language=ru%00", form, 400),
    ]
    for body, kind, status in cases:
        answer = browser.post("/console/preferences", content=body, headers={"content-type": kind})
        assert answer.status_code == status, body[:20]
    for body, kind, status in [
        (b"{" * 70_000, "application/json", 413),
        (b"a=1", form, 415),
        (b"{", "application/json", 422),
    ]:
        address = f"/api/v1/alerts/{scene.alert_id('call-billing')}/note"
        assert browser.post(address, content=body, headers={"content-type": kind}).status_code == status


def test_what_no_text_of_the_store_can_hold_is_refused(scene: Scene) -> None:
    browser = scene.client("admin")
    for path in (
        "/console/calls/a%00b",
        "/api/v1/calls/%00",
        "/console/history?queue=%00",
        "/api/v1/alerts?queue=a%00",
    ):
        assert browser.get(path).status_code == 400, path


def test_language_and_theme_stay_on_the_device(scene: Scene) -> None:
    browser = scene.client()
    browser.get("/console/sign-in")
    csrf = csrf_of(browser.cookies[COOKIE])
    answer = browser.post(
        "/console/preferences", data={"csrf": csrf, "language": "ru", "theme": "dark", "next": "/console/sign-in"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    page = browser.get("/console/sign-in").text
    assert '<html lang="ru" data-theme="dark"' in page
    assert "Ваш токен" in page


def test_the_language_is_the_persons_then_the_browsers(tmp_path: Path) -> None:
    people = tuple(person.model_copy(update={"language": "zh"}) for person in PEOPLE)
    with (scene := make_scene(tmp_path, config=ConsoleConfig(people=people))).store:
        browser = scene.client()
        assert 'lang="ru"' in browser.get("/console/sign-in", headers={"accept-language": "fr, ru;q=0.8"}).text
        sign_in(browser, TOKENS["admin"])
        assert '<html lang="zh"' in browser.get("/console/audit", headers={"accept-language": "ru"}).text


def test_the_audit_log_shows_everything_and_lets_nobody_change_it(scene: Scene) -> None:
    browser = scene.client("admin")
    supervisor = scene.client("supervisor")
    supervisor.get("/console/calls/call-billing")
    supervisor.post(f"/console/alerts/{scene.alert_id('call-billing')}/take")
    supervisor.post("/console/sign-out")
    page = browser.get("/console/audit").text
    for word in ("signed in", "opened a call", "took an alert", "signed out", "call call-billing", "supervisor"):
        assert word in page
    assert page.count('method="post"') == 2  # the preferences and signing out
    assert ("admin", "see_audit", "console") in scene.actions()


def test_the_audit_log_is_paged(scene: Scene) -> None:
    browser = scene.client("admin")
    for i in range(150):
        scene.store.note_act(actor="somebody", action="tested", subject=f"thing-{i:03}")
    first = browser.get("/console/audit").text
    assert "thing-149" in first
    assert "thing-010" not in first
    older = first.partition('rel="next" href="')[2].partition('"')[0]
    second = browser.get(older).text
    assert "thing-010" in second
    assert "thing-149" not in second
    assert 'rel="next"' not in second
    for wrong in ("x", "-1", "1" * 30, "٣"):
        assert browser.get(f"/console/audit?before={wrong}").status_code == 400


def test_markup_in_what_people_write_is_text(scene: Scene) -> None:
    scene.store.note_act(
        actor="<script>x</script>", action="<b>", subject='"><img src=x>', reason="<i>", details={"<u>": "<s>"}
    )
    page = scene.client("admin").get("/console/audit").text
    for markup in ("<script>x", "<b>", "<img src=x", "<i>", "<u>", "<s>"):
        assert markup not in page


def test_a_store_that_is_away_is_said_and_nothing_is_done(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = scene.client("supervisor")

    def away(*args: object, **kwargs: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(scene.store, "session", away)
    page = browser.get("/console")
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "The store cannot be reached" in page.text
    assert browser.get("/api/v1/me").json()["error"] in page.text
    assert {where for where, _ in scene.failures} == {"console"}


def test_a_fault_of_the_console_is_told_to_the_operator_and_not_to_the_viewer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = scene.client("supervisor")

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(scene.board, "calls", broken)
    answer = browser.get("/api/v1/calls")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert [str(error) for _, error in scene.failures] == ["secret detail"]


def test_a_stream_may_go_on_while_the_session_does(scene: Scene) -> None:
    visits: list[Visit] = []

    async def keep(request: Request) -> Response:
        visits.append(visit_of(request))
        return Response()

    browser = scene.client("supervisor")
    route = ConsoleRoute(path="/console/kept", endpoint=keep, permission=Permission.ENTER, name="kept")
    inside = TestClient(Starlette(routes=[Route(route.path, guarded(scene.console, route))]), base_url=browser.base_url)
    inside.cookies.set(COOKIE, browser.cookies[COOKIE], domain="127.0.0.1", path="/")
    assert inside.get("/console/kept").status_code == 200
    (visit,) = visits
    for _ in range(3):
        scene.clock.advance(minutes=50)
        assert asyncio.run(visit.is_still_in())
    assert browser.get("/console").status_code == 200
    browser.post("/console/sign-out")
    assert not asyncio.run(visit.is_still_in())
