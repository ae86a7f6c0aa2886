"""Calls that broke off with their process: they end, their alerts are cleared, and nobody else's call is touched."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.events.calls import STARTED_AT, make_call, make_reroute, make_utterance
from voicepipe.events import alert_log, inquiries
from voicepipe.events.calls import build_call_ended, build_call_started
from voicepipe.events.envelope import message_of
from voicepipe.events.interrupted import SILENT_FOR, end_interrupted
from voicepipe.events.reroute import RerouteEvent
from voicepipe.events.store import Store
from voicepipe.types import CallStarted, CallSummary, ClosedBy, Coverage


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url, sinks=("kafka",), clock=lambda: STARTED_AT) as opened:
        yield opened


def begin(store: Store, call_id: str, *, gateway: str = "twilio") -> None:
    """A call with an utterance at 40 s and an alert at 30 s; no end."""
    call = replace(make_call(call_id), gateway=gateway)
    store.record(
        [CallStarted(call=call), make_utterance(0, call_id=call_id, start_s=40.0)],
        [message_of(build_call_started(call)), message_of(make_reroute(call_id=call_id))],
    )


def later(hours: float) -> datetime:
    return STARTED_AT + timedelta(hours=hours)


def test_a_call_that_nobody_ends_ends_and_its_alert_is_over(store: Store) -> None:
    begin(store, "lost")
    assert end_interrupted(store, now=later(2)) == 1
    kept = store.ask(inquiries.kept_call, "lost")
    assert kept is not None
    last_s = make_utterance(0, start_s=40.0).end_s
    assert (kept.duration_s, kept.reason, kept.language) == (last_s, "interrupted", "en")
    (alert,) = store.ask(alert_log.read, call_id="lost", limit=9)
    assert alert.call_ended
    assert (alert.closed_by, alert.cleared_at) == (ClosedBy.CALL_END, STARTED_AT + timedelta(seconds=last_s))
    *_, cleared, ended = store.events_of("lost")
    told = RerouteEvent.model_validate_json(cleared.body)
    assert told == make_reroute(call_id="lost").model_copy(
        update={
            "event_id": told.event_id,
            "kind": "cleared",
            "occurred_at": alert.cleared_at,
            "at_s": last_s,
            "closed_s": told.evidence.utterances[-1].end_s,
            "closed_by": ClosedBy.CALL_END,
        }
    )
    assert b'"reason":"interrupted"' in ended.body
    assert store.depth("kafka").pending == 4
    assert end_interrupted(store, now=later(3)) == 0, "once"


def test_its_own_process_would_have_told_it_in_the_same_words(store: Store) -> None:
    """The ids are those that the call's own end would have had, so that a late one changes nothing."""
    begin(store, "lost")
    end_interrupted(store, now=later(2))
    summary = CallSummary(
        call=make_call("lost"), duration_s=44.0, language="en", coverage=Coverage(speech_s=4.0), reason="end"
    )
    ids = {event.event_id for event in store.events_of("lost")}
    assert str(build_call_ended(summary).event_id) in ids


def test_calls_that_go_on_have_ended_or_are_recordings_are_left_alone(store: Store) -> None:
    begin(store, "recorded", gateway="file")
    begin(store, "over")
    summary = CallSummary(
        call=make_call("over"), duration_s=50.0, language="en", coverage=Coverage(speech_s=4.0), reason="end"
    )
    store.record([summary], [])
    begin(store, "long")
    store.record([make_utterance(1, call_id="long", start_s=7000.0)], [])
    assert end_interrupted(store, now=later(2)) == 0
    assert end_interrupted(store, now=STARTED_AT + SILENT_FOR) == 0
    assert end_interrupted(store, now=later(4)) == 1
