import re
import time
from pathlib import Path

import pytest

from tests.web.dialogue import fill
from tests.web.scene import NOW, PAST_CALL, Scene, add_nameless, make_scene
from voicepipe.stress.profile import read_calm_reference
from voicepipe.web.history_pages import PAGE
from voicepipe.web.language import Languages

MODEL = Path(__file__).parents[2] / "models" / "stress-4"
T = Languages.load()["en"].t


def calls_in(page: str) -> list[str]:
    return re.findall(r'href="/console/calls/([^"?]+)\?at=', page)


def test_past_alerts_are_listed_with_their_verdicts_and_calls(scene: Scene) -> None:
    event_id = scene.alert_id(PAST_CALL)
    scene.store.take_alert(event_id, by="ann")
    scene.store.judge_alert(event_id, verdict="false_alarm", by="ben")
    browser = scene.client("supervisor")
    page = browser.get("/console/history").text
    assert calls_in(page) == ["call-billing", PAST_CALL]
    row = page.partition(f'id="alert-{event_id}"')[2].partition("</tr>")[0]
    assert T("history-verdict-false-alarm") in row
    assert "ann" in row
    assert "ben" in row
    opened = re.search(r'href="(/console/calls/[^"]+)"', row)
    assert opened is not None
    assert browser.get(opened[1]).status_code == 200


def test_calls_of_unknown_agents_are_named(scene: Scene) -> None:
    add_nameless(scene, "call-x")
    page = scene.client("admin").get("/console/history").text
    assert [one for one in ("call-x", "call-none") if f">{one}</span>" in page] == ["call-x"]


@pytest.mark.parametrize(
    ("person", "seen"),
    [
        ("supervisor", {"call-billing", PAST_CALL}),
        ("qa", {"call-billing", "call-claims", PAST_CALL}),
        ("admin", {"call-billing", "call-claims", "call-none", PAST_CALL}),
        ("supervisor-of-none", set()),
    ],
)
def test_everybody_sees_the_history_of_their_queues(scene: Scene, person: str, seen: set[str]) -> None:
    assert set(calls_in(scene.client(person).get("/console/history").text)) == seen


def test_a_queue_that_is_not_theirs_is_no_filter(scene: Scene) -> None:
    page = scene.client("supervisor").get("/console/history?queue=claims").text
    assert calls_in(page) == []
    assert '<option value="claims"' not in page


def test_history_is_filtered(scene: Scene) -> None:
    scene.store.judge_alert(scene.alert_id("call-claims"), verdict="justified", by="ann")
    scene.clock.advance(minutes=5)
    browser = scene.client("admin")

    def found(query: str) -> set[str]:
        return set(calls_in(browser.get(f"/console/history?{query}").text))

    assert found("verdict=justified") == {"call-claims"}
    assert found("verdict=unjudged") == {"call-billing", "call-none", PAST_CALL}
    assert found("queue=billing") == {"call-billing", PAST_CALL}
    assert found("language=en") == {PAST_CALL}
    assert found("queue=billing&days=1") == {"call-billing"}
    assert found("verdict=nonsense&days=nonsense&page=nonsense&queue=") == found("")
    assert found("page=99") == set()
    assert T("history-none") in browser.get("/console/history?language=ru").text


def test_nothing_yet(tmp_path: Path) -> None:
    scene = make_scene(tmp_path)
    with scene.store:
        scene.store.purge(older_than=NOW, actor="test", reason="test")
        browser = scene.client("admin")
        assert T("history-empty") in browser.get("/console/history").text
        page = browser.get("/console/quality")
        assert page.status_code == 200
        assert T("quality-empty") in page.text
        assert T("quality-drift-no-model") in page.text


def test_pages_of_the_history_keep_the_filter(scene: Scene) -> None:
    fill(scene.store, now=NOW, calls=240, alerts=120)
    browser = scene.client("admin")
    seen: list[str] = []
    place: str | None = "/console/history?verdict=justified"
    while place:
        page = browser.get(place).text
        seen += re.findall(r'<tr id="alert-([^"]+)"', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        place = older[1].replace("&amp;", "&") if older else None
        assert place is None or "verdict=justified" in place
    judged = [one for one in scene.store.alerts(limit=1000) if one.verdict and one.verdict.value == "justified"]
    assert len(seen) == len(set(seen)) == len(judged) > PAGE


def test_who_may_not_see_quality_is_told_so(scene: Scene) -> None:
    assert scene.client("supervisor").get("/console/quality").status_code == 403
    assert scene.client("viewer").get("/console/history").status_code == 403
    assert scene.client("qa").get("/console/quality").status_code == 200


def test_quality_of_few_verdicts_claims_nothing(scene: Scene) -> None:
    scene.store.judge_alert(scene.alert_id("call-billing"), verdict="justified", by="ann")
    page = scene.client("admin").get("/console/quality").text
    assert T("quality-precision-few", judged=1, alerts=4, least=10) in page
    assert "100%" not in page


def test_unsure_verdicts_are_counted_apart_from_those_not_given(scene: Scene) -> None:
    scene.store.judge_alert(scene.alert_id("call-billing"), verdict="unsure", by="ann")
    page = scene.client("admin").get("/console/quality").text
    row = page.partition('id="table-queue"')[2].partition("billing</th>")[2].partition("</tr>")[0]
    assert dict(re.findall(r'data-label="([^"]+)">(\d+)<', row)) == {
        T("quality-alerts"): "2",
        T("quality-justified"): "0",
        T("quality-false-alarms"): "0",
        T("quality-unsure"): "1",
        T("quality-unjudged"): "1",
    }


def test_one_false_alarm_in_minutes_of_calls_is_no_rate(scene: Scene) -> None:
    scene.store.judge_alert(scene.alert_id("call-billing"), verdict="false_alarm", by="ann")
    page = scene.client("admin").get("/console/quality").text
    assert re.search(r">1 in 0\.\d\d h<", page)
    assert T("quality-false-few", budget="1.00", hours=100, least=10) in page
    assert "95% interval" not in page


def test_drift_is_told_where_callers_score_differently(scene: Scene) -> None:
    """Every caller of the seeded calls says the same twelve things: nothing like calm speech at calibration."""
    fill(scene.store, now=NOW, calls=400, alerts=40, scored_calls=60)
    scene.console.calm = lambda: read_calm_reference(MODEL)
    browser = scene.client("admin")
    page = browser.get("/console/quality").text
    assert T("quality-drift-warning") in page
    assert page.count("data-observed=") == 10
    few = browser.get("/console/quality?queue=claims").text
    assert T("quality-drift-warning") not in few
    scene.console.model_id = lambda: "stress-4+site-1"
    assert T("quality-drift-too-few", callers=0, weeks=4) in browser.get("/console/quality").text


@pytest.mark.slow
def test_fifty_thousand_calls_are_read_in_a_second(scene: Scene) -> None:
    fill(scene.store, now=NOW, calls=50_000, alerts=2_000, scored_calls=4_000)
    scene.console.calm = lambda: read_calm_reference(MODEL)
    browser = scene.client("admin")
    browser.get("/console/quality?queue=none")  # templates and libraries are loaded once
    browser.get("/console/history?queue=none")
    took = {}
    for place in ("history", "history?page=30&verdict=justified", "quality", "quality?weeks=52"):
        began_s = time.process_time()
        answer = browser.get(f"/console/{place}")
        took[place] = time.process_time() - began_s
        assert answer.status_code == 200
    print({place: f"{seconds:.3f} s" for place, seconds in took.items()})
    assert max(took.values()) < 1.0
