import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.events.calls import make_call, make_episode, make_messages, make_summary, make_utterance
from tests.web.dialogue import fill, keep_long_call, make_long_call
from voicepipe.events import tables
from voicepipe.events.inquiries import (
    UNJUDGED,
    Selection,
    alert_records,
    alerts_of,
    call_hours,
    caller_scores,
    kept_call,
    places,
)
from voicepipe.events.rows import deviations_of
from voicepipe.events.store import Store
from voicepipe.stress.calm import CalmKind
from voicepipe.types import (
    Basis,
    Call,
    CallStarted,
    Channel,
    ConsentApplied,
    Coverage,
    EpisodeState,
    Erasure,
    FeatureDeviation,
    Reason,
    Scope,
)

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
EVERYTHING = Selection()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url, sinks=("kafka",), clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.sqlite", sinks=("kafka",), clock=lambda: NOW) as opened:
        yield opened


def call_of(call_id: str, *, queue: str | None = "billing", days_ago: float = 1.0, **changes: object) -> Call:
    call = replace(make_call(call_id), queue=queue, started_at=NOW - timedelta(days=days_ago))
    return replace(call, **changes)  # type: ignore[arg-type]


def keep_call(store: Store, call: Call, *, utterances: int = 24) -> None:
    said = make_long_call(call.call_id, utterances=utterances)
    ended = replace(make_summary(call.call_id), call=call, duration_s=1800.0)
    store.record([CallStarted(call=call), *said, ended], [])


def test_a_call_comes_back_as_it_was_told(store: Store) -> None:
    call = call_of("call-1", basis=Basis.NOTICE)
    said = make_long_call("call-1", utterances=6)
    episode = make_episode(EpisodeState.CLOSED)
    store.record([CallStarted(call=call), *said, episode, replace(make_summary(), call=call)], [])
    kept = store.ask(kept_call, "call-1")
    assert kept is not None
    assert kept.call == replace(call, language=kept.language)
    assert (kept.duration_s, kept.coverage, kept.reason) == (62.5, 1.0, "end")
    assert [(one.channel, one.index, one.start_s, one.speech_s) for one in kept.utterances] == [
        (one.channel, one.index, one.start_s, one.speech_s) for one in said
    ]
    for one, told in zip(kept.utterances, said, strict=True):
        assert one.transcript is not None
        assert told.transcript is not None
        assert one.transcript.text == told.transcript.text
        assert (one.score is None) == (told.score is None)
        if one.score is not None and told.score is not None:
            assert one.score.stress == told.score.stress
            assert one.score.baseline_ready == told.score.baseline_ready
            assert one.score.with_embedding == told.score.with_embedding
    (shown,) = kept.episodes
    assert (shown.opened_s, shown.closed_s, shown.reasons) == (5.0, 25.0, (Reason.STRESS_PERSISTED,))
    assert store.ask(kept_call, "call-2") is None


def test_deviations_keep_name_number_and_unit(store: Store) -> None:
    utterance = make_utterance(0)
    assert utterance.score is not None
    features = (
        FeatureDeviation(name="pitch_median_st", value=3.0, unit="semitones", deviation=-4.12347, text="pitch"),
        FeatureDeviation(name="hnr_mean_db", value=math.nan, unit="dB", deviation=math.nan, text="not measurable"),
    )
    told = replace(utterance, score=replace(utterance.score, top_features=features))
    store.record([CallStarted(call=call_of("call-1")), told], [])
    kept = store.ask(kept_call, "call-1")
    assert kept is not None
    score = kept.utterances[0].score
    assert score is not None
    (found,) = score.top_features
    assert (found.name, found.deviation, found.unit, found.text) == ("pitch_median_st", -4.1235, "semitones", "pitch")


def test_deviations_of_older_stores_are_sentences() -> None:
    (found,) = deviations_of('["pitch 4 semitones above this caller\'s normal"]')
    assert (found.name, found.unit, found.text) == ("", "", "pitch 4 semitones above this caller's normal")
    assert math.isnan(found.deviation)
    assert deviations_of(None) == ()


def test_a_call_of_an_older_store_has_the_tracks_that_spoke(local: Store) -> None:
    keep_call(local, call_of("call-1"), utterances=4)
    with local._writing() as connection:
        connection.execute(tables.calls.update().values(channels=None))
        connection.execute(tables.utterances.update().values(speech_s=None, calm_kind=None, model_id=None))
    kept = local.ask(kept_call, "call-1")
    assert kept is not None
    assert set(kept.call.channels) == {Channel.CALLER, Channel.AGENT}
    assert all(one.speech_s == pytest.approx(one.end_s - one.start_s) for one in kept.utterances)


def test_what_the_voice_told_goes_with_the_consent(store: Store) -> None:
    call = call_of("call-1")
    keep_call(store, call)
    withdrawn = ConsentApplied(
        call=replace(call, basis=Basis.WITHDRAWN), at_s=9.0, scope=Scope.TRANSCRIPT_ONLY, erases=Erasure.ACOUSTICS
    )
    store.record([withdrawn], [])
    kept = store.ask(kept_call, "call-1")
    assert kept is not None
    assert all(one.score is None and one.transcript is not None for one in kept.utterances)
    assert store.ask(caller_scores, EVERYTHING, model_id="stress-4") == ()
    table = tables.utterances
    left = store.ask(lambda connection: connection.execute(sa.select(table.c.calm_kind, table.c.model_id)).all())
    assert set(left) == {(None, None)}


def test_alerts_are_told_with_queue_language_verdict_and_delay(store: Store) -> None:
    store.record([CallStarted(call=make_call()), make_episode(), make_summary()], make_messages())
    (before,) = store.ask(alert_records, EVERYTHING)
    assert (before.verdict, before.taken_after_s, before.language) == (None, None, "en")
    assert before.at_s - before.opened_s == 25.0
    assert before.reasons == (Reason.STRESS_PERSISTED,)
    store.take_alert(before.event_id, by="ann")
    store.judge_alert(before.event_id, verdict="false_alarm", by="ann")
    (after,) = store.ask(alert_records, EVERYTHING)
    assert after.verdict == "false_alarm"
    assert after.taken_after_s is not None
    assert after.taken_after_s >= 0.0


def test_alerts_are_selected(local: Store) -> None:
    fill(local, now=NOW, calls=240, alerts=60)
    everything = local.ask(alert_records, EVERYTHING)
    assert len(everything) == 60

    def found(**by: object) -> int:
        selection = Selection(**by)  # type: ignore[arg-type]
        page, total = local.ask(alerts_of, selection, limit=1000)
        records = local.ask(alert_records, selection)
        assert len(page) == total == len(records)
        assert {one.event_id for one in page} == {one.event_id for one in records}
        return total

    billing = sum(one.queue == "billing" for one in everything)
    assert found(queue="billing") == found(queues=["billing"]) == billing
    assert found(queues=[]) == 0
    assert found(queues=["billing"], queue="claims") == 0
    assert found(language="ru") == sum(one.language == "ru" for one in everything)
    assert found(verdict=UNJUDGED) == sum(one.verdict is None for one in everything)
    assert found(verdict="false_alarm") == sum(one.verdict == "false_alarm" for one in everything)
    half = NOW - timedelta(days=180)
    assert found(since=half) + found(until=half) == 60
    assert local.ask(places, queues=None)[1] == ("en", "ru", "zh")
    assert local.ask(places, queues=["claims"])[0] in ((), ("claims",))


def test_pages_of_alerts_hold_each_once_newest_first(local: Store) -> None:
    fill(local, now=NOW, calls=50, alerts=25)
    pages = [local.ask(alerts_of, EVERYTHING, limit=10, offset=offset)[0] for offset in (0, 10, 20)]
    ids = [one.event_id for page in pages for one in page]
    assert len(ids) == len(set(ids)) == 25
    times = [one.event.occurred_at for page in pages for one in page]
    assert times == sorted(times, reverse=True)


def test_hours_are_those_of_calls_that_were_listened_to(local: Store) -> None:
    keep_call(local, call_of("one", basis=Basis.NOTICE), utterances=2)
    keep_call(local, call_of("two"), utterances=2)
    keep_call(local, call_of("refused", basis=Basis.NONE), utterances=2)
    keep_call(local, call_of("old", days_ago=40.0), utterances=2)
    keep_call(local, call_of("claims", queue="claims"), utterances=2)
    local.record([CallStarted(call=call_of("going on"))], [])
    week = NOW - timedelta(days=7)
    assert local.ask(call_hours, Selection(since=week)) == pytest.approx(1.5)
    assert local.ask(call_hours, Selection(since=week, queues=["billing"])) == pytest.approx(1.0)
    assert local.ask(call_hours, Selection(queues=[])) == 0.0


def test_scores_of_callers_are_sampled_over_the_whole_period(local: Store) -> None:
    for number in range(40):
        caller = "same" if number < 2 else None
        keep_call(local, call_of(f"call-{number}", days_ago=40.0 - number, caller_id=caller), utterances=14)
    everyone = local.ask(caller_scores, EVERYTHING, model_id="stress-4")
    assert len({one.caller for one in everyone}) == 39
    assert {one.kind for one in everyone} == {CalmKind.EARLY, CalmKind.READY}
    some = local.ask(caller_scores, EVERYTHING, model_id="stress-4", calls=10)
    numbers = sorted(int(one.removeprefix("call-")) for one in {score.caller for score in some} - {"same"})
    assert len(numbers) == 10
    assert numbers[-1] - numbers[0] >= 30
    assert local.ask(caller_scores, EVERYTHING, model_id="stress-4+site-1") == ()


def test_the_agent_is_never_among_the_scores(local: Store) -> None:
    said = make_long_call("call-1", utterances=6)
    wrong = [replace(one, score=said[1].score) for one in said]
    ended = replace(make_summary(), call=call_of("call-1"))
    local.record([CallStarted(call=call_of("call-1")), *wrong, ended], [])
    assert len(local.ask(caller_scores, EVERYTHING, model_id="stress-4")) == 3


def test_a_call_of_two_hours_is_read_at_once(local: Store) -> None:
    length_s = keep_long_call(local, call_of("long"), utterances=2000)
    kept = local.ask(kept_call, "long")
    assert kept is not None
    assert len(kept.utterances) == 2000
    assert kept.duration_s == pytest.approx(length_s)
    assert Coverage(speech_s=1.0).ratio == kept.coverage
