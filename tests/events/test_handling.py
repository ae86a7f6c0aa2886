"""Of several people who take or judge an alert one wins, in one transaction with what is sent and noted."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.events.calls import make_call, make_messages, make_reroute, make_summary
from voicepipe.events.envelope import message_of
from voicepipe.events.feedback import FEEDBACK_TOPIC, Feedback, InboundFeedback, read_feedback
from voicepipe.events.handling import Handling, UnknownAlertError
from voicepipe.events.store import Store
from voicepipe.types import Basis, CallStarted, ClosedBy, ConsentApplied, EpisodeState, Erasure, Scope, StoreError

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
ALERT = str(make_reroute().event_id)
CROWD = 12


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[Store]:
    with Store.open(store_url, sinks=("kafka",), clock=clock) as opened:
        opened.record([CallStarted(call=make_call())], make_messages()[:2])
        yield opened


def sent(store: Store) -> list[Feedback]:
    """Return what goes out on the topic of feedback, as a consumer reads it."""
    found = []
    for row in store.events_of("call-1"):
        if row.topic == FEEDBACK_TOPIC:
            read = read_feedback(row.body, headers=dict(row.headers), topic=row.topic, place="t/0/0")
            assert read.feedback is not None
            found.append(read.feedback)
    return found


def inbound(**fields: object) -> InboundFeedback:
    feedback = Feedback.model_validate(
        {"feedback_id": uuid4(), "event_id": ALERT, "call_id": "call-1", "given_at": NOW} | fields
    )
    return InboundFeedback(place=str(uuid4()), topic=FEEDBACK_TOPIC, body=b"{}", feedback=feedback)


def crowd(act: Callable[[Store, int], Handling], stores: list[Store]) -> list[Handling]:
    """Let many people act at the same moment, each in a thread, on the given stores by turns."""
    barrier = threading.Barrier(CROWD)

    def press(number: int) -> Handling:
        barrier.wait()
        return act(stores[number % len(stores)], number)

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(press, range(CROWD)))


def test_taking_is_kept_sent_and_noted_in_one_transaction(store: Store) -> None:
    taken = store.take_alert(ALERT, by="anna")
    assert (taken.won, taken.by, taken.at, taken.kind) == (True, "anna", NOW, "take")
    (feedback,) = sent(store)
    assert (feedback.outcome, feedback.verdict, feedback.given_by, feedback.given_at) == ("taken", None, "anna", NOW)
    assert store.feedback_of(ALERT) == (feedback,)
    assert store.depth("kafka").pending == 3
    (line,) = store.audit()
    assert (line.actor, line.action, line.subject, line.details) == (
        "anna",
        "take",
        f"alert {ALERT}",
        {"call": "call-1"},
    )


def test_nothing_of_it_is_kept_where_the_last_step_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr("voicepipe.events.audit.note", fail)
    with pytest.raises(StoreError, match="full"):
        store.take_alert(ALERT, by="anna")
    monkeypatch.undo()
    assert (sent(store), store.feedback_of(ALERT), store.audit()) == ([], (), ())
    assert store.take_alert(ALERT, by="ben").won


def test_who_comes_second_is_told_who_was_first_and_when(store: Store, clock: Clock) -> None:
    store.take_alert(ALERT, by="anna")
    clock.now += timedelta(seconds=3)
    late = store.take_alert(ALERT, by="ben")
    assert (late.won, late.by, late.at) == (False, "anna", NOW)
    assert store.take_alert(ALERT, by="anna").won, "a second press is no second take"
    assert len(sent(store)) == 1
    assert len(store.audit()) == 1


def test_who_judged_may_change_the_verdict_and_nobody_else(store: Store, clock: Clock) -> None:
    assert store.judge_alert(ALERT, verdict="justified", by="anna", note="she was right").won
    clock.now += timedelta(seconds=1)
    other = store.judge_alert(ALERT, verdict="false_alarm", by="ben", note="not kept")
    assert (other.won, other.by, other.value) == (False, "anna", "justified")
    assert store.judge_alert(ALERT, verdict="justified", by="anna").at == NOW, "the same again is nothing new"
    changed = store.judge_alert(ALERT, verdict="false_alarm", by="anna")
    assert (changed.won, changed.value, changed.at) == (True, "false_alarm", clock.now)
    assert [(one.verdict, one.note) for one in sent(store)] == [("justified", "she was right"), ("false_alarm", None)]
    assert [line.details["verdict"] for line in store.audit()] == ["false_alarm", "justified"]


def test_what_was_given_back_is_free_for_others(store: Store, clock: Clock) -> None:
    assert store.take_alert(ALERT, by="anna").won
    clock.now += timedelta(seconds=3)
    other = store.release_alert(ALERT, by="ben")
    assert (other.won, other.by, other.at) == (False, "anna", NOW)
    given = store.release_alert(ALERT, by="anna")
    assert (given.won, given.by, given.at) == (True, "anna", clock.now)
    assert store.release_alert(ALERT, by="anna").won, "a second press is no second release"
    alert = store.alert(ALERT)
    assert alert is not None
    assert (alert.take, alert.is_handled) == (None, False)
    clock.now += timedelta(seconds=1)
    assert store.take_alert(ALERT, by="ben").won
    assert [(one.outcome, one.given_by) for one in sent(store)] == [
        ("taken", "anna"),
        ("released", "anna"),
        ("taken", "ben"),
    ]
    assert [(line.actor, line.action) for line in store.audit()] == [
        ("ben", "take"),
        ("anna", "release"),
        ("anna", "take"),
    ]


def test_who_may_give_back_anybody_s_does(store: Store) -> None:
    store.take_alert(ALERT, by="anna")
    store.judge_alert(ALERT, verdict="justified", by="anna")
    given = store.release_alert(ALERT, by="admin", anybodys=True)
    assert (given.won, given.by) == (True, "admin")
    alert = store.alert(ALERT)
    assert alert is not None
    assert (alert.take, alert.verdict is not None, alert.is_handled) == (None, True, True)


def test_what_nobody_took_cannot_be_given_back_wrongly(store: Store) -> None:
    assert store.release_alert(ALERT, by="anna").won
    assert (sent(store), store.audit()) == ([], ())
    with pytest.raises(UnknownAlertError, match="no alert"):
        store.release_alert(str(uuid4()), by="anna")


def test_a_take_that_comes_again_does_not_undo_its_release(store: Store, clock: Clock) -> None:
    taken = inbound(outcome="taken", given_by="ben", given_at=NOW)
    later = NOW + timedelta(seconds=5)
    store.record_feedback([taken, inbound(outcome="released", given_by="ben", given_at=later), taken])
    alert = store.alert(ALERT)
    assert alert is not None
    assert (alert.take, alert.is_handled) == (None, False)
    clock.now = later + timedelta(seconds=1)
    store.take_alert(ALERT, by="anna")
    store.record_feedback([inbound(outcome="released", given_by="ben", given_at=later)])
    alert = store.alert(ALERT)
    assert alert is not None
    assert alert.take is not None, "an old release gives back no later take"


def test_taking_and_judging_are_apart(store: Store) -> None:
    assert store.take_alert(ALERT, by="anna").won
    assert store.judge_alert(ALERT, verdict="justified", by="qing").won
    alert = store.alert(ALERT)
    assert alert is not None
    assert alert.take is not None
    assert alert.verdict is not None
    assert (alert.take.by, alert.verdict.by, alert.verdict.value) == ("anna", "qing", "justified")


def test_notes_are_kept_sent_and_noted_without_their_words(store: Store) -> None:
    store.note_alert(ALERT, note="calls back at noon", by="anna")
    store.note_alert(ALERT, note="did call back", by="ben")
    assert [one.note for one in sent(store)] == ["calls back at noon", "did call back"]
    assert [(line.action, line.reason) for line in store.audit()] == [("note", ""), ("note", "")]
    for note in ("", "   ", "x" * 5000, "a\0b"):
        with pytest.raises(ValueError, match="note"):
            store.note_alert(ALERT, note=note, by="anna")


def test_an_alert_that_is_not_there_cannot_be_handled(store: Store) -> None:
    for unknown in (str(uuid4()), "nonsense", str(make_reroute(EpisodeState.CLOSED, at_s=50.0).event_id)):
        with pytest.raises(UnknownAlertError, match="no alert"):
            store.take_alert(unknown, by="anna")
        assert store.alert(unknown) is None


def test_of_many_who_press_at_once_one_wins(store: Store) -> None:
    taken = crowd(lambda one, number: one.take_alert(ALERT, by=f"person-{number}"), [store])
    assert sum(one.won for one in taken) == 1
    assert len({one.by for one in taken}) == 1, "all are told the same name"
    assert len(sent(store)) == 1
    assert len(store.audit()) == 1


def test_of_many_on_several_nodes_one_wins(store_url: str, store: Store, clock: Clock) -> None:
    with Store.open(store_url, sinks=("kafka",), clock=clock) as second:
        judged = crowd(
            lambda one, number: one.judge_alert(
                ALERT, verdict="justified" if number % 2 else "false_alarm", by=f"person-{number}"
            ),
            [store, second],
        )
    (winner,) = {(one.by, one.value) for one in judged}
    assert [one.by for one in judged if one.won] == [winner[0]]
    assert [(one.given_by, one.verdict) for one in sent(store)] == [winner]


def test_what_others_answer_by_kafka_counts_as_well(store: Store) -> None:
    store.record_feedback([inbound(verdict="false_alarm", given_by="acd"), inbound(outcome="taken", given_by="ben")])
    assert (store.take_alert(ALERT, by="anna").by, store.take_alert(ALERT, by="anna").won) == ("ben", False)
    assert store.judge_alert(ALERT, verdict="justified", by="anna").value == "false_alarm"
    assert sent(store) == []


def test_an_answer_that_comes_back_by_kafka_changes_nothing(store: Store) -> None:
    store.judge_alert(ALERT, verdict="justified", by="anna")
    store.judge_alert(ALERT, verdict="false_alarm", by="anna")
    before = store.alert(ALERT)
    for feedback in sent(store):
        record = InboundFeedback(place=str(uuid4()), topic=FEEDBACK_TOPIC, body=b"{}", feedback=feedback)
        store.record_feedback([record])
    assert store.alert(ALERT) == before


def test_an_alert_is_told_with_all_that_became_of_it(store: Store) -> None:
    (alert,) = store.alerts()
    assert (alert.event_id, alert.call_id, alert.queue, alert.is_handled, alert.call_ended) == (
        ALERT,
        "call-1",
        "billing",
        False,
        False,
    )
    store.record([], [message_of(make_reroute(EpisodeState.CLOSED, at_s=50.0))])
    store.record([make_summary()], [])
    store.record_feedback([inbound(outcome="rerouted", given_by="acd")])
    (alert,) = store.alerts()
    assert alert.cleared_at == make_call().started_at + timedelta(seconds=50)
    assert (alert.is_handled, alert.call_ended, alert.language) == (True, True, "en")


def test_why_an_episode_was_cleared_is_kept(store: Store) -> None:
    cleared = make_reroute(EpisodeState.CLOSED, at_s=50.0).model_copy(update={"closed_by": ClosedBy.CALL_END})
    store.record([], [message_of(cleared)])
    (alert,) = store.alerts()
    assert alert.closed_by is ClosedBy.CALL_END


def test_alerts_come_newest_first_by_page_by_queue_and_by_time(store_url: str, clock: Clock) -> None:
    with Store.open(store_url, sinks=(), clock=clock) as store:
        for number in range(7):
            call = replace(make_call(f"c{number}"), queue=["billing", "claims", None][number % 3])
            event = make_reroute(call_id=call.call_id, at_s=30.0 + number)
            event = event.model_copy(update={"call": event.call.model_copy(update={"queue": call.queue})})
            store.record([CallStarted(call=call)], [message_of(event)])
        everything = store.alerts()
        assert [alert.call_id for alert in everything] == [f"c{number}" for number in reversed(range(7))]
        first = store.alerts(limit=3)
        assert store.alerts(limit=10, before=first[-1]) == everything[3:]
        assert [alert.call_id for alert in store.alerts(queues={"claims"})] == ["c4", "c1"]
        assert store.alerts(queues=()) == ()
        start = everything[-1].event.occurred_at
        assert len(store.alerts(since=start + timedelta(seconds=2), until=start + timedelta(seconds=4))) == 2
        assert [alert.call_id for alert in store.alerts(call_id="c2")] == ["c2"]


def test_the_inbox_keeps_of_each_queue_what_is_open_then_what_is_unhandled_then_the_newest(
    store_url: str, clock: Clock
) -> None:
    with Store.open(store_url, sinks=(), clock=clock) as store:

        def alert(call_id: str, queue: str | None, at_s: float, *, cleared: bool = False) -> str:
            event = make_reroute(call_id=call_id, at_s=at_s)
            event = event.model_copy(update={"call": event.call.model_copy(update={"queue": queue})})
            over = make_reroute(EpisodeState.CLOSED, call_id=call_id, at_s=at_s + 1.0)
            store.record([], [message_of(event), *([message_of(over)] if cleared else [])])
            return str(event.event_id)

        def inbox(limit: int) -> list[str]:
            return [one.call_id for one in store.inbox(since=make_call().started_at, limit=limit)]

        alert("open", "vip", 1.0)
        store.take_alert(alert("open, taken", "vip", 2.0), by="anna")
        alert("unhandled", "vip", 3.0, cleared=True)
        store.take_alert(given_back := alert("given back", "vip", 4.0, cleared=True), by="anna")
        store.release_alert(given_back, by="anna")
        rerouted = alert("rerouted", "vip", 5.0, cleared=True)
        store.record_feedback([inbound(event_id=rerouted, call_id="rerouted", outcome="rerouted")])
        store.judge_alert(alert("judged", "vip", 6.0, cleared=True), verdict="justified", by="anna")
        for number in range(7):
            alert(f"sales {number}", "sales", 10.0 + number)
            alert(f"none {number}", None, 20.0 + number)
        assert [one for one in inbox(7) if one[0] not in "sn"] == [
            "judged",
            "rerouted",
            "given back",
            "unhandled",
            "open, taken",
            "open",
        ]
        kept = {limit: {one for one in inbox(limit) if one[0] not in "sn"} for limit in range(1, 6)}
        order = ["open", "open, taken", "given back", "unhandled", "judged", "rerouted"]
        assert kept == {limit: set(order[:limit]) for limit in range(1, 6)}
        assert [one for one in inbox(2) if one[0] in "sn"] == ["none 6", "none 5", "sales 6", "sales 5"]
        assert store.inbox(since=make_call().started_at + timedelta(minutes=1), limit=9) == ()


def test_the_mark_changes_with_everything_that_is_shown(store: Store, clock: Clock) -> None:
    since = make_call().started_at - timedelta(hours=1)
    marks = [store.alerts_mark(since=since)]

    def changed() -> bool:
        marks.append(store.alerts_mark(since=since))
        return marks[-1] != marks[-2]

    assert not changed()
    clock.now += timedelta(seconds=1)
    store.take_alert(ALERT, by="anna")
    assert changed()
    store.release_alert(ALERT, by="anna")
    assert changed()
    store.judge_alert(ALERT, verdict="justified", by="anna")
    assert changed()
    clock.now += timedelta(seconds=1)
    store.judge_alert(ALERT, verdict="false_alarm", by="anna")
    assert changed()
    store.note_alert(ALERT, note="so it is", by="anna")
    assert changed()
    store.record([], [message_of(make_reroute(EpisodeState.CLOSED, at_s=50.0))])
    assert changed()
    store.record([make_summary()], [])
    assert changed()
    store.record([], [message_of(make_reroute(index=1, at_s=60.0))])
    assert changed()
    store.purge(call_id="call-1", actor="anna", reason="Art. 17")
    assert changed()
    assert not changed()


@pytest.mark.parametrize("erases", [Erasure.ACOUSTICS, Erasure.EVERYTHING])
def test_a_caller_who_withdraws_takes_the_alert_and_all_answers_along(store: Store, erases: Erasure) -> None:
    store.take_alert(ALERT, by="anna")
    store.note_alert(ALERT, note="she is at her mother's", by="anna")
    call = replace(make_call(), consent="withdrawn", basis=Basis.WITHDRAWN)
    store.record([ConsentApplied(call=call, at_s=40.0, scope=Scope.NOTHING, erases=erases)], [])
    assert store.alerts() == ()
    assert store.feedback_of(ALERT) == ()
    assert sum(b"mother" in row.body for row in store.events_of("call-1")) == 0
    graves = [row.topic for row in store.events_of("call-1") if not row.body]
    assert FEEDBACK_TOPIC in graves
    with pytest.raises(UnknownAlertError):
        store.take_alert(ALERT, by="ben")


def test_alerts_expire_with_their_events(store: Store, clock: Clock) -> None:
    with store.claim("kafka", limit=10) as claim:
        for row in claim.rows:
            claim.settle(row, _Sent())
    store.take_alert(ALERT, by="anna")
    clock.now += timedelta(days=200)
    while store.expire("events", before=clock.now - timedelta(days=100)):
        pass
    assert store.alerts() == ()


class _Sent:
    delivered, refused = True, None


def test_the_alerts_of_an_older_store_are_entered_with_who_handled_them(tmp_path: Path, clock: Clock) -> None:
    place = tmp_path / "store.db"
    with Store.open(place, sinks=(), clock=clock) as store:
        store.record([CallStarted(call=make_call())], make_messages())
        store.take_alert(ALERT, by="anna")
        clock.now += timedelta(seconds=1)
        store.release_alert(ALERT, by="anna")
        clock.now += timedelta(seconds=1)
        store.judge_alert(ALERT, verdict="unsure", by="anna")
        clock.now += timedelta(seconds=1)
        store.judge_alert(ALERT, verdict="false_alarm", by="anna")
        before = store.alerts()
        with store._writing() as connection:
            for table in ("alerts", "handling", "console_sessions"):
                connection.exec_driver_sql(f"DROP TABLE {table}")
            for index in ("events_topic",):
                connection.exec_driver_sql(f"DROP INDEX {index}")
            for table, column in (("calls", "channels"), ("utterances", "speech_s"), ("utterances", "calm_kind")):
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
            connection.exec_driver_sql("ALTER TABLE utterances DROP COLUMN model_id")
            connection.exec_driver_sql("UPDATE schema_version SET version = 3")
    with Store.open(place, sinks=(), clock=clock) as store:
        assert store.alerts() == before
        assert len(before) == 1
        assert before[0].cleared_at is not None
        assert before[0].verdict is not None
        assert (before[0].verdict.value, before[0].take) == ("false_alarm", None)
        assert store.take_alert(before[0].event_id, by="anna").won
