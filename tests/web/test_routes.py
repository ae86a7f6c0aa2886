"""Every route as every role and as nobody: who gets what stands in a table here, which no code of the console knows."""

import asyncio
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.web.scene import QUEUES, TOKENS, Scene
from voicepipe.web.app import console_table
from voicepipe.web.headers import HEADERS

ROLES = ("nobody", "viewer", "supervisor", "supervisor-of-none", "qa", "admin")
"""The columns of the table; of the supervisors one has the queue billing, the other none; QA has billing and claims."""

TABLE: dict[tuple[str, str], tuple[int, int, int, int, int, int]] = {
    ("GET", "/"): (303, 303, 303, 303, 303, 303),
    ("GET", "/console/sign-in"): (200, 303, 303, 303, 303, 303),
    ("POST", "/console/sign-in"): (403, 401, 401, 401, 401, 401),
    ("POST", "/console/preferences"): (403, 303, 303, 303, 303, 303),
    ("GET", "/console/audit"): (303, 403, 403, 403, 403, 200),
    ("GET", "/console"): (303, 200, 200, 200, 303, 200),
    ("GET", "/console/stream"): (401, 200, 200, 200, 200, 200),
    ("GET", "/console/alerts"): (303, 403, 200, 200, 200, 200),
    ("GET", "/console/alerts/{event_id}"): (303, 403, 303, 404, 303, 303),
    ("POST", "/console/alerts/{event_id}/take"): (303, 403, 303, 404, 303, 303),
    ("POST", "/console/alerts/{event_id}/release"): (303, 403, 303, 404, 303, 303),
    ("POST", "/console/alerts/{event_id}/verdict"): (303, 403, 303, 404, 303, 303),
    ("POST", "/console/alerts/{event_id}/note"): (303, 403, 303, 404, 303, 303),
    ("GET", "/console/calls/{call_id}"): (303, 403, 200, 404, 200, 200),
    ("GET", "/console/call/timeline/{call_id}"): (303, 403, 200, 404, 200, 200),
    ("GET", "/console/call/story/{call_id}"): (303, 403, 200, 404, 200, 200),
    ("GET", "/console/call/news/{call_id}"): (303, 403, 200, 404, 200, 200),
    ("POST", "/console/call/copied/{call_id}"): (303, 403, 204, 404, 204, 204),
    ("GET", "/console/history"): (303, 403, 200, 200, 200, 200),
    ("GET", "/console/quality"): (303, 403, 403, 403, 200, 200),
    ("GET", "/api/v1/openapi.json"): (200, 200, 200, 200, 200, 200),
    ("GET", "/api/v1/me"): (401, 200, 200, 200, 200, 200),
    ("GET", "/api/v1/calls"): (401, 200, 200, 200, 403, 200),
    ("GET", "/api/v1/calls/{call_id}"): (401, 403, 200, 404, 200, 200),
    ("GET", "/api/v1/alerts"): (401, 403, 200, 200, 200, 200),
    ("GET", "/api/v1/alerts/{event_id}"): (401, 403, 200, 404, 200, 200),
    ("POST", "/api/v1/alerts/{event_id}/take"): (401, 403, 200, 404, 200, 200),
    ("POST", "/api/v1/alerts/{event_id}/release"): (401, 403, 200, 404, 200, 200),
    ("POST", "/api/v1/alerts/{event_id}/verdict"): (401, 403, 200, 404, 200, 200),
    ("POST", "/api/v1/alerts/{event_id}/note"): (401, 403, 200, 404, 200, 200),
    ("GET", "/api/v1/quality"): (401, 403, 403, 403, 200, 200),
    ("GET", "/api/v1/audit"): (401, 403, 403, 403, 403, 200),
    ("GET", "/api/v1/stream"): (401, 200, 200, 200, 200, 200),
    ("POST", "/console/sign-out"): (303, 303, 303, 303, 303, 303),
}
"""Status by role, for the call and the alert of the queue billing. Signing out comes last: it ends the session."""

SEES = {
    "call-billing": ("supervisor", "qa", "admin"),
    "call-claims": ("qa", "admin"),
    "call-none": ("admin",),
}
"""Who, of those that may see calls at all, sees each call of the scene."""

BODIES: dict[str, dict[str, str]] = {"verdict": {"verdict": "justified"}, "note": {"note": "called back"}}


def test_the_table_has_every_route_and_no_other(scene: Scene) -> None:
    routes = console_table(scene.console)
    places = [(method, route.path.replace(":path}", "}")) for route in routes for method in route.methods]
    assert sorted(places) == sorted(TABLE)
    assert len({route.name for route in routes}) == len(routes)


def ask(scene: Scene, browser: TestClient, method: str, path: str, *, call_id: str = "call-billing") -> int:
    """Ask for a place as a person does; of a stream only the beginning of the answer."""
    address = path.format(call_id=call_id, event_id=scene.alert_id(call_id))
    if address.endswith("/stream"):
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
        if "authorization" in browser.headers:
            headers["authorization"] = browser.headers["authorization"]
        return asyncio.run(status_of_stream(scene, address, headers))
    body = BODIES.get(address.rpartition("/")[2], {})
    if method == "GET":
        return browser.get(address).status_code
    answer = browser.post(address, json=body) if address.startswith("/api") else browser.post(address, data=body)
    return answer.status_code


async def status_of_stream(scene: Scene, path: str, headers: dict[str, str]) -> int:
    """Return the status that a stream begins with."""
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8780"), *((k.encode(), v.encode()) for k, v in headers.items())],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8780),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
    }

    async def receive() -> Any:
        await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert {(name.encode(), value.encode()) for name, value in HEADERS.items()} <= set(message["headers"])
            started.set_result(message["status"])

    answering = asyncio.ensure_future(scene.app(scope, receive, send))
    try:
        return await asyncio.wait_for(started, 10)
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


@pytest.mark.parametrize("role", ROLES)
def test_everybody_gets_what_the_table_says(scene: Scene, role: str) -> None:
    browser = scene.client(None if role == "nobody" else role)
    found = {place: ask(scene, browser, *place) for place in TABLE}
    assert found == {place: statuses[ROLES.index(role)] for place, statuses in TABLE.items()}
    assert scene.failures == []


@pytest.mark.parametrize("role", ROLES[1:])
def test_a_token_in_the_header_opens_what_a_session_does_in_the_api_and_nothing_else(scene: Scene, role: str) -> None:
    browser = scene.client()
    browser.headers["authorization"] = f"Bearer {TOKENS[role]}"
    api = [place for place in TABLE if place[1].startswith("/api")]
    assert {place: ask(scene, browser, *place) for place in api} == {
        place: TABLE[place][ROLES.index(role)] for place in api
    }
    pages = [place for place in TABLE if place not in api]
    assert {place: ask(scene, browser, *place) for place in pages} == {place: TABLE[place][0] for place in pages}


@pytest.mark.parametrize("role", ["supervisor", "supervisor-of-none", "qa", "admin"])
def test_calls_of_other_queues_are_not_there(scene: Scene, role: str) -> None:
    browser, found = scene.client(role), {}
    places = [(method, path) for method, path in TABLE if "{" in path]
    for call_id in QUEUES:
        statuses = {ask(scene, browser, *place, call_id=call_id) for place in places}
        found[call_id] = "none" if statuses == {404} else "all" if 404 not in statuses else f"some: {statuses}"
    assert found == {call_id: "all" if role in who else "none" for call_id, who in SEES.items()}


@pytest.mark.parametrize("role", ["viewer", "supervisor", "supervisor-of-none", "qa", "admin"])
def test_lists_hold_nothing_of_other_queues(scene: Scene, role: str) -> None:
    browser = scene.client(role)
    seen = {call_id for call_id, who in SEES.items() if role in who}
    if role == "viewer":
        seen = set(QUEUES)
    places = ["/console", "/console/alerts", "/console/history", "/console/quality", "/api/v1/calls", "/api/v1/alerts"]
    for path in places:
        answer = browser.get(path)
        if answer.status_code == 200:
            assert not [call_id for call_id in set(QUEUES) - seen if call_id in answer.text], path
    calls = browser.get("/api/v1/calls")
    if calls.status_code == 200:
        assert {call["call_id"] for call in calls.json()["calls"]} == seen
    alerts = browser.get("/api/v1/alerts")
    if alerts.status_code == 200:
        past = {"call-past"} if "call-billing" in seen else set()
        assert {alert["call_id"] for alert in alerts.json()["alerts"]} == seen | past
    if browser.get("/api/v1/quality").status_code == 200:
        assert browser.get("/api/v1/quality").json()["alerts"]["overall"]["alerts"] == len(seen) + 1


def test_an_unknown_call_looks_like_one_of_another_queue(scene: Scene) -> None:
    browser = scene.client("supervisor")
    for path in ("/console/calls/{}", "/api/v1/calls/{}"):
        unknown, foreign = (browser.get(path.format(call_id)) for call_id in ("call-nowhere", "call-claims"))
        assert unknown.status_code == foreign.status_code == 404
        assert unknown.text.replace("nowhere", "claims") == foreign.text


@pytest.mark.parametrize("role", ["nobody", "admin"])
def test_every_answer_has_the_headers(scene: Scene, role: str) -> None:
    browser = scene.client(None if role == "nobody" else role)
    answers = [
        browser.request(method, path.format(call_id="call-billing", event_id=scene.alert_id("call-billing")))
        for method, path in TABLE
        if not path.endswith("/stream")
    ]
    answers += [browser.get(path) for path in ("/console/none", "/api/v1/none", "/static/none", "/static/console.css")]
    answers += [browser.request(method, "/console") for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "HEAD")]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.url
        cached = answer.headers["cache-control"]
        assert cached == ("no-cache" if answer.url.path == "/static/console.css" else "no-store"), answer.url
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_methods_that_a_place_does_not_have(scene: Scene) -> None:
    browser = scene.client("admin")
    assert browser.head("/console").status_code == 200
    assert browser.head("/console/stream").status_code == 405
    for method, path in [
        ("POST", "/console"),
        ("GET", "/console/sign-out"),
        ("DELETE", "/api/v1/alerts"),
        ("BREW", "/"),
    ]:
        answer = browser.request(method, path)
        assert answer.status_code == 405, (method, path)
        assert answer.headers["allow"]


def test_static_files_are_compressed_for_who_takes_that(scene: Scene) -> None:
    browser = scene.client(None)
    plain = browser.get("/static/console.css", headers={"accept-encoding": "identity"})
    packed = browser.get("/static/console.css", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 3


def test_static_files_are_kept_by_the_mark_of_their_content(scene: Scene) -> None:
    browser = scene.client()
    page = browser.get("/console/sign-in").text
    address = page.partition('href="/static/console.css')[2].partition('"')[0]
    assert address.startswith("?v=")
    kept = browser.get(f"/static/console.css{address}")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = browser.get("/static/console.css?v=other")
    assert again.headers["cache-control"] == "no-cache"
    assert browser.get("/static/console.css", headers={"if-none-match": again.headers["etag"]}).status_code == 304
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/"):
        assert browser.get(path).status_code in (404, 405)
