"""The API: its document, what it answers, and what schemathesis makes of it."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import openapi_spec_validator
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from starlette.testclient import TestClient

from tests.web.scene import PEOPLE, TOKENS, Scene, make_scene
from voicepipe.web.app import console_table
from voicepipe.web.config import ConsoleConfig


@pytest.fixture
def api(scene: Scene) -> TestClient:
    """A system that has the supervisor's token."""
    client = scene.client()
    client.headers["authorization"] = f"Bearer {TOKENS['supervisor']}"
    return client


def test_the_document_is_valid_openapi_3_1(scene: Scene) -> None:
    document = scene.client().get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)


def test_the_document_names_every_place(scene: Scene) -> None:
    document = scene.client().get("/api/v1/openapi.json").json()
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    routes = [route for route in console_table(scene.console) if route.path.startswith("/api/")]
    assert described == {(method, route.path.replace(":path}", "}")) for route in routes for method in route.methods}


def test_the_document_tells_what_each_event_of_the_stream_holds(scene: Scene) -> None:
    document = scene.client().get("/api/v1/openapi.json").json()
    told = document["paths"]["/api/v1/stream"]["get"]["description"]
    for name in ("CallsNews", "AlertsNews", "CallNews", "StateNews"):
        assert f"`{name}`" in told
        assert document["components"]["schemas"][name]["properties"]["now"]
    assert document["components"]["schemas"]["CallsNews"]["properties"]["calls"]["items"] == {
        "$ref": "#/components/schemas/CallInProgress"
    }, "the stream tells of a call what the list of calls does"


def test_calls_in_progress(api: TestClient) -> None:
    (call,) = api.get("/api/v1/calls").json()["calls"]
    assert call | {"trend": None, "episode": None} == {
        "call_id": "call-billing",
        "queue": "billing",
        "agent_id": "agent-7",
        "language": "en",
        "started_at": "2026-03-01T09:55:00Z",
        "duration_s": 300.0,
        "ended": False,
        "stress": call["stress"],
        "level": "high",
        "trend": None,
        "coverage": 1.0,
        "episode": None,
        "episodes": 1,
        "scope": None,
    }
    assert call["episode"]["reasons"] == ["stress_persisted"]
    assert api.get("/api/v1/calls", params={"queue": "claims"}).json()["calls"] == []
    assert len(api.get("/api/v1/calls", params={"queue": "billing", "agent_id": "agent-7"}).json()["calls"]) == 1


@pytest.mark.parametrize(("call_id", "is_live"), [("call-billing", True), ("call-past", False)])
def test_a_call(scene: Scene, api: TestClient, call_id: str, is_live: bool) -> None:
    call = api.get(f"/api/v1/calls/{call_id}").json()
    assert call["is_live"] is is_live
    assert [said["text"] for said in call["utterances"]] == [
        "Hello",
        "How can I help you?",
        "I have told you this three times",
        "Nobody listens to me",
    ]
    agent = call["utterances"][1]
    assert (agent["channel"], agent["stress"], agent["deviations"], agent["frustrated_prob"]) == (
        "agent",
        None,
        [],
        None,
    )
    assert call["utterances"][2]["stress"] == 0.9
    assert call["utterances"][2]["deviations"][0]["name"] == "f0_median_st"
    assert call["handoff"]["text"]
    api.get(f"/api/v1/calls/{call_id}")
    assert scene.actions() == [("supervisor", "see_call", f"call {call_id}")]
    scene.clock.advance(hours=1)
    api.get(f"/api/v1/calls/{call_id}")
    assert len(scene.actions()) == 2


def test_an_alert_from_the_inbox_to_the_verdict(scene: Scene, api: TestClient) -> None:
    listed = api.get("/api/v1/alerts", params={"verdict": "unjudged", "limit": "1"}).json()
    assert listed["total"] == 2
    (brief,) = listed["alerts"]
    place = f"/api/v1/alerts/{brief['event_id']}"
    assert brief["call_id"] == "call-billing"
    assert brief["why"]
    taken = api.post(f"{place}/take")
    assert (taken.status_code, taken.json()["won"], taken.json()["by"]) == (200, True, "supervisor")
    qa = scene.client()
    qa.headers["authorization"] = f"Bearer {TOKENS['qa']}"
    late = qa.post(f"{place}/take")
    assert (late.status_code, late.json()["won"], late.json()["by"]) == (409, False, "supervisor")
    refused = qa.post(f"{place}/release")
    assert (refused.status_code, refused.json()["won"], refused.json()["by"]) == (409, False, "supervisor")
    assert (api.post(f"{place}/release").status_code, api.get(place).json()["taken"]) == (200, None)
    assert api.post(f"{place}/take").json()["won"]
    assert api.post(f"{place}/verdict", json={"verdict": "justified"}).json()["verdict"] == "justified"
    assert api.post(f"{place}/verdict", json={"verdict": "false_alarm"}).json()["verdict"] == "false_alarm"
    assert qa.post(f"{place}/verdict", json={"verdict": "justified"}).json() == {
        "event_id": brief["event_id"],
        "won": False,
        "by": "supervisor",
        "at": "2026-03-01T10:00:00Z",
        "verdict": "false_alarm",
    }
    assert api.post(f"{place}/note", json={"note": " called back "}).json()["note"] == "called back"
    full = api.get(place).json()
    assert full["judged"]["verdict"] == "false_alarm"
    assert full["event"]["event_id"] == brief["event_id"]
    assert "called back" in [said["note"] for said in full["said"]]
    assert [line for line in scene.actions() if line[0] == "supervisor"] == [
        ("supervisor", action, f"alert {brief['event_id']}")
        for action in ("take", "release", "take", "verdict", "verdict", "note")
    ]


def test_alerts_by_time_and_page(api: TestClient, scene: Scene) -> None:
    day = (scene.clock.now - timedelta(hours=1)).isoformat()
    assert [one["call_id"] for one in api.get("/api/v1/alerts", params={"since": day}).json()["alerts"]] == [
        "call-billing"
    ]
    assert [one["call_id"] for one in api.get("/api/v1/alerts", params={"until": day}).json()["alerts"]] == [
        "call-past"
    ]
    second = api.get("/api/v1/alerts", params={"limit": "1", "offset": "1"}).json()
    assert (second["total"], second["alerts"][0]["call_id"]) == (2, "call-past")


def test_quality_and_audit(scene: Scene) -> None:
    admin = scene.client()
    admin.headers["authorization"] = f"Bearer {TOKENS['admin']}"
    quality = admin.get("/api/v1/quality").json()
    assert quality["alerts"]["overall"]["alerts"] == 4
    assert quality["alerts"]["false_alarms"]["budget"] == 1.0
    assert quality["drift"] is None
    lines = admin.get("/api/v1/audit").json()["lines"]
    assert [(line["actor"], line["action"]) for line in lines] == [("admin", "see_audit")]
    assert admin.get("/api/v1/audit", params={"before": lines[0]["id"]}).json()["lines"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=", "limit=1&limit=2", "offset=-1", "since=1767225600",
     "since=2026-03-01", "since=2026-03-01T10:00:00", "since=0001-01-01T00:00:00Z",
     "until=9999-12-31T23:59:59-12:00", "verdict=maybe", "queue=", "queue=%0A", "nonsense=1"],
)  # fmt: skip
def test_queries_that_are_not_usable(api: TestClient, query: str) -> None:
    answer = api.get(f"/api/v1/alerts?{query}")
    assert (answer.status_code, list(answer.json())) == (422, ["error"])


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", '{"note": ""}', '{"note": "  "}', '{"note": 7}', '{"note": "a\\u0000"}',
             '{"note": "a", "by": "somebody else"}', json.dumps({"note": "x" * 4001})]
)  # fmt: skip
def test_bodies_that_are_not_usable(scene: Scene, api: TestClient, body: str) -> None:
    place = f"/api/v1/alerts/{scene.alert_id('call-billing')}/note"
    answer = api.post(place, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert scene.actions() == []


def test_errors_are_said_in_the_readers_language(api: TestClient) -> None:
    german, russian = (
        api.get("/api/v1/audit", headers={"accept-language": code}).json()["error"] for code in ("de", "ru")
    )
    assert german.startswith("Your role does not allow this.")
    assert russian != german


def test_a_wrong_token_is_refused_and_noted_once(scene: Scene) -> None:
    browser = scene.client("admin")
    answer = browser.get("/api/v1/me", headers={"authorization": "Bearer not the right one"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert [line for line in scene.actions() if line[0] == ""] == [("", "sign_in_refused", "console")]


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """Valid and invalid requests to every place, as an admin and with wrong tokens; a stream has no end to wait for."""
    people = ConsoleConfig(
        people=PEOPLE, sign_in_attempts_per_minute=100_000, sign_in_attempts_per_minute_in_total=100_000
    )
    config = SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": f"Bearer {TOKENS['admin']}"},
            "generation": {"database": "none", "deterministic": True, "max-examples": 15, "mode": "all"},
            "phases": {"stateful": {"enabled": False}},
        }
    )
    with (scene := make_scene(tmp_path, config=people)).store:
        schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", scene.app, config=config)
        found, statuses, looked_at = [], Counter[int](), set()
        for event in from_schema(schema.exclude(path_regex="/stream$")).execute():
            assert not isinstance(event, events.NonFatalError | events.FatalError), event
            if not isinstance(event, events.ScenarioFinished):
                continue
            recorder = event.recorder
            for case_id, checks in recorder.checks.items():
                found += [
                    (recorder.cases[case_id].value.as_curl_command(), check.failure_info.failure.message)
                    for check in checks
                    if check.failure_info is not None
                ]
            answers = [one.response for one in recorder.interactions.values() if one.response is not None]
            statuses.update(answer.status_code for answer in answers)
            if answers:
                looked_at.add((event.phase.name, event.label))
        assert found == []
        assert scene.failures == []
    assert {label for _, label in looked_at} >= {f"{method} {path}" for method, path in PLACES}
    assert {phase for phase, _ in looked_at} == {"COVERAGE", "FUZZING"}
    assert min(statuses[status] for status in (200, 401, 404, 405, 415, 422)) > 0


PLACES = [
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/calls"),
    ("GET", "/api/v1/calls/{call_id}"),
    ("GET", "/api/v1/alerts"),
    ("GET", "/api/v1/alerts/{event_id}"),
    ("POST", "/api/v1/alerts/{event_id}/take"),
    ("POST", "/api/v1/alerts/{event_id}/release"),
    ("POST", "/api/v1/alerts/{event_id}/verdict"),
    ("POST", "/api/v1/alerts/{event_id}/note"),
    ("GET", "/api/v1/quality"),
    ("GET", "/api/v1/audit"),
]
"""What schemathesis must have looked at."""
